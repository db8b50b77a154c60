"""T5's buckets against the table of its code, ALiBi's slopes against its authors' other formula."""

import math

import pytest
import torch

CAUSAL_STARTS = [*range(17), 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]
BOTH_STARTS = [*range(9), 12, 16, 23, 32, 46, 64, 91]


def test_buckets_start_where_the_hand_table_says(demo):
    """With 32 buckets up to 128 the first distance of every bucket is that of the table, one way and both ways."""
    t5, reach = demo("position/t5_buckets"), torch.arange(600)
    one, both = t5.bucket(reach, 32, 128), t5.both_ways(reach, 32, 128, "apart")
    assert [one.tolist().index(b) for b in range(32)] == CAUSAL_STARTS
    assert [both.tolist().index(b) for b in range(16)] == BOTH_STARTS
    assert t5.both_ways(torch.tensor([3, 0, -3, -500]), 32, 128, "apart").tolist() == [3, 0, 19, 31]


def test_distance_is_query_minus_key(demo):
    """With the numbers −2 … 2 for distances −2 … 2 query 3 pays 2 (clipped), 2, 1 and 0."""
    numbers = torch.arange(-2.0, 3)
    assert demo("position/relative_bias").bias_matrix(numbers, 4)[3].tolist() == [2, 2, 1, 0]


def test_slopes_of_some_head_counts(demo):
    """Eight heads have 1/2 … 1/256; twelve add 2^−0.5 … 2^−3.5; sixteen go down by √2; forty are all different."""
    slopes = demo("position/alibi").slopes
    eight = [1 / 2**k for k in range(1, 9)]
    assert slopes(8).tolist() == pytest.approx(eight)
    assert slopes(12).tolist() == pytest.approx([*eight, 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5])
    assert slopes(16).tolist() == pytest.approx([2 ** (-k / 2) for k in range(1, 17)])
    assert slopes(40)[32:].tolist() == pytest.approx([2 ** (-(2 * k + 1) / 8) for k in range(8)])
    assert len(slopes(40).unique()) == 40


@pytest.mark.parametrize("heads", [2, 4, 32, 64])
def test_slopes_equal_the_double_exponent_form(demo, heads):
    """The first slope and the ratio are both 2^(−2^(3 − log₂ heads)), as the authors' code writes it."""
    start = 2 ** (-(2 ** (3 - math.log2(heads))))
    assert demo("position/alibi").slopes(heads).tolist() == pytest.approx([start * start**i for i in range(heads)])
