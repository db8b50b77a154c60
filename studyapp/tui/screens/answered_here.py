"""Cards of a sitting that are answered on the screen: choices, numbers, and functions that are written on a screen of their own."""

from typing import TYPE_CHECKING

from textual.content import Content

from studyapp.context import AppContext
from studyapp.errors import StudyError
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.tui.screens.card_actions import CardActions
from studyapp.tui.widgets.evidence_panel import EvidenceGroup

if TYPE_CHECKING:
    from studyapp.tui.screens.write import WriteScreen

LONGEST_SECONDS = 3600.0  # a function takes longer than an answer that is said


class AnsweredHere(CardActions):
    """What a sitting does with a card that is chosen, typed or written.

    Attributes:
        took: how many seconds the answer took; None before it, and of a card that is said.
        written: the screen on which a function that is asked for is being written.
    """

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.took: float | None = None
        self.written: WriteScreen | None = None

    def put_card(self) -> None:
        """The time of the card before is not this one's."""
        self.took = None
        super().put_card()

    def graded(self, asked: Asked, response: Response) -> Grade:
        """What the answer speaks for; the rating is the learner's."""
        grade = self.context.grade(asked, response)
        self.took = min(LONGEST_SECONDS, response.seconds)
        return grade

    async def unmade(self, error: StudyError) -> None:
        """The card stays, to be tried again, buried or suspended."""
        self.phase = "stuck"
        await self.show()

    def fill_proof(self) -> None:
        """Of a function that was written, the claims that judge it."""
        if self.asked is not None and self.asked.form == "code":
            named = self.context.exercise(self.asked.exercise)
            refs = tuple(f"{named[0].name}.{claim}" for claim in named[1].claims) if named else ()
            self.panel.fill([EvidenceGroup(refs, self.t("study.judges"))], self.asked.question.claim_kinds)
        else:
            super().fill_proof()

    def told_text(self) -> Content:
        """How what was written came out, where a function was asked for."""
        if self.asked is None or self.asked.form != "code" or self.grade is None:
            return super().told_text()
        data = self.grade.data
        said = "held" if data.get("held") else "not_held" if "held" in data else "not_written"
        lines = [Content.styled(self.t(f"study.{said}"), "bold $success" if self.grade.right else "bold $warning")]
        lines += [Content(self.t(f"study.{name}")) for name in ("hinted", "peeked") if data.get(name)]
        return Content("\n").join(lines)

    def action_write(self) -> None:
        """Write what the card asks for, from an empty body, and go on with it once it was told; else what the question asks for."""
        from studyapp.tui.screens.write import WriteScreen

        if self.phase not in ("code", "told") or self.asked is None or self.asked.form != "code" or self.card is None:
            super().action_write()
            return
        with self.telling():
            if self.phase == "code" and self.context.begin_again(self.asked.exercise, self.card):
                self.tell(self.t("study.kept_before"))
            self.written = WriteScreen(self.context, [self.asked.exercise])
            self.app.push_screen(self.written)

    async def on_screen_resume(self) -> None:
        """Back from writing: what was judged there is the answer; what helped once, helped."""
        screen, self.written = self.written, None
        if screen is None or self.phase not in ("code", "told"):
            return
        held = screen.judgement.held if screen.judgement else None
        self.hinted |= screen.hinted > 0
        peeked = screen.peeked > 1 or bool(self.grade and self.grade.data.get("peeked"))
        if held is not None or peeked:
            await self.answer(Response(seconds=self.seconds(), hinted=self.hinted, peeked=peeked, held=held))
