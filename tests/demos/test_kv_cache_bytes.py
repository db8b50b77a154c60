"""The KV cache demos against counts by hand."""

import torch


def test_one_step_is_torchs_grouped_attention(demo) -> None:
    """A step over a cache equals scaled_dot_product_attention with enable_gqa, and the cache grows by one."""
    q, new, cache = torch.randn(3, 6, 1, 4), torch.randn(2, 3, 2, 1, 4), torch.randn(2, 3, 2, 5, 4)
    output, grown = demo("inference/kv_cache_bytes").step(q, new, cache)
    assert grown.shape == (2, 3, 2, 6, 4)
    assert torch.equal(grown[..., :5, :], cache)
    want = torch.nn.functional.scaled_dot_product_attention(q, *grown, enable_gqa=True)
    assert torch.allclose(output, want, atol=1e-6)


def test_bytes_per_token_by_hand(demo) -> None:
    """32 layers, K and V, 32 heads of 128, two bytes; Mistral keeps 8 heads."""
    per_token = demo("inference/kv_cache_of_models").per_token
    assert per_token("llama-2-7b") == 32 * 2 * 32 * 128 * 2
    assert per_token("mistral-7b") == 32 * 2 * 8 * 128 * 2
    assert per_token("llama-2-7b", bits=8) == 32 * 2 * 32 * 128


def test_the_largest_number_is_127_steps(demo) -> None:
    """Each token and head is scaled to its own largest number; rounding down never goes up."""
    quantise = demo("inference/kv_cache_int8").quantise
    x = torch.tensor([[[1.0, -2.0], [100.0, 50.4]]])
    small, scale = quantise(x, "per token and head")
    assert small.tolist() == [[[64, -127], [127, 64]]]
    assert scale.shape == (1, 2, 1)
    assert quantise(x, "one")[0].tolist() == [[[1, -3], [127, 64]]]
