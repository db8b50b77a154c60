"""The examples of docs/questions.md are questions."""

import re
from pathlib import Path

from studyapp.bank.load import load_bank
from studyapp.bank.model import Correction, Point, Question, Today
from studyapp.check import check_bank
from studyapp.lab.catalog import Catalog
from studyapp.paths import demos_dir, questions_dir

DOCS = Path(__file__).parents[2] / "docs/questions.md"
FULL, LEAST = re.findall(r"```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.S)


def test_the_full_example_keeps_every_rule(tmp_path: Path):
    """Among the shared files of the bank it has no finding and nothing to mend."""
    for name in ("papers", "terms", "sources", "models"):
        (tmp_path / f"{name}.yaml").write_bytes((questions_dir() / f"{name}.yaml").read_bytes())
    topic = "- {id: inference, title: {en: 'Inference', zh: '推理'}, questions: [example, mla, kv-cache]}\n"
    (tmp_path / "topics.yaml").write_text(topic, "utf-8")
    (tmp_path / "inference").mkdir()
    path = tmp_path / "inference" / "example.yaml"
    path.write_text(FULL, "utf-8")
    bank = load_bank(tmp_path)
    assert list(bank.questions) == ["example"], [str(f) for f in bank.findings]
    findings = check_bank(bank, Catalog.load(demos_dir()))
    assert [str(f) for f in findings if f.path == path and f.group != "backlog"] == []


def test_the_full_example_shows_every_key():
    """No key of a question, point, correction or today is left out; those that say where a file stands are not written."""
    keys = {f for kind in (Question, Point, Correction, Today) for f in kind.__struct_fields__} - {"id", "topic", "file"}
    assert {key for key in keys if not re.search(rf"\b{key}:", FULL)} == set()


def test_the_least_example_loads_in_a_bank_of_ones_own(tmp_path: Path):
    """Two lines are a question, with nothing wrong."""
    own = tmp_path / "mine"
    own.mkdir()
    (own / "softmax.yaml").write_text(LEAST, "utf-8")
    bank = load_bank(questions_dir(), [own])
    assert "mine:softmax" in bank.questions
    assert [str(f) for f in check_bank(bank, Catalog.load(demos_dir())) if own in f.path.parents] == []
