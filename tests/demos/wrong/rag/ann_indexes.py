"""Plausible wrong bodies of the exercises of rag/ann_indexes."""


def walk__stops_at_the_first_dead_end(distance, links, start, ef):
    """Greedy descent: stops where no neighbour is nearer."""
    vertex, seen = start, {start}
    while True:
        seen.update(links[vertex])
        best = min([vertex, *links[vertex]], key=distance.__getitem__)
        if best == vertex:
            return vertex, len(seen)
        vertex = best


def walk__follows_one_link(distance, links, start, ef):
    """Always the first link, ef times."""
    vertex, seen = start, {start}
    for _ in range(ef):
        vertex = links[vertex][0]
        seen.add(vertex)
    return min(seen, key=distance.__getitem__), len(seen)


def table_distances__adds_codes_not_squares(query, codes, books):
    """Distances of the parts, not their squares: they do not add up."""
    parts = query.view(len(books), 1, -1)
    return ((parts - books) ** 2).sum(2).sqrt().gather(1, codes.T).sum(0)


def table_distances__uses_one_codebook(query, codes, books):
    """The first codebook for every part."""
    parts = query.view(len(books), 1, -1)
    return ((parts - books[:1]) ** 2).sum(2).gather(1, codes.T).sum(0)
