"""Markdown to read or print: the whole bank with its marks, or a sheet of briefs and points alone."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from urllib.parse import quote

from studyapp.errors import ExportError
from studyapp.evidence.types import Evidence
from studyapp.export.options import ExportOptions
from studyapp.export.pictures import Pictures
from studyapp.export.selection import select_questions
from studyapp.export.writing import HINT, STDOUT, keep, write_text
from studyapp.i18n import Translations
from studyapp.render.document import SECTIONS, ClaimEvidence, Correction, Document, Statement
from studyapp.render.document_markdown import Shown, table_markdown, to_markdown
from studyapp.render.html import as_table
from studyapp.render.marks import legend

SHEET = ("brief", "points")


def export(options: ExportOptions) -> int:
    """Write the file and return how many questions it holds; languages come one after the other.

    Charts go into a folder beside it, named after the file.
    """
    return _write(options, SECTIONS, shown=_shown(options))


def sheet(options: ExportOptions) -> int:
    """Write what to say, by topic: the brief and the points of each question, and nothing else."""
    return _write(options, SHEET, supports=False)


def _write(
    options: ExportOptions, sections: Collection[str], *, shown: Callable[[str], Shown] | None = None, supports: bool = True
) -> int:
    questions = select_questions(options)
    documents = [options.document(q) for q in questions]
    out: list[str] = []
    for language in options.languages:
        words = Translations.load(language)
        signs = legend((s.mark for d in documents for s in _marked(d, sections)), words)
        out += [f"# {words('export.title')}\n", "\n".join(f"- {line}" for line in signs) + "\n"]
        topic = None
        for document in documents:
            if document.question.topic != topic:
                topic = document.question.topic
                out.append(f"## {document.topic_title[language]}\n")
            evidence = shown(language) if shown else None
            out.append(to_markdown(document, words, level=3, sections=sections, shown=evidence, supports=supports))
    write_text(options.output, "\n".join(out))
    return len(questions)


def _marked(document: Document, sections: Collection[str]) -> Iterator[Statement | ClaimEvidence]:
    """All that is drawn with a mark."""
    for section in document.sections:
        for block in section.blocks if section.name in sections else ():
            if isinstance(block, Correction):
                yield block.right
            elif isinstance(block, Statement | ClaimEvidence):
                yield block


def _shown(options: ExportOptions) -> Callable[[str], Shown] | None:
    """What shows a claim's evidence in a language, as it is asked for."""
    if options.evidence == "none":
        return None
    if options.evidence == "tables":
        return lambda language: lambda claim: [table_markdown(as_table(item)) for item in claim.evidence(language)]
    if options.output == STDOUT:
        raise ExportError("charts are files beside the Markdown, and standard output has no beside", HINT)
    folder = options.output.with_suffix(".files")
    pictures = Pictures()
    written: set[str] = set()  # a claim stands under several questions

    def picture(evidence: Evidence) -> str:
        name = pictures.name(evidence)
        if name is None:
            return table_markdown(as_table(evidence))
        if name not in written:
            keep(folder / name, pictures.media[name])
            written.add(name)
        return f"![{_alt(evidence)}]({_address(folder)}/{name})"

    return lambda language: lambda claim: [picture(item) for item in claim.evidence(language)]


def _alt(item: Evidence) -> str:
    return item.title.replace("[", "(").replace("]", ")")


def _address(folder: Path) -> str:
    """A folder's name as the address of a link: relative, so that file and folder can be moved together."""
    return quote(folder.name)
