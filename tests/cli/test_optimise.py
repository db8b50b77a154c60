"""`studyapp optimise`."""

import json
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from studyapp.reviews.store import Store
from studyapp.settings import Settings
from tests.reviews.test_optimise import studied

pytest.importorskip("fsrs_rs_python")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def learner(home: Any) -> Any:
    """A data folder with a few hundred reviews of one who forgets fast."""
    home.mkdir()
    (home / "settings.toml").write_text('# mine\ntimezone = "UTC"\n')
    with Store.open(home / "reviews.db", Settings(timezone="UTC"), START) as store:
        studied(store, cards=80, days=120, start=START)
    return home


def kept(home: Any) -> dict[str, Any]:
    return tomllib.loads((home / "settings.toml").read_text("utf-8"))


def test_too_few_reviews_are_said_and_nothing_changes(run: Any, home: Any) -> None:
    """With the number there is, the number that says something, and why to wait."""
    given = run("optimise")
    assert given.exit_code and "0 reviews" in given.output and "400" in given.output and "others" in given.output
    assert not (home / "settings.toml").exists()


def test_what_predicts_better_is_kept_and_can_be_left_again(run: Any, learner: Any) -> None:
    """A dry run changes nothing; a run keeps the weights beside the comments; --back returns to those before."""
    dry = json.loads(run("optimise", "--dry-run", "--json").output)
    assert dry["log_loss_after"] < dry["log_loss_before"] and not dry["kept"] and "parameters" not in kept(learner)
    told = run("optimise")
    assert told.exit_code == 0 and "--back" in told.output and f"{dry['log_loss_after']:.4f}" in told.output
    assert kept(learner)["parameters"] == dry["parameters"]
    assert (learner / "settings.toml").read_text("utf-8").startswith("# mine\n")
    moved = run("optimise", "--reschedule")
    assert moved.exit_code == 0 and "--undo-reschedule" in moved.output and "doctor" not in moved.output
    assert "already" in run("optimise", "--reschedule").output
    assert "as they were" in run("optimise", "--undo-reschedule").output
    assert "no rescheduling" in run("optimise", "--undo-reschedule").output
    assert run("doctor").exit_code == 0
    assert run("optimise", "--back").exit_code == 0 and "parameters" not in kept(learner)
    refused = run("optimise", "--back")
    assert refused.exit_code and "settings.toml" in refused.output


def test_a_higher_retention_costs_more_minutes(run: Any, home: Any) -> None:
    """The chart's numbers: minutes and what is known rise with the retention wished for; the setting is marked."""
    rows = json.loads(run("optimise", "--simulate", "--json").output)
    minutes, known = [row["minutes"] for row in rows], [row["known"] for row in rows]
    assert minutes == sorted(minutes) and minutes[-1] > 2 * minutes[0] and known[-1] > known[0]
    told = run("optimise", "--simulate").output
    assert "90% ◂" in told and told.count("█") > 50
    assert max(len(line) for line in told.split("\n")) <= 140


@pytest.mark.parametrize("other", ["--simulate", "--dry-run"])
def test_one_thing_at_a_time(run: Any, other: str) -> None:
    """Options that exclude each other are refused; so no dry run changes anything."""
    given = run("optimise", "--back", other)
    assert given.exit_code == 2 and "--undo-reschedule" in given.output


def test_the_moment_is_the_clocks(run: Any, learner: Any) -> None:
    """What is written stands after the reviews it rests on."""
    assert run("optimise").exit_code == 0
    with Store.open(learner / "reviews.db", Settings(timezone="UTC")) as store:
        assert store.events()[-1].kind == "parameters"
        assert store.events()[-1].at <= datetime.now(UTC) + timedelta(seconds=1)
