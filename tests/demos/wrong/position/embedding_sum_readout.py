"""What a learner might write instead."""


def read__dot_product(sums, rows):
    return (sums @ rows.T).argmax(1)


def read__cosine(sums, rows):
    return (sums @ (rows / rows.norm(dim=1, keepdim=True)).T).argmax(1)
