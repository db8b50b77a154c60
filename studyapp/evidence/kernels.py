"""Triton for a demo's kernels: compiled where there is a CUDA card, run by Triton's interpreter on a processor.

Without Triton a demo that imports this is read as well: `tl` is None and its claims, marked `@needs("triton")`, are skipped.
"""

import importlib
import importlib.util
from typing import Any

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""Where a kernel's tensors stand."""

_found = importlib.util.find_spec("triton") is not None
triton: Any = importlib.import_module("triton") if _found else None
tl: Any = importlib.import_module("triton.language") if _found else None


def jit(function: Any) -> Any:
    """`triton.jit`, interpreted on a processor; the function itself where Triton is missing."""
    return function if tl is None else triton.jit(function)


def _interpret() -> None:
    """Have Triton interpret what is decorated from here on.

    The sums and maxima of triton.language are decorated too, and were while torch._dynamo imported it: they are made again.
    """
    if not triton.knobs.runtime.interpret:
        triton.knobs.runtime.interpret = True
        importlib.reload(triton.language.standard)
        importlib.reload(triton.language)


if tl is not None and DEVICE == "cpu":
    _interpret()
