"""Where things lie: the content that ships with the app, the learner's own data, and the editor to open it with."""

import os
from pathlib import Path

import platformdirs

from studyapp.errors import StudyError


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
    """The learner's data folder: `STUDYAPP_HOME` where set, else the platform's own place. Not created here.

    Raises:
        StudyError: where there is no home to have one in.
    """
    try:
        home = os.environ.get("STUDYAPP_HOME")
        return Path(home).expanduser() if home else Path(platformdirs.user_data_dir("studyapp", appauthor=False))
    except RuntimeError as error:  # a user without an entry or HOME, as in a container, or ~somebody unknown
        raise StudyError(
            "there is no home folder: {error}",
            "name a folder for your data in STUDYAPP_HOME",
            error=error,
        ) from error


def cache_home() -> Path | None:
    """Where what can be made anew is kept: `STUDYAPP_CACHE`, else in `STUDYAPP_HOME`, else the platform's own place.

    None where there is no home to have one in; a cache is never worth an error.
    """
    try:
        if cache := os.environ.get("STUDYAPP_CACHE"):
            return Path(cache).expanduser()
        if os.environ.get("STUDYAPP_HOME"):
            return data_home() / "cache"
        return Path(platformdirs.user_cache_dir("studyapp", appauthor=False))
    except (RuntimeError, StudyError):
        return None


def editor_command() -> str:
    """The learner's editor as the shell has it: `VISUAL`, else `EDITOR`, at worst vi."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
