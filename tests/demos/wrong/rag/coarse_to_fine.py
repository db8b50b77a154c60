"""What a learner might write instead."""


def two_stage__reranks_everything(coarse, fine, k):
    """The first stage is ignored."""
    return fine.argmax(1)


def two_stage__keeps_the_first(coarse, fine, k):
    """The reranker is ignored."""
    return coarse.argmax(1)


def two_stage__forgets_the_index(coarse, fine, k):
    """The place within the shortlist instead of the item."""
    return fine.gather(1, coarse.topk(k, dim=1).indices).argmax(1)
