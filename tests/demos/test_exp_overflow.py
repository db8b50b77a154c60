"""The thresholds of exp against a search of every half-precision number and the figures that textbooks give."""

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Demo = Callable[[str], ModuleType]
NAME = "foundations/exp_overflow"


def test_bisection_finds_what_trying_every_half_finds(demo: Demo) -> None:
    """The bisection over bit patterns ends at the same number as trying exp on every positive fp16 number."""
    every = torch.arange(1, 0x7C00, dtype=torch.int16).view(torch.float16)
    slow = every[every.exp().isfinite()].max()
    assert demo(NAME).last_finite(torch.exp, torch.float16) == slow


KNOWN = [(torch.float16, 11.0898), (torch.float32, 88.7228), (torch.float64, 709.7827)]


@pytest.mark.parametrize(("kind", "near"), KNOWN)
def test_thresholds_are_the_known_constants(demo: Demo, kind: torch.dtype, near: float) -> None:
    """The thresholds are the figures that textbooks give."""
    assert demo(NAME).last_finite(torch.exp, kind).item() == pytest.approx(near, abs=0.008)


def test_gradient_through_the_maximum_cancels(demo: Demo) -> None:
    """The shifted form's own gradient, maximum included, is the softmax Jacobian."""
    z = torch.randn(5, dtype=torch.float64)
    p = z.softmax(-1)
    jacobian = torch.autograd.functional.jacobian(demo("foundations/softmax_overflow").shifted, z)
    assert torch.allclose(jacobian, torch.diag(p) - torch.outer(p, p))


def test_sum_overflows_first(demo: Demo) -> None:
    """Eight fp16 logits of 10 give zeros: each exponential fits, their sum does not."""
    z = torch.full((8,), 10.0, dtype=torch.float16)
    assert z.exp().isfinite().all()
    assert 8 * math.exp(10) > torch.finfo(torch.float16).max
    assert demo(NAME).naive(z).sum() == 0
