"""What is said after an answer of a quiz: what was right, why, what proves it, and where the belief stands."""

from dataclasses import dataclass

from studyapp.bank.model import Bank, Correction, Support, Text
from studyapp.bank.refs import demo_and_claim
from studyapp.evidence.exercises import Drill
from studyapp.evidence.types import format_cell
from studyapp.quiz.kinds import Asked
from studyapp.render.document import heard_text

NOWHERE = Text("", "")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an answer was right or wrong.

    Attributes:
        answer: what would have been right.
        lines: the sentence that puts a belief right, or the steps of a calculation.
        claims: what proves it, "topic/demo.claim".
        heard: where the belief stands; empty texts where there is none.
        support: the statement that is told, with what carries it; None of a calculation.
    """

    answer: Text
    lines: tuple[Text, ...]
    claims: tuple[str, ...]
    heard: Text
    support: Support | None = None


def answer_text(number: Drill) -> str:
    """A drill's answer with its unit, in as many digits as it takes to be right."""
    texts = (f"{number.answer:.{digits}g}" for digits in range(4, 17))
    near = (number.within or 0) / 2
    text = next((t for t in texts if abs(float(t) - number.answer) <= near), repr(number.answer))
    value = float(text)
    plain = f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else text
    return f"{plain} {number.unit}".strip()


def explain(asked: Asked, bank: Bank) -> Explanation:
    """What to say after any answer to a card of choice, or to a drill that was made."""
    if (number := asked.number) is not None:
        text = f"{answer_text(number)} (± {format_cell(number.within)})"
        steps = tuple(Text(en, zh) for en, zh in number.steps)
        return Explanation(Text(text, text), steps, (f"{demo_and_claim(asked.drill)[0]}.{number.proved_by}",), NOWHERE)
    assert asked.answer is not None
    told = next((s for s in asked.statements if not s.right), asked.statements[0]).source
    if isinstance(told, Correction):
        return Explanation(asked.options[asked.answer], (told.right,), told.claims, heard_text(told.heard, bank), told)
    return Explanation(asked.options[asked.answer], (Text(told.en, told.zh),), told.claims, NOWHERE, told)
