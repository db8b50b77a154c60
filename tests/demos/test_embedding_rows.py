"""The AdamW of nlp/embedding_rows against torch's own."""

import torch


def test_its_step_is_torchs_adamw(demo) -> None:
    """Three steps with gradients that are zero in most rows give what torch.optim.AdamW gives."""
    rows = demo("nlp/embedding_rows")
    start, state = torch.randn(6, 3, dtype=torch.float64), {}
    ours, theirs = start, torch.nn.Parameter(start.clone())
    torchs = torch.optim.AdamW([theirs], lr=rows.LR, weight_decay=rows.DECAY)
    for row in (0, 2, 0):
        theirs.grad = torch.zeros(6, 3, dtype=torch.float64)
        theirs.grad[row] = torch.randn(3, dtype=torch.float64)
        ours = rows.adamw(ours, theirs.grad, state, rows.DECAY)
        torchs.step()
    assert torch.allclose(ours, theirs.detach(), atol=1e-12)
