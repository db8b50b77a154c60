"""Plausible wrong bodies of the exercises of finetuning/new_token_rows."""

import torch


def grow__cuts_spare_rows(rows, tokens):
    """As many rows as the tokenizer has tokens, also where the matrix has more."""
    if tokens <= len(rows):
        return rows[:tokens]
    return torch.cat((rows, rows.mean(0, keepdim=True).expand(tokens - len(rows), -1)))


def grow__appends_zeros(rows, tokens):
    """New rows of zeros."""
    new = max(tokens - len(rows), 0)
    return torch.cat((rows, rows.new_zeros(new, rows.shape[1])))


def grow__draws_small_numbers(rows, tokens):
    """New rows as a fresh model would have them."""
    new = max(tokens - len(rows), 0)
    return torch.cat((rows, 0.02 * torch.randn(new, rows.shape[1], dtype=rows.dtype, device=rows.device)))
