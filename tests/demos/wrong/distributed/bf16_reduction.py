"""What a learner might write instead."""
# ruff: noqa: F821


def reduce_scatter_fp32__adds_in_bf16(x, ranks):
    chunks = torch.empty_like(x)
    dist.all_to_all_single(chunks, x)
    total = chunks.view(ranks, -1)[0]
    for chunk in chunks.view(ranks, -1)[1:]:
        total = total + chunk
    return total


def reduce_scatter_fp32__sums_its_own_chunks(x, ranks):
    chunks = torch.empty_like(x)
    dist.all_to_all_single(chunks, x)
    return x.view(ranks, -1).float().sum(0).bfloat16()


def reduce_scatter_fp32__sends_fp32(x, ranks):
    chunks = torch.empty_like(x, dtype=torch.float32)
    dist.all_to_all_single(chunks, x.float())
    return chunks.view(ranks, -1).sum(0).bfloat16()
