"""Plausible wrong bodies of the exercises of distributed/ulysses_all_to_all."""

import torch
import torch.distributed as dist


def to_heads__sends_without_transposing(x, ranks):
    """A reshape in place of unflatten and transpose."""
    send = x.reshape(ranks, x.shape[0], x.shape[1] // ranks, x.shape[2])
    got = torch.empty_like(send)
    dist.all_to_all_single(got, send)
    return got.flatten(0, 1)


def to_heads__gathers_everything(x, ranks):
    """Right, by an all-gather of all heads, of which a part is kept."""
    parts = [torch.empty_like(x) for _ in range(ranks)]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts).chunk(ranks, 1)[dist.get_rank()]


def to_heads__exchanges_tokens(x, ranks):
    """The arriving parts are laid side by side as heads."""
    send = x.unflatten(1, (ranks, -1)).transpose(0, 1).contiguous()
    got = torch.empty_like(send)
    dist.all_to_all_single(got, send)
    return got.transpose(0, 1).flatten(0, 1)
