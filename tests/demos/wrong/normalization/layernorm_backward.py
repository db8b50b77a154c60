"""Plausible wrong bodies of the exercise of normalization/layernorm_backward."""


def backward__constants(dy, x, gain, eps):
    """The mean and the deviation as if they did not depend on x."""
    centred = x - x.mean(-1, keepdim=True)
    std = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    x_hat = centred / std
    return gain * dy / std, (dy * x_hat).sum(0), dy.sum(0)


def backward__only_the_mean(dy, x, gain, eps):
    """The deviation as if it did not depend on x."""
    centred = x - x.mean(-1, keepdim=True)
    std = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    x_hat = centred / std
    g = gain * dy
    return (g - g.mean(-1, keepdim=True)) / std, (dy * x_hat).sum(0), dy.sum(0)


def backward__gain_afterwards(dy, x, gain, eps):
    """The gain multiplied in after the two directions were taken out."""
    centred = x - x.mean(-1, keepdim=True)
    std = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    x_hat = centred / std
    dx = gain * (dy - dy.mean(-1, keepdim=True) - x_hat * (dy * x_hat).mean(-1, keepdim=True)) / std
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def backward__forgets_the_deviation(dy, x, gain, eps):
    """No division by σ."""
    centred = x - x.mean(-1, keepdim=True)
    x_hat = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    g = gain * dy
    return g - g.mean(-1, keepdim=True) - x_hat * (g * x_hat).mean(-1, keepdim=True), (dy * x_hat).sum(0), dy.sum(0)


def backward__gain_gradient_per_token(dy, x, gain, eps):
    """The gradients of gain and bias averaged over the tokens instead of summed."""
    centred = x - x.mean(-1, keepdim=True)
    std = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    x_hat = centred / std
    g = gain * dy
    dx = (g - g.mean(-1, keepdim=True) - x_hat * (g * x_hat).mean(-1, keepdim=True)) / std
    return dx, (dy * x_hat).mean(0), dy.mean(0)
