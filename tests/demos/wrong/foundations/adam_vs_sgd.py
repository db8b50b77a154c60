"""Plausible wrong bodies of the exercises of demos/foundations/adam_vs_sgd.py."""


def adam_step__forgets_the_correction(w, g, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return w - lr * m / (v.sqrt() + eps), m, v


def adam_step__squares_the_mean(w, g, m, v, t, lr, beta1, beta2, eps):
    """The square of the mean instead of the mean of the squares."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * m * m
    return w - lr * m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + eps), m, v


def adam_step__divides_by_the_square(w, g, m, v, t, lr, beta1, beta2, eps):
    """No root: the step falls with the gradient."""
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return w - lr * m / (1 - beta1**t) / (v / (1 - beta2**t) + eps), m, v
