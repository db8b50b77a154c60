"""The soft lookup against hand-worked weights, a slow loop and a known hull."""

import math

import pytest
import torch


def test_two_keys_by_hand(demo):
    """Scores 0 and 1 at β = ln 3 give the weights 1/4 and 3/4, so values 0 and 8 give 6."""
    lookup = demo("attention/soft_lookup").lookup
    out, weights = lookup(torch.tensor([[1.0]]), torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [8.0]]), math.log(3))
    assert weights[0].tolist() == pytest.approx([0.25, 0.75])
    assert out.item() == pytest.approx(6)


def test_every_query_by_a_slow_loop(demo):
    """Each output is Σ exp(β q·k) v / Σ exp(β q·k), worked out one number at a time."""
    lookup = demo("attention/soft_lookup").lookup
    q, k, v = torch.randn(4, 3), torch.randn(5, 3), torch.randn(5, 2)
    for query, got in zip(q, lookup(q, k, v, 1.7)[0], strict=True):
        e = [math.exp(1.7 * sum(float(a * b) for a, b in zip(query, key, strict=True))) for key in k]
        for j in range(2):
            assert got[j].item() == pytest.approx(sum(w * float(x) for w, x in zip(e, v[:, j], strict=True)) / sum(e), rel=1e-4)


def test_keys_of_the_dictionary_have_length_one(demo):
    """The dictionary's keys are unit vectors, on which the kernel reading rests."""
    keys, values = demo("attention/soft_lookup").dictionary(6, 8)
    assert torch.allclose(keys.norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert values.shape == (6, 3)


def test_beyond_tells_inside_from_outside(demo):
    """A point between the corners is inside their hull; a point past a corner is outside."""
    beyond = demo("attention/soft_lookup").beyond
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert beyond(torch.tensor([[0.2, 0.3], [1.0, 0.0]], dtype=torch.float64), corners) == 0
    assert beyond(torch.tensor([[2.0, 2.0], [-1.0, -1.0]], dtype=torch.float64), corners) == 1
