"""Plausible wrong bodies of the exercises of demos/foundations/muon_orthogonal.py."""


def newton_schulz__forgets_to_scale(g, a, b, c, steps):
    """Singular values above 1 are left to diverge."""
    x = g.T if len(g) > g.shape[1] else g
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
        x = x.clamp(-1e3, 1e3)
    return x.T if len(g) > g.shape[1] else x


def newton_schulz__multiplies_entries(g, a, b, c, steps):
    """The polynomial of each number instead of each singular value."""
    x = g / g.norm()
    for _ in range(steps):
        x = a * x + b * x**3 + c * x**5
    return x


def newton_schulz__forgets_tall_matrices(g, a, b, c, steps):
    """A tall matrix comes back as a wide one's step: rows and columns mixed up."""
    x = g / g.norm()
    for _ in range(steps):
        square = x @ x.T
        x = a * x + b * square @ x + c * square @ x
    return x
