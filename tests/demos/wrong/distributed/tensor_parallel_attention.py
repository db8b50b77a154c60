"""Plausible wrong bodies of the exercises of distributed/tensor_parallel_attention."""


def own_kv__deals_round_robin(w, kv_heads, rank, ranks):
    """One KV head after another, rank after rank."""
    return w.unflatten(1, (kv_heads, -1))[:, rank % kv_heads :: ranks].flatten(1)


def own_kv__takes_the_first_ones(w, kv_heads, rank, ranks):
    """As many as it should, but the first ones on every rank."""
    return w[:, : max(1, kv_heads // ranks) * w.shape[1] // kv_heads]


def own_kv__starts_again_at_zero(w, kv_heads, rank, ranks):
    """Right as long as there are as many KV heads as ranks; then the rank number runs past the heads and wraps round."""
    n = max(1, kv_heads // ranks)
    first = rank * n % kv_heads
    return w.unflatten(1, (kv_heads, -1))[:, first : first + n].flatten(1)
