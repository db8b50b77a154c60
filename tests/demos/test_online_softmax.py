"""The streamed softmax against a row worked by hand, and a row that sees nothing."""

import math

import pytest
import torch


def test_two_blocks_by_hand(demo):
    """Scores (0, ln 2) and (ln 4) in two blocks give weights 1/7, 2/7, 4/7 and l = 7/4 at the maximum ln 4."""
    stream = demo("attention/online_softmax").stream
    scores = torch.tensor([[0.0, math.log(2), math.log(4)]])
    out, m, l = stream(scores, torch.eye(3), 2, "right")  # noqa: E741
    assert torch.allclose(out, torch.tensor([[1 / 7, 2 / 7, 4 / 7]]))
    assert m.item() == pytest.approx(math.log(4))
    assert l.item() == pytest.approx(7 / 4)


def test_falling_scores_need_no_rescale(demo):
    """Where the maximum stands in the first block the factor is 1 and dropping it changes nothing."""
    stream = demo("attention/online_softmax").stream
    scores = torch.arange(8, 0, -1.0)[None]
    assert torch.equal(stream(scores, torch.eye(8), 2, "right")[0], stream(scores, torch.eye(8), 2, "no rescale")[0])


def test_a_row_without_keys_is_zero(demo):
    """A row whose every score is masked gives 0, as PyTorch's attention does, and a log-sum-exp of −inf."""
    out, m, l = demo("attention/online_softmax").stream(torch.full((2, 6), -torch.inf), torch.ones(6, 3), 2, "right")  # noqa: E741
    assert torch.equal(out, torch.zeros(2, 3))
    assert (m + l.log()).eq(-torch.inf).all()
