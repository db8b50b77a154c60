"""Plausible wrong bodies of the exercises of nlp/bpe_from_scratch."""
# ruff: noqa: F821


def join__joins_once(word, pair):
    """Only the first occurrence."""
    for i in range(len(word) - 1):
        if word[i : i + 2] == pair:
            return (*word[:i], word[i] + word[i + 1], *word[i + 2 :])
    return word


def join__overlaps(word, pair):
    """Goes on by one symbol after a join."""
    out, i = [], 0
    while i < len(word):
        two = word[i : i + 2] == pair
        out.append(word[i] + word[i + 1] if two else word[i])
        i += 1
    return tuple(out)


def merge_step__counts_types(words):
    """Each word counts once."""
    counts = {}
    for word in words:
        for pair in itertools.pairwise(word):
            counts[pair] = counts.get(pair, 0) + 1
    best = max(counts, key=counts.__getitem__)
    return best, counts[best], {join(word, best): times for word, times in words.items()}


def merge_step__takes_the_last_of_equals(words):
    """Of equal counts the pair met last."""
    counts = {}
    for word, times in words.items():
        for pair in itertools.pairwise(word):
            counts[pair] = counts.get(pair, 0) + times
    best = max(reversed(counts), key=counts.__getitem__)
    return best, counts[best], {join(word, best): times for word, times in words.items()}


def encode__replays_backwards(word, merges):
    """The last merge first."""
    for pair in reversed(merges):
        word = join(word, pair)
    return word


def encode__takes_the_longest_piece(word, merges):
    """Longest match from the left."""
    known, text, out = {a + b for a, b in merges}, "".join(word), []
    while text:
        size = max((n for n in range(2, len(text) + 1) if text[:n] in known), default=1)
        out.append(text[:size])
        text = text[size:]
    return tuple(out)
