"""Plausible wrong bodies of the exercise of pytorch/gather_scatter."""

import torch


def one_hot__repeats_the_index(index, size):
    """The index itself is stored instead of a one."""
    zeros = torch.zeros(*index.shape, size, dtype=torch.float64)
    return zeros.scatter_(-1, index.unsqueeze(-1), index.unsqueeze(-1).double())


def one_hot__marks_the_last_only(index, size):
    """All k indices of a row are written as the last one."""
    zeros = torch.zeros(*index.shape, size, dtype=torch.float64)
    return zeros.scatter_(-1, index[:, -1:, None].expand(-1, index.shape[1], 1), 1.0)


def one_hot__scatters_along_rows(index, size):
    """Every row is marked at all indices of the row: (rows, size), copied k times."""
    zeros = torch.zeros(index.shape[0], size, dtype=torch.float64).scatter_(1, index, 1.0)
    return zeros[:, None].expand(-1, index.shape[1], -1)
