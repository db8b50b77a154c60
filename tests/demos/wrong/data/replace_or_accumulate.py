"""What a learner might write instead."""

import torch


def _draw(model, n):
    return torch.zeros_like(model).scatter_add_(1, torch.multinomial(model, n, replacement=True), torch.ones(len(model), n))


def refitted__drops_the_real_data(real, rounds, accumulate):
    """Accumulates the generated prompts alone."""
    n = int(real[0].sum())
    pool, models = torch.zeros_like(real), [real / n]
    for _ in range(rounds):
        drawn = _draw(models[-1], n)
        pool = pool + drawn if accumulate else drawn
        models.append(pool / pool.sum(1, keepdim=True))
    return torch.stack(models)


def refitted__always_asks_the_first_model(real, rounds, accumulate):
    n = int(real[0].sum())
    pool, models = real, [real / n]
    for _ in range(rounds):
        drawn = _draw(models[0], n)
        pool = pool + drawn if accumulate else drawn
        models.append(pool / pool.sum(1, keepdim=True))
    return torch.stack(models)


def refitted__replaces(real, rounds, accumulate):
    n = int(real[0].sum())
    models = [real / n]
    for _ in range(rounds):
        models.append(_draw(models[-1], n) / n)
    return torch.stack(models)
