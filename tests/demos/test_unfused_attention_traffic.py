"""The watched traffic of PyTorch's operations against counts by hand, torch's FLOP counter and real tensors."""

import torch
from torch.utils.flop_counter import FlopCounterMode


def test_counts_of_a_tiny_head_by_hand(demo):
    """At N = 5 and d = 3: QKᵀ reads 30 and writes 25, softmax reads and writes 25, PV reads 40 and writes 15."""
    d = demo("attention/unfused_attention_traffic")
    seen = d.watch(5, 3, d.attention)
    assert [(read, written) for _, read, written, _ in seen.rows] == [(30, 25), (25, 25), (40, 15)]
    assert seen.moved == 160
    assert seen.square == 100


def test_views_move_nothing(demo):
    """Transposing, slicing and expanding touch no element."""
    traffic = demo("attention/unfused_attention_traffic").Traffic()
    x = torch.randn(4, 6)
    with traffic:
        _ = x.T, x[1:3], x[None].expand(5, 4, 6), x.view(24)
    assert traffic.rows == []


def test_meta_tensors_count_like_real_ones(demo):
    """Real tensors give the rows that meta tensors give, backward included."""
    d = demo("attention/unfused_attention_traffic")

    def both(q, k, v):
        out = d.attention(q, k, v)
        return torch.autograd.grad(out, (q, k, v), torch.ones_like(out))

    real = d.Traffic()
    inputs = [torch.randn(12, 4, requires_grad=True) for _ in range(3)]
    with real:
        both(*inputs)
    assert [row for row in d.watch(12, 4, both).rows if "ones" not in row[0]] == [r for r in real.rows if "ones" not in r[0]]


def test_flops_are_those_that_torch_counts(demo):
    """The FLOPs of the rows add up to what FlopCounterMode finds."""
    d = demo("attention/unfused_attention_traffic")
    with FlopCounterMode(display=False) as counter:
        d.attention(*torch.randn(3, 32, 8))
    assert sum(row[3] for row in d.watch(32, 8, d.attention).rows) == counter.get_total_flops()
