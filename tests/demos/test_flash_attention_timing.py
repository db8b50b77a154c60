"""The measuring code of the attention timings against sizes worked out by hand; the GPU's path with a stub clock."""

import math

import torch


def test_naive_causal_attention_is_torchs(demo):
    """The three-operation attention equals PyTorch's own, masked and not."""
    d = demo("attention/flash_attention_timing")
    q, k, v = d.inputs(2, 3, 33, 8)
    for causal in (False, True):
        want = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        assert torch.allclose(d.attention("naive", q, k, v, causal), want, atol=1e-5)


def test_peak_counts_what_is_alive_and_not_what_was_allocated(demo):
    """Ten temporaries of 4 MB, freed one after another, have a peak near two of them, not ten."""
    d = demo("attention/flash_attention_timing")

    def work():
        x = torch.zeros(1_000_000)
        for _ in range(9):
            x = x + 1
        return x

    assert 8_000_000 <= d.cpu_peak_bytes(work) < 8_100_000


def test_flops_are_those_that_torch_counts(demo):
    """4·b·h·n²·d is what torch's counter finds in naive attention; a mask halves what has to be done."""
    from torch.utils.flop_counter import FlopCounterMode

    d = demo("attention/flash_attention_timing")
    with FlopCounterMode(display=False) as counter:
        d.attention("naive", *d.inputs(2, 3, 64, 16))
    assert counter.get_total_flops() == d.attention_flops(2, 3, 64, 16)
    assert counter.get_total_flops() == 2 * d.attention_flops(2, 3, 64, 16, causal=True)


def test_sweep_measures_each_kind_and_leaves_gaps(demo):
    """The sweep that a GPU runs, here on the CPU with a stub clock: gradients flow, missing kernels become nan."""
    d = demo("attention/flash_attention_timing")
    ran = []
    rows = d.sweep(("naive", "math", "flash", "cudnn"), (16, 32), batch=1, heads=2, head_dim=8, causal=True,
                   backward=True, device="cpu", dtype=torch.float32, seconds=lambda work: ran.append(work()) or 0.5,
                   peak_bytes=lambda work: 100)
    assert len(ran) == 6
    assert all(len(grads) == 3 for grads in ran)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ran[0], ran[2], strict=True))
    assert rows["flash"]["flops"] == [3.5 * 2 * 2 * n * n * 8 / 0.5 for n in (16, 32)]
    assert all(math.isnan(x) for x in rows["cudnn"]["seconds"] + rows["cudnn"]["bytes"])


def test_growth_skips_what_was_not_measured(demo):
    """Growth is taken only over measured doublings from the starting length."""
    growth = demo("attention/flash_attention_timing").growth
    assert growth([1, 9, 18, math.nan, 80], (512, 1024, 2048, 4096, 8192), 1024) == ([2], [2048])


def test_judge_tells_quadratic_memory_from_linear(demo):
    """The GPU's verdict breaks where flash's memory grows with n² and holds where it grows with n."""
    import pytest

    d = demo("attention/flash_attention_timing")
    lengths = (2048, 4096, 8192)
    naive = {"seconds": [4, 16, 64], "bytes": [4, 16, 64]}
    d.judge({"naive": naive, "flash": {"seconds": [1, 4, 16], "bytes": [1, 2, 4]}}, lengths)
    with pytest.raises(AssertionError, match="flash: growth of peak memory"):
        d.judge({"naive": naive, "flash": {"seconds": [1, 4, 16], "bytes": [1, 4, 16]}}, lengths)
    with pytest.raises(AssertionError, match="time of naive over flash"):
        d.judge({"naive": naive, "flash": {"seconds": [4, 16, 64], "bytes": [1, 2, 4]}}, lengths)
