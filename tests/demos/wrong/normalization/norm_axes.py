"""Plausible wrong bodies of the exercise of normalization/norm_axes."""


def normalise__batch_per_position(x, kind, groups, eps):
    """BatchNorm over the batch alone: every position of every feature has statistics of its own."""
    dims = {"batch": (0,), "layer": (2,), "instance": (1,)}.get(kind, (1, 3))
    cut = x.reshape(*x.shape[:2], groups, -1) if kind == "group" else x
    centred = cut - cut.mean(dims, keepdim=True)
    return (centred / (centred.square().mean(dims, keepdim=True) + eps).sqrt()).reshape(x.shape)


def normalise__layer_over_the_sample(x, kind, groups, eps):
    """LayerNorm over all tokens and features of a sample, as in the drawing for images."""
    dims = {"batch": (0, 1), "layer": (1, 2), "instance": (1,)}.get(kind, (1, 3))
    cut = x.reshape(*x.shape[:2], groups, -1) if kind == "group" else x
    centred = cut - cut.mean(dims, keepdim=True)
    return (centred / (centred.square().mean(dims, keepdim=True) + eps).sqrt()).reshape(x.shape)


def normalise__group_over_tokens(x, kind, groups, eps):
    """GroupNorm over a group of features of each token by itself."""
    dims = {"batch": (0, 1), "layer": (2,), "instance": (1,)}.get(kind, (3,))
    cut = x.reshape(*x.shape[:2], groups, -1) if kind == "group" else x
    centred = cut - cut.mean(dims, keepdim=True)
    return (centred / (centred.square().mean(dims, keepdim=True) + eps).sqrt()).reshape(x.shape)


def normalise__instance_per_token(x, kind, groups, eps):
    """InstanceNorm over the vector of each token, which is LayerNorm."""
    dims = {"batch": (0, 1), "layer": (2,), "instance": (2,)}.get(kind, (1, 3))
    cut = x.reshape(*x.shape[:2], groups, -1) if kind == "group" else x
    centred = cut - cut.mean(dims, keepdim=True)
    return (centred / (centred.square().mean(dims, keepdim=True) + eps).sqrt()).reshape(x.shape)
