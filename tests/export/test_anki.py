import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anki.collection import Collection, ImportCsvRequest
from anki.lang import set_lang

from studyapp.bank.model import Bank, Text, Today
from studyapp.errors import CallError, ExportError
from studyapp.evidence.types import Lines
from studyapp.export import pictures
from studyapp.export.anki import guid
from studyapp.reviews.cards import study_day
from studyapp.reviews.store import Store
from studyapp.settings import Settings
from tests.export.conftest import NOW, bank_of, take
from tests.export.test_text import assert_harmless, hostile


def edited(bank: Bank) -> Bank:
    changed = msgspec.structs.replace(bank.questions["first"], answer=Text("Quite another answer.", "全新的答案。"))
    return bank_of([changed, bank.questions["second"], bank.questions["third"]])


def test_anki_takes_every_question_into_its_topics_deck(bank: Bank, write: Any, anki: Collection) -> None:
    """Three questions give three notes and cards in two decks, in learning order, and pass Anki's own check."""
    log = take(anki, write(bank, name="a.apkg"))
    assert (len(log.new), anki.note_count(), anki.card_count()) == (3, 3, 3)
    assert {d.name for d in anki.decks.all_names_and_ids()} >= {"studyapp::attention", "studyapp::training"}
    cards = [anki.get_card(c) for c in anki.find_cards("is:new", order="c.due")]
    assert [c.note()["Id"] for c in cards] == ["first", "second", "third"]
    assert anki.fix_integrity()[1]


def test_a_rendered_card_shows_question_marks_formula_and_picture(bank: Bank, write: Any, anki: Collection) -> None:
    """The marks, the correction, what is so today, where it leads, MathJax and the chart; text is escaped."""
    today = Today(as_of="2026-11", en="Now most do.", zh="如今多数如此。", models=("some-model",))
    first = msgspec.structs.replace(bank.questions["first"], today=today, follow_ups=("second", "planned-one"))
    take(anki, write(bank_of([first, bank.questions["second"]]), name="a.apkg"))
    card = anki.get_card(anki.find_cards("Id:first")[0])
    assert "Why first, is a &lt; b &amp; [x]?" in card.question()
    back = card.answer()
    for piece in (
        "✓", "?", "·", "it is speed", "it is variance", r"\[\frac{a}{b} &lt; c\]", "Vaswani et al. (2017)", "<code>d</code>",
        "Today (as of 2026-11)", "Now most do.", "some-model", "Where an interviewer goes next", "Why second", "as expected",
    ):  # fmt: skip
        assert piece in back, piece
    assert "planned-one" not in back
    picture = next(Path(anki.media.dir()).glob("studyapp-*.svg"))
    assert f'src="{picture.name}"' in back
    assert not anki.media.check().missing


def test_who_waits_hears_how_far_it_is(bank: Bank, write: Any) -> None:
    """Each question written is told, with how many there are."""
    told: list[tuple[int, int]] = []
    write(bank, name="a.apkg", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_chart_that_several_notes_show_is_drawn_once(bank: Bank, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three notes with one chart give one picture, drawn once; another number would be another picture."""
    drawn: list[Any] = []
    monkeypatch.setattr(pictures, "picture", lambda item: drawn.append(item) or (repr(item).encode() if isinstance(item, Lines) else None))
    path = write(bank, name="a.apkg")
    with zipfile.ZipFile(path) as package:
        assert len(json.loads(package.read("media"))) == len([d for d in drawn if isinstance(d, Lines)]) == 1
    shown = pictures.Pictures()
    assert len({shown.name(Lines("x", (1,), {"y": (value,)})) for value in (1, 2, 1)}) == len(shown.media) == 2


def test_one_language_is_shown_and_a_second_is_folded(bank: Bank, write: Any, anki: Collection) -> None:
    """With one language no word of the other is on the card; with both the second stands in a fold of each part."""
    take(anki, write(bank, name="a.apkg"))
    assert not CHINESE.search(unfolded(anki)) and "<details" not in anki.get_card(anki.find_cards("Id:first")[0]).question()
    take(anki, write(bank, name="b.apkg", languages=("zh", "en"), now=NOW + timedelta(days=1)))
    back = anki.get_card(anki.find_cards("Id:first")[0]).answer()
    assert "Because." in back and "因为" in back
    assert "因为" in unfolded(anki) and "Because." not in unfolded(anki)


CHINESE = re.compile("[\u4e00-\u9fff]")


def unfolded(anki: Collection) -> str:
    """What the first card shows before anything is opened."""
    return re.sub(r"<details.*?</details>", "", anki.get_card(anki.find_cards("Id:first")[0]).answer(), flags=re.DOTALL)


def test_another_language_makes_no_second_tree_of_decks(bank: Bank, write: Any, anki: Collection) -> None:
    """Exported in English, then in Chinese, the same three notes are in the same decks."""
    take(anki, write(bank, name="a.apkg"))
    decks = anki.decks.all_names_and_ids()
    log = take(anki, write(bank, name="b.apkg", languages=("zh",), now=NOW + timedelta(days=1)))
    assert (len(log.new), len(log.updated)) == (0, 3)
    assert anki.decks.all_names_and_ids() == decks


def test_a_hostile_question_gives_anki_no_orders(write: Any, anki: Collection) -> None:
    """It plays no sound, runs no LaTeX, asks for no typing, loads nothing and links to no script."""
    take(anki, write(hostile(), name="a.apkg"))
    card = anki.get_card(anki.find_cards("Id:first")[0])
    assert not card.question_av_tags() and not card.answer_av_tags()
    for side in (card.question(), card.answer()):
        assert_harmless(side, "anki")
        assert not anki.backend.extract_latex(text=side, svg=False, expand_clozes=False).latex
    assert not anki.media.check().missing


def test_tags_hold_no_spaces_and_name_topic_and_level(bank: Bank, write: Any, anki: Collection) -> None:
    """A tag with a space would be two tags."""
    take(anki, write(bank, name="a.apkg"))
    assert set(anki.get_note(anki.find_notes("Id:first")[0]).tags) == {"topic::attention", "level::core", "soft-max"}


def test_an_edit_updates_that_note_and_nothing_else(bank: Bank, write: Any, anki: Collection) -> None:
    """After an edit one note is updated, the others are left alone, and what was learned stays."""
    take(anki, write(bank, name="a.apkg"))
    card = anki.get_card(anki.find_cards("Id:first")[0])
    card.start_timer()
    states = anki._backend.get_scheduling_states(card.id)
    anki.sched.answer_card(anki.sched.build_answer(card=card, states=states, rating=3))
    log = take(anki, write(edited(bank), name="b.apkg", now=NOW + timedelta(days=1)))
    assert (len(log.new), len(log.updated), len(log.duplicate)) == (0, 1, 2)
    note = anki.get_note(anki.find_notes("Id:first")[0])
    assert "Quite another answer" in note["Answer"]
    assert anki.get_card(card.id).reps == 1 and anki.note_count() == 3


def test_an_edit_in_the_same_second_still_arrives(bank: Bank, write: Any, anki: Collection) -> None:
    """Anki compares whole seconds, so a change is always stamped later than what it changes."""
    take(anki, write(bank, name="a.apkg"))
    assert len(take(anki, write(edited(bank), name="b.apkg")).updated) == 1


def test_the_same_bank_gives_the_same_package(bank: Bank, write: Any) -> None:
    """A later export of what did not change is the same file, byte for byte."""
    first = write(bank, name="a.apkg").read_bytes()
    assert write(bank, name="b.apkg", now=NOW + timedelta(days=9)).read_bytes() == first


def test_the_identity_of_a_note_follows_from_the_id_alone() -> None:
    """Whatever else of a question changes, its guid does not; tests/golden holds the values themselves."""
    assert guid("attention-scaling-sqrt-dk") == guid("attention-scaling-sqrt-dk") != guid("attention-scaling-sqrt-d")


def test_only_the_topics_asked_for(bank: Bank, write: Any, anki: Collection) -> None:
    """A topic's package holds its questions only; an unknown topic is an error that names the known ones."""
    take(anki, write(bank, name="a.apkg", topics=("training",)))
    assert anki.note_count() == 1
    with pytest.raises(CallError, match="nonsense"):
        write(bank, topics=("nonsense",))


def test_a_failing_export_leaves_the_old_file(bank: Bank, write: Any, tmp_path: Path) -> None:
    """A file is replaced whole or not at all, and nothing is left beside it."""
    (tmp_path / "out").mkdir()
    old = write(bank, name="out/a.apkg").read_bytes()
    with pytest.raises(ValueError, match="broken"):

        class Broken:
            settings = Settings()

            def cards(self) -> dict[str, Any]:
                raise ValueError("broken")

        write(bank, name="out/a.apkg", store=Broken())
    assert (tmp_path / "out" / "a.apkg").read_bytes() == old
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.apkg"]


def test_progress_arrives_as_state_memory_and_review_log(
    bank: Bank, write: Any, anki: Collection, tmp_path: Path
) -> None:
    """With progress Anki has our stability, difficulty, due day, counts and every review that was not undone."""
    settings = Settings(timezone="UTC")
    now = datetime.now(UTC)
    store = Store.open(tmp_path / "db.sqlite", settings)
    for days, rating in ((30, 3), (30, 3), (20, 3), (5, 1), (5, 3), (3, 2)):
        store.append(
            "review", "first#recall", now - timedelta(days=days, seconds=-60 * rating), rating=rating, seconds=7.0
        )
    store.append("review", "second#recall", now - timedelta(seconds=30), rating=1)
    store.append("review", "second#recall", now - timedelta(seconds=20), rating=4)
    store.undo(now)
    store.append("review", "third#recall", now - timedelta(days=2), rating=4)
    store.append("suspend", "third#recall", now)
    states = store.cards()
    log = take(anki, write(bank, name="p.apkg", store=store, now=now), progress=True)
    store.close()
    assert len(log.new) == 3
    first, second, third = (anki.get_card(anki.find_cards(f"Id:{q}")[0]) for q in ("first", "second", "third"))
    ours = states["first#recall"]
    assert (first.type, first.queue, first.reps, first.lapses) == (2, 2, ours.reps, ours.lapses)
    assert ours.due_day is not None and ours.last_day is not None
    assert first.ivl == ours.due_day - ours.last_day
    assert first.due - anki.sched.today == ours.due_day - study_day(now, settings)
    assert first.memory_state.stability == pytest.approx(ours.stability, abs=1e-3)
    assert first.memory_state.difficulty == pytest.approx(ours.difficulty, abs=1e-2)
    assert first.desired_retention == pytest.approx(0.9)
    assert (second.type, second.queue, second.reps) == (1, 1, 1)
    assert (third.type, third.queue) == (2, -1)
    rows = anki.db.all("SELECT ease, type, time, ivl FROM revlog WHERE cid = ? ORDER BY id", first.id)
    assert [r[0] for r in rows] == [3, 3, 3, 1, 3, 2]
    assert [r[1] for r in rows] == [0, 0, 1, 1, 2, 1]
    assert rows[0][2] == 7000 and rows[0][3] < 0 < rows[-1][3]
    assert anki.db.scalar("SELECT count() FROM revlog WHERE cid = ?", second.id) == 1


def test_progress_is_taken_only_where_asked(bank: Bank, write: Any, anki: Collection, tmp_path: Path) -> None:
    """Somebody else who imports the same package without progress gets new cards."""
    store = Store.open(tmp_path / "db.sqlite", Settings())
    store.append("review", "first#recall", NOW, rating=4)
    take(anki, write(bank, name="p.apkg", store=store))
    store.close()
    assert anki.get_card(anki.find_cards("Id:first")[0]).type == 0


def test_without_a_store_the_package_holds_no_review(bank: Bank, write: Any) -> None:
    """Progress is the learner's and leaves only on request; the media list is in order."""
    with zipfile.ZipFile(write(bank, name="a.apkg")) as package:
        assert json.loads(package.read("media")).keys() == {"0"}


def test_a_damaged_edit_table_is_an_error_with_a_way_out(bank: Bank, write: Any, tmp_path: Path) -> None:
    """It is said, not silently begun anew."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "edits.json").write_text("[1", encoding="utf-8")
    with pytest.raises(ExportError, match="damaged"):
        write(bank)


def read_csv(anki: Collection, path: Path) -> Any:
    """Import a CSV as Anki does whose user changes nothing in the dialog."""
    metadata = anki.get_csv_metadata(str(path), None)
    assert metadata.is_html and (metadata.guid_column, metadata.deck_column, metadata.tags_column) == (2, 3, 4)
    return anki.import_csv(ImportCsvRequest(path=str(path), metadata=metadata)).log


def test_anki_reads_the_csv_by_its_own_headers(bank: Bank, write: Any, anki: Collection) -> None:
    """After an .apkg the CSV updates its notes: the changed row alone, in every field, and nothing is made twice."""
    take(anki, write(bank, name="a.apkg"))
    log = read_csv(anki, write(edited(bank), "csv", "b.csv"))
    assert (len(log.new), len(log.updated)) == (0, 3)  # charts of the package give way to tables
    again = read_csv(anki, write(bank, "csv", "c.csv"))
    assert (len(again.new), len(again.updated)) == (0, 1)
    note = anki.get_note(anki.find_notes("tag:topic::training")[0])
    assert note.guid == guid("third") and note["Id"] == "third" and note.cards()[0].did == anki.decks.id("studyapp::training")
    assert r"\[\frac{a}{b} &lt; c\]" in note["Answer"] and "it is variance" in note["Corrections"]


@pytest.mark.parametrize(("language", "sides"), [("en", ("Front", "Back")), ("zh_CN", ("正面", "背面"))])
def test_an_anki_that_never_had_the_package_makes_whole_cards_of_the_csv(
    bank: Bank, write: Any, tmp_path: Path, language: str, sides: tuple[str, str]
) -> None:
    """In Basic, by the names it has in either language: the question in front; brief, answer, correction and evidence behind."""
    set_lang(language)
    anki = Collection(str(tmp_path / "fresh.anki2"))
    try:
        log = read_csv(anki, write(bank, "csv", "a.csv", languages=(language[:2],)))
        assert (len(log.new), anki.card_count()) == (3, 3)
        note = anki.get_note(anki.find_notes("tag:topic::training")[0])
        assert tuple(note.keys()) == sides and note.cards()[0].did == anki.decks.id("studyapp::training")
        front, back = note.values()
        assert ("third" in front) and guid("third") not in front
        for piece in {"en": ("Because.", "grows in", "it is variance", "63", "Attention Is All")}.get(language, ("因为", "为了方差", "63")):
            assert piece in back, piece
        assert "<summary>" in note.cards()[0].answer()
        again = read_csv(anki, write(edited(bank), "csv", "b.csv", languages=(language[:2],)))
        assert (len(again.new), len(again.updated)) == (0, 1)
    finally:
        anki.close()
        set_lang("en")


def test_another_note_type_has_the_question_in_its_first_field(bank: Bank, write: Any, anki: Collection) -> None:
    """Where no name fits, the first field is the question and never the identity."""
    basic = anki.models.copy(anki.models.by_name("Basic"))
    for field, name in zip(basic["flds"], ("Prompt", "Reply"), strict=True):
        anki.models.rename_field(basic, field, name)
    anki.models.update_dict(basic)
    anki.models.set_current(basic)
    anki.set_config("curModel", basic["id"])
    assert len(read_csv(anki, write(bank, "csv", "a.csv")).new) == 3
    (note,) = (anki.get_note(n) for n in anki.find_notes("tag:topic::training"))
    assert "Why third" in note["Prompt"]
