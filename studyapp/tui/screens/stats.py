"""Stats: how much was recalled, what is coming, which days were studied."""

from datetime import date, timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from studyapp.context import AppContext
from studyapp.reviews import stats
from studyapp.tui.commands import bindings
from studyapp.tui.dashboard import home_stats
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import gauge, pad, sparkline
from studyapp.tui.widgets.key_footer import KeyFooter

SHADES = " ░▒▓█"


class Stats(BaseScreen):
    """Numbers about one's own study."""

    scope = "stats"
    BINDINGS: ClassVar = bindings("stats")

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.days: dict[int, stats.Day] = {}

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="page"):
            yield Static(id="numbers", markup=False)
        yield KeyFooter()

    async def show(self) -> None:
        """Count and draw."""
        self.query_one("#title", Static).update(self.title_line(self.t("stats.title")))
        self.days = self.context.store.days()
        parts = [self._retention(), self._forecast(), self._heatmap(), self._topics(), self._slipping()]
        self.query_one("#numbers", Static).update(Content("\n\n").join([p for p in parts if p]))
        self.footer()

    def _part(self, heading: str, lines: list[Content | str]) -> Content:
        return Content("\n").join(
            [Content.styled(heading, "bold $accent"), *(Content(x) if isinstance(x, str) else x for x in lines)]
        )

    def _retention(self) -> Content:
        days_of, today, lines = self.days, self.context.today(), []
        for days in (7, 30, 365):
            kept = stats.retention(days_of, today - days + 1, today)
            if kept.share is not None:
                of = self.t("stats.reviews", n=kept.reviews, recalled=kept.recalled)
                bar = gauge(kept.share, 20)
                lines.append(
                    Content.assemble(pad(self.t("stats.days", n=days), 16), bar, f" {kept.share:4.0%}  {of}")
                )
        streak = self.t("stats.streak", n=stats.streak(days_of, today))
        if not days_of:
            lines.append(Content(self.t("stats.none")))
        return self._part(f"{self.t('stats.retention')} · {streak}", list(lines))

    def _forecast(self) -> Content:
        ahead = self.context.overview().forecast
        line = Content.assemble(Content.styled(sparkline(ahead), "$accent"), f"  {sum(ahead)}")
        return self._part(self.t("stats.forecast", n=len(ahead)), [line])

    def _heatmap(self) -> Content:
        weeks = max(8, min(52, (self.size.width - 12) // 2))
        today = stats.date_of(self.context.today())
        days = weeks * 7 - (6 - today.weekday())
        counts = stats.heatmap(self.days, days, self.context.today())
        top = max(counts, default=0) or 1
        lines: list[Content | str] = [Content.styled(" " * 4 + months(today, days), "$foreground-muted")]
        for weekday, name in enumerate(self.t("stats.weekdays").split()):
            cells = [
                Content.styled(SHADES[-(-4 * n // top)] * 2, "$accent") if n else Content.styled("· ", "$foreground-muted")
                for n in counts[weekday::7]
            ]
            lines.append(Content.assemble(Content.styled(pad(name, 4), "$foreground-muted"), *cells))
        return self._part(self.t("stats.heatmap", most=top), lines)

    def _topics(self) -> Content:
        loads = home_stats(self.context).topics
        lines: list[Content | str] = [
            Content.assemble(
                f"{pad(self.context.title(x.topic, short=True), 28)} ",
                gauge(x.known / (x.total or 1), 20),
                f" {x.known}/{x.total}",
            )
            for x in loads
        ]
        return self._part(self.t("stats.topics"), lines)

    def _slipping(self) -> Content | None:
        worst = sorted((c for c in self.context.cards().values() if c.lapses), key=lambda c: -c.lapses)[:8]
        named = [(c, q) for c in worst if (q := self.context.question_of(c.card))]
        if not named:
            return None
        lines: list[Content | str] = [
            f"{self.t('stats.lapses', n=c.lapses)}  {q.ask[self.context.language]}" for c, q in named
        ]
        return self._part(self.t("stats.hard"), lines)


def months(today: date, days: int) -> str:
    """The number of each month above the week that holds its first day, two cells a week."""
    line = ""
    for week in range(0, days, 7):
        first = [d for d in range(week, min(week + 7, days)) if (today - timedelta(days - 1 - d)).day == 1]
        number = str((today - timedelta(days - 1 - first[0])).month) if first else ""
        line = line.ljust(week // 7 * 2) + number
    return line.rstrip()
