"""Plausible wrong bodies of the exercises of rag/bm25_and_dense."""


def bm25__never_saturates(counts, query, k1, b):
    """tf · idf over the length norm."""
    tf = counts[:, query]
    holders = (tf > 0).sum(0)
    idf = ((len(counts) - holders + 0.5) / (holders + 0.5) + 1).log()
    length = counts.sum(1, keepdim=True)
    return (idf * tf * (k1 + 1) / (1 - b + b * length / length.mean())).sum(1)


def bm25__forgets_the_length(counts, query, k1, b):
    """b is not used."""
    tf = counts[:, query]
    holders = (tf > 0).sum(0)
    idf = ((len(counts) - holders + 0.5) / (holders + 0.5) + 1).log()
    return (idf * tf * (k1 + 1) / (tf + k1)).sum(1)


def bm25__divides_by_the_corpus(counts, query, k1, b):
    """Term frequency over all documents in place of document frequency."""
    tf = counts[:, query]
    holders = tf.sum(0)
    idf = ((counts.sum() - holders + 0.5) / (holders + 0.5) + 1).log()
    length = counts.sum(1, keepdim=True)
    return (idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / length.mean()))).sum(1)


def fuse__counts_from_zero(rankings, k=60):
    """Ranks from 0."""
    scores = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking):
            scores[document] = scores.get(document, 0.0) + 1 / (k + rank)
    return scores


def fuse__adds_the_ranks(rankings, k=60):
    """1 over the sum of the ranks."""
    places = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, 1):
            places[document] = places.get(document, 0) + rank
    return {document: 1 / (k + rank) for document, rank in places.items()}
