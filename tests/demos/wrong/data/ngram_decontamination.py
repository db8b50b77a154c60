"""Plausible wrong bodies of the exercises of data/ngram_decontamination."""

import re


def contaminated__keeps_case_and_marks(document, item, n):
    """Compared as they are written."""
    grams = []
    for text in (document, item):
        words = text.split()
        grams.append({tuple(words[i : i + n]) for i in range(len(words) - n + 1)})
    return bool(grams[0] & grams[1])


def contaminated__asks_for_one_word(document, item, n):
    """Any shared word counts."""
    return bool(set(re.findall(r"\w+", document.lower())) & set(re.findall(r"\w+", item.lower())))


def order_p_value__counts_the_less_likely(junction, shuffles):
    """The other tail."""
    published = junction.diagonal(1).sum()
    shuffled = junction[shuffles[:, :-1], shuffles[:, 1:]].sum(1)
    return (1 + int((shuffled <= published).sum())) / (1 + len(shuffles))


def order_p_value__forgets_the_order_itself(junction, shuffles):
    """Without the published order a p of zero is possible."""
    published = junction.diagonal(1).sum()
    shuffled = junction[shuffles[:, :-1], shuffles[:, 1:]].sum(1)
    return int((shuffled >= published).sum()) / len(shuffles)
