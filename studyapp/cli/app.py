"""Open the terminal interface."""

import sys

from studyapp.cli.desk import Desk


def open_app(desk: Desk) -> None:
    """Run the app; leaves with its return code, so that a crash is not a success."""
    from studyapp.lab.runner import Lab
    from studyapp.tui.app import StudyApp

    app = StudyApp(
        bank=desk.bank,
        catalog=desk.catalog,
        recordings=desk.recordings,
        store=desk.store,
        settings=desk.settings,
        clock=desk.clock,
        lab_factory=Lab,
        language=desk.language,
    )
    try:
        app.run()
    finally:
        desk.store.close()
    sys.exit(app.return_code or 0)
