"""Plausible wrong bodies of the exercises of attention/hybrid_cache."""


def kept__forgets_the_window(tokens, full, windowed, linear, d_kv, window, state):
    """A windowed layer is counted as a full one."""
    return 2 * d_kv * (full + windowed) * tokens + linear * state


def kept__counts_a_state_per_token(tokens, full, windowed, linear, d_kv, window, state):
    """The state is one per sequence, not one per token."""
    return 2 * d_kv * (full * tokens + windowed * min(tokens, window)) + linear * state * tokens


def kept__counts_one_of_k_and_v(tokens, full, windowed, linear, d_kv, window, state):
    """Keys and values are both stored."""
    return d_kv * (full * tokens + windowed * min(tokens, window)) + linear * state
