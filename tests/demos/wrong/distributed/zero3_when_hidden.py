"""What a learner might write instead."""


def zero3_seconds__gathers_on_demand(layers, work, gather, scatter):
    return layers * (3 * work + 2 * gather + scatter)


def zero3_seconds__forgets_the_second_gather(layers, work, gather, scatter):
    compute, link = 0.0, gather
    for _ in range(layers):
        compute = max(compute, link) + work
        link += gather
    for _ in range(layers):
        compute += 2 * work
        link = max(link, compute) + scatter
    return max(compute, link)


def zero3_seconds__ignores_the_link(layers, work, gather, scatter):
    return gather + 3 * layers * work + scatter
