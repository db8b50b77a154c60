"""The stretched frequencies and the angles they bring, against hand-worked numbers, slow loops and known models."""

import cmath
import math

import pytest
import torch

from studyapp.evidence.api import ExpectationError


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


def test_ntk_base_of_the_paper(rope):
    """For d = 128, base 10000 and s = 8 the base becomes 82,684.62; its last pair is eight times slower."""
    ntk = rope.stretched(128, 10000.0, 2048, 8.0)["NTK-aware"]
    assert (ntk[1] ** -64).item() == pytest.approx(82684.62, abs=0.01)
    assert ntk[-1].item() == pytest.approx(10000 ** (-126 / 128) / 8)


def test_by_parts_equals_the_cases_of_the_paper(rope):
    """γ is 0 under α turns, 1 over β, linear between; the frequency is (1 − γ)θ/s + γθ, pair by pair."""
    theta = rope.frequencies(128, 10000.0)
    got = rope.by_parts(theta, 2048, 8.0)
    for t, g in zip(theta.tolist(), got.tolist(), strict=True):
        r = 2048 * t / (2 * math.pi)
        gamma = 0 if r < 1 else 1 if r > 32 else (r - 1) / 31
        assert g == pytest.approx((1 - gamma) * t / 8 + gamma * t, rel=1e-12)


def test_farthest_angle_equals_a_loop(rope):
    """The distance around the circle to the nearest trained angle, found by comparing every angle with every other."""
    theta = torch.tensor([1.0, 0.3, 0.05], dtype=torch.float64)
    new = torch.tensor([0.7, 0.3, 0.02], dtype=torch.float64)
    got = rope.farthest(theta, new, 20, 4, samples=80)
    for i in range(3):
        seen = [cmath.exp(1j * m * theta[i].item()) for m in range(20)]
        want = max(min(abs(cmath.phase(cmath.exp(1j * m * new[i].item()) / z)) for z in seen) for m in range(80))
        assert got[i].item() == pytest.approx(want, abs=1e-9)


def test_overshoot_of_three_kinds_of_pair(rope):
    """A closed circle overshoots by 0; an open one by what lies past its arc, but by no more than half of the rest."""
    theta = torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64)
    got = rope.overshoot(theta, theta, 11, 4)                                        # arcs 10, 1 and 0.1; reaches 43, 4.3 and 0.43
    torch.testing.assert_close(got, torch.tensor([0, (2 * math.pi - 1) / 2, 0.33], dtype=torch.float64))


def test_unseen_pairs_of_known_models(rope):
    """LLaMA leaves 23 pairs of 64 short of a turn, Llama 2 leaves 18 and Llama 3 leaves 29."""
    for base, length, want in ((10000.0, 2048, 23), (10000.0, 4096, 18), (500000.0, 8192, 29)):
        assert rope.slow(rope.frequencies(128, base), length).sum() == want


def test_claims_break_where_nothing_is_stretched(rope, monkeypatch):
    """With every method leaving the frequencies alone, the claims about NTK and about neighbours break."""
    theta = rope.frequencies
    monkeypatch.setattr(rope, "stretched", lambda d, base, trained, s: dict.fromkeys(
        ("unchanged", "interpolation", "NTK-aware", "by parts"), theta(d, base)))
    for claim in (rope.claim_ntk_keeps_the_fastest_and_scales_the_slowest, rope.claim_interpolation_blurs_neighbours):
        with pytest.raises(ExpectationError):
            claim()


def test_claims_break_where_by_parts_is_turned_round(rope, monkeypatch):
    """Dividing the fast pairs and keeping the slow ones, as one note has it, meets unseen angles."""

    def turned_round(theta, trained, s, alpha=1.0, beta=32.0):
        keep = 1 - ((trained * theta / rope.TURN - alpha) / (beta - alpha)).clamp(0, 1)
        return keep * theta + (1 - keep) * theta / s

    monkeypatch.setattr(rope, "by_parts", turned_round)
    with pytest.raises(ExpectationError):
        rope.claim_by_parts_has_three_regions()
    theta = rope.frequencies(128, 10000.0)
    assert (rope.farthest(theta, turned_round(theta, 2048, 8.0), 2048, 8.0) > theta).sum() == 23
