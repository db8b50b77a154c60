"""The Jacobian and the gradients against autograd and by hand, the first optimiser steps against their rules, the variance."""

import torch


def test_jacobian_norm_is_autograds(demo):
    """The norm of diag(p) − ppᵀ is that of the Jacobian autograd finds for softmax."""
    x = torch.randn(9)
    jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(0), x)
    got = demo("attention/score_scaling").jacobian_norm(x.softmax(0)[None])
    assert torch.allclose(got[0], jacobian.norm(), atol=1e-6)


def test_scores_have_the_variance_of_their_width(demo):
    """Scores of width 49 have a standard deviation near 7 and mean near 0."""
    s = demo("attention/score_scaling").scores(49, 400, 400)
    assert abs(s.std().item() - 7) < 0.5
    assert abs(s.mean().item()) < 0.5


def test_query_gradient_is_keys_times_jacobian_times_values(demo):
    """The gradient at a query is scale · Kᵀ (diag(p) − ppᵀ) V w, written out row by row."""
    q, k, v, wanted = torch.randn(3, 6), torch.randn(5, 6), torch.randn(5, 4), torch.randn(3, 4)
    got = demo("attention/score_scaling").query_gradients(q, k, v, wanted, 0.7)
    for i in range(3):
        p = (0.7 * k @ q[i]).softmax(0)
        by_hand = 0.7 * k.T @ (torch.diag(p) - torch.outer(p, p)) @ v @ wanted[i]
        assert torch.allclose(got[i], by_hand.norm(), atol=1e-6)


def test_first_steps_are_gradient_and_sign(demo):
    """SGD moves W_Q by −lr·g and Adam, in its first step, by −lr·sign(g), so the scores move by what that does to them."""
    d = demo("attention/score_scaling")
    for name, rule in (("SGD", lambda g: g), ("Adam", torch.sign)):
        torch.manual_seed(3)
        got = d.moved(name, 8, 0.5, folded=0.3, width=12, tokens=6, lr=0.01)
        torch.manual_seed(3)
        x = torch.randn(6, 12)
        w_q, w_k = torch.randn(2, 12, 8) / 12**0.5
        p = (x @ (0.3 * w_q) @ w_k.T @ x.T * 0.5).softmax(1)
        p[torch.arange(6), (torch.arange(6) - 1) % 6] -= 1  # softmax minus one-hot
        g = 0.5 * x.T @ (p / 6) @ x @ w_k
        by_hand = -0.01 * x @ rule(g) @ w_k.T @ x.T * 0.5
        assert torch.allclose(got, by_hand.norm() / 6, rtol=1e-3)


def test_adafactor_starts_in_proportion_to_the_parameter(demo):
    """A W_Q ten times as large moves ten times as far with Adafactor, whatever the scale of the scores."""
    d = demo("attention/score_scaling")
    torch.manual_seed(3)
    small = d.moved("Adafactor", 8, 1.0, folded=0.1)
    torch.manual_seed(3)
    large = d.moved("Adafactor", 8, 0.1, folded=1.0)
    assert torch.allclose(small, large, rtol=1e-3)
