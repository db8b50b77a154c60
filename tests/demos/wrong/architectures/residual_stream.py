"""Plausible wrong pre-norm blocks; a claim of the demo refutes each."""

from torch import Tensor, nn

Layer = nn.TransformerEncoderLayer


def pre_norm_block__norms_the_stream(x: Tensor, layer: Layer) -> Tensor:
    """The normed input is what is added to."""
    x = layer.norm1(x)
    x = x + attend(x, layer)  # noqa: F821 (the demo's)
    x = layer.norm2(x)
    return x + feed_forward(x, layer)  # noqa: F821 (the demo's)


def pre_norm_block__runs_in_parallel(x: Tensor, layer: Layer) -> Tensor:
    """The FFN reads the same input as the attention."""
    return x + attend(layer.norm1(x), layer) + feed_forward(layer.norm2(x), layer)  # noqa: F821


def pre_norm_block__forgets_a_skip(x: Tensor, layer: Layer) -> Tensor:
    """Nothing is added to the output of the FFN."""
    x = x + attend(layer.norm1(x), layer)  # noqa: F821 (the demo's)
    return feed_forward(layer.norm2(x), layer)  # noqa: F821 (the demo's)
