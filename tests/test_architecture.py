"""ARCHITECTURE.md, held to the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([^`]+)`", PAGE)))
WORDS = {"code", "lint-imports"}  # said of the page and of a tool


def defined() -> set[str]:
    """Every class, function and method of the package, as `name` and as `Class.name`."""
    names: set[str] = set()
    for path in (ROOT / "studyapp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)}
    return names


DEFINED = defined()
FILES = {str(p.relative_to(ROOT)) for d in ("studyapp", "tests", "benchmarks") for p in (ROOT / d).rglob("*")}


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_exists(name: str) -> None:
    """A path, a module, a class, a function or a command that ARCHITECTURE.md names is there."""
    if name in WORDS or name.startswith("--"):
        return
    if name.startswith("studyapp ") or " --" in name:
        from studyapp.cli import cli

        assert name.removeprefix("studyapp ").split()[0] in cli.commands
    elif name.endswith("/") or name.endswith(".py"):
        path = name.rstrip("/")
        assert (ROOT / path).exists() or any(f.endswith(f"/{path}") for f in FILES)
    else:
        assert name.partition("(")[0] in DEFINED


def test_every_room_is_on_the_page() -> None:
    """No folder or module at the top of the package is left out."""
    rooms = {p for p in (ROOT / "studyapp").iterdir() if not p.name.startswith("_")}
    missing = [p.name for p in rooms if f"studyapp/{p.name}" not in PAGE]
    assert not missing
