"""Plausible wrong bodies of the exercise of pytorch/activation_checkpointing."""

import torch


def recompute__draws_new_masks(block, x, rng, upstream):
    """The generator is not set back: dropout drops other values than in the first forward."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        x = x.detach().requires_grad_()
        torch.autograd.backward(block(x), upstream)
    return x.grad


def recompute__keeps_the_old_generator(block, x, rng, upstream):
    """The generator is set back and stays there: later draws repeat those of the block."""
    torch.set_rng_state(rng)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        torch.autograd.backward(block(x), upstream)
    return x.grad


def recompute__ignores_the_upstream(block, x, rng, upstream):
    """The gradient of the sum of the output, not of the loss."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.set_rng_state(rng)
        x = x.detach().requires_grad_()
        block(x).sum().backward()
    return x.grad
