"""The simulated memory and the tiled loop against hand counts and PyTorch, with blocks that do not divide n."""

import torch


def test_uneven_blocks_are_exact(demo):
    """With 50 rows in blocks of 16 and 7 the tiled loop still equals PyTorch's attention."""
    d = demo("attention/flash_tiling_io")
    q, k, v = torch.randn(3, 50, 8)
    want = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    hbm = d.Hbm(Q=q, K=k, V=v)
    d.flash_v1(hbm, 16, 7)
    assert torch.allclose(hbm.tensors["O"], want, atol=1e-5)


def test_large_scores_stay_exact(demo):
    """Scores in the hundreds overflow no exponent and give PyTorch's attention."""
    d = demo("attention/flash_tiling_io")
    q, k, v = torch.randn(3, 40, 8)
    hbm = d.Hbm(Q=300 * q, K=k, V=v)
    d.flash_v1(hbm, 8, 8)
    want = torch.nn.functional.scaled_dot_product_attention(300 * q[None], k[None], v[None])[0]
    assert torch.allclose(hbm.tensors["O"], want, atol=1e-3)


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


def test_loads_are_copies_and_are_counted(demo):
    """Changing what was loaded does not change memory, and two rows of three are six elements."""
    hbm = demo("attention/flash_tiling_io").Hbm(Q=torch.zeros(4, 3))
    hbm.load("Q", slice(0, 2)).fill_(1)
    assert hbm.tensors["Q"].sum() == 0
    assert hbm.moved == 6
