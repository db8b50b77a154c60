"""Plausible wrong bodies of the exercises of alignment/gae_advantages."""

import torch


def gae__forgets_lambda(rewards, values, gamma, lam):
    """Discounts by γ alone: λ = 1 whatever was asked."""
    after = torch.cat([values[..., 1:], torch.zeros_like(values[..., :1])], -1)
    deltas = rewards + gamma * after - values
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[..., 0])
    for t in reversed(range(deltas.shape[-1])):
        running = deltas[..., t] + gamma * running
        advantages[..., t] = running
    return advantages


def gae__runs_forwards(rewards, values, gamma, lam):
    """Accumulates from the first token on: credit flows to later tokens."""
    after = torch.cat([values[..., 1:], torch.zeros_like(values[..., :1])], -1)
    deltas = rewards + gamma * after - values
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[..., 0])
    for t in range(deltas.shape[-1]):
        running = deltas[..., t] + gamma * lam * running
        advantages[..., t] = running
    return advantages


def gae__bootstraps_past_the_end(rewards, values, gamma, lam):
    """The last value stands in for the one after the end."""
    after = torch.cat([values[..., 1:], values[..., -1:]], -1)
    deltas = rewards + gamma * after - values
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[..., 0])
    for t in reversed(range(deltas.shape[-1])):
        running = deltas[..., t] + gamma * lam * running
        advantages[..., t] = running
    return advantages


def gae__adds_the_value(rewards, values, gamma, lam):
    """Returns the critic's target, advantage plus value."""
    after = torch.cat([values[..., 1:], torch.zeros_like(values[..., :1])], -1)
    deltas = rewards + gamma * after - values
    advantages, running = torch.zeros_like(deltas), torch.zeros_like(deltas[..., 0])
    for t in reversed(range(deltas.shape[-1])):
        running = deltas[..., t] + gamma * lam * running
        advantages[..., t] = running
    return advantages + values
