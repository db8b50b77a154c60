"""Plausible wrong bodies of the exercise of nlp/embedding_rows."""


def embed__counts_from_one(ids, rows):
    """Ids begin at 0; id 0 would take the last row."""
    return rows[ids - 1]


def embed__scales_the_rows(ids, rows):
    """Times √width, as the original Transformer does after the look-up."""
    return rows[ids] * rows.shape[1] ** 0.5


def embed__looks_up_columns(ids, rows):
    """The table taken for a matrix (width, vocabulary)."""
    return rows.T.reshape(rows.shape)[ids]
