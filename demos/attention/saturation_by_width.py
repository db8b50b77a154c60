r"""How far undivided scores saturate softmax depends on the width: at 64 hardly, at 1024 wholly.

不做除法的分数使 softmax 饱和到什么程度取决于宽度：64 时几乎没有，1024 时完全饱和。

q and k of mean 0 and variance 1, 64 keys, medians over queries. Turn `power` to 0.5: both
sides are divided, and every ratio is 1. 把 `power` 改为 0.5：两边都做了除法，比值全是 1。
"""

import torch
from torch import Tensor
from torch.distributions import Chi2

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show

F64 = torch.float64
WIDTHS = (16, 64, 128, 256, 1024)


def jacobian_norm(p: Tensor) -> Tensor:
    """Frobenius norm of diag(p) − ppᵀ for each row of p (queries, keys), without forming it: the
    diagonal holds p(1 − p), the rest −pᵢpⱼ."""
    squares = p.square()
    rest = squares.sum(1) ** 2 - squares.square().sum(1)                 # Σ over i ≠ j of pᵢ²pⱼ²
    return ((p * (1 - p)).square().sum(1) + rest.clamp(min=0)).sqrt()


def by_width(power: float, queries: int, keys: int = 64) -> dict[float, Tensor]:
    """For scores over d^power and over √d, for each query: the largest weight, the norm of the
    Jacobian, and the gradient at q for a random gradient of the weights; (widths, 3, queries) each.

    Every query has Gaussian keys of its own, which need not be drawn: along q they are normal numbers
    z, so that q·k = |q| z, and what is across q only counts by its length. The square of a length of n
    normal numbers is χ² with n degrees of freedom."""
    found: dict[float, list[Tensor]] = {power: [], 0.5: []}
    for d in WIDTHS:
        length, across = (Chi2(torch.tensor(float(n), dtype=F64)).sample((queries, 1)).sqrt()
                          for n in (d, d - 1))                           # |q|, and |k| across q
        z, g = torch.randn(2, queries, keys, dtype=F64)
        for p in found:
            w = (length * z / d**p).softmax(1)
            ds = w * (g - (w * g).sum(1, keepdim=True))                  # (queries, keys)
            slope = torch.hypot((ds * z).sum(1), ds.norm(dim=1) * across[:, 0]) / d**p
            found[p].append(torch.stack((w.amax(1), jacobian_norm(w), slope)))
    return {p: torch.stack(rows) for p, rows in found.items()}


RANGES = {
    "queries": between(2000, 4000),
    "power": one_of(0.0, 0.5),
    "statistic": one_of("mean", "median"),
}


@breaks(power=0.5, en="Divided on both sides there is nothing to compare: every ratio is 1.",
        zh="两边都做除法就无可比较：比值全是 1。")
def claim_saturation_sets_in_with_the_width(queries=2000, power=0.0):
    """Undivided over divided, the median Jacobian is about 1.9, 1.1, 0.5, 0.12 and 0.0014 times as
    large at d_k = 16, 64, 128, 256 and 1024; the largest of 64 weights 0.55, 0.86, 0.95, 0.99, 1.

    d_k = 16、64、128、256、1024 时，Jacobian 的中位数不除与除之比约为 1.9、1.1、0.5、0.12、0.0014；64 个权重中最大的为 0.55、
    0.86、0.95、0.99、1。"""
    found = by_width(power, queries)
    raw, divided = found[power].median(2).values, found[0.5].median(2).values   # (widths, 3)
    ratio = raw / divided
    show(lines("d_k", WIDTHS, {"largest weight, undivided": raw[:, 0],
                               "Jacobian, undivided over divided": ratio[:, 1],
                               "gradient at q, undivided over divided": ratio[:, 2]}, log="xy"))
    at = ("d_k", WIDTHS)
    expect("largest weight, undivided", raw[:, 0], equals=[0.55, 0.86, 0.95, 0.985, 1.0],
           within=[0.04, 0.04, 0.03, 0.01, 0.002], at=at)
    # A median of 2000: within 5 % where p is soft. Where it is not, the Jacobian is exponential in
    # the lead of the best key, and its median less sure: told by logarithms.
    logs = ratio[:, 1].log10() - torch.tensor([1.85, 1.1, 0.5, 0.12, 0.0014], dtype=F64).log10()
    expect("log₁₀ of the Jacobian's ratio less that of 1.85, 1.1, 0.5, 0.12, 0.0014", logs, equals=0,
           within=[0.05, 0.1, 0.2, 0.3, 0.6], at=at)
    expect("largest weight, divided", divided[:, 0], equals=0.095, within=0.015, at=at)


@breaks(statistic="median", en="The median query is starved; the mean is not: few queries hold it.",
        zh="处于中位数的 query 几乎没有梯度，平均值却不然：集中在少数 query 上。")
def claim_the_mean_gradient_grows(queries=2000, statistic="mean"):
    """The mean gradient at q is larger undivided at every width, about ten times at d_k = 1024,
    where the median is about a fortieth.

    q 处的平均梯度在每个宽度下都是不做除法时更大，d_k = 1024 时约为 10 倍，而中位数只有约四十分之一。"""
    found = by_width(0.0, queries)
    of = {"mean": [x[:, 2].mean(1) for x in found.values()],
          "median": [x[:, 2].median(1).values for x in found.values()]}
    ratio = {name: raw / divided for name, (raw, divided) in of.items()}
    show(lines("d_k", WIDTHS, ratio, log="xy", y_label="gradient at q, undivided over divided"))
    expect("gradient at q, undivided over divided", ratio[statistic], at_least=4, at=("d_k", WIDTHS))
    expect("the mean's at d_k = 1024", ratio["mean"][-1], equals=10, within=2)
    expect("log₁₀ of the median's at d_k = 1024, less that of 1/40", ratio["median"][-1].log10() + 1.6,
           equals=0, within=0.6)


ZH = {
    "largest weight, undivided": "最大权重，不做除法", "largest weight, divided": "最大权重，做除法",
    "Jacobian, undivided over divided": "Jacobian，不除与除之比",
    "gradient at q, undivided over divided": "q 处的梯度，不除与除之比",
    "log₁₀ of the Jacobian's ratio less that of 1.85, 1.1, 0.5, 0.12, 0.0014":
        "Jacobian 之比的 log₁₀ 减 1.85、1.1、0.5、0.12、0.0014 的 log₁₀",
    "mean": "平均值", "median": "中位数", "the mean's at d_k = 1024": "d_k = 1024 处平均值之比",
    "log₁₀ of the median's at d_k = 1024, less that of 1/40": "d_k = 1024 处中位数之比的 log₁₀ 减 1/40 的",
}  # fmt: skip

if __name__ == "__main__":
    main()
