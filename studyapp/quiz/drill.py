"""Drill: a numeric question that a demo makes, its numbers drawn from the seed, its answer computed by the demo's functions."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from studyapp.bank.model import Question
from studyapp.bank.refs import CardId, demo_and_claim
from studyapp.errors import DemoError
from studyapp.quiz.kinds import Asked, Grade, Response, rate
from studyapp.quiz.quantity import read

if TYPE_CHECKING:
    from studyapp.i18n import Translations
    from studyapp.lab.catalog import Catalog
    from studyapp.lab.protocol import LabLike

QUICK, LATE = 20.0, 180.0  # seconds


class Drill:
    """Asked of every question that names drills, a card for each."""

    name = "drill"

    def cards(self, question: Question) -> Sequence[CardId]:
        """One card a drill, in the order in which the question names them."""
        names = dict.fromkeys(demo_and_claim(ref)[1] for ref in question.drills)
        return tuple(CardId(question.id, self.name, name) for name in names if name)

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        """What is to be drawn; the question itself is made by the demo, see `drawn`."""
        ref = next((ref for ref in question.drills if demo_and_claim(ref)[1] == card.name), "")
        return Asked(card, question, question.ask, seed=seed, drill=ref)

    def grade(self, asked: Asked, response: Response) -> Grade:
        """Right where what was typed is within the drill's tolerance in any reading; Easy in under twenty seconds, Hard after
        three minutes or with a hint.

        Raises:
            AnswerError: where it is no number, or of another unit.
        """
        assert asked.number is not None
        values = read(response.typed, asked.number.unit)
        right = any(asked.number.accepts(value) for value in values)
        data = {"seed": asked.seed, "typed": response.typed.strip(), "right": right}
        if response.hinted:
            data["hinted"] = True
        return Grade(rate(right, response, QUICK, LATE), data, right)


async def drawn(asked: Asked, catalog: "Catalog", lab: "LabLike", t: "Translations") -> Asked:
    """The card with its question, made in the lab where it is a drill; else as it is.

    Raises:
        DemoError: where the demo does not have the drill any more, or cannot make it.
    """
    from studyapp.lab.collect import draw_drill

    if asked.number is not None or asked.card.kind != Drill.name:
        return asked
    name, which = demo_and_claim(asked.drill)
    if not asked.drill:
        raise DemoError("{card}: its question names no such drill", card=asked.card)
    return asked.made(await draw_drill(lab, catalog.demo(name), which, asked.seed or 0, t))


async def examples(
    cards: Iterable[tuple[Question, CardId]], catalog: "Catalog", lab: "LabLike", seeds: Sequence[int], t: "Translations"
) -> list[Asked]:
    """Each drill with the numbers of each of these seeds: one run of a demo makes all that are asked of it.

    Raises:
        DemoError: where a demo does not have one of the drills, or cannot make it.
    """
    from studyapp.lab.collect import draw_drills

    kind, asked = Drill(), [(question, card) for question, card in cards]
    wanted = [kind.ask(question, card, seed) for question, card in asked for seed in seeds]
    by_demo: dict[str, list[Asked]] = {}
    for each in wanted:
        by_demo.setdefault(demo_and_claim(each.drill)[0], []).append(each)
    made: dict[tuple[CardId, int | None], Asked] = {}
    for name, group in by_demo.items():
        numbers = await draw_drills(lab, catalog.demo(name), [(demo_and_claim(each.drill)[1], each.seed or 0) for each in group], t)
        made |= {(each.card, each.seed): each.made(number) for each, number in zip(group, numbers, strict=True)}
    return [made[each.card, each.seed] for each in wanted]
