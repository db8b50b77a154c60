"""Plausible wrong bodies of the exercises of demos/foundations/log_sum_exp.py."""


def log_sum_exp__naive(z):
    return z.exp().sum(-1).log()


def log_sum_exp__forgets_the_maximum(z):
    return (z - z.amax(-1, keepdim=True)).exp().sum(-1).log()


def log_softmax__log_of_softmax(z):
    """The probability is rounded before its logarithm is taken."""
    return z.softmax(-1).log()


def log_softmax__without_the_maximum(z):
    """exp overflows at 89 in fp32."""
    return z - z.exp().sum(-1, keepdim=True).log()


def log_softmax__sums_all_rows(z):
    """One sum for all rows."""
    shifted = z - z.amax(-1, keepdim=True)
    return shifted - shifted.exp().sum().log()
