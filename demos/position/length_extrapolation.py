r"""Train at length 16, test at 16 to 128: which position codes work where never seen.

在长度 16 上训练，在 16 到 128 上测试：哪种位置编码在没见过的位置上仍然有效。

One causal layer learns to name the token before the current one: whatever the length, the answer
stands one step back, so only the position code can fail. Chance is 1/8. It shows mechanisms and
says nothing about how language models rank. Turn `code` to "ALiBi" where absolute codes fail: its
line just goes on.
在绝对编码失效的地方把 `code` 改为 "ALiBi"：它的直线照样延续。
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, progress, show
from studyapp.evidence.tools import Adam

VOCABULARY, WIDTH, HEADS, LONGEST = 8, 64, 8, 128
CODES = ("learned", "sinusoidal", "RoPE", "ALiBi")
TESTED = (16, 32, 64, 128)


class Layer(nn.Module):
    """Token vectors, one causal attention with a position code, and logits from the token and
    its mix."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code, self.tokens = code, nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(LONGEST, WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(2 * WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        n, d = tokens.shape[1], WIDTH // HEADS
        place, x = torch.arange(n), self.tokens(tokens)                          # (batch, n, WIDTH)
        if self.code == "learned":
            x = x + self.positions(place)
        if self.code == "sinusoidal":
            angle = place[:, None] * 10000.0 ** (-torch.arange(0, WIDTH, 2) / WIDTH)
            x = x + torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)
        q, k, v = (
            self.qkv(x).unflatten(-1, (3, HEADS, d)).permute(2, 0, 3, 1, 4)
        )  # (batch, heads, n, d)
        if self.code == "RoPE":
            angle = place[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)              # (n, d/2)
            q, k = (torch.cat((a * angle.cos() - b * angle.sin(),
                               a * angle.sin() + b * angle.cos()), -1)
                    for a, b in (y.chunk(2, -1) for y in (q, k)))
        bias = torch.full((n, n), -math.inf).triu(1)
        if self.code == "ALiBi":
            slopes = 2.0 ** (-8 * torch.arange(1, HEADS + 1) / HEADS)
            bias = bias - slopes[:, None, None] * (place[:, None] - place).clamp(min=0)
        mixed = (q @ k.mT / d**0.5 + bias).softmax(-1) @ v
        return self.out(torch.cat((x, mixed.transpose(1, 2).flatten(2)),
                                  -1))    # (batch, n, VOCABULARY)


@cache
@torch.enable_grad()
def trained(code: str, steps: int, seed: int) -> Layer:
    """A layer trained at length 16; claims of one run share it."""
    torch.manual_seed(seed)
    layer = Layer(code)
    weights = [p for name, p in layer.named_parameters() if code == "learned" or name != "positions.weight"]
    adam = Adam(weights, lr=2e-2)
    for _ in progress(range(steps)):
        tokens = torch.randint(VOCABULARY, (16, 16))
        logits = layer(tokens)[:, 1:]                             # position 0 has nothing before it
        adam.step(F.cross_entropy(logits.flatten(0, 1), tokens[:, :-1].flatten()))
    return layer


@cache
@torch.no_grad()
def accuracy(code: str, steps: int, seed: int) -> list[float]:
    """The share of right answers at the last 16 positions, for each tested length."""
    layer, shares = trained(code, steps, seed), []
    for n in TESTED:
        tokens = torch.randint(VOCABULARY, (12, n))
        right = layer(tokens).argmax(-1)[:, 1:] == tokens[:, :-1]
        shares.append(right[:, -16:].double().mean().item())
    return shares


RANGES = {"steps": one_of(0, 60), "code": one_of("learned", "sinusoidal", "RoPE", "ALiBi"),
          "margin": between(0.15, 0.2)}  # fmt: skip
UNTRAINED = breaks(steps=0, en="Untrained, the layer guesses.", zh="不训练，只能猜。")
CHANCE = 1 / VOCABULARY


@UNTRAINED
def claim_trained_length_is_solved_by_all(steps=60):
    """At the length it was trained on the toy names the token before, with every position code.

    在训练长度上，无论哪种位置编码，玩具模型都能说出前一个 token。"""
    got = [accuracy(code, steps, torch.initial_seed())[0] for code in CODES]
    show(bars(CODES, got, y_label="accuracy", title="trained and tested at length 16"))
    expect("accuracy at the trained length", got, at_least=0.75, at=("code", CODES))


@breaks(code="ALiBi", en="ALiBi's bias goes on in the same way at any distance.",
        zh="ALiBi 的偏置在任何距离上规律不变。")
def claim_learned_and_sinusoidal_fail_at_32(steps=60, code="learned"):
    """At twice the trained length the toy is at chance with learned and with sinusoidal positions.

    到训练长度的两倍，可学习与正弦位置编码的玩具模型都跌到随机水平。"""
    curves = {
        c: accuracy(c, steps, torch.initial_seed()) for c in dict.fromkeys((code, "sinusoidal"))
    }
    show(lines("tested length", TESTED, {**curves, "chance": [CHANCE] * 4}, log="x",
               y_label="accuracy"))
    for name, got in curves.items():
        # 192 answers: a standard error of 0.024
        expect(
            f"accuracy of {name} positions beyond the trained length, less chance",
            [a - CHANCE for a in got[1:]],
            equals=0,
            within=0.12,
            at=("tested length", TESTED[1:]),
        )


@UNTRAINED
@breaks(code="RoPE", en="RoPE's slow pairs meet new angles.", zh="RoPE 的慢维度对会遇到新角度。")
@breaks(code="sinusoidal", en="Sinusoids give sums never met in training.", zh="正弦编码给出训练中没见过的和。")
def claim_alibi_holds_at_128(steps=60, code="ALiBi", margin=0.15):
    """With ALiBi the toy is as good at eight times its trained length as at the trained one.

    用 ALiBi，玩具模型在八倍训练长度上与在训练长度上一样好。"""
    got = accuracy(code, steps, torch.initial_seed())
    show(lines("tested length", TESTED, {code: got, "chance": [CHANCE] * 4}, log="x",
               y_label="accuracy"))
    expect("accuracy at the trained length", got[0], at_least=0.75)
    # two samples of 192 answers differ by 0.035 (one standard error)
    expect("accuracy less that at the trained length", [a - got[0] for a in got], equals=0,
           within=margin,
           at=("tested length", TESTED))


ZH = {
    "accuracy": "准确率", "trained and tested at length 16": "在长度 16 上训练和测试", "chance": "随机水平",
    "accuracy at the trained length": "训练长度上的准确率", "code": "编码", "learned": "可学习",
    "sinusoidal": "正弦",
    "tested length": "测试长度",
    "accuracy of {} positions beyond the trained length, less chance": "超出训练长度后的准确率减随机水平，{}",
    "accuracy less that at the trained length": "准确率与训练长度上之差",
}

if __name__ == "__main__":
    main()
