r"""RoPE beyond the trained length: far offsets break it, not late positions.

RoPE 超出训练长度：破坏它的是远距离，而不是靠后的位置。

One causal layer is trained at length 16 to name the token before (chance 1/8) and tested up to 128,
with its weights as they are. Turn `beta` to 32, the paper's: the fastest of the toy's four pairs
makes 2.5 turns in training, so by parts divides every pair, as interpolation does.
把 `beta` 改为论文的 32：玩具模型四对中最快的只转 2.5 圈，NTK-by-parts 就与插值一样除以每一对。
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import breaks, expect, lines, main, one_of, progress, show
from studyapp.evidence.tools import Adam

VOCABULARY, WIDTH, HEADS, D, BASE, TRAINED = 8, 64, 8, 8, 10000.0, 16
TESTED = (16, 32, 64, 128)
CHANCE = 1 / VOCABULARY


class Layer(nn.Module):
    """Token vectors, one causal attention with RoPE, and logits from the token and its mix."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.qkv = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(2 * WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor, theta: Tensor, window: int = 128) -> Tensor:
        n = tokens.shape[1]
        x, place = self.tokens(tokens), torch.arange(n)                          # (batch, n, WIDTH)
        q, k, v = (
            self.qkv(x).unflatten(-1, (3, HEADS, D)).permute(2, 0, 3, 1, 4)
        )  # (batch, heads, n, D)
        angle = place[:, None] * theta                                                    # (n, D/2)
        q, k = (torch.cat((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()),
                          -1)
                for a, b in (y.chunk(2, -1) for y in (q, k)))
        back = place[:, None] - place                                                       # (n, n)
        scores = (q @ k.mT / D**0.5).masked_fill((back < 0) | (back >= window), -math.inf)
        return self.out(torch.cat((x, (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)), -1))


def stretched(theta: Tensor, way: str, s: float, beta: float) -> Tensor:
    """Radians per token of each pair, for a context of s times the trained length."""
    turns = TRAINED * theta / (2 * math.pi)                                 # full turns in training
    keep = ((turns - 1) / (beta - 1)).clamp(0, 1)              # 0 up to one turn, 1 from beta turns
    raised = (BASE * s ** (D / (D - 2))) ** (-torch.arange(0, D, 2) / D)
    return {"unchanged": theta, "interpolation": theta / s, "NTK-aware": raised,
            "by parts": theta * (keep + (1 - keep) / s)}[way]


FREQUENCIES = BASE ** (-torch.arange(0, D, 2) / D)                                          # (D/2,)


@cache
@torch.enable_grad()
def trained(steps: int, seed: int) -> Layer:
    """A layer trained at length 16; claims of one run share it."""
    torch.manual_seed(seed)
    layer = Layer()
    adam = Adam(layer.parameters(), lr=2e-2)
    for _ in progress(range(steps)):
        tokens = torch.randint(VOCABULARY, (16, TRAINED))
        logits = layer(tokens, FREQUENCIES)[:, 1:]                # position 0 has nothing before it
        adam.step(F.cross_entropy(logits.flatten(0, 1), tokens[:, :-1].flatten()))
    return layer


@cache
@torch.no_grad()
def accuracy(steps: int, seed: int, way: str = "unchanged", beta: float = 2.0,
             window: int = 128) -> list[float]:
    """The share of right answers at the last 16 positions, for each tested length."""
    layer, shares, drawn = trained(steps, seed), [], torch.Generator().manual_seed(seed)
    for n in TESTED:
        tokens = torch.randint(VOCABULARY, (12, n), generator=drawn)
        logits = layer(tokens, stretched(FREQUENCIES, way, n / TRAINED, beta), window)
        shares.append((logits.argmax(-1)[:, 1:] == tokens[:, :-1])[:, -16:].double().mean().item())
    return shares


def picture(curves: dict[str, list[float]]) -> None:
    """Accuracy over the tested length, with chance beside it."""
    show(lines("tested length", TESTED, {**curves, "chance": [CHANCE] * 4}, log="x",
               y_label="accuracy"))


RANGES = {"steps": one_of(0, 60), "window": one_of(16, 32, 128), "beta": one_of(2.0, 32.0)}
UNTRAINED = breaks(steps=0, en="Untrained, the layer guesses.", zh="不训练，只能猜。")


@UNTRAINED
@breaks(window=16, en="With far keys hidden it does not fail.", zh="遮住远处的 key，就不会失效。")
def claim_rope_holds_at_32_and_fails_at_128(steps=60, window=128):
    """Untouched RoPE holds at twice the trained length and is at chance at eight times.

    不加改动的 RoPE 在训练长度的两倍仍有效，到八倍已是随机水平。"""
    got = accuracy(steps, torch.initial_seed(), window=window)
    picture({"RoPE": got})
    expect("accuracy up to twice the trained length", got[:2], at_least=0.8)
    expect("accuracy at eight times, less chance", got[-1] - CHANCE, equals=0, within=0.12)


@UNTRAINED
@breaks(window=128, en="With every key in sight it fails.", zh="看得见所有 key，就会失效。")
def claim_a_window_of_the_trained_length_restores_rope(steps=60, window=16):
    """Hide the keys at offsets never trained, and the same weights work at every length: far
    offsets broke it, not late positions.

    遮住训练中没见过的距离上的 key，同一组权重在各个长度上都有效：坏事的是远距离，而不是靠后的位置。"""
    seed = torch.initial_seed()
    got = accuracy(steps, seed, window=window)
    picture({"every key": accuracy(steps, seed, window=128), f"window {window}": got})
    expect("accuracy with the window", got, at_least=0.9, at=("tested length", TESTED))


@UNTRAINED
@breaks(beta=32.0, en="With the paper's β the toy's fastest pair is divided as well.",
        zh="用论文的 β，玩具模型最快的对也被除。")
def claim_by_parts_holds_where_interpolation_fails(steps=60, beta=2.0):
    """With the weights as trained, dividing every angle fails at twice the length; by parts, with
    thresholds of 1 and 2 turns, holds at four times, where unchanged angles are at chance.

    权重不再训练时，所有角度都除以 s，两倍长度就失效；NTK-by-parts（阈值 1 圈与 2 圈）到四倍仍有效，不改角度在
    那里已是随机水平。"""
    ways = ("unchanged", "interpolation", "NTK-aware", "by parts")
    seed, divide = torch.initial_seed(), {"by parts": beta}                # the others have no β
    curves = {way: accuracy(steps, seed, way, divide.get(way, 2.0)) for way in ways}
    picture(curves)
    s = TESTED[-1] / TRAINED
    slowed = {way: FREQUENCIES / stretched(FREQUENCIES, way, s,
                                           beta) for way in ways}       # (D/2,)
    expect("by what interpolation divides each angle, over s", slowed["interpolation"] / s,
           equals=1,
           within=1e-6)
    expect("by what NTK-aware divides the slowest and the fastest", slowed["NTK-aware"][[-1, 0]],
           equals=[s, 1], within=1e-3)
    expect("by parts, up to four times the length", curves["by parts"][:3], at_least=0.7)
    expect("interpolated, from twice the length", curves["interpolation"][1:], at_most=0.6)
    expect("unchanged, from four times the length", curves["unchanged"][2:], at_most=0.3)


ZH = {
    "accuracy": "准确率", "chance": "随机水平", "tested length": "测试长度", "every key": "所有 key",
    "accuracy up to twice the trained length": "到两倍训练长度为止的准确率",
    "accuracy at eight times, less chance": "八倍处的准确率减随机水平", "window {}": "窗口 {}",
    "accuracy with the window": "有窗口时的准确率", "unchanged": "不改动", "interpolation": "插值",
    "NTK-aware": "NTK-aware",
    "by what interpolation divides each angle, over s": "插值把每个角除以多少，与 s 之比",
    "by what NTK-aware divides the slowest and the fastest": "NTK-aware 把最慢与最快的角除以多少",
    "by parts": "NTK-by-parts", "by parts, up to four times the length": "NTK-by-parts，到四倍长度为止",
    "interpolated, from twice the length": "插值，从两倍长度起",
    "unchanged, from four times the length": "不改动，从四倍长度起",
}

if __name__ == "__main__":
    main()
