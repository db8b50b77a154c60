"""What a learner might write instead."""
# ruff: noqa: F821


def bucket__equal_widths(distance, count, max_distance):
    return (distance * count // max_distance).clamp(max=count - 1)


def bucket__log_from_the_start(distance, count, max_distance):
    far = (distance + 1).log() / math.log(max_distance + 1) * count
    return far.long().clamp(max=count - 1)


def bucket__no_last_bucket(distance, count, max_distance):
    exact = count // 2
    far = (distance.clamp(min=1) / exact).log() / math.log(max_distance / exact) * (count - exact)
    return torch.where(distance < exact, distance, exact + far.long())
