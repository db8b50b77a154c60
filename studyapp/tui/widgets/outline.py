"""The learner's own words before the answer is seen, and beside it afterwards."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static


class Outline(Vertical):
    """A field that opens when asked for. It is not kept: what is scheduled is the rating."""

    DEFAULT_CSS = """
    Outline { height: auto; display: none; margin-bottom: 1; }
    Outline.-on { display: block; }
    Outline TextArea { height: auto; min-height: 5; max-height: 10; border: none; padding: 0 1; }
    Outline .heading { color: $accent; text-style: bold; }
    """

    def compose(self) -> ComposeResult:
        """What was said; the field is made when it is first needed."""
        yield Static(classes="said", markup=False)

    async def write(self) -> None:
        """Open the field."""
        from textual.widgets import TextArea  # half as slow to import as all else together, and often not needed

        if not self.query(TextArea):
            await self.mount(TextArea(tab_behavior="focus"))
        self.add_class("-on")
        self.query_one(".said", Static).display = False
        field = self.query_one(TextArea)
        field.display = True
        field.focus()

    @property
    def writing(self) -> bool:
        """Whether the learner is in the field."""
        return any(field.has_focus for field in self.query("TextArea"))

    @property
    def text(self) -> str:
        """What was written."""
        from textual.widgets import TextArea

        return "".join(field.text for field in self.query(TextArea)).strip()

    def clear(self) -> None:
        """Forget it: the next card."""
        self.remove_class("-on")
        self.query("TextArea").remove()

    def reveal(self, heading: str) -> None:
        """Show what was written, to be read beside the answer."""
        self.query("TextArea").set(display=False)
        said = self.query_one(".said", Static)
        said.display = True
        said.update(Content.assemble(Content.styled(heading, "bold $accent"), "\n", self.text))
        self.set_class(bool(self.text), "-on")
