"""Answer, open, search and export at many cards, beside Anki's own engine doing the same.

    python benchmarks/reviews.py [CARDS …]          (default: 10000 100000; ten reviews a card)

Both hold the same texts and as many reviews, all cards due, on the same disk, measured one after the other in one run.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from anki.collection import Collection, ExportAnkiPackageOptions

from studyapp.bank.model import Bank, Point, Question, Text, Topic
from studyapp.bank.search import Search
from studyapp.context import AppContext
from studyapp.export.anki import export
from studyapp.export.options import ExportOptions
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog, LazyDemos
from studyapp.lab.recordings import Recordings
from studyapp.lab.verdict import verdict
from studyapp.render.document import document
from studyapp.reviews.cards import study_day, to_text
from studyapp.reviews.event_log import SUMMED, to_body
from studyapp.reviews.log import Rating, checksum, uuid7
from studyapp.reviews.opening import check
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings
from studyapp.tui.dashboard import home_stats

NOW = datetime.now(UTC)
SETTINGS = Settings(timezone="UTC", new_per_day=9999, reviews_per_day=9999)
DAY = study_day(NOW, SETTINGS)
REVIEWS, ANSWERS, LOOKS = 10, 1000, 20
ENGLISH = "Dividing the scores by the square root of the head size keeps their variance at one, at any width. "
CHINESE = "把分数除以 head 维度的平方根，方差就保持为一，与宽度无关；否则 softmax 会饱和，梯度消失。"
TOPICS = [f"topic{i}" for i in range(15)]
WORDS = "溢出 variance"
Times = list[float]


def took(work: Callable[[], Any]) -> float:
    """Seconds that `work` takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def question(number: int) -> Question:
    """A short bilingual question; one in a hundred holds the words that are searched."""
    rare = " Overflow, 溢出." if number % 100 == 0 else ""
    text = Text(en=f"{ENGLISH * 3}{rare}", zh=CHINESE * 2)
    points = tuple(Point(en=ENGLISH, zh=CHINESE, cite=("vaswani2017",)) for _ in range(3))
    return Question(
        id=f"question-{number}", topic=TOPICS[number % len(TOPICS)], level="core", ask=Text(ENGLISH, CHINESE),
        brief=text, answer=text, points=points,
    )  # fmt: skip


def make_bank(cards: int) -> Bank:
    """So many questions in fifteen topics."""
    questions = [question(i) for i in range(cards)]
    listed = {t: tuple(q.id for q in questions if q.topic == t) for t in TOPICS}
    topics = tuple(Topic(t, Text(t, "主题"), listed[t]) for t in TOPICS)
    return Bank(topics, {q.id: q for q in questions})


def reviews(cards: int) -> Iterator[tuple[int, int, datetime]]:
    """Card number, rating and moment of every review, in order of time; the last a month ago."""
    for turn in range(REVIEWS):
        at = NOW - timedelta(days=30 * (REVIEWS - turn))
        for card in range(cards):
            yield card, 1 if (card + turn) % 9 == 0 else 3, at + timedelta(milliseconds=card)


def fill_ours(path: Path, bank: Bank) -> float:
    """Write the log in bulk and make the cards by replay, all of them due today; the seconds of the replay."""
    cards = [q.card_id for q in bank.questions.values()]
    with Store.open(path, SETTINGS, NOW) as store:
        run = store.db.conn.execute
        body = to_body(store.scheduler.config(NOW))
        columns = [*SUMMED, "config", "crc"]

        def rows() -> Iterator[list[Any]]:
            uid = None
            for card, rating, at in reviews(len(cards)):
                uid = uuid7(at, uid)
                row = {"uid": uid, "kind": "review", "card": cards[card], "at": to_text(at), "day": study_day(at, SETTINGS),
                       "rating": rating, "seconds": 20.0, "language": "en", "was": "review", "target": None,
                       "device": store.device, "data": '{"sitting": "a1b2c3d4", "suggested": 3, "ticked": [0, 1]}'}  # fmt: skip
                yield [*(row[name] for name in SUMMED), 1, checksum([row[name] for name in SUMMED], body)]

        run("BEGIN")
        run("INSERT INTO configs VALUES (1, ?)", [body])
        sql = f"INSERT INTO events ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        store.db.conn.executemany(sql, rows())
        run("COMMIT")
        seconds = took(store.rebuild)
        run("UPDATE cards SET state = 'review', due_day = ?, due_at = NULL, step = NULL", [DAY])
    return seconds


def fill_anki(path: Path, bank: Bank) -> None:
    """The same notes, cards in review due today with FSRS state, and as many rows in the review log."""
    with closing(Collection(str(path))) as anki:
        anki.set_config("fsrs", True)
        config = anki.decks.get_config(1)
        assert config is not None
        config["new"]["perDay"] = config["rev"]["perDay"] = 9999
        anki.decks.save(config)
        model = anki.models.by_name("Basic")
        assert model is not None
        decks = {t: anki.decks.id(f"studyapp::{t}") for t in TOPICS}
        for q in bank.questions.values():
            note = anki.new_note(model)
            note.fields = [q.ask.en + q.ask.zh, q.brief.en + q.brief.zh + q.answer.en + q.answer.zh
                           + "".join(p.en + p.zh for p in q.points)]  # fmt: skip
            deck = decks[q.topic]
            assert deck is not None
            anki.add_note(note, deck)
        ids = anki.db.list("SELECT id FROM cards ORDER BY id") if anki.db else []
        data = json.dumps({"s": 30.0, "d": 5.0, "dr": 0.9, "lrt": int((NOW - timedelta(days=30)).timestamp())})
        assert anki.db
        anki.db.execute("UPDATE cards SET type = 2, queue = 2, due = ?, ivl = 30, factor = 2500, reps = ?, data = ?",
                        anki.sched.today, REVIEWS, data)  # fmt: skip
        rows = ((int(at.timestamp() * 1000) + c, ids[c], -1, r, 30, 10, 2500, 20000, 1) for c, r, at in reviews(len(ids)))
        anki.db.executemany("INSERT OR IGNORE INTO revlog VALUES (?,?,?,?,?,?,?,?,?)", list(rows))


def answer_ours(path: Path, bank: Bank) -> Times:
    """Answer and draw the next card, with the counts of the header."""
    with Store.open(path, SETTINGS, NOW) as store:
        sitting = StudySession(store, [q.card_id for q in bank.in_order()], NOW)
        card = sitting.next(NOW)

        def step() -> None:
            nonlocal card
            assert card is not None
            sitting.answer(card, Rating.GOOD, NOW, seconds=20, data={"ticked": [0, 1], "suggested": 3})
            card = sitting.next(NOW)
            sitting.counts(NOW)

        return [took(step) for _ in range(ANSWERS)]


def answer_anki(path: Path) -> Times:
    """The same with Anki's third scheduler."""
    with closing(Collection(str(path))) as anki:
        anki.decks.select(anki.decks.id("studyapp"))
        queue = anki.sched.get_queued_cards()

        def step() -> None:
            nonlocal queue
            first = queue.cards[0]
            card = anki.get_card(first.card.id)
            card.start_timer()
            anki.sched.answer_card(anki.sched.build_answer(card=card, states=first.states, rating=2))
            queue = anki.sched.get_queued_cards()

        return [took(step) for _ in range(ANSWERS)]


@dataclass
class Opened:
    """Seconds it took to open a database that was opened today already, and for what is done with it then."""

    opened: float
    home_first: float
    home_again: float
    home_after_answers: float
    sitting: float
    checked: float


def open_ours(path: Path, bank: Bank) -> Opened:
    """Open; count Home for the first time in a process, again, and after twenty answers; begin to study; check."""
    start = time.perf_counter()
    with Store.open(path, SETTINGS, NOW) as store:
        opened = time.perf_counter() - start
        context = AppContext(
            bank=bank, catalog=Catalog(LazyDemos({})), recordings=Recordings(path.parent), store=store, settings=SETTINGS, clock=lambda: NOW
        )
        context.decks  # noqa: B018  which card is of which topic follows from the bank alone, and is kept with it
        first, again = (took(lambda: home_stats(context)) for _ in range(2))
        sitting = took(lambda: context.session().next(NOW))
        session = context.session()
        for _ in range(20):
            card = session.next(NOW)
            assert card is not None
            session.answer(card, Rating.GOOD, NOW, seconds=20)
            session.undo(NOW)
        after = took(lambda: home_stats(context))
        return Opened(opened, first, again, after, sitting, took(lambda: check(store.db.conn, path)))


def open_anki(path: Path) -> tuple[float, float, float]:
    """Seconds to open a collection, to count its decks, and for its own check of the database."""
    start = time.perf_counter()
    with closing(Collection(str(path))) as anki:
        opened = time.perf_counter() - start
        return opened, took(anki.sched.deck_due_tree), took(anki.fix_integrity)


def ms(seconds: float) -> str:
    """Milliseconds, three digits."""
    return f"{seconds * 1000:,.3g}" if seconds < 1 else f"{seconds * 1000:,.0f}"


def quantile(times: Times, share: float) -> float:
    """The value below which a share of the times lies."""
    return statistics.quantiles(times, n=1000)[round(share * 1000) - 1]


def measure(cards: int) -> list[tuple[str, float, float | None]]:
    """Each measure: its name, our seconds, Anki's seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bank, ours, theirs = make_bank(cards), folder / "reviews.db", folder / "collection.anki2"
        replay = fill_ours(ours, bank)
        fill_anki(theirs, bank)
        background = took(lambda: Store.open(ours, SETTINGS, NOW, background=True).close())
        first_of_day = took(lambda: Store.open(ours, SETTINGS, NOW).close())
        noting = open_ours(ours, bank).home_first  # the first time ever, when the topics of the cards are noted
        best = [open_ours(ours, bank) for _ in range(3)]
        opened, home, again, after, sitting, checked = (
            min(getattr(each, field.name) for each in best) for field in fields(Opened)
        )
        anki_opened, decks, integrity = min(open_anki(theirs) for _ in range(3))
        search, searched = Search(bank), []
        made_ready = took(lambda: Search(bank))
        with closing(Collection(str(theirs))) as anki:
            anki_searched = [took(lambda: anki.find_cards(WORDS)) for _ in range(LOOKS)]
            assert len(anki.find_cards(WORDS)) == len(search(WORDS)) == -(-cards // 100)
            searched = [took(lambda: search(WORDS)) for _ in range(LOOKS)]
            options = {"with_media": False, "with_deck_configs": False, "legacy": True}
            out = str(folder / "theirs.apkg")
            anki_exported = {
                progress: took(
                    lambda progress=progress: anki.export_anki_package(
                        out_path=out, limit=None,
                        options=ExportAnkiPackageOptions(with_scheduling=progress, **options),
                    )
                )
                for progress in (False, True)
            }
        no_demos = Catalog(LazyDemos({}))
        with Store.open(ours, SETTINGS, NOW) as store:
            exported = {
                progress: took(
                    lambda progress=progress: export(
                        ExportOptions(
                            bank=bank, document=lambda q: document(q, bank, lambda s: verdict(s, no_demos, None)),
                            output=folder / "ours.apkg", languages=("en", "zh"), words=Translations.load("en"), now=NOW,
                            store=store if progress else None,
                        )
                    )
                )
                for progress in (False, True)
            }
        anki_answers, answers = answer_anki(theirs), answer_ours(ours, bank)
    return [
        ("answer + next card, p50", statistics.median(answers), statistics.median(anki_answers)),
        ("answer + next card, p99", quantile(answers, 0.99), quantile(anki_answers, 0.99)),
        ("open", opened, anki_opened),
        ("open, the first time of a day: check and backup in the background", background, None),
        ("open, the first time of a day: with check and backup", first_of_day, None),
        ("check the database", checked, integrity),
        ("Home / deck list", home, decks),
        ("Home, again", again, None),
        ("Home, after twenty answers", after, None),
        ("Home, the first time with a new bank", noting, None),
        ("begin to study, to the first card", sitting, None),
        ("make ready for searching, once", made_ready, None),
        ("search, p50", statistics.median(searched), statistics.median(anki_searched)),
        ("export .apkg", exported[False], anki_exported[False]),
        ("export .apkg with progress", exported[True], anki_exported[True]),
        ("all cards anew from the log", replay, None),
    ]


def main() -> None:
    """A table a size."""
    for cards in [int(a) for a in sys.argv[1:]] or [10_000, 100_000]:
        print(f"\n{cards:,} cards, {cards * REVIEWS:,} reviews\n\n| | studyapp, ms | Anki, ms | ratio |\n|---|---|---|---|")
        for name, ours, theirs in measure(cards):
            beside = f"{ms(theirs)} | {ours / theirs:.2f}" if theirs else "– | –"
            print(f"| {name} | {ms(ours)} | {beside} |", flush=True)


if __name__ == "__main__":
    main()
