"""Plausible wrong bodies of one attention layer; a claim of the demo refutes each."""

from torch import Tensor


def contextual__looks_up_only(states: Tensor, weights: tuple[Tensor, ...], causal: bool) -> Tensor:
    """Every position is mapped by itself: no context enters."""
    return states + states @ weights[2] @ weights[3]


def contextual__attends_to_itself_only(states: Tensor, weights: tuple[Tensor, ...], causal: bool) -> Tensor:
    """The softmax runs over the queries, and the diagonal is all that is kept."""
    q, k, v = (states @ w for w in weights[:3])
    own = (q * k).sum(-1, keepdim=True).sigmoid()
    return states + own * v @ weights[3]


def contextual__forgets_the_mask(states: Tensor, weights: tuple[Tensor, ...], causal: bool) -> Tensor:
    """Looks both ways, causal or not."""
    q, k, v = (states @ w for w in weights[:3])
    return states + (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v @ weights[3]
