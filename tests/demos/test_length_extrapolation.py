"""The parts of length_extrapolation, against loops and closed forms, and a model too little trained."""

import cmath

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def lengths(demo):
    return demo("position/length_extrapolation")


def test_alibi_bias_is_slope_times_distance(lengths):
    """With 4 heads the slopes are 1/4, 1/16, 1/64, 1/256, and key j is charged slope·(i − j) by query i."""
    bias = lengths.alibi(5, 4)
    for head, slope in enumerate((1 / 4, 1 / 16, 1 / 64, 1 / 256)):
        for i in range(5):
            for j in range(i + 1):
                assert bias[head, i, j].item() == pytest.approx(-slope * (i - j))


def test_rotation_equals_complex_multiplication(lengths):
    """Pair 1 of a head of 8 turns by a tenth of a radian a token."""
    x = torch.randn(1, 1, 40, 8)
    got = lengths.rotate(x, lengths.frequencies(8))
    for m in (0, 1, 39):
        z = complex(x[0, 0, m, 2].item(), x[0, 0, m, 3].item()) * cmath.exp(0.1j * m)
        assert (got[0, 0, m, 2].item(), got[0, 0, m, 3].item()) == pytest.approx((z.real, z.imag), abs=1e-5)


@pytest.mark.parametrize("kind", ["learned", "sinusoidal", "RoPE", "ALiBi"])
def test_model_is_causal(lengths, kind):
    """Changing the last token changes no earlier logit."""
    model = lengths.Model(kind, 20)
    tokens = torch.randint(12, (2, 20))
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % 12
    torch.testing.assert_close(model(tokens)[:, :-1], model(other)[:, :-1])
    assert not torch.equal(model(tokens)[:, -1], model(other)[:, -1])


def test_relative_codes_do_not_see_a_shift_of_the_window(lengths):
    """Through two layers with a window of 4, RoPE's logits at the end depend on the last 7 tokens alone, wherever they stand."""
    model = lengths.Model("RoPE", 40)
    for block in model.blocks:
        block.window = 4
    tail = torch.randint(12, (1, 7))
    ends = [model(torch.cat((torch.randint(12, (1, n)), tail), 1))[:, -1] for n in (0, 5, 30)]
    torch.testing.assert_close(ends[1], ends[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ends[2], ends[0], atol=1e-4, rtol=1e-4)


def test_four_ways_to_stretch_by_hand(lengths):
    """At length 16 and width 8 only the first pair turns twice: by parts keeps it and divides the others by 4."""
    theta = torch.tensor([1.0, 0.1, 0.01, 0.001])
    got = {w: lengths.stretched(w, theta, 16, 4.0) for w in ("unchanged", "interpolation", "NTK-aware", "by parts")}
    torch.testing.assert_close(got["unchanged"], theta)
    torch.testing.assert_close(got["interpolation"], torch.tensor([0.25, 0.025, 0.0025, 0.00025]))
    torch.testing.assert_close(got["by parts"], torch.tensor([1, 0.025, 0.0025, 0.00025]))
    slowing = torch.tensor([1, 4 ** (1 / 3), 4 ** (2 / 3), 4])
    torch.testing.assert_close(got["NTK-aware"], theta / slowing)


def test_unstretched_ways_break_the_claim(lengths, monkeypatch):
    """If every way leaves the angles as they are, interpolation does not fail at twice the length and the claim breaks."""
    monkeypatch.setattr(lengths, "stretched", lambda way, theta, length, s, beta: theta)
    with pytest.raises(ExpectationError, match="interpolated"):
        lengths.claim_by_parts_holds_where_interpolation_fails(lengths=(16, 32))


def test_accuracy_of_an_oracle_and_of_a_constant(lengths):
    """A model that shifts its input scores 1; one that always says token 0 scores about one in twelve."""

    def oracle(tokens):
        return torch.nn.functional.one_hot(tokens.roll(1, 1), 12).float()

    def constant(tokens):
        return torch.nn.functional.one_hot(torch.zeros_like(tokens), 12).float()

    assert lengths.accuracy(oracle, 20) == 1
    assert lengths.accuracy(constant, 20, samples=500) == pytest.approx(1 / 12, abs=0.03)


def test_untrained_model_breaks_the_claim(lengths):
    """With no training step the claim that all solve the trained length does not hold."""
    with pytest.raises(ExpectationError, match="trained length"):
        lengths.claim_trained_length_is_solved_by_all(steps=0)
