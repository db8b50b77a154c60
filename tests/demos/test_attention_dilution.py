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


def test_yarn_scale_by_hand(dilution):
    """No extension leaves q and k alone; at s = e it is 1.1; at s = 8 the logits grow by 1.459."""
    assert dilution.yarn_scale(1) == 1
    assert dilution.yarn_scale(math.e) == pytest.approx(1.1)
    assert dilution.yarn_scale(8) ** 2 == pytest.approx(1.4591, abs=1e-4)


def test_tables_turn_as_complex_numbers_do(dilution):
    """Pair i at position m is multiplied by scale · e^(i m 10000^(−2i/d))."""
    x = torch.randn(9, 8, dtype=torch.float64)
    got = torch.view_as_complex(dilution.apply(x, *dilution.tables(torch.arange(9), 8, 1.5)).view(9, 4, 2))
    theta = torch.tensor([1, 0.1, 0.01, 0.001], dtype=torch.float64)
    turn = torch.polar(torch.full((9, 4), 1.5, dtype=torch.float64), torch.arange(9)[:, None] * theta)
    torch.testing.assert_close(got, torch.view_as_complex(x.view(9, 4, 2)) * turn)


def test_wide_logits_break_the_law(dilution):
    """Past sigma = √(2 ln n) one key takes over, so ln n − sigma²/2 (negative here) is no longer the entropy."""
    assert math.log(256) - 4.0**2 / 2 < 0 < dilution.entropy(4.0 * torch.randn(64, 256)).item()
