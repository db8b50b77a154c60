"""The ring cache against full attention and a loop, and the rotation against complex numbers."""

import cmath

import pytest
import torch
import torch.nn.functional as F


@pytest.fixture
def cache(demo):
    return demo("attention/window_cache")


def test_rotation_is_complex_multiplication(cache):
    """Pair 1 of a head of 8 turns by a tenth of a radian a token."""
    x = torch.randn(30, 8, dtype=torch.float64)
    got = cache.rotate(x, torch.arange(30))
    z = complex(x[29, 2].item(), x[29, 3].item()) * cmath.exp(2.9j)
    assert (got[29, 2].item(), got[29, 3].item()) == pytest.approx((z.real, z.imag))


def test_whole_with_a_wide_window_is_causal_attention(cache):
    """One layer whose window covers everything is torch's causal attention plus the residual."""
    layers, x = torch.randn(1, 3, 8, 8, dtype=torch.float64), torch.randn(10, 8, dtype=torch.float64)
    q, k, v = cache.project(x, layers[0], torch.arange(10))
    want = x + F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    torch.testing.assert_close(cache.whole(x, layers, 10), want)
    torch.testing.assert_close(cache.decode(x, layers, 10)[0], want)


def test_ring_holds_the_last_tokens_at_position_mod_slots(cache):
    """After 11 tokens a ring of 4 holds the keys and values of tokens 8, 9, 10 in slots 0, 1, 2 and of 7 in slot 3."""
    layers, x = torch.randn(1, 3, 8, 8, dtype=torch.float64), torch.randn(11, 8, dtype=torch.float64)
    _, ring = cache.decode(x, layers, 4)
    _, k, v = cache.project(x, layers[0], torch.arange(11))
    torch.testing.assert_close(ring[0, 0], k[[8, 9, 10, 7]])
    torch.testing.assert_close(ring[0, 1], v[[8, 9, 10, 7]])


def test_two_layers_with_a_ring_equal_a_loop(cache):
    """Through two layers every token attends to the last 3 hidden states of the layer below, computed here one by one."""
    layers, x = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    h = x
    for weights in layers:
        q, k, v = cache.project(h, weights, torch.arange(9))
        rows = []
        for i in range(9):
            near = slice(max(0, i - 2), i + 1)
            rows.append(((q[i] @ k[near].T) / 2).softmax(0) @ v[near])
        h = h + torch.stack(rows)
    torch.testing.assert_close(cache.decode(x, layers, 3)[0], h)
    torch.testing.assert_close(cache.whole(x, layers, 3), h)
