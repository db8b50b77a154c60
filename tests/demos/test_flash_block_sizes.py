"""The buffers of one tile against sums by hand."""


def test_a_tile_by_hand(demo):
    """With Br = Bc = d = 2: K, V, Q, O of 4, l, m of 2, S of 4 and four statistics of 2 are 32; P beside S adds 4."""
    one_tile = demo("attention/flash_block_sizes").one_tile
    assert sum(one_tile(2, 2, 2)[0].values()) == 32
    assert sum(one_tile(2, 2, 2, "beside")[0].values()) == 36


def test_the_figures_of_the_card(demo):
    """At d = 64 a tile of 64 × 384 holds 82,304 elements, 84% of 98,304; at d = 128 it would be 109%."""
    d = demo("attention/flash_block_sizes")
    peaks = {w: sum(d.one_tile(w, *d.block_sizes(98304, w))[0].values()) for w in (64, 128)}
    assert peaks[64] == 82_304
    assert round(peaks[64] / 98304, 2) == 0.84
    assert round(peaks[128] / 98304, 2) == 1.09
