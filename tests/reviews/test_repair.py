"""The cards anew from the log."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from studyapp.errors import DamagedError
from studyapp.reviews.repair import changes, rebuild
from studyapp.reviews.store import Store
from tests.campaigns.flips import campaign
from tests.reviews.conftest import filled


def harm(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_sound_database_has_no_differences(path, settings, now):
    """Where nothing is wrong, nothing is told, and a rebuild changes nothing."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        assert list(store.differences()) == [] and store.index_faults() == []
    assert rebuild(path, settings) == ([], None)
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards


def test_what_differs_is_named_and_mended(path, settings, now):
    """Cards that are not what the log makes of them are told, each with what differs: changed, unreadable, lost, made
    up, and with a wrong note of what was undone. A rebuild makes all as it was."""
    cards = filled(path, settings, now)
    harm(
        path,
        "UPDATE cards SET reps = reps + 1 WHERE card = '1#recall'",
        "UPDATE cards SET last_at = 'yesterday' WHERE card = '2#recall'",
        "DELETE FROM cards WHERE card = '3#recall'",
        "INSERT INTO cards SELECT 'made-up#recall', state, step, due_at, due_day, stability, difficulty, last_day, last_at,"
        " reps, lapses, suspended, buried_day, leech, deck FROM cards WHERE card = '4#recall'",
        "INSERT INTO undone SELECT seq, seq FROM events WHERE card = '5#recall' LIMIT 1",
    )
    with Store.open(path, settings, now) as store:
        found = {each.card: changes(each) for each in store.differences()}
    reps = cards["1#recall"].reps
    assert found["1#recall"] == [f"reps {reps + 1}, by the log {reps}"]
    assert found["2#recall"] == ["could not be read"] and found["made-up#recall"] == ["is in no event"]
    assert found["5#recall"] == ["has a wrong note of what was undone"]
    assert any(line.startswith("state new, by the log") for line in found["3#recall"]) and len(found) == 5
    differing, aside = rebuild(path, settings)
    assert {each.card for each in differing} == set(found) and aside is None
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards and list(store.differences()) == []


def test_damaged_pages_of_the_cards_cost_nothing(path, settings, now):
    """Where the pages of the cards are damaged and the log is whole, the hint is the rebuild, and it brings back all:
    the same cards, the same log, the same device. The damaged file is kept beside it."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        log, device = store.events(), store.device
        ((page,),) = store.db.conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'cards'")
        store.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    with pytest.raises(DamagedError) as caught:
        Store.open(path, settings, now)
    assert caught.value.hint == "The log is whole. Run: studyapp doctor --rebuild"
    _, aside = rebuild(path, settings)
    assert aside is not None and aside.read_bytes()[4096:] == bytes(raw)[4096:]
    with Store.open(path, settings, now) as store:
        assert (store.cards(), store.events(), store.device) == (cards, log, device)
        store.append("review", "0#recall", now.replace(year=2027), rating=3)


def test_a_damaged_log_is_not_rebuilt_from(path, settings, now):
    """Where an event is damaged, a rebuild changes nothing and the way back is a backup."""
    filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        backup = store.backups()[0]
    harm(path, "DROP TRIGGER events_stay", "UPDATE events SET rating = 5 - rating WHERE seq = 7")
    before = path.read_bytes()
    with pytest.raises(DamagedError) as caught:
        rebuild(path, settings)
    assert caught.value.hint == f"Run: studyapp restore {backup}" and path.read_bytes() == before


def test_an_index_that_lost_a_row_is_seen_and_made_anew(path, settings, now):
    """Counts are read from indexes: one that is not what its table makes of it is told, and a rebuild mends it."""
    filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        before = store.days()
    harm(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = sql || ' WHERE seq != 7' WHERE name = 'events_of_day'",
    )
    harm(path, "REINDEX events_of_day")
    harm(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, ' WHERE seq != 7', '') WHERE name = 'events_of_day'",
    )
    with Store.open(path, settings, now) as store:
        assert store.days() != before and store.index_faults() and not list(store.differences())
    rebuild(path, settings)
    with Store.open(path, settings, now) as store:
        assert store.days() == before and not store.index_faults()


def test_twenty_flipped_bits(tmp_path):
    """No flipped bit gives a traceback; what it changes is told at once or seen by doctor, and mended where the log is
    whole."""
    counted, wrong = campaign(20, 7, tmp_path)
    assert wrong == [] and sum(counted.values()) == 20 and counted["told at once"] >= 3


def test_a_difference_says_each_field(path, settings, now):
    """All that differs in a card is said."""
    from studyapp.reviews.integrity import Difference

    card = filled(path, settings, now)["1#recall"]
    assert len(changes(Difference(card.card, card, replace(card, reps=99, leech=True)))) == 2
