"""Everything a screen may need, handed to it by its constructor."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from studyapp.bank.model import Bank, Question, Topic
from studyapp.bank.search import Search
from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Claim, Demo
from studyapp.lab.recorded import RecordedClaim, RecordedDemo, Recordings
from studyapp.memory.schedule import CardState, Scheduler, study_day
from studyapp.memory.session import Session
from studyapp.memory.store import Store
from studyapp.settings import Settings
from studyapp.words import Words

Clock = Callable[[], datetime]


@dataclass
class Desk:
    """The app's own state: `live` holds the claims that ran in this sitting and whether they held."""

    bank: Bank
    catalog: Catalog
    recordings: Recordings
    store: Store
    settings: Settings
    clock: Clock
    lab: Any
    words: Words
    live: dict[str, bool] = field(default_factory=dict)
    as_tex: bool = False
    saved: Callable[[Settings], None] | None = None

    @cached_property
    def search(self) -> Search:
        """The bank, ready for searching."""
        return Search(self.bank)

    @property
    def language(self) -> str:
        """ "en" or "zh"."""
        return self.settings.language

    def change(self, **changes: Any) -> None:
        """Change settings, and keep them where there is a place for that."""
        self.settings = replace(self.settings, **changes)
        self.words = Words.load(self.settings.language)
        if self.saved:
            self.saved(self.settings)

    def title(self, topic: str, short: bool = False) -> str:
        """A topic's title in the learner's language; where `short`, without what follows its colon."""
        found = next((t for t in self.bank.topics if t.id == topic), None)
        title = found.title[self.language] if found else topic
        return re.split("[:：（]", title)[0].strip() if short else title

    @cached_property
    def _scheduled(self) -> dict[str | None, list[Question]]:
        by_topic: dict[str | None, list[Question]] = {None: []}
        for question in self.bank.in_order():
            if question.level != "reference":
                by_topic[None].append(question)
                by_topic.setdefault(question.topic, []).append(question)
        return by_topic

    def scheduled(self, topic: str | None = None) -> list[Question]:
        """The questions that are scheduled, in learning order; reference ones are not."""
        return self._scheduled.get(topic, [])

    def question(self, card: str) -> Question | None:
        """The question of a card."""
        return self.bank.questions.get(card.rpartition("#")[0])

    def session(
        self,
        topic: str | None = None,
        practice: bool = False,
        only: list[str] | None = None,
        cards: Mapping[str, CardState] | None = None,
    ) -> Session:
        """A sitting over a topic, over all, or over chosen questions; `cards` where they have been read just now."""
        order = [q.card for q in self.scheduled(topic)]
        if only is not None:
            order = [self.bank.questions[i].card for i in only]
        if practice and not only:
            order = random.sample(order, len(order))
        scheduler = Scheduler(self.settings)
        return Session(self.store, scheduler, self.settings, order, self.clock(), practice=practice, cards=cards)

    def topics(self) -> list[Topic]:
        """The topics that hold at least one question."""
        held = {q.topic for q in self.bank.questions.values()}
        listed = [t for t in self.bank.topics if t.id in held]
        return listed

    def demo(self, ref: str) -> Demo | None:
        """The demo of "topic/demo" or "topic/demo.claim"."""
        return self.catalog.demos.get(ref.rpartition(".")[0] or ref) or self.catalog.demos.get(ref)

    def claim(self, ref: str) -> Claim | None:
        """The claim of "topic/demo.claim"."""
        demo, name = self.demo(ref), ref.rpartition(".")[2]
        return next((c for c in demo.claims if c.name in (name, f"claim_{name}")), None) if demo else None

    def recorded(self, ref: str) -> tuple[RecordedDemo, RecordedClaim] | None:
        """What was recorded for a claim on a CPU."""
        name, _, claim = ref.rpartition(".")
        record = self.recordings.get(name)
        if record is None:
            return None
        outcome = record.claims.get(claim) or record.claims.get(f"claim_{claim}")
        return (record, outcome) if outcome else None

    def today(self) -> int:
        """The study day that is now."""
        return study_day(self.clock(), self.settings)

    def cards(self) -> Mapping[str, CardState]:
        """Every card that was ever answered."""
        return self.store.cards()

    def local(self, moment: datetime) -> datetime:
        """A moment as the learner's wall clock shows it."""
        return moment.astimezone()
