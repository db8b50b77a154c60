"""Plausible wrong bodies of the exercises of foundations/jacobian_layouts."""

import torch


def jacobian__transposed(f, x):
    """Rows are inputs."""
    x = x.detach().clone().requires_grad_()
    return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0] for one in f(x)], 1)


def jacobian__only_the_sum(f, x):
    """What .backward() of the sum leaves, once per output."""
    x = x.detach().clone().requires_grad_()
    y = f(x)
    (total,) = torch.autograd.grad(y.sum(), x)
    return total.expand(len(y), -1)


def jacobian__one_row(f, x):
    """The first output alone."""
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(f(x)[0], x)[0][None]


def quadratic_gradient__symmetric_rule(x, a):
    """2Ax, as if a were symmetric."""
    return 2 * a @ x


def quadratic_gradient__one_factor(x, a):
    """x held fixed in one of its places."""
    return a @ x


def quadratic_gradient__transposed_factor(x, a):
    """The other place alone, twice."""
    return 2 * a.T @ x
