"""Plausible wrong bodies of the exercises of data/minhash_dedup."""

PRIME = 2**31 - 1


def minhash__takes_one_hash_for_all(items, a, b):
    """One hash function, its smallest values: a bottom-k sketch read as if it were slots."""
    values = ((a[0] * items + b[0]) % PRIME).sort().values
    return values[: 1].expand(len(a)).clone()


def minhash__takes_the_mean(items, a, b):
    """The mean of the hashes instead of their minimum."""
    return ((a[:, None] * items + b[:, None]) % PRIME).double().mean(1)


def candidates__asks_for_every_band(first, second, bands, rows):
    """Any row in every band."""
    return (first == second).unflatten(1, (bands, rows)).any(2).all(1)


def candidates__asks_for_any_row(first, second, bands, rows):
    """One equal minimum is enough."""
    return (first == second).any(1)
