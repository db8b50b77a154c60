r"""Four bits for gradients: round at random, so that the mean survives, and rotate, so that small numbers do.

用四位表示梯度：随机舍入使平均值不变，旋转则使小的数不至于消失。

NVIDIA 2025 (NVFP4 pre-training): blocks of 16, stochastic rounding of gradients, random Hadamard transform before the
weight gradient. Turn `rounding` to "nearest": the mean of many gradients keeps its error.
块为 16，梯度随机舍入，权重梯度之前做随机 Hadamard 变换。把 `rounding` 改为 "nearest"：许多梯度的平均仍带着误差。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
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

F64 = torch.float64
E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=F64)           # the magnitudes of FP4


@exercise(claims=("the_mean_of_many_is_right",), wrong=("rounds_to_the_nearest", "coin_flip", "moves_the_sign"))
def round_at_random(x: Tensor, u: Tensor) -> Tensor:
    """x, of magnitude up to 6, rounded to ±E2M1: away from zero with a chance equal to the part of the way to the larger
    neighbour, else towards zero. u are uniform numbers in [0, 1) of x's shape.

    把绝对值不超过 6 的 x 舍入到 ±E2M1：以到较大邻点已走过的比例为概率远离零舍入，否则朝零舍入。u 是与 x 同形的 [0, 1) 均匀随机数。"""
    below = (torch.bucketize(x.abs(), E2M1, right=True) - 1).clamp(max=6)  # index of the smaller neighbour
    low, high = E2M1[below], E2M1[below + 1]
    up = u < (x.abs() - low) / (high - low)
    return torch.where(up, high, low) * x.sign()


def to_fp4(x: Tensor, rounding: str) -> Tensor:
    """x (rows, numbers) in blocks of 16, each with a scale that maps its largest magnitude to 6."""
    blocks = x.unflatten(-1, (-1, 16))
    scale = blocks.abs().amax(-1, keepdim=True) / 6
    if rounding == "stochastic":
        codes = round_at_random((blocks / scale).clamp(-6, 6), torch.rand(blocks.shape, dtype=F64))
    else:
        codes = E2M1[torch.bucketize((blocks / scale).abs(), (E2M1[1:] + E2M1[:-1]) / 2)] * blocks.sign()
    return (codes * scale).flatten(-2)


def rotate(x: Tensor, signs: Tensor) -> Tensor:
    """Each block of 16 times a random Hadamard matrix: ±1/4 everywhere, orthogonal."""
    h = torch.ones(1, 1, dtype=F64)
    while len(h) < 16:
        h = torch.cat((torch.cat((h, h), 1), torch.cat((h, -h), 1))) / 2**0.5
    return (x.unflatten(-1, (-1, 16)) * signs @ h).flatten(-2)


RANGES = {
    "draws": each(between(4, 512), at_least=2, rising=True), "rounding": one_of("stochastic", "nearest"),
    "transform": one_of("hadamard", "none"), "operands": one_of("both", "one"),
}


@breaks(rounding="nearest", en="To the nearest, a number goes to the same side each time: the mean keeps the error of one.",
        zh="取最近舍入，同一个数每次都偏向同一边：平均之后误差照旧。")
def claim_the_mean_of_many_is_right(draws=(4, 16, 64), rounding="stochastic"):
    """Rounded at random, the mean of n FP4 copies of a gradient errs by 1/√n of one copy's error; rounded to nearest it
    keeps the error whole.

    随机舍入时，同一梯度的 n 份 FP4 副本取平均，误差是一份的 1/√n；取最近舍入时误差一点不减。"""
    gradient = torch.randn(64, 64, dtype=F64)
    off: dict[str, list[float]] = {}
    for way in ("stochastic", "nearest"):
        copies = torch.stack([to_fp4(gradient, way) for _ in range(max(draws) if way == "stochastic" else 1)])
        mean = copies.cumsum(0) / torch.arange(1, len(copies) + 1, dtype=F64)[:, None, None]
        off[way] = [((mean[min(n, len(copies)) - 1] - gradient).norm() / gradient.norm()).item() for n in draws]
    one = ((to_fp4(gradient, "stochastic") - gradient).norm() / gradient.norm()).item()
    show(lines("copies averaged", draws, {f"relative error, {way}": e for way, e in off.items()}, log="xy"))
    # 4,096 numbers: a size is known to 2 %
    left = [e * n**0.5 / one for e, n in zip(off[rounding], draws, strict=True)]
    expect("error of the mean times √n over that of one copy", left, equals=1, within=0.12, at=("copies", list(draws)))


@breaks(operands="one", en="Rotated on one side only, the product is another.", zh="只旋转一边，乘积就变了。")
def claim_a_rotation_of_both_leaves_the_product(operands="both"):
    """Rotating both operands of a matrix product along the summed axis leaves the product as it is: a Hadamard matrix times
    its transpose is the identity.

    沿求和轴同时旋转矩阵乘的两个操作数，乘积不变：Hadamard 矩阵乘以自己的转置是单位矩阵。"""
    a, b = torch.randn(2, 24, 256, dtype=F64)
    signs = torch.randint(0, 2, (16,)).double() * 2 - 1
    product = rotate(a, signs) @ (rotate(b, signs) if operands == "both" else b).T
    apart = ((product - a @ b.T).norm() / (a @ b.T).norm()).item()
    show(bars(["both rotated", "one rotated"], {"relative difference of the product": [
        ((rotate(a, signs) @ other.T - a @ b.T).norm() / (a @ b.T).norm()).item() for other in (rotate(b, signs), b)]}))
    expect("product after the rotation, relative difference", apart, equals=0, within=1e-13)


@breaks(transform="none", en="Unrotated, the largest number of a block sets a step that the small ones do not reach.",
        zh="不旋转，块内最大的数定下步长，小的数够不着半步。")
def claim_a_rotation_keeps_small_numbers_alive(transform="hadamard"):
    """In blocks of 16 drawn as a normal times a log-normal a quarter of the numbers becomes zero in FP4, after a rotation
    about one in twenty; the mean-square error does not fall.

    按“正态乘对数正态”抽取的 16 个数一块，四分之一的数在 FP4 中变为零，旋转后只剩约二十分之一；但均方误差并不下降。"""
    x = torch.randn(256, 256, dtype=F64) * torch.randn(256, 256, dtype=F64).exp()
    signs = torch.randint(0, 2, (16,)).double() * 2 - 1
    seen = {"none": x, "hadamard": rotate(x, signs)}
    zero = {way: (to_fp4(y, "nearest") == 0).double().mean().item() for way, y in seen.items()}
    off = {way: ((to_fp4(y, "nearest") - y).norm() / y.norm()).item() for way, y in seen.items()}
    show(bars(["as it is", "rotated"], {"share that becomes zero": list(zero.values()), "relative error": list(off.values())}))
    # a normal number in a block of 16 lies below a quarter step of its FP4 grid with a chance of 5 to 7 %
    expect("share that becomes zero", zero[transform], equals=0.055, within=0.015)
    expect("share that becomes zero without rotation", zero["none"], equals=0.27, within=0.04)
    expect("error with rotation over that without", off["hadamard"] / off["none"], at_least=1.0)


ZH = {
    "copies averaged": "取平均的份数", "relative error, {}": "相对误差，{}", "stochastic": "随机舍入",
    "nearest": "最近舍入", "copies": "份数",
    "error of the mean times √n over that of one copy": "平均的误差乘 √n 与一份的误差之比",
    "both rotated": "两边旋转", "one rotated": "一边旋转", "relative difference of the product": "乘积的相对差",
    "product after the rotation, relative difference": "旋转后乘积的相对差", "as it is": "不旋转", "rotated": "旋转",
    "share that becomes zero": "变为零的比例", "relative error": "相对误差",
    "share that becomes zero without rotation": "不旋转时变为零的比例",
    "error with rotation over that without": "旋转与不旋转的误差之比",
}

if __name__ == "__main__":
    main()
