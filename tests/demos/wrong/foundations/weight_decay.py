"""Plausible wrong bodies of the exercises of demos/foundations/weight_decay.py."""


def adamw_step__puts_decay_into_the_gradient(w, g, m, v, t, lr, decay):
    """Adam with L2."""
    g = g + decay * w
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return w - lr * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8), m, v


def adamw_step__forgets_the_rate(w, g, m, v, t, lr, decay):
    """The weight shrinks by the decay alone."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return w * (1 - decay) - lr * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8), m, v


def adamw_step__decays_in_the_moments(w, g, m, v, t, lr, decay):
    """The decay is divided by the root of v with the step."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return w - lr * (m / (1 - 0.9**t) + decay * w) / ((v / (1 - 0.999**t)).sqrt() + 1e-8), m, v
