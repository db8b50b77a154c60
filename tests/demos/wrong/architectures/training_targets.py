"""Plausible wrong labels; a claim of the demo refutes each."""

import torch
from torch import Tensor

IGNORE = -100


def next_token_labels__does_not_shift(tokens: Tensor, prefix: int) -> Tensor:
    """The label is the token itself."""
    labels = tokens.clone()
    labels[:prefix] = IGNORE
    return labels


def next_token_labels__trains_on_the_prefix(tokens: Tensor, prefix: int) -> Tensor:
    """The prefix is not left out."""
    return torch.cat((tokens[1:], torch.tensor([IGNORE])))


def next_token_labels__drops_the_first_answer(tokens: Tensor, prefix: int) -> Tensor:
    """The last prefix position, which predicts the first token of the answer, is left out too."""
    labels = torch.cat((tokens[1:], torch.tensor([IGNORE])))
    labels[:prefix] = IGNORE
    return labels
