"""The rules for views and broadcast shapes against what torch refuses."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Demo = Callable[[str], ModuleType]


def test_view_raises_where_the_rule_says_so(demo: Demo) -> None:
    """Tensor.view raises on random strides exactly where the rule finds no view."""
    module = demo("pytorch/tensor_views")
    torch.manual_seed(0)
    seen = set()
    for _ in range(200):
        x, new = module.drawn()
        possible = module.can_view(tuple(x.shape), x.stride(), new)
        seen.add(possible)
        if possible:
            assert x.view(new).data_ptr() == x.data_ptr()
        else:
            with pytest.raises(RuntimeError, match="view size is not compatible"):
                x.view(new)
    assert seen == {True, False}


def test_shapes_that_torch_cannot_broadcast_have_no_result(demo: Demo) -> None:
    """Where torch refuses to add, the rule gives no shape; where a size is 0, it gives torch's."""
    rule = demo("pytorch/broadcasting").broadcast_shape
    for a, b in [((3,), (2,)), ((2, 3), (2,)), ((4, 2), (3, 1, 3))]:
        with pytest.raises(RuntimeError, match="must match"):
            torch.zeros(a) + torch.zeros(b)
        assert rule(a, b) is None
    assert rule((0, 1), (1, 5)) == tuple((torch.zeros(0, 1) + torch.zeros(1, 5)).shape)
