"""What a learner might write instead."""
# ruff: noqa: F821

def slots__one_too_few(chosen, experts, capacity):
    place = torch.nn.functional.one_hot(chosen, experts).cumsum(0).gather(1, chosen[:, None])[:, 0] - 1
    return place.where(place < capacity - 1, -1)


def slots__one_too_many(chosen, experts, capacity):
    place = torch.nn.functional.one_hot(chosen, experts).cumsum(0).gather(1, chosen[:, None])[:, 0] - 1
    return place.clamp(max=capacity - 1).where(place <= capacity, -1)


def slots__drops_the_first(chosen, experts, capacity):
    place = torch.nn.functional.one_hot(chosen.flip(0), experts).cumsum(0).flip(0).gather(1, chosen[:, None])[:, 0] - 1
    return place.where(place < capacity, -1)


def slots__counts_all_experts_together(chosen, experts, capacity):
    place = torch.arange(len(chosen))
    return (place % capacity).where(place < experts * capacity, -1)
