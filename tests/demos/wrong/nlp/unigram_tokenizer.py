"""Plausible wrong bodies of the exercises of nlp/unigram_tokenizer."""
# ruff: noqa: F821


def viterbi__takes_the_longest(text, p):
    """Longest piece from the left."""
    out = []
    while text:
        n = max(n for n in range(1, len(text) + 1) if text[:n] in p)
        out, text = [*out, text[:n]], text[n:]
    return out


def viterbi__takes_the_fewest(text, p):
    """Fewest pieces, whatever their probability."""
    best = [(0, ())] + [(math.inf, ())] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            if text[start:end] in p and best[start][0] + 1 < best[end][0]:
                best[end] = (best[start][0] + 1, (*best[start][1], text[start:end]))
    return list(best[-1][1])


def expected_counts__counts_the_best_split_only(text, p):
    """Counts of the best split, with the right probability."""
    counts = {}
    for piece in viterbi(text, p):
        counts[piece] = counts.get(piece, 0.0) + 1.0
    forward = [1.0] + [0.0] * len(text)
    for end in range(1, len(text) + 1):
        forward[end] = sum(forward[s] * p.get(text[s:end], 0.0) for s in range(end))
    return counts, forward[-1]


def expected_counts__forgets_what_follows(text, p):
    """Without the sums from behind."""
    n = len(text)
    forward = [1.0] + [0.0] * n
    for end in range(1, n + 1):
        forward[end] = sum(forward[s] * p.get(text[s:end], 0.0) for s in range(end))
    counts = {}
    for start in range(n):
        for end in range(start + 1, n + 1):
            piece = text[start:end]
            if piece in p:
                counts[piece] = counts.get(piece, 0.0) + forward[start] * p[piece] / forward[end]
    return counts, forward[n]
