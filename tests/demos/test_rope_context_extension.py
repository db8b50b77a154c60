"""The stretched frequencies and the angles they bring, against hand-worked numbers, slow loops and known models."""

import cmath
import math

import pytest
import torch


@pytest.fixture
def rope(demo):
    return demo("position/rope_context_extension")


def test_rotation_equals_complex_multiplication(rope):
    """A pair at a position, whole or not, is the pair as a complex number times exp(i·position·θ)."""
    x, theta = torch.randn(6, dtype=torch.float64), rope.frequencies(6, 50.0)
    for position in (0, 3, 7.25):
        got = rope.rotate(x, position, theta)
        for i in range(3):
            z = complex(x[2 * i].item(), x[2 * i + 1].item()) * cmath.exp(1j * position * 50.0 ** (-2 * i / 6))
            assert (got[2 * i].item(), got[2 * i + 1].item()) == pytest.approx((z.real, z.imag), abs=1e-12)


def test_ntk_base_of_the_paper(demo):
    """For d = 128, base 10000 and s = 8 the base becomes 82,684.62."""
    assert demo("position/rope_ntk_base").raised_base(10000.0, 128, 8.0) == pytest.approx(82684.62, abs=0.01)


def test_by_parts_equals_the_cases_of_the_paper(rope):
    """γ is 0 under α turns, 1 over β, linear between; the frequency is (1 − γ)θ/s + γθ, pair by pair."""
    theta = rope.frequencies(128, 10000.0)
    got = rope.by_parts(theta, 2048, 8.0, 1.0, 32.0)
    for t, g in zip(theta.tolist(), got.tolist(), strict=True):
        r = 2048 * t / (2 * math.pi)
        gamma = 0 if r < 1 else 1 if r > 32 else (r - 1) / 31
        assert g == pytest.approx((1 - gamma) * t / 8 + gamma * t, rel=1e-12)


def test_farthest_angle_equals_a_loop(rope):
    """The distance around the circle to the nearest trained angle, found by comparing every angle with every other."""
    theta = torch.tensor([1.0, 0.3, 0.05], dtype=torch.float64)
    new = torch.tensor([0.7, 0.3, 0.02], dtype=torch.float64)
    got = rope.steps_from_trained(theta, new, 20, 4) * theta
    for i in range(3):
        seen = [cmath.exp(1j * m * theta[i].item()) for m in range(20)]
        want = max(min(abs(cmath.phase(cmath.exp(1j * m * new[i].item()) / z)) for z in seen) for m in range(80))
        assert got[i].item() == pytest.approx(want, abs=1e-9)
