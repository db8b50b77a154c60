r"""Attention without positions is permutation-equivariant: shuffle tokens, and outputs follow.

没有位置信息的注意力是置换等变的：打乱 token，输出只是跟着一起打乱。

Vaswani et al. 2017, §3.5. The encoder layers are PyTorch's own, with random weights, in float64.
Turn `code` to "added": with a vector for each position the outputs no longer follow their tokens.
把 `code` 改为 "added"：给每个位置加一个向量，输出就不再只是跟着 token 走。
"""

from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def attend(x: Tensor, weights: Tensor, way: str, place: Tensor) -> Tensor:
    """One head without a mask, told of the places (n,) in one `way`; x (n, d), weights (3, d,
    d)."""
    n, d = x.shape
    angle = place[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=F64) / d)        # (n, d/2)
    if way == "vector on the input":
        x = x + torch.cat((angle.sin(), angle.cos()), -1)
    q, k, v = x @ weights                                                             # each (n, d)
    if way == "rotation of q and k":
        turn = torch.polar(torch.ones_like(angle), angle)
        q, k = (torch.view_as_real(torch.view_as_complex(y.view(n, -1, 2)) * turn).flatten(1)
                for y in (q, k))
    scores = q @ k.T / d**0.5                                                         # (n, n)
    if way == "bias on the score":
        scores = scores - 0.5 * (place[:, None] - place).abs()
    return scores.softmax(-1) @ v


def encoder(width: int, layers: int, code: str):
    """A stack of PyTorch's encoder layers (attention, FFN, residuals, LayerNorm) as a function."""
    stack = nn.ModuleList(
        nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, dtype=F64)
        for _ in range(layers)
    )
    vectors = torch.randn(64, width, dtype=F64)

    @torch.no_grad()
    def run(x: Tensor) -> Tensor:                                                # (n, width), twice
        x = (x + vectors[: len(x)] if code == "added" else x)[None]
        for layer in stack:
            x = layer(x)
        return x[0]

    return run


RANGES = {
    "tokens": between(3, 64), "width": between(4, 64, multiple_of=4), "layers": between(1, 4),
    "code": one_of("none", "added"), "places": one_of("by index", "all the same"),
}  # fmt: skip
ADDED = breaks(code="added",
               en="With a vector for each position the outputs do not just follow their tokens.",
               zh="每个位置加上各自的向量后，输出就不再只是跟着 token 走。")
ROUNDING = 1e-12                                 # numbers of size 1 in float64, through four layers


@ADDED
def claim_attention_without_positions_is_equivariant(tokens=12, width=32, layers=2, code="none"):
    """Without positions f(PX) = P f(X): each output follows its token. That is equivariance; the
    invariance f(PX) = f(X) does not hold.

    没有位置信息时 f(PX) = P f(X)：每个输出跟着自己的 token 走。这是等变；不变性 f(PX) = f(X) 并不成立。"""
    run, x = encoder(width, layers, code), torch.randn(tokens, width, dtype=F64)
    order = torch.arange(tokens).roll(1)                        # a cyclic shift: no token stays put
    with_token = (run(x[order]) - run(x)[order]).abs().amax(1)                           # (tokens,)
    in_place = (run(x[order]) - run(x)).abs().amax(1)
    show(lines("place", range(tokens), {"|f(PX) − P f(X)|": with_token,
                                        "|f(PX) − f(X)|": in_place}))
    expect("|f(PX) − P f(X)|", with_token, equals=0, within=ROUNDING, at=("place", range(tokens)))
    expect("|f(PX) − f(X)| over the rounding allowed", in_place / ROUNDING, at_least=1e6,
           at=("place", range(tokens)))


@ADDED
def claim_pooled_output_is_invariant(width=32, layers=2, code="none"):
    """Pooled over the tokens, or read from a [CLS] in front, the output is the same for all six
    orders of “dog bites man”.

    对 token 取平均，或从最前面的 [CLS] 读出，“狗 咬 人” 的六种次序给出同样的输出。"""
    run, embedded = encoder(width, layers, code), torch.randn(4, width, dtype=F64)  # row 0 is [CLS]
    orders = list(permutations((1, 2, 3)))
    out = torch.stack([run(embedded[[0, *order]]) for order in orders])            # (6, 4, width)
    gaps = {"mean": out[:, 1:].mean(1), "[CLS]": out[:, 0], "one word's place": out[:, 1]}
    gaps = {name: (y - y[0]).abs().amax(1) for name, y in gaps.items()}
    names = [" ".join(("dog", "bites", "man")[i - 1] for i in order) for order in orders]
    show(bars(names, {"mean": gaps["mean"], "[CLS]": gaps["[CLS]"]}, y_label="difference"))
    for name in ("mean", "[CLS]"):
        expect(f"difference from the first order, {name}", gaps[name], equals=0, within=ROUNDING,
               at=("order", names))
    expect("largest difference at one place over the rounding allowed",
           gaps["one word's place"].max() / ROUNDING, at_least=1e6)


@breaks(places="all the same", en="Told that all tokens stand in one place, no way can order them.",
        zh="若所有 token 的位置都相同，哪种方式都分不出次序。")
def claim_positions_enter_in_three_places(tokens=12, width=32, places="by index"):
    """A vector on the input, a bias on the score, a rotation of q and k: each alone ends the
    equivariance of a head.

    输入上的向量、得分上的偏置、q 和 k 的旋转：三者各自都足以打破一个头的等变性。"""
    x, order = torch.randn(tokens, width, dtype=F64), torch.arange(tokens).roll(1)
    weights = torch.randn(3, width, width, dtype=F64) / width**0.5
    place = torch.arange(tokens, dtype=F64) * (places == "by index")
    ways = ("nothing", "vector on the input", "bias on the score", "rotation of q and k")
    gaps = torch.stack([(attend(x[order], weights, way, place)
                         - attend(x, weights, way, place)[order]).abs().max() for way in ways])
    show(bars(ways, gaps, y_label="|f(PX) − P f(X)|"))
    plain = attend(x, weights, "nothing", place)
    expect("plain head less torch's attention",
           plain - F.scaled_dot_product_attention(*(x @ weights)[:, None])[0], equals=0,
           within=1e-12)
    expect("gap without positions", gaps[0], equals=0, within=ROUNDING)
    expect("gap over the rounding allowed", gaps[1:] / ROUNDING, at_least=1e6, at=("way", ways[1:]))


ZH = {
    "place": "位置", "|f(PX) − f(X)| over the rounding allowed": "|f(PX) − f(X)| 与容许的舍入之比",
    "mean": "平均", "difference": "差异", "order": "次序",
    "difference from the first order, {}": "与第一种次序之差，{}",
    "largest difference at one place over the rounding allowed": "某个位置上的最大差异与容许的舍入之比",
    "dog bites man": "狗 咬 人", "dog man bites": "狗 人 咬", "bites dog man": "咬 狗 人",
    "bites man dog": "咬 人 狗", "man dog bites": "人 狗 咬", "man bites dog": "人 咬 狗",
    "nothing": "无", "vector on the input": "输入上的向量", "bias on the score": "得分上的偏置",
    "rotation of q and k": "旋转 q 和 k", "way": "方式",
    "plain head less torch's attention": "不带位置的头与 torch 注意力之差",
    "gap without positions": "不带位置时的差距", "gap over the rounding allowed": "差距与容许的舍入之比",
}

if __name__ == "__main__":
    main()
