"""Plausible wrong bodies of the shift between inputs and labels; a claim of the demo refutes each."""

from torch import Tensor


def inputs_and_labels__does_not_shift(x: Tensor) -> tuple[Tensor, Tensor]:
    """The label is the input itself."""
    return x[:, :-1], x[:, :-1]


def inputs_and_labels__shifts_backwards(x: Tensor) -> tuple[Tensor, Tensor]:
    """The label is the token before."""
    return x[:, 1:], x[:, :-1]


def inputs_and_labels__drops_a_column(x: Tensor) -> tuple[Tensor, Tensor]:
    """The label stands two tokens further on."""
    return x[:, :-2], x[:, 2:]
