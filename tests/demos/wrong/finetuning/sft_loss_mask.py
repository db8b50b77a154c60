"""What a learner might write instead."""

import torch.nn.functional as F


def sft_loss__does_not_shift(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def sft_loss__divides_by_all_tokens(logits, labels):
    """Masked tokens add nothing, but they are counted."""
    wanted = labels[:, 1:]
    total = F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="sum")
    return total / wanted.numel()


def sft_loss__counts_the_prompt(logits, labels):
    """−100 becomes token 0, and the prompt is trained to say it."""
    wanted = labels[:, 1:].clamp(min=0)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted.flatten())
