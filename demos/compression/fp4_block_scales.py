r"""Four bits hold eight magnitudes; a scale for every 16 or 32 numbers makes a usable format of them.

四位只有八个量级；每 16 或 32 个数配一个尺度，才成为可用的格式。

OCP Microscaling Formats (MX) 1.0: MXFP4; NVIDIA's NVFP4. Turn `scale` to "power of two" with blocks of 16: smaller
blocks alone do not make NVFP4, the finer scale does.
把块为 16 的 `scale` 改为 "power of two"：光把块变小还不是 NVFP4，要靠更细的尺度。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import randn

E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=torch.float64)     # sign bit apart: 2 exponent bits, 1 mantissa bit


def to_e2m1(x: Tensor) -> Tensor:
    """The nearest four-bit number to each of x, any shape; beyond 6 it is 6."""
    place = torch.bucketize(x.abs(), (E2M1[1:] + E2M1[:-1]) / 2)
    return E2M1[place] * x.sign()


@exercise(claims=("blocks_follow_the_numbers", "every_number_is_one_of_fifteen"),
          wrong=("one_scale_for_all", "scales_to_one", "forgets_to_scale_back"))
def block_quantize(x: Tensor, block: int, scale: str) -> Tensor:
    """Round x (rows, columns) to four bits in blocks of so many neighbouring columns, each with a scale that maps its
    largest magnitude near 6: "power of two" (MXFP4: 2^(⌊log2 max⌋ − 2)) or "e4m3" (NVFP4: max/6 in eight-bit floats).
    Gives the restored numbers, shaped as x.

    把 x (rows, columns) 按相邻的若干列分块舍入到四位；每块的尺度把最大量级映射到 6 附近："power of two"（MXFP4：
    2^(⌊log2 max⌋ − 2)）或 "e4m3"（NVFP4：max/6，用八位浮点表示）。返回还原后的数，形状同 x。"""
    blocks = x.unflatten(1, (-1, block))                             # (rows, blocks, block)
    largest = blocks.abs().amax(2, keepdim=True)
    if scale == "power of two":
        step = 2.0 ** (torch.frexp(largest)[1] - 1 - 2)
    else:
        whole = x.abs().max() / (6 * 448)                            # one fp32 scale for the tensor: e4m3 ends at 448
        step = (largest / 6 / whole).float().to(torch.float8_e4m3fn).double() * whole
    return (to_e2m1(blocks / step) * step).flatten(1)


def decibels(x: Tensor, back: Tensor) -> float:
    """Signal over quantisation noise, in dB."""
    return (10 * (x.square().mean() / (x - back).square().mean()).log10()).item()


def weights(tail: str) -> Tensor:
    """Weights (256, 1024): normal, or Student-t with 3 degrees of freedom, as heavy-tailed ones are."""
    x = randn(256, 1024, seed=1, dtype=torch.float64)
    if tail == "heavy":
        x = x / (randn(3, 256, 1024, seed=2, dtype=torch.float64).square().mean(0)).sqrt()
    return x


RANGES = {
    "block": one_of(16, 32, 64),
    "tail": one_of("normal", "heavy"),
    "scale": one_of("e4m3", "power of two"),
    "scaled": one_of("by block", "by tensor"),
    "spread": between(2.0, 8.0),
    "counted": one_of("with scales", "without"),
}


@breaks(scaled="by tensor", en="With one scale for all, rows of small numbers fall on 0 or on the first step.",
        zh="全体共用一个尺度，小数值的行都落在 0 或第一个台阶上。")
def claim_blocks_follow_the_numbers(spread=4.0, scaled="by block"):
    """With a scale for each block the error stays the same share of the numbers, however their size varies from row
    to row.

    每块一个尺度时，无论各行数值大小相差多少，误差占数值的比例都一样。"""
    x = weights("normal") * 10 ** torch.linspace(-spread / 2, spread / 2, 256, dtype=torch.float64)[:, None]
    by_block = block_quantize(x, 32, "power of two")
    whole = 2.0 ** (torch.frexp(x.abs().max())[1] - 3)
    by_tensor = to_e2m1(x / whole) * whole
    each = {name: torch.tensor([decibels(a, b) for a, b in zip(x, y, strict=True)]) for name, y in
            (("by block", by_block), ("by tensor", by_tensor))}
    show(lines("row, from small to large numbers", range(0, 256, 8), {name: e[::8] for name, e in each.items()}, y_label="dB"))
    # a thousand numbers in a row: the decibels of rows differ by sampling only
    expect("dB of a row, less their mean by block", each[scaled] - each["by block"].mean(), equals=0, within=1.5)


@breaks(scale="power of two", en="Powers of two waste up to half of the range: blocks of 16 with them stay below.",
        zh="2 的幂最多浪费一半范围：块为 16 也达不到。")
def claim_nvfp4_beats_mxfp4_for_a_quarter_bit(tail="normal", scale="e4m3"):
    """NVFP4, blocks of 16 with an eight-bit float as scale, is at least 1 dB better than MXFP4, blocks of 32 with a
    power of two, on normal and on heavy-tailed weights, for 4.5 instead of 4.25 bits.

    NVFP4（块 16，尺度为八位浮点）比 MXFP4（块 32，尺度为 2 的幂）至少好 1 dB，
    正态与长尾权重都如此；位数为 4.5 而不是 4.25。"""
    ahead = {}
    for kind in ("normal", "heavy"):
        x = weights(kind)
        got = {f"{name}, {b}": decibels(x, block_quantize(x, b, name)) for name in ("power of two", "e4m3") for b in (16, 32)}
        ahead[kind] = got[f"{scale}, 16"] - got["power of two, 32"]
        if kind == tail:
            show(bars(list(got), list(got.values()), y_label="dB"))
    expect("blocks of 16 less MXFP4, dB", list(ahead.values()), at_least=1.0, at=("weights", list(ahead)))


@breaks(block=64, en="In blocks of 64 even normal weights have a tail to pay for: floats have caught up.",
        zh="块为 64 时，正态权重也有了尾部：浮点已经追上。")
def claim_integers_suit_even_weights_floats_heavy_tails(block=16):
    """In blocks of 16 evenly spaced integers −7 … 7 beat FP4 on normal weights, and FP4 beats them by over 1 dB on
    heavy tails, both with a scale as fine.

    块为 16、尺度同样细时，正态权重用等距的整数 −7 … 7 比 FP4 准，长尾权重用 FP4 好 1 dB 以上。"""
    ahead = {}
    for kind in ("normal", "heavy"):
        blocks = weights(kind).unflatten(1, (-1, block))
        largest = blocks.abs().amax(2, keepdim=True)
        even = (blocks / largest * 7).round() * largest / 7
        floats = to_e2m1(blocks / largest * 6) * largest / 6
        ahead[kind] = [decibels(blocks, even), decibels(blocks, floats)]
    show(bars(["normal", "heavy"], {"integers": [v[0] for v in ahead.values()], "FP4": [v[1] for v in ahead.values()]}, y_label="dB"))
    expect("integers less FP4 on normal weights, dB", ahead["normal"][0] - ahead["normal"][1], at_least=0.2)
    expect("FP4 less integers on heavy tails, dB", ahead["heavy"][1] - ahead["heavy"][0], at_least=1.0)


@breaks(counted="without", en="Four bits a number leaves out the scales.", zh="每个数四位，没有算上尺度。")
def claim_a_scale_costs_eight_bits_a_block(block=16, counted="with scales"):
    """With a scale of eight bits for every B numbers, four-bit formats cost 4 + 8/B bits: 4.25 for MXFP4, 4.5 for
    NVFP4.

    每 B 个数一个 8 位尺度，四位格式实际为 4 + 8/B 位：MXFP4 是 4.25，NVFP4 是 4.5。"""
    blocks = [16, 32, 64, 128]
    numbers = 4096
    bits = [(numbers * 4 + (numbers // b * torch.float8_e4m3fn.itemsize * 8 if counted == "with scales" else 0)) / numbers for b in blocks]
    show(lines("numbers in a block", blocks, {"bits per number": bits}, log="x"))
    expect("bits per number", bits, equals=[4 + 8 / b for b in blocks], at=("block", blocks))
    expect(f"bits per number in blocks of {block}", bits[blocks.index(block)], equals=4 + 8 / block)


@breaks(scale="e4m3", en="Divided by a scale that is no power of two the restored numbers are no multiples of one.",
        zh="尺度不是 2 的幂时，还原的数不是某个 2 的幂的倍数。")
def claim_every_number_is_one_of_fifteen(block=32, scale="power of two"):
    """In a block of MXFP4 every number is a power of two times one of ±0, 0.5, 1, 1.5, 2, 3, 4, 6: the steps are fine
    near zero and coarse near the largest.

    MXFP4 的一块里，每个数都是 2 的幂乘以 ±0、0.5、1、1.5、2、3、4、6 之一：靠近零时步长细，靠近最大值时粗。"""
    x = weights("normal")
    back = block_quantize(x, block, scale).unflatten(1, (-1, block))
    step = 2.0 ** (torch.frexp(x.unflatten(1, (-1, block)).abs().amax(2, keepdim=True))[1] - 3)
    codes = (back / step).abs()
    place = torch.bucketize(codes, (E2M1[1:] + E2M1[:-1]) / 2)
    show(bars([f"{v:g}" for v in E2M1.tolist()], place.flatten().bincount(minlength=8) / place.numel(), y_label="share of the numbers"))
    expect("largest distance from the nearest code", (codes - E2M1[place]).abs().max(), equals=0, within=1e-12)
    # beyond 6 it is 6: a largest number just under 8 is off by 2
    expect("largest error over the scale", ((back - x.unflatten(1, (-1, block))).abs() / step).amax(), at_most=2.0)


def drill_size(rng) -> Drill:
    """Size of a model in a four-bit format."""
    billions, name, block = rng.choice([(120, "MXFP4", 32), (8, "NVFP4", 16), (70, "NVFP4", 16), (32, "MXFP4", 32), (20, "MXFP4", 32)])
    bits = 4 + 8 / block
    return Drill(
        en=f"{billions} billion weights in {name} (blocks of {block}, an eight-bit scale each). How many GB (1e9 bytes)?",
        zh=f"{billions}B 个权重用 {name}（每 {block} 个一块，每块一个 8 位尺度）。共多少 GB（1e9 字节）？",
        answer=billions * bits / 8,
        unit="GB",
        steps=[(f"bits per weight: 4 + 8/{block} = {bits:g}", f"每个权重：4 + 8/{block} = {bits:g} 位"),
               (f"{billions} · {bits:g} / 8 = {billions * bits / 8:g} GB", f"{billions} · {bits:g} / 8 = {billions * bits / 8:g} GB")],
        proved_by="a_scale_costs_eight_bits_a_block",
    )


ZH = {
    "row, from small to large numbers": "行，从小数值到大数值",
    "by block": "每块一个尺度",
    "by tensor": "整个张量一个尺度",
    "dB": "dB",
    "dB of a row, less their mean by block": "一行的 dB 减去分块时的平均",
    "power of two, {}": "2 的幂，块 {}",
    "e4m3, {}": "e4m3，块 {}",
    "blocks of 16 less MXFP4, dB": "块 16 减去 MXFP4，dB",
    "normal": "正态",
    "heavy": "长尾",
    "weights": "权重",
    "integers": "整数",
    "integers less FP4 on normal weights, dB": "正态权重：整数减去 FP4，dB",
    "FP4 less integers on heavy tails, dB": "长尾权重：FP4 减去整数，dB",
    "numbers in a block": "每块的数",
    "bits per number": "每个数的位数",
    "bits per number in blocks of {}": "块为 {} 时每个数的位数",
    "block": "块",
    "share of the numbers": "数的比例",
    "largest distance from the nearest code": "与最近码的最大距离",
    "largest error over the scale": "最大误差与尺度之比",
}

if __name__ == "__main__":
    main()
