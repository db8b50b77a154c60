"""The rotation of the window cache, and what its ring holds."""

import cmath

import pytest
import torch


def test_rotation_is_complex_multiplication(demo):
    """Pair 1 of a head of 8 turns by a tenth of a radian per token."""
    x = torch.randn(30, 8, dtype=torch.float64)
    got = demo("attention/window_cache").rotate(x, torch.arange(30))
    z = complex(x[29, 2].item(), x[29, 3].item()) * cmath.exp(2.9j)
    assert (got[29, 2].item(), got[29, 3].item()) == pytest.approx((z.real, z.imag))


def test_ring_holds_the_last_tokens_at_position_mod_slots(demo):
    """After 11 steps a ring of 4 holds tokens 8, 9, 10 in slots 0, 1, 2 and token 7 in slot 3."""
    step, ring = demo("attention/window_cache").step, torch.zeros(2, 4, 3)
    for i in range(11):
        step(torch.ones(3), torch.full((3,), float(i)), torch.full((3,), -float(i)), ring, i)
    assert ring[0, :, 0].tolist() == [8, 9, 10, 7]
    assert ring[1, :, 0].tolist() == [-8, -9, -10, -7]
