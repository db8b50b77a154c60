"""Stats: how much was recalled, what is coming, which days were studied."""

from collections.abc import Mapping
from datetime import date, timedelta
from statistics import median
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content

from studyapp.bank.refs import RECALL
from studyapp.context import AppContext
from studyapp.quiz.guess import Guessed
from studyapp.quiz.registry import KINDS
from studyapp.reviews import habits, stats
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating
from studyapp.reviews.overview import Overview
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import gauge, hanging, pad, sparkline
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, VerticalScroll

SHADES = " ░▒▓█"
MOST = 8
INDENT = 12
LEAST_OF_HOUR = 20
"""Reviews of an hour below which its share says nothing."""


class Stats(BaseScreen):
    """Numbers about one's own study."""

    scope = "stats"
    BINDINGS: ClassVar = bindings("stats")
    overview: Overview
    cards: Mapping[str, CardState]

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.days: dict[int, stats.Day] = {}
        self.reviews: list[habits.Graded] = []
        self.drawn_at = 0

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="page"):
            yield Static(id="numbers", markup=False)
        yield KeyFooter()

    async def on_resize(self) -> None:
        """The calendar is as long as the terminal lets it be."""
        if self.drawn_at and self.size.width != self.drawn_at:
            self._draw()

    async def show(self) -> None:
        """Count and draw."""
        self.query_one("#title", Static).update(self.title_line(self.t("stats.title")))
        self.days, self.overview, self.cards = self.context.store.days(), self.context.overview(), self.context.cards()
        self.reviews = self.context.store.graded()
        self._draw()
        self.footer()

    def _draw(self) -> None:
        self.drawn_at = self.size.width
        parts = [
            self._retention(), self._forecast(), self._heatmap(), self._topics(),
            self._by_topic(), self._kinds(), self._hours(), self._suggested(), self._guesses(), self._slipping(), self._missed(),
        ]  # fmt: skip
        self.query_one("#numbers", Static).update(Content("\n\n").join([p for p in parts if p]))

    def _part(self, heading: str, lines: list[Content | str]) -> Content:
        return Content("\n").join(
            [Content.styled(heading, "bold $accent"), *(Content(x) if isinstance(x, str) else x for x in lines)]
        )

    def _retention(self) -> Content:
        days_of, today, lines = self.days, self.context.today(), []
        for days in (7, 30, 365):
            kept = stats.retention(days_of, today - days + 1, today)
            if kept.share is not None:
                of = self.count("stats.reviews", kept.reviews, recalled=kept.recalled)
                bar = gauge(kept.share, 20)
                lines.append(
                    Content.assemble(pad(self.t("stats.days", n=days), 16), bar, f" {kept.share:4.0%}  {of}")
                )
        if days_of:
            if not lines:
                lines.append(Content(self.t("stats.none_in_review")))
            answers = sum(day.reviews for day in days_of.values())
            lines.append(Content.styled(self.count("stats.answers", answers), "$foreground-muted"))
        else:
            lines.append(Content(self.t("stats.none")))
        streak = self.count("stats.streak", stats.streak(days_of, today))
        return self._part(f"{self.t('stats.retention')} · {streak}", list(lines))

    def _forecast(self) -> Content:
        """The days to come as a row of blocks, dated at both ends, with their sum and the fullest day."""
        ahead, today = self.overview.forecast, self.context.today()
        most = max(ahead)
        dates = [f"{stats.date_of(today + n):%m-%d}" for n in (0, len(ahead) - 1, ahead.index(most))]
        told = self.count("stats.coming", sum(ahead))
        if most:
            told += self.t("stats.fullest", n=most, date=dates[2])
        bars = Content.styled(sparkline(ahead), "$accent")
        line = Content.assemble(Content.styled(f"{dates[0]} ", "$foreground-muted"), bars)
        line = Content.assemble(line, Content.styled(f" {dates[1]}", "$foreground-muted"))
        return self._part(f"{self.t('stats.forecast', n=len(ahead))} · {told}", [line])

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
        lines: list[Content | str] = [
            Content.assemble(
                f"{pad(self.context.title(topic, short=True), 28)} ",
                gauge(counts.known / (counts.total or 1), 20),
                f" {counts.known}/{counts.total}",
            )
            for topic, counts in self.overview.waiting.items()
        ]
        return self._part(self.t("stats.topics"), lines)

    def _kinds(self) -> Content | None:
        """Of each kind of card how much was recalled, where there was another than recall."""
        by_kind = self.context.store.days_by_kind()
        if not set(by_kind) - {RECALL}:
            return None
        lines: list[Content | str] = []
        for name in [kind for kind in KINDS if kind in by_kind]:
            lines.append(Content.assemble(pad(self.t(f"kinds.{name}"), 16), self._share(stats.retention({0: by_kind[name]}))))
        return self._part(self.t("stats.kinds"), lines)

    def _share(self, kept: stats.Retention) -> Content | str:
        """A bar with its numbers."""
        if kept.share is None:
            return "–"
        of = self.count("stats.reviews", kept.reviews, recalled=kept.recalled)
        return Content.assemble(gauge(kept.share, 20), f" {kept.share:4.0%}  {of}")

    def _by_topic(self) -> Content | None:
        """Of each topic how much was recalled, the least first."""
        found = habits.retention_by(self.reviews, lambda each: q.topic if (q := self.context.question_of(each.card)) else None)
        rows = sorted(found.items(), key=lambda item: item[1].share or 0.0)
        lines: list[Content | str] = [
            Content.assemble(f"{pad(self.context.title(topic, short=True), 28)} ", self._share(kept)) for topic, kept in rows
        ]
        return self._part(self.t("stats.by_topic"), lines) if lines else None

    def _hours(self) -> Content | None:
        """When answers are given, and the hour at which most is recalled of those with enough to tell."""
        answers, recalled = habits.answers_by_hour(self.reviews, self.context.local), habits.by_hour(self.reviews, self.context.local)
        if not any(answers):
            return None
        axis = "".join(f"{hour:<6}" for hour in range(0, 24, 6))
        lines: list[Content | str] = [
            Content.assemble(Content.styled(sparkline(answers), "$accent"), f"  {self.count('stats.answers_most', max(answers))}"),
            Content.styled(axis, "$foreground-muted"),
        ]
        told = {hour: kept for hour, kept in enumerate(recalled) if kept.reviews >= LEAST_OF_HOUR and kept.share is not None}
        if len(told) > 1:
            best, worst = max(told, key=lambda h: told[h].share or 0.0), min(told, key=lambda h: told[h].share or 0.0)
            shares = {"best": f"{told[best].share:.0%}", "worst": f"{told[worst].share:.0%}"}
            lines.append(self.t("stats.best_hour", hour=f"{best:02d}:00", low=f"{worst:02d}:00", **shares))
        return self._part(self.t("stats.hours"), lines)

    def _suggested(self) -> Content | None:
        """Of each rating that was suggested: how often it was taken, and what was recalled at the next review."""
        found = habits.suggestions(self.reviews)
        if not found:
            return None
        lines: list[Content | str] = []
        for rating, each in found.items():
            name = self.t(f"study.{Rating(rating).name.lower()}")
            said = self.t("stats.suggested_row", n=each.reviews, taken=each.taken, lower=each.lower, higher=each.higher)
            after = f"{each.next.share:.0%}" if each.next.share is not None else "–"
            lines.append(self._row(name, f"{said}; {self.t('stats.suggested_next', share=after, n=each.next.reviews)}"))
        return self._part(self.t("stats.suggested"), lines)

    def _guesses(self) -> Content | None:
        """How far off the numbers were that were guessed before their evidence."""
        made = [Guessed(value, answer).factor for value, answer in self.context.store.guesses()]
        if not made:
            return None
        close = sum(factor <= 2 for factor in made)
        text = self.count("stats.guessed", len(made), factor=f"{median(made):.2g}", close=close)
        return self._part(self.t("stats.guesses"), [text])

    def _slipping(self) -> Content | None:
        worst = sorted((c for c in self.cards.values() if c.lapses), key=lambda c: -c.lapses)[:MOST]
        named = [(c, q) for c in worst if (q := self.context.question_of(c.card))]
        if not named:
            return None
        return self._part(
            self.t("stats.hard"),
            [self._row(self.count("stats.lapses", c.lapses), q.ask[self.context.language]) for c, q in named],
        )

    def _missed(self) -> Content | None:
        """The points that the learner leaves out again and again, with what each says."""
        points = {q.card_id: len(q.points) for q in self.context.scheduled()}
        often = stats.missed_points(self.context.store.ticks(), points)[:MOST]
        rows: list[Content | str] = []
        for each in often:
            question = self.context.question_of(each.card)
            assert question is not None  # its card is one of `points`
            point = question.points[each.point][self.context.language]
            told = self._row(self.t("stats.missed_of", n=each.missed, total=each.reviews), point)
            ask = hanging(Content(""), Content(question.ask[self.context.language]), self._room(), INDENT)
            rows.append(Content("\n").join([told, Content.styled(ask.plain, "$foreground-muted")]))
        return self._part(self.t("stats.missed"), rows) if rows else None

    def _room(self) -> int:
        return min(100, max(30, self.size.width - 6))

    def _row(self, head: str, text: str) -> Content:
        """A sentence that hangs beside what is counted of it."""
        return hanging(Content(pad(head, INDENT - 1)), Content(text), self._room(), INDENT)


def months(today: date, days: int) -> str:
    """The number of each month above the week that holds its first day, two cells a week."""
    line = ""
    for week in range(0, days, 7):
        first = [d for d in range(week, min(week + 7, days)) if (today - timedelta(days - 1 - d)).day == 1]
        number = str((today - timedelta(days - 1 - first[0])).month) if first else ""
        line = line.ljust(week // 7 * 2) + number
    return line.rstrip()
