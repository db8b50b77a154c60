"""The app in a real terminal."""

import sys
from pathlib import Path

import pytest

from tests.campaigns.windows import WAYS, trial


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal and /proc")
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_running_when_the_window_is_closed(tmp_path: Path, way: str) -> None:
    """However the app ends, while its lab is still starting too, no process of it is left."""
    assert trial(way, 0.2, tmp_path).seconds is not None
