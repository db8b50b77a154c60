r"""Rounded frequencies are other frequencies, still relative; rounded angles or positions are no RoPE.

频率舍入之后只是换了一组频率，仍是相对编码；角度或位置舍入之后就不再是 RoPE 了。

bf16 keeps 8 significant bits: a relative error up to 2^−8. Turn `rounded` to "angles" or "positions":
the score no longer depends on the offset alone. 把 `rounded` 改为 "angles" 或 "positions"：分数不再只取决于相对距离。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show

F64 = torch.float64
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp64": F64}


def angles(positions: Tensor, d: int, base: float, dtype: torch.dtype, rounded: str) -> Tensor:
    """The angle of each pair at each position, (positions, d/2), one quantity of it rounded to `dtype`."""
    frequency = base ** (-torch.arange(0, d, 2, dtype=F64) / d)                        # (d/2,)
    if rounded == "frequencies":
        frequency = frequency.to(dtype).to(F64)
    if rounded == "positions":
        positions = positions.to(dtype).to(F64)
    angle = positions.to(F64)[:, None] * frequency
    return angle.to(dtype).to(F64) if rounded == "angles" else angle


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Each neighbouring pair of x (d,) turned by its angle (…, d/2)."""
    turned = torch.view_as_complex(x.view(-1, 2)) * torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turned).flatten(-2)


RANGES = {
    "d": between(8, 256, multiple_of=2), "base": between(1000.0, 1e7), "offset": between(1, 64),
    "positions": each(between(1, 131_072), at_least=2, rising=True), "dtype": one_of("bf16", "fp32"),
    "rounded": one_of("frequencies", "angles", "positions", "nothing"),
    "lengths": each(between(512, 8192), at_most=5, rising=True),
}  # fmt: skip


@breaks(rounded="nothing", en="In float64 all through there is no error to grow.",
        zh="全程 float64，就没有误差可增长。")
def claim_angle_error_grows_linearly(d=128, base=10000.0, positions=(128, 512, 2048, 8192),
                                     rounded="frequencies"):
    """A model run with bf16 frequencies but trained with exact ones is off by position times the
    rounding error: 2.5 rad at 2,048 with 64 pairs and base 10,000.

    用精确频率训练、却用 bf16 频率推理，角度误差等于位置乘舍入误差：64 对、底 10,000 时，位置 2,048 处已达 2.5 弧度。"""
    at = torch.tensor(positions, dtype=F64)
    exact = angles(at, d, base, F64, "nothing")
    off = (angles(at, d, base, torch.bfloat16, rounded) - exact).abs()                 # (positions, d/2)
    largest = off.amax(1)
    show(lines("position", positions, {"largest angle error": largest,
                                       "half a turn": [math.pi] * len(positions)}, log="xy",
               y_label="radians"))
    # A number x in [2^e, 2^(e+1)) is rounded to a multiple of 2^(e−7).
    frequency = [base ** (-2 * i / d) for i in range(d // 2)]
    steps = [2.0 ** (math.floor(math.log2(f)) - 7) for f in frequency]
    worst = max(abs(round(f / s) * s - f) for f, s in zip(frequency, steps, strict=True))
    expect("largest angle error over position times rounding error", largest / (at * worst), equals=1,
           within=1e-9, at=("position", positions))
    here = torch.tensor([2048.0], dtype=F64)
    off = angles(here, 128, 1e4, torch.bfloat16, rounded) - angles(here, 128, 1e4, F64, "nothing")
    expect("largest angle error at position 2048, 64 pairs, base 10,000", off.abs().max(), equals=2.505,
           within=0.0005)


@breaks(rounded="angles", en="Rounded angles put query and key off by different amounts.",
        zh="角度舍入后，query 与 key 各偏各的。")
@breaks(rounded="positions", en="Neighbouring positions fall on one number, and offsets jump.",
        zh="相邻位置落到同一个数上，相对距离忽大忽小。")
def claim_rounded_frequencies_stay_relative(d=128, base=10000.0, offset=17, rounded="frequencies"):
    """With frequencies rounded to bf16 and all else exact, the score of a query and a key still depends
    on their offset alone, so a model trained so is no worse a RoPE.

    只把频率舍入到 bf16、其余都精确时，query 与 key 的分数仍只取决于相对距离；这样训练出来的仍是合格的 RoPE。"""
    q, k = torch.randn(2, d, dtype=F64)
    start = torch.arange(0, 4096, 61)
    ways = ("frequencies", "angles")
    scores = {way: (rotate(q, angles(start + offset, d, base, torch.bfloat16, way))
                    * rotate(k, angles(start, d, base, torch.bfloat16, way))).sum(-1)
              for way in {*ways, rounded}}
    show(lines("position of the key", start.tolist(), {f"{way} rounded": scores[way] for way in ways},
               y_label="score"))
    # float64 keeps 1e-16 of angles up to 4096 and of sums of d products.
    expect("score less that at position 0", scores[rounded] - scores[rounded][0], equals=0,
           within=1e-9 * d)


@breaks(dtype="fp32", en="fp32 holds every whole number up to 2^24.", zh="fp32 能表示 2^24 以内的每个整数。")
def claim_bf16_positions_collide(lengths=(512, 1024, 2048, 4096, 8192), dtype="bf16"):
    """In bf16 whole numbers are exact up to 256 only; each doubling of the length adds 128 more: 2,048
    positions become 641 numbers.

    bf16 只能精确表示 256 以内的整数；长度每翻一倍只多 128 个数：2,048 个位置只剩 641 个不同的数。"""
    distinct = [len(set(torch.arange(n).to(DTYPES[dtype]).tolist())) for n in lengths]

    def by_hand(n: int) -> int:
        """p with p < 256, or rounded to 8 significant bits, ties to even."""
        numbers = set()
        for p in range(n):
            step = max(1, 2 ** (p.bit_length() - 8))
            numbers.add(round(p / step) * step)
        return len(numbers)

    show(lines("positions", lengths, {"distinct numbers": distinct, "positions": lengths}, log="xy"))
    expect("distinct numbers", distinct, equals=[by_hand(n) for n in lengths], at=("positions", lengths))
    expect("lost positions", [n - m for n, m in zip(lengths, distinct, strict=True)], at_least=1,
           at=("positions", lengths))


@breaks(dtype="bf16", en="bf16 rounds 65,536 times more coarsely.", zh="bf16 的舍入粗 65,536 倍。")
def claim_fp32_is_enough(d=128, base=10000.0, positions=(2048, 32768, 131072), dtype="fp32"):
    """Frequency and product in fp32 are off by at most position times 2^−23: under 0.02 rad at 131,072.

    频率与乘积都用 fp32，误差至多为位置乘 2^−23：位置 131,072 处不到 0.02 弧度。"""
    at, kind = torch.tensor(positions, dtype=F64), DTYPES[dtype]
    exact = angles(at, d, base, F64, "nothing")
    frequency = (base ** (-torch.arange(0, d, 2, dtype=F64) / d)).to(kind)
    found = (at.to(kind)[:, None] * frequency).to(F64)
    off = (found - exact).abs().amax(1)
    show(lines("position", positions, {"largest angle error": off}, log="xy", y_label="radians"))
    # Two roundings, of the frequency and of the product, each by 2^−24 of it.
    expect("largest angle error over position · 2^−23", off / (at * 2.0**-23), at_most=1.0001,
           at=("position", positions))


def drill_angle_error(rng) -> Drill:
    """A relative error of a frequency becomes an angle."""
    position, exponent = rng.choice((2048, 8192, 32_768)), rng.choice((0, 1, 2))
    relative = rng.choice((0.001, 0.002, 0.003))
    frequency = 10.0**-exponent
    return Drill(
        en=f"A RoPE frequency of {frequency:g} rad per token is stored with a relative error of {relative:g}. By how many "
           f"radians is its angle off at position {position:,}?",
        zh=f"某个 RoPE 频率为每 token {frequency:g} 弧度，存储的相对误差为 {relative:g}。位置 {position:,} 处角度差多少弧度？",
        answer=position * frequency * relative, unit="rad",
        steps=[("the error is position · frequency · relative error", "误差 = 位置 · 频率 · 相对误差"),
               (f"{position} · {frequency:g} · {relative:g} = {position * frequency * relative:g}",) * 2],
        proved_by="angle_error_grows_linearly",
    )


ZH = {
    "position": "位置", "largest angle error": "最大角度误差", "half a turn": "半圈", "radians": "弧度",
    "largest angle error over position times rounding error": "最大角度误差与（位置 · 舍入误差）之比",
    "largest angle error at position 2048, 64 pairs, base 10,000": "位置 2048 处的最大角度误差（64 对，底 10,000）",
    "position of the key": "key 的位置", "frequencies rounded": "舍入频率", "angles rounded": "舍入角度",
    "score": "分数", "score less that at position 0": "分数与位置 0 处之差", "positions": "位置数",
    "distinct numbers": "不同的数", "lost positions": "丢失的位置数",
    "largest angle error over position · 2^−23": "最大角度误差与（位置 · 2^−23）之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
