"""Plausible wrong bodies of the exercise of alignment/reward_shaping."""


def shaped__rewards_the_new_state(reward, potential, gamma):
    """A bonus for where one gets, with nothing taken back."""
    return reward + potential[None]


def shaped__forgets_the_discount(reward, potential, gamma):
    """Differences that do not telescope under a discount."""
    phi = potential.clone()
    phi[-1] = 0
    return reward + phi[None] - phi[:, None]


def shaped__keeps_the_end_high(reward, potential, gamma):
    """The end keeps its potential, as if it were worth something in itself."""
    return reward + gamma * potential[None] - potential[:, None]
