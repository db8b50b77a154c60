"""The recorded buffers of one tile against what the process really allocates, and the formula against the paper's cases."""

import pytest


def test_block_sizes_of_an_a100(demo):
    """192 KiB of fp16 and d = 64 give Br = 64 and Bc = 384; where Bc is under d, Br is Bc; a remainder rounds up."""
    sizes = demo("attention/flash_block_sizes").block_sizes
    assert sizes(98304, 64) == (64, 384)
    assert sizes(98304, 256) == (96, 96)
    assert sizes(1001, 10) == (10, 26)


def test_the_log_is_what_the_buffers_hold(demo):
    """The last entry of the log is what the storages alive then really hold, each buffer with a storage of its own."""
    d = demo("attention/flash_block_sizes")
    chip = d.Chip()
    d.one_tile(chip, 64, 64, 384)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in chip.alive.values()}
    assert len(storages) == len(chip.alive)
    assert sum(storages.values()) == 4 * sum(chip.log[-1].values()) == 4 * 82_304


def test_the_tile_is_attention_over_its_keys(demo):
    """One tile's output is PyTorch's attention of its queries over its keys."""
    d = demo("attention/flash_block_sizes")
    assert d.one_tile(d.Chip(), 16, 12, 50) == pytest.approx(0, abs=1e-5)


def test_probabilities_reuse_the_buffer_of_the_scores(demo):
    """At the end P is alive and S is not, and no buffer was allocated for P."""
    d = demo("attention/flash_block_sizes")
    chip = d.Chip()
    d.one_tile(chip, 8, 8, 16)
    assert "P" in chip.alive
    assert "S" not in chip.alive
    assert len(chip.log) == len(chip.alive)
