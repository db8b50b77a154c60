"""The matrices of the rank demo against PyTorch's attention, determinants by hand, and stacks whose spread is known."""

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError

F64 = torch.float64


@pytest.fixture
def rank(demo):
    return demo("attention/causal_attention_rank")


def test_weights_equal_pytorchs_attention(rank):
    """The matrix times the values is PyTorch's attention, with the mask and without, whatever the scale."""
    q, k, v = torch.randn(3, 9, 5, dtype=F64)
    for causal in (False, True):
        want = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal, scale=3 / 5**0.5)[0]
        assert torch.allclose(rank.weights(q, k, causal, 3.0) @ v, want)


def test_effective_rank_of_known_matrices(rank):
    """n for the identity, 1 for a matrix of ones, 2 for two equal singular values beside zeros."""
    assert rank.effective_rank(torch.eye(7)).item() == pytest.approx(7)
    assert rank.effective_rank(torch.ones(7, 7)).item() == pytest.approx(1, abs=1e-3)
    assert rank.effective_rank(torch.diag(torch.tensor([3.0, 3, 0, 0]))).item() == pytest.approx(2)


def test_exact_determinant(rank):
    """By hand: −2; 0 where a row repeats; the sign of a swap; and for random integers what float64 finds."""
    assert rank.exact_determinant([[1, 2], [3, 4]]) == Fraction(-2)
    assert rank.exact_determinant([[1, 2, 3], [4, 5, 6], [1, 2, 3]]) == 0
    assert rank.exact_determinant([[0, 1], [1, 0]]) == -1
    a = torch.randint(-9, 9, (5, 5))
    assert float(rank.exact_determinant(a.tolist())) == pytest.approx(torch.linalg.det(a.double()).item())


def test_spread_of_known_stacks(rank, monkeypatch):
    """Weights of the identity keep the spread, uniform weights end it in one layer."""
    monkeypatch.setattr(rank, "weights", lambda q, k, causal: torch.eye(len(q), dtype=F64))
    kept = rank.spread_by_layer(6, 4, 3, False, False)
    assert kept[2].item() == pytest.approx(kept[0].item())
    monkeypatch.setattr(rank, "weights", lambda q, k, causal: torch.full((len(q), len(q)), 1 / len(q), dtype=F64))
    assert rank.spread_by_layer(6, 4, 1, False, False)[0].item() < 1e-12


def test_without_the_mask_the_causal_claims_break(rank, monkeypatch):
    """Where «causal» attends to everything there is no triangle, no product of the diagonal, and no 1/t."""
    whole = rank.weights
    monkeypatch.setattr(rank, "weights", lambda q, k, causal, scale=1.0: whole(q, k, False, scale))
    for claim in (rank.claim_causal_determinant_is_the_diagonal_product, rank.claim_causal_matrix_is_ill_conditioned,
                  rank.claim_effective_rank_depends_on_the_scores, rank.claim_pure_attention_collapses_in_both,
                  rank.claim_causal_weights_reveal_position):
        with pytest.raises(ExpectationError):
            claim()


def test_without_softmax_the_rank_stays(rank, monkeypatch):
    """Raw scores in place of softmax have rank d_head, and the claim that it is full breaks."""
    monkeypatch.setattr(rank, "weights", lambda q, k, causal, scale=1.0: q @ k.T)
    with pytest.raises(ExpectationError):
        rank.claim_softmax_restores_full_rank()
