"""Plausible wrong bodies of the exercise of nlp/pretraining_objectives."""


def corrupt_spans__masks_each_token(tokens, spans):
    """One sentinel for each token of a span."""
    source, target, at = [], [], 0
    for i, (start, length) in enumerate(spans):
        source += [*tokens[at:start], *[f"<{i}>"] * length]
        target += [f"<{i}>", *tokens[start : start + length]]
        at = start + length
    return source + tokens[at:], [*target, f"<{len(spans)}>"]


def corrupt_spans__repeats_one_sentinel(tokens, spans):
    """The same sentinel for all: the target does not tell the spans apart."""
    source, target, at = [], [], 0
    for start, length in spans:
        source += [*tokens[at:start], "<0>"]
        target += ["<0>", *tokens[start : start + length]]
        at = start + length
    return source + tokens[at:], [*target, "<0>"]


def corrupt_spans__forgets_the_last_sentinel(tokens, spans):
    """The target does not say where it ends."""
    source, target, at = [], [], 0
    for i, (start, length) in enumerate(spans):
        source += [*tokens[at:start], f"<{i}>"]
        target += [f"<{i}>", *tokens[start : start + length]]
        at = start + length
    return source + tokens[at:], target
