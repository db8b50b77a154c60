"""What a learner might write instead."""


def fill__takes_the_best_scores(scores, tokens, budget):
    """However long they are."""
    chosen, left = [], budget
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if tokens[i] <= left:
            chosen.append(i)
            left -= tokens[i]
    return chosen


def fill__ignores_the_budget(scores, tokens, budget):
    """Everything."""
    return list(range(len(scores)))


def fill__takes_the_shortest(scores, tokens, budget):
    """However little they are worth."""
    chosen, left = [], budget
    for i in sorted(range(len(scores)), key=lambda i: tokens[i]):
        if tokens[i] <= left:
            chosen.append(i)
            left -= tokens[i]
    return chosen
