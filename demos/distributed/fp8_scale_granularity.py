r"""FP8 keeps its relative error over four decades below the largest number; a scale for each tile is for what lies below,
and a square tile serves forward and backward alike.

FP8 在最大值以下四个数量级内保持相对误差不变；每块一个尺度，管的是更小的数；方形的块，前向与反向都能用。

DeepSeek-V3, §3.3.2 (tiles of 1 × 128 for activations, 128 × 128 for weights). Turn `tile` to "row": the transposed
weight of the backward pass is another weight. 把 `tile` 改为 "row"：反向要用的转置权重就成了另一个权重。
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
    heatmap,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("a_tile_confines_an_outlier", "square_tiles_serve_both_passes"),
          wrong=("one_scale_for_all", "a_scale_by_row", "scales_up_only"))
def to_fp8(x: Tensor, rows: int, columns: int) -> Tensor:
    """x (m, n) rounded to E4M3 with one scale for each tile of (rows, columns), which maps the tile's largest magnitude to
    448; given back in the format of x. m and n are multiples of the tile's sides; no tile is all zero.

    把 x (m, n) 舍入到 E4M3：每个 (rows, columns) 的块一个尺度，使块内最大的绝对值对应 448；
    结果用 x 的格式返回。m、n 是块边长的整数倍，没有全零的块。"""
    tiles = x.unflatten(1, (-1, columns)).unflatten(0, (-1, rows))       # (m/rows, rows, n/columns, columns)
    scale = tiles.abs().amax((1, 3), keepdim=True) / 448                 # (m/rows, 1, n/columns, 1)
    return ((tiles / scale).to(torch.float8_e4m3fn).to(x.dtype) * scale).flatten(2, 3).flatten(0, 1)


def rounded(x: Tensor, kind: str) -> Tensor:
    """The whole tensor with one scale, in a format."""
    top = x.abs().max()
    if kind == "int8":
        return (x / top * 127).round() / 127 * top
    largest, dtype = {"e4m3": (448, torch.float8_e4m3fn), "e5m2": (57344, torch.float8_e5m2)}[kind]
    return (x / top * largest).to(dtype).to(x.dtype) / largest * top


def error_of_the_rest(x: Tensor, y: Tensor) -> float:
    """The error of all numbers but the outlier (in the first place), over their size."""
    return ((y - x).flatten()[1:].norm() / x.flatten()[1:].norm()).item()


SHAPES = {"square": (32, 32), "row": (1, 32), "tensor": (64, 256), "1 × 128": (1, 128)}
RANGES = {
    "outliers": each(between(10.0, 10_000.0), at_least=2, rising=True), "kind": one_of("e4m3", "e5m2", "int8"),
    "outlier": between(5e6, 1e10), "granularity": one_of("1 × 128", "tensor"), "tile": one_of("square", "row"),
}


@breaks(kind="int8", en="INT8 has equal steps: an outlier 100 times as large leaves the rest one bit.",
        zh="INT8 的步长均匀：离群值大 100 倍，其余的数就只剩一位。")
@breaks(kind="e5m2", en="E5M2 has one bit of mantissa less: twice the error, for a range of nine decades.",
        zh="E5M2 少一位尾数：误差加倍，换来九个数量级的范围。")
def claim_fp8_forgives_outliers_within_its_range(outliers=(10.0, 100.0, 1000.0, 10_000.0), kind="e4m3"):
    """With one scale per tensor E4M3 errs by 2.5 to 3 % whether the largest number is ten or ten thousand times the rest;
    at a thousand INT8 has rounded the rest away.

    整个张量一个尺度时，最大值是其余的十倍还是一万倍，E4M3 的误差都是 2.5 % 到 3 %；一千倍时 INT8 已把其余的数舍成零。"""
    x = torch.randn(64, 256, dtype=torch.float64)
    off: dict[str, list[float]] = {k: [] for k in ("e4m3", "e5m2", "int8")}
    for times in outliers:
        x[0, 0] = times
        for k, errors in off.items():
            errors.append(error_of_the_rest(x, rounded(x, k)))
    show(lines("largest number over the rest", outliers, off, log="xy", y_label="relative error of the rest"))
    # uniform in a step, 2^-4/√3, times 0.72 over a binade; at ten thousand the numbers near zero are subnormal and add a little
    expect("relative error of the rest", off[kind], equals=0.0275, within=0.0025, at=("largest number over the rest", list(outliers)))
    x[0, 0] = 1000.0
    # a step of 1000/127 = 7.9: only numbers beyond four deviations stay
    expect("relative error of the rest in INT8, at a thousand", error_of_the_rest(x, rounded(x, "int8")), equals=1, within=0.05)


@breaks(granularity="tensor", en="With one scale for all, the outlier pushes everything else below half of 2⁻⁹, E4M3's smallest number.",
        zh="所有数共用一个尺度时，离群值把其余的数都压到 2⁻⁹（E4M3 的最小数）的一半以下。")
def claim_a_tile_confines_an_outlier(outlier=1e7, granularity="1 × 128"):
    """Beyond FP8's range an outlier wipes out what shares its scale: with tiles of 1 × 128 that is one tile, with one scale
    per tensor everything.

    超出 FP8 的范围后，离群值会抹掉与它共用尺度的数：块为 1 × 128 时只是一块，整个张量一个尺度时是全部。"""
    x = torch.randn(64, 256, dtype=torch.float64)
    x[0, 0] = outlier
    lost = {way: (to_fp8(x, *SHAPES[way]) == 0) for way in ("1 × 128", "tensor")}
    show(heatmap(lost[granularity][:8].double().unflatten(1, (-1, 32)).mean(2), x_label="32 columns each", y_label="row",
                 title="share of the numbers lost"))
    # of the tile's other 127 only numbers above outlier/448/1024 could stay
    expect("numbers lost, over those of a tile", lost[granularity].sum() / 127, equals=1, within=0.01)
    rest = to_fp8(x, *SHAPES[granularity])[1:]
    expect("relative error in the other rows", (rest - x[1:]).norm() / x[1:].norm(), equals=0.026, within=0.002)


@breaks(tile="row", en="A row's scales become a column's in the transposed weight: rounded anew, the numbers differ.",
        zh="按行的尺度到转置后就成了按列：重新舍入得到的数不一样。")
def claim_square_tiles_serve_both_passes(tile="square"):
    """With square tiles the transposed weight of the backward pass rounds to the same numbers; with tiles along a row
    forward and backward use different weights.

    方形的块，反向用的转置权重舍入后数值相同；沿行的块，前向与反向用的是不同的权重。"""
    w = torch.randn(64, 256, dtype=torch.float64)
    apart = {}
    for way in ("square", "row"):
        forward, backward = to_fp8(w, *SHAPES[way]), to_fp8(w.T.contiguous(), *SHAPES[way]).T
        apart[way] = ((forward - backward).norm() / w.norm()).item()
    show(bars(list(apart), {"forward less backward weight, relative": list(apart.values())}))
    expect("forward less backward weight, relative", apart[tile], equals=0, within=1e-15)
    expect("relative error of the rounding itself", (to_fp8(w, *SHAPES[tile]) - w).norm() / w.norm(), equals=0.026, within=0.002)


def drill_bits(rng) -> Drill:
    """Bits per number with scales."""
    tile, numbers, bits = rng.choice([("1 × 32", 32, 8), ("1 × 128", 128, 32), ("128 × 128", 16384, 32),
                                     ("1 × 64", 64, 32), ("1 × 16", 16, 8)])
    return Drill(
        en=f"FP8 numbers with a scale of {bits} bits for each tile of {tile}. How many bits does a number take, its scale included?",
        zh=f"FP8 数，每个 {tile} 的块配一个 {bits} 位的尺度。连同尺度，每个数占多少位？",
        answer=8 + bits / numbers, within=0.005, unit="bit",
        steps=[(f"a scale's share: {bits}/{numbers} = {bits / numbers:.3g}", f"尺度的分摊：{bits}/{numbers} = {bits / numbers:.3g}"),
               (f"8 + {bits / numbers:.3g} = {8 + bits / numbers:.4g}", f"8 + {bits / numbers:.3g} = {8 + bits / numbers:.4g}")],
        proved_by="a_tile_confines_an_outlier")


ZH = {
    "largest number over the rest": "最大值与其余之比", "relative error of the rest": "其余数的相对误差",
    "relative error of the rest in INT8, at a thousand": "一千倍时 INT8 其余数的相对误差", "e4m3": "E4M3",
    "e5m2": "E5M2", "int8": "INT8", "32 columns each": "每格 32 列", "row": "行",
    "share of the numbers lost": "变为零的数所占比例",
    "numbers lost, over those of a tile": "变为零的数与一块的数之比",
    "relative error in the other rows": "其余各行的相对误差", "square": "方形",
    "forward less backward weight, relative": "前向与反向权重的相对差",
    "relative error of the rounding itself": "舍入本身的相对误差",
}

if __name__ == "__main__":
    main()
