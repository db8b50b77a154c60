"""`studyapp plan`."""

import json
import tomllib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from studyapp.i18n import Translations

SOON = (datetime.now(UTC).date() + timedelta(days=12)).isoformat()


def test_a_plan_is_told_and_kept_only_where_asked(run: Any, home: Any) -> None:
    """What is given plans this once; with --keep it stands in the settings, beside what stood there, and plans from then on."""
    told = run("plan", "--date", SOON, "--minutes", "20", "--topics", "attention=2,moe")
    assert told.exit_code == 0 and SOON in told.output and "20 min a day" in told.output
    assert "Mixture of experts" in told.output and "Alignment" not in told.output
    assert not (home / "settings.toml").exists()
    home.mkdir(exist_ok=True)
    (home / "settings.toml").write_text("# mine\nnew_per_day = 3\n")
    assert run("plan", "--date", SOON, "--topics", "moe", "--keep").exit_code == 0
    kept = (home / "settings.toml").read_text("utf-8")
    assert kept.startswith("# mine\n")
    wanted = {"new_per_day": 3, "interview_date": date.fromisoformat(SOON), "interview_topics": {"moe": 1.0}}
    assert tomllib.loads(kept) == wanted
    again = run("plan")
    assert again.exit_code == 0 and "45 min a day" in again.output and "3 new a day" in again.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "plan.no_date"),
        (("--date", "2020-01-01"), "plan.over"),
        (("--date", "2199-01-01"), "plan.too_far"),
        (("--date", SOON, "--topics", "atention"), "plan.no_topic"),
    ],
)
def test_what_cannot_be_planned_says_why_and_what_to_do(run: Any, home: Any, words: Any, said: str) -> None:
    """Nothing is kept; the hint names the way."""
    given = run("plan", *words, "--keep")
    pattern = Translations.load("en")(said).split("{")[0]
    assert given.exit_code and pattern in given.output and given.output.count("\n") >= 2
    assert not (home / "settings.toml").exists()


@pytest.mark.parametrize("topics", ["moe=0", "moe=-1", "moe=x", "moe=nan", "moe=101"])
def test_a_weight_that_is_none_is_refused(run: Any, topics: str) -> None:
    """Between nothing and a hundred."""
    given = run("plan", "--date", SOON, "--topics", topics)
    assert given.exit_code == 2 and "a weight is a number" in given.output


def test_json_says_all_of_it(run: Any) -> None:
    """Shares lie between 0 and 1, the days are those before the date, and today's cards are of the topics wanted."""
    plan = json.loads(run("plan", "--date", SOON, "--topics", "moe", "--minutes", "15", "--json").output)
    assert [day["date"] for day in plan["days"]][-1] == (date.fromisoformat(SOON) - timedelta(days=1)).isoformat()
    assert len(plan["days"]) == plan["days_left"] and list(plan["topics"]) == ["moe"]
    outlooks = [plan["core"], plan["all"], plan["topics"]["moe"]]
    assert all(0 <= each[name] <= 1 for each in outlooks for name in ("now", "planned", "unplanned", "met"))
    assert plan["today"]["new"] and all(card.endswith("#recall") for card in plan["today"]["new"])
    assert plan["core"]["planned"] > 0.5
