"""Browse: search, filter, read, study, suspend."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Input

from studyapp.bank.model import LEVELS, Question
from studyapp.card_search import Facts, found, parse, read_facts
from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.render.acts import describe
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.cards import CardState
from studyapp.tui.commands import bindings
from studyapp.tui.screens.annotating import Annotating
from studyapp.tui.screens.study import Study
from studyapp.tui.screens.writing import Writing
from studyapp.tui.textgraphics import inline
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Horizontal, Static, VerticalScroll
from studyapp.tui.widgets.row_list import Row, RowList
from studyapp.tui.widgets.search_field import SearchField

SETTLED_SECONDS = 0.15
"""An answer is drawn once the cursor has rested so long: typing and moving never wait for it."""

FRAME_SECONDS = 0.02
"""What is to be drawn at once comes after the frame that shows the rest."""


class Browse(Annotating, Writing):
    """The whole bank: a list, and the question under the cursor."""

    scope = "browse"
    BINDINGS: ClassVar = bindings("browse")

    def __init__(
        self, context: AppContext, topic: str | None = None, searching: bool = False, reading: str | None = None
    ) -> None:
        super().__init__(context)
        self.topic, self.level, self.searching, self.reading = topic, "", searching, reading
        self.marked = ""
        self.found: list[Question] = []
        self.changed, self.opened = False, False
        self._cards: dict[str, CardState] = {}
        self._rows: dict[str, Row] = {}
        self._annotations: dict[str, Annotation] = {}
        self._shown: tuple[Any, ...] = ()
        self._settling: Timer | None = None
        self._titling: Timer | None = None
        self._searched = False
        self._facts: dict[frozenset[str], Facts] = {}
        self.slip = ""
        self._acted: list[int] = []
        self.acts = context.acts()

    def compose(self) -> ComposeResult:
        """Search above, list left, question right."""
        yield Static(id="title", markup=False)
        yield SearchField(id="search", compact=True)
        with Horizontal(id="panes"):
            yield RowList(id="list")
            with VerticalScroll(id="reading"):
                yield Static(id="ask", markup=False)
                yield Answer(id="answer", boxes=False)
        yield KeyFooter()

    async def begin(self) -> None:
        """List first, or the search field."""
        self.query_one(Answer).display = False
        await self.show()
        self.query_one("#search" if self.searching else "#list").focus()

    async def on_screen_resume(self) -> None:
        """Come back from a card that was studied: its state may be another."""
        if self.opened:
            await self.show()
        self.opened = True

    async def show(self) -> None:
        """Read the cards, then list and draw in the language of now."""
        self.query_one("#search", Input).placeholder = self.t("browse.search")
        self._facts.clear()
        self._cards = dict(self.context.cards())
        self._annotations = self.context.annotations()
        language, today = self.context.language, self.context.today()
        questions = self.context.bank.questions.values()
        self._rows = {q.id: Row(q.id, q.ask[language], f"{self._signs(q)}{self._state(q, today)} · {q.id}") for q in questions}
        self._list()
        self.query_one(RowList).draw_ahead(self._rows.values())
        self._read_soon(now=True)
        self.footer()

    def _list(self) -> None:
        """Search, filter, list; nothing that takes long."""
        self._find()
        self._fill()
        self._entitle()

    def _find(self) -> None:
        """Search and filter."""
        among = self._among(self.query_one("#search", Input).value)
        self.found = [
            q for q in among if self.topic in (None, q.topic) and self.level in ("", q.level) and self._is_marked(q)
        ]

    def _entitle(self) -> None:
        """Say in the title what is listed, and how many."""
        topic = self.context.title(self.topic) if self.topic else self.t("browse.all_topics")
        level = self.t(f"study.{self.level}") if self.level else self.t("browse.all_levels")
        marked = self.t(f"browse.{self.marked}") if self.marked else ""
        line = self.title_line(self.t("browse.title"), topic, level, marked, self.count("browse.count", len(self.found)))
        self.query_one("#title", Static).update(line, layout=False)

    def _fill(self) -> None:
        """List what was found, the cursor on the row where it was; after a letter on the first, which is the best."""
        listing = self.query_one("#list", RowList)
        there = None if self._searched else listing.current or self.reading
        self._searched = False
        listing.fill([self._rows[q.id] for q in self.found], there)

    def _among(self, typed: str) -> list[Question]:
        """What is searched for; where that is no query yet, what is wrong with it stands in the place of the answer."""
        self.slip = ""
        try:
            query = parse(typed, [topic.id for topic in self.context.bank.topics])
            asked = frozenset(term.name for term in query.terms)
            if asked and asked not in self._facts:
                self._facts[asked] = read_facts(self.context, query)
            return found(self.context, query, self._facts.get(asked))
        except CallError as error:
            self.slip = "\n".join(self.context.t.message(text) for text in (error.message, error.hint) if text)
            return []

    def _is_marked(self, question: Question) -> bool:
        annotation = self._annotations.get(question.id, Annotation())
        return {"": True, "starred": annotation.starred, "noted": bool(annotation.note)}[self.marked]

    def _signs(self, question: Question) -> str:
        annotation = self._annotations.get(question.id, Annotation())
        return "★ " * annotation.starred + "✎ " * bool(annotation.note)

    def _state(self, question: Question, today: int) -> str:
        card = self._cards.get(question.card_id)
        if card and card.suspended:
            return self.t("browse.suspended")
        if card and card.buried_day is not None and card.buried_day >= today:
            return self.t("browse.buried")
        return self.t(f"browse.state_{card.state if card else 'new'}")

    @property
    def question(self) -> Question | None:
        """The question under the cursor."""
        current = self.query_one("#list", RowList).current
        return self.context.bank.questions.get(current) if current else None

    def _read_soon(self, now: bool = False) -> None:
        """Draw the question under the cursor once the cursor rests."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(FRAME_SECONDS if now else SETTLED_SECONDS, self._read)

    def _read(self) -> None:
        question, answer = self.question, self.query_one(Answer)
        noted = self._annotations.get(question.id) if question else None
        shown = (question and question.id, self.context.language, self.context.as_tex, noted, self.slip)
        if shown == self._shown:
            return
        moved = shown[0] != self._shown[0] if self._shown else True
        self._shown = shown
        self.put("#ask", inline(question.ask[self.context.language]) if question else self.slip or self.t("browse.none"))
        if question:
            answer.fill(self.context, self.context.document(question))
        answer.display = question is not None
        if moved:
            self.query_one("#reading").scroll_home(animate=False)

    @on(RowList.Highlighted)
    def _highlighted(self) -> None:
        self._read_soon()
        if any(self.exercises()) != ("write" in self.phase.split()):
            self.footer()

    @on(RowList.Chosen)
    def _chosen(self) -> None:
        self.action_study_one()

    @on(Input.Changed, "#search")
    def _typed(self) -> None:
        """The letter is painted first, then the list, then the title: what is painted at once is painted with all between."""
        self._find()
        self._searched = True
        self.call_after_refresh(self._fill)
        if self._titling is not None:
            self._titling.stop()
        self._titling = self.set_timer(2 * FRAME_SECONDS, self._entitle)
        if self.slip:
            self._read_soon()

    @on(Input.Submitted, "#search")
    def _submitted(self) -> None:
        if self._searched:
            self._fill()
        self.query_one("#list").focus()

    def on_descendant_focus(self) -> None:
        """The footer says where esc goes, which hangs on where the keyboard is."""
        self.footer()

    def footer(self) -> None:
        """The keys of the moment."""
        filtered = self.topic is not None or self.level or self.marked or self.query_one("#search", Input).value
        states = (("changed", self.changed), ("filtered", filtered), ("write", any(self.exercises())))
        self.phase = " ".join(p for p, is_so in states if is_so)
        super().footer()

    def key_text(self, key: str) -> str:
        """Esc goes to the list, to the card that led here, or home."""
        if key != "keys.browse_leave":
            return super().key_text(key)
        if self.query_one("#search").has_focus:
            return self.t("browse.to_list")
        stack = self.app.screen_stack
        return self.t("browse.to_card") if len(stack) > 2 and isinstance(stack[-2], Study | Browse) else self.t(key)

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

    async def action_marked(self) -> None:
        """Those with a star, then those with a note, then all."""
        self.marked = _next(self.marked, ["", "starred", "noted"])
        await self.show()

    def noted_question(self) -> Question | None:
        """The one under the cursor."""
        return self.question

    def annotate(self, question: Question, *, starred: bool | None = None, note: str | None = None) -> None:
        """Among the changes of this screen."""
        known = len(self.acts.done)
        self.acts.annotate(question.card_id, self.context.clock(), starred=starred, note=note)
        self._acted += [1] * (len(self.acts.done) - known)
        self.changed = True

    def exercises(self) -> Sequence[str]:
        """Those that the question under the cursor asks for."""
        return self.question.write if self.question else ()

    async def action_clear(self) -> None:
        """The whole bank again."""
        self.topic, self.level, self.marked = None, "", ""
        self.query_one("#search", Input).value = ""
        await self.show()

    def action_study_one(self) -> None:
        """Ask the question under the cursor: where it does not wait today, without scheduling."""
        if question := self.question:
            waits = self.context.session(only=[question.id]).next(self.context.clock()) is not None
            self.app.push_screen(Study(self.context, practice=not waits, only=[question.id]))

    def action_study(self) -> None:
        """Study what is listed."""
        if self.found:
            self.app.push_screen(Study(self.context, only=[q.id for q in self.found]))

    async def action_suspend(self) -> None:
        """Put the card away, or bring it back."""
        if question := self.question:
            now = self.context.clock()
            away = self.context.store.card(question.card_id).suspended
            act = self.acts.unsuspend if away else self.acts.suspend
            await self._change(lambda: act(question.card_id, now), "browse.unsuspended" if away else "study.suspended")

    async def action_suspend_all(self) -> None:
        """Put away all that are listed, or bring them back where all of them are; u takes it back as one."""
        with self.telling():
            now, cards = self.context.clock(), [q.card_id for q in self.found]
            away = [card for card in cards if self.context.store.card(card).suspended]
            among = away if len(away) == len(cards) else [card for card in cards if card not in away]
            act = self.acts.unsuspend if among is away else self.acts.suspend
            for card in among:
                act(card, now)
            if among:
                self._acted.append(len(among))
                self.changed = True
                self.tell(self.count("browse.unsuspended_all" if among is away else "browse.suspended_all", len(among)))
                await self.show()

    def action_export(self) -> None:
        """Copy the command that exports what is listed."""
        words = self.query_one("#search", Input).value.strip()
        parts = [words, f"topic:{self.topic}" if self.topic else "", f"level:{self.level}" if self.level else ""]
        parts.append({"starred": "is:starred", "noted": "is:noted"}.get(self.marked, ""))
        query = " ".join(part for part in parts if part)
        command = f"studyapp export anki --find {shlex.quote(query)}" if query else "studyapp export anki"
        self.app.copy_to_clipboard(command)
        self.tell(self.t("browse.export_copied", command=command))

    async def action_reset(self) -> None:
        """Make the card new again; what was reviewed stays in the log."""
        if question := self.question:
            now = self.context.clock()
            await self._change(lambda: self.acts.reset(question.card_id, now), "browse.reset")

    async def _change(self, act: Callable[[], object], done: str) -> None:
        with self.telling():
            act()
            self._acted.append(1)
            self.tell(self.t(done))
            self.changed = True
            await self.show()

    async def action_undo(self) -> None:
        """Take the last change back."""
        with self.telling():
            many = self._acted.pop() if self._acted else 1
            done = [act for _ in range(many) if (act := self.acts.undo(self.context.clock()))]
            said = self.count("browse.undone_all", len(done)) if many > 1 else self.t("study.nothing_to_undo")
            self.tell(self.t("study.undone", what=describe(self.context.t, done[0])) if done and many == 1 else said)
            await self.show()

    async def action_tex(self) -> None:
        """Formulas as their TeX, and back."""
        self.context.as_tex = not self.context.as_tex
        self._read_soon(now=True)

    def action_leave(self) -> None:
        """Leave the search field first."""
        if self.query_one("#search").has_focus:
            self.query_one("#list").focus()
        else:
            super().action_leave()


def _next(now: Any, among: list[Any]) -> Any:
    return among[(among.index(now) + 1) % len(among)] if now in among else among[0]
