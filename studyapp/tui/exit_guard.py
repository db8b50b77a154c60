"""The end of the app, whatever its terminal does.

A closed window sends SIGHUP and SIGCONT, or under `make` nothing at all. Textual answers SIGCONT by starting its input
thread again, also while it is leaving, and that thread then spins on a dead terminal; a write to one ends Textual's
writer thread, and whoever writes next waits for ever, the event loop with it. So the end is watched from a thread of
its own: what has not left by the deadline is ended. Every review is committed when it is given, so nothing is lost.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 1.2
WATCH_SECONDS = 0.1
RESTORE = b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[<u"
"""Main screen, cursor shown, mouse, focus, paste and key reports off: what Textual turned on."""


class ExitGuard:
    """Watches the terminal and the signals that end the app, and ends it where it cannot end itself.

    `leave` asks the app to leave, in its event loop; `last` is called before a hard end, from the guard's thread.
    """

    def __init__(self, leave: Callable[[], Any], last: Callable[[], None]) -> None:
        self._leave, self._last = leave, last
        self._loop: asyncio.AbstractEventLoop | None = None
        self._since: float | None = None
        self._terminal = _terminal()
        self._attributes = _attributes(self._terminal)

    def watch(self) -> None:
        """Begin, in the main thread, once the event loop runs."""
        self._loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._signalled)
        threading.Thread(target=self._watch, name="exit-guard", daemon=True).start()

    def leaving(self) -> None:
        """The app is about to leave: from here on the deadline runs, and a SIGCONT starts nothing again."""
        if self._since is None:
            self._since = time.monotonic()
            with contextlib.suppress(ValueError):  # not the main thread: the deadline alone must do
                signal.signal(signal.SIGCONT, signal.SIG_DFL)
                signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _signalled(self, *_: object) -> None:
        self.leaving()
        self._ask()

    def _ask(self) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: the app is past its end already
            self._loop.call_soon_threadsafe(self._leave)

    def _watch(self) -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            if self._since is None:
                if self._terminal is not None and not os.isatty(self._terminal):
                    self._since = time.monotonic()
                    self._ask()
            elif time.monotonic() - self._since > DEADLINE_SECONDS:
                self._end()

    def _end(self) -> None:
        with contextlib.suppress(Exception):
            self._last()
        if self._terminal is not None and os.isatty(self._terminal) and self._attributes is not None:
            import termios

            with contextlib.suppress(OSError, termios.error):
                os.set_blocking(self._terminal, False)  # a terminal that takes nothing must not hold the end up
                os.write(self._terminal, RESTORE)
                os.set_blocking(self._terminal, True)
                termios.tcsetattr(self._terminal, termios.TCSANOW, self._attributes)
        os._exit(1)


def leave_process(code: int) -> None:
    """Leave with `code`; hard, where a thread that nobody stops would keep the process alive."""
    left = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if left:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _terminal() -> int | None:
    """The descriptor of the terminal that keys come from; None where there is none."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = sys.__stdin__.fileno()  # type: ignore[union-attr]
        return descriptor if os.isatty(descriptor) else None
    return None


def _attributes(terminal: int | None) -> list[Any] | None:
    if terminal is None:
        return None
    import termios

    with contextlib.suppress(termios.error):
        return termios.tcgetattr(terminal)
    return None
