"""The scores against slow loops over pairs, the fit against the SVD, the winners against the convex hull."""

import math

import pytest
import torch


def test_every_score_by_a_loop_over_pairs(demo):
    """Each matrix of scores holds the pair's formula at row q and column k."""
    d = demo("attention/score_functions")
    q, k, w = torch.randn(3, 4), torch.randn(5, 4), torch.randn(4, 4)
    w_q, w_k, v = d.additive_weights(4, 6)
    bias = torch.randn(6)
    found = {"dot": d.dot(q, k), "bilinear": d.bilinear(q, k, w), "additive": d.additive(q, k, w_q, w_k, v, bias),
             "gaussian": d.gaussian(q, k)}
    for i in range(3):
        for j in range(5):
            want = {"dot": sum(a * b for a, b in zip(q[i], k[j], strict=True)), "bilinear": q[i] @ (w @ k[j]),
                    "additive": sum(c * math.tanh(x) for c, x in zip(v, w_q.T @ q[i] + w_k.T @ k[j] + bias, strict=True)),
                    "gaussian": -sum((a - b) ** 2 for a, b in zip(q[i], k[j], strict=True)) / 2}
            for name, value in want.items():
                assert found[name][i, j].item() == pytest.approx(float(value), abs=1e-5), name


def test_fit_finds_what_the_svd_keeps(demo):
    """The fitted product of rank 2 is the truncated singular value decomposition."""
    w = torch.diag(torch.tensor([5.0, 4.0, 0.5, 0.1], dtype=torch.float64))
    w_q, w_k = demo("attention/score_functions").fit(w, 2)
    assert torch.allclose(w_q @ w_k.T, torch.diag(torch.tensor([5.0, 4.0, 0, 0], dtype=torch.float64)), atol=1e-9)


def test_dot_winners_in_the_plane_are_corners_of_the_hull(demo):
    """Every key that some query prefers has all the others on one side of a line through it; the bump prefers inner keys too."""
    d = demo("attention/score_functions")
    q, k = torch.randn(500, 2), torch.randn(20, 2)
    corners = set()
    for i in range(20):
        others = torch.cat((k[:i], k[i + 1 :])) - k[i]
        angles = torch.atan2(others[:, 1], others[:, 0]).sort().values
        steps = torch.cat((angles.diff(), angles[:1] + 2 * math.pi - angles[-1:]))
        if steps.max() > math.pi:  # a half-plane without keys
            corners.add(i)
    assert set(d.dot(q, k).argmax(1).tolist()) <= corners
    assert len(corners) < 20
    assert d.bump(k, k).argmax(1).tolist() == list(range(20))


def test_work_counts_what_is_written(demo):
    """A product of 3 × 4 and 4 × 5 writes 15 numbers and takes 120 FLOPs; a transpose writes nothing; tanh is counted."""
    d = demo("attention/score_functions")
    a, b = torch.randn(3, 4), torch.randn(5, 4)
    done, flops = d.work(lambda: d.dot(a, b))
    assert (done.written, done.largest, done.bent, flops) == (60, 15, 0, 120)
    assert d.work(lambda: a.tanh())[0].bent == 12


def test_feature_map_is_positive(demo):
    """Linear attention's features stay above 0, so that its weights can be divided by their sum."""
    feature = demo("attention/score_functions").feature
    assert (feature(torch.linspace(-10, 10, 101)) > 0).all()
