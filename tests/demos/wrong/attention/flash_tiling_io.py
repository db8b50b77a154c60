"""Plausible wrong bodies of the exercises of attention/flash_tiling_io."""

import torch


def tiled__adds_without_rescaling(hbm, rows, keys):
    """O is summed as it is, and divided by the last sum."""
    tokens, d = hbm.tensors["Q"].shape
    for j in range(0, tokens, keys):
        k, v = hbm.load("K", slice(j, j + keys)), hbm.load("V", slice(j, j + keys))
        for i in range(0, tokens, rows):
            q, o, l, m = (hbm.load(x, slice(i, i + rows)) for x in ("Q", "O", "l", "m"))  # noqa: E741
            s = q @ k.T / d**0.5
            top = torch.maximum(m, s.amax(1, keepdim=True))
            p = torch.exp(s - top)
            total = l + p.sum(1, keepdim=True)
            for name, value in (("O", (l * o + p @ v) / total), ("l", total), ("m", top)):
                hbm.store(name, value, slice(i, i + rows))


def tiled__stores_the_scores(hbm, rows, keys):
    """The right output, with S written out and read back."""
    hbm.store("S", hbm.load("Q") @ hbm.load("K").T / hbm.tensors["Q"].shape[1] ** 0.5)
    hbm.store("O", hbm.load("S").softmax(1) @ hbm.load("V"))


def tiled__forgets_the_scale(hbm, rows, keys):
    """Scores are not divided by √d."""
    tokens = len(hbm.tensors["Q"])
    for j in range(0, tokens, keys):
        k, v = hbm.load("K", slice(j, j + keys)), hbm.load("V", slice(j, j + keys))
        for i in range(0, tokens, rows):
            q, o, l, m = (hbm.load(x, slice(i, i + rows)) for x in ("Q", "O", "l", "m"))  # noqa: E741
            s = q @ k.T
            top = torch.maximum(m, s.amax(1, keepdim=True))
            p, old = torch.exp(s - top), torch.exp(m - top) * l
            total = old + p.sum(1, keepdim=True)
            for name, value in (("O", (old * o + p @ v) / total), ("l", total), ("m", top)):
                hbm.store(name, value, slice(i, i + rows))


def tiled__loads_k_for_every_tile(hbm, rows, keys):
    """The right output, with K and V read again for every block of queries."""
    tokens, d = hbm.tensors["Q"].shape
    for j in range(0, tokens, keys):
        for i in range(0, tokens, rows):
            k, v = hbm.load("K", slice(j, j + keys)), hbm.load("V", slice(j, j + keys))
            q, o, l, m = (hbm.load(x, slice(i, i + rows)) for x in ("Q", "O", "l", "m"))  # noqa: E741
            s = q @ k.T / d**0.5
            top = torch.maximum(m, s.amax(1, keepdim=True))
            p, old = torch.exp(s - top), torch.exp(m - top) * l
            total = old + p.sum(1, keepdim=True)
            for name, value in (("O", (old * o + p @ v) / total), ("l", total), ("m", top)):
                hbm.store(name, value, slice(i, i + rows))
