"""The rotations of the RoPE demos, against complex numbers, slow loops and the closed form of two dimensions."""

import cmath
import math

import pytest
import torch


def test_rotation_equals_python_complex_numbers(demo) -> None:
    """Every pair at every position is the pair as a complex number times exp(i m θ), computed one by one."""
    x, positions = torch.randn(5, 8, dtype=torch.float64), torch.tensor([0, 1, 7, 100, 4095])
    for got in (
        demo("position/rope_relative").rotate(x, positions, 500.0),
        demo("position/rope_order").rotate(x, positions, 500.0),
    ):
        for row, m in enumerate(positions.tolist()):
            for i in range(4):
                z = complex(x[row, 2 * i].item(), x[row, 2 * i + 1].item()) * cmath.exp(1j * m * 500.0 ** (-2 * i / 8))
                assert got[row, 2 * i].item() == pytest.approx(z.real, abs=1e-12)
                assert got[row, 2 * i + 1].item() == pytest.approx(z.imag, abs=1e-12)


def test_score_of_two_dimensions_has_its_closed_form(demo) -> None:
    """In two dimensions the score is cos((m−n)θ)(q·k) + sin((m−n)θ)(q₁k₂ − q₂k₁) with θ = 1."""
    rotate = demo("position/rope_relative").rotate
    q, k = torch.tensor([[3.0, -2.0]], dtype=torch.float64), torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    for m, n in [(0, 0), (3, 1), (103, 101), (2, 9)]:
        score = (rotate(q, torch.tensor([m]), 10000.0) * rotate(k, torch.tensor([n]), 10000.0)).sum().item()
        want = math.cos(m - n) * (3 * 1 - 2 * 5) + math.sin(m - n) * (3 * 5 - (-2) * 1)
        assert score == pytest.approx(want, abs=1e-10)


def test_half_split_equals_a_loop_over_its_pairs(demo) -> None:
    """The half-split layout turns coordinate i together with coordinate i + d/2."""
    x, angle = torch.randn(1, 6, dtype=torch.float64), torch.tensor([[0.3, 1.1, -2.0]], dtype=torch.float64)
    got = demo("position/rope_layouts").halves(x, angle)[0]
    for i in range(3):
        z = complex(x[0, i].item(), x[0, i + 3].item()) * cmath.exp(1j * angle[0, i].item())
        assert (got[i].item(), got[i + 3].item()) == pytest.approx((z.real, z.imag), abs=1e-12)


def test_slow_pairs_of_known_models(demo) -> None:
    """At d = 128, 18 of 64 pairs have a wavelength over 4096 at base 10000, and 29 one over 8192 at base 500000."""
    frequencies = demo("position/rope_frequencies")
    east = torch.tensor((1.0, 0.0), dtype=torch.float64).repeat(64)
    for base, length, want in [(10000.0, 4096, 18), (500000.0, 8192, 29)]:
        theta = frequencies.measured(frequencies.rotate(east, 1, base))
        assert sum(2 * math.pi / t > length for t in theta.tolist()) == want
        assert theta[0].item() == pytest.approx(1)
