"""The measuring code of the attention timings against sizes worked out by hand; the path of a GPU with stubs."""

import math

import pytest
import torch


@pytest.fixture
def timing(demo):
    return demo("attention/flash_attention_timing")


def test_separate_operations_are_torchs_attention(timing, demo):
    """Attention written out equals PyTorch's own, masked and not, in both demos that have it."""
    q, k, v = torch.randn(3, 2, 3, 33, 8)
    for causal in (False, True):
        wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        for written in (timing, demo("attention/flash_attention_memory")):
            assert torch.allclose(written.attention("written out", q, k, v, causal), wanted, atol=1e-5)


def test_peak_counts_what_is_alive_and_not_what_was_allocated(demo, monkeypatch):
    """Ten temporaries, freed one after another, have a peak near two of them, not ten."""
    d = demo("attention/flash_attention_memory")

    def work(way, q, k, v):
        x = torch.zeros(1_000_000)
        for _ in range(9):
            x = x + 1
        return x

    monkeypatch.setattr(d, "attention", work)
    assert 8_000_000 <= d.peak("any", 4, 1, 8) < 8_100_000


def test_a_kind_that_cannot_run_says_why(timing, monkeypatch):
    """A kernel that PyTorch has not, and memory that runs out, are named; any other error is a crash of the claim."""
    cpu = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *shape, device, **more: cpu(*shape, **more))
    for name in ("reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    monkeypatch.setattr(timing, "supported", lambda way, *rest: way != "cudnn")
    assert timing.measure("cudnn", 16)[2] == "no such kernel"

    def fails(error):
        def attention(*given):
            raise error

        monkeypatch.setattr(timing, "attention", attention)

    fails(torch.OutOfMemoryError("no room"))
    took, peak, why = timing.measure("flash", 16)
    assert math.isnan(took) and math.isnan(peak) and why == "out of memory"
    fails(RuntimeError("a launch failed"))
    with pytest.raises(RuntimeError, match="a launch failed"):
        timing.measure("flash", 16)


def test_judge_tells_quadratic_memory_from_linear(timing):
    """The verdict breaks where the fused kernel's memory grows with n², or where it is no faster, and leaves gaps out."""
    nothing = (math.nan, math.nan, "out of memory")
    rows = {"written out": {2048: (4, 4, ""), 4096: (16, 16, ""), 8192: nothing},
            "flash": {2048: (1, 1, ""), 4096: (4, 2, ""), 8192: (16, 4, "")}}
    timing.judge(rows, "flash")
    with pytest.raises(AssertionError, match="peak memory at n over that at n/2"):
        timing.judge(rows | {"flash": {2048: (1, 1, ""), 4096: (4, 4, "")}}, "flash")
    with pytest.raises(AssertionError, match="time written out over fused"):
        timing.judge(rows | {"flash": {2048: (4, 1, ""), 4096: (16, 2, "")}}, "flash")
