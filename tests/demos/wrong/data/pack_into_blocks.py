"""Plausible wrong bodies of the exercises of data/pack_into_blocks."""


def best_fit__fills_the_last_row_only(lengths, block):
    """Next fit: a row is never opened again."""
    rows, free = [], 0
    for document in sorted(range(len(lengths)), key=lambda d: -lengths[d]):
        if lengths[document] > free:
            rows.append([])
            free = block
        rows[-1].append(document)
        free -= lengths[document]
    return rows


def best_fit__lets_rows_overflow(lengths, block):
    """A row is closed only when it is full already."""
    rows, used = [[]], 0
    for document in range(len(lengths)):
        if used >= block:
            rows.append([])
            used = 0
        rows[-1].append(document)
        used += lengths[document]
    return rows


def concatenate__cuts_each_document_alone(lengths, block):
    """Each document starts a row of its own."""
    rows = []
    for document, n in enumerate(lengths):
        rows += [[(document, min(block, n - begin))] for begin in range(0, n, block)]
    return rows
