"""What a learner might write instead."""
# ruff: noqa: F821

import torch


def check__replaces_from_the_target(drafted, p, q, u):
    at = drafted[..., None]
    kept = u[..., 0] * q.gather(-1, at)[..., 0] < p.gather(-1, at)[..., 0]
    return torch.where(kept, drafted, draw(p, u[..., 1])), kept


def check__keeps_what_the_target_prefers(drafted, p, q, u):
    """No chance: a draft stays where the target likes it at least as much as the draft does."""
    at = drafted[..., None]
    kept = q.gather(-1, at)[..., 0] <= p.gather(-1, at)[..., 0]
    left = (p - q).clamp(min=0)
    left = torch.where(left.sum(-1, keepdim=True) > 0, left, p)
    return torch.where(kept, drafted, draw(left, u[..., 1])), kept


def check__swaps_the_ratio(drafted, p, q, u):
    at = drafted[..., None]
    kept = u[..., 0] * p.gather(-1, at)[..., 0] < q.gather(-1, at)[..., 0]
    left = (p - q).clamp(min=0)
    left = torch.where(left.sum(-1, keepdim=True) > 0, left, p)
    return torch.where(kept, drafted, draw(left, u[..., 1])), kept


def check__does_not_normalise(drafted, p, q, u):
    """The replacement is looked up in the running sum as if (p − q)⁺ summed to one."""
    at = drafted[..., None]
    kept = u[..., 0] * q.gather(-1, at)[..., 0] < p.gather(-1, at)[..., 0]
    left = (p - q).clamp(min=0).cumsum(-1)
    fresh = (left <= u[..., 1, None]).sum(-1).clamp(max=p.shape[-1] - 1)
    return torch.where(kept, drafted, fresh), kept
