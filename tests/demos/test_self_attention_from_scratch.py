"""The written-out attention against hand-worked numbers, a slow loop and the parameters one would count by hand."""

import math

import pytest
import torch


def test_two_tokens_by_hand(demo):
    """With d_k = 1 and q = k = 0, √ln 3 the second row of scores is 0, ln 3, so its weights are 1/4 and 3/4."""
    attention = demo("attention/self_attention_from_scratch").attention
    root = math.log(3) ** 0.5
    q = torch.tensor([[[[0.0], [root]]]])
    out, weights = attention(q, q, torch.tensor([[[[4.0], [8.0]]]]))
    assert weights[0, 0].flatten().tolist() == pytest.approx([0.5, 0.5, 0.25, 0.75])
    assert out.flatten().tolist() == pytest.approx([6, 7])


def test_scores_are_divided_by_the_root_of_the_head_size(demo):
    """Four equal components of 1 make a dot product of 4, and a score of 2."""
    attention = demo("attention/self_attention_from_scratch").attention
    k = torch.stack([torch.ones(4), torch.zeros(4)])
    weights = attention(torch.ones(1, 1, 1, 4), k[None, None], k[None, None])[1]
    assert (weights[..., 0] / weights[..., 1]).item() == pytest.approx(math.exp(2))


def test_causal_attention_by_a_slow_loop(demo):
    """Token t's output is the softmax average over tokens 0 … t alone, worked out head by head."""
    d = demo("attention/self_attention_from_scratch")
    module, x = d.SelfAttention(12, 2, 5), torch.randn(1, 4, 12)
    rows = []
    for t in range(4):
        parts = []
        for h in range(2):
            own = slice(h * 5, h * 5 + 5)
            q, k, v = module.q(x[0, t])[own], module.k(x[0, : t + 1])[:, own], module.v(x[0, : t + 1])[:, own]
            parts.append((k @ q / 5**0.5).softmax(0) @ v)
        rows.append(module.o(torch.cat(parts)))
    assert torch.allclose(module(x, visible=d.causal(4))[0], torch.stack(rows), atol=1e-6)


def test_cross_attention_takes_keys_and_values_from_the_source(demo):
    """With a source of equal tokens every query returns that token's value, whatever it asks."""
    module = demo("attention/self_attention_from_scratch").SelfAttention(12, 2, 5)
    token = torch.randn(12)
    out = module(torch.randn(1, 3, 12), source=token.expand(1, 7, 12))
    assert torch.allclose(out, module.o(module.v(token)).expand(1, 3, 12), atol=1e-6)
