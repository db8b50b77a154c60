r"""Subtracting the row maximum keeps softmax from overflowing and changes nothing else.

减去行最大值，softmax 就不会上溢，结果不变。

Blanchard, Higham & Higham 2019. Turn `written` to "naive": three logits of 1000 give nan.
把 `written` 改为 "naive"：三个 1000 上下的 logit 就得 nan。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, main, one_of, show, table


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
FORMATS = ("float16", "bfloat16", "float32", "float64")

RANGES = {
    "added": one_of("a constant per row", "a constant per class"),
    "written": one_of("shifted", "naive"),
    "logit": between(1000.0, 60000.0),
    "hidden": one_of("one class", "every class"),
}


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
    show(bars(FORMATS, {"largest relative difference": gaps, "allowed by rounding": allowed}, log="y"))
    over = [g / a for g, a in zip(gaps, allowed, strict=True)]
    expect("relative difference over what rounding allows", over, at_most=1, at=("format", FORMATS))
    constants = 7.5 * torch.randn(64, 1 if added == "a constant per row" else 32, dtype=torch.float64)
    expect("softmax(z + c) − softmax(z)", shifted(z + constants) - naive(z), equals=0, within=1e-12)


@breaks(written="naive", en="exp(1000) is inf in every format, and inf over inf is nan.",
        zh="exp(1000) 在每种格式下都是 inf，inf/inf 就是 nan。")
def claim_shifted_softmax_never_overflows(logit=1000.0, written="shifted"):
    """However large the finite logits, the shifted form is a distribution: 1000, 1001, 1002 give 0.090,
    0.245, 0.665. Its denominator is at most n, and n itself must fit.

    有限的 logit 再大，平移后的写法仍是概率分布：1000、1001、1002 得 0.090、0.245、0.665。分母至多为 n，n 本身须放得下。"""
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
    half = torch.full((70_000,), 1000.0, dtype=torch.float16)
    below = [(half[:n] - half[:n].max()).exp().sum() for n in (1000, 65_504, 70_000)]
    expect("shifted denominator of 1,000 and of 65,504 equal terms in fp16", below[:2], equals=[1000, 65_504])
    expect("of 70,000, more than fp16's largest number", below[2], equals=math.inf)
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
    "nan": "nan", "format": "格式", "largest relative difference": "最大相对差",
    "allowed by rounding": "舍入所允许", "relative difference over what rounding allows": "相对差与舍入所允许之比",
    "softmax(z + c) − softmax(z)": "softmax(z + c) − softmax(z)", "logits": "logits", "naive": "朴素", "shifted": "平移",
    "probabilities that are not finite, at the ends of each format": "各格式两端：非有限的概率个数",
    "shifted denominator of 1,000 and of 65,504 equal terms in fp16": "fp16 下 1,000 个与 65,504 个相等项平移后的分母",
    "of 70,000, more than fp16's largest number": "70,000 个（超过 fp16 的最大数）的分母",
    "probabilities of three neighbouring logits, at any height": "三个相邻 logit 的概率，不论高低", "class": "类别",
    "one masked": "掩一类", "+inf present": "含 +inf", "all masked": "全被掩", "probability with +inf present": "含 +inf 时的概率",
    "probabilities, all masked": "全被掩时的概率", "number of nan where one class is masked": "掩一类时 nan 的个数",
    "probability of the masked class": "被掩类别的概率", "inf": "inf",
}

if __name__ == "__main__":
    main()
