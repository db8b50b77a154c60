"""The three means of alignment/grpo_loss against their definitions."""

import pytest
import torch


@pytest.mark.parametrize(("mean", "divisor"), [("tokens", 9.0), ("constant", 12.0)])
def test_a_mean_by_weights_is_the_mean_itself(demo, mean: str, divisor: float) -> None:
    """Weights on the advantages give the sum of the clipped gains over all tokens, or over answers × width."""
    new, old = torch.randn(2, 3, 4, dtype=torch.float64)
    advantages = torch.tensor([1.5, -0.5, -1.0], dtype=torch.float64)
    mask = (torch.arange(4) < torch.tensor([[4], [2], [3]])).double()
    ratio = (new - old).exp()
    gain = torch.minimum(ratio * advantages[:, None], ratio.clamp(0.8, 1.2) * advantages[:, None])
    expected = -(gain * mask).sum() / divisor
    torch.testing.assert_close(demo("alignment/grpo_loss").loss_by(mean, new, old, advantages, mask), expected)
