"""Plausible wrong bodies of the exercise of nlp/training_flops."""


def training_flops__forward_only(weights, layers, width, length, tokens, pairs=1.0):
    """2 per weight and 4 per pair: no backward."""
    return tokens * (2 * weights + 4 * layers * length * width * pairs)


def training_flops__forgets_the_layers(weights, layers, width, length, tokens, pairs=1.0):
    """Attention of one layer."""
    return tokens * (6 * weights + 12 * length * width * pairs)


def training_flops__attention_once_per_sequence(weights, layers, width, length, tokens, pairs=1.0):
    """The pairs of one sequence, not of each token's row."""
    return tokens * 6 * weights + 12 * layers * length * width * pairs
