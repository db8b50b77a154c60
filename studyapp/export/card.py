"""A document as the fields of a note, in HTML; the Anki package and the CSV share them.

One language is shown; where there is a second, it is folded away under each part.
"""

from collections.abc import Callable, Sequence
from html import escape

from studyapp.evidence.types import Evidence
from studyapp.export.pictures import Pictures
from studyapp.i18n import Translations
from studyapp.lab.verdict import Mark
from studyapp.render.document import (
    Block,
    ClaimEvidence,
    Correction,
    Document,
    FollowUp,
    Models,
    Prose,
    Reference,
    Statement,
)
from studyapp.render.html import evidence_html, html, inline, neutral
from studyapp.render.markdown import text_html
from studyapp.render.marks import checks_held, note, recorded

FIELDS = ("Ask", "Brief", "Points", "Answer", "Corrections", "Evidence", "References", "Id")
"""For ever: Anki does not update notes whose note type has got other fields. What is new goes into one of these."""
SECTIONS_OF = {
    "Brief": ("brief",),
    "Points": ("points",),
    "Answer": ("answer", "today", "note"),
    "Corrections": ("corrections",),
    "Evidence": ("evidence",),
    "References": ("follow_ups", "references"),
}
FOLDED = frozenset({"evidence", "references"})
ROOT = "studyapp"


def deck(topic: str) -> str:
    """The deck of a topic: the same in every language and however its title is worded, so that there is one tree for ever."""
    return f"{ROOT}::{topic}"


def tags(document: Document) -> list[str]:
    """The tags of a note; Anki's tags hold no spaces. A star is the tag `starred`."""
    question = document.question
    found = [f"topic::{question.topic}", f"level::{question.level}", *question.tags]
    found += ["starred"] if document.annotation.starred else []
    return ["-".join(t.split()) for t in found]


def fields(document: Document, languages: Sequence[str], pictures: Pictures | None = None) -> list[str]:
    """The note's fields in the order of FIELDS. Without `pictures` evidence is tables only."""
    words = [Translations.load(language) for language in languages]
    by_name = {
        "Ask": folding(lambda w: inline(document.ask[w.language]), words),
        "Id": text_html(document.question.id),
    }
    for name, sections in SECTIONS_OF.items():
        parts = [_section(document, section, words, pictures) for section in sections]
        by_name[name] = "".join(parts)
    return [neutral(by_name[name]) for name in FIELDS]


def _section(document: Document, name: str, words: Sequence[Translations], pictures: Pictures | None) -> str:
    blocks = document.section(name)
    if not blocks:
        return ""
    as_of = document.question.today.as_of if document.question.today else ""

    def title(w: Translations) -> str:
        return text_html(w(f"document.{name}", as_of=as_of))

    def body(w: Translations) -> str:
        listed = [_block(block, w, pictures) for block in blocks]
        return _joined(listed)

    if name in FOLDED:
        first = words[0]
        return f'<details lang="{first.language}"><summary>{title(first)}</summary>{body(first)}</details>'
    return folding(lambda w: f"<h4>{title(w)}</h4>{body(w)}", words)


def folding(part: Callable[[Translations], str], words: Sequence[Translations]) -> str:
    """The first language in the open, a second folded away."""
    first, *others = words
    shown = f'<div lang="{first.language}">{part(first)}</div>'
    return shown + "".join(
        f'<details class="other" lang="{w.language}"><summary>{w("export.language")}</summary>{part(w)}</details>'
        for w in others
    )


def _joined(parts: Sequence[str]) -> str:
    """Parts one after another, list items in one list."""
    out, items = [], []
    for part in [*parts, ""]:
        if part.startswith("<li>"):
            items.append(part)
            continue
        out += [f"<ul>{''.join(items)}</ul>"] if items else []
        items = []
        out.append(part)
    return "".join(out)


def _block(block: Block, words: Translations, pictures: Pictures | None) -> str:
    language = words.language
    match block:
        case Prose():
            return html(block.text[language])
        case Statement():
            return f"<li>{_statement(block, words)}</li>"
        case Correction():
            heard = f" <small>({text_html(words('document.heard', where=block.heard_in[language]))})</small>" if block.heard else ""
            wrong = words("document.wrong", text=f"<s>{inline(block.wrong[language])}</s>")
            right = words("document.right", text=_statement(block.right, words))
            return f"<li><p>{wrong}{heard}</p><p>{right}</p></li>"
        case ClaimEvidence():
            return _claim(block, words, pictures)
        case FollowUp():
            return f"<li>{inline(block.ask[language])}</li>"
        case Reference():
            return f"<p>{text_html(str(block))}</p>"
        case Models():
            table = block.table(language)
            return evidence_html(table) if table else f"<p>{text_html(', '.join(block.ids))}</p>"
        case _:
            return ""  # drills and exercises are for where they can be run


def _statement(one: Statement, words: Translations) -> str:
    return f"{_mark(one.mark, one.support, words)} {inline(one.text[words.language])}"


def _mark(mark: Mark, support: str, words: Translations) -> str:
    title = "; ".join(filter(None, (support, note(mark, words))))
    return f'<span class="mark {mark.sign.style}" title="{escape(title)}">{mark.text}</span>'


def _claim(item: ClaimEvidence, words: Translations, pictures: Pictures | None) -> str:
    language = words.language
    sentence = inline(item.sentence[language]) if item.sentence else ""
    shown = "".join(_shown(evidence, pictures) for evidence in item.evidence(language))
    checks = item.checks(language)
    rows = "".join(f"<li>{'✓' if c.held else '✗'} {text_html(c.sentence(words))}</li>" for c in checks)
    is_open = " open" if not all(c.held for c in checks) else ""
    folded = f"<details{is_open}><summary>{checks_held(checks, words)}</summary><ul>{rows}</ul></details>" if rows else ""
    where = "; ".join(filter(None, (item.claim, note(item.mark, words), recorded(item.run, words) if item.run and rows else "")))
    head = f"<p>{_mark(item.mark, '', words)} {sentence}</p>"
    return f'<div class="claim">{head}{shown}{folded}<p class="where">{text_html(where)}</p></div>'


def _shown(evidence: Evidence, pictures: Pictures | None) -> str:
    if pictures is not None and (name := pictures.name(evidence)) is not None:
        return f'<img src="{name}" alt="{text_html(evidence.title)}">'
    return evidence_html(evidence)
