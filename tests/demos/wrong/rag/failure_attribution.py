"""What a learner might write instead."""

import torch


def attribute__blames_what_was_not_found(found, right, right_with_gold):
    """Every miss of the search is its fault."""
    wrong = ~right
    return torch.stack([(wrong & ~found).sum(), (wrong & found & right_with_gold).sum(), (wrong & found & ~right_with_gold).sum()])


def attribute__counts_right_ones(found, right, right_with_gold):
    """Right answers without the passage are counted as errors."""
    return torch.stack([(~found & right_with_gold).sum(), (found & ~right & right_with_gold).sum(), (~right & ~right_with_gold).sum()])


def attribute__forgets_distraction(found, right, right_with_gold):
    """All that was found and is wrong is put down to reading."""
    wrong = ~right
    return torch.stack([(wrong & ~found & right_with_gold).sum(), torch.tensor(0), (wrong & (found | ~right_with_gold)).sum()])
