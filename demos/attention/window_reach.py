r"""Layers of window w reach L(w − 1) + 1 tokens, a bound on what can be seen and not a measure of
what is used.

窗口为 w 的 L 层能看到 L(w − 1) + 1 个 token；这是能看到的上界，并不表示用到了多少。

Mistral 7B (Jiang et al. 2023, §2) states W = 4096 and 32 layers as about 131K. Turn `window` of the
mask one wider (`extra` = 1): the reach is L·w + 1.
Mistral 7B 写 W = 4096、32 层约 131K。把 `extra` 改为 1（掩码宽一格）：就能看到 L·w + 1 个。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, heatmap, lines, main, one_of, show, table

F64 = torch.float64


def layer(x: Tensor, w: Tensor, window: int) -> Tensor:
    """Attention to the last `window` tokens, own included; x (n, D), w (3, D, D)."""
    q, k, v = (x @ m for m in w)
    back = torch.arange(len(x))[:, None] - torch.arange(len(x))
    hidden = (back < 0) | (back >= window)
    return (q @ k.T / x.shape[1] ** 0.5).masked_fill(hidden, -torch.inf).softmax(-1) @ v


def reach(window: int, depth: int) -> int:
    """Tokens on which the output of `depth` layers can depend, own included."""
    return depth * (window - 1) + 1


RANGES = {
    "window": between(2, 12),
    "depths": each(between(1, 4), at_most=4, rising=True),
    "width": between(8, 32),
    "extra": between(0, 2),
    "mixing": one_of("even", "last"),
}


@breaks(extra=1, en="One key more in each layer is L tokens more after L layers.",
        zh="每层多一个 key，L 层之后就多 L 个 token。")
def claim_receptive_field_grows_by_w_minus_1_per_layer(
    window=8, depths=(1, 2, 3, 4), width=16, extra=0
):
    """After L layers a late position depends on exactly L(w − 1) + 1 tokens: every layer adds w −
    1.

    L 层之后，靠后的位置恰好依赖 L(w − 1) + 1 个 token：每层增加 w − 1 个。"""
    tokens = max(depths) * (window + extra) + 2
    counts, slopes = [], []
    for depth in depths:
        x = torch.randn(tokens, width, dtype=F64, requires_grad=True)
        h = x
        for _ in range(depth):
            h = layer(h, torch.randn(3, width, width, dtype=F64) / width**0.5, window + extra)
        slope = torch.autograd.grad(h[-1] @ torch.randn(width, dtype=F64), x)[0].norm(dim=1)  # (n,)
        slopes.append(slope.flip(0))
        counts.append((slope > 0).sum())
    show(heatmap(torch.stack(slopes).clamp(min=1e-12).log10(), y=depths, y_label="layers",
                 x_label="tokens back",
                 title="log10 of the gradient to each input token"))
    expect("tokens with a gradient", counts, equals=[reach(window, depth) for depth in depths],
           at=("layers", depths))


@breaks(mixing="last",
        en="If each layer hands on only the farthest token, the far end is all there is.",
        zh="若每层只传递窗口里最远的 token，最远端就是全部。")
def claim_reach_is_not_influence(window=8, depths=(1, 2, 3, 4), mixing="even"):
    """If every layer averages its window evenly, the farthest token has a share of w^(−L), and the
    mean distance is half the reach.

    若每层在窗口内均匀平均，最远的 token 只占 w^(−L)，平均距离是跨度的一半。"""
    tokens = reach(window, max(depths))
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    even = ((back >= 0) & (back < window)).to(F64) / window     # the last row never meets the start
    mix = even if mixing == "even" else (back == window - 1).to(F64)
    distance = torch.arange(tokens - 1, -1, -1, dtype=F64)
    shares, farthest, middle = {}, [], []
    for depth in depths:
        share = torch.linalg.matrix_power(mix, depth)[-1]               # (n,) influence on the last
        shares[f"L = {depth}"] = share.flip(0)
        farthest.append(share[tokens - reach(window, depth)] * window**depth)
        middle.append(share @ distance / (reach(window, depth) - 1))
    show(lines("tokens back", range(tokens), shares, y_label="share"),
         table({"layers": depths, "mean distance over reach": middle}))
    expect("share of the farthest token, times w^L", farthest, equals=1, within=1e-9,
           at=("layers", depths))
    expect("mean distance over reach", middle, equals=0.5, within=1e-9, at=("layers", depths))


def drill_reach(rng) -> Drill:
    """How far a stack of windows reaches."""
    window, depth = rng.choice([128, 512, 1024, 4096]), rng.choice([8, 12, 24, 32])
    return Drill(
        en=f"Every one of {depth} layers has a causal window of {window} keys, the own one included. On how many "
           "tokens can a late position's output depend?",
        zh=f"{depth} 层，每层都是 {window} 个 key（含自身）的因果窗口。靠后位置的输出最多依赖多少个 token？",
        answer=reach(window, depth), within=0,
        steps=[(f"each layer adds w − 1 = {window - 1}", f"每层增加 w − 1 = {window - 1} 个"),
               (f"{depth} · {window - 1} + 1 = {reach(window, depth)}",
                f"{depth} · {window - 1} + 1 = {reach(window, depth)}")],
        proved_by="receptive_field_grows_by_w_minus_1_per_layer",
    )


ZH = {
    "layers": "层数", "tokens back": "往前的 token 数",
    "log10 of the gradient to each input token": "对各输入 token 梯度的 log10",
    "tokens with a gradient": "有梯度的 token 数", "share": "占比",
    "mean distance over reach": "平均距离与跨度之比",
    "share of the farthest token, times w^L": "最远 token 的占比乘 w^L",
}

if __name__ == "__main__":
    main()
