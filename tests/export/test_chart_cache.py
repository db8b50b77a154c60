"""Charts are drawn once."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studyapp.errors import ExportError
from studyapp.evidence.types import Bars, Heatmap, Lines, Table
from studyapp.export import chart_cache as module
from studyapp.export.chart_cache import Pictures

CURVES = [Lines("x", (1, 2, 3), {"y": (i, 2, 3)}) for i in range(12)]
NOTHING = Heatmap(((),))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is drawn in this process from here on."""
    seen: list[object] = []
    monkeypatch.setattr(module.chart_png, "picture", lambda item: seen.append(item) or b"png of " + repr(item).encode())
    return seen


def test_a_chart_is_drawn_once_for_all_notes_and_exports(tmp_path: Path, drawn: list[object]) -> None:
    """Asked for twice, and by a later export, it is drawn once, and only what a note shows is among the media."""
    first = Pictures(tmp_path)
    first.prepare([CURVES[0], CURVES[1], CURVES[0]])
    name = first.name(CURVES[0])
    assert len(drawn) == 2 and list(first.media) == [name]
    assert Pictures(tmp_path).name(CURVES[0]) == name and len(drawn) == 2
    Pictures().name(CURVES[0])
    assert len(drawn) == 3


def test_a_change_of_what_is_shown_is_another_picture(tmp_path: Path, drawn: list[object]) -> None:
    """Another number or title makes another chart."""
    pictures = Pictures(tmp_path)
    bars = [Bars(("a",), {"y": (1,)}), Bars(("a",), {"y": (2,)}), Bars(("a",), {"y": (1,)}, title="t")]
    assert len({pictures.name(item) for item in bars}) == len(drawn) == 3


def test_tables_and_empty_charts_have_no_picture(tmp_path: Path) -> None:
    """What cannot be drawn has no name, now and when it is looked for again."""
    for _ in range(2):
        pictures = Pictures(tmp_path)
        assert pictures.name(Table(("d",), ((1,),))) is None and pictures.name(NOTHING) is None
        assert not pictures.media


def test_many_charts_are_drawn_by_other_processes_and_are_the_same(tmp_path: Path) -> None:
    """A dozen charts drawn side by side are, byte for byte, those drawn alone, and their number is told."""
    told: list[tuple[int, int]] = []
    together = Pictures(tmp_path, lambda done, total: told.append((done, total)))
    together.prepare(CURVES)
    assert told[0] == (0, 12) and told[-1] == (12, 12)
    assert together.name(CURVES[3]) == Pictures().name(CURVES[3])


def test_a_picture_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    """Where a folder stands in its place, the error says where."""
    Pictures(tmp_path).prepare(CURVES[:1])
    (kept,) = tmp_path.iterdir()
    kept.unlink()
    kept.mkdir()
    with pytest.raises(ExportError, match=kept.name):
        Pictures(tmp_path).prepare(CURVES[:1])


DRAWING = """
import sys
from studyapp.evidence.types import Lines
from studyapp.export.chart_cache import Pictures

if __name__ == "__main__":
    try:
        curves = [Lines("x", (1, 2), {"y": (i, 2)}) for i in range(500)]
        Pictures(None, lambda done, total: print(done, flush=True)).prepare(curves)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def session(leader: int) -> list[int]:
    """The processes of a session that run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, sid = stat.read_text().rpartition(")")[2].split()[:4]
            if int(sid) == leader and state != "Z":
                found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
@pytest.mark.parametrize(
    ("how", "drawn"),
    [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 0), (signal.SIGINT, 0), (signal.SIGINT, 1)],
)
def test_nothing_goes_on_drawing_for_an_export_that_has_ended(tmp_path: Path, how: signal.Signals, drawn: int) -> None:
    """Killed, terminated, hung up or interrupted from its terminal, it leaves no process two seconds later, and no traceback.

    `drawn` charts are done by then. With none its workers are just starting, and are given the time to.
    """
    (tmp_path / "drawing.py").write_text(DRAWING)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "drawing.py")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, start_new_session=True,
    ) as export:  # fmt: skip
        try:
            assert export.stdout is not None and export.stderr is not None
            while int(export.stdout.readline()) < drawn:
                pass
            while len(session(export.pid)) < 2:
                time.sleep(0.01)
            if how == signal.SIGINT:
                os.killpg(export.pid, how)  # ctrl-C goes to all that the terminal runs
            else:
                export.send_signal(how)
            deadline = time.monotonic() + (2 if drawn else 10)  # what is starting has to have started
            while session(export.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert session(export.pid) == []
            assert "Traceback" not in export.stderr.read()
        finally:
            for process in session(export.pid):
                os.kill(process, signal.SIGKILL)
