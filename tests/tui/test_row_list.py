"""The list of rows: drawn ahead while nothing else is to do."""

from textual.app import App, ComposeResult

from studyapp.tui.widgets.row_list import Row, RowList


class Listing(App[None]):
    """A list alone."""

    def compose(self) -> ComposeResult:
        yield RowList()


async def test_rows_out_of_sight_are_drawn_ahead_and_anew_at_another_width() -> None:
    """Rows that nobody has scrolled to are ready for a search; another width draws none of the old ones."""
    rows = [Row(f"r{i}", f"What is number {i}? " * 9, "new") for i in range(60)]
    app = Listing()
    async with app.run_test(size=(60, 12)) as pilot:
        listing = app.query_one(RowList)
        listing.fill(rows)
        await pilot.pause()
        assert len({row for row, _ in listing._drawn}) < 20
        listing.draw_ahead(rows)
        for _ in range(100):
            await pilot.pause(0.05)
            if {row for row, _ in listing._drawn} == set(rows):
                break
        assert {row for row, _ in listing._drawn} == set(rows)
        await pilot.resize_terminal(90, 12)
        await pilot.pause()
        assert all(strip.cell_length == listing.scrollable_content_region.width for lines in listing._drawn.values() for strip in lines)


async def test_rows_stay_drawn_where_colours_stay_and_are_drawn_anew_where_they_change() -> None:
    """A focus that leaves the colours of a row alone costs no drawing; another theme draws every row in its own colours."""
    rows = [Row(f"r{i}", f"What is number {i}?", "new") for i in range(4)]
    app = Listing()
    async with app.run_test(size=(60, 12)) as pilot:
        listing = app.query_one(RowList)
        listing.fill(rows)
        await pilot.pause()
        before = dict(listing._drawn)
        listing.notify_style_update()
        listing.refresh()
        await pilot.pause()
        assert all(listing._drawn[key] is lines for key, lines in before.items())
        app.theme = "textual-light"
        await pilot.pause()
        assert all(listing._drawn[key] is not lines and listing._drawn[key] != lines for key, lines in before.items())
