r"""Narrower operands raise a card's matmul rate, and each bit of mantissa given up doubles the error.

操作数越窄，卡的矩阵乘速率越高；尾数每少一位，误差翻倍。

Micikevicius et al. 2022 (the formats). Errors on a processor, with operands rounded and products summed in
float64; rates on a CUDA card by torch.matmul, torch._scaled_mm and torch._int_mm. Turn `scale` to 0.001:
without a scale of its own a tensor falls below what fp8 can hold.
把 `scale` 改为 0.001：张量若没有自己的缩放系数，就会落到 fp8 能表示的范围之下。
"""

import torch

from studyapp.evidence import bars, between, breaks, expect, main, needs, one_of, progress, show, timed
from studyapp.evidence.tools import cuda_seconds

FORMATS = {"fp16": (torch.float16, 10), "bf16": (torch.bfloat16, 7),
           "fp8 e4m3": (torch.float8_e4m3fn, 3), "fp8 e5m2": (torch.float8_e5m2, 2)}


def error(dtype: torch.dtype, width: int, scale: float) -> float:
    """What rounding both operands does to a product of (64, width) and (width, 64), over its size."""
    a, b = torch.randn(64, width, dtype=torch.float64) * scale, torch.randn(width, 64, dtype=torch.float64)
    exact, got = a @ b, a.to(dtype).double() @ b.to(dtype).double()
    return ((got - exact).norm() / exact.norm()).item()


RANGES = {
    "width": between(128, 1024),
    "scale": between(0.001, 8.0),
    "narrow": one_of("fp8", "fp32"),
}


@breaks(scale=0.001, en="Unscaled, the numbers lie below 2⁻⁶, where fp8 e4m3 loses its mantissa.",
        zh="不缩放，数值低于 2⁻⁶，fp8 e4m3 在那里失去尾数精度。")
def claim_each_mantissa_bit_halves_the_error(width=512, scale=1.0):
    """Rounding both operands of a matmul errs by about 0.6 times 2^−(mantissa bits + 1): 0.2 % in
    bf16, 4 % in fp8 e4m3.

    把矩阵乘的两个操作数都舍入，相对误差约为 0.6 乘以 2^−(尾数位数 + 1)：bf16 约 0.2 %，fp8 e4m3 约 4 %。"""
    got = {name: error(dtype, width, scale) for name, (dtype, _) in FORMATS.items()}
    show(bars(list(got), {"relative error": list(got.values())}, log="y"))
    # uniform in a rounding step: 2^-(bits+1) / sqrt(3), times 0.72 over a binade, times sqrt(2) operands
    expect("error times 2^(mantissa bits + 1)", [got[name] * 2 ** (bits + 1) for name, (_, bits)
           in FORMATS.items()], equals=0.6, within=0.12, at=("format", list(FORMATS)))


@breaks(narrow="fp32", en="fp32 products do not run on the tensor cores at the rate of bf16.",
        zh="fp32 乘法达不到 tensor core 上 bf16 的速率。")
@needs("cuda")
@timed
def claim_gpu_fp8_raises_the_rate(narrow="fp8"):
    """On a card with fp8 a large matmul runs at 1.3 times the rate of bf16 or more.

    在支持 fp8 的卡上，大矩阵乘的 fp8 速率至少是 bf16 的 1.3 倍。"""
    a, b = torch.randn(2, 8192, 8192, device="cuda")
    one = torch.ones((), device="cuda")
    products = {"fp32": lambda: a @ b}
    a16, b16, ah, bh = a.bfloat16(), b.bfloat16(), a.half(), b.half()
    products |= {"bf16": lambda: a16 @ b16, "fp16": lambda: ah @ bh}
    x8, y8 = (30 * a).to(torch.int8), (30 * b).to(torch.int8).T
    products["int8"] = lambda: torch._int_mm(x8, y8)
    if torch.cuda.get_device_capability() >= (8, 9):
        x, y = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn).T
        products["fp8"] = lambda: torch._scaled_mm(x, y, one, one, out_dtype=torch.bfloat16)
    rates = {name: 2 * 8192**3 / cuda_seconds(run) / 1e12 for name, run in progress(products.items())}
    show(bars(list(rates), {"TFLOP/s (int8: TOP/s)": list(rates.values())}))
    expect(f"rate of {narrow} over that of bf16",
           [rates[name] / rates["bf16"] for name in rates if name == narrow], at_least=1.3)


ZH = {
    "relative error": "相对误差",
    "format": "格式",
    "error times 2^(mantissa bits + 1)": "误差乘以 2^(尾数位数 + 1)",
    "TFLOP/s (int8: TOP/s)": "TFLOP/s（int8 为 TOP/s）",
    "rate of {} over that of bf16": "{} 与 bf16 的速率之比",
}

if __name__ == "__main__":
    main()
