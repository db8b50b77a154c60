"""The demos that ship, by name."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from studyapp.paths import demos_dir


@pytest.fixture
def demo(load_demo: Callable[[Path], ModuleType]) -> Callable[[str], ModuleType]:
    """`demo("attention/online_softmax")` is that demo's module."""
    return lambda name: load_demo(demos_dir() / f"{name}.py")
