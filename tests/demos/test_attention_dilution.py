"""The parts of attention_dilution against closed forms and torch's own functions."""

import math

import pytest
import torch


@pytest.fixture
def dilution(demo):
    return demo("position/attention_dilution")


def test_entropy_equals_torchs_categorical(dilution):
    """The mean entropy of rows of logits is that of torch.distributions.Categorical."""
    logits = torch.randn(5, 40)
    want = torch.distributions.Categorical(logits=logits).entropy().mean()
    torch.testing.assert_close(dilution.entropy(logits), want)


def test_entropy_of_equal_and_of_one_hot_logits(dilution):
    """Equal logits over n keys have entropy ln n, one that leads by 1000 has none."""
    assert dilution.entropy(torch.full((1, 50), 7.0)).item() == pytest.approx(math.log(50))
    assert dilution.entropy(torch.tensor([[1000.0, 0, 0]])).item() == pytest.approx(0)


def test_weight_by_hand(dilution):
    """One key that leads 900 equal ones by ln 100 has 100 of 1000 parts."""
    assert dilution.weight(901, math.log(100)).item() == pytest.approx(0.1)


def test_wide_logits_break_the_law(dilution):
    """Past sigma = √(2 ln n) one key takes over, so ln n − sigma²/2 (negative here) is no longer the entropy."""
    assert math.log(256) - 4.0**2 / 2 < 0 < dilution.entropy(4.0 * torch.randn(64, 256)).item()
