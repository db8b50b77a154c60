"""What a learner might write instead."""

import unicodedata


def collisions__counts_all(texts, form):
    """Every text that normalisation changes, whether or not it meets another."""
    return [[text] for text in texts if form != "none" and unicodedata.normalize(form, text) != text]


def collisions__against_the_first(texts, form):
    """Repeats of one text taken for a collision."""
    groups = {}
    for text in texts:
        groups.setdefault(text if form == "none" else unicodedata.normalize(form, text), []).append(text)
    return [group for group in groups.values() if len(group) > 2]


def collisions__ignores_case(texts, form):
    """Case folded as well."""
    groups = {}
    for text in dict.fromkeys(texts):
        groups.setdefault(unicodedata.normalize("NFKC", text).casefold(), []).append(text)
    return [group for group in groups.values() if len(group) > 1]
