"""Models: the facts of named models as a table that can be sorted and filtered, and one model whole with its sources."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.coordinate import Coordinate
from textual.timer import Timer
from textual.widgets import DataTable, Input

from studyapp.bank.models import Model, by_date
from studyapp.context import AppContext
from studyapp.render.model_table import COLUMNS, DEFAULT, cell, columns_of, facts, sort, sources
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import pad
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, VerticalScroll

TYPING_RESTS = 0.12
NUMERIC = frozenset({"total", "active", "layers", "width", "heads", "kv_heads", "d_head", "cache", "vocabulary", "context"})


class Models(BaseScreen):
    """A table of models, newest first: of all, or of those that a question names."""

    scope = "models"
    BINDINGS: ClassVar = bindings("models")

    def __init__(self, context: AppContext, only: Sequence[str] = (), topic: str = "") -> None:
        """`only` are ids of models.yaml; the columns that `topic` is about stand first."""
        super().__init__(context)
        self.only = tuple(only)
        first = columns_of(topic) if topic else DEFAULT
        self.columns = [*first, *(name for name in COLUMNS if name not in first)]
        self.sorted_by, self.descending = "", False
        self.listed: list[Model] = []
        self.phase = "table"
        self.typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """The filter above, the table or one model below."""
        yield Static(id="title", markup=False)
        yield Input(id="search", compact=True)
        yield DataTable[Text](id="models", fixed_columns=1, cursor_type="cell", zebra_stripes=True)
        with VerticalScroll(id="page"):
            yield Static(id="facts", markup=False)
        yield KeyFooter()

    async def begin(self) -> None:
        """The table has the keyboard."""
        await self.show()
        self.query_one(DataTable).focus()

    async def show(self) -> None:
        """Filter, sort, and draw the table, or the one model that is open."""
        field, opened = self.query_one("#search", Input), self.model if self.phase == "one" else None
        field.placeholder = self.t("models.search")
        chosen = [m for m in self._among() if self._matches(m, field.value)]
        self.listed = sort(chosen, self.sorted_by, descending=self.descending) if self.sorted_by else chosen
        self._title()
        self._fill()
        self._open(opened)

    @property
    def model(self) -> Model | None:
        """The model under the cursor."""
        row = self.query_one(DataTable).cursor_row
        return self.listed[row] if 0 <= row < len(self.listed) else None

    def _among(self) -> list[Model]:
        models = self.context.bank.models
        return [models[i] for i in self.only if i in models] if self.only else by_date(models)

    def _matches(self, model: Model, wanted: str) -> bool:
        """Whether every word stands in a name, or in a fact as it is shown."""
        said = " ".join([*model.names, model.family, *(str(cell(model, name, self.context.t)) for name in COLUMNS)]).casefold()
        return all(word in said for word in wanted.casefold().split())

    def _title(self) -> None:
        count = self.t("models.count", n=len(self.listed), of=len(self.context.bank.models))
        order = ""
        if self.sorted_by:
            order = self.t("models.sorted", column=self.t(f"models.column_{self.sorted_by}")) + (" ↓" if self.descending else " ↑")
        title = self.title_line(self.t("models.title"), count, order, "" if self.listed else self.t("models.none"))
        self.query_one("#title", Static).update(title)

    def _fill(self) -> None:
        table = self.query_one(DataTable)
        column = table.cursor_column
        table.clear(columns=True)
        for name in self.columns:
            arrow = (" ↓" if self.descending else " ↑") if name == self.sorted_by else ""
            table.add_column(Text(self.t(f"models.column_{name}") + arrow), key=name)
        for model in self.listed:
            table.add_row(*(self._cell(model, name) for name in self.columns), key=model.id)
        table.cursor_coordinate = Coordinate(0, min(column, len(self.columns) - 1))

    def _cell(self, model: Model, name: str) -> Text:
        return Text(str(cell(model, name, self.context.t)), justify="right" if name in NUMERIC else "left")

    def _open(self, model: Model | None) -> None:
        """Show one model whole, or the table."""
        table, page = self.query_one(DataTable), self.query_one("#page")
        self.phase = "one" if model else "table"
        table.display, page.display = model is None, model is not None
        if model:
            self.query_one("#facts", Static).update(self._whole(model))
            if model in self.listed:
                table.move_cursor(row=self.listed.index(model))
            page.scroll_home(animate=False)
            page.focus()
        elif not self.query_one("#search").has_focus:
            table.focus()
        self.footer()

    def _whole(self, model: Model) -> Content:
        """Facts, note and sources of one model."""
        language = self.context.language
        rows = [(label, text) for label, text in facts(model, language) if label != self.t("models.note")]
        width = max(cell_len(label) for label, _ in rows) + 2
        lines = [Content.assemble(Content.styled(pad(label, width), "bold"), text) for label, text in rows]
        note = [Content(""), Content(model.note[language])] if model.note else []
        heading = Content.styled(self.t("models.sources"), "bold $accent")
        read = [Content.styled(f"· {source}", "$foreground-muted") for source in sources(model, language)]
        return Content("\n").join([*lines, *note, Content(""), heading, *read])

    @on(Input.Changed, "#search")
    def _typed(self) -> None:
        """The table follows when the typing rests: it measures every cell, and no letter waits for that."""
        if self.typing:
            self.typing.stop()
        self.typing = self.set_timer(TYPING_RESTS, self.show)

    @on(Input.Submitted, "#search")
    def _submitted(self) -> None:
        self.query_one(DataTable).focus()

    @on(DataTable.CellSelected)
    def _selected(self) -> None:
        self._open(self.model)

    @on(DataTable.HeaderSelected)
    async def _header(self, event: DataTable.HeaderSelected) -> None:
        await self._sort(str(event.column_key.value))

    def action_search(self) -> None:
        """Go to the filter."""
        self._open(None)
        self.query_one("#search").focus()

    async def action_sort(self) -> None:
        """By the column under the cursor: upwards, downwards, then by date again."""
        if self.phase == "table":
            await self._sort(self.columns[self.query_one(DataTable).cursor_column])

    async def _sort(self, column: str) -> None:
        if column != self.sorted_by:
            self.sorted_by, self.descending = column, False
        elif not self.descending:
            self.descending = True
        else:
            self.sorted_by, self.descending = "", False
        await self.show()

    async def action_all(self) -> None:
        """Every model, not only those that a question names."""
        self.only = ()
        self.query_one("#search", Input).value = ""
        await self.show()

    def action_leave(self) -> None:
        """Leave the filter, then the one model, then the screen."""
        if self.query_one("#search").has_focus:
            self.query_one(DataTable).focus()
        elif self.phase == "one":
            self._open(None)
        else:
            super().action_leave()
