"""What a learner might write instead."""
# ruff: noqa: F821


def all_reduce__only_gathers(x, ranks):
    whole = F.pad(x, (0, -len(x) % ranks))
    part = whole.chunk(ranks)[dist.get_rank()].contiguous()
    dist.all_gather_single(whole, part)
    return whole[: len(x)]


def all_reduce__averages(x, ranks):
    whole = F.pad(x, (0, -len(x) % ranks))
    part = torch.empty(len(whole) // ranks)
    dist.reduce_scatter_single(part, whole)
    dist.all_gather_single(whole, part / ranks)
    return whole[: len(x)]


def all_reduce__drops_the_tail(x, ranks):
    whole = x[: len(x) // ranks * ranks].clone()
    part = torch.empty(len(whole) // ranks)
    dist.reduce_scatter_single(part, whole)
    dist.all_gather_single(whole, part)
    return torch.cat((whole, x[len(whole) :]))
