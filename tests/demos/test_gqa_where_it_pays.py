"""The layer with shared key/value heads against PyTorch's attention; its FLOPs and bytes against hand-worked numbers."""

import torch
import torch.nn.functional as F


def test_core_is_attention_with_repeated_heads(demo):
    """Query heads 0–2 look at the first of two key/value heads, 3–5 at the second, as in PyTorch with repeated heads."""
    layer = demo("attention/gqa_where_it_pays").Layer(24, 6, 2, 32)
    x, new = torch.randn(9, 24), torch.randn(4, 24)
    k, v = (t.repeat_interleave(3, 0) for t in layer.cache(x))
    q = new.unflatten(-1, (6, 4)).transpose(0, 1)
    want = F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
    assert torch.allclose(layer.core(new, layer.cache(x)), want, atol=1e-6)


def test_flops_of_a_small_prefill_by_hand(demo):
    """3 tokens, D = 8, h = 4, n = 2, hidden 16: 4·3·64·1.5 in projections, 4·9·8 in attention, 6·3·8·16 in the MLP."""
    d = demo("attention/gqa_where_it_pays")
    assert d.flops(d.on_meta(8, 4, 2, 16), d.states(3, 8)) == 1152 + 288 + 2304


def test_bytes_of_llama_2_70b(demo):
    """A layer of Llama 2 70B holds 855,638,016 weights, and a token leaves 2 · 8 · 128 numbers, 2 bytes each."""
    d = demo("attention/gqa_where_it_pays")
    assert d.held(d.on_meta(8192, 64, 8, 28672)) == (2 * 855_638_016, 2 * 2048)
