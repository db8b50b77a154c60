"""What every demo keeps: its wrong ways break, its ranges hold, its drills can be answered, its exercises judge."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

from studyapp.evidence.claims import find_claims, run_claim
from studyapp.evidence.exercises import draw_drill, find_drills
from studyapp.lab.catalog import Catalog
from studyapp.lab.claim_process import load
from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.protocol import Tried
from studyapp.lab.trials import Trial, draws, written, wrong_ways
from studyapp.lab.verify import misled
from studyapp.paths import demos_dir

CATALOG = Catalog.load(demos_dir())
WRONG = Path(__file__).parent / "wrong"
DRAWS = 2
SEEDS = range(6)

having = {
    "breaks": [n for n, d in CATALOG.demos.items() if any(c.breaks for c in d.claims)],
    "ranges": [n for n, d in CATALOG.demos.items() if d.ranges],
    "drills": [f"{n}.{drill.name}" for n, d in CATALOG.demos.items() for drill in d.drills],
    "exercises": [f"{n}.{e.name}" for n, d in CATALOG.demos.items() for e in d.exercises],
}


def attempt(module: ModuleType, trial: Trial) -> str:
    """What is wrong with how a trial came out."""
    outcome = run_claim(trial.claim, find_claims(module)[trial.claim], trial.parameters)
    broken = next((c for c in outcome.checks if not c.held), None)
    return misled(trial, Tried(trial.claim, trial.number, outcome.state, outcome.error, broken))


@pytest.mark.parametrize("name", having["breaks"])
def test_every_wrong_way_breaks_a_check(demo, name: str) -> None:
    """A claim does not hold in any of the ways that it names as wrong; that it crashes is not enough."""
    module = demo(name)
    assert [problem for trial in wrong_ways(CATALOG.demos[name]) if (problem := attempt(module, trial))] == []


@pytest.mark.parametrize("name", having["ranges"])
def test_in_range_nothing_crashes(demo, name: str) -> None:
    """With parameters drawn from the ranges no claim raises or measures a nan, and it holds while its idea is left alone."""
    module = demo(name)
    assert [problem for trial in draws(CATALOG.demos[name], DRAWS) if (problem := attempt(module, trial))] == []


@pytest.mark.parametrize("ref", having["drills"])
def test_every_drill_has_an_answer(demo, ref: str) -> None:
    """Seeds give different questions, all in both languages, all proven by a claim of the file."""
    name, _, which = ref.partition(".")
    made = [draw_drill(find_drills(demo(name))[which], seed) for seed in SEEDS]
    assert len({drill.en for drill in made}) > 1
    assert all(drill.steps and drill.accepts(drill.answer) for drill in made)
    assert {drill.proved_by for drill in made} <= {c.name for c in CATALOG.demos[name].claims}


def exercise_of(ref: str) -> tuple[Demo, Exercise]:
    name, _, function = ref.partition(".")
    return CATALOG.demos[name], CATALOG.demos[name].exercise(function)


def states(demo: Demo, exercise: Exercise, source: str) -> list[str]:
    """How the claims that judge an exercise come out with a function of this source."""
    claims = find_claims(load(demo.path, {exercise.name: source}))
    outcomes = [run_claim(name, claims[name]) for name in exercise.claims]
    if all(outcome.skipped for outcome in outcomes):
        pytest.skip(f"needs {', '.join({outcome.skipped for outcome in outcomes})}")
    return [outcome.state for outcome in outcomes if not outcome.skipped]


@pytest.mark.parametrize("ref", having["exercises"])
def test_the_body_that_is_hidden_is_right(ref: str) -> None:
    """Head and body, put together again as a learner would, are the demo's own function, with which its claims hold elsewhere here."""
    demo, exercise = exercise_of(ref)
    mine, own = (function(source, exercise.name) for source in (written(exercise, exercise.body), demo.source))
    assert ast.dump(mine.args) == ast.dump(own.args)
    assert [ast.dump(node) for node in said(mine)] == [ast.dump(node) for node in said(own)]
    assert set(exercise.claims) <= {claim.name for claim in demo.claims}


def function(source: str, name: str) -> ast.FunctionDef:
    """The function of a name."""
    return next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name)


def said(node: ast.FunctionDef) -> list[ast.stmt]:
    """What it does: its body without its docstring."""
    return node.body[1:] if ast.get_docstring(node) is not None else node.body


@pytest.mark.parametrize("ref", having["exercises"][::20])
def test_a_function_put_in_the_place_of_the_demos_own_is_judged(ref: str) -> None:
    """Where it is the same it is judged right by every claim named: of every twentieth, for it is one way of putting it there."""
    demo, exercise = exercise_of(ref)
    assert set(states(demo, exercise, written(exercise, exercise.body))) == {"held"}


def wrong_bodies(demo: Demo, exercise: Exercise) -> dict[str, str]:
    """The wrong bodies that are kept for an exercise, by name."""
    path = WRONG / f"{demo.name}.py"
    functions = [n for n in ast.parse(path.read_text("utf-8")).body if isinstance(n, ast.FunctionDef)]
    bodies = {}
    for function in functions:
        own, _, wrong = function.name.partition("__")
        if own == exercise.name:
            function.name = own
            bodies[wrong] = ast.unparse(function)
    return bodies


@pytest.mark.parametrize("ref", having["exercises"])
def test_every_wrong_body_is_refuted(ref: str) -> None:
    """Each plausible wrong body is kept under the name that the exercise gives it, and a claim named breaks with it."""
    demo, exercise = exercise_of(ref)
    bodies = wrong_bodies(demo, exercise)
    assert set(bodies) == set(exercise.wrong)
    assert [name for name, source in bodies.items() if "broken" not in states(demo, exercise, source)] == []
