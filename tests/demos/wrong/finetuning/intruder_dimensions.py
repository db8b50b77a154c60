"""What a learner might write instead."""
# ruff: noqa: F821


def intruders__keeps_the_sign(before, after, top, alike):
    old, new = torch.linalg.svd(before)[0], torch.linalg.svd(after)[0][:, :top]
    return int(((new.T @ old).amax(1) < alike).sum())


def intruders__counts_the_alike(before, after, top, alike):
    old, new = torch.linalg.svd(before)[0], torch.linalg.svd(after)[0][:, :top]
    return int(((new.T @ old).abs().amax(1) >= alike).sum())
