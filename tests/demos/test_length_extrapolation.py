"""The parts of the two length demos: causal, relative, and stretched as by hand."""

import pytest
import torch


@pytest.mark.parametrize("code", ["learned", "sinusoidal", "RoPE", "ALiBi"])
def test_the_layer_is_causal(demo, code):
    """Changing the last token changes no earlier logit."""
    layer, tokens = demo("position/length_extrapolation").Layer(code), torch.randint(8, (2, 20))
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % 8
    torch.testing.assert_close(layer(tokens)[:, :-1], layer(other)[:, :-1])
    assert not torch.equal(layer(tokens)[:, -1], layer(other)[:, -1])


def test_rope_does_not_see_where_a_window_stands(demo):
    """With a window of 4 the last logits depend on the last 4 tokens alone, wherever they stand."""
    rope = demo("position/rope_length_extrapolation")
    layer, tail = rope.Layer(), torch.randint(8, (1, 4))
    ends = [layer(torch.cat((torch.randint(8, (1, n)), tail), 1), rope.FREQUENCIES, 4)[:, -1] for n in (0, 5, 30)]
    torch.testing.assert_close(ends[1], ends[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ends[2], ends[0], atol=1e-4, rtol=1e-4)


def test_four_ways_to_stretch_by_hand(demo):
    """At length 16 and width 8 only the first pair turns twice: by parts keeps it and divides the others by 4."""
    rope, theta = demo("position/rope_length_extrapolation"), torch.tensor([1.0, 0.1, 0.01, 0.001])
    got = {w: rope.stretched(theta, w, 4.0, 2.0) for w in ("unchanged", "interpolation", "NTK-aware", "by parts")}
    torch.testing.assert_close(got["unchanged"], theta)
    torch.testing.assert_close(got["interpolation"], theta / 4)
    torch.testing.assert_close(got["by parts"], torch.tensor([1, 0.025, 0.0025, 0.00025]))
    torch.testing.assert_close(got["NTK-aware"], theta / torch.tensor([1, 4 ** (1 / 3), 4 ** (2 / 3), 4]))
