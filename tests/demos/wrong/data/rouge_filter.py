"""What a learner might write instead."""


def rouge_l__counts_common_words(a, b):
    """Order does not matter to it."""
    common = sum(min(a.count(w), b.count(w)) for w in {*a})
    return 2 * common / (len(a) + len(b))


def rouge_l__wants_a_common_run(a, b):
    """The longest common substring: the words must be adjacent."""
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            n = 0
            while i + n < len(a) and j + n < len(b) and a[i + n] == b[j + n]:
                n += 1
            best = max(best, n)
    return 2 * best / (len(a) + len(b))


def rouge_l__divides_by_the_first(a, b):
    """Recall instead of F."""
    best = [0] * (len(b) + 1)
    for word in a:
        left_above = 0
        for j, other in enumerate(b, 1):
            left_above, best[j] = best[j], left_above + 1 if word == other else max(best[j], best[j - 1])
    return best[-1] / len(a)
