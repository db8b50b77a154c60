"""Plausible wrong bodies of the exercise of moe/deepseek_v3_gate."""

import torch


def gate__weighs_with_the_bias(logits, bias, groups, kept, k, scale):
    """The gathered scores are the biased ones."""
    choice = (logits.sigmoid() + bias).unflatten(1, (groups, -1))
    by = choice.topk(2).values.sum(2)
    opened = torch.zeros(by.shape, dtype=torch.bool).scatter(1, by.topk(kept).indices, True)
    chosen = choice.masked_fill(~opened[..., None], -torch.inf).flatten(1).topk(k)
    return scale * chosen.values / chosen.values.sum(1, keepdim=True), chosen.indices


def gate__fills_with_zero(logits, bias, groups, kept, k, scale):
    """Closed groups are filled with 0, which is not the least where a bias is negative."""
    scores = logits.sigmoid()
    choice = (scores + bias).unflatten(1, (groups, -1))
    by = choice.topk(2).values.sum(2)
    opened = torch.zeros(by.shape, dtype=torch.bool).scatter(1, by.topk(kept).indices, True)
    chosen = choice.masked_fill(~opened[..., None], 0.0).flatten(1).topk(k).indices
    weights = scores.gather(1, chosen)
    return scale * weights / weights.sum(1, keepdim=True), chosen


def gate__groups_by_unbiased_scores(logits, bias, groups, kept, k, scale):
    """Groups are ranked by the scores without the bias."""
    scores = logits.sigmoid()
    by = scores.unflatten(1, (groups, -1)).topk(2).values.sum(2)
    opened = torch.zeros(by.shape, dtype=torch.bool).scatter(1, by.topk(kept).indices, True)
    choice = (scores + bias).unflatten(1, (groups, -1))
    chosen = choice.masked_fill(~opened[..., None], -torch.inf).flatten(1).topk(k).indices
    weights = scores.gather(1, chosen)
    return scale * weights / weights.sum(1, keepdim=True), chosen


def gate__groups_by_their_best_alone(logits, bias, groups, kept, k, scale):
    """A group scores its best expert, as in DeepSeek-V2."""
    scores = logits.sigmoid()
    choice = (scores + bias).unflatten(1, (groups, -1))
    by = choice.amax(2)
    opened = torch.zeros(by.shape, dtype=torch.bool).scatter(1, by.topk(kept).indices, True)
    chosen = choice.masked_fill(~opened[..., None], -torch.inf).flatten(1).topk(k).indices
    weights = scores.gather(1, chosen)
    return scale * weights / weights.sum(1, keepdim=True), chosen
