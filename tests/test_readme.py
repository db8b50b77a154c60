"""What the README promises."""

import re
from pathlib import Path

import pytest

from studyapp.bank.load import load_bank
from studyapp.bank.model import Bank
from studyapp.check import check_bank
from studyapp.evidence.claims import find_claims, run_claim
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.paths import demos_dir, questions_dir
from studyapp.settings import settings_table
from studyapp.tui.commands import key_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DEMO = re.search(r"```python\n(.*?)```", README, re.S)[1]
QUESTION = re.search(r"```yaml\n(.*?)```", README, re.S)[1]


def test_the_keys_are_those_of_the_app() -> None:
    """The key table is made from the one table of commands."""
    assert README.split("key_table -->\n")[1].split("<!-- /keys -->")[0] == key_table(Translations.load("en"))


def test_the_settings_are_those_of_the_app() -> None:
    """The table of settings is made from their declaration."""
    assert README.split("settings_table -->\n")[1].split("\n<!-- /settings -->")[0] == settings_table()


def scope(bank: Bank) -> str:
    """How far the bank has come: its questions, the topics that are whole, and those that are begun."""
    written = {t: [q for q in t.questions if q in bank.questions] for t in bank.topics}
    title = {t: re.split("[:：（]", t.title.en)[0].strip() for t in bank.topics}
    whole = [title[t] for t in bank.topics if t.questions and len(written[t]) == len(t.questions)]
    begun = [f"{title[t]} ({len(written[t])} of {len(t.questions)})" for t in bank.topics if 0 < len(written[t]) < len(t.questions)]
    planned = sum(len(t.questions) for t in bank.topics)
    return "\n".join(
        [f"**{sum(map(len, written.values()))} of {planned} planned questions are written.**"]
        + [f"{what}: {', '.join(names)}." for what, names in (("Whole", whole), ("Begun", begun)) if names]
    )


def test_the_scope_is_said_and_true() -> None:
    """The README says how many questions there are and which topics are whole, as the bank has them now."""
    said = README.split("must stand here -->\n")[1].split("\n<!-- /scope -->")[0]
    assert said == scope(load_bank(questions_dir()))


def test_the_questions_of_the_page_on_one_s_own_load(tmp_path: Path) -> None:
    """The least and the fullest question of docs/own-questions.md load and have no finding."""
    text = (ROOT / "docs/own-questions.md").read_text("utf-8")
    for marker, name in (("minimal", "bpe.yaml"), ("full", "tokenization/bpe-training.yaml")):
        path = tmp_path / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.search(rf"<!-- {marker} -->\n```yaml\n(.*?)```", text, re.S)[1], "utf-8")
        assert name in text
    bank = load_bank(questions_dir(), [tmp_path / "notes"])
    assert {"notes:bpe", "notes:bpe-training"} <= bank.questions.keys()
    found = check_bank(bank, Catalog.load(demos_dir()))
    assert [str(f) for f in found if f.path.is_relative_to(tmp_path)] == []


def test_every_link_leads_somewhere() -> None:
    """Pictures and pages that it names are in the repository, headings on the page itself."""
    headings = {f"#{'-'.join(title.lower().split())}" for title in re.findall(r"^#+ (.+)$", README, re.MULTILINE)}
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert link in headings or (ROOT / link).is_file(), link


@pytest.fixture
def tutorial(tmp_path: Path) -> Path:
    """The demo and the question of the tutorial, typed in where it says."""
    for name, text in {
        "demos/foundations/softmax_temperature.py": DEMO,
        "questions/foundations/softmax-temperature.yaml": QUESTION,
        "questions/topics.yaml": "- {id: foundations, title: {en: 'F', zh: '基础'}, questions: [softmax-temperature]}\n",
    }.items():
        assert name in README
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def test_the_tutorial_ends_with_a_question_in_order(tutorial: Path) -> None:
    """The rules find nothing wrong with the question and the demo as they stand in the README."""
    found = check_bank(load_bank(tutorial / "questions"), Catalog.load(tutorial / "demos"))
    assert [str(f) for f in found if not re.search(r"(papers|terms|sources)\.yaml", str(f))] == []


def test_the_tutorial_s_claims_hold_and_can_break(tutorial: Path, load_demo) -> None:
    """Both claims hold as they stand; a negative temperature breaks the order."""
    claims = find_claims(load_demo(tutorial / "demos/foundations/softmax_temperature.py"))
    assert len(claims) == 2 and all(run_claim(name, claim).held for name, claim in claims.items())
    assert not run_claim("order_stays", claims["order_stays"], {"temperatures": (-1.0,)}).held
