"""The command line with a data folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studyapp.cli import cli

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
def shell(home: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a line of shell in which `$S` is the program, in a process of its own."""

    def call(line: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, "STUDYAPP_HOME": str(home), "S": f"{sys.executable} -m studyapp", **environ}
        return subprocess.run(["bash", "-c", line], cwd=ROOT, env=env, capture_output=True, timeout=120, check=False)

    return call
