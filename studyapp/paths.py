"""Where things lie: the content that ships with the app, and the learner's own data."""

import os
from pathlib import Path

import platformdirs


def content_root() -> Path:
    """The folder that holds `questions/` and `demos/`: inside the wheel, or the checkout of an editable install."""
    packaged = Path(__file__).parent / "_content"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def questions_dir() -> Path:
    """The bank that ships with the app."""
    return content_root() / "questions"


def demos_dir() -> Path:
    """The demos that ship with the app."""
    return content_root() / "demos"


def data_home() -> Path:
    """The learner's data folder: `STUDYAPP_HOME` where set, else the platform's own place. Not created here."""
    home = os.environ.get("STUDYAPP_HOME")
    return Path(home).expanduser() if home else Path(platformdirs.user_data_dir("studyapp", appauthor=False))
