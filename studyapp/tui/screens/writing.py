"""A screen on which something can be written: the functions that what is on show asks for."""

from collections.abc import Iterable, Sequence

from studyapp.tui.screens.base import BaseScreen


class Writing(BaseScreen):
    """A screen that leads to functions to write."""

    def exercises(self) -> Iterable[str]:
        """The functions that are meant, "topic/demo.function"."""
        raise NotImplementedError

    def writable(self) -> Sequence[str]:
        """Those of them that there are."""
        return [ref for ref in self.exercises() if self.context.exercise(ref)]

    def action_write(self) -> None:
        """Write one of them, or the next."""
        from studyapp.tui.screens.write import WriteScreen

        if refs := self.writable():
            self.app.push_screen(WriteScreen(self.context, refs))
        else:
            self.tell(self.t("write.none_here"))
