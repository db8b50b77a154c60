"""Plausible wrong bodies of the exercises of nlp/wordpiece_merges."""
# ruff: noqa: F821


def scores__divides_by_the_sum(words):
    """Over the sum of both frequencies."""
    single, double = symbol_counts(words), pair_counts(words)
    return {(a, b): n / (single[a] + single[b]) for (a, b), n in double.items()}


def scores__counts_each_word_once(words):
    """Without the words' counts."""
    once = dict.fromkeys(words, 1)
    single, double = symbol_counts(once), pair_counts(once)
    return {(a, b): n / (single[a] * single[b]) for (a, b), n in double.items()}


def encode__gives_unk_for_the_piece(word, vocabulary):
    """[UNK] for one character, and on."""
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((e for e in range(len(word), start, -1) if mark + word[start:e] in vocabulary), None)
        pieces.append("[UNK]" if end is None else mark + word[start:end])
        start = start + 1 if end is None else end
    return pieces


def encode__takes_the_shortest(word, vocabulary):
    """Shortest match."""
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((e for e in range(start + 1, len(word) + 1) if mark + word[start:e] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces


def encode__forgets_the_marks(word, vocabulary):
    """Looks inner pieces up without ##."""
    pieces, start = [], 0
    while start < len(word):
        end = next((e for e in range(len(word), start, -1) if word[start:e] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(word[start:end])
        start = end
    return pieces
