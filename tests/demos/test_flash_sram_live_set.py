"""The allocator and the tile against PyTorch's attention, counts by hand and the bytes the process allocates."""

import pytest
import torch


def test_what_is_freed_is_lost(demo):
    """A freed buffer turns to NaN and no longer counts; the peak remembers it."""
    sram = demo("attention/flash_sram_live_set").Sram()
    a = sram.load("a", torch.ones(3, 2))
    sram.free("a", "never there")
    sram.alloc("b", 4)
    assert a.isnan().all()
    assert sram.log[-1][1] == {"b": 4}
    assert sram.peak == 6


def test_both_orders_are_attention(demo):
    """With blocks that do not divide n, P in place or not, either loop order equals PyTorch's attention."""
    d = demo("attention/flash_sram_live_set")
    for order in ("v1", "v2"):
        for in_place in (True, False):
            assert d.attend(d.Sram(), 50, 8, 16, 7, order, in_place=in_place) < 1e-5


def test_the_log_is_what_is_really_allocated(demo):
    """The peak that torch's allocator reports for one tile is the log's, the sources in HBM added."""
    d = demo("attention/flash_sram_live_set")
    peak_bytes = demo("attention/flash_attention_timing").cpu_peak_bytes
    sources = 64 * 64 + 2 * 384 * 64                                # q, k, v outside the chip
    for in_place in (True, False):
        logged = []
        peak = peak_bytes(lambda in_place=in_place, logged=logged: logged.append(d.one_tile(64, 64, 384, in_place=in_place)))
        assert peak == pytest.approx(4 * (logged[0].peak + sources), abs=4096)


def test_a_tile_by_hand(demo):
    """With Br = Bc = d = 2: K, V, Q, O of 4, l, m of 2, S of 4 and four statistics of 2 are 32 at the peak."""
    d = demo("attention/flash_sram_live_set")
    assert d.one_tile(2, 2, 2).peak == 32
    assert d.one_tile(2, 2, 2, early=("Q",)).peak == 28
    assert d.one_tile(2, 2, 2, in_place=False).peak == 32


def test_one_block_of_keys_lets_q_go_in_v2(demo):
    """Where one K/V block holds all keys, v2 too may free Q after S: the rule is about the next block."""
    d = demo("attention/flash_sram_live_set")
    assert d.attend(d.Sram(), 16, 8, 4, 16, "v2", early=("Q",)) < 1e-5
