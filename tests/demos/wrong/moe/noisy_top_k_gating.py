"""What a learner might write instead."""
# ruff: noqa: F821

def stays_chosen__compares_with_the_kth(clean, noisy, std, k):
    return torch.special.ndtr((clean - noisy.topk(k, -1).values[:, -1:]) / std)


def stays_chosen__forgets_the_noise(clean, noisy, std, k):
    top = noisy.topk(k + 1, -1).values
    others = torch.where(noisy >= top[:, k - 1 : k], top[:, k : k + 1], top[:, k - 1 : k])
    return torch.special.ndtr(clean - others)


def stays_chosen__uses_its_own_noise(clean, noisy, std, k):
    top = noisy.topk(k + 1, -1).values
    others = torch.where(noisy >= top[:, k - 1 : k], top[:, k : k + 1], top[:, k - 1 : k])
    return torch.special.ndtr((noisy - others) / std)
