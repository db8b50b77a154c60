"""Plausible wrong bodies of the exercises of finetuning/adapter_fusion."""


def fuse__normalises_over_tokens(h, outputs, query, key, value):
    """Softmax over the wrong axis."""
    scores = ((h @ query)[:, None] * (outputs @ key)).sum(-1)
    return (scores.softmax(0)[..., None] * (outputs @ value)).sum(1)


def fuse__attends_to_the_layer(h, outputs, query, key, value):
    """Keys from the layer's output: every adapter has the same score."""
    scores = ((h @ query) * (h @ key)).sum(-1, keepdim=True).expand(outputs.shape[:2])
    return (scores.softmax(-1)[..., None] * (outputs @ value)).sum(1)


def fuse__forgets_the_values(h, outputs, query, key, value):
    """The weights times the keys."""
    scores = ((h @ query)[:, None] * (outputs @ key)).sum(-1)
    return (scores.softmax(-1)[..., None] * (outputs @ key)).sum(1)
