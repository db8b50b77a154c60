r"""fp16 spends its bits on precision, bf16 on range: 8 times finer steps, or 38 powers of ten to both sides.

fp16 把位数用在精度上，bf16 用在范围上：一个步长细 8 倍，一个上下各覆盖 38 个数量级。

IEEE 754 binary16; bfloat16 is the upper half of binary32. Turn `rounding` to "truncate": dropping the lower
bits, as is often said of bf16, is not what a cast does.
把 `rounding` 改为 "truncate"：直接丢掉低位（常有人这样说 bf16），并不是类型转换所做的。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)

FORMATS = {"fp16": (5, 10, torch.float16), "bf16": (8, 7, torch.bfloat16)}  # bits of exponent and mantissa


@exercise(claims=("casts_round_to_the_nearest",), wrong=("truncates", "forgets_subnormals", "clamps_instead_of_overflowing"))
def to_format(x: Tensor, exponent_bits: int, mantissa_bits: int) -> Tensor:
    """Round x to the nearest number that a sign, so many exponent and so many mantissa bits can hold; ties go to
    the even mantissa, too large ones to infinity. x and the result are float64, of any shape.

    把 x 舍入到由 1 位符号、若干位指数和若干位尾数所能表示的最近的数；恰在中间时取尾数为偶数的，太大的变为无穷。
    x 与结果为 float64，形状任意。"""
    bias = 2 ** (exponent_bits - 1) - 1
    exponent = (torch.frexp(x)[1] - 1).clamp(min=1 - bias)           # below that the spacing stays: subnormals
    spacing = 2.0 ** (exponent - mantissa_bits)
    rounded = (x / spacing).round() * spacing                        # torch.round: ties to even
    largest = (2 - 2.0**-mantissa_bits) * 2.0**bias
    return torch.where(rounded.abs() > largest, rounded.sign() * torch.inf, rounded)


def truncated(x: Tensor, exponent_bits: int, mantissa_bits: int) -> Tensor:
    """The wrong way: drop the bits that do not fit."""
    bias = 2 ** (exponent_bits - 1) - 1
    spacing = 2.0 ** ((torch.frexp(x)[1] - 1).clamp(min=1 - bias) - mantissa_bits)
    return (x / spacing).trunc() * spacing


ROUNDINGS = {"nearest": to_format, "truncate": truncated}


def magnitudes(low: float, high: float, count: int) -> Tensor:
    """Random float32 numbers, their magnitudes spread evenly over the powers of ten, as float64, (count,)."""
    exponent = torch.rand(count) * (high - low) + low
    return (10**exponent * torch.randn(count).sign()).float().double()


RANGES = {
    "count": between(8000, 20_000),
    "format": one_of("fp16", "bf16"),
    "rounding": one_of("nearest", "truncate"),
    "smallest": between(-8.0, -4.0),
    "largest": between(2.0, 4.8),
}


@breaks(rounding="truncate", en="Dropping the lower bits is off by up to a whole step, and always towards zero.",
        zh="直接丢掉低位，误差可达一整步，而且总是偏向零。")
def claim_casts_round_to_the_nearest(count=20_000, rounding="nearest"):
    """A cast to fp16 or bf16 rounds to the nearest number, ties to even; what is too large becomes infinite.

    转换为 fp16 或 bf16 时取最近的数，恰在中间取偶；太大的变为无穷。"""
    x = magnitudes(-9, 6, count)
    rows = []
    for name, (exponent, mantissa, dtype) in FORMATS.items():
        ours, cast = ROUNDINGS[rounding](x, exponent, mantissa), x.float().to(dtype).double()
        rows.append((name, int((ours != cast).sum()), int((cast == 0).sum()), int(cast.isinf().sum())))
    show(table(("format", "differ from torch's cast", "become 0", "become infinite"), rows))
    expect("numbers that differ from torch's cast", [r[1] for r in rows], equals=0)


@breaks(smallest=-8.0, en="Below 6e-5 fp16 has subnormals only: the step no longer shrinks with the number, and below 3e-8 all is 0.",
        zh="低于 6e-5，fp16 只剩次正规数：步长不再随数变小，低于 3e-8 就全是 0。")
def claim_fp16_is_eight_times_finer_within_its_range(smallest=-4.0, largest=4.8, count=20_000):
    """Between 6e-5 and 65,504 a cast to fp16 is off by at most 2⁻¹¹ of the number, to bf16 by 2⁻⁸: 8 times as much.

    在 6e-5 与 65,504 之间，转换为 fp16 的相对误差至多 2⁻¹¹，bf16 至多 2⁻⁸，是其 8 倍。"""
    x = magnitudes(smallest, largest, count).abs().sort()[0]
    errors = {name: ((x.float().to(dtype).double() - x) / x).abs() for name, (_, _, dtype) in FORMATS.items()}
    step = max(1, count // 40)
    show(lines("size of the number", x[: count // step * step].view(-1, step)[:, 0], {
        name: e[: count // step * step].view(-1, step).amax(1) for name, e in errors.items()}, log="xy", y_label="largest relative error"))
    # the worst number lies half a step above a power of two: of thousands one comes within 4 % of it
    expect("largest relative error of fp16, in units of 2⁻¹¹", errors["fp16"].max() * 2**11, equals=0.98, within=0.0201)
    expect("largest relative error of bf16, in units of 2⁻⁸", errors["bf16"].max() * 2**8, equals=0.98, within=0.0201)


@breaks(format="fp16", en="fp16 holds no 70,000 and no 1e-8: the one becomes infinite, the other 0.",
        zh="fp16 装不下 70,000，也装不下 1e-8：一个变为无穷，一个变为 0。")
def claim_bf16_has_the_range_of_fp32(format="bf16"):
    """bf16 keeps numbers from 1e-38 to 3e38 to under one percent, as fp32's exponent reaches; 70,000 becomes 70,144.
    fp16 makes 0 of 1e-8 and infinity of 70,000.

    bf16 的指数位数与 fp32 相同，从 1e-38 到 3e38 的数误差都不到百分之一；70,000 变为 70,144。fp16 则把 1e-8 变成 0，
    70,000 变成无穷。"""
    x = torch.tensor([1e-37, 1e-20, 1e-8, 1e-4, 1.0, 70_000.0, 1e20, 1e38])
    cast = x.to(FORMATS[format][2])
    show(table({"number": x.tolist(), "fp16": x.half().tolist(), "bf16": x.bfloat16().tolist()}))
    expect(f"{format} over the number", cast.double() / x.double(), equals=1, within=2**-8)
    expect("70,000", cast[5].item(), equals=70_144)
    expect("fp16: 1e-37 to 1e-8 become 0", x[:3].half(), equals=0)
    expect("fp16: numbers of 70,000 and more that become infinite", int(x.half().isinf().sum()), equals=3)


def drill_spacing(rng) -> Drill:
    """The step between neighbouring numbers of a format."""
    name, number = rng.choice([("bf16", 70_000), ("bf16", 300), ("fp16", 3000), ("fp16", 40_000), ("bf16", 1000), ("fp16", 600)])
    exponent_bits, mantissa, _ = FORMATS[name]
    power = number.bit_length() - 1
    return Drill(
        en=f"How far apart are neighbouring {name} numbers near {number:,}? ({exponent_bits} bits of exponent, {mantissa} of mantissa)",
        zh=f"在 {number:,} 附近，相邻两个 {name} 数相差多少？（指数 {exponent_bits} 位，尾数 {mantissa} 位）",
        answer=2 ** (power - mantissa),
        within=1e-9,
        steps=[(f"{number:,} lies between 2^{power} and 2^{power + 1}", f"{number:,} 在 2^{power} 与 2^{power + 1} 之间"),
               (f"2^{power} / 2^{mantissa} = {2 ** (power - mantissa):g}", f"2^{power} / 2^{mantissa} = {2 ** (power - mantissa):g}")],
        proved_by="fp16_is_eight_times_finer_within_its_range",
    )


ZH = {
    "format": "格式",
    "differ from torch's cast": "与 torch 转换不同",
    "become 0": "变为 0",
    "become infinite": "变为无穷",
    "numbers that differ from torch's cast": "与 torch 转换不同的个数",
    "size of the number": "数的大小",
    "largest relative error": "最大相对误差",
    "largest relative error of fp16, in units of 2⁻¹¹": "fp16 的最大相对误差，以 2⁻¹¹ 为单位",
    "largest relative error of bf16, in units of 2⁻⁸": "bf16 的最大相对误差，以 2⁻⁸ 为单位",
    "number": "数",
    "fp16: 1e-37 to 1e-8 become 0": "fp16：1e-37 到 1e-8 变为 0",
    "fp16: numbers of 70,000 and more that become infinite": "fp16：70,000 及以上变为无穷的个数",
    "inf": "无穷",
    "{} over the number": "{} 与原数之比",
}

if __name__ == "__main__":
    main()
