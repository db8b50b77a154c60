"""The rotation of rope_relative, against complex numbers, slow loops and the closed form of two dimensions."""

import cmath
import math

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def rope(demo):
    return demo("position/rope_relative")


def test_rotation_equals_python_complex_numbers(rope):
    """Every pair at every position is the pair as a complex number times exp(i m θ), computed one by one."""
    x, positions = torch.randn(5, 8, dtype=torch.float64), torch.tensor([0, 1, 7, 100, 4095])
    got = rope.rotate(x, positions, 500.0)
    for row, m in enumerate(positions.tolist()):
        for i in range(4):
            z = complex(x[row, 2 * i].item(), x[row, 2 * i + 1].item()) * cmath.exp(1j * m * 500.0 ** (-2 * i / 8))
            assert got[row, 2 * i].item() == pytest.approx(z.real, abs=1e-12)
            assert got[row, 2 * i + 1].item() == pytest.approx(z.imag, abs=1e-12)


def test_score_of_two_dimensions_has_its_closed_form(rope):
    """In two dimensions the score is cos((m−n)θ)(q·k) + sin((m−n)θ)(q₁k₂ − q₂k₁) with θ = 1."""
    q, k = torch.tensor([[3.0, -2.0]], dtype=torch.float64), torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    for m, n in [(0, 0), (3, 1), (103, 101), (2, 9)]:
        score = (rope.rotate(q, torch.tensor([m])) * rope.rotate(k, torch.tensor([n]))).sum().item()
        want = math.cos(m - n) * (3 * 1 - 2 * 5) + math.sin(m - n) * (3 * 5 - (-2) * 1)
        assert score == pytest.approx(want, abs=1e-10)


def test_half_split_equals_a_loop_over_its_pairs(rope):
    """The half-split layout turns coordinate i together with coordinate i + d/2."""
    x = torch.randn(1, 6, dtype=torch.float64)
    got = rope.rotate_half_split(x, torch.tensor([11]))[0]
    for i in range(3):
        z = complex(x[0, i].item(), x[0, i + 3].item()) * cmath.exp(11j * 10000.0 ** (-2 * i / 6))
        assert (got[i].item(), got[i + 3].item()) == pytest.approx((z.real, z.imag), abs=1e-12)


def test_attention_is_torchs_own(rope):
    """The plain causal attention equals scaled_dot_product_attention."""
    q, k, v = torch.randn(3, 9, 16, dtype=torch.float64)
    want = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    torch.testing.assert_close(rope.attend(q, k, v), want)


def test_slow_pairs_of_known_models(rope):
    """At d = 128, 18 of 64 pairs have a wavelength over 4096 at base 10000, and 29 one over 8192 at base 500000."""
    for base, length, want in [(10000.0, 4096, 18), (500000.0, 8192, 29)]:
        theta = rope.frequencies(128, base)
        assert sum(2 * math.pi / t > length for t in theta.tolist()) == want
        assert theta[0] == 1
        assert theta[-1].item() == pytest.approx(base ** (-126 / 128))


def test_claims_break_when_q_and_k_are_not_rotated(rope, monkeypatch):
    """Without the rotation the score no longer depends on the offset, and the claim says so."""
    monkeypatch.setattr(rope, "rotate", lambda x, positions, base=1.0: x)
    with pytest.raises(ExpectationError, match="spread of the RoPE score"):
        rope.claim_score_depends_on_offset_only()
    with pytest.raises(ExpectationError, match="v rotated"):
        rope.claim_rotating_v_makes_output_position_dependent()


def test_claims_break_when_position_is_added(rope, monkeypatch):
    """With a position vector added in place of the rotation, neither score nor norm survives."""

    def add(x, positions, base=10000.0):
        return x + rope.sinusoids(positions, x.shape[-1], base)

    monkeypatch.setattr(rope, "rotate", add)
    for claim in (
        rope.claim_score_depends_on_offset_only,
        rope.claim_rotation_preserves_norms,
        rope.claim_rotation_is_not_an_addition,
    ):
        with pytest.raises(ExpectationError):
            claim()
