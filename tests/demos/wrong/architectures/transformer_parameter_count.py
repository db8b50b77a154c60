"""Plausible wrong counts of a layer; a claim of the demo refutes each."""


def layer_parameters__multiplies_by_the_heads(width: int, d_ff: int, attentions: int) -> int:
    """Eight heads, each with projections of the full width."""
    attention = 8 * 4 * (width * width + width)
    ffn = width * d_ff + d_ff + d_ff * width + width
    return attentions * attention + ffn + (attentions + 1) * 2 * width


def layer_parameters__forgets_the_output_projection(width: int, d_ff: int, attentions: int) -> int:
    """Only W_Q, W_K and W_V are counted."""
    attention = 3 * (width * width + width)
    ffn = width * d_ff + d_ff + d_ff * width + width
    return attentions * attention + ffn + (attentions + 1) * 2 * width


def layer_parameters__forgets_the_norms(width: int, d_ff: int, attentions: int) -> int:
    """No gains and biases of the LayerNorms."""
    return attentions * 4 * (width * width + width) + width * d_ff + d_ff + d_ff * width + width
