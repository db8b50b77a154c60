"""T5's buckets against integers, ALiBi's slopes against its authors' other formula, the biases against PyTorch's kernel."""

import math

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError

CAUSAL_STARTS = [*range(17), 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]
BOTH_STARTS = [*range(9), 12, 16, 23, 32, 46, 64, 91]


@pytest.fixture
def bias(demo):
    return demo("position/relative_bias")


def bucket_by_integers(n: int, count: int, max_distance: int) -> int:
    """The bucket of a distance without a logarithm: log step j is reached when n^s · e^j ≥ max^j · e^s, with e exact
    buckets and s log buckets."""
    exact = count // 2
    if n < exact:
        return n
    s, j = count - exact, 0
    while j + 1 < s and n**s * exact ** (j + 1) >= max_distance ** (j + 1) * exact**s:
        j += 1
    return exact + j


def test_buckets_start_where_the_hand_table_says(bias):
    """With 32 buckets up to 128 the first distance of every bucket is that of the table, one way and both ways."""
    reach = torch.arange(600)
    one = bias.buckets(reach)
    both = bias.buckets(reach, causal=False)
    assert [one.tolist().index(b) for b in range(32)] == CAUSAL_STARTS
    assert [both.tolist().index(b) for b in range(16)] == BOTH_STARTS
    assert one.max() == 31
    assert both.max() == 15


@pytest.mark.parametrize(("count", "max_distance"), [(32, 128), (16, 128), (32, 64), (8, 20), (64, 1000)])
def test_buckets_equal_integer_arithmetic(bias, count, max_distance):
    """At every distance, exact powers among them, the bucket is that of whole-number powers."""
    want = [bucket_by_integers(n, count, max_distance) for n in range(3 * max_distance)]
    assert bias.buckets(torch.arange(3 * max_distance), count, max_distance).tolist() == want


def test_keys_ahead_use_the_second_half(bias):
    """Both ways, distance 3 is bucket 3 and distance −3 bucket 19; one way, keys ahead count as distance 0."""
    assert bias.buckets(torch.tensor([3, 0, -3, -500]), causal=False).tolist() == [3, 0, 19, 31]
    assert bias.buckets(torch.tensor([3, 0, -3, -500])).tolist() == [3, 0, 0, 0]


def test_distance_is_query_minus_key(bias):
    """Row 2 looks back 2, 1 and 0 tokens, and one ahead."""
    assert bias.distances(4)[2].tolist() == [2, 1, 0, -1]


def test_slopes_for_eight_twelve_and_sixteen_heads(bias):
    """Eight heads have 1/2 … 1/256; twelve add 2^−0.5, 2^−1.5, 2^−2.5, 2^−3.5; sixteen go down by √2."""
    eight = [1 / 2**k for k in range(1, 9)]
    assert bias.slopes(8).tolist() == pytest.approx(eight)
    assert bias.slopes(12).tolist() == pytest.approx([*eight, 2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5])
    assert bias.slopes(16).tolist() == pytest.approx([2 ** (-k / 2) for k in range(1, 17)])
    assert bias.slopes(1).tolist() == pytest.approx([1 / 256])


@pytest.mark.parametrize("heads", [2, 4, 32, 64])
def test_slopes_equal_the_double_exponent_form(bias, heads):
    """The first slope and the ratio are both 2^(−2^(3 − log₂ heads)), as the authors' code writes it."""
    start = 2 ** (-(2 ** (3 - math.log2(heads))))
    assert bias.slopes(heads).tolist() == pytest.approx([start * start**i for i in range(heads)])


def test_forty_heads_get_forty_different_slopes(bias):
    """Baichuan-13B's 40 heads: 32 of their own and 8 of the series for 64."""
    got = bias.slopes(40)
    assert len(got) == len(got.unique()) == 40
    assert got[32:].tolist() == pytest.approx([2 ** (-(2 * k + 1) / 8) for k in range(8)])


def test_weights_with_alibi_are_pytorchs_attention(bias):
    """PyTorch's attention takes the bias as a float mask and gives the same output, head by head."""
    q, k, v = torch.randn(3, 4, 10, 6, dtype=torch.float64)
    mask = bias.alibi(10, 4).masked_fill(torch.ones(10, 10, dtype=torch.bool).triu(1), -math.inf)
    want = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask[None])[0]
    got = bias.weights(q @ k.mT / 6**0.5 + bias.alibi(10, 4)) @ v
    assert torch.allclose(got, want, atol=1e-12)


def test_alibi_by_hand(bias):
    """Two heads have slopes 1/16 and 1/256: query 3 pays 3/16 and 3/256 for key 0 and nothing for itself."""
    got = bias.alibi(4, 2)
    assert got[:, 3, 0].tolist() == pytest.approx([-3 / 16, -3 / 256])
    assert got[:, 3, 3].tolist() == [0, 0]


def test_a_bias_that_grows_with_the_position_is_no_distance_bias(bias, monkeypatch):
    """A bias of the query's own position is not constant along diagonals, and slope·j does not replace it by itself."""
    monkeypatch.setattr(bias, "distances", lambda n: torch.arange(n)[:, None] ** 2 - torch.arange(n) ** 2)
    for claim in (bias.claim_bias_is_constant_along_diagonals, bias.claim_bias_by_key_position_alone_is_enough):
        with pytest.raises(ExpectationError):
            claim()


def test_one_slope_for_all_breaks_the_claims_about_slopes(bias, monkeypatch):
    """If every head had the slope 1/8, neither the series nor the reach of the gentlest head would be as claimed."""
    monkeypatch.setattr(bias, "slopes", lambda heads: torch.full((heads,), 1 / 8, dtype=torch.float64))
    with pytest.raises(ExpectationError):
        bias.claim_alibi_slopes_are_geometric()


def test_buckets_of_equal_width_break_the_claim(bias, monkeypatch):
    """Without the log scale the last bucket starts elsewhere and nothing widens."""
    monkeypatch.setattr(
        bias, "buckets", lambda distance, count=32, max_distance=128, causal=True: (distance.abs() // 4).clamp(max=count - 1)
    )
    with pytest.raises((ExpectationError, IndexError)):
        bias.claim_t5_buckets_widen_and_end()


def test_buckets_by_absolute_distance_lose_the_direction(bias, monkeypatch):
    """If buckets both ways ignored the sign, T5's bias could not tell left from right either."""
    buckets = bias.buckets
    monkeypatch.setattr(bias, "buckets", lambda distance, *_, causal=True: buckets(distance.abs()))
    with pytest.raises(ExpectationError):
        bias.claim_a_symmetric_bias_cannot_tell_left_from_right()
