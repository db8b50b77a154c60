r"""RoPE scaling as models and libraries ship it, and where practice departs from the papers.

模型与代码库里实际使用的 RoPE 缩放，以及它与论文不同的地方。

Llama 3.1's configuration (2024); Peng et al. 2023 (YaRN, v3), §3.2 and §3.4, and its released code. Frequencies
are computed; no weights are loaded. Turn `cached` to "after rotation": dynamic scaling goes wrong.
把 `cached` 改为 "after rotation"：动态缩放就会出错。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show, table

F64, TURN = torch.float64, 2 * math.pi


def by_parts(theta: Tensor, trained: int, s: float, alpha: float, beta: float) -> Tensor:
    """YaRN, Definition 1: the share kept grows linearly with the turns made in training."""
    keep = ((trained * theta / TURN - alpha) / (beta - alpha)).clamp(0, 1)
    return keep * theta + (1 - keep) * theta / s


def by_parts_released(theta: Tensor, base: float, trained: int, s: float, alpha: float, beta: float) -> Tensor:
    """YaRN's released code: the share kept falls linearly with the pair's index, between whole pairs."""
    pairs = len(theta)
    low, high = (pairs * math.log(trained / (r * TURN)) / math.log(base) for r in (beta, alpha))
    low, high = max(math.floor(low), 0), math.ceil(high)
    keep = 1 - ((torch.arange(pairs, dtype=F64) - low) / (high - low)).clamp(0, 1)
    return theta * (keep + (1 - keep) / s)


def llama_3_1(theta: float) -> float:
    """One frequency as the released Llama 3.1 code treats it, by wavelength: factor 8, 1 to 4 turns of 8192."""
    factor, low, high, original = 8.0, 1.0, 4.0, 8192
    wavelength = TURN / theta
    if wavelength < original / high:
        return theta
    if wavelength > original / low:
        return theta / factor
    smooth = (original / wavelength - low) / (high - low)
    return (1 - smooth) * theta / factor + smooth * theta


def frequencies(d_head: int, base: float) -> Tensor:
    """θ_i = base^(−2i/d), radians per token: (d_head/2,)."""
    return base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)


def rotate(x: Tensor, at: Tensor, theta: Tensor) -> Tensor:
    """RoPE on interleaved pairs; x is (tokens, d_head), at (tokens,)."""
    angle = at[:, None] * theta                                          # (tokens, d_head/2)
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


RANGES = {
    "beta": one_of(4.0, 32.0),
    "ramp": one_of("index", "turns"),
    "s": between(16.0, 64.0),
    "cached": one_of("before rotation", "after rotation"),
    "d_head": between(32, 256, multiple_of=2),
    "window": between(8, 32),
    "lengths": each(between(33, 512), at_least=1, rising=True),
}


@breaks(beta=32.0, en="YaRN's β of 32 turns keeps fewer pairs than Llama 3.1 does.",
        zh="YaRN 的 β 是 32 圈，保留的对比 Llama 3.1 少。")
def claim_llama_3_1_is_by_parts(beta=4.0):
    """Llama 3.1's rope_scaling is NTK-by-parts with thresholds of 1 and 4 turns: 29 pairs kept, 6 mixed, 29
    divided by 8. At 16 times 8192 the slowest reach twice their old angles.

    Llama 3.1 的 rope_scaling 就是阈值为 1 圈和 4 圈的 NTK-by-parts：29 对不动，6 对混合，29 对除以 8。
    长度为 8192 的 16 倍时，最慢的对转到原来角度的两倍。"""
    theta = frequencies(128, 500000.0)
    shipped = torch.tensor([llama_3_1(t) for t in theta.tolist()], dtype=F64)
    ratio = shipped / theta
    counts = [int(x.sum()) for x in (ratio == 1, (ratio < 1) & (ratio > 0.125 + 1e-12), ratio < 0.125 + 1e-12)]
    show(lines("pair i", range(64), {"Llama 3.1": ratio}, y_label="frequency over the plain one"),
         table({"pairs": ["kept", "mixed", "divided"], "count": counts}))
    expect("less by parts", ratio - by_parts(theta, 8192, 8.0, 1.0, beta) / theta, equals=0, within=1e-12)
    expect("pairs kept, mixed, divided", counts, equals=[29, 6, 29])
    expect("reach of the slowest pair over its old reach", 131072 * shipped[-1] / (8192 * theta[-1]), equals=2,
           within=1e-9)


@breaks(ramp="turns", en="With the paper's own ramp there is no difference.", zh="用论文自己的 ramp，就没有差别。")
def claim_released_ramp_runs_over_pairs(s=16.0, ramp="index"):
    """YaRN's paper lets the share kept grow with turns, its released code lets it fall with the pair's index:
    middle pairs turn up to 3 times as fast for Llama 2 at s = 16.

    YaRN 论文中保留比例随圈数增长，发布的代码让它随维度对的序号下降：Llama 2、s = 16 时，中间的对最多快到 3 倍。"""
    theta = frequencies(128, 10000.0)
    paper = by_parts(theta, 4096, s, 1.0, 32.0)
    code = by_parts_released(theta, 10000.0, 4096, s, 1.0, 32.0) if ramp == "index" else paper
    show(lines("pair i", range(64), {"paper": paper / theta, "released code": code / theta},
               y_label="frequency over the trained one"),
         table({"largest ratio, code over paper": [(code / paper).max()], "at pair": [int((code / paper).argmax())]}))
    expect("largest ratio, code over paper", (code / paper).max(), at_least=3)
    at_16 = by_parts_released(theta, 10000.0, 4096, 16.0, 1.0, 32.0) / by_parts(theta, 4096, 16.0, 1.0, 32.0)
    expect("largest ratio at s = 16", at_16.max(), equals=3.04, within=0.005)
    turns = 4096 * theta / TURN
    ends = (turns > 32 * 10000 ** (1 / 64)) | (turns < 10000 ** (-1 / 64))      # one pair inside the rounded edges
    expect("code over paper, kept and divided pairs", (code / paper)[ends], equals=1, within=1e-9)


@breaks(cached="after rotation", en="Rotated when it arrived, a key carries the angles of a shorter context.",
        zh="到来时就旋转的 key，带着较短上下文的角度。")
def claim_dynamic_scaling_needs_unrotated_keys(d_head=128, window=32, lengths=(48, 64, 128), cached="before rotation"):
    """Dynamic scaling changes the angles as the context grows: keys cached before rotation give right scores,
    keys cached after it do not.

    动态缩放随上下文增长而改变角度：旋转前缓存的 key 得分正确，旋转后缓存则出错。"""
    tokens = max(lengths)
    q, k, at = torch.randn(1, d_head, dtype=F64), torch.randn(tokens, d_head, dtype=F64), torch.arange(tokens)
    thetas = [frequencies(d_head, 10000.0 * max(1.0, n / window) ** (d_head / (d_head - 2))) for n in at.tolist()]
    rotated = rotate(k, at, torch.stack(thetas))                         # each key at the scale of its arrival
    stale, wrong = [], []
    for n in lengths:
        theta = thetas[n - 1]
        turned = rotate(q, at[n - 1 : n], theta)
        want = (k[:n] * rotate(q.expand(n, d_head), n - 1 - at[:n], theta)).sum(-1)     # by offset, one scale
        stale.append((rotated[:n] @ turned[0] - want).abs().max())
        wrong.append((rotate(k[:n], at[:n], theta) @ turned[0] - want).abs().max())
    show(lines("context", lengths, {"cached rotated": stale, "cached unrotated": wrong},
               y_label="largest error of a score"))
    # Sums of d_head products of size one, at angles of up to 512 radians.
    expect("largest error of a score", wrong if cached == "before rotation" else stale, equals=0, within=1e-10,
           at=("context", lengths))


ZH = {
    "pair i": "第 i 对", "frequency over the plain one": "频率与不缩放时之比", "pairs": "对", "kept": "不动",
    "mixed": "混合", "divided": "除以 s", "count": "数目", "less by parts": "与 NTK-by-parts 之差",
    "pairs kept, mixed, divided": "不动、混合、除以 s 的对数",
    "reach of the slowest pair over its old reach": "最慢的对转到的角度与原来之比", "paper": "论文",
    "released code": "发布的代码", "frequency over the trained one": "频率与训练时之比",
    "largest ratio at s = 16": "s = 16 时的最大比值",
    "largest ratio, code over paper": "代码与论文之比的最大值", "at pair": "位于第几对",
    "code over paper, kept and divided pairs": "不动与除以 s 的对：代码与论文之比", "context": "上下文",
    "cached rotated": "旋转后缓存", "cached unrotated": "旋转前缓存", "largest error of a score": "得分的最大误差",
}

if __name__ == "__main__":
    main()
