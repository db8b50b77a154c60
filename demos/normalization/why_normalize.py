r"""Standardised features make least squares round: gradient descent's rate is set by the condition number.

特征标准化之后，最小二乘的损失面变圆：梯度下降的速度由条件数决定。

LeCun et al. 1998, “Efficient BackProp”. Guess first what hurts more: units of different size, or
means that are not 0. Turn `features` to "scaled": divided by their deviations but not centred, they stay bad.
先猜哪个更糟：量纲不同，还是均值不为 0？把 `features` 改为 "scaled"：只除标准差、不减均值，仍然很糟。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show


def prepared(x: Tensor, features: str) -> Tensor:
    """x (samples, features) as it is, less its means, over its deviations, or both; then a column of ones."""
    if features in ("centred", "standardised"):
        x = x - x.mean(0)
    if features in ("scaled", "standardised"):
        x = x / x.std(0, correction=0)
    return torch.cat((x, torch.ones(len(x), 1, dtype=x.dtype)), 1)          # (samples, features + 1)


def descend(hessian: Tensor, start: Tensor, steps: int, rate: float) -> list[Tensor]:
    """Distances from the minimum of a quadratic under gradient descent: `steps` + 1 of them."""
    error, distances = start, [start.norm()]
    for _ in range(steps):
        error = error - rate * hessian @ error
        distances.append(error.norm())
    return distances


WAYS = ("raw", "scaled", "centred", "standardised")

RANGES = {
    "samples": between(200, 5000),
    "features": one_of("raw", "scaled", "centred", "standardised"),
    "conditions": each(between(1.5, 1000.0), at_least=2, rising=True),
    "steps": between(10, 100),
    "step": between(0.1, 1.0),
}


@breaks(features="scaled", en="Divided by deviations but not centred, the columns still point along the ones.",
        zh="只除标准差、不去均值，各列仍与全 1 列几乎同向。")
@breaks(features="raw", en="Raw heights and ages with an intercept have a condition number of ten million.",
        zh="原始的身高、年龄加上截距列，条件数高达千万。")
def claim_centring_matters_more_than_units(samples=2000, features="standardised"):
    """For height in cm and age in years beside an intercept the condition number is over ten million; centring
    brings it to about 144, scaling alone leaves over a hundred thousand, both give nearly 1.

    以厘米计的身高、以岁计的年龄，再加截距，条件数超过一千万；去均值后降到约 144，只缩放仍超过十万，两者都做则接近 1。"""
    x = torch.stack((170 + 8 * torch.randn(samples), 35 + 12 * torch.randn(samples)), 1).double()
    kappa = {way: float(torch.linalg.cond(prepared(x, way)) ** 2) for way in WAYS}
    show(bars(WAYS, {"condition number of XᵀX": list(kappa.values())}, log="y"))
    # Two sample correlations of 1/√n: κ ≈ 1 + 2r, and r within five sigmas.
    expect(f"condition number, {features}", kappa[features], equals=1, within=2 * 6 / samples**0.5)
    expect("condition number, raw", kappa["raw"], at_least=1e7)
    expect("condition number, scaled only", kappa["scaled"], at_least=1e5)
    # Centred, the squares of 8 and 12 stand beside the 1 of the intercept: 144.
    expect("condition number, centred only", kappa["centred"], equals=144, within=144 * 8 / (2 * samples) ** 0.5)


@breaks(step=0.5, en="With half the best step the slowest direction takes twice as long.",
        zh="步长只有最优的一半，最慢的方向就要两倍的时间。")
def claim_rate_follows_the_condition_number(conditions=(2.0, 10.0, 100.0), steps=60, step=1.0):
    """At the best constant step, 2/(λ_min + λ_max), the distance is multiplied by (κ − 1)/(κ + 1) per step: after ten
    times the condition number about ten times the steps.

    取最优的固定步长 2/(λ_min + λ_max)，每步距离乘以 (κ − 1)/(κ + 1)：条件数增至十倍，步数也约为十倍。"""
    found = {}
    for kappa in conditions:
        turn = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64)).Q
        hessian = turn @ torch.diag(torch.tensor([1.0, kappa], dtype=torch.float64)) @ turn.T
        found[kappa] = descend(hessian, turn.sum(1), steps, step * 2 / (1 + kappa))  # both directions alike
    show(lines("step", range(steps + 1), {f"κ = {k:g}": d for k, d in found.items()}, log="y",
               y_label="distance from the minimum"))
    for kappa, distance in found.items():
        # Rounding of 1e-16 a step beside distances that stay above (1/3)^100, relative to each step.
        expect(f"distance after 10 steps over the first, κ = {kappa:g}", distance[10] / distance[0],
               equals=((kappa - 1) / (kappa + 1)) ** 10, within=1e-6 * ((kappa - 1) / (kappa + 1)) ** 10 + 1e-14)


def drill_steps(rng) -> Drill:
    """Steps of gradient descent to a given accuracy."""
    kappa, digits = rng.choice([(100, 6), (50, 3), (10, 6), (1000, 3), (100, 3), (20, 6)])
    error, rate = 1.0, 2 / (1 + kappa)
    hessian, start = torch.diag(torch.tensor([1.0, float(kappa)])).double(), torch.ones(2, dtype=torch.float64)
    ratio = (descend(hessian, start, 1, rate)[1] / start.norm()).item() / error
    steps = math.log(10**-digits) / math.log(ratio)
    return Drill(
        en=f"A quadratic has curvatures from 1 to {kappa}. At the best constant step, about how many steps of "
           f"gradient descent shrink the error to 10^−{digits}?",
        zh=f"二次函数的曲率从 1 到 {kappa}。取最优固定步长，梯度下降大约多少步能把误差缩小到 10^−{digits}？",
        answer=steps, within=0.05 * steps,
        steps=[
            (f"best step 2/(1 + {kappa}) = {rate:.4g}; the error shrinks by ({kappa} − 1)/({kappa} + 1) = {ratio:.4f}",
             f"最优步长 2/(1 + {kappa}) = {rate:.4g}；每步误差乘以 ({kappa} − 1)/({kappa} + 1) = {ratio:.4f}"),
            (f"ln of it is about −2/{kappa} = {-2 / kappa:.3g}; ln 10^−{digits} = {-2.3026 * digits:.1f}",
             f"取对数约为 −2/{kappa} = {-2 / kappa:.3g}；ln 10^−{digits} = {-2.3026 * digits:.1f}"),
            (f"about {steps:.0f} steps", f"约 {steps:.0f} 步"),
        ],
        proved_by="rate_follows_the_condition_number",
    )


ZH = {
    "raw": "原始",
    "scaled": "只缩放",
    "centred": "只去均值",
    "standardised": "标准化",
    "condition number of XᵀX": "XᵀX 的条件数",
    "condition number, raw": "条件数，原始",
    "condition number, scaled": "条件数，只缩放",
    "condition number, standardised": "条件数，标准化",
    "condition number, centred": "条件数，去均值",
    "condition number, scaled only": "条件数，只缩放",
    "condition number, centred only": "条件数，只去均值",
    "step": "步",
    "distance from the minimum": "到极小点的距离",
    "distance after 10 steps over the first, κ = {}": "10 步后的距离与初始之比，κ = {}",
}

if __name__ == "__main__":
    main()
