"""The streamed softmax against float64, a hand-worked row and torch's own functions."""

import math

import pytest
import torch


def test_two_blocks_by_hand(demo):
    """Scores (0, ln 2) and (ln 4) in two blocks give weights 1/7, 2/7, 4/7 and l = 7/4 at the maximum ln 4."""
    stream = demo("attention/online_softmax").stream
    scores = torch.tensor([[0.0, math.log(2), math.log(4)]])
    out, m, l = stream(scores, torch.eye(3), 2)  # noqa: E741
    assert torch.allclose(out, torch.tensor([[1 / 7, 2 / 7, 4 / 7]]))
    assert m.item() == pytest.approx(math.log(4))
    assert l.item() == pytest.approx(7 / 4)


def test_falling_scores_need_no_rescale(demo):
    """Where the maximum stands in the first block the factor is 1 and dropping it changes nothing."""
    stream = demo("attention/online_softmax").stream
    scores = torch.arange(8, 0, -1.0)[None]
    assert torch.equal(stream(scores, torch.eye(8), 2)[0], stream(scores, torch.eye(8), 2, rescale=False)[0])
    rising = scores.flip(1)
    assert not torch.allclose(stream(rising, torch.eye(8), 2)[0], stream(rising, torch.eye(8), 2, rescale=False)[0])


def test_merge_is_what_streaming_all_keys_gives(demo):
    """Two halves merged by their m and l equal the softmax over all keys, though one half's scores are far larger."""
    d = demo("attention/online_softmax")
    scores, v = torch.randn(5, 40), torch.randn(40, 3)
    scores[:, 20:] += 300
    o, m, l = d.merge(d.stream(scores[:, :20], v[:20], 6), d.stream(scores[:, 20:], v[20:], 6))  # noqa: E741
    assert torch.allclose(o, scores.softmax(1) @ v, atol=1e-5)
    assert torch.allclose((m + l.log())[:, 0], scores.logsumexp(1), atol=1e-4)
