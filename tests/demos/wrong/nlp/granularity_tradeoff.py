"""Plausible wrong bodies of the exercise of nlp/granularity_tradeoff."""
# ruff: noqa: F821


def bits_per_byte__forgets_the_natural_logarithm(nats_per_token, tokens, size):
    """Nats taken for bits."""
    return nats_per_token * tokens / size


def bits_per_byte__divides_by_tokens(nats_per_token, tokens, size):
    """Bits per token."""
    return nats_per_token / math.log(2)
