"""What a learner might write instead."""
# ruff: noqa: F821


def gptq__rounds_all_at_once(w, x, bits):
    return nearest(w, step_of(w, bits), bits)


def gptq__forgets_the_inverse(w, x, bits):
    """The Cholesky factor of H itself."""
    step, w = step_of(w, bits), w.clone()
    h = x.T @ x
    h += 0.01 * h.diagonal().mean() * torch.eye(len(h), dtype=h.dtype)
    u = torch.linalg.cholesky(h, upper=True)
    for i in range(w.shape[1]):
        rounded = nearest(w[:, i : i + 1], step, bits)
        error = (w[:, i : i + 1] - rounded) / u[i, i]
        w[:, i + 1 :] -= error * u[i, i + 1 :]
        w[:, i : i + 1] = rounded
    return w


def gptq__spreads_backwards(w, x, bits):
    """The error is added to the inputs behind, not taken from them."""
    step, w = step_of(w, bits), w.clone()
    h = x.T @ x
    h += 0.01 * h.diagonal().mean() * torch.eye(len(h), dtype=h.dtype)
    u = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    for i in range(w.shape[1]):
        rounded = nearest(w[:, i : i + 1], step, bits)
        error = (w[:, i : i + 1] - rounded) / u[i, i]
        w[:, i + 1 :] += error * u[i, i + 1 :]
        w[:, i : i + 1] = rounded
    return w
