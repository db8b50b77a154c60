"""Plausible wrong bodies of the exercise of nlp/pretokenization."""
# ruff: noqa: F821


def pretokens__splits_at_spaces(text):
    """From one space to the next."""
    return re.findall(r" ?\S+|\s+", text)


def pretokens__drops_the_spaces(text):
    """Words and marks without the spaces between them."""
    return re.findall(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]+", text)
