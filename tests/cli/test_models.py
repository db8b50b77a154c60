"""`studyapp models`: a table of named models, and one of them whole."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studyapp.cli import cli
from studyapp.cli import models as command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Call the command line with a data folder of its own."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "home"))

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return call


def test_it_lists_the_newest_first(run) -> None:
    """Without a name every row is a line, by date."""
    lines = run("models", "--columns", "date,name").stdout.splitlines()[2:]
    assert len(lines) >= 40
    months = [line.split()[0] for line in lines if len(line.split()[0]) == 7]
    assert months == sorted(months, reverse=True)


def test_one_name_gives_all_of_it_with_its_sources(run) -> None:
    """Facts, what is computed, and where they were read."""
    said = run("models", "Llama 3.1 8B").stdout
    assert "8.03B" in said and "128 KiB" in said and "GQA 32/8" in said
    assert "litgpt/config.py" in said and "2026-11-26" in said


def test_a_family_is_all_its_members_and_names_keep_their_order(run) -> None:
    """`models gpt-oss llama-2-7b` is two of a family, then the other."""
    rows = json.loads(run("models", "gpt-oss", "llama-2-7b", "--json").stdout)
    assert [r["id"] for r in rows] == ["gpt-oss-120b", "gpt-oss-20b", "llama-2-7b"]
    assert rows[-1]["computed"] == {
        "parameters": 6_738_415_616,
        "cached_numbers_per_token": 262_144,
        "cache_bytes_per_token_16_bit": 524_288,
    }


def test_an_unknown_model_is_told_with_its_nearest(run) -> None:
    """A slip in a name is answered on stderr with exit code 1."""
    said = run("models", "deepseek-v33")
    assert said.exit_code == 1 and "deepseek-v3" in said.stderr and said.stdout == ""


def test_an_unknown_column_is_called_wrongly(run) -> None:
    """A slip in `--columns` is answered with the column that was meant, exit code 2."""
    said = run("models", "--columns", "name,kv_head")
    assert said.exit_code == 2 and "did you mean kv_heads?" in said.stderr


def test_columns_can_be_listed_and_hyphens_do(run) -> None:
    """`--columns help` names them; kv-heads is kv_heads."""
    assert "kv_heads" in run("models", "--columns", "help").stdout
    assert run("models", "gpt-oss-20b", "--columns", "name,kv-heads").exit_code == 0


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal_and_names_what_it_left_out(run, monkeypatch, language: str, width: int) -> None:
    """No line is wider than the terminal, nothing is cut, and the columns left out are named."""
    from rich.cells import cell_len

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(command, "_on_terminal", lambda: True)
    said = run("--lang", language, "models")
    assert max(cell_len(line) for line in said.stdout.splitlines()) <= width
    assert "…" not in said.stdout
    assert "--columns" in said.stderr


def test_a_topic_chooses_its_columns(run) -> None:
    """`--topic moe` shows experts, `--topic position` shows positions."""
    assert "256 top-8 + 1" in run("models", "deepseek-v3", "deepseek-v2", "--topic", "moe").stdout
    assert "yarn ×40" in run("models", "deepseek-v3", "deepseek-v2", "--topic", "position").stdout


def test_a_topic_that_does_not_exist_is_refused(run) -> None:
    """`--topic` with a wrong name is a wrong call, in Chinese too, with the right names as a hint."""
    refused = run("--lang", "zh", "models", "--topic", "attentoin")
    assert refused.exit_code == 2 and not refused.stdout and "没有主题 attentoin" in refused.stderr and "attention" in refused.stderr
