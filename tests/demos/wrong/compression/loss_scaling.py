"""What a learner might write instead."""


def scaled_step__steps_all_the_same(weight, grad, scale, good, interval):
    if not grad.isfinite().all():
        return weight - grad.nan_to_num(posinf=0.0, neginf=0.0) / scale - 1e-2, scale / 2, 0
    good += 1
    return weight - grad / scale, scale * 2 if good == interval else scale, good % interval


def scaled_step__never_grows_again(weight, grad, scale, good, interval):
    if not grad.isfinite().all():
        return weight, scale / 2, 0
    return weight - grad / scale, scale, good + 1


def scaled_step__forgets_to_unscale(weight, grad, scale, good, interval):
    if not grad.isfinite().all():
        return weight, scale / 2, 0
    good += 1
    return weight - grad, scale * 2 if good == interval else scale, good % interval
