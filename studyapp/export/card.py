"""A question as the fields of a note, in HTML; the Anki package and the CSV share them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Any

from studyapp.bank.model import Bank, Point, Question
from studyapp.evidence.types import Evidence
from studyapp.export.chart_cache import Pictures
from studyapp.export.options import MARKS, recorded, references, support
from studyapp.i18n import Translations
from studyapp.lab.recordings import Recordings
from studyapp.render.html import evidence_html, html, inline

FIELDS = ("Ask", "Brief", "Points", "Answer", "Corrections", "Evidence", "References", "Id")


def fields(
    bank: Bank,
    recordings: Recordings | None,
    question: Question,
    languages: Sequence[str],
    pictures: Pictures | None = None,
) -> list[str]:
    """The note's fields in the order of FIELDS, each language in its own block.

    Without `pictures` evidence is tables only.
    """
    words = {x: Translations.load(x) for x in languages}
    first = words[languages[0]]

    def both(part: Callable[[str], str]) -> str:
        made = [(x, part(x)) for x in languages]
        return "".join(f'<div lang="{x}">{text}</div>' for x, text in made if text)

    return [
        both(lambda x: inline(question.ask[x])),
        both(lambda x: _titled(words[x]("export.brief"), html(question.brief[x]))),
        both(lambda x: _titled(words[x]("export.points"), _points(question.points, x))),
        both(lambda x: _titled(words[x]("export.answer"), html(question.answer[x]))),
        both(lambda x: _titled(words[x]("export.corrections"), _corrections(question, words[x], x))),
        _folded(first("export.evidence"), _evidence(recordings, question, first, pictures)),
        _folded(first("export.references"), "".join(f"<p>{escape(r)}</p>" for r in references(bank, question))),
        question.id,
    ]


def tags(question: Question) -> list[str]:
    """The tags of a note; Anki's tags hold no spaces."""
    made = [f"topic::{question.topic}", f"level::{question.level}", *question.tags]
    return ["-".join(t.split()) for t in made]


def evidence(recordings: Recordings | None, questions: Iterable[Question]) -> Iterator[Evidence]:
    """All that the notes of these questions show."""
    for claim in dict.fromkeys(claim for question in questions for claim in question.claims):
        if (found := recorded(recordings, claim)) is not None:
            yield from found[1].evidence


def _titled(title: str, body: str) -> str:
    return f"<h4>{escape(title)}</h4>{body}" if body else ""


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if body else ""


def _mark(statement: Any) -> str:
    title = escape(support(statement))
    return f'<span class="mark {statement.kind}" title="{title}">{MARKS[statement.kind]}</span>'


def _points(points: Sequence[Point], language: str) -> str:
    return "<ul>" + "".join(f"<li>{_mark(p)} {inline(p[language])}</li>" for p in points) + "</ul>"


def _corrections(question: Question, words: Translations, language: str) -> str:
    rows = [
        f"<li><p>{escape(words('export.wrong'))}: <s>{inline(c.wrong[language])}</s></p>"
        f"<p>{_mark(c)} {escape(words('export.right'))}: {inline(c.right[language])}</p></li>"
        for c in question.corrections
    ]
    return f"<ul>{''.join(rows)}</ul>" if rows else ""


def _evidence(recordings: Recordings | None, question: Question, words: Translations, pictures: Pictures | None) -> str:
    parts = []
    for claim in question.claims:
        if (found := recorded(recordings, claim)) is None:
            continue
        demo, record = found
        where = words("export.recorded", date=demo.date[:10], torch=demo.torch, machine=demo.machine)
        body = "".join(_shown(item, pictures) for item in record.evidence)
        checks = "".join(f"<li>{'✓' if c.held else '✗'} {escape(c.sentence())}</li>" for c in record.checks)
        if record.skipped:
            body += f"<p>{escape(words('export.skipped', why=record.skipped))}</p>"
        parts.append(
            f'<div class="claim"><p><code>{escape(claim)}</code></p>{body}'
            f'<ul class="checks">{checks}</ul><p class="where">{escape(where)}</p></div>'
        )
    return "".join(parts)


def _shown(item: Evidence, pictures: Pictures | None) -> str:
    if pictures is not None and (name := pictures.name(item)) is not None:
        return f'<img src="{name}" alt="{escape(item.title)}">'
    return evidence_html(item)
