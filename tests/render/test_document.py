"""A question as a document, and the document as text, page and JSON."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from studyapp.bank.model import Bank, Correction, Model, Paper, Point, Question, Support, Text, Today, Topic
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.verdict import Mark, verdict
from studyapp.render.document import SECTIONS, Document, Models, Prose, Statement, document
from studyapp.render.document_json import as_dict
from studyapp.render.document_markdown import safe, to_markdown
from studyapp.render.markdown import spans, with_breaks
from studyapp.render.page import page
from studyapp.reviews.annotations import Annotation

WORDS = {language: Translations.load(language) for language in ("en", "zh")}
FULL = Question(
    id="first",
    topic="attention",
    level="core",
    ask=Text("ASK en", "ASK zh"),
    brief=Text("BRIEF en", "BRIEF zh"),
    answer=Text("ANSWER en", "ANSWER zh"),
    points=(
        Point(en="POINT en", zh="POINT zh", proof=("a/b.c",)),
        Point(en="CITED en", zh="CITED zh", cite=("vaswani2017 §3",)),
        Point(en="BARE en", zh="BARE zh"),
    ),
    today=Today(as_of="2026-11", en="TODAY en", zh="TODAY zh", models=("MODEL-1",)),
    corrections=(
        Correction(wrong=Text("WRONG en", "WRONG zh"), right=Text("RIGHT en", "RIGHT zh"), toy=("a/b.d",), heard=("HEARD",)),
    ),
    follow_ups=("second", "PLANNED"),
    drills=("a/b.DRILL",),
    write=("a/b.WRITE",),
)
SECOND = msgspec.structs.replace(FULL, id="second", ask=Text("NEXT en", "NEXT zh"))
BANK = Bank(
    (Topic("attention", Text("Attention", "注意力"), ("first", "second")),),
    {"first": FULL, "second": SECOND},
    {"vaswani2017": Paper("vaswani2017", "Vaswani et al.", 2017, "Attention Is All You Need", "arXiv:1706.03762")},
    models={"MODEL-1": Model(id="MODEL-1", name="MODEL-1", maker="m", date="2026-11", weights="open", sources=(), heads=97)},
)


def judge(support: Support) -> Mark:
    """Proofs hold, toys are broken, citations hold, and what has neither is unsupported."""
    if support.kind in ("cite", "none"):
        return verdict(support, Catalog.load(Path("nowhere")), None)
    where = {"machine": "cpu", "date": "2026-11-24"}
    return Mark(support.kind, "broken" if support.toy else "held", reason="broken" if support.toy else "held", values=where)


@pytest.fixture
def full() -> Document:
    """A question that has every section."""
    return document(FULL, BANK, judge, annotation=Annotation(True, "NOTED line\nline two"))


def test_sections_stand_in_reading_order_and_empty_ones_do_not_stand(full: Document) -> None:
    """All of them in the order of SECTIONS where a question fills them; a bare question has only what it holds."""
    assert tuple(s.name for s in full.sections) == SECTIONS
    bare = msgspec.structs.replace(FULL, today=None, corrections=(), follow_ups=(), drills=(), write=(), points=FULL.points[2:])
    assert [s.name for s in document(bare, BANK, judge).sections] == ["ask", "brief", "points", "answer"]


DRAWN: dict[str, Callable[[Document, str], str]] = {
    "markdown": lambda d, language: to_markdown(d, WORDS[language]),
    "page": lambda d, language: re.sub(r"\x1b\[[0-9;]*m", "", page(d, WORDS[language], 100)),
    "json": lambda d, language: json.dumps(as_dict(d, [language]), ensure_ascii=False),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", DRAWN)
def test_nothing_of_a_question_is_lost_on_the_way(full: Document, form: str, language: str) -> None:
    """Each text, claim, source, model, drill and belief is in every form, in its language and not in the other."""
    drawn = DRAWN[form](full, language)
    texts = ["ASK", "BRIEF", "POINT", "CITED", "BARE", "ANSWER", "TODAY", "WRONG", "RIGHT"]
    for piece in (
        *(f"{text} {language}" for text in texts),
        *("MODEL-1", "97", "HEARD", "a/b.c", "a/b.d", "NOTED", "line two", "a/b.DRILL", "a/b.WRITE", "2026-11"),
        "Vaswani et al. (2017). Attention Is All You Need. arXiv:1706.03762, §3",
    ):
        assert piece in drawn, piece
    other = "zh" if language == "en" else "en"
    assert not [text for text in texts if f"{text} {other}" in drawn]
    assert (f"NEXT {language}" if form != "json" else "second") in drawn
    assert ("PLANNED" in drawn) == (form == "json"), "an id that nobody can open is for programs alone"


@pytest.mark.parametrize("form", ["markdown", "page"])
def test_every_section_has_its_heading(full: Document, form: str) -> None:
    """A pipe gets the headings that a terminal gets."""
    drawn = DRAWN[form](full, "en")
    for name in SECTIONS[1:]:
        assert re.search(rf"^(## )?{re.escape(WORDS['en'](f'document.{name}', as_of='2026-11'))}\s*$", drawn, re.M), name


def test_a_note_stays_as_it_was_typed_and_within_its_bounds() -> None:
    """Its lines stay lines in Markdown and HTML, and a fence that nobody closed ends with the note."""
    from studyapp.render.html import html

    for note in ("one\ntwo", "一\n二"):
        made = document(FULL, BANK, judge, annotation=Annotation(note=note))
        first, second = note.split("\n")
        assert f"{first}  \n{second}" in to_markdown(made, WORDS["en"])
        (block,) = made.section("note")
        assert isinstance(block, Prose) and html(block.text["en"]).replace("\n", "") == f"<p>{first}<br />{second}</p>"
    formula = document(FULL, BANK, judge, annotation=Annotation(note="one\n$$e^x$$\ntwo"))
    assert "one\n\n$$e^x$$\n\ntwo\n" in to_markdown(formula, WORDS["en"])
    unclosed = document(FULL, BANK, judge, annotation=Annotation(note="```python\nx = 1"))
    assert "```python\nx = 1\n```\n\n## Often said, but wrong" in to_markdown(unclosed, WORDS["en"])


@pytest.mark.parametrize(
    ("note", "closed"),
    [
        ("text\n```", "text\n```\n```"),
        ("text\n```python", "text\n```python\n```"),
        ("```\nx\n```python", "```\nx\n```python\n```"),
        ("```\nx\n    ```", "```\nx\n    ```\n```"),
        ("```\nx\n````", "```\nx\n````"),
        ("```\nx\n```\n  ", "```\nx\n```\n  "),
        ("~~~\n```", "~~~\n```\n~~~"),
    ],
)
def test_a_fence_is_closed_unless_it_is_closed_already(note: str, closed: str) -> None:
    """Only a line of the marker alone, below the one that opens, closes a fence; without one, all that follows were code."""
    assert with_breaks(note) == closed


@pytest.mark.parametrize("form", ["markdown", "page"])
def test_a_mark_says_what_carries_the_statement(full: Document, form: str) -> None:
    """A proof, a source, nothing at all and a broken claim each look different, and the latter two say why."""
    drawn = DRAWN[form](full, "en")
    assert re.search(r"✓ POINT en", drawn) and re.search(r"· CITED en", drawn)
    assert re.search(r"– BARE en.*nothing carries it", drawn)
    assert re.search(r"✗ RIGHT en.*did not hold on cpu, 2026-11-24", drawn, re.S)


def test_what_nothing_carries_is_no_citation(full: Document) -> None:
    """A point without support is «unsupported», in JSON too, and names no source."""
    bare = next(b for b in full.section("points") if isinstance(b, Statement) and b.text.en == "BARE en")
    assert (bare.mark.state, bare.support) == ("unsupported", "")
    assert as_dict(full)["points"][2] == {
        "en": "BARE en", "zh": "BARE zh", "proof": [], "toy": [], "cite": [], "state": "unsupported",
    }  # fmt: skip


def test_models_that_nobody_looked_up_are_named(full: Document) -> None:
    """Where models.yaml knows nothing of them their ids stand."""
    unknown = document(FULL, replace(BANK, models={}), judge)
    assert [b.ids for b in unknown.section("today") if isinstance(b, Models)] == [("MODEL-1",)]
    assert "MODEL-1" in to_markdown(unknown, WORDS["en"]) and as_dict(unknown)["today"]["table"] is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a <script>alert(1)</script>", r"a \<script>alert(1)\</script>"),
        ("`<b>` and <b>", r"`<b>` and \<b>"),
        ("``a`<b>``<b>", r"``a`<b>``\<b>"),
        ("1 < 2, a<3, x <- y", "1 < 2, a<3, x <- y"),
        (r"\<b> \\<b>", r"\<b> \\\<b>"),
        ("![pixel](http://x/y.png)", r"\![pixel](http://x/y.png)"),
        ("```\n<b> ![x](y)\n```\n<b>", "```\n<b> ![x](y)\n```\n\\<b>"),
        ("$$\na <b\n$$", "$$\na < b\n$$"),
        ("$$\na < b\n$$", "$$\na < b\n$$"),
        ("` <b>", r"` \<b>"),
    ],
)
def test_markdown_that_leaves_holds_no_live_html_and_no_image(text: str, written: str) -> None:
    """Tags and images are shown as characters; code, formulas and comparisons stay as they are."""
    assert safe(text) == written


def test_many_backticks_take_no_time() -> None:
    """A text of nothing but unmatched backticks is read in one pass."""
    safe("".join("`" * (i % 300 + 1) + " " for i in range(2000)))


def test_a_sentence_is_drawn_with_its_styles() -> None:
    """Bold, code and struck-out parts keep their words and lose their signs; a link is its text."""
    assert list(spans("a **b** `c` ~~d~~ [e](http://f) ![g](h)")) == [
        ("", "a "), ("strong", "b"), ("", " "), ("code", "c"), ("", " "), ("s", "d"), ("", " "), ("", "e"), ("", " "), ("", "g"),
    ]  # fmt: skip
