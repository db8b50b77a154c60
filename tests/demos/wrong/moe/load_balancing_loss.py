"""What a learner might write instead."""

def balance_loss__forgets_the_experts(p, chosen):
    f = chosen.flatten().bincount(minlength=p.shape[-1]).to(p) / chosen.numel()
    return (f * p.mean(0)).sum()


def balance_loss__does_not_divide_by_k(p, chosen):
    f = chosen.flatten().bincount(minlength=p.shape[-1]).to(p) / len(chosen)
    return p.shape[-1] * (f * p.mean(0)).sum()


def balance_loss__squares_the_probabilities(p, chosen):
    return p.shape[-1] * p.mean(0).square().sum()


def balance_loss__squares_the_counts(p, chosen):
    f = chosen.flatten().bincount(minlength=p.shape[-1]).to(p) / chosen.numel()
    return p.shape[-1] * (f * f).sum() + 0 * p.sum()
