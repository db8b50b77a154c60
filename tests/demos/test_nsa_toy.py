"""NSA's three branches against loops over tokens and hand-worked numbers."""

import pytest
import torch
import torch.nn.functional as F

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def toy(demo):
    return demo("attention/nsa_toy")


def test_importance_by_hand_with_equal_blocking(toy):
    """Where l' = l = d the importance of a block is the score of its compressed key (the paper's simple case)."""
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    got = toy.importance(weights, 16, toy.Sizes(compress=4, stride=4, block=4))
    assert torch.equal(got, weights)


@pytest.mark.parametrize(("compress", "stride", "block"), [(32, 16, 64), (8, 4, 8), (12, 4, 16)])
def test_importance_equals_a_loop_over_tokens(toy, compress, stride, block):
    """Every token of a block counts the compressed blocks that contain it, once for each stride of tokens."""
    t = 4 * block
    count = (t - compress) // stride + 1
    weights = torch.rand(2, count, dtype=torch.float64)
    want = torch.zeros(2, 4, dtype=torch.float64)
    for token in range(t):
        for i in range(count):
            if i * stride <= token < i * stride + compress:
                want[:, token // block] += weights[:, i] / stride
    torch.testing.assert_close(toy.importance(weights, t, toy.Sizes(compress, stride, block)), want)


def test_choice_keeps_the_first_and_the_last_two(toy):
    """Of scores 9 … 0 with n = 5 the choice is blocks 0, 1, 2 and the last two, though those score least."""
    assert toy.choose(torch.arange(9.0, -1, -1), 5).tolist() == [0, 1, 2, 8, 9]
    assert toy.choose(torch.rand(4), 16).tolist() == [0, 1, 2, 3]


def test_compression_sees_blocks_of_l_at_stride_d(toy):
    """Block i is the mlp of tokens 16 i to 16 i + 31 with their places added; 100 tokens hold 5 whole blocks."""
    phi, x = toy.Compress(32, 4), torch.randn(100, 4, dtype=torch.float64)
    want = torch.stack([phi.mlp((x[16 * i : 16 * i + 32] + phi.place).flatten()) for i in range(5)])
    torch.testing.assert_close(phi(x, 16), want)


def test_each_branch_is_torchs_attention_over_the_tokens_it_reports(toy):
    """Selected and window outputs equal SDPA on exactly the reported tokens, taken from that branch's keys and values."""
    s = toy.Sizes(chosen=5, window=100)
    q, kv, phi = toy.inputs(500, 3, 8, s.compress)
    got = toy.nsa(q, kv, phi, s)
    assert got.recent.tolist() == list(range(400, 500))
    assert {0, 6, 7} <= set(got.blocks.tolist())
    for branch, tokens in ((1, got.selected), (2, got.recent)):
        k, v = kv[branch][:, tokens]
        torch.testing.assert_close(got.outputs[branch], F.scaled_dot_product_attention(q[None], k[None], v[None])[0])
    assert got.read == ((500 - 32) // 16 + 1, len(got.selected), 100)


def test_choice_follows_the_scores(toy):
    """Beside the three fixed blocks the highest scores are chosen, and with their signs turned the lowest."""
    scores = torch.tensor([0.0, 5, 1, 4, 2, 3, 0, 0])
    assert toy.choose(scores, 5).tolist() == [0, 1, 3, 6, 7]
    assert toy.choose(-scores, 5).tolist() == [0, 2, 4, 6, 7]


def test_sharing_keys_between_branches_breaks_independence(toy):
    """If the window branch read the selection's keys, the claim that branches keep their own would not hold."""
    right = toy.nsa

    def shared(q, kv, phi, s):
        return right(q, torch.stack((kv[0], kv[1], kv[1])), phi, s)

    toy.nsa = shared
    with pytest.raises(ExpectationError, match="does the output move"):
        toy.claim_only_selection_depends_on_another_branch()
