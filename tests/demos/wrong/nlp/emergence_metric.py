"""Plausible wrong bodies of the exercise of nlp/emergence_metric."""


def exact_match__any_token_will_do(right):
    """A question counts where one token is right."""
    return right.any(1).double().mean()


def exact_match__rounds_the_share(right):
    """The mean over tokens."""
    return right.double().mean()


def exact_match__looks_at_the_last(right):
    """The last token alone."""
    return right[:, -1].double().mean()
