r"""An 8-bit KV cache halves the bytes, and its error is that of rounding: a step over √12.

8-bit 的 KV cache 字节减半，误差就是舍入误差：步长除以 √12。

Symmetric int8 with one fp16 scale for each token and head: the largest |x| becomes 127. Turn
`rounding` to "down": the error doubles. Turn `scales` to "one": loud heads coarsen the quiet ones.
把 `rounding` 改为 "down"：误差翻倍；把 `scales` 改为 "one"：数值大的头会使数值小的头变粗糙。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show, table


def quantise(x: Tensor, scales: str, rounding: str = "nearest") -> tuple[Tensor, Tensor]:
    """int8 numbers, shaped as x (tokens, kv_heads, d_head), and the fp16 scales they go with."""
    largest = x.abs().amax(-1, keepdim=True)                             # (tokens, kv_heads, 1)
    if scales == "one":
        largest = largest.amax().view(1, 1, 1)
    scale = (largest / 127).half()
    steps = x / scale.float()
    whole = steps.round() if rounding == "nearest" else steps.floor()
    return whole.clamp(-128, 127).to(torch.int8), scale


RANGES = {
    "tokens": between(16, 1024),
    "kv_heads": between(2, 32),
    "d_head": between(32, 256),
    "scales": one_of("per token and head", "one"),
    "rounding": one_of("nearest", "down"),
}


@breaks(scales="one", en="One scale for all costs next to nothing, and is paid for in error.",
        zh="全体共用一个 scale 几乎不占字节，代价是误差。")
def claim_eight_bit_cache_halves_the_bytes(
    tokens=64, kv_heads=8, d_head=128, scales="per token and head"
):
    """An int8 cache is half the 16-bit one; a fp16 scale for each token and head of width 128 adds
    1.6 percent.

    int8 cache 是 16-bit 的一半；每个 token 每个头（宽 128）配一个 fp16 scale，再多 1.6%。"""
    x = torch.randn(tokens, kv_heads, d_head)
    small, scale = quantise(x, scales)
    sizes = [x.half().nbytes, small.nbytes, scale.nbytes]
    show(table({"": ["fp16", "int8", "scales"], "bytes": sizes}))
    expect("int8 over fp16", small.nbytes / x.half().nbytes, equals=0.5)
    expect("scales over int8", scale.nbytes / small.nbytes, equals=2 / d_head)


@breaks(rounding="down", en="Rounded down, the error is a step over √3: twice as large.",
        zh="向下取整，误差是步长除以 √3：翻倍。")
@breaks(scales="one", en="With one scale, the loudest head sets the step of the quietest.",
        zh="只用一个 scale，数值最大的头决定了最小的头的步长。")
def claim_the_error_is_a_step_over_root_twelve(
    tokens=256, kv_heads=8, d_head=128, scales="per token and head", rounding="nearest"
):
    """Rounding leaves an error of step/√12 in every head, loud or quiet, if each token and head has
    its own scale.

    若每个 token 每个头各有 scale，则无论数值大小，每个头的舍入误差都是 步长/√12。"""
    loudness = 4.0 ** (torch.arange(kv_heads) % 4)[:, None]              # heads of different size
    x = torch.randn(tokens, kv_heads, d_head) * loudness
    small, scale = quantise(x, scales, rounding)
    error = (small.float() * scale.float() - x).square().mean((0, 2)).sqrt()    # (kv_heads,)
    step = x.abs().amax(-1).square().mean(0).sqrt() / 127                        # (kv_heads,)
    show(lines("head", range(kv_heads), {"error": error, "step / √12": step / 12**0.5}, log="y"))
    # The mean of so many squares is off by 0.9 / √count, its root by half of that; the largest
    # number of each d_head is exact.
    slack = 6 * 0.45 / (tokens * d_head) ** 0.5 + 1 / d_head
    expect("error over step / √12", error / step * 12**0.5, equals=1, within=slack,
           at=("head", range(kv_heads)))


ZH = {
    "bytes": "字节数",
    "scales": "scale",
    "int8 over fp16": "int8 与 fp16 之比",
    "scales over int8": "scale 与 int8 之比",
    "head": "头",
    "error": "误差",
    "step / √12": "步长 / √12",
    "error over step / √12": "误差与 步长 / √12 之比",
}

if __name__ == "__main__":
    main()
