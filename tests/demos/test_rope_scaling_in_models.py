"""Shipped scalings of RoPE, against counts by hand and loops."""

import math

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def shipped(demo):
    return demo("position/rope_scaling_in_models")


def test_llama_3_1_regions_by_hand(shipped):
    """Wavelengths under 2048 are kept, over 8192 divided by 8, and 4096 (two turns) keeps a third: 5/12 of the frequency."""
    for wavelength, share in ((2000, 1), (9000, 1 / 8), (4096, 1 / 3 + 2 / 3 / 8)):
        theta = 2 * math.pi / wavelength
        assert shipped.llama_3_1(theta, 8.0, 1.0, 4.0, 8192) == pytest.approx(share * theta)


def test_llama_3_1_keeps_29_pairs_and_divides_29(shipped):
    """With base 500000 and heads of 128, 29 pairs are kept, 6 are mixed and 29 are divided."""
    theta = shipped.frequencies(128, 500000.0)
    share = [shipped.llama_3_1(t, 8.0, 1.0, 4.0, 8192) / t for t in theta.tolist()]
    assert [sum(x == 1 for x in share), sum(1 / 8 < x < 1 for x in share)] == [29, 6]


def test_released_ramp_by_hand(shipped):
    """For Llama 2 and s = 16 the ramp runs from pair 20 to pair 46: pair 33 stands halfway."""
    got = shipped.by_parts_released(128, 10000.0, 4096, 16.0, 1.0, 32.0) / shipped.frequencies(128, 10000.0)
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


def test_llama_claim_breaks_with_other_thresholds(shipped, monkeypatch):
    """If by parts ran over β = 32 turns, Llama 3.1's frequencies would differ from it."""
    right = shipped.by_parts
    monkeypatch.setattr(shipped, "by_parts", lambda theta, trained, s, alpha, beta: right(theta, trained, s, alpha, 32.0))
    with pytest.raises(ExpectationError, match="less by parts"):
        shipped.claim_llama_3_1_is_by_parts()


def test_cached_keys_are_right_while_the_base_stands_still(shipped):
    """Without growth beyond the window there is nothing stale, and the claim that there is cannot be judged."""
    with pytest.raises(ValueError, match="nothing to judge"):
        shipped.claim_dynamic_scaling_needs_unrotated_keys(window=128)


def test_table_claim_breaks_where_nothing_is_left_unrotated(shipped):
    """With no coordinate left out the partly rotated head is a whole one, and the claim that it differs breaks."""
    with pytest.raises(ExpectationError, match="partly rotated"):
        shipped.claim_tables_scale_only_what_they_rotate(plain=0)
