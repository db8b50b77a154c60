"""The masked weights against torch's attention and hand-worked rows, the rotation against its offset."""

import math

import torch
import torch.nn.functional as F


def test_weights_are_torchs_attention(demo):
    """With −inf where a key is padding, weights times v is scaled_dot_product_attention with the boolean mask."""
    d = demo("attention/padding_mask")
    q, k, v = torch.randn(3, 2, 6, 8)
    keep = torch.tensor([[True] * 6, [True, True, False, True, False, False]])
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=keep[:, None, :])
    assert torch.allclose(d.weights(q, k, d.bias_of(keep, -torch.inf)) @ v, expected, atol=1e-6)


def test_masked_row_by_hand(demo):
    """Scores ln 1, ln 3 and one masked give weights 1/4, 3/4 and exactly 0."""
    d = demo("attention/padding_mask")
    q, k = torch.ones(1, 1), torch.tensor([[0.0], [math.log(3)], [7.0]])
    got = d.weights(q, k, d.bias_of(torch.tensor([True, True, False]), -torch.inf))
    assert torch.allclose(got, torch.tensor([[0.25, 0.75, 0.0]]))
    assert got[0, 2] == 0


def test_bias_stands_on_the_key_axis(demo):
    """The bias is 0 or the fill, has one row for all queries, and one for each sequence of a batch."""
    got = demo("attention/padding_mask").bias_of(torch.tensor([[True, False], [True, True]]), -5.0)
    assert got.tolist() == [[[0.0, -5.0]], [[0.0, 0.0]]]


def test_padding_comes_last_and_is_one_token(demo):
    """The last `pads` rows are equal to each other and marked as not real."""
    q, k, v, keep = demo("attention/padding_mask").padded(4, 3, 8)
    assert keep.tolist() == [True] * 4 + [False] * 3
    for t in (q, k, v):
        assert t.shape == (7, 8)
        assert torch.allclose(t[4:], t[4].expand(3, -1), atol=1e-6)


def test_rotation_depends_on_the_offset_alone(demo):
    """Rotated scores are the same after a shift of all positions, and the first pair at position 1 turns by one radian."""
    turned = demo("attention/padding_mask").turned
    q, k, m = torch.randn(5, 8), torch.randn(5, 8), torch.arange(5)
    shifted = turned(q, m + 3) @ turned(k, m + 3).T
    assert torch.allclose(turned(q, m) @ turned(k, m).T, shifted, atol=1e-4)
    assert torch.allclose(turned(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))[0], torch.tensor([math.cos(1), math.sin(1)]))
