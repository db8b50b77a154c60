r"""Sinusoidal positions: sines and cosines of the index, so that a shift is a rotation.

正弦位置编码：对下标取正弦与余弦，于是平移就是旋转。

Vaswani et al. 2017, §3.5: PE(p, 2i) = sin(p·ω_i), PE(p, 2i+1) = cos(p·ω_i), ω_i = base^(−2i/d).
Turn `code` to "sines only": a shift is no longer one matrix, and the norm varies.
把 `code` 改为 "sines only"：平移不再是一个矩阵，范数也会变化。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
)  # fmt: skip

F64 = torch.float64


@exercise(
    claims=("sinusoidal_is_bounded_and_defined_everywhere", "wavelengths_stop_short_of_base"),
    wrong=("sines_only", "halves_the_exponent", "sines_then_cosines"),
)
def sinusoids(positions: Tensor, d: int, base: float) -> Tensor:
    """The code of 2017, sine and cosine of pair i side by side; positions (n,), result (n, d).

    2017 年的编码，第 i 对的正弦与余弦相邻；positions 为 (n,)，结果为 (n, d)。"""
    angle = positions[:, None].to(F64) * base ** (-torch.arange(0, d, 2, dtype=F64) / d)  # (n, d/2)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def sines_only(positions: Tensor, d: int, base: float) -> Tensor:
    """The cosines forgotten: each sine twice."""
    return sinusoids(positions, d, base)[:, 0::2].repeat_interleave(2, 1)


def one_frequency(positions: Tensor, d: int, base: float) -> Tensor:
    """Every pair turns like the first."""
    return sinusoids(positions, 2, base).repeat(1, d // 2)


CODES = {"sines and cosines": sinusoids, "sines only": sines_only, "one frequency": one_frequency}
RANGES = {
    "d": between(4, 256, multiple_of=2), "length": between(16, 256), "offset": between(1, 8),
    "base": between(100.0, 1e6), "positions": each(between(0, 1_000_000), at_least=2),
    "code": one_of("sines and cosines", "sines only", "one frequency"),
    "projection": one_of("random", "rotations"),
}  # fmt: skip
SINES = breaks(code="sines only", en="Sines alone fix neither norm nor shift.",
               zh="只有正弦，范数与平移都不固定。")


@SINES
def claim_sinusoidal_is_bounded_and_defined_everywhere(
    d=64, positions=(0, 1, 511, 512, 10000, 1000000), base=10000.0, code="sines and cosines"
):
    """The sinusoidal code has no weights, exists at every position, stays within ±1 and has squared
    norm d/2.

    正弦编码没有参数，任何位置都有定义，分量不超出 ±1，范数平方恒为 d/2。"""
    pe, at = (
        CODES[code](torch.tensor(positions), d, base),
        ("position", positions),
    )  # (positions, d)
    show(heatmap(CODES[code](torch.arange(24), 24, base).T, x_label="position",
                 y_label="component"))
    by_hand = [[f(p * base ** (-2 * i / d)) for i in range(d // 2) for f in (math.sin, math.cos)]
               for p in positions]
    # an angle of up to 1e6 is rounded by 1e-16 of itself
    expect("code less the formula in a loop", pe - torch.tensor(by_hand), equals=0, within=1e-7)
    expect("largest |component|", pe.abs().amax(1), at_most=1, at=at)
    expect("squared norm over d/2", pe.square().sum(1) / (d / 2), equals=1, within=1e-12, at=at)


@SINES
def claim_shift_is_a_fixed_rotation(d=64, offset=5, length=128, base=10000.0,
    code="sines and cosines"):
    """One matrix of 2×2 rotations, the same at every p, takes PE(p) to PE(p + k).

    由 2×2 旋转构成的同一个矩阵，对任何 p 都把 PE(p) 变成 PE(p + k)。"""
    p, blocks = torch.arange(length), []
    for i in range(d // 2):
        a = offset * base ** (-2 * i / d)
        blocks.append(torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]],
                                   dtype=F64))
    turn = torch.block_diag(*blocks)                                                       # (d, d)
    there, here = CODES[code](p + offset, d, base), CODES[code](p, d, base)
    show(heatmap(turn[:16, :16], title=f"the matrix for a shift of {offset}"),
         lines("p", p, {"|PE(p + k) − R PE(p)|": (there - here @ turn.T).norm(dim=1)}))
    expect("PE(p + k) less R PE(p)", there - here @ turn.T, equals=0, within=1e-13 * length)
    expect("RᵀR less I", turn.T @ turn - torch.eye(d, dtype=F64), equals=0, within=1e-14)


@SINES
def claim_dot_product_depends_on_the_offset(d=64, length=128, base=10000.0,
    code="sines and cosines"):
    """PE(m)·PE(n) = Σcos((m − n)ω_i): the same wherever the pair stands, largest at 0, and blind to
    direction, since +k and −k give the same.

    PE(m)·PE(n) = Σcos((m − n)ω_i)：与所处的地方无关，距离为 0 时最大，但分不清方向，+k 与 −k 的值相同。"""
    pe = CODES[code](torch.arange(length), d, base)
    product = pe @ pe.T                                                           # (length, length)
    cosines = torch.tensor([sum(math.cos(k * base ** (-2 * i / d)) for i in range(d // 2))
                            for k in range(length)], dtype=F64)                          # by offset
    show(lines("offset", range(length), {"PE(0)·PE(k)": product[0], "Σcos": cosines}))
    distance = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    expect("PE(m)·PE(n) less Σcos at |m − n|", product - cosines[distance], equals=0,
           within=1e-15 * d * length)
    expect("Σcos at other offsets over d/2", cosines[1:] / (d / 2), at_most=1 - 1e-9)


@breaks(projection="rotations", en="Matrices of 2×2 rotations keep the offset.",
        zh="由 2×2 旋转构成的矩阵保住位置差。")
def claim_projections_lose_the_offset(d=64, length=128, offset=5, base=10000.0,
    projection="random"):
    """Between random W_Q and W_K the score of two codes at one offset varies with the place. 2×2
    rotations keep it, and tell +k from −k.

    隔着随机的 W_Q、W_K，同一位置差的得分随所处位置变化；2×2 旋转则保住它，还能区分 +k 与 −k。"""
    pe = sinusoids(torch.arange(length), d, base)
    angle = torch.rand(d // 2, dtype=F64) * 2 + 0.5                                # 0.5 … 2.5 rad
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), -1).view(-1, 2, 2)
    w = {"random": torch.randn(d, d, dtype=F64) / d**0.5, "rotations": torch.block_diag(*turn)}
    scores = {name: pe @ m @ pe.T for name, m in w.items()}              # m stands for W_QᵀW_K
    along = {name: s.diagonal(offset) for name, s in scores.items()}
    show(lines("m", range(length - offset), along, y_label=f"score of m and m + {offset}"))
    slack = 1e-14 * d * length
    spread = {name: s.max() - s.min() for name, s in along.items()}
    expect("spread over the places, over the rounding allowed", spread[projection] / slack,
           at_least=1e4)
    expect("spread with rotations", spread["rotations"], equals=0, within=slack)
    both = scores["rotations"].diagonal(offset) - scores["rotations"].diagonal(-offset)
    expect("|score at +k less at −k|, over the rounding allowed", both.abs() / slack, at_least=1e4)


@breaks(code="one frequency", en="At one frequency all wavelengths are 2π.",
        zh="只有一个频率，波长全是 2π。")
def claim_wavelengths_stop_short_of_base(d=64, base=10000.0, code="sines and cosines"):
    """Wavelengths grow geometrically from 2π to 2π·base^((d−2)/d), short of the paper's 2π·base.

    波长从 2π 按等比增大到 2π·base^((d−2)/d)，短于论文所写的 2π·base。"""
    sine, cosine = CODES[code](torch.tensor([1]), d, base).view(-1, 2).T    # one step, pair by pair
    length = 2 * math.pi / torch.atan2(sine, cosine)                                        # (d/2,)
    show(lines("pair i", range(d // 2), {"wavelength in tokens": length}, log="y"))
    expect("wavelength over 2π·base^(2i/d)", length / (2 * math.pi),
           equals=[base ** (2 * i / d) for i in range(d // 2)], within=1e-9 * base)
    expect("longest over 2π·base", length[-1] / (2 * math.pi * base), equals=base ** (-2 / d),
           within=1e-9)


def drill_wavelength(rng) -> Drill:
    """The wavelength of one pair, where base^(2i/d) is a power of ten."""
    d, i = rng.choice([(8, 1), (8, 2), (8, 3), (16, 2), (16, 4), (4, 1)])
    step = sinusoids(torch.tensor([1]), d, 10000.0)[0, 2 * i]
    return Drill(
        en=f"Sinusoidal positions, d = {d}, base 10000. How many tokens is the wavelength of pair "
           f"{i}?",
        zh=f"正弦位置编码，d = {d}，base 10000。第 {i} 对的波长是多少个 token？",
        answer=2 * math.pi / math.asin(step.item()),
        steps=[(f"ω = 10000^(−2·{i}/{d}) = 1/{10000 ** (2 * i / d):g}",) * 2,
               (f"2π · {10000 ** (2 * i / d):g} = {2 * math.pi * 10000 ** (2 * i / d):.0f}",) * 2],
        proved_by="wavelengths_stop_short_of_base",
    )


ZH = {
    "position": "位置", "component": "分量", "code less the formula in a loop": "编码与循环写出的公式之差",
    "largest |component|": "最大的 |分量|", "squared norm over d/2": "范数平方与 d/2 之比",
    "the matrix for a shift of {}": "平移 {} 的矩阵", "PE(p + k) less R PE(p)": "PE(p + k) 与 R PE(p) 之差",
    "RᵀR less I": "RᵀR 与 I 之差", "offset": "位置差",
    "PE(m)·PE(n) less Σcos at |m − n|": "PE(m)·PE(n) 与 |m − n| 处的 Σcos 之差",
    "Σcos at other offsets over d/2": "其他位置差处的 Σcos 与 d/2 之比",
    "random": "随机", "rotations": "旋转", "score of m and m + {}": "m 与 m + {} 的得分",
    "spread over the places, over the rounding allowed": "各处得分的极差与容许的舍入之比",
    "spread with rotations": "旋转时的极差",
    "|score at +k less at −k|, over the rounding allowed": "|+k 与 −k 处得分之差| 与容许的舍入之比",
    "pair i": "维度对 i", "wavelength in tokens": "波长（token）",
    "wavelength over 2π·base^(2i/d)": "波长与 2π·base^(2i/d) 之比",
    "longest over 2π·base": "最长波长与 2π·base 之比",
}

if __name__ == "__main__":
    main()
