"""Plausible wrong bodies of the exercise of finetuning/sft_peft_orthogonal."""

import torch.nn.functional as F


def loss__does_not_shift(logits, tokens, prompt, objective):
    """Every position is asked for its own token."""
    start = prompt if objective == "SFT" else 0
    return F.cross_entropy(logits[:, start:].flatten(0, 1), tokens[:, start:].flatten())


def loss__counts_the_prompt(logits, tokens, prompt, objective):
    """The objective is ignored."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
