"""Open the terminal interface."""

from studyapp.cli.terminal import need_terminal
from studyapp.context import AppContext


def open_app(
    context: AppContext, interview: tuple[int, tuple[str, ...], str] | None = None, only: list[str] | None = None
) -> None:
    """Run the app; leaves with its return code, so that a crash is not a success.

    `interview`: minutes, topics and level of a mock interview that it opens with; `only`: questions to study at once.

    Raises:
        CallError: where there is no terminal, before anything is opened.
    """
    need_terminal(context)
    from studyapp.tui.app import StudyApp
    from studyapp.tui.exit_guard import leave_process

    context.in_background = True
    context.store  # noqa: B018  what is wrong with the database is said before the terminal is taken over
    app = StudyApp(context, interview, only)
    try:
        app.run()
    finally:
        context.close()
    leave_process(app.return_code or 0)
