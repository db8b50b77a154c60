"""What a learner might write instead."""


def expand__keeps_one_for_each_prefix(beam, log_p, width, end):
    """Every prefix keeps its own best continuation, as if the beams were greedy runs side by side."""
    longer = []
    for score, tokens in beam:
        if tokens[-1] == end:
            longer.append((score, tokens))
            continue
        log, t = max((log, t) for t, log in enumerate(log_p[tokens[-1]].tolist()))
        longer.append((score + log, (*tokens, t)))
    return sorted(longer, reverse=True)[:width]


def expand__forgets_the_past(beam, log_p, width, end):
    """Ranks by the last step alone."""
    longer = []
    for score, tokens in beam:
        if tokens[-1] == end:
            longer.append((0.0, score, tokens))
            continue
        longer += [(log, score + log, (*tokens, t)) for t, log in enumerate(log_p[tokens[-1]].tolist())]
    return [one[1:] for one in sorted(longer, reverse=True)[:width]]


def expand__goes_on_after_the_end(beam, log_p, width, end):
    longer = [
        (score + log, (*tokens, t)) for score, tokens in beam for t, log in enumerate(log_p[tokens[-1]].tolist())
    ]
    return sorted(longer, reverse=True)[:width]
