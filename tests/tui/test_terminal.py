"""The app in a real terminal."""

import contextlib
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_app_leaves_with_its_terminal(tmp_path: Path) -> None:
    """A closed window ends the app though no signal reaches it: nothing goes on in the dark."""
    ours, its = pty.openpty()
    environment = {**os.environ, "STUDYAPP_HOME": str(tmp_path), "TERM": "xterm-256color"}
    app = subprocess.Popen(
        [sys.executable, "-m", "studyapp", "--lang", "en"], stdin=its, stdout=its, stderr=its, env=environment
    )
    os.close(its)
    painted = threading.Event()

    def read() -> None:
        seen = b""
        with contextlib.suppress(OSError):
            while not painted.is_set():
                seen += os.read(ours, 4096)
                if b"practise" in seen:
                    painted.set()

    try:
        threading.Thread(target=read, daemon=True).start()
        assert painted.wait(60), "no first frame"
        os.close(ours)
        app.wait(60)
    finally:
        app.kill()
        app.wait()
