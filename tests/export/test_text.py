import json
from pathlib import Path
from typing import Any

import pytest

from studyapp.bank.model import Bank
from studyapp.errors import ExportError
from studyapp.export import FORMATS
from studyapp.i18n import Translations


def test_json_lines_hold_every_question_in_order(bank: Bank, write: Any) -> None:
    """Each line is one question with both languages, what carries its points, and what the demo recorded."""
    rows = [json.loads(line) for line in write(bank, "json").read_text(encoding="utf-8").splitlines()]
    assert [r["id"] for r in rows] == ["first", "second", "third"]
    assert rows[0]["points"][0] == {
        "en": "grows in `d`",
        "zh": "随 d 增长",
        "proof": ["attention/score_scaling.variance_is_dk"],
    }
    assert rows[0]["recorded"]["attention/score_scaling.variance_is_dk"]["checks"][0]["held"] is True


def test_one_language_only(bank: Bank, write: Any) -> None:
    """An English export holds no Chinese answer and the other way round."""
    assert "因为" not in write(bank, "json", languages=("en",)).read_text(encoding="utf-8")
    assert "Because" not in write(bank, "markdown", languages=("zh",)).read_text(encoding="utf-8")


def test_markdown_reads_from_top_to_bottom(bank: Bank, write: Any) -> None:
    """Topic, question, points with their marks, correction, evidence as a table, reference in full."""
    text = write(bank, "markdown", languages=("zh",), words=Translations.load("zh")).read_text(encoding="utf-8")
    pieces = [
        "## 注意力",
        "### 为什么 first",
        "- ✓ 随 d 增长",
        "- ≈ 玩具",
        "- · 历史",
        "为了速度",
        "| 64 | 63 |",
        "Vaswani et al. (2017)",
        "## 训练",
    ]
    places = [text.index(p) for p in pieces]
    assert places == sorted(places)
    assert "x\\|y" in text


@pytest.mark.parametrize("form", FORMATS)
def test_a_place_that_cannot_be_written_is_an_error(bank: Bank, write: Any, tmp_path: Path, form: str) -> None:
    """A file where a folder should be gives a sentence and no traceback."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ExportError, match="cannot write"):
        write(bank, form, "file/out")


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_bank_is_an_error(write: Any, form: str) -> None:
    """Nothing to export is said."""
    with pytest.raises(ExportError):
        write(Bank(), form)
