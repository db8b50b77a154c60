r"""Dividing by √d_k keeps attention's softmax equally sharp, whatever the width of the head.

除以 √d_k 使注意力的 softmax 在任何头宽下都同样尖。

Vaswani et al. 2017, §3.2.1. Guess first which line stays flat. Turn `power`, the power of d_k that
scores are divided by: 0 is no division and softmax goes to one-hot, 1 is μP's and goes to uniform.
先猜哪条线是平的。`power` 是分数所除的 d_k 的幂次：0 即不除，趋于 one-hot；1 是 μP 的，趋于均匀。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, show


def weights(q: Tensor, k: Tensor, power: float) -> Tensor:
    """softmax(q kᵀ / d^power) over the keys; q (queries, d), k (keys, d)."""
    return (q @ k.T / q.shape[-1] ** power).softmax(-1)                     # (queries, keys)


def largest(queries: int, keys: int, d: int, power: float) -> Tensor:
    """The largest weight of the median query, for q and k of mean 0 and variance 1."""
    return weights(torch.randn(queries, d), torch.randn(keys, d), power).amax(1).median()


def dot_products(samples: int, d: int) -> Tensor:
    """q·k for pairs of independent q and k."""
    return (torch.randn(samples, d) * torch.randn(samples, d)).sum(1)       # (samples,)


def noise(widths: tuple[int, ...], samples: int) -> float:
    """One sigma of a measured variance of q·k, over it: √((kurtosis − 1) / n)."""
    return ((2 + 6 / min(widths)) / samples) ** 0.5


RANGES = {
    "power": between(0.0, 2.0),
    "std": between(0.1, 10.0),
    "widths": each(between(16, 1024), at_least=2, at_most=8, rising=True),
    "samples": between(512, 16384),
    "queries": between(128, 1024),
    "keys": between(16, 256),
}
UNDIVIDED = breaks(
    power=0.0,
    en="Undivided, the scores grow with the width and one key takes all.",
    zh="不做除法，分数随宽度增大，一个 key 拿走全部权重。",
)
BY_THE_WIDTH = breaks(
    power=1.0,
    en="Divided by d_k, as in μP, wide heads begin almost uniform.",
    zh="像 μP 那样除以 d_k，宽的头一开始就几乎是均匀的。",
)


@breaks(std=2.0, en="Of components with variance 4 it is 16 d_k: the premise is unit variance.",
        zh="分量方差为 4 时它是 16 d_k：前提是单位方差。")
def claim_dot_product_variance_is_dk(widths=(16, 64, 256, 1024), samples=2048, std=1.0):
    """Var(q·k) is d_k for independent unit-variance components, not 1.

    各分量独立且方差为 1 时，q·k 的方差是 d_k，而不是 1。"""
    found = torch.stack([(std**2 * dot_products(samples, d)).var() for d in widths])
    show(lines("d_k", widths, {"Var(q·k)": found, "d_k": widths}, log="xy"))
    expect("Var(q·k) / d_k", found / torch.tensor(widths), equals=1,
           within=6 * noise(widths, samples), at=("d_k", widths))


@UNDIVIDED
@BY_THE_WIDTH
def claim_division_restores_unit_variance(widths=(16, 64, 256, 1024), samples=2048, power=0.5):
    """Divided by √d_k the scores have variance 1 at every width; divided by d_k, 1/d_k is left.

    除以 √d_k 后分数的方差在任何宽度下都是 1；若除以 d_k，就只剩 1/d_k。"""
    drawn = {d: dot_products(samples, d) for d in widths}
    of = {p: torch.stack([(s / d**p).var() for d, s in drawn.items()]) for p in (0.0, power, 1.0)}
    show(lines("d_k", widths, {f"over d^{p:g}": v for p, v in of.items()}, log="xy",
               y_label="variance"))
    slack = 6 * noise(widths, samples)
    expect(f"variance over d^{power:g}", of[power], equals=1, within=slack, at=("d_k", widths))
    expect("variance over d^1, times d_k", of[1.0] * torch.tensor(widths), equals=1, within=slack,
           at=("d_k", widths))


@UNDIVIDED
@BY_THE_WIDTH
def claim_unscaled_softmax_saturates(widths=(16, 64, 256, 1024), queries=256, keys=64, power=0.5):
    """Over 64 keys undivided softmax gives its largest weight over 0.99 at d_k = 1024, in the
    median; divided by √d_k it stays near a tenth at every width.

    对 64 个 key，d_k = 1024 时不做除法的 softmax 最大权重的中位数超过 0.99；除以 √d_k 后在任何宽度下
    都在十分之一左右。"""
    peaks = {p: torch.stack([largest(queries, keys, d, p) for d in widths])
             for p in (0.0, power, 1.0)}
    show(lines("d_k", widths, {f"over d^{p:g}": y for p, y in peaks.items()}, log="x",
               y_label="median largest weight"))
    unit = torch.randn(4096, keys).softmax(1).amax(1).median()  # of scores drawn with variance 1
    # Medians of 128 queries scatter by 5 %; at d_k = 16 the tails of q·k add some 10 %.
    expect(f"largest weight over d^{power:g}, over that of scores of variance 1",
           peaks[power] / unit, equals=1, within=0.3, at=("d_k", widths))
    expect("largest weight undivided at d_k = 1024", largest(queries, keys, 1024, 0.0),
           at_least=0.99)


def drill_deviation(rng) -> Drill:
    """The spread of a dot product, before and after the division."""
    d, std, divided = rng.choice([(64, 1, False), (256, 1, False), (64, 2, True), (128, 2, True), (16, 3, False),
                                  (1024, 1, False)])
    value = std**2 * d**0.5 / (d**0.5 if divided else 1)
    over = (" divided by √d_k", "除以 √d_k 之后") if divided else ("", "")
    return Drill(
        en=f"The components of q and k are independent with mean 0 and standard deviation {std}, and d_k = {d}. "
           f"What is the standard deviation of q·k{over[0]}?",
        zh=f"q、k 的分量相互独立，均值为 0，标准差为 {std}，d_k = {d}。q·k {over[1]}的标准差是多少？",
        answer=value,
        steps=[(f"each product has variance {std}² · {std}² = {std**4}", f"每个乘积的方差为 {std}² · {std}² = {std**4}"),
               (f"the sum of {d}: variance {std**4 * d}, standard deviation {std**2 * d**0.5:g}",
                f"{d} 个之和：方差 {std**4 * d}，标准差 {std**2 * d**0.5:g}"),
               *([(f"over √{d}: {value:g}", f"除以 √{d}：{value:g}")] if divided else [])],
        proved_by="dot_product_variance_is_dk",
    )


ZH = {
    "over d^{}": "除以 d^{}",
    "variance over d^{}": "除以 d^{} 后的方差",
    "variance over d^1, times d_k": "除以 d^1 后的方差乘以 d_k",
    "median largest weight": "最大权重的中位数",
    "largest weight over d^{}, over that of scores of variance 1": "除以 d^{} 后的最大权重与方差为 1 的分数之比",
    "largest weight undivided at d_k = 1024": "d_k = 1024 不做除法时的最大权重",
}

if __name__ == "__main__":
    main()
