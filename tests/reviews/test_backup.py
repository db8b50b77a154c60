"""Copies thinned with age: never by a wrong clock, never a copy made by hand."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from studyapp.reviews.backup import thinned


def test_backups_thin_with_age():
    """Opened daily for two years, a week of daily, eight weekly and a year of monthly backups stay, and all copies."""
    start, files = date(2026, 1, 1), [Path("study-copy.db"), Path("study-before-m002.db")]
    for n in range(730):
        today = start + timedelta(days=n)
        files.append(Path(f"study-{today}.db"))
        files = [file for file in files if file not in set(thinned(files, today, "study"))]
    ages = [(today - date.fromisoformat(file.stem[-10:])).days for file in files[2:]]
    assert sorted(ages)[:7] == list(range(7))
    assert sorted(ages)[:10] == list(range(10)), "the ten newest"
    assert 6 <= sum(10 <= age < 56 for age in ages) <= 8
    assert 9 <= sum(age >= 56 for age in ages) <= 12
    assert files[0].name == "study-copy.db"


def days_back(today: date, count: int) -> list[Path]:
    return [Path(f"study-{today - timedelta(days=back)}.db") for back in range(count)]


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumped_costs_no_backup(years):
    """One start with the clock ten years wrong, before or after the true time, removes nothing, nor does the next right one."""
    today = date(2026, 11, 26)
    wrong = date(today.year + years, 11, 26)
    files = [*days_back(today, 30), Path(f"study-{wrong}.db")]
    assert thinned(files, wrong, "study") == []
    assert set(thinned(files, today, "study")) - {files[-1]} == set(thinned(days_back(today, 30), today, "study"))


def test_a_clock_far_from_the_last_event_thins_nothing():
    """Opened on two days of a wrong year with no review between, the second start still removes nothing."""
    today = date(2026, 11, 26)
    files = [*days_back(today, 30), Path("study-2036-11-23.db"), Path("study-2036-11-24.db")]
    assert thinned(files, date(2036, 11, 24), "study", last_event=today) == []
    assert thinned(files, date(2036, 11, 24), "study", last_event=date(2036, 11, 23)) != []


def test_the_newest_backups_stay_whatever_their_age():
    """After a year without studying, ten of the old backups are there once daily ones are made again."""
    old = days_back(date(2025, 11, 1), 30)
    files = [*old, Path("study-2026-11-25.db"), Path("study-2026-11-26.db")]
    assert len([file for file in files if file not in thinned(files, date(2026, 11, 26), "study")]) >= 10


def test_a_copy_made_by_hand_stays_though_its_name_ends_in_a_date():
    """Only the exact name of the daily backup is thinned: «before-exam-2025-10-01» is the learner's own."""
    mine = [Path("study-before-exam-2025-10-01.db"), Path("other-2025-10-01.db"), Path("study-2025-10-01.db.gz")]
    gone = thinned([*mine, *days_back(date(2026, 11, 26), 60)], date(2026, 11, 26), "study")
    assert gone and not set(gone) & set(mine)
