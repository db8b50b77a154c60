"""What a learner might write instead."""


def chunks__steps_by_the_size(tokens, size, overlap):
    """No overlap at all."""
    return [(start, min(start + size, tokens)) for start in range(0, tokens, size)]


def chunks__loses_a_short_text(tokens, size, overlap):
    """A text no longer than the overlap has no chunk."""
    return [(start, min(start + size, tokens)) for start in range(0, tokens - overlap, size - overlap)]


def chunks__ends_with_a_copy(tokens, size, overlap):
    """The last chunk may lie inside the one before."""
    return [(start, min(start + size, tokens)) for start in range(0, tokens, size - overlap)]
