"""What a learner might write instead."""


def hits__compares_blocks_alone(tokens, known, block):
    """A block counts as known wherever its own tokens stood."""
    alone = {prefix[-block:] for prefix in known}
    reused = 0
    while reused + block <= len(tokens) and tuple(tokens[reused : reused + block]) in alone:
        reused += block
    return reused


def hits__counts_the_partial_block(tokens, known, block):
    reused = 0
    longest = max(known, key=len)
    while reused < len(tokens) and reused < len(longest) and tokens[reused] == longest[reused]:
        reused += 1
    return reused


def hits__goes_on_after_a_miss(tokens, known, block):
    blocks = {prefix[-block:] for prefix in known}
    return sum(block for i in range(0, len(tokens) - block + 1, block) if tuple(tokens[i : i + block]) in blocks)
