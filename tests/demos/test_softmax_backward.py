"""The written-out backward against a hand-worked row, the Jacobian, finite differences and PyTorch's attention."""

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError

F64 = torch.float64


@pytest.fixture
def back(demo):
    return demo("attention/softmax_backward")


def test_a_row_by_hand(back):
    """p = (1/2, 1/4, 1/4) and dP = (1, 2, 3) average 7/4, so dS = (−3/8, 1/16, 5/16)."""
    got = back.softmax_backward(torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[1.0, 2.0, 3.0]]))
    assert got.tolist() == [[-0.375, 0.0625, 0.3125]]


def test_rows_equal_the_jacobian_times_dp(back):
    """Each row of dS is (diag(p) − ppᵀ) dP, and a row term handed in takes the place of the sum."""
    p, dp = torch.randn(5, 7, dtype=F64).softmax(-1), torch.randn(5, 7, dtype=F64)
    for i, row in enumerate(back.softmax_backward(p, dp)):
        assert torch.allclose(row, (torch.diag(p[i]) - torch.outer(p[i], p[i])) @ dp[i])
    assert torch.equal(back.softmax_backward(p, dp, torch.zeros(5, 1)), p * dp)


def test_attention_backward_equals_finite_differences(back):
    """dQ, dK and dV agree with central differences of Σ O ∘ dO, with and without the causal mask."""
    q, k, v, do = (t.detach() for t in back.inputs(4, 3))
    for causal in (False, True):
        got = back.attention_backward(q, k, v, back.attend(q, k, v, causal)[1], do)
        for which in range(3):
            for place in ((0, 0), (2, 1), (3, 2)):
                ends = []
                for h in (1e-6, -1e-6):
                    moved = [t.clone() for t in (q, k, v)]
                    moved[which][place] += h
                    ends.append((back.attend(*moved, causal)[0] * do).sum().item())
                assert got[which][place].item() == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


@pytest.mark.parametrize(("n", "block"), [(10, 3), (10, 10), (7, 64)])
@pytest.mark.parametrize("causal", [False, True])
def test_uneven_blocks_equal_pytorchs_backward(back, n, block, causal):
    """With blocks that do not divide n, or one larger than n, the gradients are those of PyTorch's attention."""
    q, k, v, do = back.inputs(n, 4)
    out = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]
    want = torch.autograd.grad(out, (q, k, v), do)
    with torch.no_grad():
        o, _, lse = back.attend(q, k, v, causal)
        got, largest = back.blockwise_backward(q, k, v, o, lse, do, causal, block)
    assert largest == n * min(n, block)
    for a, b in zip(got, want, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_without_the_row_term_the_claims_break(back, monkeypatch):
    """With dS = P ∘ dP neither the gradients, nor gradcheck, nor the blocks, nor p − y come out."""
    monkeypatch.setattr(back, "softmax_backward", lambda p, dp, row=None: p * dp)
    for claim in (back.claim_attention_softmax_backward_matches_closed_form, back.claim_gradcheck_rejects_shortcuts,
                  back.claim_blockwise_backward_holds_no_n_by_n, back.claim_output_layer_gradient_is_p_minus_y):
        with pytest.raises(ExpectationError):
            claim()
