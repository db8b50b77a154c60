r"""Train at length 16, test at 16 to 128: which positions still work where they were never seen.

在长度 16 上训练，在 16 到 128 上测试：哪种位置编码在没见过的位置上仍然有效。

A 2-layer causal model learns to repeat the token before the current one. Whatever the length, the answer stands one
step back, so only the position code can fail. This is a toy of about 26 thousand weights: it shows mechanisms, and says
nothing about how large language models rank. It breaks the rule of 0.1 s a claim, because four models must really be
trained; they are trained once and shared by the claims. Turn `steps`, or `lengths` for other tests; chance is 1/12.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, lines, main, progress, show

VOCABULARY, WIDTH, HEADS = 12, 32, 4
KINDS = ("learned", "sinusoidal", "RoPE", "ALiBi")


def sinusoids(n: int, d: int) -> Tensor:
    """The fixed code of 2017."""
    angle = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)  # (n, d)


def rotate(x: Tensor) -> Tensor:
    """RoPE, base 10000, on interleaved pairs; x is (batch, heads, n, d)."""
    n, d = x.shape[-2:]
    angle = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()), -1).flatten(-2)


def alibi(n: int, heads: int) -> Tensor:
    """−slope · distance, slopes 2^(−8/heads), 2^(−16/heads), …; later keys are masked elsewhere."""
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)
    distance = torch.arange(n)[:, None] - torch.arange(n)
    return -slopes[:, None, None] * distance  # (heads, n, n)


class Block(nn.Module):
    """Pre-norm causal attention and MLP, with the two position codes that live inside attention."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.window = kind, 0  # 0: every earlier key
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        batch, n, _ = x.shape
        qkv = self.qkv(self.norms[0](x)).view(batch, n, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = qkv  # (batch, heads, n, d)
        if self.kind == "RoPE":
            q, k = rotate(q), rotate(k)
        scores = q @ k.mT / math.sqrt(WIDTH // HEADS)
        if self.kind == "ALiBi":
            scores = scores + alibi(n, HEADS)
        hidden = torch.ones(n, n, dtype=torch.bool).triu(1)
        if self.window:
            hidden = hidden | torch.ones(n, n, dtype=torch.bool).tril(-self.window)
        mixed = scores.masked_fill(hidden, -math.inf).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, n, WIDTH))
        return x + self.mlp(self.norms[1](x))


class Model(nn.Module):
    """Tokens, positions, two blocks, logits."""

    def __init__(self, kind: str, longest: int) -> None:
        super().__init__()
        self.kind = kind
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        if kind == "learned":
            self.positions = nn.Embedding(longest, WIDTH)  # rows beyond the trained length stay random
        self.blocks = nn.Sequential(Block(kind), Block(kind))
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY))

    def forward(self, tokens: Tensor) -> Tensor:
        n = tokens.shape[1]
        x = self.tokens(tokens)
        if self.kind == "learned":
            x = x + self.positions(torch.arange(n))
        if self.kind == "sinusoidal":
            x = x + sinusoids(n, WIDTH)
        return self.head(self.blocks(x))  # (batch, n, vocabulary)


@cache
def trained(kind: str, length: int, longest: int, steps: int, seed: int) -> Model:
    """A model trained to say, at every position, which token stood one step back."""
    torch.manual_seed(seed)
    model = Model(kind, longest)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in progress(range(steps)):
        tokens = torch.randint(VOCABULARY, (32, length))
        logits = model(tokens)[:, 1:]  # position 0 has nothing before it
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, :-1].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: Model, length: int, last: int = 8, samples: int = 64) -> float:
    """The share of right answers at the last positions of fresh sequences."""
    tokens = torch.randint(VOCABULARY, (samples, length))
    right = model(tokens).argmax(-1)[:, 1:] == tokens[:, :-1]
    return right[:, -last:].double().mean().item()


def curve(kind: str, length: int, lengths: tuple[int, ...], steps: int, window: int = 0) -> list[float]:
    """Accuracy of one kind at every tested length; `window` limits how far back the tested model looks."""
    model = trained(kind, length, max(*lengths, length), steps, torch.initial_seed())
    for block in model.blocks:
        block.window = window
    return [accuracy(model, n) for n in lengths]


def claim_trained_length_is_solved_by_all(length=16, steps=100):
    """At the length it was trained on, every position code lets the toy model repeat the token before.

    在训练长度上，无论哪种位置编码，玩具模型都学会了复述前一个 token。"""
    got = [accuracy(trained(kind, length, 8 * length, steps, torch.initial_seed()), length) for kind in KINDS]
    show(bars(KINDS, got, y_label="accuracy", title=f"trained and tested at length {length}"))
    expect("accuracy at the trained length", got, at_least=0.9, at=("code", KINDS))


def claim_learned_and_sinusoidal_fail_at_32(length=16, lengths=(16, 32, 64, 128), steps=100):
    """Twice the trained length is enough: learned and sinusoidal positions fall to nearly chance.

    只到训练长度的两倍，可学习与正弦位置编码就几乎跌到随机水平。"""
    curves = {kind: curve(kind, length, lengths, steps) for kind in ("learned", "sinusoidal")}
    show(
        lines(
            "tested length", lengths, {**curves, "chance": [1 / VOCABULARY] * len(lengths)}, log="x", y_label="accuracy"
        )
    )
    for kind, got in curves.items():
        beyond = [a for n, a in zip(lengths, got, strict=True) if n >= 2 * length]
        expect(f"accuracy of {kind} positions from twice the trained length", beyond, at_most=0.4)


def claim_alibi_holds_at_128(length=16, lengths=(16, 32, 64, 128), steps=100):
    """ALiBi's linear bias keeps the toy accurate at eight times its trained length.

    ALiBi 的线性偏置让玩具模型在八倍训练长度上仍然准确。"""
    got = curve("ALiBi", length, lengths, steps)
    show(
        lines(
            "tested length",
            lengths,
            {"ALiBi": got, "chance": [1 / VOCABULARY] * len(lengths)},
            log="x",
            y_label="accuracy",
        )
    )
    expect("accuracy of ALiBi", got, at_least=0.8, at=("tested length", lengths))


def claim_rope_holds_at_32_and_fails_at_128(length=16, lengths=(16, 32, 64, 128), steps=100):
    """Untouched RoPE holds a little beyond the trained length, at twice it, and is at chance at eight times.

    不加改动的 RoPE 能略微超出训练长度：两倍时仍有效，到八倍时已是随机水平。"""
    got = curve("RoPE", length, lengths, steps)
    show(
        lines(
            "tested length",
            lengths,
            {"RoPE": got, "chance": [1 / VOCABULARY] * len(lengths)},
            log="x",
            y_label="accuracy",
        )
    )
    near = [a for n, a in zip(lengths, got, strict=True) if n <= 2 * length]
    far = [a for n, a in zip(lengths, got, strict=True) if n >= 8 * length]
    expect("accuracy of RoPE up to twice the trained length", near, at_least=0.9)
    expect("accuracy of RoPE from eight times the trained length", far, at_most=0.4)


def claim_a_window_of_the_trained_length_mends_rope(length=16, lengths=(16, 32, 64, 128), steps=100):
    """Hide the keys at offsets never trained, and the same RoPE weights work at every length: the far keys
    broke it, not the positions.

    遮住训练中没见过的距离上的 key，同一组 RoPE 权重在各个长度上都有效：坏事的是远处的 key，而不是绝对位置本身。"""
    plain, windowed = (curve("RoPE", length, lengths, steps, window) for window in (0, length))
    show(
        lines(
            "tested length", lengths, {"RoPE": plain, f"RoPE, window {length}": windowed}, log="x", y_label="accuracy"
        )
    )
    expect("accuracy with a window of the trained length", windowed, at_least=0.9, at=("tested length", lengths))
    expect("what the window gains at the greatest length", windowed[-1] - plain[-1], at_least=0.3)


if __name__ == "__main__":
    main()
