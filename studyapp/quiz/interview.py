"""What an interviewer asks next, and what an interview came to.

An opening is a question of level core, the likelier the more it counts and the less of it is known. While the answers are good the
interviewer goes deeper: a follow-up, a number to work out, a function to write; where one is not, elsewhere, to another topic. What
comes next follows from the answers so far and a seed, so that an interview that was broken off could be taken up.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from studyapp.bank.model import LEVELS, Question
from studyapp.bank.refs import RECALL, CardId
from studyapp.quiz.drill import Drill
from studyapp.quiz.write import Write
from studyapp.reviews.log import Rating

WEIGHTS = {"core": 5.0, "deep": 2.0, "frontier": 1.0}
GOOD_ENOUGH = 0.6
"""The share of the points that must be said for the interviewer to go deeper."""
DEEPEST = 3
WRITING_SECONDS = 600.0
"""What must be left for a function to be asked for."""
TONIGHT = 2


@dataclass(frozen=True)
class Answer:
    """Something that was asked and answered.

    Attributes:
        depth: 0 of an opening, one more for each follow-up.
        why: "opening", "deeper", "number", "write" or "elsewhere": what made the interviewer ask it.
        said: the share of the points that were said; of what is right or wrong 1, 0.5 or 0, as it was rated.
        ticked: the points that were said, of a question that is said.
        missed: how many were not.
    """

    card: str
    topic: str
    depth: int
    why: str
    said: float
    seconds: float
    rating: int
    ticked: tuple[int, ...] = ()
    missed: int = 0
    outline: str = ""

    @property
    def question(self) -> str:
        """The id of its question."""
        return CardId.parse(self.card).question

    @property
    def kind(self) -> str:
        """How it was asked."""
        return CardId.parse(self.card).kind


@dataclass(frozen=True)
class Turn:
    """What is asked next, and why."""

    card: str
    depth: int
    why: str


@dataclass(frozen=True)
class Interviewer:
    """Chooses questions.

    Attributes:
        bank: all questions, for follow-ups.
        topics: those that openings come from.
        level: the highest level of an opening.
        known: the chance of recall of each question; 0 where it was never answered.
        can: the kinds that can be asked beside recall: those that need a lab are left out where there is none.
    """

    bank: Mapping[str, Question]
    topics: Sequence[str]
    level: str = "core"
    known: Mapping[str, float] = field(default_factory=dict)
    can: Sequence[str] = ("drill", "write")
    seed: int = 0

    def next(self, answers: Sequence[Answer], left: float) -> Turn | None:
        """What is asked after these answers with so many seconds left; None at the end."""
        if left <= 0:
            return None
        if not answers:
            return self._elsewhere(answers, "opening")
        last = answers[-1]
        if last.said >= GOOD_ENOUGH and last.depth < DEEPEST and (turn := self._deeper(answers, left)):
            return turn
        return self._elsewhere(answers, "elsewhere")

    def _deeper(self, answers: Sequence[Answer], left: float) -> Turn | None:
        """A follow-up or a number by turns, a function at the bottom where there is time for one."""
        last, asked = answers[-1], {each.card for each in answers}
        question, depth = self.bank.get(last.question), last.depth + 1
        if question is None:
            return None
        done = {each.question for each in answers}
        rng = self._rng(answers)
        ways: dict[str, list[str]] = {
            "deeper": [str(CardId(f, RECALL)) for f in question.follow_ups if f in self.bank and f not in done],
            "number": [card for card in map(str, Drill().cards(question)) if card not in asked and "drill" in self.can],
            "write": [card for card in map(str, Write().cards(question)) if card not in asked and "write" in self.can],
        }
        if left < WRITING_SECONDS or any(each.why == "write" for each in answers):
            ways["write"] = []
        order = ["write", "number", "deeper"] if depth == DEEPEST else ["deeper", "number"]
        if depth < DEEPEST and (last.why == "deeper" or (last.why != "number" and rng.random() < 0.4)):
            order.reverse()
        for why in order:
            if ways[why]:
                return Turn(ways[why][0] if why == "deeper" else rng.choice(ways[why]), depth, why)
        return None

    def _elsewhere(self, answers: Sequence[Answer], why: str) -> Turn | None:
        """A question of a topic asked least so far, not the last one where there is another."""
        done = {each.question for each in answers}
        levels = LEVELS[: LEVELS.index(self.level) + 1]
        open_to = [q for q in self.bank.values() if q.topic in self.topics and q.level in levels and q.id not in done]
        if answers and (others := [q for q in open_to if q.topic != answers[-1].topic]):
            open_to = others
        if not open_to:
            return None
        times = {topic: sum(each.topic == topic for each in answers) for topic in self.topics}
        least = min(times[q.topic] for q in open_to)
        among = [q for q in open_to if times[q.topic] == least]
        weights = [WEIGHTS[q.level] * (1.1 - self.known.get(q.id, 0.0)) for q in among]
        return Turn(str(CardId(self._rng(answers).choices(among, weights)[0].id, RECALL)), 0, why)

    def _rng(self, answers: Sequence[Answer]) -> random.Random:
        return random.Random(f"{self.seed}:{len(answers)}")


def said_share(rating: int, kind: str, ticked: int, points: int) -> float:
    """How much of what was asked was said."""
    if kind == RECALL and points:
        return ticked / points
    return {Rating.AGAIN: 0.0, Rating.HARD: 0.5}.get(Rating(rating), 1.0)


@dataclass(frozen=True)
class TopicScore:
    """A topic in an interview: how often it was asked, the mean share said, and the seconds of an answer."""

    asked: int
    said: float
    seconds: float


@dataclass(frozen=True)
class Sheet:
    """What an interview came to.

    Attributes:
        tonight: the questions to study first: those of which least was said, the ones that count most first.
    """

    answers: tuple[Answer, ...]
    said: float
    seconds: float
    topics: Mapping[str, TopicScore]
    tonight: tuple[str, ...]
    deepest: int


def sheet(answers: Sequence[Answer], bank: Mapping[str, Question]) -> Sheet:
    """The score sheet of these answers."""
    topics = {}
    for topic in dict.fromkeys(each.topic for each in answers):
        among = [each for each in answers if each.topic == topic]
        topics[topic] = TopicScore(len(among), fmean(each.said for each in among), fmean(each.seconds for each in among))
    worst: dict[str, float] = {}
    for each in answers:
        if each.question in bank and each.said < 1:
            lost = (1 - each.said) * WEIGHTS.get(bank[each.question].level, 1.0)
            worst[each.question] = max(worst.get(each.question, 0.0), lost)
    return Sheet(
        tuple(answers),
        fmean(each.said for each in answers) if answers else 0.0,
        sum(each.seconds for each in answers),
        topics,
        tuple(sorted(worst, key=lambda name: -worst[name])[:TONIGHT]),
        max((each.depth for each in answers), default=0),
    )
