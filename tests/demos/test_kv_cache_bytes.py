"""The cache counter against torch's grouped attention and counts by hand."""

from collections.abc import Callable
from types import ModuleType

import torch
import torch.nn.functional as F

Demo = Callable[[str], ModuleType]


def test_attention_is_torchs_grouped_attention(demo: Demo) -> None:
    """One step over the cache equals scaled_dot_product_attention with enable_gqa on the cached K and V."""
    layer = demo("inference/kv_cache_bytes").Attention(heads=6, groups=2, head_width=4)
    layer(torch.randn(3, 5, 24))
    x = torch.randn(3, 1, 24)
    ours = layer(x)
    q = (x @ layer.q).unflatten(-1, (6, 4)).transpose(1, 2)
    assert layer.k.shape == (3, 2, 6, 4)
    assert torch.allclose(ours, F.scaled_dot_product_attention(q, layer.k, layer.v, enable_gqa=True), atol=1e-5)


def test_bytes_by_hand(demo: Demo) -> None:
    """One layer, one KV head of width 2, three tokens, bf16: 2 · 3 · 2 numbers of 2 bytes."""
    assert demo("inference/kv_cache_bytes").decoded_bytes(1, 4, 1, 2, 3, 1, torch.bfloat16) == 24
