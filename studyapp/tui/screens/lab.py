"""Lab: turn the knob. Demos by topic; beside them what the demo shows, its parameters as a form, its claims as they finish."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content, Span
from textual.css.styles import RulesMap
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from studyapp.context import AppContext
from studyapp.lab.demo import Demo
from studyapp.tui.commands import bindings
from studyapp.tui.screens.demo_screen import DemoScreen
from studyapp.tui.screens.writing import Writing
from studyapp.tui.widgets.evidence_panel import EvidenceGroup, EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Horizontal, Static, Vertical
from studyapp.tui.widgets.marked_list import MarkedList

REST_SECONDS = 0.08
FRAME_SECONDS = 0.02
"""The demo comes after the frame that shows the list, so that its keys can be pressed at once."""


class Unwrapped(Content):
    """Lines that are cut where they are too long: of hundreds in a list the height is known before any is drawn."""

    def get_height(self, rules: RulesMap, width: int) -> int:
        """As many as there are."""
        return self.plain.count("\n") + 1


def unwrapped(plain: str, text: str, style: str) -> Unwrapped:
    """Something in no style of its own, then a text in one."""
    return Unwrapped(plain + text, [Span(len(plain), len(plain) + len(text), style)])


class LabScreen(Writing, DemoScreen):
    """The demos and their evidence."""

    scope = "lab"
    BINDINGS: ClassVar = bindings("lab")
    AUTO_FOCUS = "#list"

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.demo_name: str | None = None
        self.listed = ""
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        """Demos left, evidence right; where it is narrow, one or the other."""
        yield Static(id="title", markup=False)
        with Horizontal(id="demos"):
            yield OptionList(id="list", markup=False)
            with Vertical(id="right"):
                yield EvidencePanel(self.context, id="panel")
        yield KeyFooter()

    @property
    def demo(self) -> Demo | None:
        """The demo on show."""
        return self.context.catalog.demos.get(self.demo_name or "")

    def beside(self) -> Widget:
        """The list."""
        return self.query_one("#list")

    async def begin(self) -> None:
        """The list at once, a demo once it is painted."""
        self._list()
        self.place_panes()
        self.footer()
        self.call_after_refresh(self._show_soon)

    def _show_soon(self) -> None:
        self._rest = self.set_timer(FRAME_SECONDS, self.show_demo)

    async def show(self) -> None:
        """List the demos and show one, in the language of now."""
        self._list()
        self.place_panes()
        await self.show_demo()
        self.footer()

    def _list(self) -> None:
        """Names and what each says of itself, by topic; nothing is read but the first lines of the files."""
        language, listing = self.context.language, self.query_one("#list", OptionList)
        if self.listed == language:
            return
        self.listed = language
        listing.clear_options()
        order = {t.id: i for i, t in enumerate(self.context.bank.topics)}
        summaries = self.context.catalog.demos.summaries()
        names = sorted(summaries, key=lambda n: (order.get(n.partition("/")[0], len(order)), n))
        last, options, places = "", [], {}
        for name in names:
            topic, _, demo = name.partition("/")
            if topic != last:
                heading = unwrapped("\n" if last else "", self.context.title(topic, short=True), "bold $accent")
                options.append(Option(heading, disabled=True))
                last = topic
            places[name] = len(options)
            text = unwrapped(f"  {demo}\n", f"  {summaries[name][language]}", "$foreground-muted")
            options.append(Option(text, id=name))
        listing.add_options(options)
        self.demo_name = self.demo_name if self.demo_name in places else next(iter(places), None)
        if self.demo_name is not None:
            listing.highlighted = places[self.demo_name]

    async def show_demo(self) -> None:
        """Lay out what the demo says of itself, its parameters and its claims."""
        demo = self.demo
        self.query_one("#title", Static).update(self.title_line(self.t("lab.title"), demo.name if demo else self.t("lab.pick")))
        if demo is None:
            return
        with self.app.batch_update():
            await self._lay_out(demo)

    async def _lay_out(self, demo: Demo) -> None:
        panel, language = self.panel, self.context.language
        panel.text.asking = True
        about = demo.about(language)
        panel.query_one("#evidence-lead", MarkedList).fill(demo.summary[language], [("", about)] if about else [])
        group = EvidenceGroup(tuple(f"{demo.name}.{c.name}" for c in demo.claims))
        if demo.parameters:
            await panel.form.open(demo)
        panel.fill([group])
        panel.form.display = bool(demo.parameters)
        if demo.exercises:
            self.footer()

    @on(OptionList.OptionHighlighted, "#list")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option.id and event.option.id != self.demo_name:
            self.stop_run()
            self.demo_name = event.option.id
            if self._rest is not None:
                self._rest.stop()
            self._rest = self.set_timer(REST_SECONDS, self.show_demo)  # a list is run through faster than demos are read

    @on(OptionList.OptionSelected, "#list")
    def _selected(self) -> None:
        self.to_pane("evidence")

    def to_pane(self, pane: str) -> None:
        """The pane that the keys move in; the list takes them itself."""
        super().to_pane(pane)
        self.set_focus(None if pane == "evidence" else self.query_one("#list"))

    def place_panes(self) -> None:
        """List and evidence, or one of them."""
        evidence = self.pane == "evidence"
        self.display_only({"#list": self.wide or not evidence, "#right": self.wide or evidence})
        self.query_one("#right").set_class(evidence, "-active")

    def on_resize(self) -> None:
        """There may be room for both now."""
        self.place_panes()

    def runnable(self) -> list[str]:
        """Every claim of the demo."""
        return [f"{self.demo.name}.{c.name}" for c in self.demo.claims] if self.demo else []

    def action_run_demo(self) -> None:
        """Run the demo's claims, and look at them."""
        if not self._in_field:
            self.to_pane("evidence")
        super().action_run_demo()

    async def action_parameters(self) -> None:
        """To the first parameter."""
        self.to_pane("evidence")
        await super().action_parameters()

    def exercises(self) -> list[str]:
        """Those of the demo."""
        return [f"{self.demo.name}.{e.name}" for e in self.demo.exercises] if self.demo else []

    def states(self) -> list[str]:
        """The footer goes by what the demo has, too."""
        shown = self.panel.demo  # the one that is laid out: none is read for the footer alone
        return [*super().states(), *(["write"] if shown and shown.exercises else [])]

    def action_copy(self) -> None:
        """The evidence to the clipboard."""
        self.copy(self.panel.text.plain())

    def action_leave(self) -> None:
        """Stop a run; else leave a field; else go home."""
        if not (self.halt() or self.leave_field()):
            super().action_leave()
