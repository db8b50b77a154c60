"""What a learner might write instead."""

END, IGNORE = 0, -100
HEADERS = {"system": 1, "user": 2, "assistant": 3, "tool": 4}


def build_labels__trains_the_header(messages):
    ids, labels = [], []
    for role, text in messages:
        written = [HEADERS[role], *text, END]
        ids += written
        labels += written if role == "assistant" else [IGNORE] * len(written)
    return ids, labels


def build_labels__masks_the_end(messages):
    """The end token is masked like the header: the model is never taught to stop."""
    ids, labels = [], []
    for role, text in messages:
        ids += [HEADERS[role], *text, END]
        labels += [IGNORE, *(text if role == "assistant" else [IGNORE] * len(text)), IGNORE]
    return ids, labels


def build_labels__trains_what_tools_return(messages):
    """Everything but system and user: the model learns to invent what a tool returns."""
    ids, labels = [], []
    for role, text in messages:
        written = [*text, END]
        ids += [HEADERS[role], *written]
        labels += [IGNORE, *(written if role in ("assistant", "tool") else [IGNORE] * len(written))]
    return ids, labels


def build_labels__shifts_the_labels(messages):
    """Shifted here, and once more in the loss."""
    ids, labels = [], []
    for role, text in messages:
        written = [*text, END]
        ids += [HEADERS[role], *written]
        labels += [IGNORE, *(written if role == "assistant" else [IGNORE] * len(written))]
    return ids, [*labels[1:], IGNORE]
