"""What a learner might write instead."""


def accumulate__forgets_to_divide(losses, backward):
    for place, loss in enumerate(losses):
        backward(loss(), place == len(losses) - 1)


def accumulate__reduces_every_time(losses, backward):
    for loss in losses:
        backward(loss() / len(losses), True)


def accumulate__reduces_the_first(losses, backward):
    """What comes after the reduction stays on its own rank."""
    for place, loss in enumerate(losses):
        backward(loss() / len(losses), place == 0)


def accumulate__divides_by_the_place(losses, backward):
    """A running mean needs the earlier gradients scaled down as well."""
    for place, loss in enumerate(losses):
        backward(loss() / (place + 1), place == len(losses) - 1)
