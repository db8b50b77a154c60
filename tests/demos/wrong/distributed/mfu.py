"""What a learner might write instead."""


def mfu__leaves_attention_out(tokens_per_second, weights, attention, gpus, peak):
    return tokens_per_second * 6 * weights / (gpus * peak)


def mfu__counts_forward_only(tokens_per_second, weights, attention, gpus, peak):
    return tokens_per_second * (2 * weights + attention / 3) / (gpus * peak)


def mfu__forgets_the_gpus(tokens_per_second, weights, attention, gpus, peak):
    return tokens_per_second * (6 * weights + attention) / peak
