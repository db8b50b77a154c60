r"""exp overflows at ln(max of the format), and a sum of n equal terms at ln(max/n).

exp 在 ln(该格式最大值) 处上溢，n 个相等的项求和则在 ln(max/n) 处上溢。

Turn `terms` to "1": each term fits, and the sum does not. 把 `terms` 改为 "1"：每一项都放得下，求和却放不下。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}     # the integer as wide as the float
FORMATS = ("float16", "bfloat16", "float32", "float64")


def naive(z: Tensor) -> Tensor:
    """Softmax over the last axis as the formula has it."""
    e = z.exp()
    return e / e.sum(-1, keepdim=True)


def last_finite(function, dtype: torch.dtype) -> Tensor:
    """The largest x ≥ 1 with finite function(x), by bisection: positive floats stand in the order of their bits."""
    bits = BITS[dtype.itemsize]
    low, high = (torch.tensor(x, dtype=dtype).view(bits).item() for x in (1.0, torch.finfo(dtype).max))
    while high - low > 1:
        middle = (low + high) // 2
        x = torch.tensor(middle, dtype=bits).view(dtype)
        low, high = (middle, high) if function(x).isfinite() else (low, middle)
    return torch.tensor(low, dtype=bits).view(dtype)


RANGES = {
    "limit": one_of("ln(max)", "ln(max) of fp16"),
    "counts": each(between(2, 512), at_least=2, rising=True),
    "terms": one_of("n", "1"),
}


@breaks(limit="ln(max) of fp16", en="The threshold is the format's own: bf16 reaches as far as fp32.",
        zh="阈值由格式决定：bf16 与 fp32 一样远。")
def claim_exp_overflows_at_a_dtype_threshold(limit="ln(max)"):
    """exp overflows just above ln(max): near logit 11.09 in fp16, 88.7 in fp32 and bf16, 709.78 in fp64.

    exp 刚过 ln(max) 就溢出：fp16 约在 11.09，fp32 与 bf16 约在 88.7，fp64 约在 709.78。"""
    kinds = [getattr(torch, name) for name in FORMATS]
    found = [last_finite(torch.exp, d) for d in kinds]
    limits = [math.log(torch.finfo(d if limit == "ln(max)" else torch.float16).max) for d in kinds]
    spacing = [x.nextafter(x.new_tensor(math.inf)).item() - x.item() for x in found]
    show(table({"format": FORMATS, "ln of the largest number": limits, "last x with finite exp": found}))
    expect("the last logit whose exp is finite", [x.item() for x in found], equals=limits, within=spacing,
           at=("format", FORMATS))


@breaks(terms="1", en="Each term fits, so ln(max) seems enough; their sum does not fit.",
        zh="每一项都放得下，似乎 ln(max) 就够；求和却放不下。")
def claim_many_logits_overflow_earlier(counts=(2, 8, 64, 512), terms="n"):
    """In fp16 the sum overflows before its terms: n equal logits fail at ln(max/n), silently, as zeros.

    fp16 下求和比单项更早溢出：n 个相等的 logit 在 ln(max/n) 处就失败，不报错，只得到 0。"""
    half = torch.float16
    found = [last_finite(lambda x, n=n: x.expand(n).exp().sum(), half) for n in counts]
    limits = [math.log(torch.finfo(half).max / (n if terms == "n" else 1)) for n in counts]
    above = [x.nextafter(x.new_tensor(math.inf)) for x in found]
    totals = [naive(x.expand(n)).float().sum() for x, n in zip(above, counts, strict=True)]
    show(lines("equal logits", counts, {"last x that works": found, "ln(max/n)": limits}, log="x"))
    slack = [(up - x).item() + 2 * torch.finfo(half).eps for up, x in zip(above, found, strict=True)]
    expect("the last logit that works", [x.item() for x in found], equals=limits, within=slack, at=("n", counts))
    expect("naive probabilities, summed, just above it", totals, equals=0, at=("n", counts))


def drill_equal_logits(rng) -> Drill:
    """How many equal fp16 logits it takes."""
    x, e = rng.choice([(10, 22026), (9, 8103), (8, 2981), (7, 1097)])
    half = torch.tensor(x, dtype=torch.float16)
    n = next(n for n in range(1, 100) if not half.expand(n).float().exp().sum() <= torch.finfo(torch.float16).max)
    return Drill(
        en=f"The largest fp16 number is 65,504, and e^{x} ≈ {e:,}. How many logits equal to {x} does it take for the sum of a "
           "softmax without the shift to exceed it, all in fp16?",
        zh=f"fp16 的最大数是 65,504，e^{x} ≈ {e:,}。全程用 fp16、不做平移的 softmax，要有几个等于 {x} 的 logit，求和才会超过它？",
        answer=n, within=0,
        steps=[(f"65,504 / {e:,} = {65504 / e:.2f}",) * 2, (f"the next whole number: {n}", f"向上取整：{n}")],
        proved_by="many_logits_overflow_earlier",
    )


ZH = {
    "format": "格式", "ln of the largest number": "最大数的 ln", "last x with finite exp": "exp 有限的最后一个 x",
    "the last logit whose exp is finite": "exp 有限的最后一个 logit", "equal logits": "相等 logit 的个数",
    "ln(max/n)": "ln(max/n)", "last x that works": "可用的最后一个 x", "the last logit that works": "可用的最后一个 logit",
    "naive probabilities, summed, just above it": "刚超过时，朴素概率之和", "n": "n",
}

if __name__ == "__main__":
    main()
