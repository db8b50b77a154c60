"""The tiled loop against counts by hand and PyTorch, with blocks that do not divide n."""

import torch


def test_block_sizes_of_an_a100(demo):
    """192 KiB of fp16 and d = 64 give Br = 64 and Bc = 384; d = 128 gives 128 and 192; where Bc is under d, Br is Bc."""
    for name in ("attention/flash_tiling_io", "attention/flash_block_sizes"):
        sizes = demo(name).block_sizes
        assert sizes(98304, 64) == (64, 384)
        assert sizes(98304, 128) == (128, 192)
        assert sizes(98304, 256) == (96, 96)


def test_known_counts(demo):
    """At N = 1024, d = 64 attention written out moves 4,456,448 elements and v1 733,184."""
    run = demo("attention/flash_tiling_io").run
    assert run(1024, 64, 98304, "three kernels")[0].moved == 4_456_448
    assert run(1024, 64, 98304, "tiled")[0].moved == 733_184


def test_uneven_blocks_and_large_scores_are_exact(demo):
    """With 50 rows in blocks of 16 and 7, and scores in the hundreds, the tiled loop still equals PyTorch's attention."""
    d = demo("attention/flash_tiling_io")
    q, k, v = torch.randn(3, 50, 8, dtype=torch.float64)
    hbm = d.SlowMemory(Q=300 * q, K=k, V=v, O=torch.zeros_like(q), l=q.new_zeros(50, 1), m=q.new_full((50, 1), -torch.inf))
    d.tiled(hbm, 16, 7)
    want = torch.nn.functional.scaled_dot_product_attention(300 * q[None], k[None], v[None])[0]
    assert torch.allclose(hbm.tensors["O"], want)
