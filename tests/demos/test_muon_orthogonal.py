"""The Newton–Schulz iteration of the demo against torch.optim.Muon's own."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch.optim._muon import _adjust_lr, _zeropower_via_newtonschulz

DEMO = Path(__file__).parents[2] / "demos" / "foundations" / "muon_orthogonal.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("muon_orthogonal", DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_the_iteration_is_torchs(demo, shape):
    """newton_schulz gives what torch.optim.Muon computes in bfloat16, to that format's precision."""
    g = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    coefficients = demo.COEFFICIENTS["quintic"]
    theirs = _zeropower_via_newtonschulz(g, coefficients, 5, 1e-7).float()
    ours = demo.newton_schulz(g, *coefficients, 5)
    # 8 significant bits, some fifteen products: a few per cent of the norm
    assert (ours - theirs).norm() / ours.norm() < 0.05


def test_the_scale_that_matches_adamw_is_torchs():
    """torch's match_rms_adamw multiplies the rate by 0.2 times the root of the longer side, as the claim does."""
    assert _adjust_lr(1.0, "match_rms_adamw", torch.Size([8, 24])) == pytest.approx(0.2 * 24**0.5)
