"""What is shipped: a wheel and an sdist that carry the content and leave nothing beside the package."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from studyapp.paths import questions_dir

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


def test_the_wheel_finds_its_own_content(wheel: Path, tmp_path: Path) -> None:
    """An installed wheel reads the questions that it carries, all of them, away from the checkout."""
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import studyapp, studyapp.paths as p; print(studyapp.__file__); print(p.questions_dir())",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    assert Path(said[0]).is_relative_to(target)
    there = {p.relative_to(said[1]) for p in Path(said[1]).rglob("*.yaml")}
    here = {p.relative_to(questions_dir()) for p in questions_dir().rglob("*.yaml")}
    assert there == here


def test_the_interface_never_imports_torch(tmp_path: Path) -> None:
    """Opening the command line and the app's modules leaves torch, matplotlib and genanki out of the process."""
    code = (
        "import sys, studyapp.cli, studyapp.cli.app, studyapp.tui.app, studyapp.lab.runner, studyapp.memory.store\n"
        "print([m for m in ('torch', 'matplotlib', 'genanki', 'anki') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
