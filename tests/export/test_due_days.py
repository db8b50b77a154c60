"""The day on which a card is due in Anki, wherever the learner lives.

Each zone has a process of its own, for Anki reads the machine's zone once.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studyapp.export.progress import DAYS_SINCE_CREATION

ROLLOVERS = (0, 4)
DAYS = (0, 6, 200)


def clocks_that_changed() -> str:
    """A zone whose summer time holds on the package's day of creation and not today, whatever day that is.

    So it is in Berlin in March, and always where summer time was given up since.
    """
    then = datetime.now(UTC) - timedelta(days=DAYS_SINCE_CREATION)
    start, end = ((then + timedelta(days=days)).timetuple().tm_yday for days in (-5, 5))
    return f"AAA3BBB,J{min(start, 365)},J{min(end, 365)}"


ZONES = ["America/Sao_Paulo", "Europe/Berlin", "Asia/Shanghai", clocks_that_changed()]


@pytest.mark.parametrize("zone", ZONES)
def test_a_card_is_due_in_as_many_days_as_here(zone: str, tmp_path: Path) -> None:
    """Anki's days to go are ours, whether the day begins at midnight or at four."""
    environ = {**os.environ, "TZ": zone, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.export.due_days", str(tmp_path)], env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {f"{rollover} {days}": days for rollover in ROLLOVERS for days in DAYS}
