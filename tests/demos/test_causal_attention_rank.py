"""What the claims on rank measure with, against matrices whose rank and determinant are known."""

from fractions import Fraction

import pytest
import torch


def test_effective_rank_of_known_matrices(demo):
    """n for the identity, 1 for a matrix of ones, 2 for two equal singular values beside zeros."""
    effective_rank = demo("attention/causal_attention_rank").effective_rank
    assert effective_rank(torch.eye(7)).item() == pytest.approx(7)
    assert effective_rank(torch.ones(7, 7)).item() == pytest.approx(1, abs=1e-3)
    assert effective_rank(torch.diag(torch.tensor([3.0, 3, 0, 0]))).item() == pytest.approx(2)


def test_exact_determinant(demo):
    """By hand −2, and for random integers what float64 finds."""
    determinant = demo("attention/causal_attention_rank").determinant
    assert determinant([[1, 2], [3, 4]]) == Fraction(-2)
    a = torch.randint(1, 9, (5, 5)) + 20 * torch.eye(5, dtype=torch.long)
    assert float(determinant(a.tolist())) == pytest.approx(torch.linalg.det(a.double()).item())
