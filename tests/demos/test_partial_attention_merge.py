"""The merge of partial results where one range's scores are far larger."""

import torch


def test_far_larger_scores_overflow_nothing(demo):
    """Two halves merge to the softmax over all keys though one half's scores are larger by 3000."""
    d = demo("attention/partial_attention_merge")
    s, v = torch.randn(5, 40, dtype=torch.float64), torch.randn(40, 3, dtype=torch.float64)
    s[:, 20:] += 3000
    o, lse = d.merge(*d.partial(s[:, :20], v[:20]), *d.partial(s[:, 20:], v[20:]))
    assert torch.allclose(o, s.softmax(1) @ v)
    assert torch.allclose(lse[:, 0], s.logsumexp(1))
