"""What a learner might write instead."""


def packed_mask__is_only_causal(documents):
    return (documents[:, None] == documents[:, None]).expand(len(documents), len(documents)).tril()


def packed_mask__looks_ahead(documents):
    """Each conversation is closed, but not causal."""
    return documents[:, None] == documents


def packed_mask__hides_the_token_itself(documents):
    """Reads strictly earlier tokens; the first of each conversation reads itself, or its row would be empty."""
    same = documents[:, None] == documents
    first = same.tril(-1).any(1).logical_not()
    return same.tril(-1) | first[:, None] & same.tril().logical_xor(same.tril(-1))
