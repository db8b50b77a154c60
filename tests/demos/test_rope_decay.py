"""The curves of rope_decay, against Python's complex numbers, figures computed elsewhere, and loops."""

import cmath
import math

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def decay(demo):
    return demo("position/rope_decay")


def test_partial_sums_equal_a_loop(decay):
    """|S_j| is the length of the sum of the first j pointers, added one by one."""
    got = decay.partial_sums(8, 100.0, torch.tensor([0, 3, 50]))
    for row, distance in enumerate((0, 3, 50)):
        total = 0
        for j in range(4):
            total += cmath.exp(1j * distance * 100.0 ** (-2 * j / 8))
            assert got[row, j].item() == pytest.approx(abs(total), abs=1e-12)


def test_score_equals_a_rotated_dot_product_in_loops(decay):
    """The score at a distance is the sum over pairs of cos times the dot product plus sin times the cross product."""
    q, k = torch.randn(2, 6, dtype=torch.float64)
    for distance in (0, 5, 77):
        want = 0.0
        for i in range(3):
            a, b, c, d = q[2 * i].item(), q[2 * i + 1].item(), k[2 * i].item(), k[2 * i + 1].item()
            angle = distance * 10000.0 ** (-2 * i / 6)
            want += math.cos(angle) * (a * c + b * d) + math.sin(angle) * (a * d - b * c)
        got = decay.scores(q[None], k[None], torch.tensor([distance]), 10000.0)
        assert got.item() == pytest.approx(want, abs=1e-10)


def test_all_ones_curve_has_its_known_figures(decay):
    """At d = 128, base 10000: 128 at 0, mean 75.50 below 64, 17.51 over 1000–1999, 971 of 1999 steps up."""
    ones = torch.ones(1, 128, dtype=torch.float64)
    curve = decay.scores(ones, ones, torch.arange(2000), 10000.0)[0]
    assert curve[0].item() == pytest.approx(128)
    assert curve[:64].mean().item() == pytest.approx(75.50, abs=0.01)
    assert curve[1000:].mean().item() == pytest.approx(17.51, abs=0.01)
    assert (curve.diff() > 0).sum().item() == 971


def test_mean_bound_at_zero_is_the_mean_of_one_to_half_d(decay):
    """At distance 0 every pointer agrees, so |S_j| = j and the mean is (d/2 + 1)/2."""
    assert decay.partial_sums(128, 10000.0, torch.tensor([0])).mean().item() == pytest.approx(32.5)


def test_octaves_cover_every_distance_once(decay):
    """The octaves follow one another without gap and end where asked."""
    assert decay.octaves(300) == [(0, 64), (64, 128), (128, 256), (256, 300)]


def test_nothing_decays_where_no_pair_turns(decay, monkeypatch):
    """With all frequencies zero there is no decay, and the claims about it break."""
    monkeypatch.setattr(decay, "frequencies", lambda d, base: torch.zeros(d // 2, dtype=torch.float64))
    for claim in (decay.claim_bound_falls_with_distance, decay.claim_decay_is_on_average_not_monotone,
                  decay.claim_larger_base_decays_slower, decay.claim_random_queries_can_peak_anywhere):
        with pytest.raises(ExpectationError):
            claim()


def test_order_of_bases_matters(decay):
    """Bases given from large to small break the claim that the next one decays slower."""
    with pytest.raises(ExpectationError):
        decay.claim_larger_base_decays_slower(bases=(500000.0, 10000.0))
