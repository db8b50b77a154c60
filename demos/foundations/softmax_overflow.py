r"""exp overflows at ln(max of the format); subtracting the row maximum cures softmax and changes nothing.

exp 在 ln(该格式最大值) 处溢出；减去行最大值即可治好 softmax，结果不变。

Blanchard, Higham & Higham 2019 (arXiv:1909.03469).
Turn `formats`, `counts`, `logit`, `gaps`: where does the naive form die?
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}     # the integer as wide as the float


def naive(z: Tensor) -> Tensor:
    e = z.exp()
    return e / e.sum(-1, keepdim=True)


def shifted(z: Tensor) -> Tensor:
    return naive(z - z.amax(-1, keepdim=True))


def log_sum_exp(z: Tensor) -> Tensor:
    top = z.amax(-1, keepdim=True)
    return top.squeeze(-1) + (z - top).exp().sum(-1).log()


def last_finite(function, dtype: torch.dtype) -> Tensor:
    """The largest x ≥ 1 with finite function(x), by bisection: positive floats stand in the order of their bits."""
    bits = BITS[dtype.itemsize]
    low, high = (torch.tensor(x, dtype=dtype).view(bits).item() for x in (1.0, torch.finfo(dtype).max))
    while high - low > 1:
        middle = (low + high) // 2
        x = torch.tensor(middle, dtype=bits).view(dtype)
        low, high = (middle, high) if function(x).isfinite() else (low, middle)
    return torch.tensor(low, dtype=bits).view(dtype)


def claim_exp_overflows_at_a_dtype_threshold(formats=("float16", "bfloat16", "float32", "float64")):
    """exp overflows just above ln(max): near logit 11.09 in fp16, 88.7 in fp32 and bf16, 709.78 in fp64.

    exp 刚过 ln(max) 就溢出：fp16 约在 11.09，fp32 与 bf16 约在 88.7，fp64 约在 709.78。"""
    dtypes = [getattr(torch, name) for name in formats]
    found = [last_finite(torch.exp, d) for d in dtypes]
    limits = [math.log(torch.finfo(d).max) for d in dtypes]
    above = [x.nextafter(x.new_tensor(math.inf)).item() for x in found]
    spacing = [up - x.item() for up, x in zip(above, found, strict=True)]
    show(table({"format": formats, "largest number": [torch.finfo(d).max for d in dtypes], "ln of it": limits,
                "last x with finite exp": found, "next x up": above}))
    expect("the last logit whose exp is finite", [x.item() for x in found], equals=limits, within=spacing,
           at=("format", formats))


def claim_many_logits_overflow_earlier(counts=(1, 8, 64, 512), dtype="float16"):
    """The sum overflows before its terms: n equal logits fail at ln(max/n), silently, as zeros and not as nan.

    求和比单项更早溢出：n 个相等的 logit 在 ln(max/n) 处就失败，
    而且悄无声息：得到的是 0 而不是 nan。"""
    kind = getattr(torch, dtype)
    found = [last_finite(lambda x, n=n: x.expand(n).exp().sum(), kind) for n in counts]
    limits = [math.log(torch.finfo(kind).max / n) for n in counts]
    above = [x.nextafter(x.new_tensor(math.inf)) for x in found]
    totals = [naive(x.expand(n)).float().sum() for x, n in zip(above, counts, strict=True)]
    show(table({"equal logits": counts, "ln(max/n)": limits, "last x that works": found,
                "naive probabilities sum to, one x up": totals}),
         lines("n", counts, {"last x that works": found, "ln(max/n)": limits}, log="x"))
    slack = [(up - x).item() + 2 * torch.finfo(kind).eps for up, x in zip(above, found, strict=True)]
    expect("the last logit that works", [x.item() for x in found], equals=limits, within=slack, at=("n", counts))
    several = [t for t, n in zip(totals, counts, strict=True) if n > 1]
    expect("naive probabilities, summed, just above it", several, equals=0, at=("n", [n for n in counts if n > 1]))


def claim_max_shift_leaves_softmax_unchanged(formats=("float16", "bfloat16", "float32", "float64"), scale=2.0,
                                             classes=32):
    """Where the naive form works, subtracting the maximum, or any constant, gives the same probabilities to rounding.

    在朴素写法可用之处，减去最大值（或任何常数），概率在舍入误差内不变。"""
    z = scale * torch.randn(64, classes, dtype=torch.float64)
    rows = []
    for name in formats:
        x = z.to(getattr(torch, name))
        gap = ((shifted(x).double() - naive(x).double()).abs() / naive(x).double()).max().item()
        width = (x.double().amax(-1) - x.double().amin(-1)).max().item()
        rows.append((name, gap, (width + 8) * torch.finfo(x.dtype).eps))   # δ in z is a factor 1 + δ in exp(z)
    show(table(("format", "largest relative difference", "allowed by rounding"), rows))
    expect("relative difference of shifted and naive softmax", [r[1] for r in rows], at_most=[r[2] for r in rows],
           at=("format", formats))
    constants = (-300.0, -7.5, 7.5, 300.0)
    moved = [(naive(z + c) - naive(z)).abs().max() for c in constants]
    show(table({"constant added": constants, "largest difference (fp64)": moved}))
    expect("softmax(z + c) − softmax(z)", moved, equals=0, within=1e-12, at=("c", constants))


def claim_shifted_softmax_never_overflows(formats=("float16", "bfloat16", "float32", "float64"), logit=1000.0):
    """However large the finite logits, the shifted form is a distribution; its largest exponent is 0.

    有限的 logit 再大，平移后的写法仍是概率分布：其最大指数是 0。"""
    rows = []
    for name in formats:
        kind = getattr(torch, name)
        ends = torch.tensor([torch.finfo(kind).max, torch.finfo(kind).min, 0], dtype=kind)
        for label, z in (("logit, −logit, 0", torch.tensor([logit, -logit, 0], dtype=kind)), ("max, −max, 0", ends)):
            denominator = (z - z.max()).exp().sum()
            rows.append((name, label, naive(z)[0], shifted(z)[0], shifted(z).float().sum(), denominator))
    show(table(("format", "logits", "naive, first class", "shifted, first class", "shifted, sum", "denominator"), rows))
    expect("the shifted denominator", [r[5] for r in rows], at_least=1)
    expect("the shifted denominator over n", [r[5] / 3 for r in rows], at_most=1)
    expect("the sum of the shifted softmax", [r[4] for r in rows], equals=1, within=0.01)
    expect("the first class, shifted", [r[3] for r in rows], equals=1, within=0.01)
    expect("the first class, naive", [r[2] for r in rows], equals=math.nan)
    z = torch.tensor([1000.0, 1001.0, 1002.0])
    show(table({"logit": z, "naive": naive(z), "shifted": shifted(z), "torch.softmax": z.softmax(-1)}))
    exact = [math.exp(k) / (1 + math.e + math.e**2) for k in range(3)]
    expect("shifted softmax of 1000, 1001, 1002", shifted(z), equals=exact, within=1e-6)


def claim_infinite_logits_stay_nan():
    """The shift does not help a logit of +inf, nor a row masked to −inf everywhere: inf − inf is nan.

    平移救不了 +inf 的 logit，也救不了整行都被掩成 −inf 的情形：inf − inf 是 nan。"""
    z = torch.tensor([[0.0, 1.0, math.inf], [-math.inf] * 3, [0.0, 1.0, -math.inf], [0.0, 1.0, -1e4]])
    p = shifted(z)
    written = [[", ".join(f"{v:.4g}" for v in row) for row in rows] for rows in (z, p)]
    show(table({"logits": written[0], "shifted softmax": written[1]}))
    expect("probability of the first class (+inf present; all −inf)", p[:2, 0], equals=math.nan)
    expect("probabilities with one class masked, summed", p[2:].sum(-1), equals=1, within=1e-6)


def claim_log_sum_exp_is_stable(logits=(-1000.0, -120.0, 0.0, 80.0, 100.0, 1000.0), classes=10):
    """m + ln Σ exp(z − m) is right at any logit; ln Σ exp(z) is inf above 88 and −inf below −104 in fp32.

    m + ln Σ exp(z − m) 在任何 logit 处都对；fp32 下 ln Σ exp(z) 高于 88 得 inf，低于 −104 得 −inf。"""
    z = torch.tensor(logits)[:, None].expand(-1, classes)
    stable, exact = log_sum_exp(z), [c + math.log(classes) for c in logits]
    show(table({"equal logits of": logits, "ln Σ exp(z)": z.exp().sum(-1).log(),
                "m + ln Σ exp(z − m)": stable, "exact: logit + ln n": exact}))
    expect("log-sum-exp", stable, equals=exact, within=[1e-6 * (abs(x) + 1) for x in exact], at=("logit", logits))
    plain = z.exp().sum(-1).log()
    expect("the naive log-sum-exp at the smallest and largest logit", plain[[0, -1]], equals=[-math.inf, math.inf])


def claim_naive_gradient_is_nan_where_the_stable_one_is_right(gaps=(1.0, 10.0, 50.0, 88.0, 95.0, 150.0, 1000.0)):
    """Even log(shifted softmax) has a nan gradient once 1/p overflows, 88.7 below the
    maximum in fp32; log_softmax stays at p − y.

    正确类别的 1/p 一旦上溢（fp32 下比最大值低 88.7），log(平移后的 softmax) 的梯度就是 nan；
    log_softmax 的梯度始终是 p − y。"""
    losses = {"log(naive)": lambda z: -naive(z)[0].log(), "log(shifted)": lambda z: -shifted(z)[0].log(),
              "log_softmax": lambda z: log_sum_exp(z) - z[0]}
    slopes = {name: [] for name in losses}
    for gap in gaps:
        for name, loss in losses.items():
            z = torch.tensor([0.0, gap], requires_grad=True)                 # the true class is the first, far below
            (slope,) = torch.autograd.grad(loss(z), z)
            slopes[name].append(slope[0].item())
    exact = [-1 / (1 + math.exp(-gap)) for gap in gaps]                      # p₀ − 1
    show(table({"logit gap": gaps, **slopes, "exact p − y": exact}, title="∂loss/∂z of the true class"))
    expect("gradient by log_softmax", slopes["log_softmax"], equals=exact, within=1e-6, at=("gap", gaps))
    edge = math.log(torch.finfo(torch.float32).max)                         # 1/p overflows beyond this gap
    far = [(a, b) for gap, a, b in zip(gaps, slopes["log(naive)"], slopes["log(shifted)"], strict=True) if gap > edge]
    expect(f"gradients by log(softmax) at gaps above {edge:.1f}", far, equals=math.nan)
    near = [(gap, b, e) for gap, b, e in zip(gaps, slopes["log(shifted)"], exact, strict=True) if gap < edge]
    expect("gradient by log(shifted) below that", [b for _, b, _ in near], equals=[e for _, _, e in near], within=1e-5,
           at=("gap", [gap for gap, _, _ in near]))


if __name__ == "__main__":
    main()
