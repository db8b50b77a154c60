r"""RoPE scaling as models and libraries ship it: the formulas of the papers, and where practice departs from them.

模型与代码库里实际使用的 RoPE 缩放：论文公式，以及实践中与之不同的地方。

Llama 3.1's published configuration (2024); Code Llama (Rozière et al. 2023, §2.4); YaRN (Peng et al. 2023, §3.2–3.3) and its
released code, github.com/jquesnelle/yarn. Frequencies are computed from the configurations; no weights are loaded. Turn
`factor`, `new_base`, `s`, `plain`.
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

TURN = 2 * math.pi


def frequencies(d: int, base: float) -> Tensor:
    """θ_i = base^(−2i/d), radians a token, for the d/2 pairs of one head."""
    return base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)                 # (d/2,)


def rotate(x: Tensor, positions: Tensor, theta: Tensor) -> Tensor:
    """RoPE on interleaved pairs; x is (n, d), positions (n,)."""
    angle = positions[:, None] * theta                                               # (n, d/2)
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def by_parts(theta: Tensor, trained: int, s: float, alpha: float, beta: float) -> Tensor:
    """YaRN, Definition 2: the share kept grows linearly with the turns made in training, from α to β of them."""
    keep = ((trained * theta / TURN - alpha) / (beta - alpha)).clamp(0, 1)
    return keep * theta + (1 - keep) * theta / s


def by_parts_released(d: int, base: float, trained: int, s: float, alpha: float, beta: float) -> Tensor:
    """YaRN's released code: the share kept falls linearly with the pair's index, between the pairs of β and of α turns."""
    low, high = (d * math.log(trained / (r * TURN)) / (2 * math.log(base)) for r in (beta, alpha))
    keep = 1 - ((torch.arange(d // 2) - math.floor(low)) / (math.ceil(high) - math.floor(low))).clamp(0, 1)
    return frequencies(d, base) * (keep + (1 - keep) / s)


def llama_3_1(theta: float, factor: float, low: float, high: float, original: int) -> float:
    """One frequency as the released Llama 3.1 code treats it, by wavelength."""
    wavelength = TURN / theta
    if wavelength < original / high:
        return theta
    if wavelength > original / low:
        return theta / factor
    smooth = (original / wavelength - low) / (high - low)
    return (1 - smooth) * theta / factor + smooth * theta


def claim_llama_3_1_is_by_parts(d=128, llama_base=500000.0, factor=8.0, low=1.0, high=4.0, original=8192, context=131072):
    """Llama 3.1's rope_scaling is NTK-by-parts with thresholds of 1 and 4 turns. Its factor is 8 for a context 16 times
    longer, so the slowest pairs still reach twice their old angles.

    Llama 3.1 的 rope_scaling 就是阈值为 1 圈和 4 圈的 NTK-by-parts。上下文拉长到 16 倍而系数只有 8，最慢的维度对仍会转到
    原来角度的两倍。"""
    theta = frequencies(d, llama_base)
    shipped = torch.tensor([llama_3_1(t, factor, low, high, original) for t in theta.tolist()], dtype=torch.float64)
    ratio = shipped / theta
    counts = [(ratio == 1).sum(), ((ratio < 1) & (ratio > 1 / factor + 1e-12)).sum(), (ratio < 1 / factor + 1e-12).sum()]
    show(lines("pair i", range(d // 2), {"Llama 3.1": ratio}, y_label="frequency over the plain one"),
         table({"pairs": ["kept", "mixed", "divided"], "count": counts}))
    expect("less by parts with α = low, β = high", shipped - by_parts(theta, original, factor, low, high), equals=0, within=1e-15)
    expect("reach of the slowest pair over its reach at the original length", context * shipped[-1] / (original * theta[-1]),
           equals=context / original / factor, within=1e-9)


def claim_a_larger_base_covers_a_longer_window(d=128, base=10000.0, trained=4096, new_base=1000000.0):
    """Raising Llama 2's base from 10,000 to 1,000,000, as Code Llama did, keeps every slow pair inside its trained arc up
    to about 112,000 tokens.

    像 Code Llama 那样把 Llama 2 的 base 从 10,000 提到 1,000,000，直到约 112,000 个 token，每个慢的维度对都还在训练
    过的弧内。"""
    theta, new = frequencies(d, base), frequencies(d, new_base)
    slow = TURN / theta > trained
    covered = (trained * theta / new)[slow]                                          # tokens until the old arc is left
    scale = (new_base / base) ** ((d - 2) / d)                                       # NTK-aware's s for this base
    first = int(slow.nonzero()[0])
    show(lines("pair i", range(first, d // 2), {"tokens": covered}, log="y", y_label="tokens until the trained arc is left"),
         table({"NTK-aware s": [scale], "s · trained length": [scale * trained], "covered by all slow pairs": [covered.min()]}))
    expect("tokens covered by all slow pairs", covered.min() / (trained * scale ** (2 * first / (d - 2))), equals=1, within=1e-9)
    outside = [(n * new > trained * theta)[slow].sum() for n in (covered.min() * 0.999, covered.min() * 1.001)]
    expect("slow pairs past their arc, just before that and just after", outside, equals=[0, 1])
    expect("covered, over the nominal s times the trained length", covered.min() / (scale * trained), at_most=1)


def claim_released_ramp_runs_over_pairs(d=128, base=10000.0, trained=4096, s=16.0, alpha=1.0, beta=32.0):
    """YaRN's paper lets the share kept grow with turns; its released code lets it fall with the pair's index. Edges agree,
    but middle pairs turn faster in the code, up to 3 times for Llama 2 at s = 16.

    YaRN 论文中保留的比例随圈数线性增长，而其发布的代码让它随维度对的序号线性下降。两端一致，中间的维度对在代码里却
    更快，Llama 2、s = 16 时最多为 3 倍。"""
    theta = frequencies(d, base)
    paper, code = by_parts(theta, trained, s, alpha, beta), by_parts_released(d, base, trained, s, alpha, beta)
    turns, ratio = trained * theta / TURN, code / paper
    show(lines("pair i", range(d // 2), {"paper": paper / theta, "released code": code / theta}, y_label="frequency over the trained one"),
         table({"largest ratio, code over paper": [ratio.max()], "at pair": [int(ratio.argmax())]}))
    kept, divided = turns > beta * base ** (2 / d), turns < alpha / base ** (2 / d)  # one pair inside the rounded edges
    expect("kept pairs, code less paper", (code - paper)[kept] / theta[kept], equals=0, within=0.1)
    expect("divided pairs, code less paper", (code - paper)[divided] / theta[divided], equals=0, within=0.1)
    expect("largest ratio, code over paper", ratio.max(), at_least=1.25)


def claim_dynamic_scaling_needs_unrotated_keys(d=128, base=10000.0, window=32, lengths=(32, 48, 64, 128)):
    """Dynamic scaling changes the angles as the context grows, so keys cached after rotation give wrong scores; cached
    before rotation they give the right ones.

    动态缩放随上下文增长而改变角度，所以旋转后再缓存的 key 会给出错误得分；旋转前缓存则得分正确。"""
    n_max = max(lengths)
    q, keys, at = torch.randn(1, d, dtype=torch.float64), torch.randn(n_max, d, dtype=torch.float64), torch.arange(n_max)
    thetas = [frequencies(d, base * max(1.0, n / window) ** (d / (d - 2))) for n in range(1, n_max + 1)]    # s = n over the window
    cached = rotate(keys, at, torch.stack(thetas))                                   # each key at the scale of its own arrival
    stale, raw = [], []
    for n in lengths:
        theta = thetas[n - 1]
        query = rotate(q, at[n - 1 : n], theta)
        want = (keys[:n] * rotate(q.expand(n, d), n - 1 - at[:n], theta)).sum(-1)    # by offset, at the present scale
        stale.append((cached[:n] @ query[0] - want).abs().max())
        raw.append((rotate(keys[:n], at[:n], theta) @ query[0] - want).abs().max())
    show(lines("context", lengths, {"keys cached rotated": stale, "keys cached raw": raw}, y_label="largest error of a score"))
    beyond = [e for n, e in zip(lengths, stale, strict=True) if n > window]
    expect("error with rotated keys, up to the window", [e for n, e in zip(lengths, stale, strict=True) if n <= window], equals=0,
           within=1e-9)
    expect("error with rotated keys beyond it", beyond, at_least=0.1)
    expect("error with raw keys", raw, equals=0, within=1e-9, at=("context", lengths))


def claim_tables_scale_only_what_they_rotate(rotated=64, plain=128, tokens=32, trained=4096, base=10000.0, s=16.0):
    """YaRN's factor 0.1·ln s + 1 on the cos and sin tables multiplies every logit by its square where the whole head is
    rotated; where part of the head is not, that part of the logit stays.

    把 YaRN 的系数 0.1·ln s + 1 乘到 cos、sin 表上：整个头都旋转时，每个 logit 都乘以它的平方；头里不旋转的那部分，logit 不变。"""
    factor = 0.1 * math.log(s) + 1
    theta, at = by_parts(frequencies(rotated, base), trained, s, 1.0, 32.0), torch.arange(tokens)

    def logits(q: Tensor, k: Tensor, table: float) -> Tensor:
        q, k = (torch.cat((table * rotate(x[:, :rotated], at, theta), x[:, rotated:]), -1) for x in (q, k))
        return q @ k.T / q.shape[1] ** 0.5                                           # (tokens, tokens)

    heads = {"whole head rotated": torch.randn(2, tokens, rotated, dtype=torch.float64),
             f"{rotated} of {rotated + plain} rotated": torch.randn(2, tokens, rotated + plain, dtype=torch.float64)}
    slopes, gaps = [], []
    for q, k in heads.values():
        before, after = logits(q, k, 1.0), logits(q, k, factor)
        slopes.append((before * after).sum() / before.square().sum())                # least squares: after ≈ slope · before
        gaps.append((after - factor**2 * before).abs().max())
    show(table({"": list(heads), "logits after over before": slopes, "largest error against the square": gaps}),
         table({"s": [s], "factor on the tables": [factor], "its square": [factor**2]}))
    expect("whole head: logits less the square times the old ones", gaps[0], equals=0, within=1e-9)
    expect("partly rotated head, the same", gaps[1], at_least=0.1)


if __name__ == "__main__":
    main()
