"""Plausible wrong bodies of the exercises of nlp/digit_grouping."""
# ruff: noqa: F821


def groups__cuts_from_the_left(digits):
    """Three at a time from the left."""
    return [digits[i : i + 3] for i in range(0, len(digits), 3)]


def groups__drops_the_rest(digits):
    """Without what is left over in front."""
    first = len(digits) % 3
    return [digits[i : i + 3] for i in range(first, len(digits), 3)] or [digits]


def add__forgets_the_carry(a, b):
    """Each column by itself."""
    out = ""
    for x, y in itertools.zip_longest(reversed(a), reversed(b), fillvalue="0"):
        out = f"{(int(x) + int(y)) % 1000:03d}" + out
    return str(int(out))


def add__starts_at_the_left(a, b):
    """First group with first group."""
    carry, out = 0, ""
    for x, y in itertools.zip_longest(a, b, fillvalue="0"):
        carry, rest = divmod(int(x) + int(y) + carry, 1000)
        out += f"{rest:03d}"
    return str(int(f"{carry}{out}"))
