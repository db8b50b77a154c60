r"""Absmax quantisation keeps integers and one scale per group: each bit halves the error, each outlier stretches its group's step.

absmax 量化只存整数和每组一个尺度：每多一位误差减半，每个离群值都会拉大所在组的步长。

Dettmers et al. 2022, §2. Turn `group` to "tensor": one outlier row sets the step of all rows.
把 `group` 改为 "tensor"：一行离群值决定了所有行的步长。
"""

import torch
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
)
from studyapp.evidence.tools import randn


@exercise(claims=("the_error_is_a_step_over_root_twelve", "each_bit_is_six_decibels"),
          wrong=("truncates", "uses_all_codes", "forgets_the_sign"))
def quantize(w: Tensor, bits: int, group: int) -> tuple[Tensor, Tensor]:
    """Symmetric absmax quantisation: w (rows, columns) in groups of so many neighbouring columns. Gives the integers,
    in −(2^(bits−1) − 1) … 2^(bits−1) − 1, shaped as w, and the scales (rows, columns / group).

    对称 absmax 量化：w (rows, columns) 按相邻的若干列分组。返回形状与 w 相同的整数（在 −(2^(bits−1) − 1) 与
    2^(bits−1) − 1 之间），以及尺度 (rows, columns / group)。"""
    blocks = w.unflatten(1, (-1, group))                             # (rows, groups, group)
    scale = blocks.abs().amax(2) / (2 ** (bits - 1) - 1)
    return (blocks / scale[..., None]).round().flatten(1), scale


def restore(q: Tensor, scale: Tensor) -> Tensor:
    """Numbers from integers (rows, columns) and scales (rows, groups)."""
    return (q.unflatten(1, (scale.shape[1], -1)) * scale[..., None]).flatten(1)


def decibels(w: Tensor, back: Tensor) -> float:
    """Signal over quantisation noise, in dB."""
    return (10 * (w.square().mean() / (w - back).square().mean()).log10()).item()


RANGES = {
    "rows": between(16, 256),
    "columns": one_of(256, 512, 1024),
    "bits": between(3, 8),
    "widths": each(between(3, 10), at_least=2, rising=True),
    "outlier": between(10.0, 100.0),
    "group": one_of("row", "tensor"),
    "rounding": one_of("nearest", "down"),
    "narrow": one_of(32, 64, 128),
}


@breaks(rounding="down", en="Rounded down instead of to the nearest, the error is twice as large and one-sided.",
        zh="向下而不是就近舍入，误差翻倍，而且偏向一边。")
def claim_the_error_is_a_step_over_root_twelve(rows=64, columns=1024, bits=8, rounding="nearest"):
    """Rounding to the nearest is off by at most half a step, and by step/√12 in the mean square.

    就近舍入的误差至多半步，均方根为 步长/√12。"""
    w = randn(rows, columns, seed=1, dtype=torch.float64)
    q, scale = quantize(w, bits, columns)
    back = restore(q, scale) if rounding == "nearest" else (w / scale).floor() * scale
    error = (back - w) / scale                                       # in steps
    edges = torch.linspace(-1, 1, 41, dtype=torch.float64)
    show(bars([f"{e:+.2f}" for e in edges[:-1:2]], torch.histogram(error.flatten(), edges[::2])[0] / error.numel(),
              y_label="share of the errors, by steps"))
    expect("largest error, in steps", error.abs().max(), at_most=0.5 + 1e-9)
    # uniform within a step where the step is small beside the spread; at 3 bits it is not quite
    expect("root mean square error over step/√12", error.square().mean().sqrt() * 12**0.5, equals=1, within=0.05)


@breaks(rounding="down", en="Rounding down costs one bit everywhere: the curve keeps its slope and lies 6 dB lower.",
        zh="向下舍入处处少一位：斜率不变，整条曲线低 6 dB。")
def claim_each_bit_is_six_decibels(widths=(3, 4, 5, 6, 7, 8), rows=64, columns=1024, rounding="nearest"):
    """One more bit halves the step, so the signal-to-noise ratio rises by 6.02 dB; Gaussian rows of 1024 have about
    42 dB at 8 bits.

    每多一位，步长减半，信噪比提高 6.02 dB；1024 列的高斯行在 8 位时约 42 dB。"""
    w = randn(rows, columns, seed=1, dtype=torch.float64)
    got = []
    for b in widths:
        q, scale = quantize(w, b, columns)
        got.append(decibels(w, restore(q, scale) if rounding == "nearest" else (w / scale).floor() * scale))
    peak = (w.abs().amax(1) / w.square().mean(1).sqrt()).square().mean()
    theory = [(10 * (12 * (2 ** (b - 1) - 1) ** 2 / peak).log10()).item() for b in widths]
    show(lines("bits", widths, {"measured": got, "12·(2^(b−1) − 1)² / (peak/RMS)²": theory}, y_label="dB"))
    expect("measured less the formula, dB", [g - t for g, t in zip(got, theory, strict=True)], equals=0, within=0.5, at=("bits", widths))
    if columns == 1024 and 8 in widths:
        expect("dB at 8 bits", got[widths.index(8)], equals=42, within=0.6)


@breaks(group="tensor", en="One scale for all: the outlier row takes the range, and the others are left a handful of steps.",
        zh="全体共用一个尺度：离群行占去了范围，其余各行只剩几个台阶。")
def claim_an_outlier_harms_its_own_group_only(outlier=30.0, bits=8, rows=64, columns=512, group="row"):
    """With a scale for each row, a row thirty times as large as the others leaves their error as it was.

    每行一个尺度时，某一行大三十倍，其余各行的误差不变。"""
    w = randn(rows, columns, seed=2, dtype=torch.float64)
    calm = decibels(w[1:], restore(*quantize(w[1:], bits, columns)))
    w[0] *= outlier
    by_row = restore(*quantize(w, bits, columns))
    whole = w.abs().amax() / (2 ** (bits - 1) - 1)
    by_tensor = (w / whole).round() * whole
    show(bars(["without the outlier", "scale by row", "scale for the tensor"],
              [calm, decibels(w[1:], by_row[1:]), decibels(w[1:], by_tensor[1:])], y_label="dB of the other rows"))
    back = by_row if group == "row" else by_tensor
    expect("dB of the other rows, less without the outlier", decibels(w[1:], back[1:]) - calm, equals=0, within=1e-9)


@breaks(group="tensor", en="With one scale for everything, groups have nothing to adapt to.", zh="全体共用一个尺度，分组就无从适应。")
def claim_smaller_groups_cost_bits_and_win_decibels(bits=4, narrow=64, rows=64, columns=1024, group="row"):
    """At 4 bits, groups of 64 with a 16-bit scale cost 4.25 bits per weight and are about 2 dB better than one scale
    for each row of 1024 (4.02 bits), on normal weights.

    4 位时，64 个一组、每组一个 16 位尺度，每个权重 4.25 位，比每行（1024 个）一个尺度（4.02 位）好约 2 dB
    （正态权重）。"""
    w = randn(rows, columns, seed=1, dtype=torch.float64)
    groups = [g for g in (1024, 512, 256, 128, 64, 32) if columns % g == 0]
    got = {g: decibels(w, restore(*quantize(w, bits, g))) for g in groups}
    show(lines("bits per weight", [bits + 16 / g for g in groups], {"signal over noise": list(got.values())}, y_label="dB"))
    here = got[narrow] if group == "row" else got[groups[0]]
    peaks = [w.unflatten(1, (-1, g)).abs().amax(2).square().mean().item() for g in (columns, narrow)]
    # the noise goes with the square of the step: with the mean square of each group's largest weight
    expect("gain of the groups, dB, less that of the largest weights", here - got[columns] - 10 * torch.tensor(peaks[0] / peaks[1]).log10(),
           equals=0, within=0.6)
    if columns == 1024 and narrow == 64 and bits == 4:
        expect("gain of groups of 64 over rows of 1024 at 4 bits, dB", here - got[columns], equals=2.2, within=0.4)


def drill_bytes(rng) -> Drill:
    """Bytes of a quantised model."""
    billions, bits, group = rng.choice([(7, 4, 64), (8, 4, 32), (70, 4, 128), (13, 8, 128), (32, 4, 64)])
    per = bits + 16 / group
    return Drill(
        en=f"{billions} billion weights are quantised to {bits} bits in groups of {group}, a 16-bit scale each. How many GB (1e9 bytes)?",
        zh=f"{billions}B 个权重量化为 {bits} 位，每 {group} 个一组，每组一个 16 位尺度。共多少 GB（1e9 字节）？",
        answer=billions * per / 8,
        unit="GB",
        steps=[(f"bits per weight: {bits} + 16/{group} = {per:g}", f"每个权重的位数：{bits} + 16/{group} = {per:g}"),
               (f"{billions} · {per:g} / 8 = {billions * per / 8:g} GB", f"{billions} · {per:g} / 8 = {billions * per / 8:g} GB")],
        proved_by="smaller_groups_cost_bits_and_win_decibels",
    )


ZH = {
    "share of the errors, by steps": "误差的比例，以步长计",
    "largest error, in steps": "最大误差，以步长计",
    "root mean square error over step/√12": "均方根误差与 步长/√12 之比",
    "bits": "位数",
    "measured": "实测",
    "12·(2^(b−1) − 1)² / (peak/RMS)²": "12·(2^(b−1) − 1)² / (峰值/RMS)²",
    "dB": "dB",
    "measured less the formula, dB": "实测减去公式，dB",
    "gain of groups of 64 over rows of 1024 at 4 bits, dB": "4 位时 64 个一组比 1024 个一行好多少，dB",
    "dB at 8 bits": "8 位时的 dB",
    "without the outlier": "没有离群行",
    "scale by row": "每行一个尺度",
    "scale for the tensor": "整个张量一个尺度",
    "dB of the other rows": "其余各行的 dB",
    "dB of the other rows, less without the outlier": "其余各行的 dB 减去没有离群行时",
    "bits per weight": "每个权重的位数",
    "signal over noise": "信噪比",
    "gain of the groups, dB, less that of the largest weights": "分组的增益（dB）减去最大权重给出的",
}

if __name__ == "__main__":
    main()
