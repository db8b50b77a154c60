"""What all tests share."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def load_demo() -> Callable[[Path], ModuleType]:
    """Demos are scripts, not modules: load one from its file, with torch seeded."""

    def load(path: Path) -> ModuleType:
        import torch

        torch.manual_seed(0)
        spec = importlib.util.spec_from_file_location(f"demo_{path.parent.name}_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
