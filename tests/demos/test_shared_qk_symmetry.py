"""Symmetry, eigenvalues and RoPE against hand-worked cases, and the learners against what is known of their optimum."""

import math

import torch


def test_asymmetry_of_known_matrices(demo):
    """A symmetric matrix has asymmetry 0, an antisymmetric one 2, and a shift of four one √2."""
    asymmetry = demo("attention/shared_qk_symmetry").asymmetry
    assert asymmetry(torch.tensor([[1.0, 2.0], [2.0, 5.0]])) == 0
    assert torch.allclose(asymmetry(torch.tensor([[0.0, 3.0], [-3.0, 0.0]])), torch.tensor(2.0))
    assert torch.allclose(asymmetry(torch.eye(4).roll(1, 1)), torch.tensor(math.sqrt(2)))


def test_smallest_eigenvalue_of_known_matrices(demo):
    """[[1, 2], [2, 1]] has eigenvalues 3 and −1; a Gram matrix of dependent rows has 0."""
    smallest = demo("attention/shared_qk_symmetry").smallest_eigenvalue
    assert torch.allclose(smallest(torch.tensor([[1.0, 2.0], [2.0, 1.0]])), torch.tensor(-1 / 3))
    x = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert torch.allclose(smallest(x @ x.T), torch.tensor(0.0), atol=1e-6)


def test_rotation_by_hand(demo):
    """Row m of a two-dimensional x turns by m radians, counter-clockwise, and keeps its length."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    by_hand = torch.tensor([[1.0, 0.0], [math.cos(1), math.sin(1)], [-2 * math.sin(2), 2 * math.cos(2)]])
    rotate = demo("attention/shared_qk_symmetry").rotate
    assert torch.allclose(rotate(x), by_hand, atol=1e-6)
    second = rotate(torch.tensor([[0.0] * 4, [0.0, 0.0, 1.0, 0.0]]))[1, 2:]  # the second of two pairs turns by 1/100
    assert torch.allclose(second, torch.tensor([math.cos(0.01), math.sin(0.01)]), atol=1e-6)


def test_tied_optimum_is_a_kernel_on_the_circle(demo):
    """With one matrix training ends at the best positive semi-definite circulant, found here by a search over β·cos."""
    losses, p = demo("attention/shared_qk_symmetry").learn_previous(8, 8, True, torch.ones(8, 8, dtype=torch.bool), 300, 0.1)
    angle = 2 * math.pi * torch.arange(8) / 8
    best = min((beta * angle.cos()).logsumexp(0) - beta * angle[1].cos() for beta in torch.linspace(0, 10, 2001))
    assert abs(losses[-1] - best) < 1e-3
    assert torch.allclose(p[3, 2], p[3, 4], atol=0.01)


def test_hidden_tokens_get_no_weight(demo):
    """Under the causal mask row i of the weights is 0 beyond token i, and token 0 is not asked for a previous one."""
    mask = torch.ones(6, 6).tril().bool()
    _, p = demo("attention/shared_qk_symmetry").learn_previous(6, 4, False, mask, 50, 0.1)
    assert p.shape == (5, 6)
    assert (p.triu(2) == 0).all()
    assert (p.argmax(1) == torch.arange(5)).all()


def test_lookup_needs_room_for_the_payload(demo):
    """A head of 4 cannot return 8 independent unit-variance numbers: at least 4 of 8 are lost, so the error is at least 0.5."""
    losses = demo("attention/shared_qk_symmetry").learn_lookup(4, False, 8, 8, 150, 0.05)
    assert 0.4 < losses[-20:].mean() < 0.65
