"""The JSON forms that docs/json.md promises."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from studyapp import interviews
from studyapp.cli import cli
from studyapp.context import AppContext
from studyapp.reviews.store import Store
from studyapp.settings import Settings
from tests.reviews.test_optimise import studied

FORMS = dict(
    re.findall(
        r"^`studyapp (\w+)[^`]*`.*?```json\n(.*?)```", (Path(__file__).parents[2] / "docs/json.md").read_text("utf-8"), re.M | re.S
    )
)
CALLS = {
    "due": ("due",),
    "show": ("show", "mla"),
    "answer": ("answer", "mla", "good", "--at", "2026-11-23T18:00+00:00"),
    "star": ("star", "mla"),
    "note": ("note", "mla", "ask about the norm"),
    "notes": ("notes",),
    "search": ("search", "溢出"),
    "check": ("check",),
    "demos": ("demos",),
    "drill": ("drill", "inference/kv_cache_of_models.cache_in_gib"),
    "write": ("write", "attention/mla_absorption.absorbed", "-"),
    "exercises": ("exercises",),
    "verify": ("verify", "foundations/softmax_overflow"),
    "stats": ("stats",),
    "models": ("models", "deepseek-v3"),
    "plan": ("plan", "--date", (datetime.now(UTC).date() + timedelta(days=20)).isoformat(), "--topics", "moe"),
    "optimise": ("optimise", "--dry-run"),
    "interview": ("interview", "--sheet", "last"),
    "doctor": ("doctor",),
}
START = datetime(2026, 1, 1, tzinfo=UTC)
WRITTEN = "def absorbed(q, q_r, c, k_r, w_uk, w_uv):\n    return q\n"  # wrong, and judged
BEFORE = {"notes": ("star", "mla")}  # else there is nothing to print
OPEN = {"parameters", "ranges", "recorded", "today", "topics_wanted", "forecast_dates"}
"""Their keys are the demo's own, or the question need not have it."""


def keys(value: Any) -> Any:
    """The keys of a document, of lists those of all their items together."""
    if isinstance(value, dict):
        return {k: None if k in OPEN else keys(v) for k, v in value.items()}
    if isinstance(value, list):
        return together([keys(v) for v in value if isinstance(v, dict)])
    return None


def together(found: list[Any]) -> Any:
    """Several forms as one: a list that is empty in the first item shows its form in another."""
    forms = [f for f in found if f is not None]
    if not forms:
        return None
    return {k: together([f.get(k) for f in forms]) for k in dict.fromkeys(k for form in forms for k in form)}


@pytest.mark.parametrize("command", CALLS)
@pytest.mark.usefixtures("planned")
def test_a_command_prints_the_form_that_is_documented(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of what it prints are those of the example, no more and no fewer."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path))
    if command in BEFORE:
        assert CliRunner().invoke(cli, BEFORE[command]).exit_code == 0
    if command == "interview":
        hold_one(tmp_path)
    if command == "stats":
        with Store.open(tmp_path / "reviews.db", Settings(timezone="UTC"), START) as store:
            for days in (0, 20, 30):
                data = {"ticked": [0], "suggested": 3}
                store.append("review", "mixtral-parameter-count#recall", START + timedelta(days=days), rating=4, data=data)
    if command == "optimise":
        pytest.importorskip("fsrs_rs_python")
        with Store.open(tmp_path / "reviews.db", Settings(timezone="UTC"), START) as store:
            studied(store, cards=70, days=120, start=START)
    said = CliRunner().invoke(cli, [*CALLS[command], "--json"], input=WRITTEN if command == "write" else None)
    assert said.exit_code == (1 if command == "write" else 0), said.output
    assert keys(json.loads(said.stdout)) == keys(json.loads(FORMS[command]))


def hold_one(home: Path) -> None:
    """An interview of one answer."""
    context = AppContext(home=home)
    session = interviews.begin(context, 20, ["moe"])
    if card := session.next(context.clock()):
        session.answer(card, 3, context.clock(), data={"ticked": [0]})
    context.close()


def test_every_command_with_json_is_documented() -> None:
    """Whatever takes --json stands in docs/json.md."""
    taking = {name for name, command in cli.commands.items() if any("--json" in p.opts for p in command.params)}
    assert taking == set(FORMS) == set(CALLS)
