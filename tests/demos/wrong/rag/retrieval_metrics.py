"""Plausible wrong bodies of the exercises of rag/retrieval_metrics."""

import torch


def recall__counts_hits(relevant, k):
    """One found document is enough."""
    return (relevant[:, :k].sum(1) > 0).to(relevant.dtype)


def recall__divides_by_k(relevant, k):
    """That is the precision."""
    return relevant[:, :k].sum(1) / k


def ndcg__has_no_discount(gains, k):
    """Every rank counts the same."""
    return gains[:, :k].sum(1) / gains.sort(1, descending=True).values[:, :k].sum(1)


def ndcg__takes_the_whole_list_as_ideal(gains, k):
    """The list is compared with its own first k, put in order."""
    top = gains[:, :k]
    discount = torch.arange(2, top.shape[1] + 2, dtype=gains.dtype).log2()
    best = top.sort(1, descending=True).values
    return ((top / discount).sum(1) / (best / discount).sum(1)).nan_to_num()
