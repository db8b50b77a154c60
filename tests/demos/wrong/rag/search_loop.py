"""What a learner might write instead."""


def search_loop__asks_the_same_again(question, search, read, limit):
    """The reader's next query is ignored."""
    passages = []
    for _ in range(limit):
        passage = search(question)
        if passage is None:
            continue
        passages.append(passage)
        kind, text = read(passages)
        if kind == "answer":
            return text
    return None


def search_loop__never_stops(question, search, read, limit):
    """The limit counts good calls only; capped here so that the test ends."""
    passages, query = [], question
    for _ in range(50):
        passage = search(query)
        if passage is None:
            continue
        passages.append(passage)
        kind, text = read(passages)
        if kind == "answer":
            return text
        query = text
    return None


def search_loop__stops_one_short(question, search, read, limit):
    """One search too few."""
    passages, query = [], question
    for _ in range(limit - 1):
        passage = search(query)
        if passage is None:
            continue
        passages.append(passage)
        kind, text = read(passages)
        if kind == "answer":
            return text
        query = text
    return None
