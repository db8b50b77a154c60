"""What is shipped: a wheel and an sdist that carry the content and leave nothing beside the package."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from studyapp.paths import demos_dir, questions_dir

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the sdist as an installer would."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT], check=True, capture_output=True
    )
    assert list(out.glob("*.tar.gz")), "no sdist was built"
    return next(out.glob("*.whl"))


def test_only_studyapp_lands_in_site_packages(wheel: Path) -> None:
    """Installing leaves no package called demos, questions or tests."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"studyapp"}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `studyapp` of an environment that holds this wheel and, of what is installed here, only the dependencies."""
    place = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files are not followed
    return place / "bin" / "studyapp"


def test_the_wheel_works_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    """Away from the checkout the command finds all its questions and demos, runs one, schedules and exports."""

    def call(*words: str) -> str:
        env = {**os.environ, "STUDYAPP_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}
        done = subprocess.run([installed, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    said = json.loads(call("doctor", "--json"))
    assert said["questions"] == len(list(questions_dir().glob("*/*.yaml"))) and said["findings"] == 0
    assert said["demos"] == len(list(demos_dir().glob("*/*.py")))
    assert "held" in call("run", "foundations/softmax_overflow.shifted_softmax_never_overflows")
    call("answer", "softmax-overflow", "good")
    assert json.loads(call("show", "softmax-overflow", "--json"))["card"]["reps"] == 1
    call("export", "csv", "-o", "out.csv")
    assert (tmp_path / "out.csv").stat().st_size > 0


def test_the_interface_never_imports_torch(tmp_path: Path) -> None:
    """Opening the command line and the app's modules leaves torch and genanki out of the process."""
    code = (
        "import sys, studyapp.cli, studyapp.cli.app, studyapp.tui.app, studyapp.lab.client, studyapp.reviews.store\n"
        "print([m for m in ('torch', 'genanki', 'anki') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
