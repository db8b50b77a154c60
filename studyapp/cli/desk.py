"""What the commands work with, each opened when it is first asked for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from studyapp.paths import data_home, demos_dir, questions_dir

if TYPE_CHECKING:
    from studyapp.bank.model import Bank, Question
    from studyapp.lab.catalog import Catalog
    from studyapp.lab.recorded import Recordings
    from studyapp.memory.schedule import CardState
    from studyapp.memory.session import Session
    from studyapp.memory.store import Store
    from studyapp.settings import Settings
    from studyapp.words import Words


class Desk:
    """Bank, demos, reviews and settings of one invocation.

    Attributes:
        banks: folders of personal banks, read beside the bank that ships with the app.
        home: the learner's data folder; made when something is first written.
    """

    def __init__(self, banks: Sequence[Path] = (), language: str | None = None) -> None:
        self.banks = tuple(banks)
        self.home = data_home()
        self._language = language

    def clock(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    @cached_property
    def settings(self) -> "Settings":
        from studyapp.settings import load_settings

        return load_settings(self.home / "settings.toml")

    @property
    def language(self) -> str:
        return self._language or self.settings.language

    @cached_property
    def words(self) -> "Words":
        from studyapp.words import Words

        return Words.load(self.language)

    @cached_property
    def bank(self) -> "Bank":
        from studyapp.bank.load import load_bank

        return load_bank(questions_dir(), self.banks)

    @cached_property
    def catalog(self) -> "Catalog":
        from studyapp.lab.catalog import Catalog

        return Catalog.load(demos_dir())

    @cached_property
    def recordings(self) -> "Recordings":
        from studyapp.lab.recorded import Recordings

        return Recordings(demos_dir() / "recorded")

    @property
    def database(self) -> Path:
        return self.home / "reviews.db"

    @cached_property
    def store(self) -> "Store":
        from studyapp.memory.store import Store

        return Store.open(self.database, self.settings)

    def close(self) -> None:
        """Let go of the database, where it was opened."""
        if "store" in self.__dict__:
            self.store.close()

    def due_at(self, state: "CardState") -> datetime | None:
        """The moment from which a card is due, in UTC: its minute while learning, the turn of its study day in review."""
        if state.due_day is None:
            return state.due_at
        zone = ZoneInfo(self.settings.timezone) if self.settings.timezone else None
        day = datetime(1970, 1, 1) + timedelta(days=state.due_day, hours=self.settings.rollover_hour)  # noqa: DTZ001
        return (day.replace(tzinfo=zone) if zone else day).astimezone(UTC)

    def session(self, order: Sequence[str] | None = None) -> "Session":
        """A session over the cards of `order`, else over every scheduled question in learning order."""
        from studyapp.memory.schedule import Scheduler
        from studyapp.memory.session import Session

        cards = [q.card for q in self.bank.in_order() if q.level != "reference"] if order is None else order
        return Session(self.store, Scheduler(self.settings), self.settings, cards, self.clock())

    def question(self, question_id: str) -> "Question":
        """The question of that id.

        Raises:
            BankError: where there is none; the hint names the nearest ids.
        """
        from studyapp.errors import BankError, did_you_mean

        wanted = question_id.removesuffix("#recall")
        if wanted in self.bank.questions:
            return self.bank.questions[wanted]
        hint = did_you_mean(wanted, self.bank.questions, most=3) or "`studyapp search WORDS` finds ids"
        raise BankError(f"there is no question {wanted!r}", hint)
