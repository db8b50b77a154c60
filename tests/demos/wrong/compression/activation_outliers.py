"""What a learner might write instead."""


def migrate__scales_both_down(x, w, strength):
    s = x.abs().amax(0) ** strength / w.abs().amax(1) ** (1 - strength)
    return x / s, w / s[:, None]


def migrate__migrates_nothing(x, w, strength):
    return x, w


def migrate__uses_the_mean(x, w, strength):
    """One factor for all channels."""
    s = x.abs().amax(0).mean()
    return x / s, w * s
