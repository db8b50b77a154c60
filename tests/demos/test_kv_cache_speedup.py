"""The KV-cache demo's model against torch's own attention, and its meters against counts by hand."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F

Demo = Callable[[str], ModuleType]
NAME = "inference/kv_cache_speedup"


def test_attention_is_torchs(demo: Demo) -> None:
    """The demo's causal attention equals scaled_dot_product_attention with is_causal."""
    model = demo(NAME).TinyGPT(width=32, heads=4)
    qkv = torch.randn(2, 7, 96)
    ours, (k, v) = model.attend(qkv, None)
    q = qkv[..., :32].unflatten(-1, (4, 8)).transpose(1, 2)
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_feeding_in_any_pieces_gives_the_same_logits(demo: Demo) -> None:
    """A prompt fed whole, in unequal pieces or token by token leaves the same logits and cache."""
    it = demo(NAME)
    model, tokens = it.TinyGPT(width=32), it.prompt_of(11, batch=3)
    whole = model(tokens)
    for pieces in ([4, 1, 6], [1] * 11):
        cache: list[tuple[torch.Tensor, torch.Tensor]] = []
        for piece in tokens.split(pieces, 1):
            logits = model(piece, cache)
        assert torch.allclose(logits, whole, atol=1e-4)
        assert cache[0][0].shape == (3, 4, 11, 8)


def test_first_layer_keys_do_not_need_the_mask(demo: Demo) -> None:
    """Only layers above the first depend on the mask: their input is an attention output."""
    it = demo(NAME)
    with pytest.raises(AssertionError):
        it.claim_causal_mask_freezes_past_keys(layers=1)


def test_stale_cache_is_noticed(demo: Demo) -> None:
    """A cache with one old key changed gives other logits: the comparison can fail."""
    it = demo(NAME)
    model, tokens = it.TinyGPT(width=32), it.prompt_of(9)
    cache: list[tuple[torch.Tensor, torch.Tensor]] = []
    model(tokens[:, :-1], cache)
    cache[1][0][0, :, 2] += 1
    assert (model(tokens[:, -1:], cache) - model(tokens)).abs().max() > 1e-3


def test_reads_are_counted_by_hand(demo: Demo) -> None:
    """One step of a one-layer model of width 8 reads 12·64 + 8·50 weights and 2·8·5 cached numbers of 4 bytes."""
    it = demo(NAME)
    model, tokens = it.TinyGPT(width=8, layers=1, heads=2), it.prompt_of(5)
    cache: list[tuple[torch.Tensor, torch.Tensor]] = []
    model(tokens[:, :-1], cache)
    with it.Reads() as meter:
        model(tokens[:, -1:], cache)
    assert meter.weights == 4 * (12 * 64 + 8 * 50)
    assert meter.cache == 4 * 2 * 8 * 5
