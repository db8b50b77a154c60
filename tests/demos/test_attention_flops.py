"""The counted layer against hand counts, PyTorch's attention on real data, and what breaks when a step is left out."""

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def counts(demo):
    return demo("attention/attention_flops")


def test_a_multiply_add_is_two(counts):
    """(3, 4) times (4, 5) is 60 multiply-adds, so 120 FLOPs."""
    assert counts.flops(lambda: torch.zeros(3, 4) @ torch.zeros(4, 5)) == 120


def test_known_totals_without_the_ffn(counts):
    """At n = d = 128 attention with its four projections costs 25,165,824 FLOPs, at 256 eight times that."""
    for d in (128, 256):
        found = counts.parts(counts.Layer(d, 4), d)
        assert sum(found.values()) - found["FFN"] == 25_165_824 * (d // 128) ** 3


@pytest.mark.parametrize(("kv_heads", "matrices"), [(4, 2), (2, 3), (1, 3)])
def test_the_layer_computes_attention(counts, kv_heads, matrices):
    """Given real weights, the steps that are counted give PyTorch's grouped attention and the FFN written out."""
    layer = counts.Layer(32, 4, kv_heads, 48, matrices).to_empty(device="cpu")
    for p in layer.parameters():
        torch.nn.init.normal_(p, std=0.2)
    x = torch.randn(6, 32)
    q, k, v = (f(x).unflatten(-1, (-1, 8)).transpose(0, 1)[None] for f in (layer.q, layer.k, layer.v))
    y = x + layer.o(F.scaled_dot_product_attention(q, k, v, enable_gqa=True)[0].transpose(0, 1).flatten(1))
    up = [y @ u.weight.T for u in layer.up]
    hidden = F.silu(up[0]) * up[1] if matrices == 3 else F.gelu(up[0])
    assert torch.allclose(layer(x), y + hidden @ layer.down.weight.T, atol=1e-4)


def test_crossovers_of_a_small_layer(counts):
    """At d = 8 the pairs overtake the projections at 16 tokens and the whole rest at 48; one token less is not enough."""
    layer = counts.Layer(8, 2)
    assert counts.crossover(layer, ffn=False) == 16
    assert counts.crossover(layer, ffn=True) == 48
    before = counts.parts(layer, 47)
    assert before["QKᵀ"] + before["P·V"] < before["Q, K, V"] + before["W_O"] + before["FFN"]


def test_elementwise_counts_elements_and_not_views(counts):
    """A product of 6 numbers counts 6, their sum by rows another 6, a transpose nothing."""
    with counts.Elementwise() as work:
        (torch.ones(2, 3) * 2).T.sum(0)
    assert work.count == {"mul": 6, "sum": 6}


def test_counting_multiply_adds_breaks_the_formulas(counts, monkeypatch):
    """With one FLOP for a multiply-add no formula of the demo holds, while ratios between counts stay."""
    whole = counts.flops
    monkeypatch.setattr(counts, "flops", lambda work: whole(work) // 2)
    for claim in (counts.claim_counted_flops_equal_the_formula, counts.claim_backward_costs_twice_the_forward,
                  counts.claim_decode_step_is_linear_in_the_context, counts.claim_softmax_flops_are_small):
        with pytest.raises(ExpectationError):
            claim()
    counts.claim_quadratic_share_is_n_over_n_plus_6d()


def test_leaving_out_the_input_projections_breaks_the_crossover(counts, monkeypatch):
    """Without W_Q, W_K and W_V the pairs overtake the rest sooner, and the totals are no longer those of the formula."""
    monkeypatch.setattr(counts.Layer, "project", lambda self, x: (
        self.split(x, self.heads), self.split(x, self.heads), self.split(x, self.heads)))
    with pytest.raises(ExpectationError):
        counts.claim_quadratic_exceeds_projections_beyond_2d()
    with pytest.raises(ExpectationError):
        counts.claim_counted_flops_equal_the_formula()
