"""New cards: how many a day and in which order, beside what is still unseen by level and topic."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content

from studyapp.bank.model import LEVELS
from studyapp.settings import NEW_ORDERS, RANGES
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import pad
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, VerticalScroll

COLUMN = 11


class NewCards(BaseScreen):
    """Two settings and a table; what is turned is kept at once."""

    scope = "new_cards"
    unseen: Mapping[str, Sequence[str]] = {}
    """The levels of the questions of each topic that were never answered."""
    BINDINGS: ClassVar = bindings("new_cards")

    async def begin(self) -> None:
        """Count once, however often it is drawn."""
        cards, bank = self.context.cards(), self.context
        self.unseen = {
            topic.id: [q.level for q in bank.scheduled(topic.id) if q.card_id not in cards or cards[q.card_id].state == "new"]
            for topic in bank.topics()
        }
        await self.show()

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="page"):
            yield Static(id="numbers", markup=False)
        yield KeyFooter()

    async def show(self) -> None:
        """Count what is unseen and draw."""
        settings = self.context.settings
        self.query_one("#title", Static).update(self.title_line(self.t("new_cards.title")))
        lines = [
            Content.assemble(
                pad(self.t("new_cards.per_day"), 26), Content.styled(f"− {settings.new_per_day} +", "bold $accent")
            ),
            Content.assemble(
                pad(self.t("new_cards.order"), 26),
                Content.styled(self.t(f"new_cards.order_{settings.new_order}"), "bold $accent"),
            ),
            Content(""),
            *self._unseen(),
        ]
        self.query_one("#numbers", Static).update(Content("\n").join(lines))
        self.footer()

    def _unseen(self) -> list[Content]:
        """How many questions of each topic and level were never answered."""
        levels = [level for level in LEVELS if level != "reference"]
        width = max(16, min(34, self.size.width - 8 - COLUMN * len(levels)))
        head = pad(self.t("new_cards.unseen"), width)
        head += "".join(pad(self.t(f"study.{level}"), COLUMN, right=True) for level in levels)
        lines = [Content.styled(head, "$foreground-muted")]
        for topic, unseen in self.unseen.items():
            counts = "".join(pad(str(unseen.count(level) or "·"), COLUMN, right=True) for level in levels)
            lines.append(Content(pad(self.context.title(topic, short=True), width) + counts))
        return lines

    async def on_resize(self) -> None:
        """Columns are as wide as there is room."""
        if self.unseen:
            await self.show()

    async def _change(self, **changes: int | str) -> None:
        with self.telling():
            self.context.change(**changes)
        await self.show()

    async def action_more(self, by: int) -> None:
        """More or fewer a day; by one up to ten, then by five."""
        now = self.context.settings.new_per_day
        step = 1 if now + min(by, 0) < 10 else 5
        low, high = map(int, RANGES["new_per_day"])
        await self._change(new_per_day=max(low, min(high, now + by * step)))

    async def action_order(self) -> None:
        """The other order."""
        now = NEW_ORDERS.index(self.context.settings.new_order)
        await self._change(new_order=NEW_ORDERS[(now + 1) % len(NEW_ORDERS)])
