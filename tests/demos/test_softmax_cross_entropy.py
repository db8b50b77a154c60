"""The hand-written losses against the definition and torch's numerical gradients."""

from collections.abc import Callable
from types import ModuleType

import torch

Demo = Callable[[str], ModuleType]
NAME = "foundations/softmax_cross_entropy"


def test_losses_are_the_definition(demo: Demo) -> None:
    """On small logits the stable forms equal −log p as it is written in textbooks."""
    it = demo(NAME)
    z, target = torch.randn(7, 4), torch.randint(4, (7,))
    p = z.exp() / z.exp().sum(-1, keepdim=True)
    assert torch.allclose(it.cross_entropy(z, target), -p[range(7), target].log(), atol=1e-5)
    y, s = torch.rand(7, 4), 1 / (1 + (-z).exp())
    assert torch.allclose(it.binary_cross_entropy(z, y), -(y * s.log() + (1 - y) * (1 - s).log()), atol=1e-5)


def test_gradients_by_differences(demo: Demo) -> None:
    """torch's gradcheck agrees with the gradient of cross-entropy."""
    z = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 4, 2])
    assert torch.autograd.gradcheck(lambda x: demo(NAME).cross_entropy(x, target), z)
