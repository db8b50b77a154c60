"""Plausible wrong bodies of the exercise of alignment/on_policy_distillation."""


def advantage__turns_the_sign(student, teacher):
    """The KL itself as a reward."""
    return (student - teacher).detach()


def advantage__rewards_likely_tokens(student, teacher):
    """Only what the teacher says, as if it were a reward model."""
    return teacher.detach()


def advantage__lets_the_gradient_through(student, teacher):
    """The advantage is differentiated along."""
    return teacher - student
