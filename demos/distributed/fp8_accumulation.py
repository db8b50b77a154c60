r"""A tensor core that adds FP8 products in 14 bits errs in proportion to the length of the sum; adding up in FP32 every
128 products ends that.

tensor core 若用 14 位累加 FP8 乘积，误差与求和长度成正比；每 128 个乘积转到 FP32 累加，误差就不再增长。

DeepSeek-V3, §3.3.2. The accumulator is emulated: sums of 32 exact products, cut off to 14 bits each time. Turn
`promoted` to "never": the error grows with the sum.
累加器是模拟的：每 32 个精确乘积之和加一次，每次截到 14 位。把 `promoted` 改为 "never"：
误差随求和长度增长。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
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


def cut(x: Tensor, bits: int, rounding: str = "toward zero") -> Tensor:
    """x with so many significant bits."""
    mantissa, exponent = torch.frexp(x)                                # 0.5 ≤ |mantissa| < 1
    scaled = mantissa * 2.0**bits
    return torch.ldexp((scaled.trunc() if rounding == "toward zero" else scaled.round()) / 2.0**bits, exponent)


@exercise(claims=("promotion_ends_the_growth",), wrong=("never_promotes", "forgets_to_clear", "cuts_the_total"))
def dot(a: Tensor, b: Tensor, bits: int, interval: int) -> Tensor:
    """a @ b for a (m, k), b (k, n), in steps of 32 products. A narrow sum takes each step's exact sum and is cut to `bits`
    (by `cut`); every `interval` products, a multiple of 32 that divides k, it goes into a wide sum and starts again.

    a (m, k) 与 b (k, n) 的乘积，每步 32 个乘积。窄累加器加上每步的精确和，并（用 `cut`）截到 `bits` 位；
    每 `interval` 个乘积（32 的倍数，整除 k）
    加进宽累加器，然后清零。"""
    wide = torch.zeros(a.shape[0], b.shape[1], dtype=a.dtype)          # (m, n): FP32 on the card, exact here
    narrow = torch.zeros_like(wide)
    for start in range(0, a.shape[1], 32):
        narrow = cut(narrow + a[:, start:start + 32] @ b[start:start + 32], bits)
        if (start + 32) % interval == 0:
            wide += narrow                                             # promotion
            narrow = torch.zeros_like(narrow)
    return wide


def operands(products: int, signs: str) -> tuple[Tensor, Tensor]:
    """(16, k) and (k, 16) in E4M3."""
    a, b = torch.randn(16, products), torch.randn(products, 16)
    if signs == "one":
        a, b = a.abs(), b.abs()
    return a.to(torch.float8_e4m3fn).double(), b.to(torch.float8_e4m3fn).double()


def error(products: int, bits: int, interval: int, signs: str) -> float:
    a, b = operands(products, signs)
    exact = a @ b
    return ((dot(a, b, bits, interval) - exact).norm() / exact.norm()).item()


RANGES = {
    "products": each(between(512, 8192, multiple_of=512), at_least=2, rising=True), "bits": between(10, 20),
    "promoted": one_of("every 128", "never"),
    "rounding": one_of("toward zero", "nearest"),
}


@breaks(promoted="never", en="Never promoted, a sum of 4,096 products loses ten times as much as with promotion every 128.",
        zh="从不提升精度，4,096 个乘积之和的误差是每 128 个提升一次的十倍以上。")
def claim_promotion_ends_the_growth(products=(512, 1024, 4096), bits=14, promoted="every 128"):
    """Promoted to a wide sum every 128 products, sums of positive FP8 products err by 1e-4 at 14 bits, however long they
    are.

    每 128 个乘积提升到宽累加器一次，14 位累加的正数 FP8 乘积之和误差约 1e-4，与求和长度无关。"""
    off = {way: [error(k, bits, 128 if way == "every 128" else k, "one") for k in products] for way in ("every 128", "never")}
    show(lines("products in a sum", products, {f"relative error, promoted {way}": e for way, e in off.items()}, log="xy"))
    # each cut loses half a unit of the running sum, 0.72·2^-bits on average; four cuts at 1/4, 2/4, 3/4 and 4/4 of the part
    known = 0.72 * 2.0**-bits * 2.5
    expect("error over 0.72·2^−bits·2.5", [e / known for e in off[promoted]], equals=1, within=0.25, at=("products", list(products)))


@breaks(rounding="nearest", en="Rounded to nearest, errors of both signs cancel: the root of the number of steps, not the number.",
        zh="若取最近舍入，正负误差相互抵消：随步数的平方根增长，而不是成正比。")
def claim_cut_off_errors_add_up(products=(512, 1024, 4096), bits=14, rounding="toward zero"):
    """Cut off towards zero every 32 products and never promoted, sums of positive products err by 0.36·2^−bits per step:
    twice the length, twice the error.

    每 32 个乘积截断一次、从不提升时，正数乘积之和的误差约为步数乘 0.36·2^−bits：长度加倍，误差加倍。"""
    got = []
    for k in products:
        a, b = operands(k, "one")
        narrow = torch.zeros(16, 16, dtype=torch.float64)
        for start in range(0, k, 32):
            narrow = cut(narrow + a[:, start:start + 32] @ b[start:start + 32], bits, rounding)
        got.append(((narrow - a @ b).norm() / (a @ b).norm()).item())
    known = [0.36 * 2.0**-bits * (k // 32 + 1) for k in products]
    show(lines("products in a sum", products, {"relative error": got, "0.36·2^−bits·(steps + 1)": known}, log="xy"))
    expect("error over 0.36·2^−bits·(steps + 1)", [a / b for a, b in zip(got, known, strict=True)], equals=1, within=0.25,
           at=("products", list(products)))


def drill_error(rng) -> Drill:
    """How the error grows with the sum."""
    k, first, known = rng.choice([(4096, 1024, 0.08), (8192, 1024, 0.05), (16384, 4096, 0.3), (4096, 512, 0.04), (8192, 2048, 0.15)])
    value = known * k / first
    return Drill(
        en=f"FP8 products of one sign, added in a narrow accumulator that cuts off, lose {known:g} % over {first:,} "
           f"products. How much over {k:,} "
           "(%), without promotion?",
        zh=f"同号的 FP8 乘积在会截断的窄累加器里相加，{first:,} 个乘积损失 {known:g} %。不提升精度，{k:,} 个损失多少（%）？",
        answer=value, unit="%",
        steps=[(f"the error grows with the length: {k:,}/{first:,} = {k // first}",
                f"误差随长度成正比：{k:,}/{first:,} = {k // first}"),
               (f"{known:g} · {k // first} = {value:g} %", f"{known:g} · {k // first} = {value:g} %")],
        proved_by="cut_off_errors_add_up")


ZH = {
    "products in a sum": "一次求和的乘积数", "relative error, promoted {}": "相对误差，提升：{}",
    "every 128": "每 128 个", "never": "从不", "error over 0.72·2^−bits·2.5": "误差与 0.72·2^−bits·2.5 之比",
    "products": "乘积数", "relative error": "相对误差", "0.36·2^−bits·(steps + 1)": "0.36·2^−bits·(步数 + 1)",
    "error over 0.36·2^−bits·(steps + 1)": "误差与 0.36·2^−bits·(步数 + 1) 之比",
}

if __name__ == "__main__":
    main()
