"""The causal decoder against PyTorch's own attention and layer, finite differences, and a model that always adds one."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def causal(demo):
    return demo("attention/causal_mask_no_leak")


def test_visible_keys_by_hand(causal):
    """A query looks at itself and the past with ahead = 0, one key more with 1, and not at itself with −1."""
    assert causal.visible(3, 0).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert causal.visible(3, 1).tolist() == [[True, True, False], [True, True, True], [True, True, True]]
    assert causal.visible(3, -1).tolist() == [[False, False, False], [True, False, False], [True, True, False]]


def test_attention_equals_pytorch(causal):
    """With ahead = 0 the weighted values are scaled_dot_product_attention with is_causal, with ahead = n without it."""
    q, k, v = torch.randn(3, 2, 4, 9, 8)
    for ahead, is_causal in ((0, True), (9, False)):
        want = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
        assert torch.allclose(causal.attention_weights(q, k, ahead) @ v, want, atol=1e-5)


def test_block_equals_pytorchs_encoder_layer(causal):
    """A block is nn.TransformerEncoderLayer, pre-norm with GELU, given the same weights and a causal mask."""
    block = causal.Block(16, 4)
    layer = nn.TransformerEncoderLayer(16, 4, 64, 0.0, F.gelu, batch_first=True, norm_first=True)
    with torch.no_grad():
        for ours, theirs in ((block.qkv.weight, layer.self_attn.in_proj_weight), (block.o.weight, layer.self_attn.out_proj.weight),
                             (block.ffn[0].weight, layer.linear1.weight), (block.ffn[0].bias, layer.linear1.bias),
                             (block.ffn[2].weight, layer.linear2.weight), (block.ffn[2].bias, layer.linear2.bias)):
            ours.copy_(theirs)
        layer.self_attn.in_proj_bias.zero_()
        layer.self_attn.out_proj.bias.zero_()
    x = torch.randn(2, 7, 16)
    mask = nn.Transformer.generate_square_subsequent_mask(7)
    assert torch.allclose(block(x, 0), layer(x, src_mask=mask), atol=1e-5)


def test_influence_equals_finite_differences(causal):
    """The norm of a Jacobian block agrees with central differences, one coordinate of the input at a time."""
    model = causal.Decoder(5, 4, 6, 2, 2).double()
    x = torch.randint(5, (1, 4))
    got, e, h = causal.influence(model, x, 0), model.embed(x), 1e-6
    for i, j in ((3, 1), (2, 2), (1, 3)):
        total = 0.0
        for c in range(6):
            step = torch.zeros_like(e)
            step[0, j, c] = h
            change = model(e + step, 0, embedded=True)[0, i] - model(e - step, 0, embedded=True)[0, i]
            total += (change / (2 * h)).square().sum().item()
        assert got[i, j].item() == pytest.approx(math.sqrt(total), abs=1e-6)


def test_labels_stand_one_token_on(causal):
    """A model that always predicts its input plus one has no loss on counting sequences, and a large one without shift."""

    class AddOne(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = nn.Parameter(torch.tensor(50.0))

        def forward(self, x, ahead):
            return self.size * F.one_hot((x + 1) % 7, 7)

    def counting():
        return (torch.arange(6)[None] + torch.arange(3)[:, None]) % 7

    assert causal.train(AddOne(), counting, 0, 1)[0].item() < 1e-6
    assert causal.train(AddOne(), counting, 0, 1, shift=0)[0].item() > 10


def test_without_the_mask_the_claims_break(causal, monkeypatch):
    """Where every key is visible, nothing that the causal mask promises holds any more."""
    monkeypatch.setattr(causal, "visible", lambda tokens, ahead: torch.ones(tokens, tokens, dtype=torch.bool))
    for claim in (causal.claim_future_edit_leaves_the_past_unchanged, causal.claim_jacobian_is_lower_triangular,
                  causal.claim_off_by_one_mask_leaks_or_breaks, causal.claim_allowed_pairs_are_n_n_plus_1_over_2,
                  causal.claim_teacher_forcing_equals_stepwise_decoding, causal.claim_leak_beats_the_entropy):
        with pytest.raises(ExpectationError):
            claim()
