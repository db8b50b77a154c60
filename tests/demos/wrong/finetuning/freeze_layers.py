"""Plausible wrong bodies of the exercise of finetuning/freeze_layers."""

import torch


def freeze__leaves_the_gradient(layers, trained):
    """requires_grad alone: the gradient of the last step is still there."""
    kept = {id(p) for p in layers[trained].parameters()}
    for p in layers.parameters():
        p.requires_grad_(id(p) in kept)
    return [p for p in layers.parameters() if p.requires_grad]


def freeze__zeroes_the_gradient(layers, trained):
    """Zeroes the gradients once and freezes nothing: the next backward pass fills them again."""
    kept = {id(p) for p in layers[trained].parameters()}
    for p in layers.parameters():
        if id(p) not in kept and p.grad is not None:
            p.grad = torch.zeros_like(p)
    return [p for p in layers.parameters() if id(p) in kept]
