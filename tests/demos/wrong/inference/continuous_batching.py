"""What a learner might write instead."""


def step__waits_for_all(running, waiting, slots):
    if not running:
        while waiting and len(running) < slots:
            running.append(waiting.pop(0))
    for request in running:
        request[1] -= 1
    ended = [r for r in running if r[1] == 0]
    running[:] = [r for r in running if r[1] > 0]
    return ended


def step__admits_one_a_step(running, waiting, slots):
    if waiting and len(running) < slots:
        running.append(waiting.pop(0))
    for request in running:
        request[1] -= 1
    ended = [r for r in running if r[1] == 0]
    running[:] = [r for r in running if r[1] > 0]
    return ended


def step__takes_the_newest_first(running, waiting, slots):
    while waiting and len(running) < slots:
        running.append(waiting.pop())
    for request in running:
        request[1] -= 1
    ended = [r for r in running if r[1] == 0]
    running[:] = [r for r in running if r[1] > 0]
    return ended
