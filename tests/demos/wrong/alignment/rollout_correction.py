"""Plausible wrong bodies of the exercise of alignment/rollout_correction."""


def weights__turns_the_ratio_round(train, rollout, mask, level):
    """Rollout over trainer."""
    log_ratio = (rollout - train) * mask
    if level != "token":
        log_ratio = log_ratio.sum(1, keepdim=True).expand_as(log_ratio)
    if level == "geometric":
        log_ratio = log_ratio / mask.sum(1, keepdim=True)
    return log_ratio.exp() * mask


def weights__forgets_the_mask(train, rollout, mask, level):
    """Padding is summed along."""
    log_ratio = train - rollout
    if level != "token":
        log_ratio = log_ratio.sum(1, keepdim=True).expand_as(log_ratio)
    if level == "geometric":
        log_ratio = log_ratio / mask.sum(1, keepdim=True)
    return log_ratio.exp() * mask


def weights__sums_probabilities(train, rollout, mask, level):
    """Ratios are added where they are to be multiplied."""
    ratio = (train - rollout).exp() * mask
    if level != "token":
        ratio = ratio.sum(1, keepdim=True).expand_as(ratio)
    if level == "geometric":
        ratio = ratio / mask.sum(1, keepdim=True)
    return ratio * mask


def weights__averages_always(train, rollout, mask, level):
    """GSPO's ratio in the place of the product."""
    log_ratio = (train - rollout) * mask
    if level != "token":
        log_ratio = log_ratio.sum(1, keepdim=True).expand_as(log_ratio) / mask.sum(1, keepdim=True)
    return log_ratio.exp() * mask
