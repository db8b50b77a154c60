"""What all tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from studyapp.lab.claim_process import load as load_file

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """One cache for the whole run, of all its processes: the shipped bank is parsed once and not in every test anew."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "studyapp-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDYAPP_CACHE", str(folder))
        yield folder


@pytest.fixture
def load_demo() -> Callable[[Path], ModuleType]:
    """Demos are scripts, not modules: load one from its file, with torch seeded."""

    def load(path: Path) -> ModuleType:
        import torch

        torch.manual_seed(0)
        return load_file(path)

    return load
