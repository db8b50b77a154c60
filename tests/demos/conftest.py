"""Demos are scripts, not modules: load them from their files."""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from studyapp.paths import demos_dir


@pytest.fixture
def demo() -> Callable[[str], ModuleType]:
    """`demo("attention/online_softmax")` is that demo's module, with torch seeded."""

    def load(name: str) -> ModuleType:
        import torch

        torch.manual_seed(0)
        spec = importlib.util.spec_from_file_location("demo_" + name.replace("/", "_"), demos_dir() / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
