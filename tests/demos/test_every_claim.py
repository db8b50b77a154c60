"""Every claim of every demo, run."""

import pytest

from studyapp.evidence.claims import find_claims, run_claim
from studyapp.lab.catalog import Catalog
from studyapp.paths import demos_dir

CATALOG = Catalog.load(demos_dir())


@pytest.mark.parametrize("name", CATALOG.demos)
def test_every_claim_holds_or_says_what_it_lacks(demo, name: str) -> None:
    """Each claim of the demo holds on this machine, or is skipped for a device that is not here."""
    outcomes = [run_claim(claim, function) for claim, function in find_claims(demo(name)).items()]
    assert outcomes
    for outcome in outcomes:
        broken = "\n".join(check.sentence() for check in outcome.checks if not check.held)
        assert outcome.held or outcome.skipped, f"{outcome.claim}: {broken}\n{outcome.error}"


@pytest.mark.parametrize("name", CATALOG.demos)
def test_the_source_names_the_claims_that_run(demo, name: str) -> None:
    """What is read from the source without running it is what running it finds: names, order and parameters."""
    ran = find_claims(demo(name))
    assert {c.name for c in CATALOG.demos[name].claims} == set(ran)
