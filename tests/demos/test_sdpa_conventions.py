"""The reading of the weights against known ones, and the conventions at other sizes."""

import torch


def test_effective_weights_of_equal_keys_are_uniform(demo):
    """Equal keys share the weight equally among those that are visible."""
    weights = demo("attention/sdpa_conventions").effective_weights
    q, k = torch.randn(1, 1, 2, 3), torch.ones(1, 1, 4, 3)
    assert torch.allclose(weights(q, k), torch.full((1, 1, 2, 4), 0.25))
    seen = torch.tensor([[True, False, False, True], [False, True, False, False]])
    assert torch.allclose(weights(q, k, attn_mask=seen)[0, 0], torch.tensor([[0.5, 0, 0, 0.5], [0, 1.0, 0, 0]]))


def test_the_conventions_hold_at_other_sizes(demo):
    """One head, other lengths and another share dropped change neither the meaning of True nor who drops."""
    d = demo("attention/sdpa_conventions")
    d.claim_boolean_masks_mean_opposite_things(tokens=3, heads=1, d_head=4)
    d.claim_float_masks_are_added_by_both(tokens=5, heads=1, d_head=4)
    d.claim_functional_dropout_ignores_eval(tokens=32, heads=1, d_head=4, dropout=0.5)


def test_training_mode_drops_in_the_module_too(demo):
    """Without eval() the module drops as well, so that eval() is what the claim turns on."""
    x = torch.randn(1, 16, 8)
    module = torch.nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
    assert (module(x, x, x, average_attn_weights=False)[1] == 0).any()
    assert not (module.eval()(x, x, x, average_attn_weights=False)[1] == 0).any()
