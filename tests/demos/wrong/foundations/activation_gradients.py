"""Plausible wrong bodies of the exercise of foundations/activation_gradients."""


def slope_from_output__tanh_as_sigmoid(y, kind):
    """y(1 − y) for tanh as well."""
    return (y > 0).to(y.dtype) if kind == "ReLU" else y * (1 - y)


def slope_from_output__relu_passes_all(y, kind):
    """A ReLU that passes every gradient."""
    if kind == "sigmoid":
        return y * (1 - y)
    if kind == "tanh":
        return 1 - y**2
    return (y >= 0).to(y.dtype)


def slope_from_output__of_the_input(y, kind):
    """The formulas that want the input, on the output."""
    if kind == "sigmoid":
        return y.sigmoid() * (1 - y.sigmoid())
    if kind == "tanh":
        return 1 - y.tanh() ** 2
    return (y > 0).to(y.dtype)
