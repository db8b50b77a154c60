"""What a learner wrote, and what was judged of it, on the disk."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from studyapp.errors import DemoError
from studyapp.lab.attempts import KEPT, Attempt, AttemptStore, stamp

REF = "attention/sample.double"
AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> AttemptStore:
    return AttemptStore(tmp_path / "written")


def test_a_file_is_made_once_and_never_written_over(store: AttemptStore) -> None:
    """Opening a function again finds what was written, not the file that it began with."""
    path = store.begin(REF, "first")
    assert path == store.folder / "attention/sample.double.py" and store.read(REF) == "first"
    path.write_text("mine")
    assert store.begin(REF, "first") == path and store.read(REF) == "mine"


def test_every_version_that_differs_from_the_last_is_kept(store: AttemptStore) -> None:
    """Texts stand in their order with their time and how each claim came out; the same text again is one version, as it came out last."""
    store.keep(REF, Attempt(AT, "a\u2028\r\n", {"one": "broken"}))
    store.keep(REF, Attempt(AT, "b", {"one": "crashed"}))
    store.keep(REF, Attempt(AT + timedelta(hours=1), "b", {"one": "held"}))
    first, second = store.history(REF)
    assert (first.text, first.at, first.held) == ("a\u2028\r\n", AT, False)
    assert (second.text, second.claims, second.held) == ("b", {"one": "held"}, True)
    assert store.last(REF) == second and store.last("attention/sample.other") is None


def test_of_many_versions_the_oldest_go(store: AttemptStore) -> None:
    """No more than KEPT are kept, and the newest is never the one that goes."""
    for number in range(KEPT + 3):
        store.keep(REF, Attempt(AT, str(number), {"one": "held"}))
    texts = [attempt.text for attempt in store.history(REF)]
    assert texts == [str(n) for n in range(3, KEPT + 3)]


def test_a_line_that_cannot_be_read_is_left_where_it_is(store: AttemptStore) -> None:
    """A damaged line hides no other, and the next version does not throw it away."""
    store.keep(REF, Attempt(AT, "a", {"one": "held"}))
    path = store.folder / "attention/sample.double.history.jsonl"
    path.write_text(path.read_text() + '{"at": 3}\nnot json\n')
    store.keep(REF, Attempt(AT, "b", {"one": "held"}))
    assert [a.text for a in store.history(REF)] == ["a", "b"] and "not json\n" in path.read_text()


def test_what_cannot_be_written_or_read_is_told(store: AttemptStore) -> None:
    """Where the data folder is none, or the file is a folder, the learner hears of it."""
    store.folder.write_text("a file")
    with pytest.raises(DemoError, match="cannot write"):
        store.begin(REF, "x")
    store.folder.unlink()
    store.path(REF).mkdir(parents=True)
    with pytest.raises(DemoError, match="cannot read"):
        store.read(REF)


def test_whatever_stands_in_the_file_is_read_and_kept(store: AttemptStore) -> None:
    """Bytes that are no text, and signs that no file can hold, cost those signs alone."""
    store.begin(REF, "x\ud800y")
    assert store.read(REF) == "x?y"
    store.path(REF).write_bytes(b"x\xffy")
    store.keep(REF, Attempt(AT, store.read(REF), {"one": "held"}))
    assert [attempt.text for attempt in store.history(REF)] == ["x\ufffdy"]


def test_a_version_without_claims_did_not_hold_and_times_are_in_utc(store: AttemptStore) -> None:
    """Nothing was shown by it; and the file can be read on another machine."""
    store.keep(REF, Attempt(AT.astimezone(timezone(timedelta(hours=8))), "a", {}))
    (attempt,) = store.history(REF)
    assert not attempt.held and attempt.at == AT and attempt.at.utcoffset() == timedelta(0)


def test_a_saving_is_told_from_the_next(tmp_path: Path) -> None:
    """A file that was put in place of another with the same size and time has another stamp, and one that is not there has none."""
    path, other = tmp_path / "a", tmp_path / "b"
    assert stamp(path) is None
    path.write_text("x")
    before = stamp(path)
    assert before == stamp(path)
    other.write_text("y")
    assert before is not None
    os.utime(other, ns=(before[0], before[0]))  # clocks of file systems are coarse
    other.replace(path)
    assert stamp(path) not in (before, None)


def test_an_empty_body_takes_the_place_of_what_is_kept(store: AttemptStore) -> None:
    """What stood in the file is the last version, judged or not, and is not kept twice."""
    store.begin(REF, "a")
    store.keep(REF, Attempt(AT, "a", {"one": "held"}))
    store.renew(REF, "new", AT)
    assert store.read(REF) == "new" and [each.text for each in store.history(REF)] == ["a"]
    store.path(REF).write_text("b")
    store.renew(REF, "new", AT)
    assert [(each.text, dict(each.claims)) for each in store.history(REF)] == [("a", {"one": "held"}), ("b", {})]
