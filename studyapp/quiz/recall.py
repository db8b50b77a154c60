"""Recall: say the answer, tick the points that were said."""

from studyapp.reviews.log import Rating


def suggest(ticked: int, total: int) -> Rating:
    """The rating the ticked points speak for: all Good, two thirds Hard, fewer Again. Easy is the learner's own."""
    if total <= 0 or ticked >= total:
        return Rating.GOOD
    return Rating.HARD if 3 * ticked >= 2 * total else Rating.AGAIN
