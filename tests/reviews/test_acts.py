"""What a screen does to cards beside any sitting."""

from studyapp.reviews.acts import Acts
from studyapp.reviews.log import Rating


def test_reset_makes_new_and_keeps_the_log(store, now):
    """A reset card is new again, its events stay, and undo gives back what it was."""
    store.append("review", "a#recall", now, rating=4)
    before, acts = store.card("a#recall"), Acts(store)
    assert acts.reset("a#recall", now).state == "new" and len(store.events("a#recall")) == 2
    assert (act := acts.undo(now)) is not None and (act.kind, act.card) == ("reset", "a#recall")
    assert store.card("a#recall") == before


def test_acts_take_back_themselves_only(store, now):
    """A screen's undo walks through what was done there, and never further."""
    acts = Acts(store)
    store.append("review", "a#recall", now, rating=3)
    acts.suspend("b#recall", now)
    acts.unsuspend("b#recall", now)
    store.append("bury", "c#recall", now)
    assert [acts.undo(now).kind for _ in range(2)] == ["unsuspend", "suspend"]
    assert acts.undo(now) is None
    assert not store.card("b#recall").suspended and store.card("a#recall").reps == 1
    assert [acts.redo(now).kind for _ in range(2)] == ["suspend", "unsuspend"] and acts.redo(now) is None


def test_an_act_says_its_rating_and_whether_it_made_a_leech(store, now):
    """A review that is taken back tells the card, the rating and that the card was a leech by it."""
    from studyapp.settings import Settings

    store.configure(Settings(timezone="UTC", leech_lapses=1))
    acts = Acts(store)
    acts.review(store.card("a#recall"), Rating.EASY, now, 3.0, "en", {})
    acts.review(store.card("a#recall"), Rating.AGAIN, now.replace(day=30), 4.0, "zh", {})
    assert [(act.rating, act.seconds, act.became_leech) for act in acts.done] == [(4, 3.0, False), (1, 4.0, True)]
