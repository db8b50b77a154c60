r"""ALiBi: each head subtracts a fixed slope times the distance from its scores.

ALiBi：每个头从得分里减去 自己的斜率 × 距离，没有可学习参数。

Press et al. 2021, §3; slopes for other head counts as in the authors' code. Turn `bias` to "none":
a matching key holds its weight at any distance. 把 `bias` 改为 "none"：匹配的 key 无论多远都保住权重。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)  # fmt: skip

F64 = torch.float64


@exercise(
    claims=("slopes_are_geometric",),
    wrong=("always_halves", "starts_at_one", "evenly_spaced", "no_borrowing"),
)
def slopes(heads: int) -> Tensor:
    """ALiBi's slopes, (heads,), float64. For n heads, a power of two, the series that starts at
    2^(−8/n) and has that ratio; for others that of the power of two below, filled up with every
    other slope, from the first on, of the power of two above.

    ALiBi 的斜率，(heads,)，float64。头数 n 为 2 的幂时，是首项与公比都为 2^(−8/n) 的等比数列；其他头数先取不超
    过它的 2 的幂的那组，再从更大的 2 的幂那组里由第一个起隔一个取一个补足。"""
    power = 2 ** (heads.bit_length() - 1)
    own = 2.0 ** (-8 * torch.arange(1, power + 1, dtype=F64) / power)
    if power == heads:
        return own
    above = 2.0 ** (-4 * torch.arange(1, 2 * power + 1, dtype=F64) / power)
    return torch.cat((own, above[0::2][: heads - power]))


def halves(heads: int) -> Tensor:
    """What is often quoted: 1/2, 1/4, … for any number of heads."""
    return 2.0 ** -torch.arange(1, heads + 1, dtype=F64)


def penalty(slope: Tensor, distance: Tensor, bias: str) -> Tensor:
    """What is subtracted at each distance, (…, distances)."""
    linear = slope * distance
    return {"linear": linear, "log": slope * (1 + distance).log(), "none": 0 * linear}[bias]


RANGES = {
    "heads": between(1, 64), "counts": each(between(1, 128)), "context": between(256, 4096),
    "lead": between(4.0, 16.0), "tokens": between(2, 64), "d_head": between(1, 64),
    "series": one_of("by heads", "halves"), "bias": one_of("linear", "log", "none"),
    "by": one_of("key", "key squared"),
}  # fmt: skip


@breaks(series="halves", en="1/2, 1/4, … is the series of 8 heads only.",
        zh="1/2、1/4、…… 只是 8 个头的数列。")
def claim_slopes_are_geometric(counts=(8, 16, 12), series="by heads"):
    """For n heads, n a power of two, the slopes fall from 2^(−8/n) to 1/256 by one ratio; 12 heads
    take the slopes of 8 and every other one of 16.

    头数 n 为 2 的幂时，斜率从 2^(−8/n) 按等比降到 1/256；12 个头取 8 个头的斜率，再从 16 个头的斜率里隔一个取一个。"""
    for n in counts:
        found = {"by heads": slopes, "halves": halves}[series](n)
        show(bars(range(1, n + 1), found, log="y", y_label="slope", title=f"{n} heads"))
        power = 2 ** int(math.log2(n))
        start = 2 ** -(2.0 ** (3 - math.log2(power)))               # as the authors' code writes it
        by_hand = [start ** (h + 1) for h in range(power)]
        by_hand += [start ** (h + 0.5) for h in range(n - power)]
        expect(
            f"{n} heads: slopes over those of the loop",
            found / torch.tensor(by_hand, dtype=F64),
            equals=1,
            within=1e-12,
        )


@breaks(bias="log",
        en="Minus the log of the distance falls by a power law, not by a constant factor.",
        zh="若减的是距离的对数，权重按幂律下降，而不是每步乘同一个数。")
def claim_weights_decay_geometrically(heads=8, context=2048, bias="linear"):
    """For equal contents weights fall by e^(−slope) per token; 95% lies on about 3/slope keys: 6 in
    the steepest of 8 heads, 766 in the gentlest.

    内容相同时，权重每远一个 token 乘以 e^(−斜率)；95% 落在约 3/斜率 个 key 上：8 个头中最陡的 6 个，最缓的 766 个。"""
    distance, m = torch.arange(context, dtype=F64), slopes(heads)
    spread = (-penalty(m[:, None], distance, bias)).softmax(-1)                   # (heads, context)
    keys = (spread.cumsum(-1) < 0.95).sum(-1) + 1
    shown = torch.arange(0, context, max(context // 64, 1))
    picked = sorted({0, heads // 2, heads - 1})
    show(lines("distance", shown,
               {f"slope {m[h]:.3g}": spread[h].cumsum(-1)[shown] for h in picked},
               y_label="weight up to here"))
    expect(
        "weight at distance 1 over that at 0, times e^slope",
        spread[:, 1] / spread[:, 0] * m.exp(),
        equals=1,
        within=1e-12,
        at=("slope", m),
    )
    # the series, cut off at the context: 1 − e^(−m·keys) reaches 95% of 1 − e^(−m·context)
    needed = -(0.05 + 0.95 * (-m * context).exp()).log() / m
    expect("keys that hold 95%, less the series'", keys - needed, equals=0.5, within=0.5 + 1e-9)


@breaks(bias="none", en="Without the bias the key holds its weight at any distance.",
        zh="没有偏置，这个 key 无论多远都保住权重。")
def claim_a_matching_far_key_still_fades(heads=8, lead=8.0, context=2048, bias="linear"):
    """A key that leads by 8 in content holds half the weight only up to some distance: 14 in the
    steepest of 8 heads, 628 in the gentlest.

    内容得分领先 8 的 key，只在一定距离内占到一半权重：8 个头中最陡的到 14，最缓的到 628。"""
    distance, curves, reach = torch.arange(context, dtype=F64), {}, []
    for m in slopes(heads):
        rest = (-penalty(m, distance, bias)).exp()
        own = rest * math.exp(lead)                               # the key at each distance in turn
        curves[f"slope {m:.3g}"] = own / (own + rest.sum() - rest)
        reach.append(int((curves[f"slope {m:.3g}"] >= 0.5).sum()) - 1)
    shown, names = torch.arange(0, context, max(context // 64, 1)), list(curves)
    picked = [names[h] for h in sorted({0, len(names) // 2, len(names) - 1})]
    show(lines("distance of the matching key", shown, {n: curves[n][shown] for n in picked},
               y_label="its weight"))
    # it has half while lead − m·distance ≥ ln(Σ e^(−m·j)), about ln(1/(1 − e^(−m)))
    m = slopes(heads)
    limit = (lead + ((1 - (-m).exp()) / (1 - (-m * context).exp())).log()) / m
    expect("furthest distance with half the weight", torch.tensor(reach).clamp(-1, context - 1),
           equals=limit.floor().clamp(-1, context - 1), within=1, at=("slope", m))


@breaks(by="key squared",
        en="A curve in the key's position does not differ from −slope·(i − j) by a constant.",
        zh="若随 key 位置弯曲，与 −斜率·(i − j) 之差就不是整行的常数。")
def claim_bias_by_key_position_alone_is_enough(heads=8, tokens=24, d_head=32, by="key"):
    """Adding slope·j by the key's position gives the attention of −slope·(i − j): a constant along
    a row cancels in softmax.

    只按 key 的位置加 斜率·j，注意力与加 −斜率·(i − j) 相同：整行的常数在 softmax 里抵消。"""
    q, k, v = torch.randn(3, heads, tokens, d_head, dtype=F64)
    m, j = slopes(heads)[:, None, None], torch.arange(tokens, dtype=F64)
    hidden = torch.full((tokens, tokens), -torch.inf, dtype=F64).triu(1)
    mask = -m * (j[:, None] - j) + hidden                                  # (heads, tokens, tokens)
    full = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask[None])[0]
    added = m * (j if by == "key" else j**2)                                   # (heads, 1, tokens)
    got = (q @ k.mT / d_head**0.5 + added + hidden).softmax(-1) @ v
    show(lines("query", range(tokens), {"largest difference": (got - full).abs().amax((0, 2))}))
    expect("attention by key position less torch's with the full bias", got - full, equals=0,
           within=1e-12)


def drill_slope(rng) -> Drill:
    """One slope, where the exponent is whole."""
    heads, h = rng.choice([(8, 3), (8, 5), (16, 4), (16, 6), (32, 8), (32, 12), (4, 2)])
    return Drill(
        en=f"ALiBi with {heads} heads: which slope has head {h} (counted from 1)?",
        zh=f"ALiBi，{heads} 个头：第 {h} 个头（从 1 数）的斜率是多少？",
        answer=slopes(heads)[h - 1].item(),
        steps=[("m = 2^(−8h/n)",) * 2, (f"2^(−8·{h}/{heads}) = 2^−{8 * h // heads}",) * 2],
        proved_by="slopes_are_geometric",
    )


ZH = {
    "slope": "斜率", "{} heads": "{} 个头",
    "{} heads: slopes over those of the loop": "{} 个头：斜率与循环所得之比",
    "distance": "距离", "slope {}": "斜率 {}", "weight up to here": "到此为止的权重",
    "weight at distance 1 over that at 0, times e^slope": "距离 1 与 0 的权重之比乘 e^斜率",
    "keys that hold 95%, less the series'": "占 95% 的 key 数与级数所得之差",
    "distance of the matching key": "匹配的 key 的距离", "its weight": "它的权重",
    "furthest distance with half the weight": "仍占一半权重的最远距离", "largest difference": "最大差异",
    "attention by key position less torch's with the full bias": "按 key 位置的注意力与 torch 用完整偏置所得之差",
}

if __name__ == "__main__":
    main()
