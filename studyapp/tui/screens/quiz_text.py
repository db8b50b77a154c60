"""What the quiz writes: options with their marks, what is so after an answer, and the end."""

from collections.abc import Iterator, Sequence

from textual.content import Content

from studyapp.context import AppContext
from studyapp.errors import AnswerError
from studyapp.quiz.kinds import Asked, Grade
from studyapp.quiz.quiz import Quiz
from studyapp.render.quiz import Explanation, explain
from studyapp.tui.textgraphics import hanging, inline
from studyapp.tui.widgets.session_end import Way

INDENT = 2


def option_rows(context: AppContext, asked: Asked, grade: Grade | None, chosen: str, width: int) -> Iterator[Content]:
    """The options by number, each within `width` cells; once graded the right one marked, and the one chosen where it is wrong."""
    for place, option in enumerate(asked.options):
        mark = Content(f"{place + 1} ")
        if grade is not None and place == asked.answer:
            mark = Content.styled("✓ ", "$success")
        elif grade is not None and str(place) == chosen:
            mark = Content.styled("✗ ", "$error")
        yield hanging(mark, inline(option[context.language]), width, INDENT)


def told(
    context: AppContext, asked: Asked, grade: Grade | None, typed: str, hinted: bool, slip: AnswerError | None
) -> Content:
    """What is said after an answer; of a number also before it: what was wrong with what was `typed`, and the hint."""
    if asked.number is None and grade is None:
        return Content("")
    explanation = explain(asked, context.bank)
    if grade is None:
        return _meanwhile(context, explanation, hinted, slip)
    lines, language = [], context.language
    if asked.number is not None:
        lines.append(Content(context.t("quiz.you_typed", typed=typed)))
    verdict = context.t("quiz.right" if grade.right else "quiz.wrong", answer=explanation.answer[language])
    lines += [Content.styled(verdict, "bold $success" if grade.right else "bold $error"), Content("")]
    lines += [inline(line[language]) for line in explanation.lines]
    if where := explanation.heard[language]:
        lines += [Content(""), Content.styled(context.t("document.heard", where=where), "$foreground-muted")]
    return Content("\n").join(lines)


def _meanwhile(context: AppContext, explanation: Explanation, hinted: bool, slip: AnswerError | None) -> Content:
    lines = []
    if slip is not None:
        text = ": ".join(context.t.message(each) for each in (slip.message, slip.hint) if each)
        lines.append(Content.styled(text, "$warning"))
    if hinted and explanation.lines:
        lines.append(Content.styled(explanation.lines[0][context.language], "$foreground-muted"))
    return Content("\n\n").join(lines)


def ending(context: AppContext, quiz: Quiz) -> tuple[list[str], list[tuple[str, Sequence[Way]]]]:
    """The score, and the ways on: another quiz, the misses again, and each missed question to be read."""
    missed = list(dict.fromkeys(each.asked.question for each in quiz.missed))
    ways = [Way("topic", Content(context.t("quiz.another")))]
    if quiz.missed:
        ways.append(Way("again", Content(context.t.count("quiz.again", len(quiz.missed)))))
    read = [Way("read", inline(question.ask[context.language]), question.id) for question in missed]
    score = context.t("quiz.scored", right=quiz.right, of=len(quiz.answered))
    return [score], [(context.t("quiz.go_on"), ways), (context.t("quiz.missed"), read)]
