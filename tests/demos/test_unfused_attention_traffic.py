"""The watched traffic of PyTorch's operators against counts by hand."""


def test_counts_of_a_tiny_head_by_hand(demo):
    """At N = 5 and d = 3, in 2 bytes: QKᵀ reads 30 and writes 25, softmax reads and writes 25, PV reads 40 and writes 15."""
    d = demo("attention/unfused_attention_traffic")
    rows = d.watch(d.attention, 5, 3).rows
    assert [(r.read // 2, r.written // 2) for r in rows] == [(30, 25), (25, 25), (40, 15)]
