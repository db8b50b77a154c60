"""Plausible wrong bodies of the exercises of distributed/vocab_parallel_loss."""

import torch
import torch.distributed as dist


def vocab_parallel_loss__keeps_its_own_maximum(logits, target, first):
    """The maximum is not shared."""
    top = logits.amax(1)
    total = (logits - top[:, None]).exp().sum(1)
    dist.all_reduce(total)
    here = (target >= first) & (target < first + logits.shape[1])
    own = logits.gather(1, (target - first).clamp(0, logits.shape[1] - 1)[:, None])[:, 0].where(here, 0.0)
    dist.all_reduce(own)
    lse = top + total.log()
    return lse - own, lse


def vocab_parallel_loss__forgets_where_the_target_is(logits, target, first):
    """Every rank gives a logit, also those that do not hold the target."""
    top = logits.amax(1)
    dist.all_reduce(top, op=dist.ReduceOp.MAX)
    total = (logits - top[:, None]).exp().sum(1)
    dist.all_reduce(total)
    own = logits.gather(1, (target - first).clamp(0, logits.shape[1] - 1)[:, None])[:, 0]
    dist.all_reduce(own)
    lse = top + total.log()
    return lse - own, lse


def vocab_parallel_loss__gathers_the_logits(logits, target, first):
    """Right, and the logits travel."""
    parts = [torch.empty_like(logits) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, logits.contiguous())
    whole = torch.cat(parts, 1)
    return torch.nn.functional.cross_entropy(whole, target, reduction="none"), whole.logsumexp(1)


def vocab_parallel_loss__forgets_to_sum(logits, target, first):
    """The sum of exp is this rank's."""
    top = logits.amax(1)
    dist.all_reduce(top, op=dist.ReduceOp.MAX)
    lse = top + (logits - top[:, None]).exp().sum(1).log()
    here = (target >= first) & (target < first + logits.shape[1])
    own = logits.gather(1, (target - first).clamp(0, logits.shape[1] - 1)[:, None])[:, 0].where(here, 0.0)
    dist.all_reduce(own)
    return lse - own, lse
