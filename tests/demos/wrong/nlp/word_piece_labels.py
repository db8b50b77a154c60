"""Plausible wrong bodies of giving labels to pieces; a claim of the demo refutes each."""


def align__labels_every_piece(word_ids: list[int | None], labels: list[int]) -> list[int]:
    """Every piece carries the label of its word."""
    return [-100 if word is None else labels[word] for word in word_ids]


def align__labels_the_last_piece(word_ids: list[int | None], labels: list[int]) -> list[int]:
    """The last piece of a word instead of the first."""
    after = [*word_ids[1:], None]
    return [-100 if word is None or word == then else labels[word] for word, then in zip(word_ids, after, strict=True)]


def align__forgets_cls(word_ids: list[int | None], labels: list[int]) -> list[int]:
    """[CLS] and [SEP] get the tag 0, and are trained on it."""
    aligned, before = [], -1
    for word in word_ids:
        aligned.append(0 if word is None else -100 if word == before else labels[word])
        before = word
    return aligned
