"""What a learner might write instead."""
# ruff: noqa: F821

def sparse__overwrites(x, up, down, weights, experts):
    out = torch.zeros_like(x)
    for e in range(len(up)):
        token, place = (experts == e).nonzero(as_tuple=True)
        out[token] = (x[token] @ up[e]).relu() @ down[e] * weights[token, place, None]
    return out


def sparse__forgets_the_weights(x, up, down, weights, experts):
    out = torch.zeros_like(x)
    for e in range(len(up)):
        token, _ = (experts == e).nonzero(as_tuple=True)
        out = out.index_add(0, token, (x[token] @ up[e]).relu() @ down[e])
    return out


def sparse__leaves_them_sorted(x, up, down, weights, experts):
    order = experts.flatten().argsort()
    rows = [(x[i // experts.shape[1]] @ up[experts.flatten()[i]]).relu() @ down[experts.flatten()[i]]
            * weights.flatten()[i] for i in order.tolist()]
    return torch.stack(rows).view(len(x), experts.shape[1], -1).sum(1)


def sparse__runs_all_experts(x, up, down, weights, experts):
    every = (x @ up).relu() @ down
    mix = torch.zeros(len(x), len(up), dtype=x.dtype).scatter(1, experts, weights)
    return (mix.T[..., None] * every).sum(0)
