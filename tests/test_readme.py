"""What the README promises."""

import re
from pathlib import Path

import pytest

from studyapp.bank.load import load_bank
from studyapp.check import check_bank
from studyapp.evidence.claims import find_claims, run_claim
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.tui.commands import key_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DEMO = re.search(r"```python\n(.*?)```", README, re.S)[1]
QUESTION = re.search(r"```yaml\n(.*?)```", README, re.S)[1]


def test_the_keys_are_those_of_the_app() -> None:
    """The key table is made from the one table of commands."""
    assert README.split("key_table -->\n")[1].split("<!-- /keys -->")[0] == key_table(Translations.load("en"))


def test_every_link_leads_somewhere() -> None:
    """Pictures and pages that it names are in the repository."""
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).is_file(), link


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
