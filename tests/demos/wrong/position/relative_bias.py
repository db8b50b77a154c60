"""What a learner might write instead."""
# ruff: noqa: F821


def bias_matrix__by_key_position(numbers, n):
    return numbers[torch.arange(n).clamp(max=len(numbers) - 1)].expand(n, n)


def bias_matrix__turned_round(numbers, n):
    clip = len(numbers) // 2
    distance = torch.arange(n) - torch.arange(n)[:, None]
    return numbers[distance.clamp(-clip, clip) + clip]


def bias_matrix__not_clipped_behind(numbers, n):
    clip = len(numbers) // 2
    distance = torch.arange(n)[:, None] - torch.arange(n)
    return numbers[(distance.clamp(min=-clip) + clip) % len(numbers)]
