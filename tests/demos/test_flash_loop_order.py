"""Both loop orders against counts by hand."""

import torch


def test_counts_of_a_tiny_head_by_hand(demo):
    """N = 4, d = 1 in blocks of two: v1 reads 8 of K and V, 8 of Q and 24 of O, l, m and writes 24; v2 moves 28."""
    d = demo("attention/flash_loop_order")
    one, two = d.memory(4, 1), d.memory(4, 1)
    d.attend(one, 2, 2, "keys")
    d.attend(two, 2, 2, "queries")
    assert (one.read.total(), one.written.total()) == (40, 24)
    assert (two.read.total(), two.written.total()) == (20, 8)


def test_v2_keeps_the_log_sum_exp(demo):
    """What v2 stores beside O is the log-sum-exp of each row of scores."""
    d = demo("attention/flash_loop_order")
    hbm = d.memory(20, 4)
    d.attend(hbm, 8, 8, "queries")
    scores = hbm.tensors["Q"] @ hbm.tensors["K"].T / 2
    assert torch.allclose(hbm.tensors["L"][:, 0], scores.logsumexp(1))
