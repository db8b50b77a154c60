"""Plausible wrong bodies of the exercise of finetuning/epoch2_loss_drop."""

import torch


def batches__draws_at_random(items, epochs, batch):
    """With replacement."""
    return torch.randint(items, (epochs * items // batch, batch))


def batches__drops_the_last_epoch(items, epochs, batch):
    """All epochs shuffled together: an item may come twice in the first."""
    return torch.randperm(items * epochs).remainder(items).view(-1, batch)
