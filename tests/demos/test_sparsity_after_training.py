"""The toy of sparsity_after_training: its attention against a loop, its reach, its score and its training."""

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def toy(demo):
    return demo("attention/sparsity_after_training")


def test_block_mixes_values_by_the_softmax_of_its_offsets(toy):
    """With MLP off, position i gets out(Σ weight(steps back)·value) over the last `window` tokens, head by head."""
    block = toy.Block(10)
    for p in block.mlp[2].parameters():
        torch.nn.init.zeros_(p)
    x = torch.randn(1, 10, 16)
    values = block.value(block.norms[0](x))[0]
    mixed = torch.zeros(10, 16)
    for i in range(10):
        back = list(range(min(i, 3) + 1))
        for head in range(2):
            weights = block.logits[head, back].softmax(0)
            part = slice(8 * head, 8 * head + 8)
            mixed[i, part] = sum(w * values[i - b, part] for w, b in zip(weights, back, strict=True))
    torch.testing.assert_close(block(x, 4)[0], x[0] + block.out(mixed))


def test_two_windows_reach_their_sum_and_no_farther(toy):
    """Through windows of 5 and 3 the last logits depend on the token 6 back (4 + 2) and not on the one 7 back."""
    model = toy.Model(12)
    tokens = torch.zeros(1, 12, dtype=torch.long)
    base = model(tokens, (5, 3))[0, -1]
    for back, same in ((6, False), (7, True)):
        other = tokens.clone()
        other[0, -1 - back] = 3
        assert torch.equal(model(other, (5, 3))[0, -1], base) is same


def test_accuracy_of_an_oracle_and_of_a_constant(toy):
    """A model that looks `gap` back scores 1, one that always says token 0 about one in eight."""

    def oracle(tokens, windows):
        return torch.nn.functional.one_hot(tokens.roll(6, 1), 8).float()

    def constant(tokens, windows):
        return torch.nn.functional.one_hot(torch.zeros_like(tokens), 8).float()

    assert toy.accuracy(oracle, (5, 5), 6, 16) == 1
    assert sum(toy.accuracy(constant, (5, 5), 6, 16) for _ in range(20)) / 20 == pytest.approx(1 / 8, abs=0.02)


def test_continued_training_leaves_the_first_model_alone(toy):
    """Training on from a model works on a copy: the earlier phase's weights stay as they were."""
    first, _ = toy.train((16,), 5, 4, 6, 16, 0)
    kept = [p.detach().clone() for p in first.parameters()]
    second, _ = toy.train((16, 5), 5, 4, 6, 16, 0)
    assert all(torch.equal(a, b) for a, b in zip(kept, first.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(kept, second.parameters(), strict=True))


def test_a_window_that_reaches_the_gap_loses_nothing(toy):
    """With a window of gap + 1 the imposed pattern hides nothing that is needed, so the claim does not hold."""
    torch.manual_seed(0)
    with pytest.raises(ExpectationError, match="window imposed"):
        toy.claim_sparsity_imposed_afterwards_fails(window=7)
