"""RoPE as rows, matrices and complex numbers against hand-worked values; the claims against RoPE left out."""

import math

import pytest
import torch


def test_one_pair_by_hand(demo):
    """At position 3 the pair (1, 0) becomes (cos 3, sin 3), and at base 100 the second of two pairs turns by 0.3."""
    rope = demo("attention/mla_decoupled_rope").rope
    x = torch.tensor([[1.0, 0.0, 0.0, 2.0]], dtype=torch.float64)
    want = [math.cos(3), math.sin(3), -2 * math.sin(0.3), 2 * math.cos(0.3)]
    assert rope(x, torch.tensor([3]), 100.0)[0].tolist() == pytest.approx(want)


def test_rows_of_many_heads_turn_by_their_own_position(demo):
    """Each row is multiplied by the rotation matrix of its position, in every head."""
    d = demo("attention/mla_decoupled_rope")
    x, at = d.drawn(3, 2, 6), torch.tensor([5, 0, 11])
    want = torch.stack([row @ d.rotation(int(p), 6, 1000.0).T for row, p in zip(x, at, strict=True)])
    assert torch.allclose(d.rope(x, at, 1000.0), want)


def test_rotations_compose(demo):
    """R_mᵀ R_n is R_(n−m), and R is orthogonal."""
    rotation = demo("attention/mla_decoupled_rope").rotation
    m, n = rotation(7, 8, 10000.0), rotation(19, 8, 10000.0)
    assert torch.allclose(m.T @ n, rotation(12, 8, 10000.0))
    assert torch.allclose(m @ m.T, torch.eye(8, dtype=torch.float64))


def test_claims_notice_that_rope_is_missing(demo, monkeypatch):
    """Without the rotation the merged matrices are one, and the claim that they differ breaks."""
    d = demo("attention/mla_decoupled_rope")
    monkeypatch.setattr(d, "rope", lambda x, positions, base: x)
    with pytest.raises(AssertionError, match="smallest difference"):
        d.claim_rope_blocks_premerging()
    with pytest.raises(AssertionError, match="RoPE is left out"):
        d.claim_rope_part_depends_on_offset_only()
    with pytest.raises(AssertionError, match="with the decoupled part"):
        d.claim_order_lives_in_the_decoupled_part()
