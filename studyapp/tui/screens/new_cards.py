"""New cards: how many a day, in which order, and which kinds of cards each topic is asked in, beside what is still unseen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from studyapp.bank.model import SCHEDULED_LEVELS
from studyapp.quiz.registry import KINDS
from studyapp.settings import EVERY_TOPIC, NEW_ORDERS, RANGES, SCHEDULABLE
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import pad
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, Vertical

COLUMN = 9


class NewCards(BaseScreen):
    """Two settings and a table of the topics; what is turned is kept at once.

    Attributes:
        unseen: the levels of the questions of each topic that were never answered.
        cards: how many cards of each kind beside recall a topic has.
    """

    scope = "new_cards"
    unseen: Mapping[str, Sequence[str]] = {}
    cards: Mapping[str, Counter[str]] = {}
    BINDINGS: ClassVar = bindings("new_cards")

    async def begin(self) -> None:
        """Count once, however often it is drawn."""
        cards, bank = self.context.cards(), self.context
        by_topic = {topic.id: bank.scheduled(topic.id) for topic in bank.topics()}
        self.unseen = {
            topic: [q.level for q in questions if q.card_id not in cards or cards[q.card_id].state == "new"]
            for topic, questions in by_topic.items()
        }
        self.cards = {
            topic: Counter({kind: sum(len(KINDS[kind].cards(q)) for q in questions) for kind in SCHEDULABLE})
            for topic, questions in by_topic.items()
        }
        await self.show()
        self.query_one("#topics").focus()

    def compose(self) -> ComposeResult:
        """The settings, the head of the table, and a row a topic."""
        yield Static(id="title", markup=False)
        with Vertical(id="new-cards"):
            yield Static(id="numbers", markup=False)
            yield Static(id="kinds-note", markup=False)
            yield Static(id="columns", markup=False)
            yield OptionList(id="topics", markup=False)
        yield KeyFooter()

    async def show(self) -> None:
        """Draw what is set and what was counted."""
        settings = self.context.settings
        self.put("#title", self.title_line(self.t("new_cards.title")))
        lines = [
            Content.assemble(
                pad(self.t("new_cards.per_day"), 26), Content.styled(f"− {settings.new_per_day} +", "bold $accent")
            ),
            Content.assemble(
                pad(self.t("new_cards.reviews"), 26), Content.styled(f"< {settings.reviews_per_day} >", "bold $accent")
            ),
            Content.assemble(
                pad(self.t("new_cards.order"), 26),
                Content.styled(self.t(f"new_cards.order_{settings.new_order}"), "bold $accent"),
            ),
        ]
        self.put("#numbers", Content("\n").join(lines))
        self._draw_topics()
        self.put("#kinds-note", self.t("new_cards.note"))
        self.footer()

    def _draw_topics(self) -> None:
        """How many questions of each topic and level were never answered, and the kinds in which it is asked."""
        width = max(14, min(34, self.size.width - 6 - COLUMN * (len(SCHEDULED_LEVELS) + len(SCHEDULABLE))))
        heads = [*(self.t(f"study.{level}") for level in SCHEDULED_LEVELS), *(self.t(f"kinds.{kind}") for kind in SCHEDULABLE)]
        self.put("#columns", pad(self.t("new_cards.unseen"), width) + "".join(pad(head, COLUMN, right=True) for head in heads))
        topics = self.query_one("#topics", OptionList)
        kept = topics.highlighted
        topics.clear_options()
        everything = [level for unseen in self.unseen.values() for level in unseen]
        topics.add_option(Option(self._row(EVERY_TOPIC, everything, sum(self.cards.values(), Counter()), width), id=EVERY_TOPIC))
        topics.add_options(
            Option(self._row(topic, unseen, self.cards[topic], width), id=topic) for topic, unseen in self.unseen.items()
        )
        topics.highlighted = min(kept or 0, topics.option_count - 1)

    def _row(self, topic: str, unseen: Sequence[str], cards: Counter[str], width: int) -> Content:
        name = self.t("home.all") if topic == EVERY_TOPIC else self.context.title(topic, short=True)
        parts: list[Content | str] = [Content.styled(pad(name, width), "bold" if topic == EVERY_TOPIC else "")]
        parts += [pad(str(unseen.count(level) or "·"), COLUMN, right=True) for level in SCHEDULED_LEVELS]
        asked = self.context.settings.kinds_of(topic)
        for kind in SCHEDULABLE:
            chosen = kind in asked and cards[kind]
            text = f"✓ {cards[kind]}" if chosen else str(cards[kind] or "·")
            parts.append(Content.styled(pad(text, COLUMN, right=True), "bold $success" if chosen else "$foreground-muted"))
        return Content.assemble(*parts)

    async def on_resize(self) -> None:
        """Columns are as wide as there is room."""
        if self.unseen:
            await self.show()

    def scrolled(self) -> Widget:
        """The topics."""
        return self.query_one("#topics")

    async def _change(self, **changes: object) -> None:
        with self.telling():
            self.context.change(**changes)
        await self.show()

    async def action_more(self, by: int) -> None:
        """More or fewer a day; by one up to ten, then by five."""
        now = self.context.settings.new_per_day
        step = 1 if now + min(by, 0) < 10 else 5
        low, high = map(int, RANGES["new_per_day"])
        await self._change(new_per_day=max(low, min(high, now + by * step)))

    async def action_reviews(self, by: int) -> None:
        """More or fewer reviews a day: in tens."""
        low, high = map(int, RANGES["reviews_per_day"])
        now = self.context.settings.reviews_per_day
        await self._change(reviews_per_day=max(low, min(high, now + by * 10)))

    async def action_order(self) -> None:
        """The other order."""
        now = NEW_ORDERS.index(self.context.settings.new_order)
        await self._change(new_order=NEW_ORDERS[(now + 1) % len(NEW_ORDERS)])

    async def action_kind(self, kind: str) -> None:
        """Ask the topic under the cursor in a kind of card, or no more."""
        if option := self.query_one("#topics", OptionList).highlighted_option:
            await self._change(kinds=self.context.settings.toggled(option.id or EVERY_TOPIC, kind))
