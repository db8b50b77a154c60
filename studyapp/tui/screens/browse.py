"""Browse: search, filter, read, suspend."""

from collections.abc import Callable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from studyapp.bank.model import LEVELS, Question
from studyapp.tui.commands import bindings
from studyapp.tui.desk import Desk
from studyapp.tui.screens.base import Room
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.keyline import KeyLine


class Browse(Room):
    """The whole bank: a list, and the question under the cursor."""

    room = "browse"
    BINDINGS: ClassVar = bindings("browse")

    def __init__(
        self, desk: Desk, topic: str | None = None, searching: bool = False, reading: str | None = None
    ) -> None:
        super().__init__(desk)
        self.topic, self.level, self.searching, self.reading = topic, "", searching, reading
        self.found: list[Question] = []

    def compose(self) -> ComposeResult:
        """Search above, list left, question right."""
        yield Static(id="title", markup=False)
        yield Input(id="search", compact=True)
        with Horizontal(id="panes"):
            yield OptionList(id="list", markup=False)
            with VerticalScroll(id="reading"):
                yield Static(id="ask", markup=False)
                yield Answer(id="answer")
        yield KeyLine()

    async def begin(self) -> None:
        """List first, or the search field."""
        await self.show()
        self.query_one("#search" if self.searching else "#list").focus()

    async def show(self) -> None:
        """Search, filter, list."""
        field = self.query_one("#search", Input)
        field.placeholder = self.say("browse.search")
        among = self.desk.search(field.value)
        self.found = [q for q in among if self.topic in (None, q.topic) and self.level in ("", q.level)]
        topic = self.desk.title(self.topic) if self.topic else self.say("browse.all_topics")
        level = self.say(f"study.{self.level}") if self.level else self.say("browse.all_levels")
        count = self.say("browse.count", n=len(self.found))
        self.query_one("#title", Static).update(self.title_line(self.say("browse.title"), topic, level, count))
        listing, cards = self.query_one("#list", OptionList), self.desk.cards()
        kept = listing.highlighted_option.id if listing.highlighted_option else self.reading
        listing.clear_options()
        for q in self.found:
            card = cards.get(q.card)
            key = "suspended" if card and card.suspended else f"state_{card.state if card else 'new'}"
            state = self.say(f"browse.{key}")
            row = Content.assemble(q.ask[self.desk.language], "\n", Content.styled(f"{state} · {q.id}", "$foreground-muted"))
            listing.add_option(Option(row, id=q.id))
        ids = [q.id for q in self.found]
        listing.highlighted = (ids.index(kept) if kept in ids else 0) if ids else None
        await self._read()
        self.footer()

    @property
    def question(self) -> Question | None:
        """The question under the cursor."""
        index = self.query_one("#list", OptionList).highlighted
        return self.found[index] if index is not None and index < len(self.found) else None

    async def _read(self) -> None:
        question, answer = self.question, self.query_one(Answer)
        answer.display = question is not None
        text = question.ask[self.desk.language] if question else self.say("browse.none")
        self.query_one("#ask", Static).update(text)
        if question:
            await answer.fill(self.desk, question, (), full=True)

    @on(OptionList.OptionHighlighted, "#list")
    async def _highlighted(self) -> None:
        await self._read()
        self.query_one("#reading").scroll_home(animate=False)

    @on(Input.Changed, "#search")
    async def _typed(self) -> None:
        await self.show()

    @on(Input.Submitted, "#search")
    def _submitted(self) -> None:
        self.query_one("#list").focus()

    def action_search(self) -> None:
        """Go to the search field."""
        self.query_one("#search").focus()

    async def action_topic(self) -> None:
        """The next topic, then all of them."""
        self.topic = _next(self.topic, [None, *(t.id for t in self.desk.topics())])
        await self.show()

    async def action_level(self) -> None:
        """The next level, then all of them."""
        self.level = _next(self.level, ["", *LEVELS])
        await self.show()

    def action_study(self) -> None:
        """Study what is listed."""
        if self.found:
            self.app.push_screen(Study(self.desk, only=[q.id for q in self.found]))

    async def action_suspend(self) -> None:
        """Put the card away, or bring it back."""
        if question := self.question:
            session, now = self.desk.session(only=[question.id]), self.desk.clock()
            away = self.desk.store.card(question.card).suspended
            act = session.unsuspend if away else session.suspend
            await self._change(lambda: act(question.card, now), "browse.unsuspended" if away else "study.suspended")

    async def action_reset(self) -> None:
        """Make the card new again; what was reviewed stays in the log."""
        if question := self.question:
            session, now = self.desk.session(only=[question.id]), self.desk.clock()
            await self._change(lambda: session.reset(question.card, now), "browse.reset")

    async def _change(self, act: Callable[[], object], done: str) -> None:
        with self.telling():
            act()
            self.tell(self.say(done))
            self.moment = "changed"
            await self.show()

    async def action_undo(self) -> None:
        """Take the last change back."""
        with self.telling():
            event = self.desk.session(only=[]).undo(self.desk.clock())
            self.tell(self.say("study.undone" if event else "study.nothing_to_undo"))
            await self.show()

    async def action_tex(self) -> None:
        """Formulas as their TeX, and back."""
        self.desk.as_tex = not self.desk.as_tex
        await self._read()

    def action_leave(self) -> None:
        """Leave the search field first."""
        if self.query_one("#search").has_focus:
            self.query_one("#list").focus()
        else:
            super().action_leave()


def _next(now: Any, among: list[Any]) -> Any:
    return among[(among.index(now) + 1) % len(among)] if now in among else among[0]
