"""What the claims of a demo say of a function that a learner wrote."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from studyapp.evidence.types import Evidence, Outcome
from studyapp.lab.attempts import Attempt
from studyapp.lab.collect import collect
from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.protocol import Ended, LabLike, RunEvent
from studyapp.lab.trials import written


@dataclass(frozen=True)
class Judgement:
    """How a text came out: the outcome of each claim that began, in the order of the exercise, and how the run ended."""

    text: str
    claims: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    ended: Ended

    @property
    def held(self) -> bool:
        """Whether every claim holds."""
        return all(self.state(name) == "held" for name in self.claims)

    def outcome(self, claim: str) -> Outcome | None:
        """What a claim came to; None where the run ended before it."""
        return next((o for o in self.outcomes if o.claim == claim), None)

    def state(self, claim: str) -> str:
        """ "held", "broken", "crashed", "skipped", or "unrun" where the run ended before the claim."""
        outcome = self.outcome(claim)
        return outcome.state if outcome else "unrun"

    def attempt(self, at: datetime) -> Attempt:
        """It as it is kept."""
        return Attempt(at, self.text, {name: self.state(name) for name in self.claims})


async def judge(
    lab: LabLike, demo: Demo, exercise: Exercise, text: str, each: Callable[[RunEvent], None] | None = None
) -> Judgement:
    """Run the claims of an exercise with what was written in the function's place. `each` hears every event.

    Whatever it does, a loop without end or an exit included, ends the run and nothing else: the claim that was running then
    could not be run, and those after it did not run.

    Raises:
        DemoError: where the text is not Python, or more than the function.
    """
    source = written(exercise, text)
    fold = await collect(lab.run(demo, exercise.claims, replace={exercise.name: source}), each)
    ended = fold.ended or Ended(False, "crash", "the run said nothing")
    cut = {o.claim: replace(o, error=o.error or ended.message or ended.reason) for o in fold.unfinished()}
    found = {**cut, **fold.outcomes}
    return Judgement(text, exercise.claims, tuple(found[name] for name in exercise.claims if name in found), ended)


async def shown_by_default(
    lab: LabLike, demo: Demo, judgement: Judgement, recorded: Callable[[str], Sequence[Evidence]]
) -> dict[str, tuple[Evidence, ...]]:
    """What the broken claims that have no recording show with the demo's own function; `recorded` takes "topic/demo.claim"."""
    broken = [name for name in judgement.claims if judgement.state(name) == "broken"]
    bare = tuple(name for name in broken if not recorded(f"{demo.name}.{name}"))
    if not bare:
        return {}
    fold = await collect(lab.run(demo, bare))
    return {name: outcome.evidence for name, outcome in fold.outcomes.items() if outcome.held}


def own_line(error: str, demo: Demo) -> tuple[int, str] | None:
    """The last place of a traceback in what the learner wrote: its line and its code; None where there is none."""
    lines = error.splitlines()
    for place in reversed(range(len(lines))):
        found = re.match(rf'\s+File "<{re.escape(demo.path.stem)}\.\w+ as written>", line (\d+)', lines[place])
        if found:
            return int(found[1]), lines[place + 1].strip() if place + 1 < len(lines) else ""
    return None
