"""The command line with a data folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studyapp.bank.model import Finding
from studyapp.cli import cli
from studyapp.paths import questions_dir

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The learner's data folder."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def run() -> Callable[..., Result]:
    """Call a command in this process."""
    return lambda *words: CliRunner().invoke(cli, list(words))


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shipped bank of which some questions are still to be written: nothing else is ever open in it."""
    from studyapp import check

    real, path = check.check_bank, questions_dir().resolve() / "topics.yaml"
    waiting = [Finding(path, line, "", "is planned and has no file", warning=True, group="backlog") for line in range(1, 13)]
    monkeypatch.setattr("studyapp.check.check_bank", lambda *args, **kwargs: [*waiting, *real(*args, **kwargs)])


@pytest.fixture
def shell(home: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a line of shell in which `$S` is the program, in a process of its own."""

    def call(line: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, "STUDYAPP_HOME": str(home), "S": f"{sys.executable} -m studyapp", **environ}
        return subprocess.run(["bash", "-c", line], cwd=ROOT, env=env, capture_output=True, timeout=120, check=False)

    return call
