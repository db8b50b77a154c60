"""What a learner might write instead."""


def render__forgets_to_end_turns(messages, generate=False):
    """The end token is rendered and not trained: the model never learns to stop."""
    tokens, trained = ["<bos>"], [False]
    for role, text in messages:
        words, own = text.split(), role == "assistant"
        tokens += [f"<{role}>", *words, "<end>"]
        trained += [False] + [own] * len(words) + [False]
    if generate:
        tokens, trained = [*tokens, "<assistant>"], [*trained, False]
    return tokens, trained


def render__opens_no_answer(messages, generate=False):
    """No header opens the answer: the model would have to write it, and it was not trained to."""
    tokens, trained = ["<bos>"], [False]
    for role, text in messages:
        words, own = text.split(), role == "assistant"
        tokens += [f"<{role}>", *words, "<end>"]
        trained += [False] + [own] * (len(words) + 1)
    return tokens, trained


def render__trains_the_header(messages, generate=False):
    tokens, trained = ["<bos>"], [False]
    for role, text in messages:
        words, own = text.split(), role == "assistant"
        tokens += [f"<{role}>", *words, "<end>"]
        trained += [own] * (len(words) + 2)
    if generate:
        tokens, trained = [*tokens, "<assistant>"], [*trained, False]
    return tokens, trained
