r"""BatchNorm ties every token to its batch mates and, in training, to the future; LayerNorm ties it to nothing.

BatchNorm 把每个 token 与同批的其他样本、训练时还与未来的 token 绑在一起；LayerNorm 谁也不绑。

Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016. Turn `mode` to "eval": with stored statistics the leak is gone,
so a causal model is trained with a leak and decodes without it. 把 `mode` 改为 "eval"：用存下的统计量，泄漏就消失了：
因果模型训练时有泄漏，解码时没有。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show


@exercise(
    claims=("statistics_are_those_of_torch", "padding_mixes_into_the_statistics"),
    wrong=("unbiased_inside", "per_position", "keeps_the_padding", "divides_by_all"),
)
def statistics(x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (width,) of BatchNorm over batch and tokens of x (batch, tokens, width), of the
    tokens where keep (batch, tokens) is true.

    BatchNorm 对 x (batch, tokens, width) 的 batch 与 token 求得的均值与有偏方差 (width,)，只统计 keep (batch, tokens)
    为真的 token。"""
    kept = x[keep]                                                        # (kept tokens, width)
    mean = kept.mean(0)
    return mean, (kept - mean).square().mean(0)


def norm(x: Tensor, kind: str, mode: str, eps: float) -> Tensor:
    """x (batch, tokens, width) by LayerNorm, or by BatchNorm with the statistics of x or with stored ones."""
    if kind == "layer":
        mean = x.mean(-1, keepdim=True)
        return (x - mean) / ((x - mean).square().mean(-1, keepdim=True) + eps).sqrt()
    if mode == "train":
        mean, variance = statistics(x, torch.ones(x.shape[:2], dtype=torch.bool))
    else:
        mean, variance = torch.zeros(x.shape[-1]), torch.ones(x.shape[-1])   # of the data: N(0, 1)
    return (x - mean) / (variance + eps).sqrt()


RANGES = {
    "batch": between(2, 16),
    "tokens": between(4, 32),
    "width": between(8, 64),
    "eps": between(1e-6, 1e-3),
    "kind": one_of("batch", "layer"),
    "mode": one_of("train", "eval"),
    "variance_of": one_of("all", "all less one"),
    "fractions": each(between(0.0, 0.9), at_least=1, rising=True),
    "mean": between(-5.0, 5.0),
    "padding": one_of("counted", "left out"),
}


@breaks(variance_of="all less one", en="BatchNorm divides by n inside; the n − 1 is kept for running_var alone.",
        zh="BatchNorm 内部除以 n；只有 running_var 才除以 n − 1。")
def claim_statistics_are_those_of_torch(batch=4, tokens=8, width=16, eps=1e-5, variance_of="all"):
    """In training BatchNorm divides by √(biased variance + ε) of the batch; what it stores for eval is the
    unbiased variance.

    训练时 BatchNorm 除以 √(本批有偏方差 + ε)；为推理存下的却是无偏方差。"""
    x = 2 * torch.randn(batch, tokens, width, dtype=torch.float64) + 1
    module = torch.nn.BatchNorm1d(width, eps=eps, momentum=1.0, dtype=torch.float64)
    out = module(x.mT).mT.detach()                                        # it wants (batch, width, tokens)
    n = batch * tokens
    mean, variance = statistics(x, torch.ones(batch, tokens, dtype=torch.bool))
    used = variance if variance_of == "all" else variance * n / (n - 1)
    show(bars(["inside", "running_var"], {"variance of feature 0": [variance[0], module.running_var[0]]}))
    expect("output less nn.BatchNorm1d's", (x - mean) / (used + eps).sqrt() - out, equals=0, within=1e-11)
    expect("running_var over the biased variance, times (n − 1)/n", module.running_var / variance * (n - 1) / n,
           equals=1, within=1e-11)


@breaks(kind="batch", en="BatchNorm's statistics are made of the batch mates.", zh="BatchNorm 的统计量就由同批样本构成。")
def claim_layernorm_ignores_batch_mates(batch=4, tokens=8, width=16, eps=1e-5, kind="layer"):
    """Other samples in the batch do not move a token's LayerNorm output at all; BatchNorm's, in training, they
    move by much of its size.

    同批的其他样本丝毫不影响一个 token 的 LayerNorm 输出；训练时 BatchNorm 的输出则会大幅改变。"""
    x, other = torch.randn(2, batch, tokens, width, dtype=torch.float64)
    mixed = torch.cat((x[:1], 3 * other[1:] + 2))                         # the first sample stays
    moved = {k: (norm(mixed, k, "train", eps) - norm(x, k, "train", eps))[0].abs().mean() for k in ("layer", "batch")}
    show(bars(["LayerNorm", "BatchNorm"], {"mean change of sample 0": [moved["layer"], moved["batch"]]}))
    expect("mean change of sample 0", moved[kind], equals=0, within=1e-14)
    # Means of 2(B − 1)/B and more, over deviations of up to 4: above 0.2 from B = 2 on.
    expect("the same by BatchNorm", moved["batch"], at_least=0.2)


@breaks(mode="eval", en="With stored statistics BatchNorm is a fixed affine map: no token sees another.",
        zh="用存下的统计量，BatchNorm 就是固定的仿射变换：token 之间互不可见。")
@breaks(kind="layer", en="LayerNorm reads one token only, in either mode.", zh="LayerNorm 两种模式下都只读一个 token。")
def claim_batchnorm_sees_the_future_in_training(batch=2, tokens=6, width=8, eps=1e-5, kind="batch", mode="train"):
    """In training BatchNorm lets an earlier token see a later one: of n pooled numbers the output moves by
    −(1 + x̂ₜx̂ₛ)/(nσ). In eval nothing of it is left.

    训练时 BatchNorm 让前面的 token 看到后面的：统计 n 个数时，输出的变化率是 −(1 + x̂ₜx̂ₛ)/(nσ)；推理时完全消失。"""
    x = torch.randn(batch, tokens, width, dtype=torch.float64)

    def feature(column: Tensor) -> Tensor:                                # feature 0 of sample 0
        y = torch.cat((column[:, None], x[0, :, 1:]), 1)
        return norm(torch.cat((y[None], x[1:])), kind, mode, eps)[0, :, 0]

    jacobian = torch.autograd.functional.jacobian(feature, x[0, :, 0])    # (token out, token in)
    pooled = x[..., 0].flatten()
    sigma = (pooled.var(correction=0) + eps).sqrt()
    hat = (x[0, :, 0] - pooled.mean()) / sigma
    formula = -(1 + hat[:, None] * hat) / (len(pooled) * sigma)
    show(heatmap(jacobian.abs(), x_label="token in", y_label="token out", title=f"|∂out/∂in|, {kind}, {mode}"))
    later = torch.ones(tokens, tokens).triu(1).bool()
    expect("effect of later tokens on earlier ones, less the formula", jacobian[later] - formula[later], equals=0,
           within=1e-11)


@breaks(padding="left out", en="Masked out of the statistics, padding does no harm.", zh="统计时掩掉 padding，就没有影响。")
def claim_padding_mixes_into_the_statistics(fractions=(0.0, 0.25, 0.5, 0.75), mean=2.0, tokens=8, width=16,
                                            padding="counted"):
    """A fraction f of zero padding turns mean μ and variance σ² into (1 − f)μ and (1 − f)σ² + f(1 − f)μ².

    零填充占比 f 时，均值 μ、方差 σ² 变为 (1 − f)μ 与 (1 − f)σ² + f(1 − f)μ²。"""
    real = torch.randn(100, tokens, width, dtype=torch.float64)           # (batch, tokens, width)
    everything = torch.ones(100, tokens, dtype=torch.bool)
    m, v = statistics(real, everything)
    real = (real - m) / v.sqrt() + mean                                   # exactly mean μ, variance 1
    means, variances, formula, masked = [], [], [], []
    for f in fractions:
        extra = round(100 * f / (1 - f))                                  # so many rows of padding
        x = torch.cat((real, torch.zeros(extra, tokens, width, dtype=torch.float64)))
        keep = torch.ones(x.shape[:2], dtype=torch.bool)
        if padding == "left out":
            keep[100:] = False
        seen, spread = statistics(x, keep)
        masked.append(statistics(x, torch.arange(100 + extra)[:, None].expand(-1, tokens) < 100)[1].mean())
        share = extra / (100 + extra)
        means.append(seen.mean() - (1 - share) * mean)
        variances.append(spread.mean())
        formula.append(1 - share + share * (1 - share) * mean**2)
    show(lines("share of padding", fractions, {"variance that BatchNorm sees": variances,
                                              "padding masked out": masked}))
    expect("mean less (1 − f)μ", means, equals=0, within=1e-11, at=("f", fractions))
    expect("variance less the formula", torch.stack(variances) - torch.tensor(formula, dtype=torch.float64), equals=0, within=1e-11,
           at=("f", fractions))
    expect("variance with the padding masked out", masked, equals=1, within=1e-11, at=("f", fractions))


def drill_padding(rng) -> Drill:
    """Mean and variance of real tokens mixed with zeros."""
    f, mean, variance = rng.choice([(0.5, 2, 1), (0.5, 4, 2), (0.25, 4, 1), (0.75, 4, 2), (0.5, 6, 4), (0.25, 2, 2)])
    part = round(4 * f)
    spread = torch.tensor([1.0, -1.0]).repeat(2 * (4 - part))             # a real part of variance 1
    x = torch.cat((mean + variance**0.5 * spread, torch.zeros(4 * part)))[:, None, None].double()
    seen, var = (float(v) for v in statistics(x, torch.ones(len(x), 1, dtype=torch.bool)))
    return Drill(
        en=f"{f:.0%} of the positions are zero padding; the real tokens' feature has mean {mean} and variance "
           f"{variance}. Which variance does an unmasked BatchNorm see?",
        zh=f"{f:.0%} 的位置是零填充；真实 token 的该特征均值 {mean}、方差 {variance}。不加掩码的 BatchNorm 看到的方差是多少？",
        answer=var, within=0.011,
        steps=[
            (f"mean: {1 - f:g} · {mean} = {seen:g}", f"均值：{1 - f:g} · {mean} = {seen:g}"),
            (f"mean square: {1 - f:g} · ({variance} + {mean}²) = {(1 - f) * (variance + mean**2):g}",
             f"均方：{1 - f:g} · ({variance} + {mean}²) = {(1 - f) * (variance + mean**2):g}"),
            (f"variance: {(1 - f) * (variance + mean**2):g} − {seen:g}² = {var:g}",
             f"方差：{(1 - f) * (variance + mean**2):g} − {seen:g}² = {var:g}"),
        ],
        proved_by="padding_mixes_into_the_statistics",
    )


ZH = {
    "inside": "内部使用",
    "variance of feature 0": "特征 0 的方差",
    "output less nn.BatchNorm1d's": "输出与 nn.BatchNorm1d 之差",
    "running_var over the biased variance, times (n − 1)/n": "running_var 与有偏方差之比乘 (n − 1)/n",
    "mean change of sample 0": "样本 0 的平均变化",
    "the same by BatchNorm": "BatchNorm 的平均变化",
    "token in": "输入 token",
    "token out": "输出 token",
    "|∂out/∂in|, {}, {}": "|∂输出/∂输入|，{}，{}",
    "batch": "BatchNorm",
    "layer": "LayerNorm",
    "train": "训练",
    "eval": "推理",
    "effect of later tokens on earlier ones, less the formula": "后面 token 对前面的影响与公式之差",
    "share of padding": "padding 占比",
    "variance that BatchNorm sees": "BatchNorm 看到的方差",
    "padding masked out": "掩掉 padding",
    "variance with the padding masked out": "掩掉 padding 后的方差",
    "mean less (1 − f)μ": "均值与 (1 − f)μ 之差",
    "variance less the formula": "方差与公式之差",
}

if __name__ == "__main__":
    main()
