"""Plausible wrong bodies of the exercise of nlp/tied_embeddings."""

import torch


def tied_gradient__input_side_only(ids, slope_in, hidden, slope_out, vocabulary):
    """As if the head were detached."""
    return torch.zeros(vocabulary, hidden.shape[1], dtype=hidden.dtype).index_add(0, ids, slope_in)


def tied_gradient__head_side_only(ids, slope_in, hidden, slope_out, vocabulary):
    """As if the look-up were detached."""
    return slope_out.T @ hidden


def tied_gradient__overwrites_repeats(ids, slope_in, hidden, slope_out, vocabulary):
    """A token that occurs twice learns from one of its places only."""
    looked_up = torch.zeros(vocabulary, hidden.shape[1], dtype=hidden.dtype)
    looked_up[ids] = slope_in
    return slope_out.T @ hidden + looked_up
