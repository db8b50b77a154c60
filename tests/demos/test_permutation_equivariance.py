"""The layers of permutation_equivariance against loops, PyTorch's attention and hand-worked averages."""

import math

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def shuffled(demo):
    return demo("position/permutation_equivariance")


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return torch.randn(6, 8, dtype=torch.float64), torch.randn(3, 8, 8, dtype=torch.float64) / 8**0.5


def test_the_plain_head_is_pytorchs_attention(shuffled, inputs):
    """Without any position, one head is scaled_dot_product_attention of the three projections."""
    x, w = inputs
    want = F.scaled_dot_product_attention((x @ w[0])[None], (x @ w[1])[None], (x @ w[2])[None])[0]
    assert torch.allclose(shuffled.attend(x, w, "nothing"), want, atol=1e-12)


def test_the_bias_is_minus_half_the_distance(shuffled, inputs):
    """The biased head is PyTorch's attention with −|i − j|/2, written out entry by entry, as its mask."""
    x, w = inputs
    bias = torch.tensor([[-0.5 * abs(i - j) for j in range(6)] for i in range(6)], dtype=torch.float64)
    want = F.scaled_dot_product_attention((x @ w[0])[None], (x @ w[1])[None], (x @ w[2])[None], attn_mask=bias)[0]
    assert torch.allclose(shuffled.attend(x, w, "bias on the score"), want, atol=1e-12)


def test_the_added_vector_holds_sines_and_cosines(shuffled, inputs):
    """Adding the code by loops beforehand gives what the head adds by itself."""
    x, w = inputs
    code = [[f(p * 10000 ** (-2 * i / 8)) for f in (math.sin, math.cos) for i in range(4)] for p in range(6)]
    want = shuffled.attend(x + torch.tensor(code, dtype=torch.float64), w, "nothing")
    assert torch.allclose(shuffled.attend(x, w, "vector added to the input"), want, atol=1e-12)


def test_the_rotation_turns_by_the_position(shuffled, inputs):
    """At every place pair i of q and k is turned by place · 10000^(−2i/d), by the school formula."""
    x, w = inputs

    def turned(y):
        out = y.clone()
        for p in range(6):
            for i in range(4):
                a, angle = y[p, 2 * i : 2 * i + 2], p * 10000 ** (-2 * i / 8)
                out[p, 2 * i] = a[0] * math.cos(angle) - a[1] * math.sin(angle)
                out[p, 2 * i + 1] = a[0] * math.sin(angle) + a[1] * math.cos(angle)
        return out

    want = F.scaled_dot_product_attention(turned(x @ w[0])[None], turned(x @ w[1])[None], (x @ w[2])[None])[0]
    assert torch.allclose(shuffled.attend(x, w, "rotation of q and k"), want, atol=1e-12)


def test_the_causal_stack_hides_the_future(shuffled):
    """Changing the last token changes no earlier output under the mask, and every output without it."""
    stack, x = shuffled.encoder(16, 2), torch.randn(5, 16, dtype=torch.float64)
    changed = torch.cat((x[:-1], torch.randn(1, 16, dtype=torch.float64)))
    causal = (shuffled.run(stack, changed, True) - shuffled.run(stack, x, True)).abs().amax(1)
    free = (shuffled.run(stack, changed) - shuffled.run(stack, x)).abs().amax(1)
    assert causal[:-1].max() == 0
    assert causal[-1] > 0.01
    assert free.min() > 1e-4


def test_a_shuffle_changes_the_order(shuffled):
    """Of two tokens there is one shuffle: the other way round."""
    assert all(shuffled.shuffle(2).tolist() == [1, 0] for _ in range(20))


def test_positions_in_the_layers_break_the_claims(shuffled, monkeypatch):
    """If the stack adds positions by itself, it is neither equivariant nor blind to the order before the last token."""
    run = shuffled.run
    monkeypatch.setattr(
        shuffled, "run", lambda stack, x, causal=False: run(stack, x + torch.arange(len(x))[:, None] / len(x) * x, causal)
    )
    for claim in (shuffled.claim_attention_without_positions_is_equivariant, shuffled.claim_pooled_output_is_invariant,
                  shuffled.claim_one_causal_layer_sees_the_past_as_a_bag):
        with pytest.raises(ExpectationError):
            claim()


def test_without_its_mask_a_decoder_is_an_encoder(shuffled, monkeypatch):
    """If the mask is left out, the claims about it break: nothing tells the past from the future."""
    run = shuffled.run
    monkeypatch.setattr(shuffled, "run", lambda stack, x, causal=False: run(stack, x))
    for claim in (shuffled.claim_causal_mask_breaks_the_symmetry, shuffled.claim_one_causal_layer_sees_the_past_as_a_bag):
        with pytest.raises(ExpectationError):
            claim()
