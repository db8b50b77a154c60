"""A demo run by itself as a script."""

import subprocess
import sys
from pathlib import Path

import pytest

from studyapp.evidence.script import parse

SOURCE = '''r"""Sizes, 100% of them.

各种大小。
"""
from studyapp.evidence import expect, main, show, table


def claim_small(n=2, widths=(8, 16), exact=True):
    """Small is small.

    小即是小。"""
    show(table({"n": [n], "exact": [exact]}, title="small"))
    expect("n", n, at_most=2)


def claim_large(n=64):
    """Large is large.

    大即是大。"""
    expect("n", n, at_least=64)


if __name__ == "__main__":
    main()
'''


@pytest.fixture
def run(tmp_path: Path):
    """Run the script with some options."""
    file = tmp_path / "sizes.py"
    file.write_text(SOURCE, encoding="utf-8")

    def go(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(file), *options], capture_output=True, text=True, check=False)

    return go


def test_each_claim_has_its_own_default_until_one_is_given(run) -> None:
    """Two claims of one parameter run at their own defaults; a value given is everyone's, and breaks what it breaks."""
    assert run().returncode == 0
    turned = run("--n", "64")
    assert turned.returncode == 1 and "✗ n is 64, not at most 2" in turned.stdout
    assert "✓ n is 64, as expected: at least 64" in turned.stdout


def test_options_choose_claims_and_turn_parameters(run) -> None:
    """--claim runs one alone, a tuple and a switch are read, and help names every default."""
    one = run("--claim", "small", "--no-exact", "--widths", "4,8")
    assert one.returncode == 0 and "False" in one.stdout and "large" not in one.stdout
    text = " ".join(run("--help").stdout.split())
    assert "default: 2 or 64" in text and "default: (8, 16)" in text and "100% of them" in text
    assert run("--depth", "3").returncode == 2


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [("8,32", (1,), (8, 32)), ("(8, 3.5)", (1.0,), (8.0, 3.5)), ("-1e-3", 0.1, -1e-3), ("true", False, True), ("x", "y", "x")],
)
def test_text_becomes_the_type_of_the_default(text: str, default: object, value: object) -> None:
    """What is typed is read in the type of the default."""
    assert parse(text, default) == value


def test_a_value_that_cannot_be_read_is_told_by_its_option(run) -> None:
    """Whoever typed it reads the option, what was typed and what would do, and nothing of the code."""
    done = run("--n", "1,2,abc")
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if "error" in line]
    assert line.endswith("argument --n: '1,2,abc' is not a value such as 2")


def test_text_of_another_type_is_refused() -> None:
    """A word is no number and no switch."""
    for default in (1, False):
        with pytest.raises(ValueError):
            parse("many", default)
