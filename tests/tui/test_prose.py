"""Markdown drawn by one widget: nothing lost, nothing wider than its column, and copied as it was written."""

from typing import Any

import pytest
from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Offset
from textual.selection import Selection

from studyapp.paths import questions_dir
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.markdown_lines import markdown_lines
from studyapp.tui.widgets.markdown_table import Column, table_lines
from studyapp.tui.widgets.points import Points
from studyapp.tui.widgets.prose import Heading, Markdown, Marked, Prose

EVERYTHING = r"""# Head *one*

A **bold *both*** text with `code[0]`, ~~gone~~, [a link](https://example.org), ![a picture](x.png) and <b>no tag</b>
over two lines, 中文折行
不加空格。 A hard\
break.

- one
- two, long enough to be broken where the column is narrow indeed, with `code` in it
  - inner
- [x] done

9. nine

   more of nine
10. ten

> quoted
> - in a list

***

| name | a right one | note |
|:--|--:|---|
| `x` | 12 | a cell that is long enough to be broken into several lines at eighty cells, so that it is |
| y | 3 | **z** |

```python
def f(x):  # a comment that is longer than any column of a narrow terminal would ever be, by far
	return x
```

    indented

$$
\frac{a}{b} + c
$$
"""
WIDTHS = (24, 40, 78, 120)


def text(source: str, width: int, as_tex: bool = False) -> str:
    """The lines as text."""
    return "\n".join(line.text.plain for line in markdown_lines(source, width, as_tex))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_its_column_and_no_word_is_lost(width: int) -> None:
    """Whatever Markdown holds is there at every width, in order, and fits."""
    drawn = text(EVERYTHING, width)
    assert max(map(cell_len, drawn.splitlines())) <= width
    squeezed = "".join(drawn.split())
    wanted = ("Headone", "boldboth", "code[0]", "gone", "alink", "apicture", "<b>notag</b>", "中文折行不加空格。", "break.", "•one",
              "▪inner", "9.nine", "moreofnine", "10.ten", "quoted", "inalist", "returnx", "indented")  # fmt: skip
    places = [squeezed.find(word) for word in wanted]
    assert -1 not in places and places == sorted(places)
    assert "afraction" not in squeezed and "\\frac" not in squeezed and "\\frac{a}{b}" in text(EVERYTHING, width, as_tex=True)


def test_what_hangs_stays_beside_its_sign() -> None:
    """A list goes on under its text, not under its bullet; numbers stand right, from the first that is said."""
    lines = text(EVERYTHING, 40).splitlines()
    two = lines.index("• two, long enough to be broken where")
    assert lines[two + 1].startswith("  the column") and "  ▪ inner" in lines
    assert "  9. nine" in lines and " 10. ten" in lines and "     more of nine" in lines


def test_a_formula_too_wide_for_its_column_stands_as_its_tex() -> None:
    """A drawing is never cut: what does not fit is said as TeX, which can be broken."""
    formula = "$$\n" + " + ".join(f"\\frac{{a_{i}}}{{b_{i}}}" for i in range(8)) + "\n$$\n"
    assert "\\frac" not in text(formula, 78)
    narrow = text(formula, 30)
    assert "\\frac{a_7}{b_7}" in "".join(narrow.split()) and max(map(cell_len, narrow.splitlines())) <= 30


@pytest.mark.parametrize("width", (12, 20, 33, 60, 100))
def test_a_table_shows_every_cell_at_every_width(width: int) -> None:
    """Cells are broken where there is no room, and columns that have none follow below, beside the first again."""
    heads = [Content(f"head {c}") for c in range(6)]
    columns = [Column((head, *(Content(f"cell {r}{c} 中文") for r in range(3))), right=c == 2) for c, head in enumerate(heads)]
    lines = [line.plain for line in table_lines(columns, width)]
    assert max(map(cell_len, lines)) <= max(width, 12)
    for part in ("head", "cell"):
        assert "".join(lines).count(part) >= 6
    found = "\n".join(lines)
    assert all(f"{r}{c}" in found for r in range(3) for c in range(6)) and "…" not in found


def test_copying_leaves_out_the_line_breaks_of_the_width() -> None:
    """A selected paragraph is one line again, at its spaces and between its Chinese characters; other lines stay lines."""
    prose = Prose()
    prose.fill([Heading("Over it"), Markdown("One two three four five six.\n\n一二三四五六七八九十。\n\n- a\n- b"),
                Marked("Said", ((Content("✗"), Content("wrong"),),))])  # fmt: skip
    prose.draw(10)
    whole = "Over it\n\nOne two three four five six.\n\n一二三四五六七八九十。\n\n• a\n• b\n\nSaid\n ✗  wrong"
    assert prose.get_selection(Selection(None, None)) == (whole, "\n")
    assert prose.get_selection(Selection(Offset(4, 2), Offset(5, 3))) == ("two three", "\n")


async def test_every_line_of_an_answer_is_reached_at_80_by_24(make_app: Any) -> None:
    """Scrolled page by page, an answer longer than the terminal shows its first line and its last source."""
    app = make_app()
    question = app.context.bank.questions["first"]
    long = "\n\n".join(f"Paragraph number {n} of the answer." for n in range(40))
    app.context.bank.questions["first"] = type(question)(**{
        name: getattr(question, name) for name in question.__struct_fields__
    } | {"answer": type(question.answer)(en=long, zh=long)})
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(Study(app.context, practice=True, only=["first"]))
        await pilot.press("space", "space")
        await pilot.pause()
        seen = set()
        for _ in range(12):
            seen |= {"".join(s.text for s in strip).strip() for strip in app.screen._compositor.render_strips()}
            await pilot.press("pagedown")
            await pilot.pause()
        lines = " ".join(seen)
        assert all(f"Paragraph number {n} of" in lines for n in range(40))
        assert "Because variance grows [b]." in lines and "Vaswani et al. (2017)" in lines


async def test_an_answer_is_three_widgets_and_a_step_one_layout(make_app: Any, monkeypatch: Any) -> None:
    """However many paragraphs, an answer mounts nothing for them, and a key that reveals it lays the screen out at most twice."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        layouts: list[int] = []
        reflow = app.screen._compositor.reflow
        monkeypatch.setattr(app.screen._compositor, "reflow", lambda *a: (layouts.append(1), reflow(*a))[1])
        for key in ("space", "space"):
            layouts.clear()
            await pilot.press(key)
            await pilot.pause()
            assert 1 <= len(layouts) <= 2
        answer = app.screen.query_one(Answer)
        assert [type(child) for child in answer.walk_children()] == [Prose, Points, Prose]


def test_every_text_of_the_bank_fits_eighty_cells() -> None:
    """No answer of the shipped bank has a line that a terminal of eighty columns would cut."""
    import yaml

    for path in sorted(questions_dir().glob("*/*.yaml")):
        page = yaml.safe_load(path.read_text("utf-8"))
        for part in ("brief", "answer"):
            for language in ("en", "zh"):
                lines = text(page[part][language], 77).splitlines()
                assert max(map(cell_len, lines), default=0) <= 77, f"{path.name}: {part}.{language}"
