"""The information measures against torch's distributions, textbook values and a slow loop."""

import math
from collections import Counter
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Demo = Callable[[str], ModuleType]
NAME = "foundations/entropy_kl_information"


def test_measures_are_torchs(demo: Demo) -> None:
    """Entropy and KL equal those of torch.distributions, zeros included."""
    it = demo(NAME)
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5])
    assert it.entropy(p).item() == pytest.approx(math.log(2))
    assert it.kl(p, q).item() == pytest.approx(math.log(2))
    assert it.cross_entropy(p, q).item() == pytest.approx(math.log(4))
    a, b = torch.randn(2, 5, 9).softmax(-1)
    categorical = torch.distributions.Categorical
    assert torch.allclose(it.entropy(a), categorical(a).entropy(), atol=1e-5)
    assert torch.allclose(it.kl(a, b), torch.distributions.kl_divergence(categorical(a), categorical(b)), atol=1e-5)


def test_play_tennis_is_quinlans(demo: Demo) -> None:
    """The table has 9 of 14 days of play, and every windy overcast-or-rain count of the published one."""
    it = demo(NAME)
    assert Counter(it.PLAY) == {"y": 9, "n": 5}
    assert Counter(zip(it.WIND, it.PLAY, strict=True)) == {("w", "y"): 6, ("w", "n"): 2, ("s", "y"): 3, ("s", "n"): 3}
    assert Counter(zip(it.OUTLOOK, it.PLAY, strict=True)) == {("s", "y"): 2, ("s", "n"): 3, ("o", "y"): 4, ("r", "y"): 3, ("r", "n"): 2}


def test_gain_by_a_slow_loop(demo: Demo) -> None:
    """Information gain by counting in plain Python is the same number."""
    it = demo(NAME)

    def h(labels: list[str]) -> float:
        return -sum(c / len(labels) * math.log2(c / len(labels)) for c in Counter(labels).values())

    for attribute in (it.OUTLOOK, it.TEMPERATURE, it.HUMIDITY, it.WIND):
        groups = [[y for a, y in zip(attribute, it.PLAY, strict=True) if a == v] for v in set(attribute)]
        slow = h(list(it.PLAY)) - sum(len(g) / 14 * h(g) for g in groups)
        assert it.information_gain(it.joint(attribute, it.PLAY)).item() == pytest.approx(slow)


def test_reverse_kl_taken_for_forward_breaks_the_claim(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the arguments of KL turned round, cross-entropy is no longer entropy plus KL."""
    it = demo(NAME)
    right = it.kl
    monkeypatch.setattr(it, "kl", lambda p, q: right(q, p))
    with pytest.raises(AssertionError):
        it.claim_ce_equals_entropy_plus_kl()
