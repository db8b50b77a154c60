"""What the tests of memory share."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studyapp.reviews.cards import CardState
from studyapp.reviews.store import Store
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def settings() -> Settings:
    return Settings(timezone="UTC")


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.fixture
def store(path: Path, settings: Settings) -> Iterator[Store]:
    with Store.open(path, settings, NOW) as opened:
        yield opened


def filled(path: Path, settings: Settings, now: datetime) -> dict[str, CardState]:
    """A database with a few hundred reviews; its cards."""
    with Store.open(path, settings, now) as store:
        for n in range(200):
            store.append("review", f"{n % 40}#recall", now + timedelta(hours=n), rating=n % 4 + 1)
        return store.cards()
