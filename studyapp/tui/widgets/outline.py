"""The learner's own words before the answer is seen, and beside it afterwards; and those of the last time."""

from textual.app import ComposeResult
from textual.content import Content

from studyapp.tui.widgets.layout import Static, Vertical


class Outline(Vertical):
    """A field that opens when asked for, and is gone once its words are shown."""

    DEFAULT_CSS = """
    Outline { height: auto; display: none; margin-bottom: 1; }
    Outline.-on { display: block; }
    Outline Static { height: auto; }
    Outline TextArea { height: auto; min-height: 5; max-height: 10; border: none; padding: 0 1; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = ""

    def compose(self) -> ComposeResult:
        """The words; the field is made when it is first needed."""
        yield Static(classes="said", markup=False)

    async def write(self) -> None:
        """Open the field."""
        from textual.widgets import TextArea  # half as slow to import as all else together, and often not needed

        if not self.query(TextArea):
            await self.mount(TextArea(self._text, tab_behavior="focus"))
        self.add_class("-on")
        self.query_one(".said", Static).display = False
        field = self.query_one(TextArea)
        field.focus()
        field.move_cursor(field.document.end)

    @property
    def writing(self) -> bool:
        """Whether the learner is in the field."""
        return any(field.has_focus for field in self.query("TextArea"))

    @property
    def text(self) -> str:
        """What was written."""
        for field in self.query("TextArea"):
            self._text = field.text.strip()  # type: ignore[attr-defined]
        return self._text

    def fill(self, text: str = "") -> None:
        """The next card: what was written on it before it was left, if anything."""
        self.query("TextArea").remove()
        self._text = text
        self._show(Content(text))

    def reveal(self, heading: str, last: str = "", last_heading: str = "") -> None:
        """Show what was written, to be read beside the answer, and what was written the last time."""
        parts = [(heading, self.text), (last_heading, last)]
        self.query("TextArea").remove()
        lines = [Content.assemble(Content.styled(head, "bold $accent"), "\n", text) for head, text in parts if text]
        self._show(Content("\n").join(lines))

    def _show(self, words: Content) -> None:
        said = self.query_one(".said", Static)
        said.display = True
        if said.content != words:
            said.update(words)
        self.set_class(bool(words.plain), "-on")
