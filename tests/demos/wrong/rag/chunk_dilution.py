"""Plausible wrong bodies of the exercises of rag/chunk_dilution."""


def by_chunks__takes_the_mean(queries, facts):
    """The mean over the chunks: nothing is gained over pooling."""
    documents, n, _ = facts.shape
    return (queries @ facts.flatten(0, 1).T).unflatten(1, (documents, n)).mean(2)


def by_chunks__forgets_the_parent(queries, facts):
    """Chunk i is taken for document i mod documents."""
    documents, n, _ = facts.shape
    return (queries @ facts.flatten(0, 1).T).unflatten(1, (n, documents)).amax(1)
