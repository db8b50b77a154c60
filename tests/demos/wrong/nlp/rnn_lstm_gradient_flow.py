"""What a learner might write instead."""


def step__gates_the_output_twice(x, h, c, w, u, b):
    """The output gate reaches the cell too."""
    i, f, g, o = (x @ w.T + h @ u.T + b).chunk(4, -1)
    c = o.sigmoid() * (f.sigmoid() * c + i.sigmoid() * g.tanh())
    return o.sigmoid() * c.tanh(), c


def step__no_forget_gate(x, h, c, w, u, b):
    """The cell of 1997, which only adds."""
    i, _, g, o = (x @ w.T + h @ u.T + b).chunk(4, -1)
    c = c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def step__input_and_forget_swapped(x, h, c, w, u, b):
    """The blocks in the order forget, input, candidate, output."""
    f, i, g, o = (x @ w.T + h @ u.T + b).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c
