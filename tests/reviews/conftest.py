"""What the tests of memory share."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
