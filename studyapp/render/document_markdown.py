"""A document as Markdown: what `show` gives a pipe, the Markdown export and the printed sheet."""

import re
from collections.abc import Callable, Collection
from itertools import groupby

from studyapp.evidence.types import Table, format_cell
from studyapp.i18n import Translations
from studyapp.render.document import (
    SECTIONS,
    Block,
    ClaimEvidence,
    Correction,
    Document,
    FollowUp,
    Models,
    Practice,
    Prose,
    Reference,
    Statement,
)
from studyapp.render.markdown import parser
from studyapp.render.marks import note, provenance

Shown = Callable[[ClaimEvidence], list[str]]
HTML_START = re.compile(r"(?<!\\)((?:\\\\)*)<(?=[A-Za-z/!?])")
IMAGE_START = re.compile(r"(?<!\\)((?:\\\\)*)!(?=\[)")
BACKTICKS = re.compile("`+")
CODE, FORMULA = ("fence", "code_block"), "math_block"
IN_FORMULA = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)")


def to_markdown(
    document: Document,
    words: Translations,
    *,
    level: int = 1,
    sections: Collection[str] = SECTIONS,
    shown: Shown | None = None,
    supports: bool = True,
) -> str:
    """The document in the language of `words`, its question a heading of `level`, its sections one below.

    `shown` turns what a claim recorded into blocks of Markdown; without it each claim is one line. `supports`: whether
    claims and citations stand behind the statements. Raw HTML and images in a text come out as the characters they are.
    """
    out = [f"{'#' * level} {_line(document.ask[words.language])}"]
    for section in document.sections:
        if section.name not in sections or section.name == "ask":
            continue
        as_of = document.question.today.as_of if document.question.today else ""
        out.append(f"{'#' * (level + 1)} {words(f'document.{section.name}', as_of=as_of)}")
        listed: list[str] = []
        for block in section.blocks:
            line, *rest = _block(block, words, shown, supports)
            if line.startswith("- ") and not rest:
                listed.append(line)
                continue
            out += ["\n".join(listed)] if listed else []
            listed = []
            out += [line, *rest]
        out += ["\n".join(listed)] if listed else []
    return "\n\n".join(out) + "\n"


def _block(block: Block, words: Translations, shown: Shown | None, supports: bool) -> list[str]:
    language = words.language
    match block:
        case Prose():
            return [safe(block.text[language].strip())]
        case Statement():
            return [f"- {_statement(block, words, supports)}"]
        case Correction():
            heard = f" ({words('document.heard', where=block.heard_in[language])})" if block.heard else ""
            wrong = words("document.wrong", text=_line(block.wrong[language]))
            right = words("document.right", text=_statement(block.right, words, supports))
            return [f"- {wrong}{heard}\n  - {right}"]
        case ClaimEvidence():
            return _claim(block, words, shown)
        case FollowUp():
            return [f"- {_line(block.ask[language])}"]
        case Reference():
            return [f"- {safe(str(block))}"]
        case Models():
            table = block.table(language)
            return [table_markdown(table) if table else "- " + ", ".join(block.ids)]
        case Practice():
            return [f"- {practice_line(block, words)}"]


def practice_line(block: Practice, words: Translations) -> str:
    """«a number to work out: … · `studyapp drill topic/demo.name`»."""
    command = f"`{block.command}`"
    name = f"{_line(block.sentence[words.language])} · {command}" if block.sentence else command
    return words(f"document.{block.kind}", name=name)


def _statement(statement: Statement, words: Translations, supports: bool) -> str:
    remark = ", ".join(filter(None, (statement.support if supports else "", note(statement.mark, words))))
    return f"{statement.mark.text} {_line(statement.text[words.language])}" + (f" ({remark})" if remark else "")


def _claim(item: ClaimEvidence, words: Translations, shown: Shown | None) -> list[str]:
    sentence = _line(item.sentence[words.language]) if item.sentence else f"`{item.claim}`"
    details = [f"`{item.claim}`"] if item.sentence else []
    details += provenance(item, words)
    line = f"- {item.mark.text} {sentence}" + (f" ({'; '.join(details)})" if details else "")
    if shown is None or item.record is None:
        return [line]
    return [line, *shown(item)]


def table_markdown(table: Table) -> str:
    """A table in GitHub's form."""
    rows = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    lines = ["| " + " | ".join(_cell(format_cell(c)) for c in row) + " |" for row in rows]
    return "\n".join(([f"**{_line(table.title)}**", ""] if table.title else []) + lines)


def safe(text: str) -> str:
    """`text` in which nothing is raw HTML or an image to whoever reads it.

    Such signs are escaped in prose and spaced out in formulas, which not every reader knows; code stays.
    """
    lines = text.split("\n")
    kinds = ["prose"] * len(lines)
    for token in parser().parse(text):
        if token.map and (token.type in CODE or token.type == FORMULA):
            for number in range(*token.map):
                kinds[number] = "code" if token.type in CODE else "formula"
    out = []
    for kind, group in groupby(zip(kinds, lines, strict=True), key=lambda pair: pair[0]):
        block = "\n".join(line for _, line in group)
        if kind == "prose":
            block = _outside_code(block)
        elif kind == "formula":
            block = IN_FORMULA.sub(lambda sign: f"{sign[0]} ", block)
        out.append(block)
    return "\n".join(out)


def _outside_code(text: str) -> str:
    """Escape all but code spans: a run of backticks opens one where a run of the same length follows."""
    runs = [(m.start(), m.end()) for m in BACKTICKS.finditer(text)]
    closing: dict[int, list[int]] = {}
    for index in range(len(runs) - 1, -1, -1):
        start, end = runs[index]
        closing.setdefault(end - start, []).append(index)
    out, at, index = [], 0, 0
    while index < len(runs):
        start, end = runs[index]
        same = closing[end - start]
        while same and same[-1] <= index:
            same.pop()
        if not same:
            index += 1
            continue
        close = same[-1]
        out += [_escape(text[at:start]), text[start : runs[close][1]]]
        at, index = runs[close][1], close + 1
    return "".join([*out, _escape(text[at:])])


def _escape(text: str) -> str:
    return IMAGE_START.sub(r"\1\\!", HTML_START.sub(r"\1\\<", text))


def _line(text: str) -> str:
    return safe(" ".join(text.split()))


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


