"""The layer against nn.MultiheadAttention and a slow loop, and the learner against hand-set weights."""

import pytest
import torch
from torch import nn


@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_layer_is_torchs(demo, heads):
    """The demo's layer is nn.MultiheadAttention with the same four matrices, for any number of heads."""
    x, w = torch.randn(5, 12), torch.randn(4, 12, 12)
    torchs = nn.MultiheadAttention(12, heads, bias=False)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([m.T for m in w[:3]]))
        torchs.out_proj.weight.copy_(w[3].T)
        expected = torchs(x, x, x)[0]
    assert torch.allclose(demo("attention/multi_head").layer(x, w, heads), expected, rtol=1e-3, atol=1e-3)


def test_heads_are_consecutive_columns(demo):
    """Head h reads columns h·d … (h+1)·d − 1 of the values, token by token, and joining puts them back there."""
    d = demo("attention/multi_head")
    v, p = torch.randn(4, 6), torch.rand(3, 4, 4)
    got = d.join(d.read(p, v))
    for h in range(3):
        for i in range(4):
            for c in range(2):
                by_hand = sum(p[h, i, j] * v[j, 2 * h + c] for j in range(4))
                assert got[i, 2 * h + c].item() == pytest.approx(by_hand.item(), abs=1e-5)


def test_split_and_join_are_inverse(demo):
    """Splitting into heads and joining them again gives the same tensor, with leading dimensions or without."""
    d = demo("attention/multi_head")
    for shape in ((5, 12), (3, 5, 12), (2, 3, 5, 12)):
        x = torch.randn(shape)
        assert d.split(x, 4).shape == (*shape[:-2], 4, 5, 3)
        assert torch.equal(d.join(d.split(x, 4)), x)


def test_weights_are_a_softmax_of_scaled_scores(demo):
    """One head of size 2 with scores 0 and √2·ln 3 gives weights 1/4 and 3/4."""
    q, k = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0], [2**0.5 * torch.tensor(3.0).log(), 0.0]])
    got = demo("attention/multi_head").weights_of(q, k, 1)
    assert torch.allclose(got, torch.tensor([[[0.25, 0.75]]]))


def test_one_head_cannot_train_below_half_the_variance(demo):
    """However long one head trains, the error stays at half the payload's variance, less the noise of the batches."""
    losses = demo("attention/multi_head").learn(1, 8, 5, 2, 200, 0.05)
    assert losses.shape == (200, 2)
    assert losses[-50:].mean() > 0.45
