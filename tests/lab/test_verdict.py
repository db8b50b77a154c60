"""✓ is said of what holds from this very source, and of nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from studyapp.bank.model import Point
from studyapp.evidence.types import Check, Outcome
from studyapp.i18n import LANGUAGES, Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Finished
from studyapp.lab.recordings import CPU, Recordings
from studyapp.lab.verdict import LEGEND, LiveRuns, Mark, claim_verdict, verdict

BODY = '''def claim_one(widths=(8, 16)):
    """One.

    一。"""
    expect("n", 1, equals=1)


def claim_two(samples=128):
    """Two.

    二。"""
    expect("n", 1, equals=1)


@needs("cuda")
def claim_gpu():
    """Three.

    三。"""
    expect("n", 1, equals=1)
'''
NAME = "attention/sample"
ONE, TWO, GPU = (f"{NAME}.{claim}" for claim in ("one", "two", "gpu"))
OLD, DAY, LATER = date(2026, 1, 1), date(2026, 11, 24), date(2026, 12, 1)
HELD = Check("n", "equals", 1, 1, 0, 0, True)
BROKEN = Check("n", "equals", 2, 1, 0, -1, False)


def ran(claim: str, held: bool = True, **more: object) -> Outcome:
    return replace(Outcome(claim, held, 0.1, (HELD if held else BROKEN,)), **more)  # type: ignore[arg-type]


SKIPPED = Outcome("gpu", False, 0.0, skipped="cuda")


class Room:
    """A demo, its catalog and its recordings."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        self.demo = demo
        self.older = replace(demo, source=demo.source + "\nolder = 1\n")
        self.catalog = Catalog.load(demo.path.parent.parent)
        self.recordings = Recordings(folder / "recorded")
        self.live = LiveRuns()

    def record(self, *outcomes: Outcome, machine: str = CPU, day: date = DAY, stale: bool = False) -> None:
        """Record on a machine, from this source or from an older one."""
        source = self.older if stale else self.demo
        self.recordings.write(source, outcomes, torch="2.13.0", today=day, machine=machine)

    def of(self, *claims: str, toy: bool = False) -> Mark:
        """The verdict on a statement that leans on claims."""
        point = Point(en="a", zh="b", **{"toy" if toy else "proof": claims})
        return verdict(point, self.catalog, self.recordings, self.live)


@pytest.fixture
def room(write: Callable[..., Demo], tmp_path: Path) -> Room:
    return Room(write(BODY), tmp_path)


def test_a_recording_that_holds_is_a_tick(room: Room) -> None:
    """A claim recorded as holding from this source is ✓, or ≈ where it is only a toy, and says where and when."""
    room.record(ran("one"))
    assert (room.of(ONE).state, room.of(ONE).text, room.of(ONE, toy=True).text) == ("held", "✓", "≈")
    assert room.of(ONE).why(Translations.load("en")) == "held on cpu, 2026-11-24"


@pytest.mark.parametrize(
    ("outcome", "stale", "state", "said"),
    [
        (None, False, "unrecorded", "not recorded"),
        (ran("one", held=False), False, "broken", "did not hold on cpu, 2026-11-24"),
        (ran("one"), True, "stale", "changed since it was recorded on cpu, 2026-11-24"),
        (ran("one", held=False), True, "stale", "changed since"),
        (replace(SKIPPED, claim="one"), False, "skipped", "needs cuda"),
        (ran("one", parameters={"widths": (8,)}), False, "unrecorded", "not recorded"),
    ],
)
@pytest.mark.parametrize("toy", [False, True])
def test_nothing_else_is_a_tick(
    room: Room, outcome: Outcome | None, stale: bool, state: str, said: str, toy: bool
) -> None:
    """Missing, broken, stale, skipped and turned recordings each have a state, a sign that is not ✓ or ≈, and a reason."""
    if outcome:
        room.record(outcome, stale=stale)
    mark = room.of(ONE, toy=toy)
    assert mark.state == state
    assert not set(mark.text) & {"✓", "≈", "·"}
    assert said in mark.why(Translations.load("en"))


def test_what_is_recorded_with_its_defaults_counts(room: Room) -> None:
    """Parameters that are the claim's defaults, or another claim's, take nothing away; JSON's lists are tuples."""
    room.record(ran("one", parameters={"widths": [8, 16], "samples": 3}))
    assert room.of(ONE).state == "held"


@pytest.mark.parametrize("ref", ["", "nonsense", f"{NAME}.three", f"{NAME}.", "attention/nowhere.one", f"{ONE}.x"])
def test_a_claim_that_does_not_exist_proves_nothing(room: Room, ref: str) -> None:
    """A reference to no claim is never ✓, and the reason repeats it."""
    room.record(ran("one"))
    mark = claim_verdict(ref, room.catalog, room.recordings)
    assert (mark.state, mark.text) == ("unrecorded", "?")
    assert mark.why(Translations.load("en")) == f"there is no claim {ref}"


def test_sources_and_nothing_are_told_apart() -> None:
    """A statement carried by a source alone is ·; one that nothing carries has a sign of its own."""
    catalog, recordings = Catalog.load(Path("nowhere")), Recordings(Path("nowhere"))
    cited = verdict(Point(en="a", zh="b", cite=("vaswani2017 §3.2",)), catalog, recordings)
    nothing = verdict(Point(en="a", zh="b"), catalog, recordings)
    assert (cited.state, cited.text, nothing.state, nothing.text) == ("cited", "·", "unsupported", "–")
    assert "vaswani2017 §3.2" in cited.why(Translations.load("zh"))


def test_the_gpus_recording_counts(room: Room) -> None:
    """A claim that needs a GPU was skipped on the processor; what a GPU recorded is what counts, older though it be."""
    room.record(ran("one"), SKIPPED, day=LATER)
    assert room.of(GPU).state == "skipped"
    room.record(ran("gpu"), machine="nvidia-h200", day=OLD)
    assert room.of(GPU).state == "held"
    assert room.of(GPU).values == {"machine": "nvidia-h200", "date": "2026-01-01"}
    assert room.of(ONE).values["machine"] == "cpu"
    room.record(ran("one"), machine="nvidia-h200", day=LATER)
    room.record(ran("gpu"), day=LATER)
    assert (room.of(ONE).values["machine"], room.of(GPU).values["machine"]) == ("cpu", "nvidia-h200")


def test_a_stale_recording_of_a_gpu_is_stale(room: Room) -> None:
    """Where the demo changed after the GPU ran it, the claim is stale, not held and not merely skipped."""
    room.record(SKIPPED, day=LATER)
    room.record(ran("gpu"), machine="nvidia-h200", stale=True)
    assert (room.of(GPU).state, room.of(GPU).values["machine"]) == ("stale", "nvidia-h200")


def test_a_fresh_recording_beats_a_stale_one(room: Room) -> None:
    """Of two machines the one that ran this very source counts, whichever is newer."""
    room.record(ran("one"), day=LATER, stale=True)
    room.record(ran("one", held=False), machine="nvidia-h100", day=OLD)
    assert (room.of(ONE).state, room.of(ONE).values["machine"]) == ("broken", "nvidia-h100")
    assert [run.machine for run, _ in room.recordings.runs(ONE, room.demo)] == ["nvidia-h100", "cpu"]


def test_the_worst_claim_decides(room: Room) -> None:
    """A statement with several claims holds only where each does; else the worst of them says why."""
    room.record(ran("one"), ran("two"))
    assert room.of(ONE, TWO).state == "held"
    assert (room.of(ONE, GPU, TWO).state, room.of(ONE, GPU, TWO).claim) == ("unrecorded", GPU)
    room.record(SKIPPED)
    assert room.of(ONE, GPU).state == "skipped"
    room.record(ran("two", held=False))
    assert (room.of(ONE, GPU, TWO).state, room.of(ONE, GPU, TWO).claim) == ("broken", TWO)


def test_a_run_here_counts_before_the_recording(room: Room) -> None:
    """What ran here is doubled where it holds, ✗ where it does not, and «could not run» where it raised."""
    room.record(ran("one", held=False), ran("two"))
    room.live.note(room.demo, Finished("one", True, 0.1), {})
    assert (room.of(ONE).text, room.of(ONE, toy=True).text, room.of(ONE).live) == ("✓✓", "≈≈", True)
    assert room.of(ONE, TWO).text == "✓"
    room.live.note(room.demo, Finished("two", False, 0.1), {})
    assert (room.of(TWO).state, room.of(ONE, TWO).state) == ("broken", "broken")
    error = "Traceback (most recent call last):\n  File x\nRuntimeError: no room"
    room.live.note(room.demo, Finished("two", False, 0.1, error), {})
    assert (room.of(TWO).state, room.of(TWO).text) == ("crashed", "!")
    assert room.of(TWO).why(Translations.load("en")) == "could not run here: RuntimeError: no room"


def test_a_run_with_turned_parameters_earns_nothing(room: Room) -> None:
    """A run whose own parameters were turned leaves the mark alone, whether it held or not; another claim's do not count."""
    room.record(ran("one"))
    assert not room.live.note(room.demo, Finished("one", True, 0.1), {"widths": (8,)})
    assert not room.live.note(room.demo, Finished("one", False, 0.1), {"widths": (8,)})
    assert room.of(ONE).text == "✓"
    assert room.live.note(room.demo, Finished("one", True, 0.1), {"widths": [8, 16], "samples": 5})
    assert room.of(ONE).text == "✓✓"


def test_a_run_of_older_source_earns_nothing(room: Room) -> None:
    """Where the demo is read anew after a run here, that run no longer counts."""
    room.live.note(room.older, Finished("one", True, 0.1), {})
    assert room.of(ONE).state == "unrecorded"


def test_every_state_has_a_sign_of_its_own_and_words() -> None:
    """No two meanings share a sign, and each is explained in both languages."""
    assert len({mark.text for mark in LEGEND}) == len(LEGEND)
    for language in LANGUAGES:
        assert all(mark.why(Translations.load(language)) for mark in LEGEND)
