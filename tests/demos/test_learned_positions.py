"""The two position tables of 2017 against hand-worked entries and counted lengths."""

import pytest
import torch


def test_the_code_of_width_four_by_hand(demo):
    """At d = 4 the pairs turn by 1 and by 0.01 a position: PE(3) is sin 3, cos 3, sin 0.03, cos 0.03."""
    got = demo("position/sinusoidal_positions").sinusoids(torch.tensor([0, 3]), 4, 10000.0)
    assert got[0].tolist() == [0, 1, 0, 1]
    assert got[1].tolist() == pytest.approx([0.141120008, -0.989992497, 0.029995500, 0.999550034], abs=1e-9)


def test_five_apart_at_width_64_is_a_known_figure(demo):
    """PE(p)·PE(p + 5) at d = 64 is Σcos(5·ω_i) = 23.50397, here at p = 900."""
    a, b = demo("position/sinusoidal_positions").sinusoids(torch.tensor([900, 905]), 64, 10000.0)
    assert (a @ b).item() == pytest.approx(23.50397, abs=1e-5)


def test_a_row_is_reached_by_the_sequences_longer_than_its_position(demo):
    """Lengths 3, 1 and 2 reach position 0 three times, position 1 twice, position 2 once, and no further row."""
    before, after, reached = demo("position/learned_positions").train(torch.tensor([3, 1, 2]), 5, 8)
    assert reached.tolist() == [3, 2, 1, 0, 0]
    assert torch.equal(before[3:], after[3:])
    assert (before[:3] != after[:3]).any(1).all()
