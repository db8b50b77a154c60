"""Plausible wrong bodies of the exercises of nlp/special_tokens."""
# ruff: noqa: F821


def labels__hides_by_id(ids, lengths):
    """Whatever stands at the end of the longest rows is padding."""
    return ids.where(ids != ids[lengths.argmin(), -1], -100)


def labels__hides_one_too_many(ids, lengths):
    """Leaves out the last real token."""
    return ids.where(torch.arange(ids.shape[1]) < lengths[:, None] - 1, -100)


def encode__always_parses(text, control, parse):
    """Control strings become ids in any text."""
    ids = []
    while text:
        name = next((n for n in control if text.startswith(n)), None)
        if name is not None:
            ids.append(control[name])
            text = text[len(name) :]
        else:
            ids += text[0].encode()
            text = text[1:]
    return ids


def encode__drops_the_text(text, control, parse):
    """Removes control strings where they are not parsed."""
    for name in control:
        text = text.replace(name, "")
    return list(text.encode())
