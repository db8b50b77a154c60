"""What both faces work with: settings, bank, demos, recordings, reviews and the lab, each opened when it is first asked for."""

import random
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from studyapp.paths import cache_home, data_home, demos_dir, questions_dir

if TYPE_CHECKING:
    from studyapp.bank.model import Bank, Question, Support, SupportKind, Topic
    from studyapp.bank.search import Search
    from studyapp.errors import StudyError
    from studyapp.evidence.labels import Item, Labels
    from studyapp.evidence.types import Evidence
    from studyapp.i18n import Translations
    from studyapp.lab.attempts import AttemptStore
    from studyapp.lab.catalog import Catalog
    from studyapp.lab.demo import Claim, Demo, Exercise
    from studyapp.lab.history import RunHistory
    from studyapp.lab.protocol import LabLike
    from studyapp.lab.recordings import RecordedClaim, RecordedDemo, Recordings
    from studyapp.lab.verdict import LiveRuns, Mark
    from studyapp.quiz.guess import Guessed
    from studyapp.quiz.kinds import Asked, Grade, Response
    from studyapp.render.document import Document
    from studyapp.reviews.acts import Acts
    from studyapp.reviews.annotations import Annotation
    from studyapp.reviews.cards import CardState, Decks
    from studyapp.reviews.overview import Overview
    from studyapp.reviews.plan import Plan
    from studyapp.reviews.sessions import Session
    from studyapp.reviews.store import Store
    from studyapp.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def terminal_words(language: str | None = None) -> "Translations":
    """The texts in a language; without one in that of the terminal: what is shown where no settings can be read."""
    import os

    from studyapp.i18n import Translations
    from studyapp.settings import terminal_language

    return Translations.load(language or terminal_language(os.environ))


class AppContext:
    """One invocation's settings, bank, demos, reviews and lab.

    Attributes:
        home: the learner's data folder; made when something is first written.
        cache: where what can be made anew is kept; None where there is no place for it.
        in_background: whether the store's check and backup are left to `store.maintenance`, beside the first screen.
        banks: folders of personal banks, read beside the bank that ships with the app.
        live: the claims that ran in this sitting with their defaults.
        unread: why stars and notes could not be read.
        guessed: by claim, what was guessed of its number in this sitting; None where the evidence was opened without.
        planned: the plan for the interview that was made last, after what it was made of.
        drafts: by card, how far the learner had come with it when it was left unrated.
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        banks: Sequence[Path] = (),
        language: str | None = None,
        clock: Clock = utc_now,
        **opened: Any,
    ) -> None:
        """`opened` gives parts that are open already: settings, bank, catalog, recordings, store, lab."""
        self.home = home or data_home()
        self.cache = home / "cache" if home else cache_home()
        self.banks = tuple(banks)
        self.clock = clock
        self.drafts: dict[str, Any] = {}
        self.guessed: dict[str, Guessed | None] = {}
        self.planned: tuple[object, Plan] | None = None
        self.as_tex = False
        self.unread: StudyError | None = None
        self.in_background = False
        self._cards_of: dict[str, tuple[str, ...]] = {}
        self._language = language
        self._labels: dict[str, Labels] = {}
        self.__dict__.update(opened)

    @cached_property
    def settings(self) -> "Settings":
        from studyapp.settings import load_settings

        return load_settings(self.settings_path)

    @cached_property
    def bank(self) -> "Bank":
        from studyapp.bank.compiled import load_compiled

        return load_compiled(questions_dir(), self.banks, self.cache)

    @cached_property
    def catalog(self) -> "Catalog":
        from studyapp.lab.catalog import Catalog

        return Catalog.load(demos_dir())

    @cached_property
    def recordings(self) -> "Recordings":
        from studyapp.lab.recordings import Recordings

        return Recordings(demos_dir() / "recorded")

    @cached_property
    def store(self) -> "Store":
        from studyapp.reviews.store import Store

        return Store.open(self.database, self.settings, background=self.in_background)

    @cached_property
    def history(self) -> "RunHistory":
        """What ran in this sitting, claim by claim."""
        from studyapp.lab.history import RunHistory

        return RunHistory()

    @cached_property
    def lab(self) -> "LabLike":
        """The lab, not started."""
        from studyapp.lab.client import LabClient

        return LabClient()

    @cached_property
    def attempts(self) -> "AttemptStore":
        """The functions that the learner wrote."""
        from studyapp.lab.attempts import AttemptStore

        return AttemptStore(self.home / "written")

    @cached_property
    def live(self) -> "LiveRuns":
        from studyapp.lab.verdict import LiveRuns

        return LiveRuns()

    @cached_property
    def search(self) -> "Search":
        """The bank, ready for searching."""
        from studyapp.bank.search import Search

        return Search(self.bank)

    def reload_bank(self) -> None:
        """Read the bank again when it is next asked for: a file of it was edited."""
        for part in ("bank", "search", "_scheduled", "decks"):
            self.__dict__.pop(part, None)
        self._cards_of.clear()

    @property
    def settings_path(self) -> Path:
        return self.home / "settings.toml"

    @property
    def database(self) -> Path:
        return self.home / "reviews.db"

    def close(self) -> None:
        """Let go of the database, where it was opened."""
        if "store" in self.__dict__:
            self.store.close()

    # ------------------------------------------------------------------ language and settings

    @property
    def language(self) -> str:
        """ "en" or "zh"."""
        return self._language or self.settings.language

    @property
    def t(self) -> "Translations":
        """The texts of the interface in the learner's language."""
        from studyapp.i18n import Translations

        return Translations.load(self.language)

    @property
    def words_for_errors(self) -> "Translations":
        """The texts in which errors are told: also where the settings are what is wrong, then in the terminal's language."""
        from studyapp.errors import SettingsError

        try:
            return self.t
        except SettingsError:
            return terminal_words()

    def change(self, **changes: Any) -> None:
        """Change settings for this invocation, and set just these keys in the settings file.

        Raises:
            SettingsError: where they cannot be kept; they hold for this invocation all the same.
        """
        self._language = None if "language" in changes else self._language
        self.settings = replace(self.settings, **changes)
        if "kinds" in changes:
            self._cards_of.clear()
            self.__dict__.pop("decks", None)
        if "store" in self.__dict__:
            self.store.configure(self.settings)
        self.save(changes)

    def save(self, changes: "Mapping[str, Any]") -> None:
        """Keep changed settings beyond this invocation."""
        from studyapp.settings import edit_settings

        edit_settings(self.settings_path, changes)

    # ------------------------------------------------------------------ questions and topics

    def title(self, topic: str, short: bool = False) -> str:
        """A topic's title in the learner's language; where `short`, without what follows its colon."""
        found = next((t for t in self.bank.topics if t.id == topic), None)
        title = found.title[self.language] if found else topic
        return re.split("[:：（]", title)[0].strip() if short else title

    @cached_property
    def _scheduled(self) -> "dict[str | None, list[Question]]":
        by_topic: dict[str | None, list[Question]] = {None: []}
        for question in self.bank.in_order():
            if question.level != "reference":
                by_topic[None].append(question)
                by_topic.setdefault(question.topic, []).append(question)
        return by_topic

    def scheduled(self, topic: str | None = None) -> "list[Question]":
        """The questions that are scheduled, in learning order; reference ones are not."""
        return self._scheduled.get(topic, [])

    def in_new_order(self, topic: str | None = None) -> "list[Question]":
        """The scheduled questions in the order in which new ones come: as they are learnt, or core first."""
        from studyapp.bank.model import LEVELS

        questions = self.scheduled(topic)
        return sorted(questions, key=lambda q: LEVELS.index(q.level)) if self.settings.new_order == "core" else questions

    def topics(self) -> "list[Topic]":
        """The topics that hold at least one question."""
        held = {q.topic for q in self.bank.questions.values()}
        return [t for t in self.bank.topics if t.id in held]

    def scheduled_topics(self) -> list[str]:
        """The ids of the topics that hold a scheduled question."""
        return [topic.id for topic in self.topics() if self.scheduled(topic.id)]

    def require_scheduled(self, names: Iterable[str]) -> None:
        """Nothing where all these topics hold a scheduled question.

        Raises:
            CallError: for the first that does not, with the nearest of those that do.
        """
        from studyapp.errors import CallError

        known = self.scheduled_topics()
        for name in names:
            if name not in known:
                hint = self.did_you_mean(name, known) or self.t("plan.topics_are", names=", ".join(known))
                raise CallError(self.t("plan.no_topic", name=name), hint)

    def question(self, question_id: str) -> "Question":
        """The question of an id, or of a card's id.

        Raises:
            BankError: where there is none; the hint names the nearest ids.
        """
        from studyapp.bank.refs import CardId
        from studyapp.errors import BankError

        wanted = CardId.parse(question_id).question if "#" in question_id else question_id
        if wanted in self.bank.questions:
            return self.bank.questions[wanted]
        if path := self.bank.unread.get(wanted):
            findings = [finding for finding in self.bank.findings if finding.path == path]
            wrong = next((finding for finding in findings if not finding.warning), findings[0])
            hint = self.t("errors.see_check", command=self.check_command)
            raise BankError(self.t("errors.unread_question", id=wanted, finding=wrong.said(self.t.message)), hint)
        raise BankError(
            self.t("errors.no_question", id=wanted),
            self.did_you_mean(wanted, self.bank.questions) or self.t("errors.search_finds"),
        )

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """The hint that names what is close to `word`; nothing where nothing is."""
        from studyapp.errors import nearest

        close = nearest(word, known, 3)
        return self.t("errors.did_you_mean", names=self.t("errors.or").join(close)) if close else ""

    @property
    def check_command(self) -> str:
        """The command that says what is wrong with the bank, personal banks included, to be pasted into a shell."""
        return " ".join(["studyapp", *(f"--bank {shlex.quote(str(folder))}" for folder in self.banks), "check"])

    def bank_notices(self) -> list[str]:
        """For each personal bank that has a file which cannot be read: how many, and the command that says why."""
        from studyapp.bank.files import personal_banks

        notices = []
        wrong = {finding.path for finding in self.bank.findings if not finding.warning}
        for name, folder in personal_banks(self.banks).items():
            files = sum(path.is_relative_to(folder) for path in wrong)
            if files:
                key = "errors.unread_files" if files > 1 else "errors.unread_file"
                notices.append(self.t(key, n=files, bank=name, command=self.check_command))
        return notices

    def document(self, question: "Question", annotation: "Annotation | None" = None) -> "Document":
        """A question with its marks, evidence and references, ready to be drawn, and what the learner noted about it.

        Without `annotation` that is looked up. Where the reviews cannot be read the question still can: `unread` then says
        why nothing was found.
        """
        from studyapp.errors import StoreError
        from studyapp.render.document import document

        try:
            annotation = self.annotation(question) if annotation is None else annotation
        except StoreError as error:
            self.unread = error
        return document(
            question,
            self.bank,
            self.verdict,
            catalog=self.catalog,
            recordings=self.recordings,
            annotation=annotation,
        )

    def annotation(self, question: "Question") -> "Annotation":
        """The learner's star and note on a question; none where nothing was ever reviewed, which makes no database.

        Raises:
            StoreError: where the reviews cannot be read.
        """
        from studyapp.reviews.annotations import Annotation

        there = "store" in self.__dict__ or self.database.exists()
        return self.store.annotation(question.card_id) if there else Annotation()

    def annotations(self) -> "dict[str, Annotation]":
        """The learner's stars and notes, by question.

        Raises:
            StoreError: where the reviews cannot be read.
        """
        from studyapp.bank.refs import CardId

        found = self.store.annotations().items()
        return {card_id.question: annotation for card, annotation in found if (card_id := CardId.try_parse(card))}

    def question_of(self, card: str) -> "Question | None":
        """The question of a card, None where the bank no longer holds it."""
        from studyapp.bank.refs import CardId

        card_id = CardId.try_parse(card)
        return self.bank.questions.get(card_id.question) if card_id else None

    def cards_of(self, question: "Question") -> tuple[str, ...]:
        """The ids of the cards that a question gives: of recall, and of the kinds that its topic is asked in beside."""
        if question.id not in self._cards_of:
            from studyapp.quiz.registry import cards_of

            self._cards_of[question.id] = tuple(map(str, cards_of(question, self.settings.kinds_of(question.topic))))
        return self._cards_of[question.id]

    def ask(self, card: "CardState") -> "Asked | None":
        """What a card asks now; None where the bank no longer holds its question.

        Raises:
            BankError: where there is no such kind of card.
        """
        from studyapp.bank.refs import CardId
        from studyapp.quiz.registry import ask, seed_of

        question = self.question_of(card.card)
        return ask(question, CardId.parse(card.card), seed_of(card)) if question is not None else None

    def grade(self, asked: "Asked", response: "Response") -> "Grade":
        """What an answer to it speaks for, by its kind."""
        from studyapp.quiz.registry import kind_of

        return kind_of(asked.card).grade(asked, response)

    # ------------------------------------------------------------------ reviews

    def session(
        self, topic: str | None = None, practice: bool = False, only: Sequence[str] | None = None
    ) -> "Session":
        """A sitting over a topic, over all, or over chosen questions; practice schedules nothing."""
        from studyapp.reviews.practice import PracticeSession
        from studyapp.reviews.study import StudySession

        held = self.bank.questions  # a file that was edited may have lost its own
        questions = self.in_new_order(topic) if only is None else [held[i] for i in only if i in held]
        order = [card for question in questions for card in self.cards_of(question)]
        if practice and not only:
            order = random.sample(order, len(order))
        return (PracticeSession if practice else StudySession)(self.store, order, self.clock())

    def left_by_kind(self, topic: str | None = None) -> "dict[str, int]":
        """How many cards of each kind a sitting would ask now, in the order of the kinds; of those that there are any of."""
        from studyapp.bank.refs import CardId
        from studyapp.quiz.registry import KINDS
        from studyapp.reviews.study import StudySession

        order = [card for question in self.in_new_order(topic) for card in self.cards_of(question)]
        kinds = Counter(CardId.parse(card).kind for card in StudySession(self.store, order, self.clock()).left(self.clock()))
        return {name: kinds[name] for name in KINDS if kinds[name]}

    def kinds_line(self, kinds: "Mapping[str, int]") -> str:
        """How many cards of each kind, in words; nothing where all are of one."""
        named = [self.t.count(f"kinds.of_{kind}", n) for kind, n in kinds.items()]
        return self.t("kinds.left", kinds=" · ".join(named)) if len(named) > 1 else ""

    def acts(self) -> "Acts":
        """What a screen does to cards beside any sitting, and takes back."""
        from studyapp.reviews.acts import Acts

        return Acts(self.store)

    @cached_property
    def decks(self) -> "Decks":
        """The scheduled cards by topic, in the order of the topics."""
        from studyapp.reviews.cards import Decks

        return Decks(
            {
                topic: [card for question in questions for card in self.cards_of(question)]
                for topic, questions in self._scheduled.items()
                if topic
            }
        )

    def overview(self) -> "Overview":
        """What waits in each topic and in all, what is remembered, and the days to come."""
        return self.store.overview(self.decks, self.clock())

    def cards(self) -> "Mapping[str, CardState]":
        """Every card that was ever answered."""
        return self.store.cards()

    def today(self) -> int:
        """The study day that is now."""
        from studyapp.reviews.cards import study_day

        return study_day(self.clock(), self.settings)

    def due_at(self, state: "CardState") -> datetime | None:
        """The moment from which a card is due, in UTC: its minute while learning, the turn of its study day in review."""
        if state.due_day is None:
            return state.due_at
        from studyapp.reviews.cards import day_start

        return day_start(state.due_day, self.settings).astimezone(UTC)

    def local(self, moment: datetime) -> datetime:
        """A moment as the learner's wall clock shows it."""
        return moment.astimezone(ZoneInfo(self.settings.timezone) if self.settings.timezone else None)

    # ------------------------------------------------------------------ demos and what was recorded of them

    def demo(self, ref: str) -> "Demo | None":
        """The demo of "topic/demo" or "topic/demo.claim"."""
        from studyapp.bank.refs import demo_and_claim

        return self.catalog.demos.get(demo_and_claim(ref)[0])

    def claim(self, ref: str) -> "Claim | None":
        """The claim of "topic/demo.claim"."""
        from studyapp.bank.refs import demo_and_claim

        demo, (_, name) = self.demo(ref), demo_and_claim(ref)
        return next((c for c in demo.claims if c.name == name), None) if demo else None

    def exercise(self, ref: str) -> "tuple[Demo, Exercise] | None":
        """The demo and the function to write of "topic/demo.function"."""
        from studyapp.bank.refs import demo_and_claim

        demo, (_, name) = self.demo(ref), demo_and_claim(ref)
        found = next((e for e in demo.exercises if e.name == name), None) if demo else None
        return (demo, found) if demo and found else None

    def recorded(self, ref: str) -> "tuple[RecordedDemo, RecordedClaim] | None":
        """The best that was recorded for a claim, on whatever machine."""
        return self.recordings.best_run(ref, self.demo(ref))

    def recorded_evidence(self, ref: str) -> "tuple[Evidence, ...]":
        """What a claim showed where it was recorded as holding; nothing where it was not."""
        kept = self.recorded(ref)
        return kept[1].evidence if kept and kept[1].held else ()

    def to_guess(self, ref: str) -> float | None:
        """The number of a claim that may be guessed now: it was recorded and is above nought, and the evidence was not opened."""
        claim = self.claim(ref)
        if claim is None or claim.guess is None or ref in self.guessed:
            return None
        kept = self.recorded(ref)
        found = next((c.got for c in kept[1].checks if c.what == claim.guess.check), None) if kept and kept[1].held else None
        return float(found) if isinstance(found, int | float) and found > 0 else None

    def guess(self, ref: str, typed: str) -> None:
        """Take a guess of a claim's number, or with nothing typed open its evidence without one; a guess is kept in the log.

        Raises:
            AnswerError: where it is no number above nought, or of another unit.
            StoreError: where it cannot be kept; it stands for this sitting all the same.
        """
        from studyapp.quiz.guess import guessed

        number, claim = self.to_guess(ref), self.claim(ref)
        if number is None or claim is None or claim.guess is None:
            return
        self.guessed[ref] = made = guessed(typed, number, claim.guess.unit) if typed.strip() else None
        question = next((q for q in self.bank.questions.values() if ref in q.claims), None)
        if made is not None and question is not None:
            data = {"claim": ref, "value": made.value, "answer": made.answer}
            self.store.write("guess", question.card_id, self.clock(), language=self.language, data=data)

    def begin_attempt(self, demo: "Demo", exercise: "Exercise") -> Path:
        """The learner's file for a function, made where there is none yet."""
        from studyapp.lab.exercise_file import first_text

        text = first_text(demo, exercise, self.t("write.file_note"), self.t("write.file_there"))
        return self.attempts.begin(f"{demo.name}.{exercise.name}", text)

    def begin_again(self, ref: str, card: "CardState") -> bool:
        """For a function that is asked for once more: an empty body in the learner's file; whether there was another.

        What stood there is kept among the versions. One that was begun since the last review and does not hold yet is gone on with.

        Raises:
            DemoError: where it cannot be read or written.
        """
        from studyapp.lab.exercise_file import first_text, is_empty

        named, last = self.exercise(ref), self.attempts.last(ref)
        if named is None or not self.attempts.exists(ref):
            return False
        before = last is not None and (last.held or (card.last_at is not None and last.at <= card.last_at))
        if not before or is_empty(named[1], self.attempts.read(ref)):
            return False
        self.attempts.renew(ref, first_text(*named, self.t("write.file_note"), self.t("write.file_there")), self.clock())
        return True

    def in_language(self, item: "Item", demo: "Demo | None") -> "Item":
        """Evidence or a check of a demo with its labels in the learner's language; a Check is then said with `t`."""
        if self.language != "zh" or demo is None:
            return item
        if demo.name not in self._labels:
            from studyapp.lab.chinese import labels

            self._labels[demo.name] = labels(demo, self.bank.terms)
        return self._labels[demo.name].translated(item)

    def verdict(self, support: "Support") -> "Mark":
        """What carries a statement, and whether it does."""
        from studyapp.lab.verdict import verdict

        return verdict(support, self.catalog, self.recordings, self.live)

    def claim_verdict(self, ref: str, kind: "SupportKind" = "proof") -> "Mark":
        """What a claim comes to, as support of that kind."""
        from studyapp.lab.verdict import claim_verdict

        return claim_verdict(ref, self.catalog, self.recordings, self.live, kind)
