"""The demos on scaling: the Jacobian and first optimiser steps against autograd and rules by hand."""

import torch


def test_jacobian_norm_is_autograds(demo) -> None:
    """The norm of diag(p) − ppᵀ is that of the Jacobian autograd finds for softmax."""
    x = torch.randn(9)
    jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(0), x)
    got = demo("attention/softmax_saturation").jacobian_norm(x.softmax(0)[None])
    assert torch.allclose(got[0], jacobian.norm(), atol=1e-6)


def test_weights_are_torchs_at_the_root(demo) -> None:
    """Divided by the root, with the identity as values, they are scaled_dot_product_attention's weights."""
    q, k = torch.randn(5, 12), torch.randn(7, 12)
    want = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], torch.eye(7)[None])[0]
    assert torch.allclose(demo("attention/score_scaling").weights(q, k, 0.5), want, atol=1e-6)


def test_first_steps_are_gradient_and_sign(demo) -> None:
    """SGD moves W_Q by −lr·g and Adam, in its first step, by −lr·sign(g), so the scores move by what that does to them."""
    d = demo("attention/scale_in_the_weights")
    x, w_k, w_q = (d.randn(*shape, seed=s) for s, shape in ((0, (16, 64)), (1, (64, 8)), (2, (64, 8))))
    w_k, w_q = w_k / 8, w_q / 8 / 8**0.25
    p = (x @ w_q @ w_k.T @ x.T / 8**0.5).softmax(1)
    p[torch.arange(16), (torch.arange(16) - 1) % 16] -= 1  # softmax minus one-hot
    g = x.T @ (p / 16) @ x @ w_k / 8**0.5
    for name, rule in (("SGD", lambda g: g), ("Adam", torch.sign)):
        by_hand = -1e-3 * x @ rule(g) @ w_k.T @ x.T / 8**0.5
        assert torch.allclose(d.movement(name, 8, 0.5, 0.25), by_hand.norm() / 16, rtol=1e-3)


def test_normalised_logits_are_cosines_times_the_gain(demo) -> None:
    """Of unit length, a logit is the gain times the cosine; by RMS, √d times it."""
    logits = demo("attention/logit_bounds").logits
    q, k = torch.randn(3, 10), torch.randn(4, 10)
    cosine = torch.nn.functional.cosine_similarity(q[:, None], k[None], dim=-1)
    assert torch.allclose(logits(q, k, "length", 7.0), 7 * cosine, atol=1e-5)
    assert torch.allclose(logits(q, k, "rms", 7.0), 10**0.5 * cosine, atol=1e-4)
