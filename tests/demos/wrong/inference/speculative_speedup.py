"""What a learner might write instead."""


def tokens_per_pass__forgets_the_bonus_token(alpha, gamma):
    return sum(alpha**i for i in range(1, gamma + 1))


def tokens_per_pass__adds_without_stopping(alpha, gamma):
    """As if a refusal did not throw away the drafts behind it."""
    return 1 + gamma * alpha


def tokens_per_pass__counts_kept_drafts_only(alpha, gamma):
    return (1 - alpha**gamma) / (1 - alpha)
