"""The KV-cache demo's model: how a prompt is cut, and what happens to an old key, must show in the logits as they should."""

from collections.abc import Callable
from types import ModuleType

import torch

Demo = Callable[[str], ModuleType]
NAME = "inference/kv_cache_speedup"


def test_feeding_in_any_pieces_gives_the_same_logits(demo: Demo) -> None:
    """A prompt fed whole, in unequal pieces or token by token leaves the same logits and cache."""
    model, tokens = demo(NAME).TinyGPT(width=32), torch.randint(50, (3, 11))
    whole = model(tokens, [])
    for pieces in ([4, 1, 6], [1] * 11):
        cache: list[torch.Tensor] = []
        for piece in tokens.split(pieces, 1):
            logits = model(piece, cache)
        assert torch.allclose(logits, whole, atol=1e-4)
        assert cache[0].shape == (2, 3, 4, 11, 8)


def test_a_changed_old_key_is_noticed(demo: Demo) -> None:
    """A cache with one old key changed gives other logits: the cached keys are really used."""
    model, tokens = demo(NAME).TinyGPT(width=32), torch.randint(50, (1, 9))
    cache: list[torch.Tensor] = []
    model(tokens[:, :-1], cache)
    cache[1][0, 0, :, 2] += 1
    assert (model(tokens[:, -1:], cache) - model(tokens, [])).abs().max() > 1e-3
