"""One Markdown file to read or print: topics, questions, points with what carries them, evidence as tables."""

from pathlib import Path

from studyapp.bank.model import Bank, Question
from studyapp.evidence.types import Evidence, format_cell
from studyapp.export.options import (
    MARKS,
    ExportOptions,
    recorded,
    references,
    select_questions,
    support,
    titles,
    write_text,
)
from studyapp.i18n import Translations
from studyapp.lab.recordings import Recordings
from studyapp.render.html import as_table


def export(bank: Bank, recordings: Recordings | None, path: Path, job: ExportOptions) -> int:
    """Write the file and return how many questions it holds; languages come one after the other."""
    questions = select_questions(bank, job.topics, job.languages)
    out = [f"# {job.words('export.deck')}", job.words("export.legend")]
    for language in job.languages:
        names, said = titles(bank, language), Translations.load(language)
        topic = None
        for question in questions:
            if question.topic != topic:
                topic = question.topic
                out.append(f"## {names.get(topic, topic)}")
            out += _question(bank, recordings, question, said, language)
    write_text(path, "\n\n".join(out) + "\n")
    return len(questions)


def _question(bank: Bank, recordings: Recordings | None, question: Question, words: Translations, language: str) -> list[str]:
    out = [
        f"### {question.ask[language]}",
        f"**{words('export.brief')}**",
        question.brief[language].strip(),
        f"**{words('export.points')}**",
        "\n".join(f"- {MARKS[p.kind]} {p[language]} ({support(p)})" for p in question.points),
        f"**{words('export.answer')}**",
        question.answer[language].strip(),
    ]
    if question.corrections:
        rows = [
            f"- {words('export.wrong')}: {c.wrong[language]}\n  {MARKS[c.kind]} {words('export.right')}: "
            f"{c.right[language]} ({support(c)})"
            for c in question.corrections
        ]
        out += [f"**{words('export.corrections')}**", "\n".join(rows)]
    shown = [block for claim in question.claims for block in _claim(recordings, claim, words)]
    out += [f"**{words('export.evidence')}**", *shown] if shown else []
    if cites := references(bank, question):
        out += [f"**{words('export.references')}**", "\n".join(f"- {c}" for c in cites)]
    return out


def _claim(recordings: Recordings | None, claim: str, words: Translations) -> list[str]:
    if (found := recorded(recordings, claim)) is None:
        return []
    demo, record = found
    where = words("export.recorded", date=demo.date[:10], torch=demo.torch, machine=demo.machine)
    skipped = [words("export.skipped", why=record.skipped)] if record.skipped else []
    checks = "\n".join(f"- {'✓' if c.held else '✗'} {c.sentence()}" for c in record.checks)
    return [f"`{claim}`: {where}", *map(_table, record.evidence), *([checks] if checks else []), *skipped]


def _table(evidence: Evidence) -> str:
    table = as_table(evidence)
    rows = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join(
        "| " + " | ".join(format_cell(c).replace("|", "\\|").replace("\n", " ") for c in row) + " |" for row in rows
    )
