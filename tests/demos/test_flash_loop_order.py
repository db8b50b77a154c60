"""Both loop orders against counts by hand and PyTorch, with blocks that do not divide n."""

import pytest
import torch


def test_uneven_blocks_are_exact(demo):
    """With 50 rows in blocks of 16 and 7 both loop orders still equal PyTorch's attention."""
    d = demo("attention/flash_loop_order")
    inputs = d.memory(50, 8)
    want = torch.nn.functional.scaled_dot_product_attention(*(inputs[x][None] for x in "QKV"))[0]
    for algorithm in (d.flash_v1, d.flash_v2):
        hbm = d.Hbm(**inputs)
        algorithm(hbm, 16, 7)
        assert torch.allclose(hbm.tensors["O"], want, atol=1e-5)


def test_counts_of_a_tiny_head_by_hand(demo):
    """N = 4, d = 1 in blocks of two: v1 reads 8 of K and V, 8 of Q and 24 of O, l, m and writes 24; v2 moves 28."""
    d = demo("attention/flash_loop_order")
    one, two = d.Hbm(**d.memory(4, 1)), d.Hbm(**d.memory(4, 1))
    d.flash_v1(one, 2, 2)
    d.flash_v2(two, 2, 2)
    assert (one.read.total(), one.written.total()) == (40, 24)
    assert (two.read.total(), two.written.total()) == (20, 8)


def test_v2_keeps_the_log_sum_exp(demo):
    """What v2 stores beside O is the log-sum-exp of each row of scores."""
    d = demo("attention/flash_loop_order")
    hbm = d.Hbm(**d.memory(20, 4))
    d.flash_v2(hbm, 8, 8)
    scores = hbm.tensors["Q"] @ hbm.tensors["K"].T / 2
    assert hbm.tensors["L"][:, 0].tolist() == pytest.approx(scores.logsumexp(1).tolist(), abs=1e-5)


def test_one_key_value_block_is_attention_over_its_keys(demo):
    """v1 on its second K/V block alone gives attention over those keys, and their row maxima and sums."""
    d = demo("attention/flash_loop_order")
    inputs = d.memory(20, 4)
    hbm = d.Hbm(**inputs)
    d.flash_v1(hbm, 8, 8, [1])
    scores = inputs["Q"] @ inputs["K"][8:16].T / 2
    assert torch.allclose(hbm.tensors["O"], scores.softmax(1) @ inputs["V"][8:16], atol=1e-5)
    assert torch.allclose(hbm.tensors["m"][:, 0], scores.amax(1))
    assert torch.allclose((hbm.tensors["m"] + hbm.tensors["l"].log())[:, 0], scores.logsumexp(1), atol=1e-5)
