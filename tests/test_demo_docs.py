"""What docs/demos.md shows and promises."""

import re
from pathlib import Path

import pytest

from studyapp.evidence.claims import find_claims, run_claim
from studyapp.evidence.exercises import draw_drill, find_drills
from studyapp.lab.catalog import Catalog
from studyapp.lab.declarations import MAKERS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/demos.md").read_text("utf-8")
SOURCE = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "demos/foundations/softmax_temperature.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE, "utf-8")
    return path


def test_the_example_keeps_the_contract(example: Path) -> None:
    """Nothing is amiss with it, and the app reads all its parts without running it."""
    catalog = Catalog.load(example.parents[1])
    assert [str(f) for f in catalog.findings] == []
    demo = catalog.demos["foundations/softmax_temperature"]
    assert all(claim.breaks for claim in demo.claims)
    assert demo.ranges and demo.zh and demo.drills and demo.exercises


def test_the_example_is_short(example: Path) -> None:
    """It is as short and as narrow as it asks of others."""
    assert len(SOURCE.splitlines()) <= 120
    assert [line for line in SOURCE.splitlines() if len(line) > 100] == []


def test_the_example_holds_and_breaks_as_it_says(example: Path, load_demo) -> None:
    """Its claims hold, every wrong way breaks a check, and its drill has an answer."""
    module = load_demo(example)
    for name, claim in find_claims(module).items():
        assert run_claim(name, claim).state == "held"
        assert [run_claim(name, claim, wrong).state for wrong in claim.breaks] == ["broken"]
    assert draw_drill(find_drills(module)["odds"], 0).proved_by == "matches_a_loop"


def test_every_range_is_explained() -> None:
    """The table of ranges has each function that makes one."""
    assert [name for name in MAKERS if f"| `{name}(" not in PAGE] == []
