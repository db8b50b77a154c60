"""The softmax demo against torch's own functions and against a search of every half-precision number."""

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Demo = Callable[[str], ModuleType]
NAME = "foundations/softmax_overflow"


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


def test_shifted_form_is_torchs(demo: Demo) -> None:
    """Shifted softmax and log-sum-exp equal torch's on logits small and huge; the naive form is nan there."""
    it = demo(NAME)
    for scale in (1.0, 30.0, 1e4):
        z = torch.randn(8, 50) * scale
        assert torch.allclose(it.shifted(z), z.softmax(-1), atol=1e-6)
        assert torch.allclose(demo("foundations/log_sum_exp").log_sum_exp(z), z.logsumexp(-1))
    assert it.naive(torch.tensor([1000.0, 0.0])).isnan()[0]


def test_gradient_through_the_maximum_cancels(demo: Demo) -> None:
    """The shifted form's own gradient, maximum included, is the softmax Jacobian."""
    z = torch.randn(5, dtype=torch.float64)
    p = z.softmax(-1)
    jacobian = torch.autograd.functional.jacobian(demo(NAME).shifted, z)
    assert torch.allclose(jacobian, torch.diag(p) - torch.outer(p, p))


def test_sum_overflows_first(demo: Demo) -> None:
    """Eight fp16 logits of 10 give zeros: each exponential fits, their sum does not."""
    z = torch.full((8,), 10.0, dtype=torch.float16)
    assert z.exp().isfinite().all()
    assert 8 * math.exp(10) > torch.finfo(torch.float16).max
    assert demo(NAME).naive(z).sum() == 0
