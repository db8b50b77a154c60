"""The layers of permutation_equivariance and causal_mask_order: what they are blind to, and what not."""

import math

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError


def test_the_biased_head_is_pytorchs_attention(demo):
    """The head with a bias is PyTorch's attention with −|i − j|/2, written out entry by entry, as its mask."""
    head = demo("position/permutation_equivariance")
    x, w = torch.randn(6, 8, dtype=torch.float64), torch.randn(3, 8, 8, dtype=torch.float64) / 8**0.5
    bias = torch.tensor([[-0.5 * abs(i - j) for j in range(6)] for i in range(6)], dtype=torch.float64)
    want = F.scaled_dot_product_attention(*(x @ w)[:, None], attn_mask=bias)[0]
    got = head.attend(x, w, "bias on the score", torch.arange(6, dtype=torch.float64))
    assert torch.allclose(got, want, atol=1e-12)


def test_the_rotation_turns_by_the_place(demo):
    """At width 2 q and k at place p are turned by p radians, by the school formula."""
    head, x = demo("position/permutation_equivariance"), torch.randn(4, 2, dtype=torch.float64)
    w = torch.eye(2, dtype=torch.float64).expand(3, 2, 2)
    turned = torch.stack([torch.stack((a * math.cos(p) - b * math.sin(p), a * math.sin(p) + b * math.cos(p)))
                          for p, (a, b) in enumerate(x)])
    want = F.scaled_dot_product_attention(turned[None], turned[None], x[None])[0]
    got = head.attend(x, w, "rotation of q and k", torch.arange(4, dtype=torch.float64))
    assert torch.allclose(got, want, atol=1e-12)


def test_the_causal_stack_hides_the_future(demo):
    """Changing the last token changes no earlier output under the mask, and every output without it."""
    order, x = demo("position/causal_mask_order"), torch.randn(5, 16, dtype=torch.float64)
    changed = torch.cat((x[:-1], torch.randn(1, 16, dtype=torch.float64)))
    causal, free = order.decoder(16, 2, "causal"), order.decoder(16, 2, "none")
    assert (causal(changed) - causal(x))[:-1].abs().max() == 0
    assert (free(changed) - free(x)).abs().amax(1).min() > 1e-4


def test_positions_in_the_layers_break_the_bag(demo, monkeypatch):
    """If the stack adds positions by itself, one layer is not blind to the order before the last token."""
    order = demo("position/causal_mask_order")
    decoder = order.decoder

    def placed(*arguments):
        run = decoder(*arguments)
        return lambda x: run(x + torch.arange(len(x))[:, None] / len(x) * x)

    monkeypatch.setattr(order, "decoder", placed)
    with pytest.raises(ExpectationError):
        order.claim_one_causal_layer_sees_the_past_as_a_bag()
