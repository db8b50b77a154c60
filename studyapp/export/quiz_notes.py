"""Choices and numbers as notes of a type of their own: what is asked, the options, what is right and why."""

from collections.abc import Sequence

from studyapp.bank.model import Bank, Text
from studyapp.export.card import deck, folding
from studyapp.i18n import Translations
from studyapp.quiz.kinds import Asked
from studyapp.render.html import html, inline, neutral
from studyapp.render.markdown import text_html
from studyapp.render.quiz import explain

FIELDS = ("Ask", "Options", "Answer", "Why", "Id")
"""For ever, as those of a question's note."""


def key(asked: Asked) -> str:
    """What tells a note from all others: the card, and of a number the seed of this example."""
    return f"{asked.card}@{asked.seed}" if asked.number is not None else str(asked.card)


def quiz_deck(asked: Asked) -> str:
    """The deck of its kind, beside the topic's questions."""
    return f"{deck(asked.question.topic)}::{asked.card.kind}"


def tags(asked: Asked) -> list[str]:
    """The tags of its note."""
    return [f"topic::{asked.question.topic}", f"level::{asked.question.level}", f"kind::{asked.card.kind}"]


def fields(asked: Asked, bank: Bank, languages: Sequence[str]) -> list[str]:
    """The note's fields in the order of FIELDS; a number's question and its steps are of the seed that it was made from."""
    words = [Translations.load(language) for language in languages]
    told = explain(asked, bank)

    def part(text: Text) -> str:
        return folding(lambda w: html(text[w.language]), words)

    def why(w: Translations) -> str:
        lines = [inline(line[w.language]) for line in told.lines]
        if where := told.heard[w.language]:
            lines.append(f"<small>{text_html(w('document.heard', where=where))}</small>")
        lines += [f"<small><code>studyapp run {text_html(claim)}</code></small>" for claim in told.claims]
        return "".join(f"<p>{line}</p>" for line in lines)

    options = folding(lambda w: f"<ol>{''.join(f'<li>{inline(o[w.language])}</li>' for o in asked.options)}</ol>", words)
    content = (
        part(asked.text), options if asked.options else "", part(told.answer), folding(why, words), text_html(key(asked)),
    )  # fmt: skip
    return [neutral(each) for each in content]
