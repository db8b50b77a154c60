"""A mock interview as a sitting: each answer is written to the log when it is given, and schedules nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from studyapp.bank.refs import RECALL, CardId
from studyapp.errors import StaleCardError
from studyapp.quiz.interview import Answer, Interviewer, Turn, said_share
from studyapp.reviews.acts import Act, Acts
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import LogEvent, Rating, valid_rating
from studyapp.reviews.sessions import Counts, Summary
from studyapp.reviews.store import Store

KIND = "interview"


@dataclass(frozen=True)
class Held:
    """An interview as the log has it: when it began, what it was to be, and its answers."""

    id: str
    began: datetime
    minutes: float
    answers: tuple[Answer, ...]
    level: str = "core"
    topics: tuple[str, ...] = ()


class InterviewSession:
    """One interview of so many minutes from `now` on."""

    def __init__(self, store: Store, interviewer: Interviewer, minutes: float, now: datetime) -> None:
        self.store, self.interviewer, self.minutes, self.began = store, interviewer, minutes, now
        self.id = token_hex(4)
        self.answers: list[Answer] = []
        self.turn: Turn | None = None
        self._acts = Acts(store)
        self._written: list[Act] = []
        self._asked: list[Answer] = []

    def left(self, now: datetime) -> float:
        """The seconds that are left; less than nothing once time is up."""
        return self.minutes * 60 - (now - self.began).total_seconds()

    def next(self, now: datetime) -> CardState | None:
        """What is asked now; None at the end. A question once asked may be answered after time is up."""
        if self.turn is None:
            self.turn = self.interviewer.next(self._asked, self.left(now))
        return self.store.card(self.turn.card) if self.turn else None

    def counts(self, now: datetime) -> Counts:
        """How many are asked now: one, or none at the end."""
        return Counts(due=int(self.next(now) is not None))

    def preview(self, card: CardState, now: datetime) -> Mapping[Rating, CardState]:
        """Nothing: no rating changes the card."""
        return {}

    def answer(
        self,
        card: CardState,
        rating: int,
        now: datetime,
        *,
        seconds: float = 0.0,
        language: str = "en",
        data: Mapping[str, Any] | None = None,
    ) -> CardState:
        """Write the answer; the card as it was, for nothing is scheduled."""
        rated = Rating(valid_rating(rating))
        if self.turn is None or self.turn.card != card.card:
            raise StaleCardError("{card}: is not the card that was shown", "Nothing was written.", card=card.card)
        question = self.interviewer.bank[CardId.parse(card.card).question]
        kept, kind, points = dict(data or {}), CardId.parse(card.card).kind, len(question.points)
        ticked = tuple(kept.get("ticked", ()))
        share = said_share(rated, kind, len(ticked), points)
        missed = points - len(ticked) if "ticked" in kept and kind == RECALL else 0
        given = Answer(
            card.card, question.topic, self.turn.depth, self.turn.why, share, seconds, rated, ticked, missed, str(kept.get("outline", ""))
        )
        interview = {
            "interview": self.id, "began": self.began.isoformat(), "minutes": self.minutes, "level": self.interviewer.level,
            "topics": list(self.interviewer.topics), "topic": given.topic, "depth": given.depth, "why": given.why,
            "said": round(share, 4), "rating": int(rated), "missed": missed,
        }  # fmt: skip
        event = self.store.append(KIND, card.card, now, seconds=seconds, language=language, data={**kept, **interview})
        self.answers.append(given)
        self._asked.append(given)
        self._written.append(Act(KIND, card.card, rated, event.seconds, uid=event.uid))
        self.turn = None
        return card

    def undo(self, now: datetime) -> Act | None:
        """Take back the last answer, which is asked again."""
        if not self._written or not self.store.reverse("undo", self._written[-1].uid, now):
            return None
        act, given = self._written.pop(), self.answers.pop()
        self._asked.remove(given)
        self.turn = Turn(given.card, given.depth, given.why)
        return act

    def redo(self, now: datetime) -> Act | None:
        """Nothing: what was taken back is asked again."""
        return None

    def suspend(self, card: str, now: datetime) -> CardState:
        """Put the card away until it is unsuspended; the interviewer goes elsewhere."""
        state = self._acts.suspend(card, now)
        self._skip()
        return state

    def bury(self, card: str, now: datetime) -> CardState:
        """Leave the question out; nothing is written, and the interviewer goes elsewhere."""
        self._skip()
        return self.store.card(card)

    def _skip(self) -> None:
        if self.turn is not None:
            topic = self.interviewer.bank[CardId.parse(self.turn.card).question].topic
            self._asked.append(Answer(self.turn.card, topic, self.turn.depth, self.turn.why, 0.0, 0.0, 1))
            self.turn = None

    def annotate(self, card: str, now: datetime, *, starred: bool | None = None, note: str | None = None) -> Annotation:
        """Give the card a star or take it away, or give it another note; what is said of it now."""
        return self._acts.annotate(card, now, starred=starred, note=note)

    def summary(self) -> Summary:
        """What was answered."""
        return Summary.of(self._written)

    @property
    def held(self) -> Held:
        """What it is so far, as the log has it."""
        return Held(
            self.id, self.began, self.minutes, tuple(self.answers), self.interviewer.level, tuple(self.interviewer.topics)
        )


def interviews(store: Store) -> list[Held]:
    """Every interview of the log that has an answer, oldest first."""
    found: dict[str, list[LogEvent]] = {}
    for event in store.observed(KIND):
        if isinstance(name := event.data.get("interview"), str):
            found.setdefault(name, []).append(event)
    return [_held(name, events) for name, events in found.items()]


def _held(name: str, events: list[LogEvent]) -> Held:
    data = events[0].data
    answers = tuple(
        Answer(
            event.card,
            str(event.data.get("topic", "")),
            int(event.data.get("depth", 0)),
            str(event.data.get("why", "")),
            float(event.data.get("said", 0.0)),
            event.seconds,
            int(event.data.get("rating", 1)),
            tuple(event.data.get("ticked", ())),
            int(event.data.get("missed", 0)),
            str(event.data.get("outline", "")),
        )
        for event in events
    )
    began = datetime.fromisoformat(str(data["began"])) if "began" in data else events[0].at
    return Held(name, began, float(data.get("minutes", 0)), answers, str(data.get("level", "core")), tuple(data.get("topics", ())))


def to_schedule(store: Store, held: Held, scheduled: Mapping[str, object], now: datetime, language: str) -> int:
    """Put the ratings of an interview on the schedule, as reviews of now; how many.

    Left out are cards that are not `scheduled`, are suspended, or were reviewed since the interview began: so nothing counts twice.
    """
    acts, count = Acts(store), 0
    for answer in held.answers:
        state = store.card(answer.card)
        reviewed = state.last_at is not None and state.last_at >= held.began
        if answer.card not in scheduled or state.suspended or reviewed:
            continue
        data: dict[str, Any] = {"interview": held.id}
        if answer.kind == RECALL:
            data["ticked"] = list(answer.ticked)
        acts.review(state, Rating(answer.rating), now, answer.seconds, language, data)
        count += 1
    return count
