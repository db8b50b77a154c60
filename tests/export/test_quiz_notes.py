"""Choices and numbers in an Anki package."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anki.collection import Collection

from studyapp.bank.model import Bank, Correction, Text
from studyapp.bank.refs import CardId
from studyapp.evidence.exercises import Drill as Number
from studyapp.export.quiz_notes import fields, key
from studyapp.quiz.kinds import Asked
from studyapp.quiz.registry import ask
from studyapp.reviews.store import Store
from studyapp.settings import Settings
from tests.export.conftest import CLAIM, NOW, bank_of, question, take
from tests.export.test_text import assert_harmless, hostile

DEMO = CLAIM.partition(".")[0]


def choice(bank: Bank) -> Asked:
    return ask(bank.questions["first"], CardId("first", "choice"), 1)


def number(bank: Bank, seed: int) -> Asked:
    first = msgspec.structs.replace(bank.questions["first"], drills=(f"{DEMO}.size",))
    made = Number(
        en=f"How many GiB are {seed} << 30 B?", zh=f"{seed} << 30 B 是多少 GiB？", answer=float(seed), within=0.01, unit="GiB",
        steps=(("so & so", "如此"),), proved_by="variance_is_dk",
    )  # fmt: skip
    return ask(first, CardId("first", "drill", "size"), seed).made(made)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_anki_takes_choices_and_examples_of_numbers_beside_the_questions(bank: Bank, write: Any, anki: Collection, language: str) -> None:
    """A note type and a deck of their own; the front asks and lists the options, the back says what is right, why, where the
    belief is heard and what runs it."""
    asked = (choice(bank), *(number(bank, seed) for seed in (1, 2, 3)))
    log = take(anki, write(bank, name="a.apkg", asked=asked, languages=(language,)))
    assert (len(log.new), anki.note_count()) == (7, 7) and anki.fix_integrity()[1]
    names = {deck.name for deck in anki.decks.all_names_and_ids()}
    assert {"studyapp::attention", "studyapp::attention::choice", "studyapp::attention::drill"} <= names
    (card,) = (anki.get_card(each) for each in anki.find_cards("deck:studyapp::attention::choice"))
    for option in asked[0].options:
        assert option[language].split("`")[0] in card.question()
    assert "studyapp run" not in card.question() and f"studyapp run {CLAIM}" in card.answer()
    numbers = [anki.get_card(each) for each in anki.find_cards("deck:studyapp::attention::drill", order="c.due")]
    assert [each.note()["Id"] for each in numbers] == [f"first#drill:size@{seed}" for seed in (1, 2, 3)]
    assert "2 &lt;&lt; 30" in numbers[1].question() and "2 GiB (± 0.01)" not in numbers[1].question()
    assert "2 GiB (± 0.01)" in numbers[1].answer() and ("so &amp; so" if language == "en" else "如此") in numbers[1].answer()


def test_without_being_asked_for_no_such_note_is_written(bank: Bank, write: Any, anki: Collection) -> None:
    """The export of questions is what it was."""
    take(anki, write(bank, name="a.apkg"))
    assert anki.note_count() == 3 and "studyapp quiz" not in [model.name for model in anki.models.all_names_and_ids()]


def test_another_export_updates_what_changed_and_makes_no_second_note(bank: Bank, write: Any, anki: Collection) -> None:
    """The same card has the same note for ever; a belief that was put in other words replaces the old ones."""
    take(anki, write(bank, name="a.apkg", asked=(choice(bank), number(bank, 1))))
    belief = Correction(wrong=Text("it is haste", "为了快"), right=Text("it is variance", "为了方差"), proof=(CLAIM,))
    changed = bank_of([msgspec.structs.replace(bank.questions["first"], corrections=(belief,)), *list(bank.questions.values())[1:]])
    again = write(changed, name="b.apkg", asked=(choice(changed), number(changed, 1)), now=NOW + timedelta(days=1))
    log = take(anki, again)
    assert not log.new and anki.note_count() == 5
    (note,) = (anki.get_note(each) for each in anki.find_notes("Id:first#choice"))
    assert "haste" in note["Ask"] + note["Options"] or "it is variance" in note["Why"]


def test_a_choice_takes_its_schedule_along_and_an_example_has_none(bank: Bank, write: Any, anki: Collection, tmp_path: Path) -> None:
    """The card of a choice that was studied is in review in Anki; that of one seed of a number is new."""
    with Store.open(tmp_path / "reviews.db", Settings(timezone="UTC"), NOW) as store:
        for card in ("first#choice", "first#drill:size"):
            store.append("review", card, NOW - timedelta(days=3), rating=4)
        path = write(bank, name="a.apkg", asked=(choice(bank), number(bank, 1)), store=store)
    take(anki, path, progress=True)
    kinds = {note: anki.get_card(anki.find_cards(f'"Id:{note}"')[0]).type for note in ("first#choice", "first#drill:size@1", "first")}
    assert kinds == {"first#choice": 2, "first#drill:size@1": 0, "first": 0}


def test_a_second_language_is_folded_and_nothing_is_an_order_to_anki(bank: Bank) -> None:
    """In each field that is seen; hostile texts stay texts."""
    two = fields(number(bank, 1), bank, ("zh", "en"))
    assert two[0].index("是多少 GiB") < two[0].index("<details") < two[0].index("How many GiB")
    text = hostile().questions["first"].answer.en.splitlines()[0]
    belief = Correction(wrong=Text(text, text), right=Text(text, text), cite=("vaswani2017",), heard=("vaswani2017",))
    bad = question("bad", "attention", ask=Text(text, text), corrections=(belief,))
    for seed in range(4):
        for content in fields(ask(bad, CardId("bad", "choice"), seed), bank_of([bad]), ("en",)):
            assert_harmless(content, "anki")
    assert key(ask(bad, CardId("bad", "choice"), 1)) == "bad#choice"
