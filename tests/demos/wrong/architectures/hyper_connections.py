"""Plausible wrong bodies of the exercises of architectures/hyper_connections."""


def sinkhorn__normalises_rows_only(logits, steps):
    """A softmax over the rows: the columns are free."""
    return logits.softmax(-1)


def sinkhorn__normalises_all_at_once(logits, steps):
    """Divided by both sums in one step, of the same matrix: the sums do not settle at 1."""
    m = logits.exp()
    for _ in range(steps):
        m = m / (m.sum(-1, keepdim=True) * m.sum(-2, keepdim=True))
    return m


def sinkhorn__forgets_exp(logits, steps):
    """Logits may be negative: the sums do, the entries do not hold."""
    m = logits.abs() * (-1) ** (logits < 0)
    for _ in range(steps):
        m = m / m.sum(-1, keepdim=True)
        m = m / m.sum(-2, keepdim=True)
    return m
