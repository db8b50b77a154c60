"""The counted layer against totals by hand, and the figures of the card for named models."""

import pytest


def test_known_totals_without_the_ffn(demo):
    """At n = d = 128 attention with its four projections costs 25,165,824 FLOPs, at 256 eight times that."""
    count = demo("attention/attention_flops").count
    assert count(128, 128, 4, ffn=0) == 25_165_824
    assert count(256, 256, 4, ffn=0) == 8 * 25_165_824


@pytest.mark.parametrize(("model", "tokens", "share"), [("llama-3-8b", 8192, 0.24), ("llama-3-8b", 26_624, 0.5),
                                                        ("llama-3.1-405b", 131_072, 0.57)])
def test_shares_of_named_models(demo, model, tokens, share):
    """QKᵀ and P·V are 24% of a layer of Llama 3 8B at 8192 tokens, half at 26,624, and 57% of Llama 3.1 405B at 131,072."""
    d = demo("attention/attention_flops")
    row = d.named_model(model)
    whole = d.count(tokens, row["width"], row["heads"], d_head=row["d_head"], kv_heads=row["kv_heads"],
                    ffn=row["ffn"]["d_ff"], gated=True)
    assert 4 * tokens**2 * row["width"] / whole == pytest.approx(share, abs=0.005)
