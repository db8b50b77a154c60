"""What a learner might write instead."""

def route__never_renormalises(logits, k, gate):
    return logits.softmax(-1).topk(k, -1)


def route__always_renormalises(logits, k, gate):
    best, experts = logits.topk(k, -1)
    return best.softmax(-1), experts


def route__takes_the_lowest(logits, k, gate):
    weights, experts = logits.softmax(-1).topk(k, -1, largest=False)
    return (weights / weights.sum(-1, keepdim=True) if gate == "renormalised" else weights), experts


def route__keeps_the_logits(logits, k, gate):
    weights, experts = logits.topk(k, -1)
    return (weights / weights.sum(-1, keepdim=True) if gate == "renormalised" else weights), experts
