"""The Jacobian's norm against autograd, and the scores' variance against the closed form for another variance."""

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
