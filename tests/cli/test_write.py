"""Functions that a learner writes, at the command line."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from studyapp.lab.catalog import Catalog
from studyapp.paths import demos_dir

ROOT = Path(__file__).parents[2]
REF = "position/rope_relative.rotate"
EDITOR = """#!{python}
import pathlib, sys
path = pathlib.Path(sys.argv[1])
turn = pathlib.Path(__file__).with_suffix(".turn")
bodies = {bodies!r}
number = int(turn.read_text()) if turn.exists() else 0
turn.write_text(str(number + 1))
if bodies[number] is not None:
    path.write_text(path.read_text().partition("    raise NotImpl")[0] if number == 0 else path.read_text().rpartition("\\n# body\\n")[0])
    path.write_text(path.read_text() + "\\n# body\\n" + bodies[number])
"""
RIGHT = Catalog.load(demos_dir()).demos["position/rope_relative"].exercise("rotate").body


class Terminal:
    """A process at a terminal of its own: what it prints, and what is typed."""

    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        mine, theirs = pty.openpty()
        self.fd, self.text = mine, ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "studyapp", *words],
            cwd=ROOT, env={**os.environ, **env, "TERM": "xterm", "COLUMNS": "130", "LINES": "40"},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def until(self, wanted: str, seconds: float = 90.0) -> str:
        """What is printed until `wanted` stands there."""
        begun, end = len(self.text), time.monotonic() + seconds
        while wanted not in self.text[begun:]:
            assert time.monotonic() < end, self.text[begun:]
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
        return self.text[begun:]

    def type(self, line: str) -> None:
        """A line."""
        os.write(self.fd, f"{line}\n".encode())

    def ended(self) -> int:
        """Its exit code."""
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            os.close(self.fd)


def editor(folder: Path, *bodies: str | None) -> str:
    """An editor that puts one body after the other into the file; None saves nothing."""
    path = folder / "editor"
    path.write_text(EDITOR.format(python=sys.executable, bodies=list(bodies)))
    path.chmod(0o755)
    return str(path)


def test_the_editor_is_opened_and_every_save_is_judged(home: Path, tmp_path: Path) -> None:
    """From the first body to the right one: what breaks stands beside what is expected, and hints come one by one."""
    bodies = ["    return x\n", "    return (\n", None, RIGHT]
    terminal = Terminal(["write", REF], {"STUDYAPP_HOME": str(home), "VISUAL": editor(tmp_path, *bodies)})
    asked = "q leave"
    wrong = terminal.until(asked)
    assert "score less its closed form" in wrong and "yours" in wrong and "expected" in wrong and "0 of 2 claims hold" in wrong
    terminal.type("h")
    assert "RoPE rotates q and k" in terminal.until(asked)
    terminal.type("h")
    assert "theta: (d/2,)" in terminal.until(asked)
    terminal.type("h")
    assert "no more to tell" in terminal.until(asked)
    terminal.type("")
    assert "is not Python" in terminal.until(asked)
    terminal.type("e")
    assert "is not Python" in terminal.until(asked)  # nothing was saved: as it was
    terminal.type("p")
    assert "odd * cos" in terminal.until(asked)
    terminal.type("")
    assert "Every claim holds." in terminal.until(asked)
    path = home / "written/position/rope_relative.rotate.py"
    path.write_text(path.read_text().replace("even * cos - odd * sin", "even * cos + odd * sin"))  # from elsewhere
    assert "of 2 claims hold" in terminal.until(asked)
    terminal.type("q")
    assert terminal.ended() == 0
    kept = [json.loads(line) for line in (home / "written/position/rope_relative.rotate.history.jsonl").read_text().splitlines()]
    assert [set(entry["claims"].values()) == {"held"} for entry in kept] == [False, True, False]
    assert "return x\n" in kept[0]["text"] and kept[1]["text"].endswith(RIGHT)


def test_an_editor_that_cannot_be_started_is_told(home: Path) -> None:
    """The file stays, and is named with what to do."""
    terminal = Terminal(["write", REF], {"STUDYAPP_HOME": str(home), "VISUAL": "/nowhere/editor"})
    assert "set EDITOR; the file is" in terminal.until(f"{REF.partition('.')[0]}.rotate.py", 60) + terminal.until("rotate.py", 60)
    assert terminal.ended() == 1 and (home / "written/position/rope_relative.rotate.py").exists()


def test_check_judges_a_file_and_leaves_with_what_it_came_to(run: Callable[..., Result], tmp_path: Path) -> None:
    """`--check FILE` takes the file that the app makes, imports and all, and leaves 0 or 1; FILE alone does the same, both are refused."""
    (tmp_path / "right.py").write_text(f"import torch\nF64 = torch.float64\n{run('write', REF).output}{RIGHT}\n")
    (tmp_path / "wrong.py").write_text("def rotate(x, positions, base):\n    while base:\n        return None * x\n")
    done = run("write", REF, "--check", str(tmp_path / "right.py"))
    assert done.exit_code == 0 and done.output.count("✓") == 2
    wrong = run("write", REF, "--check", str(tmp_path / "wrong.py"))
    assert wrong.exit_code == 1 and "line 3: return None * x" in wrong.output and "TypeError" in wrong.output
    assert run("write", REF, str(tmp_path / "wrong.py"), "--check", str(tmp_path / "right.py")).exit_code == 2


def test_the_history_is_listed_and_read(run: Callable[..., Result], home: Path) -> None:
    """Versions stand newest first with how they came out, and each can be printed; where there is none, that is said."""
    folder = home / "written/position"
    assert "nothing was judged" in run("write", REF, "--history").stderr
    folder.mkdir(parents=True)
    states = {1: "broken", 2: "held"}
    lines = [{"at": f"2026-11-26T1{n}:00:00+00:00", "claims": {"one": s}, "text": f"version {n}\n"} for n, s in states.items()]
    (folder / "rope_relative.rotate.history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second = run("write", REF, "--history").output.splitlines()
    assert first.startswith("  1  2026-11-26") and first.endswith("✓ one") and second.endswith("✗ one")
    assert run("write", REF, "--history", "2").output == "version 1\n"
    assert "2 versions are kept" in run("write", REF, "--history", "3").stderr


def test_exercises_are_listed_with_what_asks_for_them(run: Callable[..., Result], home: Path) -> None:
    """Every function of every demo is there with the claims that judge it and the questions that ask for it, and how it came out last."""
    store = home / "written/attention"
    store.mkdir(parents=True)
    (store / "mla_absorption.absorbed.py").write_text("def absorbed(): ...")
    (store / "mla_absorption.absorbed.history.jsonl").write_text(
        '{"at": "2026-11-26T12:00:00+00:00", "claims": {"one": "held"}, "text": "x"}\n'
    )
    rows = {row["function"]: row for row in json.loads(run("exercises", "--json").output)}
    catalog = Catalog.load(demos_dir())
    assert set(rows) == {f"{d.name}.{e.name}" for d in catalog.demos.values() for e in d.exercises}
    row = rows["attention/mla_absorption.absorbed"]
    assert (row["held"], row["written"]) == (True, str(store / "mla_absorption.absorbed.py")) and row["questions"] and row["claims"]
    assert rows[REF]["held"] is None and rows[REF]["written"] is None
    text = run("--lang", "zh", "exercises").output
    assert "✓ attention/mla_absorption.absorbed  (" in text and "动过笔的 1 个，最近一次评判成立的 1 个" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_a_terminal_the_head_is_printed(run: Callable[..., Result], home: Path, language: str) -> None:
    """In a pipe `write` opens nothing and makes nothing."""
    assert run("--lang", language, "write", REF).output.startswith("def rotate(") and not (home / "written").exists()
