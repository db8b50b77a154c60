"""Plausible wrong bodies of Viterbi decoding; a claim of the demo refutes each."""

import torch
from torch import Tensor


def viterbi__takes_each_word(scores: Tensor, allowed: Tensor, start: Tensor) -> list[int]:
    """The best tag of each word by itself."""
    return scores.argmax(1).tolist()


def viterbi__is_greedy(scores: Tensor, allowed: Tensor, start: Tensor) -> list[int]:
    """The best tag that may follow the one just chosen: legal, but a good start may lead nowhere."""
    path = [int(scores[0].masked_fill(~start, -torch.inf).argmax())]
    for row in scores[1:]:
        path.append(int(row.masked_fill(~allowed[path[-1]], -torch.inf).argmax()))
    return path


def viterbi__forgets_the_start(scores: Tensor, allowed: Tensor, start: Tensor) -> list[int]:
    """A sentence may begin inside an entity."""
    best, back = scores[0], []
    for row in scores[1:]:
        best, came_from = best[:, None].masked_fill(~allowed, -torch.inf).max(0)
        best = best + row
        back.append(came_from)
    path = [int(best.argmax())]
    for came_from in reversed(back):
        path.append(int(came_from[path[-1]]))
    return path[::-1]
