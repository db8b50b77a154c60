"""What a learner might write instead."""


def outer_step__climbs(anchor, workers, velocity, rate, momentum):
    """The sign turned round: away from the workers."""
    gradient = workers.mean(0) - anchor
    velocity = momentum * velocity + gradient
    return anchor - rate * (gradient + momentum * velocity), velocity


def outer_step__momentum_without_nesterov(anchor, workers, velocity, rate, momentum):
    gradient = anchor - workers.mean(0)
    velocity = momentum * velocity + gradient
    return anchor - rate * velocity, velocity


def outer_step__replaces_by_the_mean(anchor, workers, velocity, rate, momentum):
    """Federated averaging."""
    return workers.mean(0), velocity


def outer_step__forgets_the_velocity(anchor, workers, velocity, rate, momentum):
    gradient = anchor - workers.mean(0)
    return anchor - rate * (gradient + momentum * gradient), gradient
