"""A mock interview: the questions of an interviewer under a clock, and at the end the score sheet."""

from textual.content import Content

from studyapp import interviews
from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.quiz.interview_session import InterviewSession
from studyapp.render import interview as say
from studyapp.render.figures import clock, percent
from studyapp.tui.screens.study import Draft, Study
from studyapp.tui.widgets.session_end import SessionEnd, Way

LEAVE_SECONDS = 4.0


class InterviewScreen(Study):
    """Study over an interview's session: nothing is scheduled, and the time of an answer is that until the card is opened.

    Attributes:
        warned: whether leaving was asked for a moment ago; asked for again, the interview is over.
        agreed: whether its ratings were put on the schedule.
    """

    session: InterviewSession

    def __init__(self, context: AppContext, session: InterviewSession) -> None:
        super().__init__(context, practice=True, session=session)
        self.warned = self.agreed = False

    async def begin(self) -> None:
        """Begin, and let the clock be seen."""
        await super().begin()
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        if self.phase != "done":
            self.put("#counts", self.counts_line())

    def states(self) -> list[str]:
        """At the end nothing is done again: what is taken back is asked anew."""
        return [state for state in super().states() if state != "done"]

    def end_title(self) -> list[str]:
        """That of the sheet."""
        return [self.t("interview.title")]

    def title_words(self, question: Question) -> list[str]:
        """Why it is asked, once it follows from an answer."""
        turn = self.session.turn
        why = [self.t(f"interview.why_{turn.why}")] if turn is not None and turn.depth else []
        return [*why, *super().title_words(question)]

    def counts_line(self) -> str:
        """The time left, the number of the question, and how long it has been asked."""
        if self.phase == "done":
            return ""
        left = self.session.left(self.context.clock())
        took = clock(self.seconds() if self.took is None else self.took)
        key = "interview.left" if left > 0 else "interview.over"
        return self.t(key, left=clock(left), n=len(self.session.answers) + 1, took=took)

    async def action_reveal(self) -> None:
        """Open the card; of a card that is open whole, take the rating that the ticks speak for."""
        if self.phase == "ask":
            self.took = min(600.0, self.seconds())
        if self.phase == "full":
            await self.action_rate(int(self._grade().suggested))
        else:
            await super().action_reveal()

    async def action_rate(self, rating: int) -> None:
        """Keep the answer; what is said of a card left for later does not count here."""
        self.warned = False
        await super().action_rate(rating)

    def kept_draft(self) -> Draft | None:
        """Each question is new: what was begun of it in Study stays there."""
        return None

    def keep_draft(self) -> None:
        """Nothing: an interview that is left is over."""

    # ------------------------------------------------------------------ the end

    def show_end(self) -> None:
        """The score sheet, and the ways on."""
        held, words = self.session.held, self.context.t
        came_to = interviews.score(self.context, held)
        lines = [words("interview.ends")]
        lines += [say.headline(words, held, came_to) if held.answers else words("interview.nothing_answered")]
        lines += [
            "  " + words.count(
                "interview.by_topic", one.asked,
                topic=self.context.title(topic, short=True), said=percent(one.said), time=clock(one.seconds),
            )
            for topic, one in came_to.topics.items()
        ]
        earlier = [o for o in interviews.held(self.context) if o.began < held.began]
        lines += say.beside(words, [(self.context.local(o.began), interviews.score(self.context, o)) for o in earlier[-2:]])
        tonight = [Way("read", Content(self._ask(name)), name) for name in came_to.tonight]
        asked = [
            Way("read", Content.assemble(self._ask(a.question), Content.styled(f"  {say.said(words, a)}", "$foreground-muted")), a.question)
            for a in held.answers
            if a.question in self.context.bank.questions
        ]
        keep = [Way("schedule", Content(words.count("interview.way_schedule", len(held.answers))))] if held.answers else []
        keep = [] if self.agreed else keep
        save = [Way("save", Content(words("interview.way_save")))] if held.answers else []
        ways = [
            (words("interview.tonight"), tonight),
            (words("interview.what_next"), [*keep, *save, Way("again", Content(words("interview.way_another")))]),
            (words("interview.answers"), asked),
        ]
        end = self.query_one(SessionEnd)
        end.fill(lines, ways)
        end.query_one("#ways").focus()

    def _ask(self, name: str) -> str:
        return self.context.bank.questions[name].ask[self.context.language]

    async def go_on(self, way: Way) -> None:
        """Put the ratings on the schedule, save the sheet, or begin another."""
        with self.telling():
            held = self.session.held
            if way.act == "schedule":
                count = interviews.on_schedule(self.context, held, self.context.clock())
                self.agreed = True
                self.tell(self.count("interview.scheduled", count) if count else self.t("interview.scheduled_none"))
                self.show_end()
            elif way.act == "save":
                self.tell(self.t("interview.saved", path=interviews.save(self.context, held)))
            else:
                topics = list(self.session.interviewer.topics)
                self.session = interviews.begin(self.context, self.session.minutes, topics, self.session.interviewer.level)
                self.agreed, self.acted = False, False
                self.answered.clear()
                self.set_focus(None)
                await self.draw_next()

    async def action_bury(self) -> None:
        """Leave the question out of this interview."""
        await self._hide_card(self.session.bury, "interview.left_out")

    async def action_practice(self) -> None:
        """Nothing: an interview is no practice."""

    async def action_leave(self) -> None:  # type: ignore[override]
        """Out of a field; else, asked twice, the end; from there back."""
        busy = self.focused is not None and self.focused.id not in ("ways", "options")
        if self.phase == "done" or busy or self.panel.form.display or self.running:
            await super().action_leave()
        elif self.warned or not self.session.answers:
            if not self.session.answers:
                await super().action_leave()
                return
            self.stop_run()
            self.card = self.asked = self.question = None
            self.phase = "done"
            self.app.clear_notifications()
            self.set_focus(None)
            await self.show()
        else:
            self.warned = True
            self.set_timer(LEAVE_SECONDS, self._stay)
            self.tell(self.t("interview.leave"))

    def _stay(self) -> None:
        self.warned = False
