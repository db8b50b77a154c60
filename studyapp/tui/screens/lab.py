"""Lab: turn the knob. Demos by topic, parameters as a form, claims as they finish, the former run beside the new."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from studyapp.context import AppContext
from studyapp.errors import DemoError
from studyapp.lab.demo import Demo
from studyapp.tui.commands import bindings
from studyapp.tui.screens.demo_screen import DemoScreen
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.parameter_form import ParameterForm


class LabScreen(DemoScreen):
    """The demos and a bench."""

    scope = "lab"
    BINDINGS: ClassVar = bindings("lab")

    def __init__(self, context: AppContext, demo: str | None = None) -> None:
        super().__init__(context)
        self.name_of_demo = demo

    def compose(self) -> ComposeResult:
        """Demos left; what it shows, the knobs and the claims right."""
        yield Static(id="title", markup=False)
        with Horizontal(id="panes"):
            yield OptionList(id="list", markup=False)
            with VerticalScroll(id="reading"):
                yield Static(id="summary", markup=False)
                yield Vertical(id="knobs")
                yield Static(id="problem", markup=False)
                yield EvidencePanel(self.context, id="bench")
        yield KeyFooter()

    @property
    def demo(self) -> Demo | None:
        """The demo on the bench."""
        return self.context.catalog.demos.get(self.name_of_demo or "")

    async def show(self) -> None:
        """List the demos and lay one on the bench."""
        self.query_one("#title", Static).update(
            self.title_line(self.t("lab.title"), self.name_of_demo or self.t("lab.pick"))
        )
        self._list()
        await self._lay()
        self.footer()

    def _list(self) -> None:
        listing = self.query_one("#list", OptionList)
        listing.clear_options()
        order = {t.id: i for i, t in enumerate(self.context.bank.topics)}
        demos = sorted(
            self.context.catalog.demos.values(), key=lambda d: (order.get(d.topic, len(order)), d.topic, d.name)
        )
        topic, places = None, {}
        for demo in demos:
            if demo.topic != topic:
                topic = demo.topic
                listing.add_option(Option(Content.styled(self.context.title(topic), "bold $accent"), disabled=True))
            kept = self.context.recordings.get(demo.name)
            last = f"{kept.seconds:.2g} s · {kept.machine} · {kept.date}" if kept else "–"
            row = Content.assemble(demo.summary[self.context.language], "\n", Content.styled(last, "$foreground-muted"))
            listing.add_option(Option(row, id=demo.name))
            places[demo.name] = listing.option_count - 1
        self.name_of_demo = self.name_of_demo or next(iter(places), None)
        if self.name_of_demo in places:
            listing.highlighted = places[self.name_of_demo]
        if not isinstance(self.focused, Input):
            listing.focus()

    async def _lay(self) -> None:
        demo = self.demo
        if demo is None:
            self.query_one("#summary", Static).update(self.t("lab.pick"))
            return
        self.query_one("#title", Static).update(self.title_line(self.t("lab.title"), demo.name))
        text = Content.assemble(Content.styled(demo.summary[self.context.language], "bold"), "\n\n", demo.doc)
        self.query_one("#summary", Static).update(text)
        self.query_one("#problem", Static).update("")
        shown = self.query(ParameterForm)
        if not shown or shown.first().demo is not demo:
            place = self.query_one("#knobs", Vertical)
            await place.remove_children()
            await place.mount(ParameterForm(demo))
        await self.query_one(EvidencePanel).fill([f"{demo.name}.{c.name}" for c in demo.claims])

    @on(OptionList.OptionHighlighted, "#list")
    async def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option.id and event.option.id != self.name_of_demo:
            self.stop_run()
            self.name_of_demo = event.option.id
            await self._lay()
            self.query_one("#reading").scroll_home(animate=False)

    @on(OptionList.OptionSelected, "#list")
    def _selected(self) -> None:
        self.action_run_demo()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_run_demo()

    def action_run_demo(self) -> None:
        """ClaimRun the demo with the values of the form."""
        demo = self.demo
        if demo is None:
            return
        try:
            values = self.query_one(ParameterForm).values()
        except DemoError as error:
            self.query_one("#problem", Static).update(f"{error.message}; {error.hint}")
            return
        self.query_one("#problem", Static).update("")
        self.run_claims([f"{demo.name}.{c.name}" for c in demo.claims], values)
        self.query_one(EvidencePanel).scroll_visible(top=True, animate=False)  # below the form where the terminal is low

    def action_code(self) -> None:
        """Read the demo."""
        if demo := self.demo:
            self.show_code(demo)

    def action_reset(self) -> None:
        """All parameters back to their defaults."""
        for knobs in self.query(ParameterForm):
            knobs.reset()

    async def action_escape(self) -> None:
        """Stop a run; else leave a field; else go home."""
        if await self.halt():
            return
        if isinstance(self.focused, Input):
            self.query_one("#list").focus()
        else:
            self.action_leave()
