"""What a learner might write instead."""

def one_f_one_b__warms_up_one_too_few(stage, stages, batches):
    warm = min(max(stages - 2 - stage, 0), batches)
    order = [("F", stage, i) for i in range(warm)]
    for i in range(warm, batches):
        order += [("F", stage, i), ("B", stage, i - warm)]
    return order + [("B", stage, i) for i in range(batches - warm, batches)]


def one_f_one_b__warms_up_one_too_many(stage, stages, batches):
    warm = min(stages - stage, batches)
    order = [("F", stage, i) for i in range(warm)]
    for i in range(warm, batches):
        order += [("F", stage, i), ("B", stage, i - warm)]
    return order + [("B", stage, i) for i in range(batches - warm, batches)]


def one_f_one_b__runs_all_forwards_first(stage, stages, batches):
    return [(kind, stage, i) for kind in "FB" for i in range(batches)]


def one_f_one_b__forgets_the_last_backwards(stage, stages, batches):
    warm = min(stages - 1 - stage, batches)
    order = [("F", stage, i) for i in range(warm)]
    for i in range(warm, batches):
        order += [("F", stage, i), ("B", stage, i - warm)]
    return order
