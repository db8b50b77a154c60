"""Shipped scalings of RoPE, against counts by hand and loops."""

import math

import pytest
import torch


@pytest.fixture
def shipped(demo):
    return demo("position/rope_scaling_in_models")


def test_llama_3_1_regions_by_hand(shipped):
    """Wavelengths under 2048 are kept, over 8192 divided by 8, and 4096 (two turns) keeps a third: 5/12 of the frequency."""
    for wavelength, share in ((2000, 1), (9000, 1 / 8), (4096, 1 / 3 + 2 / 3 / 8)):
        theta = 2 * math.pi / wavelength
        assert shipped.llama_3_1(theta) == pytest.approx(share * theta)


def test_released_ramp_by_hand(shipped):
    """For Llama 2 and s = 16 the ramp runs from pair 20 to pair 46: pair 33 stands halfway."""
    theta = shipped.frequencies(128, 10000.0)
    got = shipped.by_parts_released(theta, 10000.0, 4096, 16.0, 1.0, 32.0) / theta
    assert got[20] == 1
    assert got[33].item() == pytest.approx((1 + 1 / 16) / 2)
    assert got[46].item() == pytest.approx(1 / 16)


def test_rotation_by_one_matrix(shipped):
    """Each row is turned by its own position, or by its own row of frequencies."""
    x, at = torch.randn(3, 2, dtype=torch.float64), torch.tensor([0, 2, 5])
    for theta in (torch.tensor([0.3], dtype=torch.float64), torch.tensor([[0.3], [0.1], [0.7]], dtype=torch.float64)):
        got = shipped.rotate(x, at, theta)
        for row in range(3):
            a = at[row].item() * theta.expand(3, 1)[row].item()
            turn = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]], dtype=torch.float64)
            torch.testing.assert_close(got[row], turn @ x[row])
