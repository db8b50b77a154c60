"""What all tests share."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from studyapp.lab.claim_process import load as load_file


@pytest.fixture
def load_demo() -> Callable[[Path], ModuleType]:
    """Demos are scripts, not modules: load one from its file, with torch seeded."""

    def load(path: Path) -> ModuleType:
        import torch

        torch.manual_seed(0)
        return load_file(path)

    return load
