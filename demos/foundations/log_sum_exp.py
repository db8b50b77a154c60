r"""A loss needs log-sum-exp: the logarithm of a softmax loses its value, and before that its gradient.

损失要用 log-sum-exp：先 softmax 再取 log，会丢掉数值，而且梯度丢得更早。

Blanchard, Higham & Higham 2019. Turn `written` to "log of softmax": the gradient is nan from 88.7 on.
把 `written` 改为 "log of softmax"：从 88.7 起梯度就是 nan。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("log_sum_exp_is_stable",), wrong=("naive", "forgets_the_maximum"))
def log_sum_exp(z: Tensor) -> Tensor:
    """ln Σ exp(z) over the last axis of z (…, classes), right at any finite logits.

    对 z（…, classes）的最后一维求 ln Σ exp(z)；任何有限的 logit 下都正确。"""
    top = z.amax(-1, keepdim=True)                                       # (…, 1)
    return top.squeeze(-1) + (z - top).exp().sum(-1).log()


@exercise(claims=("naive_gradient_is_nan_where_the_stable_one_is_right",),
          wrong=("log_of_softmax", "without_the_maximum", "sums_all_rows"))
def log_softmax(z: Tensor) -> Tensor:
    """ln softmax(z) over the last axis of z (…, classes), finite at any finite logits, and so is its gradient.

    对 z（…, classes）的最后一维求 ln softmax(z)；logit 有限时，结果与梯度都有限。"""
    shifted = z - z.amax(-1, keepdim=True)                               # (…, classes)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def naive(z: Tensor) -> Tensor:
    """ln Σ exp(z) as it stands."""
    return z.exp().sum(-1).log()


WAYS = {"log-sum-exp": lambda z: -log_softmax(z)[..., 0], "log of softmax": lambda z: -z.softmax(-1)[..., 0].log()}

RANGES = {
    "logits": each(between(-1000.0, 1000.0), at_least=1, rising=True),
    "classes": between(1, 1000),
    "form": one_of("shifted", "naive"),
    "gaps": each(between(0.0, 1000.0), at_least=1, rising=True),
    "written": one_of("log-sum-exp", "log of softmax"),
}


@breaks(form="naive", en="In fp32 it is inf above 88 and −inf below −104.", zh="fp32 下高于 88 得 inf，低于 −104 得 −inf。")
def claim_log_sum_exp_is_stable(logits=(-1000.0, -120.0, 0.0, 80.0, 100.0, 1000.0), classes=10, form="shifted"):
    """m + ln Σ exp(z − m) is right at any logit; ln Σ exp(z) is inf above 88 and −inf below −104 in fp32.

    m + ln Σ exp(z − m) 在任何 logit 处都对；fp32 下 ln Σ exp(z) 高于 88 得 inf，低于 −104 得 −inf。"""
    z = torch.tensor(logits)[:, None].expand(-1, classes)
    exact = torch.tensor([x + math.log(classes) for x in logits])
    near = torch.linspace(-130, 110, 49)
    flat = near[:, None].expand(-1, classes)
    show(lines("equal logits of", near, {"ln Σ exp(z)": naive(flat).clamp(-150, 150), "m + ln Σ exp(z − m)": log_sum_exp(flat)},
               y_label="inf drawn at 150"))
    got = log_sum_exp(z) if form == "shifted" else naive(z)
    # fp32 rounds to 6e-8 of the result, twice.
    expect("log-sum-exp less logit + ln n", got - exact, equals=0, within=1e-6 * (1 + exact.abs()), at=("logit", logits))


@breaks(written="log of softmax", en="1/p overflows beyond a gap of 88.7: the gradient is nan.",
        zh="差距超过 88.7 时 1/p 上溢，梯度为 nan。")
def claim_naive_gradient_is_nan_where_the_stable_one_is_right(
    gaps=(1.0, 10.0, 50.0, 88.0, 95.0, 150.0, 1000.0), written="log-sum-exp"
):
    """With the true class 88.7 or more below the maximum log(softmax) has a nan gradient in fp32; log-sum-exp keeps
    p − y.

    fp32 下，正确类别比最大值低 88.7 以上时，log(softmax) 的梯度是 nan；log-sum-exp 的梯度始终是 p − y。"""
    z = torch.tensor([[0.0, gap] for gap in gaps], requires_grad=True)   # the true class is the first, far below
    slopes = {name: torch.autograd.grad(loss(z).sum(), z)[0][:, 0] for name, loss in WAYS.items()}
    exact = torch.tensor([-1 / (1 + math.exp(-gap)) for gap in gaps])    # p − 1
    show(table({"logit gap": gaps, **slopes, "exact p − y": exact}))
    expect("gradient of the true logit less p − y", slopes[written].nan_to_num(nan=9.0) - exact, equals=0, within=1e-5,
           at=("gap", gaps))
    wide = torch.tensor([[0.0, gap] for gap in gaps], dtype=torch.float64)
    expect("log-softmax less torch's", log_softmax(wide) - wide.log_softmax(-1), equals=0, within=1e-12)
    at = torch.tensor([[0.0, 95.0]], requires_grad=True)
    (beyond,) = torch.autograd.grad(WAYS["log of softmax"](at).sum(), at)
    expect("gradient of log of softmax, 95 below", beyond[0, 0], equals="nan")


def drill_equal(rng) -> Drill:
    """log-sum-exp of equal logits."""
    n, ln, x = rng.choice([(2, 0.693, 1000), (8, 2.079, 500), (4, 1.386, -1000), (1024, 6.931, 100), (10, 2.303, -300)])
    value = log_sum_exp(torch.full((n,), float(x), dtype=torch.float64)).item()
    return Drill(
        en=f"{n} logits are all equal to {x}. What is their log-sum-exp? (ln {n} ≈ {ln})",
        zh=f"{n} 个 logit 都等于 {x}。它们的 log-sum-exp 是多少？（ln {n} ≈ {ln}）",
        answer=value, within=0.01,
        steps=[(f"m + ln Σ exp(z − m) = {x} + ln {n}",) * 2, (f"{x} + {ln} = {value:.3f}",) * 2],
        proved_by="log_sum_exp_is_stable",
    )

ZH = {
    "-inf": "-inf", "inf": "inf", "nan": "nan",
    "equal logits of": "相等的 logit", "ln Σ exp(z)": "ln Σ exp(z)", "m + ln Σ exp(z − m)": "m + ln Σ exp(z − m)",
    "inf drawn at 150": "inf 画在 150", "log-softmax less torch's": "log-softmax 与 torch 之差",
    "log-sum-exp less logit + ln n": "log-sum-exp 减 (logit + ln n)", "logit": "logit", "logit gap": "logit 差距",
    "log-sum-exp": "log-sum-exp", "log of softmax": "softmax 再取 log", "exact p − y": "精确值 p − y",
    "gradient of the true logit less p − y": "正确 logit 的梯度减 (p − y)", "gap": "差距",
    "gradient of log of softmax, 95 below": "低 95 时，softmax 再取 log 的梯度",
}

if __name__ == "__main__":
    main()
