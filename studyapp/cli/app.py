"""Open the terminal interface."""

import sys

from studyapp.cli.desk import Desk


def open_app(desk: Desk) -> None:
    """Run the app; leaves with its return code, so that a crash is not a success."""
    from dataclasses import replace

    from studyapp.lab.runner import Lab
    from studyapp.settings import save_settings
    from studyapp.tui.app import StudyApp

    app = StudyApp(
        bank=desk.bank,
        catalog=desk.catalog,
        recordings=desk.recordings,
        store=desk.store,
        settings=replace(desk.settings, language=desk.language),
        clock=desk.clock,
        lab_factory=Lab,
        saved=lambda settings: save_settings(desk.home / "settings.toml", settings),
    )
    try:
        app.run()
    finally:
        desk.store.close()
    sys.exit(app.return_code or 0)
