"""Plausible wrong bodies of the exercise of finetuning/merge_specialists."""


def distillation_loss__swaps_the_directions(student, teacher, direction):
    """Forward and reverse confused."""
    p, q = (student, teacher) if direction == "forward" else (teacher, student)
    return (p.exp() * (p - q)).sum(-1).mean()


def distillation_loss__averages_over_classes(student, teacher, direction):
    """The mean over all numbers instead of the sum over the vocabulary."""
    p, q = (teacher, student) if direction == "forward" else (student, teacher)
    return (p.exp() * (p - q)).mean()
