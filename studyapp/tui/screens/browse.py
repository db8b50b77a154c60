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
from studyapp.context import AppContext
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.key_footer import KeyFooter


class Browse(BaseScreen):
    """The whole bank: a list, and the question under the cursor."""

    scope = "browse"
    BINDINGS: ClassVar = bindings("browse")

    def __init__(
        self, context: AppContext, topic: str | None = None, searching: bool = False, reading: str | None = None
    ) -> None:
        super().__init__(context)
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
        yield KeyFooter()

    async def begin(self) -> None:
        """List first, or the search field."""
        await self.show()
        self.query_one("#search" if self.searching else "#list").focus()

    async def show(self) -> None:
        """Search, filter, list."""
        field = self.query_one("#search", Input)
        field.placeholder = self.t("browse.search")
        among = self.context.search(field.value)
        self.found = [q for q in among if self.topic in (None, q.topic) and self.level in ("", q.level)]
        topic = self.context.title(self.topic) if self.topic else self.t("browse.all_topics")
        level = self.t(f"study.{self.level}") if self.level else self.t("browse.all_levels")
        count = self.t("browse.count", n=len(self.found))
        self.query_one("#title", Static).update(self.title_line(self.t("browse.title"), topic, level, count))
        listing, cards = self.query_one("#list", OptionList), self.context.cards()
        kept = listing.highlighted_option.id if listing.highlighted_option else self.reading
        listing.clear_options()
        for q in self.found:
            card = cards.get(q.card_id)
            state = self.t("browse.suspended" if card and card.suspended else f"browse.state_{card.state if card else 'new'}")
            row = Content.assemble(q.ask[self.context.language], "\n", Content.styled(f"{state} · {q.id}", "$foreground-muted"))
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
        text = question.ask[self.context.language] if question else self.t("browse.none")
        self.query_one("#ask", Static).update(text)
        if question:
            await answer.fill(self.context, question, (), full=True)

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
        self.topic = _next(self.topic, [None, *(t.id for t in self.context.topics())])
        await self.show()

    async def action_level(self) -> None:
        """The next level, then all of them."""
        self.level = _next(self.level, ["", *LEVELS])
        await self.show()

    def action_study(self) -> None:
        """Study what is listed."""
        if self.found:
            self.app.push_screen(Study(self.context, only=[q.id for q in self.found]))

    async def action_suspend(self) -> None:
        """Put the card away, or bring it back."""
        if question := self.question:
            session, now = self.context.session(only=[question.id]), self.context.clock()
            away = self.context.store.card(question.card_id).suspended
            act = session.unsuspend if away else session.suspend
            await self._change(lambda: act(question.card_id, now), "browse.unsuspended" if away else "study.suspended")

    async def action_reset(self) -> None:
        """Make the card new again; what was reviewed stays in the log."""
        if question := self.question:
            session, now = self.context.session(only=[question.id]), self.context.clock()
            await self._change(lambda: session.reset(question.card_id, now), "browse.reset")

    async def _change(self, act: Callable[[], object], done: str) -> None:
        with self.telling():
            act()
            self.tell(self.t(done))
            self.phase = "changed"
            await self.show()

    async def action_undo(self) -> None:
        """Take the last change back."""
        with self.telling():
            event = self.context.session(only=[]).undo(self.context.clock())
            self.tell(self.t("study.undone" if event else "study.nothing_to_undo"))
            await self.show()

    async def action_tex(self) -> None:
        """Formulas as their TeX, and back."""
        self.context.as_tex = not self.context.as_tex
        await self._read()

    def action_leave(self) -> None:
        """Leave the search field first."""
        if self.query_one("#search").has_focus:
            self.query_one("#list").focus()
        else:
            super().action_leave()


def _next(now: Any, among: list[Any]) -> Any:
    return among[(among.index(now) + 1) % len(among)] if now in among else among[0]
