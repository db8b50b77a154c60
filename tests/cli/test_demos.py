"""Demos at the command line: run, wrong ways, drills, in both languages."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studyapp.cli import cli

CLAIM = "inference/kv_cache_of_models.mla_equals_two_and_a_quarter_groups"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`call("run", …)` as typed."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path))

    def go(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return go


def test_a_run_is_said_in_the_learners_language(call) -> None:
    """In Chinese the sentence, the labels and the checks are Chinese, and no English label is left."""
    result = call("--lang", "zh", "run", CLAIM)
    assert result.exit_code == 0
    assert "✓ MLA 与一个 KV 头之比 = 2.25，符合预期：2.25" in result.stdout
    assert "每 token 每层字节数" in result.stdout and "bytes" not in result.stdout


def test_a_wrong_way_is_tried_by_number(call) -> None:
    """--break says what is tried, and succeeds where the claim breaks; a number that is not there is refused."""
    result = call("run", CLAIM, "--break", "1")
    assert result.exit_code == 0, result.output
    assert "rotary_key='left out'" in result.stdout and "✗ MLA over one KV head is 2, not 2.25" in result.stdout
    refused = call("run", CLAIM, "--break", "9")
    assert refused.exit_code == 1 and "has no wrong way 9" in refused.output
    assert call("run", CLAIM.partition(".")[0], "--break", "1").exit_code == 1


def test_out_of_range_is_refused_before_the_run(call) -> None:
    """One sentence on stderr, in the learner's language, and nothing is run."""
    result = call("--lang", "zh", "run", CLAIM, "--set", "rotary_key=none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "rotary_key 为 none，超出范围：shared | per head | left out" in result.stderr


def test_a_drill_is_asked_with_its_way_and_proof(call) -> None:
    """The question, the steps, the answer with its tolerance and the claim behind it; the same for the same seed."""
    one = call("--lang", "zh", "drill", "inference/kv_cache_of_models.cache_in_gib", "--seed", "4")
    assert one.exit_code == 0 and "KV cache" in one.stdout and "GiB" in one.stdout and "证明" in one.stdout
    assert one.stdout == call("--lang", "zh", "drill", "inference/kv_cache_of_models.cache_in_gib", "--seed", "4").stdout
    for wrong in ("inference/kv_cache_of_models", "inference/kv_cache_of_models.cache_in_mib", "inference/nowhere.x"):
        assert call("drill", wrong).exit_code == 1


def test_demos_lists_wrong_ways_drills_and_exercises(call) -> None:
    """What can be tried, asked and written stands below its claims."""
    text = call("demos").stdout
    assert "--break 1: stored='repeated'" in text
    assert "drill inference/kv_cache_of_models.cache_in_gib" in text
    assert "to write: step" in text
