"""Plausible wrong bodies of the exercises of alignment/ppo_rollout_buffer."""


def response_mask__drops_the_end_token(tokens, end):
    """Only what is no end token: the model never learns to stop."""
    return (tokens != end).double()


def response_mask__keeps_the_padding(tokens, end):
    """Everything counts."""
    return (tokens == tokens).double()


def response_mask__stops_at_the_length(tokens, end):
    """Drops the end token and, where there is none, the last token as well."""
    mask = ((tokens == end).long().cumsum(-1) == 0).double()
    mask[:, -1] = 0
    return mask
