"""What a learner might write instead."""

from collections import Counter


def alphabet__share_of_distinct_characters(text, coverage):
    """The share taken of the different characters, not of the text."""
    ranked = [c for c, _ in Counter(text).most_common()]
    return set(ranked[: round(coverage * len(ranked))])


def alphabet__stops_one_early(text, coverage):
    """The character that would reach the share is left out."""
    kept, seen = set(), 0
    for character, count in Counter(text).most_common():
        if seen + count >= coverage * len(text):
            break
        kept.add(character)
        seen += count
    return kept


def alphabet__rarest_first(text, coverage):
    """From the other end."""
    kept, seen = set(), 0
    for character, count in reversed(Counter(text).most_common()):
        if seen >= coverage * len(text):
            break
        kept.add(character)
        seen += count
    return kept
