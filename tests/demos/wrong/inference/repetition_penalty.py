"""What a learner might write instead."""


def repetition_penalty__divides_all(logits, seen, theta):
    out = logits.clone()
    out[seen] = logits[seen] / theta
    return out


def repetition_penalty__subtracts(logits, seen, theta):
    out = logits.clone()
    out[seen] = logits[seen] - theta
    return out


def repetition_penalty__touches_all(logits, seen, theta):
    import torch

    return torch.where(logits > 0, logits / theta, logits * theta)
