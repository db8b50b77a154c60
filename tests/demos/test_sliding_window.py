"""Window attention against a loop over queries, a hand-worked row and torch's attention."""

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def window(demo):
    return demo("attention/sliding_window")


def test_visible_by_hand(window):
    """With w = 2 a query sees itself and the token before it, never a later one."""
    want = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.bool)
    assert torch.equal(window.visible(4, 2), want)


@pytest.mark.parametrize("w", [1, 3, 9, 20])
def test_both_forms_equal_a_loop_over_queries(window, w):
    """Masked and banded attention give, query by query, torch's attention over the last w keys."""
    q, k, v = torch.randn(3, 13, 6, dtype=torch.float64)
    rows = []
    for i in range(13):
        near = slice(max(0, i - w + 1), i + 1)
        rows.append(F.scaled_dot_product_attention(q[None, i : i + 1], k[None, near], v[None, near])[0, 0])
    torch.testing.assert_close(window.masked(q, k, v, w), torch.stack(rows))
    torch.testing.assert_close(window.banded(q, k, v, w), torch.stack(rows))


def test_flops_of_a_known_product(window):
    """The counter gives 2·a·b·c for a product of (a, b) and (b, c)."""
    assert window.flops(lambda: torch.randn(3, 5) @ torch.randn(5, 7)) == 210


def test_forward_without_values_is_the_identity(window):
    """With W_V = 0 only the residual is left."""
    layers = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    layers[:, 2] = 0
    x = torch.randn(6, 4, dtype=torch.float64)
    assert torch.equal(window.forward(x, layers, 3), x)


def test_a_window_that_looks_one_further_breaks_the_field(window):
    """Were i − w visible too, the field would be L·w + 1, and the claim of L(w − 1) + 1 would not hold."""
    right = window.visible
    window.visible = lambda n, w: right(n, w + 1)
    with pytest.raises(ExpectationError, match="tokens with a gradient"):
        window.claim_receptive_field_grows_by_w_minus_1_per_layer()
