"""Plausible wrong bodies of the exercises of architectures/latent_moe."""

import torch


def latent_moe__projects_back_each(x, chosen, gates, down, up, w1, w2):
    """The right numbers, but every expert's output is projected back by itself."""
    z, out = x @ down, torch.zeros_like(x)
    for e in chosen.unique().tolist():
        token, slot = (chosen == e).nonzero(as_tuple=True)
        out[token] += gates[token, slot, None] * ((z[token] @ w1[e]).relu() ** 2 @ w2[e] @ up)
    return out


def latent_moe__skips_the_way_down(x, chosen, gates, down, up, w1, w2):
    """The first latent numbers of x stand in for the projection."""
    z, out = x[:, : down.shape[1]], torch.zeros(len(x), down.shape[1], dtype=x.dtype)
    for e in chosen.unique().tolist():
        token, slot = (chosen == e).nonzero(as_tuple=True)
        out[token] += gates[token, slot, None] * ((z[token] @ w1[e]).relu() ** 2 @ w2[e])
    return out @ up


def latent_moe__forgets_the_gates(x, chosen, gates, down, up, w1, w2):
    """The experts' outputs are added unweighted."""
    z, out = x @ down, torch.zeros(len(x), down.shape[1], dtype=x.dtype)
    for e in chosen.unique().tolist():
        token, _ = (chosen == e).nonzero(as_tuple=True)
        out[token] += (z[token] @ w1[e]).relu() ** 2 @ w2[e]
    return out @ up
