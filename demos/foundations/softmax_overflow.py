r"""exp overflows at ln(max of the format); subtracting the row maximum cures softmax and changes nothing.

exp 在 ln(该格式最大值) 处溢出；减去行最大值即可治好 softmax，结果不变。

Blanchard, Higham & Higham 2019. Turn `written` to "naive": where does it die? 把 `written` 改为 "naive"，看它在哪里失效。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, exercise, expect, main, one_of, show, table

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}     # the integer as wide as the float


def naive(z: Tensor) -> Tensor:
    """Softmax over the last axis as the formula has it."""
    e = z.exp()
    return e / e.sum(-1, keepdim=True)


@exercise(claims=("shifted_softmax_never_overflows", "max_shift_leaves_softmax_unchanged"),
          wrong=("naive", "maximum_of_all", "adds_the_maximum"))
def shifted(z: Tensor) -> Tensor:
    """Softmax over the last axis of z (…, classes) that cannot overflow for finite logits.

    对 z（…, classes）的最后一维做 softmax；logit 只要有限就不会溢出。"""
    e = (z - z.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


WAYS = {"shifted": shifted, "naive": naive}


def last_finite(function, dtype: torch.dtype) -> Tensor:
    """The largest x ≥ 1 with finite function(x), by bisection: positive floats stand in the order of their bits."""
    bits = BITS[dtype.itemsize]
    low, high = (torch.tensor(x, dtype=dtype).view(bits).item() for x in (1.0, torch.finfo(dtype).max))
    while high - low > 1:
        middle = (low + high) // 2
        x = torch.tensor(middle, dtype=bits).view(dtype)
        low, high = (middle, high) if function(x).isfinite() else (low, middle)
    return torch.tensor(low, dtype=bits).view(dtype)


FORMATS = ("float16", "bfloat16", "float32", "float64")

RANGES = {
    "limit": one_of("ln(max)", "ln(max) of fp16"),
    "counts": each(between(2, 512), at_least=1, rising=True),
    "terms": one_of("n", "1"),
    "added": one_of("a constant per row", "a constant per class"),
    "written": one_of("shifted", "naive"),
    "logit": between(1000.0, 60000.0),
    "hidden": one_of("one class", "every class"),
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
    show(table({"equal logits": counts, "ln(max/n)": limits, "last x that works": found,
                "naive probabilities sum to, one x up": totals}))
    slack = [(up - x).item() + 2 * torch.finfo(half).eps for up, x in zip(above, found, strict=True)]
    expect("the last logit that works", [x.item() for x in found], equals=limits, within=slack, at=("n", counts))
    expect("naive probabilities, summed, just above it", totals, equals=0, at=("n", counts))


@breaks(added="a constant per class", en="The factor cancels only if it is the same for all classes of a row.",
        zh="只有同一行各类别加的是同一个常数，因子才约得掉。")
def claim_max_shift_leaves_softmax_unchanged(added="a constant per row"):
    """Where the naive form works, subtracting the maximum, or any constant, gives the same probabilities to rounding.

    在朴素写法可用之处，减去最大值（或任何常数），概率在舍入误差内不变。"""
    z = 2 * torch.randn(64, 32, dtype=torch.float64)
    gaps, allowed = [], []
    for name in FORMATS:
        x = z.to(getattr(torch, name))
        gaps.append(((shifted(x).double() - naive(x).double()).abs() / naive(x).double()).max().item())
        width = (x.double().amax(-1) - x.double().amin(-1)).max().item()
        allowed.append((width + 8) * torch.finfo(x.dtype).eps)           # δ in z is a factor 1 + δ in exp(z)
    show(table({"format": FORMATS, "largest relative difference": gaps, "allowed by rounding": allowed}))
    over = [g / a for g, a in zip(gaps, allowed, strict=True)]
    expect("relative difference over what rounding allows", over, at_most=1, at=("format", FORMATS))
    constants = 7.5 * torch.randn(64, 1 if added == "a constant per row" else 32, dtype=torch.float64)
    expect("softmax(z + c) − softmax(z)", shifted(z + constants) - naive(z), equals=0, within=1e-12)


@breaks(written="naive", en="exp(1000) is inf in every format, and inf over inf is nan.",
        zh="exp(1000) 在每种格式下都是 inf，inf/inf 就是 nan。")
def claim_shifted_softmax_never_overflows(logit=1000.0, written="shifted"):
    """However large the finite logits, the shifted form is a distribution: 1000, 1001, 1002 give 0.090, 0.245, 0.665.

    有限的 logit 再大，平移后的写法仍是概率分布：1000、1001、1002 得 0.090、0.245、0.665。"""
    exact = [math.exp(k) / (1 + math.e + math.e**2) for k in range(3)]
    z = torch.tensor([[logit, logit + 1, logit + 2], [0.0, 1.0, 2.0]], dtype=torch.float64)
    got = WAYS[written](z)
    show(table({"logits": [f"{x:g}" for x in z[0].tolist()], "naive": naive(z)[0], "shifted": shifted(z)[0]}))
    broken = []
    for name in FORMATS:
        kind = getattr(torch, name)
        ends = torch.tensor([torch.finfo(kind).max, torch.finfo(kind).min, 0], dtype=kind)
        broken.append(int((~WAYS[written](ends).isfinite()).sum()))
    expect("probabilities that are not finite, at the ends of each format", broken, equals=0, at=("format", FORMATS))
    got = got.nan_to_num(nan=-1.0)                                       # so that a nan is a wrong number
    expect("probabilities of three neighbouring logits, at any height", got, equals=[exact, exact], within=1e-9)


@breaks(hidden="every class", en="A row masked everywhere is −∞ − (−∞), nan, shift or no shift.",
        zh="整行都被掩时是 −∞ − (−∞)，平移与否都是 nan。")
def claim_infinite_logits_stay_nan(hidden="one class"):
    """A class masked to −∞ gets exactly 0. The shift does not help a logit of +∞: inf − inf is nan, as it is in a row
    masked everywhere.

    被掩成 −∞ 的类别恰好得 0；但平移救不了 +∞ 的 logit：inf − inf 是 nan，整行都被掩时同样如此。"""
    z = torch.tensor([0.0, 1.0, -math.inf]) if hidden == "one class" else torch.full((3,), -math.inf)
    blown, empty = shifted(torch.tensor([0.0, 1.0, math.inf])), shifted(torch.full((3,), -math.inf))
    show(table({"class": range(3), "one masked": shifted(torch.tensor([0.0, 1.0, -math.inf])), "+inf present": blown,
                "all masked": empty}))
    expect("probability with +inf present", blown[-1], equals="nan")
    expect("probabilities, all masked", empty, equals="nan")
    left = shifted(z)
    expect("number of nan where one class is masked", int(left.isnan().sum()), equals=0)
    expect("probability of the masked class", left[-1], equals=0)


ZH = {
    "nan": "nan", "format": "格式", "ln of the largest number": "最大数的 ln", "last x with finite exp": "exp 有限的最后一个 x",
    "the last logit whose exp is finite": "exp 有限的最后一个 logit", "equal logits": "相等 logit 的个数",
    "ln(max/n)": "ln(max/n)", "last x that works": "可用的最后一个 x",
    "naive probabilities sum to, one x up": "再大一格时，朴素概率之和", "the last logit that works": "可用的最后一个 logit",
    "naive probabilities, summed, just above it": "刚超过时，朴素概率之和", "largest relative difference": "最大相对差",
    "allowed by rounding": "舍入所允许", "relative difference over what rounding allows": "相对差与舍入所允许之比",
    "softmax(z + c) − softmax(z)": "softmax(z + c) − softmax(z)", "logits": "logits", "naive": "朴素", "shifted": "平移",
    "probabilities that are not finite, at the ends of each format": "各格式两端：非有限的概率个数",
    "probabilities of three neighbouring logits, at any height": "三个相邻 logit 的概率，不论高低", "class": "类别",
    "one masked": "掩一类", "+inf present": "含 +inf", "all masked": "全被掩", "probability with +inf present": "含 +inf 时的概率",
    "probabilities, all masked": "全被掩时的概率", "number of nan where one class is masked": "掩一类时 nan 的个数",
    "probability of the masked class": "被掩类别的概率",
}

if __name__ == "__main__":
    main()
