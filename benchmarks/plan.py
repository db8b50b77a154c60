"""The plan for an interview against the schedule by due date: what is recalled on the day, at equal minutes.

    python benchmarks/plan.py [LEARNERS]          (default: 200)

The learners' memories are drawn from the spread of FSRS-6's weights over real collections; the plan knows only their ratings and
believes in the default weights. Nothing here is a time: the figures are the same on every machine.
"""

import sys

import numpy as np
from fsrs.scheduler import DEFAULT_PARAMETERS

from studyapp.context import AppContext
from studyapp.planning import WEIGHTS
from studyapp.reviews.cards import CardState
from studyapp.reviews.course import FIRST_RATINGS, ByDueDate, Cards, Costs, Policy, simulate
from studyapp.reviews.memory import Array, Memory
from studyapp.reviews.plan import Goal, Learner, Wanted, make_plan
from studyapp.settings import HIGHEST, LOWEST

SPREAD = np.array(
    [6.43, 9.66, 17.58, 27.85, 0.57, 0.28, 0.6, 0.12, 0.39, 0.18, 0.33, 0.3, 0.09, 0.16, 0.57, 0.25, 1.03, 0.31, 0.32, 0.14, 0.27]
)
"""Standard deviations of the weights of FSRS-6: `DEFAULT_PARAMS_STDDEV_TENSOR` of fsrs-optimizer 6.5.0."""
GOALS = ((14, 30), (24, 45), (40, 30), (60, 45), (90, 20))
SEED = 2026


def memories(count: int, seed: int) -> Array:
    """The weights of so many learners, a row each, within FSRS's bounds; first stabilities rise with the rating, as it demands."""
    drawn = np.asarray(DEFAULT_PARAMETERS) + SPREAD * np.random.default_rng(seed).standard_normal((count, len(SPREAD)))
    drawn = np.clip(drawn, LOWEST, HIGHEST)
    drawn[:, :4].sort(axis=1)
    return drawn


def main() -> None:
    """Print a row a goal."""
    learners = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with_context = AppContext()
    questions = with_context.scheduled()
    wanted = [Wanted(CardState(q.card_id), q.topic, q.level == "core", WEIGHTS[q.level]) for q in questions]
    by_weight = sorted(wanted, key=lambda each: -each.weight)
    true, believed = Memory(memories(learners, SEED)), Memory(DEFAULT_PARAMETERS)
    core = sum(each.core for each in wanted)
    print(f"{len(wanted)} questions, {core} of them core; {learners} learners; mean recall of core on the day, ± s.e.")
    print("                     in the order of topics      core first")
    print("days  min/day     10 new a day      no limit of new   no limit of new   plan              all cards: plan, best without")
    for days, minutes in GOALS:
        policy: Policy = make_plan(wanted, Goal(days, minutes), Learner(DEFAULT_PARAMETERS), 0).policy
        tried = (
            (wanted, ByDueDate()),
            (wanted, ByDueDate(new=9999, due=9999)),
            (by_weight, ByDueDate(new=9999, due=9999)),
            (by_weight, policy),
        )
        cells, wholes = [], []
        for cards, way in tried:
            course = simulate(
                Cards.new([each.weight for each in cards]), true, believed, way,
                days=days, minutes=float(minutes), costs=Costs(), first_ratings=FIRST_RATINGS, learners=learners, seed=SEED,
            )  # fmt: skip
            each = course.recall[:, [card.core for card in cards]].mean(1)
            cells.append(f"{each.mean():.3f} ± {each.std() / learners**0.5:.3f}")
            wholes.append(course.recall.mean())
        print(f"{days:4d}  {minutes:5d}    {'     '.join(cells)}     {wholes[-1]:.3f}, {max(wholes[:-1]):.3f}")


if __name__ == "__main__":
    main()
