"""Plausible wrong bodies of the exercise of finetuning/catastrophic_forgetting."""


def mixed_loss__adds_the_old_loss(old, new, share):
    """As if a share were a weight beside the whole new loss, and the old loss always counted."""
    return old + (1 - share) * new


def mixed_loss__swaps_the_weights(old, new, share):
    """The share goes to the new task."""
    return (1 - share) * old + share * new
