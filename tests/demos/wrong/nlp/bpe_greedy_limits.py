"""Plausible wrong bodies of the exercises of nlp/bpe_greedy_limits."""
# ruff: noqa: F821


def fewest__takes_the_longest(text, vocabulary):
    """Longest piece from the left."""
    count = 0
    while text:
        n = max((k for k in range(2, len(text) + 1) if text[:k] in vocabulary), default=1)
        text, count = text[n:], count + 1
    return count


def fewest__counts_characters(text, vocabulary):
    """One token a character."""
    return len(text)


def encode_with_dropout__tries_again(word, merges, p):
    """Draws anew where everything was dropped."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        places = [(ranks[pair], i) for i, pair in enumerate(itertools.pairwise(word)) if pair in ranks]
        if not places:
            return word
        if kept := [place for place in places if torch.rand(()) >= p]:
            i = min(kept)[1]
            word = [*word[:i], word[i] + word[i + 1], *word[i + 2 :]]


def encode_with_dropout__keeps(word, merges, p):
    """Keeps with probability p instead of dropping."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        places = [(ranks[pair], i) for i, pair in enumerate(itertools.pairwise(word)) if pair in ranks]
        kept = [place for place in places if torch.rand(()) < p]
        if not kept:
            return word
        i = min(kept)[1]
        word = [*word[:i], word[i] + word[i + 1], *word[i + 2 :]]
