"""The simulated memory and the tiled loops against hand counts and PyTorch, with blocks that do not divide n."""

import pytest
import torch


def test_uneven_blocks_are_exact(demo):
    """With 50 rows in blocks of 16 and 7 both loop orders still equal PyTorch's attention."""
    d = demo("attention/flash_tiling_io")
    q, k, v = torch.randn(3, 50, 8)
    want = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    for algorithm in (d.flash_v1, d.flash_v2):
        hbm = d.Hbm(Q=q, K=k, V=v)
        algorithm(hbm, 16, 7)
        assert torch.allclose(hbm.tensors["O"], want, atol=1e-5)


def test_block_sizes_of_an_a100(demo):
    """192 KiB of fp16 and d = 64 give Br = 64 and Bc = 384; d = 128 gives 128 and 192."""
    sizes = demo("attention/flash_tiling_io").block_sizes
    assert sizes(98304, 64) == (64, 384)
    assert sizes(98304, 128) == (128, 192)


def test_known_counts(demo):
    """At N = 1024, d = 64 standard attention moves 4,456,448 elements and v1 733,184."""
    done = demo("attention/flash_tiling_io").run(1024, 64, 98304)
    assert done["standard"].moved == 4_456_448
    assert done["v1"].moved == 733_184


def test_v2_keeps_the_log_sum_exp(demo):
    """What v2 stores beside O is the log-sum-exp of each row of scores."""
    d = demo("attention/flash_tiling_io")
    q, k, v = torch.randn(3, 20, 4)
    hbm = d.Hbm(Q=q, K=k, V=v)
    d.flash_v2(hbm, 8, 8)
    assert hbm.tensors["L"][:, 0].tolist() == pytest.approx((q @ k.T / 2).logsumexp(1).tolist(), abs=1e-5)
