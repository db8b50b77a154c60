"""The curves of rope_decay against figures computed elsewhere."""

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def decay(demo):
    return demo("position/rope_decay")


def test_all_ones_curve_has_its_known_figures(decay):
    """At d = 128, base 10000: 128 at 0, mean 75.50 below 64, 7.9 over 2048–4095, 971 of 1999 steps up."""
    ones = torch.ones(1, 128, dtype=torch.float64)
    curve = decay.scores(ones, ones, torch.arange(4096), 10000.0)[0]
    assert curve[0].item() == pytest.approx(128)
    assert curve[:64].mean().item() == pytest.approx(75.50, abs=0.01)
    assert curve[2048:].mean().item() == pytest.approx(7.9, abs=0.05)
    assert (curve[:2000].diff() > 0).sum().item() == 971


def test_a_rotation_by_hand(decay):
    """At width 2 the vector (1, 0) at position 1 is (cos 1, sin 1)."""
    got = decay.rotated(torch.tensor([[1.0, 0.0]], dtype=torch.float64), 1, 10000.0)
    assert got[0].tolist() == pytest.approx([0.540302306, 0.841470985])


def test_nothing_decays_where_no_pair_turns(decay, monkeypatch):
    """With all frequencies zero there is no decay, and the claims about it break."""
    monkeypatch.setattr(decay, "turns", lambda d, base, n: torch.ones(len(n), d // 2, dtype=torch.complex128))
    for claim in (decay.claim_bound_falls_with_distance, decay.claim_decay_is_on_average_not_monotone,
                  decay.claim_larger_base_decays_slower, decay.claim_random_queries_can_peak_anywhere):
        with pytest.raises(ExpectationError):
            claim()
