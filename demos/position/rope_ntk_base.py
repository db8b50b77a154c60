r"""NTK-aware scaling: a larger base leaves RoPE's fastest pair alone and slows the last to exactly 1/s.

NTK-aware 缩放：增大 base，RoPE 最快的对不变，最后一对的频率正好降为 1/s。

Peng et al. 2023 (YaRN, v3), §3.1; Rozière et al. 2023 (Code Llama). Turn `exponent` to "1": the last pair
falls short of 1/s. 把 `exponent` 改为 "1"：最后一对降不到 1/s。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table

F64, TURN = torch.float64, 2 * math.pi


@exercise(claims=("ntk_keeps_the_fastest_and_scales_the_slowest",), wrong=("times_s", "inverse_exponent"))
def raised_base(base: float, d_head: int, s: float) -> float:
    """The base with which the slowest pair of RoPE, of d_head coordinates, turns s times more slowly.

    新的 base：使 RoPE（头宽 d_head）最慢的一对频率降为 1/s。"""
    return base * s ** (d_head / (d_head - 2))


def frequencies(d_head: int, base: float) -> Tensor:
    """θ_i = base^(−2i/d), radians per token: (d_head/2,)."""
    return base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)


RANGES = {
    "d_head": between(32, 256, multiple_of=2),
    "base": between(10000.0, 1e6),
    "trained": between(256, 8192),
    "s": between(2.0, 128.0),
    "exponent": one_of("d/(d−2)", "1"),
    "scale": one_of("s^((d−2)/2i)", "s"),
    "length": one_of("covered", "nominal"),
}


@breaks(exponent="1", en="The last pair has exponent (d−2)/d, not 1: base·s slows it by less than s.",
        zh="最后一对的指数是 (d−2)/d，不是 1：base·s 使它降得不够。")
def claim_ntk_keeps_the_fastest_and_scales_the_slowest(d_head=128, base=10000.0, s=8.0, exponent="d/(d−2)"):
    """With the base raised to base·s^(d/(d−2)) pair i falls to 1/s^(2i/(d−2)) of its frequency: the first
    not at all, the last to exactly 1/s.

    base 提高到 base·s^(d/(d−2))，第 i 对的频率降为 1/s^(2i/(d−2))：第一对不变，最后一对正好为 1/s。"""
    new = raised_base(base, d_head, s) if exponent == "d/(d−2)" else base * s
    ratio = frequencies(d_head, new) / frequencies(d_head, base)         # (d_head/2,)
    even = torch.logspace(0, -math.log10(s), d_head // 2, dtype=F64)     # from 1 to 1/s by equal factors
    show(lines("pair i", range(d_head // 2), {"NTK-aware": ratio, "interpolation": [1 / s] * (d_head // 2)},
               log="y", y_label="frequency over the trained one"),
         table({"base": [base], "raised to": [new]}))
    expect("frequency over the trained one", ratio, equals=even, within=1e-9, at=("pair", range(d_head // 2)))


@breaks(scale="s", en="With s itself only the last slow pair stays inside.", zh="若就用 s，只有最后一对留在界内。")
def claim_ntk_overshoots_for_middle_pairs(d_head=128, base=10000.0, trained=2048, s=8.0, scale="s^((d−2)/2i)"):
    """Slow pairs before the last are slowed by less than s and pass their trained arc; s^((d−2)/2i), with i
    the first slow pair, keeps all inside.

    最后一对之前的慢维度对降不到 1/s，会越出训练过的弧；把 s 换成 s^((d−2)/2i)（i 为第一个慢的对），才能全部留在界内。"""
    theta = frequencies(d_head, base)
    first = int((TURN / theta > trained).nonzero()[0])
    larger = s ** ((d_head - 2) / (2 * first)) if scale != "s" else s
    plain, wide = (s * frequencies(d_head, raised_base(base, d_head, x)) / theta for x in (s, larger))
    show(lines("pair i", range(first, d_head // 2), {f"scale {s:g}": plain[first:], f"scale {larger:.1f}": wide[first:]},
               y_label="reach over the trained arc"))
    expect("reach over the trained arc, slow pairs before the last", plain[first:-1], at_least=1 + 1e-9)
    expect("the same for the last", plain[-1], equals=1, within=1e-9)
    expect("with the larger scale, all slow pairs", wide[first:], at_most=1 + 1e-9)


@breaks(length="nominal", en="At s times the trained length slow pairs are past their arc.",
        zh="到 s 乘训练长度处，慢的维度对已越出原来的弧。")
def claim_a_larger_base_covers_a_longer_window(d_head=128, base=10000.0, trained=4096, s=93.0572, length="covered"):
    """A base of 1,000,000 for Llama 2's 10,000, as in Code Llama, keeps every slow pair inside its trained
    arc up to about 112,000 tokens.

    像 Code Llama 那样把 Llama 2 的 base 从 10,000 提到 1,000,000，直到约 112,000 个 token，每个慢的维度对都还在训练过的弧内。"""
    theta, new_base = frequencies(d_head, base), raised_base(base, d_head, s)
    new, slow = frequencies(d_head, new_base), TURN / theta > trained
    lasts = (trained * theta / new)[slow]                                # tokens until the old arc is left
    tokens = lasts.min() if length == "covered" else s * trained
    show(lines("pair i", slow.nonzero().flatten(), {"tokens": lasts}, log="y",
               y_label="tokens until the trained arc is left"),
         table({"base": [base], "raised to": [new_base], "s · trained length": [s * trained],
                "covered": [lasts.min()]}))
    outside = [int((n * new > trained * theta)[slow].sum()) for n in (tokens * 0.999, tokens * 1.001)]
    expect("slow pairs past their arc, just before that length", outside[0], equals=0)
    expect("slow pairs past their arc, just after it", outside[1], at_least=1)
    share = math.log(lasts.min() / trained) / math.log(s)                # 2i/(d−2) of the first slow pair
    expect("ln of the gain over ln s", share, equals=2 * int(slow.nonzero()[0]) / (d_head - 2), within=1e-9)


def drill_base(rng) -> Drill:
    """The raised base for a stretch s."""
    s, log = rng.choice([(2, 0.69), (4, 1.39), (8, 2.08), (16, 2.77)])
    d_head, base = rng.choice([64, 128]), rng.choice([10000, 500000])
    near = 1 + 2 * log / (d_head - 2)
    return Drill(
        en=f"RoPE with base {base:,} and heads of width {d_head} is to be stretched {s} times by NTK-aware scaling "
           f"(ln {s} ≈ {log}). Which base?",
        zh=f"RoPE 的 base 为 {base:,}，头宽 {d_head}，用 NTK-aware 缩放拉长到 {s} 倍（ln {s} ≈ {log}）。新的 base 是多少？",
        answer=raised_base(base, d_head, s), within=0.01 * raised_base(base, d_head, s),
        steps=[(f"base · s^(d/(d−2)) = {base:,} · {s} · {s}^(2/{d_head - 2})",) * 2,
               (f"{s}^(2/{d_head - 2}) ≈ 1 + 2 · {log} / {d_head - 2} = {near:.3f}",) * 2,
               (f"about {base * s * near:,.0f}", f"约 {base * s * near:,.0f}")],
        proved_by="ntk_keeps_the_fastest_and_scales_the_slowest",
    )


ZH = {
    "NTK-aware": "NTK-aware", "base": "base", "pair i": "第 i 对", "pair": "对", "interpolation": "插值",
    "frequency over the trained one": "频率与训练时之比",
    "raised to": "提高到", "scale {}": "倍数 {}", "reach over the trained arc": "转到训练弧长的倍数",
    "reach over the trained arc, slow pairs before the last": "最后一对之前的慢维度对：转到训练弧长的倍数",
    "the same for the last": "最后一对", "with the larger scale, all slow pairs": "取较大倍数：所有慢的对",
    "tokens": "token 数", "tokens until the trained arc is left": "越出训练弧之前的 token 数",
    "s · trained length": "s · 训练长度", "covered": "全部在界内",
    "slow pairs past their arc, just before that length": "恰在该长度之前越界的慢对数",
    "slow pairs past their arc, just after it": "恰在其后越界的慢对数", "ln of the gain over ln s": "ln 增益 / ln s",
}

if __name__ == "__main__":
    main()
