"""The identity and the order of events."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from studyapp.reviews.log import LogEvent, active_events, uuid7, uuid7_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@given(st.integers(10**8, 2 * 10**11).map(lambda seconds: datetime.fromtimestamp(seconds + seconds % 1000 / 1000, UTC)))
def test_a_uid_is_a_uuid_of_version_7(at):
    """The uid of an event is a UUID of version 7 that tells its millisecond."""
    uid = UUID(uuid7(at))
    assert uid.version == 7 and uid.variant == RFC_4122
    assert uid.int >> 80 == int(at.timestamp() * 1000)


@given(st.integers(0, 2**128 - 1), st.integers(-5, 5))
def test_a_uid_sorts_after_the_one_before(number, milliseconds):
    """Asked to stand after another, a uid does, though the clock stands still or goes back, and stays a UUIDv7."""
    before = uuid7(datetime.fromtimestamp((number % 10**12) / 1000, UTC))
    before = str(UUID(int=UUID(before).int | (number & (1 << 62) - 1)))  # with its random bits near the end, too
    at = datetime.fromtimestamp((number % 10**12) / 1000, UTC) + timedelta(milliseconds=milliseconds)
    after = uuid7(at, before)
    assert after > before and UUID(after).version == 7 and UUID(after).variant == RFC_4122


def test_the_last_random_number_of_a_millisecond_carries():
    """After the highest UUIDv7 of a millisecond comes one of the next."""
    highest = str(UUID(int=(5 << 80) | (0x7FFF << 64) | (0b10 << 62) | ((1 << 62) - 1)))
    after = UUID(uuid7(datetime.fromtimestamp(0.005, UTC), highest))
    assert after.int >> 80 == 6 and after.version == 7


def test_two_uids_are_never_the_same():
    """Events of the same moment on two machines have different uids."""
    assert len({uuid7(NOW) for _ in range(1000)}) == 1000


def test_the_uid_of_an_old_event_follows_from_it():
    """Two copies of an old log give an event the same uid; another text, number or moment gives another."""
    uid = uuid7_of(NOW, 5, b"review")
    assert uid == uuid7_of(NOW, 5, b"review") and UUID(uid).version == 7
    others = [uuid7_of(NOW, 5, b"reviews"), uuid7_of(NOW, 6, b"review"), uuid7_of(NOW + timedelta(days=1), 5, b"review")]
    assert uid not in others and uuid7_of(NOW, 6, b"a") > uid


def test_undone_events_do_not_count():
    """An undone event is left out, one done again is back, and the undo itself never counts, in whatever order they are read."""
    log = [
        LogEvent("1", "review", "a", NOW, 0, 3),
        LogEvent("2", "suspend", "a", NOW, 0),
        LogEvent("3", "undo", "a", NOW, 0, target="2"),
        LogEvent("4", "undo", "a", NOW, 0, target="1"),
        LogEvent("5", "redo", "a", NOW, 0, target="1"),
    ]
    assert [event.uid for event in active_events(log)] == ["1"]
    assert [event.uid for event in active_events(reversed(log))] == ["1"]


def test_events_count_in_the_order_of_time_and_uid():
    """A replay goes by moment, then by uid, not by when an event came into the file."""
    log = [LogEvent("b", "bury", "a", NOW, 0), LogEvent("c", "reset", "a", NOW - timedelta(1), 0), LogEvent("a", "suspend", "a", NOW, 0)]
    assert [event.uid for event in active_events(log)] == ["c", "a", "b"]


def test_a_kind_of_another_version_counts_for_nothing():
    """An event of a kind that is not known here changes no card."""
    assert active_events([LogEvent("1", "interview", "a", NOW, 0)]) == []
