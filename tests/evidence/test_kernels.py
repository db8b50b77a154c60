"""Kernels in Triton: interpreted on a processor, and no harm where the package is missing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import studyapp
from studyapp.evidence.api import expect
from studyapp.evidence.claims import missing, needs, run_claim

KERNEL = """
import torch
import torch._dynamo  # brings Triton along, as the lab's worker does
from studyapp.evidence.kernels import DEVICE, jit, tl

@jit
def largest(x, out, n, SIZE: tl.constexpr):
    places = tl.arange(0, SIZE)
    tl.store(out, tl.max(tl.load(x + places, mask=places < n, other=-float("inf")), 0))

out = torch.zeros(1, device=DEVICE)
largest[1,](torch.tensor([3.0, 7.0, 5.0], device=DEVICE), out, 3, SIZE=4)
print(out.item())
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")
def test_a_kernel_runs_on_a_processor_though_triton_was_there_before(tmp_path: Path) -> None:
    """Triton's own reductions are interpreted too, also where something imported them before."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    places = {"PYTHONPATH": str(Path(studyapp.__file__).parents[1])}
    command = [sys.executable, tmp_path / "kernel.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | places)
    assert (done.stdout.strip(), done.returncode) == ("7.0", 0), done.stderr


def test_without_triton_a_claim_is_skipped_and_its_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing the claim names it as what it lacks, and decorators leave functions as they are."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "triton" else real(name, *rest))
    assert missing(("triton",)) == ("triton",)

    @needs("triton")
    def claim_one() -> None:
        expect("one", 1, equals=1)

    assert run_claim("one", claim_one).skipped == "triton"
    spec = real("studyapp.evidence.kernels")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.tl is None and module.jit(claim_one) is claim_one
