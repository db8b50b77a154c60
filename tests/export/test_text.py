"""The forms that are text: Markdown, the sheet, CSV and JSON lines."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studyapp.bank.model import Bank, Text
from studyapp.errors import CallError, ExportError
from studyapp.evidence.labels import Labels
from studyapp.evidence.types import Lines
from studyapp.export import pictures
from studyapp.export.card import FIELDS
from studyapp.export.formats import FORMATS, TEXT
from studyapp.export.markdown import sheet
from studyapp.export.selection import weak
from studyapp.lab.verdict import Mark
from studyapp.render.document import ClaimEvidence, Section
from studyapp.reviews.cards import CardState
from tests.export.conftest import CLAIM, RECORD, RUN, bank_of, question


def test_json_lines_hold_every_question_in_order(bank: Bank, write: Any) -> None:
    """Each line is one question in the languages asked for, what carries its points, and what the demo recorded."""
    rows = [json.loads(line) for line in write(bank, "json", languages=("en", "zh")).read_text(encoding="utf-8").splitlines()]
    assert [r["id"] for r in rows] == ["first", "second", "third"]
    assert rows[0]["points"][0] == {
        "en": "grows in `d`", "zh": "随 d 增长", "proof": [CLAIM], "toy": [], "cite": [], "state": "held",
    }  # fmt: skip
    assert rows[0]["recorded"][CLAIM]["checks"][0]["held"] is True
    assert rows[0]["corrections"][0]["wrong"] == {"en": "it is speed", "zh": "为了速度"}


@pytest.mark.parametrize("form", TEXT)
def test_one_language_only(bank: Bank, write: Any, form: str) -> None:
    """An English export holds no Chinese answer and the other way round."""
    assert "因为" not in write(bank, form, languages=("en",)).read_text(encoding="utf-8")
    assert "Because" not in write(bank, form, languages=("zh",)).read_text(encoding="utf-8")


def test_markdown_reads_from_top_to_bottom(bank: Bank, write: Any) -> None:
    """Topic, question, points with their marks, correction, evidence in a line, reference in full."""
    text = write(bank, "markdown", languages=("zh",)).read_text(encoding="utf-8")
    pieces = [
        "# 面试题", "- ✓ ", "## 注意力", "### 为什么 first", "- ✓ 随 d 增长", "- ? 玩具", "- · 历史", "为了速度", f"- ✓ `{CLAIM}`",
        "Vaswani et al. (2017)", "### 为什么 second", "## 训练",
    ]  # fmt: skip
    places, at = [], 0
    for piece in pieces:
        at = text.index(piece, at)
        places.append(at)
    assert places == sorted(places)


def test_the_legend_explains_the_signs_that_are_used_and_no_others(bank: Bank, write: Any) -> None:
    """A reader meets no sign without its meaning, and no meaning without its sign."""
    head = write(bank, "markdown").read_text(encoding="utf-8").partition("## ")[0]
    assert [line[2] for line in head.splitlines() if line.startswith("- ")] == ["✓", "·", "?"]


def test_markdown_shows_evidence_as_it_is_asked_for(bank: Bank, write: Any, tmp_path: Path) -> None:
    """No numbers unless asked for; tables where asked for; charts as pictures in a folder beside the file."""
    one = {"ids": ("first",), "form": "markdown"}
    assert "| 64" not in write(bank, name="a.md", **one).read_text()
    tables = write(bank, name="a.md", evidence="tables", **one).read_text()
    assert "| 64 | 63 |" in tables and "x\\|y" in tables and "![" not in tables
    charts = write(bank, name="my notes.md", evidence="charts", **one).read_text()
    (address,) = re.findall(r"!\[Var\]\((.*?)\)", charts) or re.findall(r"!\[\]\((.*?)\)", charts)
    assert (tmp_path / address.replace("%20", " ")).read_bytes().startswith(b"<svg")
    assert "| 64 | 63 |" not in charts and "x\\|y" in charts


@pytest.mark.parametrize(("language", "label"), [("zh", "方差"), ("en", "variance")])
def test_charts_are_labelled_in_the_language_of_the_export(
    bank: Bank, options: Any, monkeypatch: pytest.MonkeyPatch, language: str, label: str
) -> None:
    """A Chinese export has Chinese charts on every machine, and draws no others."""
    drawn: list[Any] = []
    monkeypatch.setattr(pictures, "picture", lambda item: drawn.append(item) or b"<svg/>")
    curve = Lines("d", (16, 64), {"variance": (1.0, 2.0)})
    record = replace(RECORD, evidence=(curve,))
    one = ClaimEvidence(CLAIM, None, Mark("proof", "held"), RUN, record, Labels({"variance": "方差"}, {}))
    chosen = options(bank, languages=(language,), ids=("first",), evidence="charts")
    plain = chosen.document
    section = Section("evidence", (one,))
    chosen = replace(chosen, document=lambda q: replace(plain(q), sections=(section,)))
    for form in ("anki", "markdown"):
        drawn.clear()
        FORMATS[form](chosen)
        assert [list(item.series) for item in drawn] == [[label]]


def test_a_sheet_holds_what_to_say_and_no_more(bank: Bank, options: Any) -> None:
    """Brief and points by topic, for paper: no answer, no claims, no addresses."""
    chosen = options(bank, "sheet.md")
    assert sheet(chosen) == 3
    text = chosen.output.read_text(encoding="utf-8")
    assert all(piece in text for piece in ("## Attention", "### Why first", "Because.", "- ✓ grows in `d`"))
    assert not [piece for piece in ("Softmax", CLAIM, "it is speed", "Vaswani", "vaswani2017") if piece in text]


@pytest.mark.parametrize("form", ["csv", "markdown"])
def test_hostile_text_is_only_text(write: Any, form: str) -> None:
    """No live tag, no remote picture, no order to Anki and no link to a script leaves in any text form."""
    assert_harmless(write(hostile(), form).read_text(encoding="utf-8"), form)


def hostile() -> Bank:
    """A question that tries what a card can be made to do."""
    text = (
        "<script>x</script> ![z](http://spy/z.png) [latex]\\input{/etc/passwd}[/latex] [sound:a.mp3] [$]x[/$] [[type:Id]] "
        "\\\\(\\href{javascript:x}{y}\\\\) [l](javascript:x)\n\n$$\n\\href{javascript:x}{y} <img src=x>\n$$\n"
    )
    return bank_of([question("first", "attention", ask=Text(text.splitlines()[0], "问"), answer=Text(text, "答"))])


def assert_harmless(text: str, form: str) -> None:
    """Nothing of what `hostile` tries is there to take effect."""
    assert not re.search(r"(?<!\\)<(script|img src=x)", text), text
    assert not re.search(r"(?<!\\)!\[z\]|<img[^>]*spy", text)
    if form != "markdown":
        assert not re.search(r"\[(latex|sound:|\$|\[?type:)", text)
        assert not re.search(r"\\[\[(][^\u2060]*\\href", text)
        assert "href=\"javascript" not in text


def test_the_csv_says_what_it_is_for(bank: Bank, write: Any) -> None:
    """Its head names Anki and the note type; each row has a cell for each column."""
    text = write(bank, "csv").read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert "#notetype:studyapp" in head and any("Anki" in line for line in head)
    columns = head[-1].removeprefix("#columns:").split(",")
    rows = list(csv.reader(io.StringIO("\n".join(text.splitlines()[len(head) :]))))
    assert {len(row) for row in rows} == {len(columns)} and len(rows) == 3
    for row in (dict(zip(columns, row, strict=True)) for row in rows):
        assert row["Front"] == row["Ask"] and row["Back"] == "".join(row[name] for name in FIELDS[1:-1])


@pytest.mark.parametrize("form", FORMATS)
def test_a_place_that_cannot_be_written_is_an_error(bank: Bank, write: Any, tmp_path: Path, form: str) -> None:
    """A file where a folder should be, and a folder that is not there, give a sentence; no folder is made."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    for place in ("file/out", "nope/out"):
        with pytest.raises(ExportError, match="cannot write"):
            write(bank, form, place)
    assert not (tmp_path / "nope").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_bank_is_an_error(write: Any, form: str) -> None:
    """Nothing to export is said."""
    with pytest.raises(ExportError):
        write(Bank(), form)


def test_only_what_is_asked_for(bank: Bank, write: Any) -> None:
    """By topic, by id and by both, in learning order; an unknown name is an error with the nearest."""

    def ids(**chosen: Any) -> list[str]:
        return [json.loads(line)["id"] for line in write(bank, "json", **chosen).read_text().splitlines()]

    assert ids(topics=("training", "attention")) == ["first", "second", "third"]
    assert ids(ids=("third", "first")) == ["first", "third"]
    with pytest.raises(ExportError, match="no question to export"):
        ids(topics=("training",), ids=("first",))
    with pytest.raises(CallError) as caught:
        ids(topics=("trainin",))
    assert "training" in caught.value.hint
    with pytest.raises(CallError) as caught:
        ids(ids=("frist",))
    assert "first" in caught.value.hint


def test_a_newer_question_does_not_hide_what_it_supersedes(bank: Bank, write: Any) -> None:
    """A file that is in the bank is exported: `check` sees to it that a superseded one has none."""
    newer = msgspec.structs.replace(bank.questions["second"], supersedes=("first",))
    assert len(write(bank_of([bank.questions["first"], newer]), "json").read_text().splitlines()) == 2


def test_weak_is_what_was_forgotten_and_is_not_mature_again() -> None:
    """A lapse counts until the card holds for three weeks; a card that was never forgotten is not weak, however new."""
    cards = [
        CardState("new#recall"),
        CardState("learning#recall", "learning", stability=1.0),
        CardState("fresh#recall", "review", stability=2.0),
        CardState("lapsed#recall", "review", stability=20.9, lapses=1),
        CardState("healed#recall", "review", stability=21.0, lapses=4),
        CardState("again#recall", "relearning", stability=40.0, lapses=1),
    ]
    assert weak({c.card: c for c in cards}) == ["again", "lapsed"]
