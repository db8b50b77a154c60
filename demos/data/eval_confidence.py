r"""A score is a sample: its interval must know how few items there are, and which of them belong together.

分数是一次抽样：它的区间必须知道题有多少，以及哪些题属于一组。

Miller 2024; Brown, Cai & DasGupta 2001. Turn `error` to "as if independent": ten questions on one passage are
counted as ten. Turn `way` to "Wald": near 100% the textbook interval covers far less than it says.
把 `error` 改为 "as if independent"：同一篇文章上的十道题被当成十份证据。把 `way` 改为 "Wald"：接近 100% 时，教科书区间的覆盖率
远低于名义值。
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show

F64, Z = torch.float64, 1.959964


@exercise(claims=("clustered_intervals_cover", "items_of_a_passage_count_less"),
          wrong=("counts_items_alone", "counts_passages_alone", "forgets_the_cross_terms"))
def clustered_error(right: Tensor) -> Tensor:
    """The standard error of the mean when items come in groups: right (…, groups, items) is 0 or 1, the result (…).
    The deviations of a group are summed before they are squared.

    题目成组时均值的标准误：right (…, groups, items) 为 0 或 1，结果为 (…)。每组的偏差先求和，再平方。"""
    deviation = right - right.mean((-2, -1), keepdim=True)
    return deviation.sum(-1).square().sum(-1).sqrt() / (right.shape[-2] * right.shape[-1])


@exercise(claims=("wilson_keeps_its_word",), wrong=("centres_on_the_score", "forgets_the_second_term"))
def wilson(score: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The 95% Wilson interval of an accuracy seen on n items: all p whose own standard error, Z deviations wide,
    reaches the score. score (…) to lower and upper end, (…) each; Z = 1.959964.

    在 n 道题上观察到的准确率的 95% Wilson 区间：所有以自身标准误的 Z 倍能触及该分数的 p。输入 score (…)，返回下端与上端，各为 (…)；
    Z = 1.959964。"""
    centre = (score + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * (score * (1 - score) / n + Z * Z / (4 * n * n)).sqrt() / (1 + Z * Z / n)
    return centre - half, centre + half


def wald(score: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The textbook interval: the standard error at the score itself."""
    half = Z * (score * (1 - score) / n).sqrt()
    return score - half, score + half


def graded(sets: int, groups: int, items: int, accuracy: float, correlation: float) -> Tensor:
    """Outcomes (sets, groups, items): each group has an accuracy of its own from a beta distribution, so that two items
    of a group correlate by `correlation`."""
    if correlation == 0:
        p = torch.full((sets, groups), accuracy, dtype=F64)
    else:
        total = 1 / correlation - 1
        p = torch.distributions.Beta(torch.tensor(accuracy * total, dtype=F64), torch.tensor((1 - accuracy) * total, dtype=F64))
        p = p.sample((sets, groups))
    return (torch.rand(sets, groups, items, dtype=F64) < p[..., None]).to(F64)


RANGES = {
    "groups": between(30, 60), "items": between(5, 10), "accuracy": between(0.6, 0.85), "correlation": between(0.1, 0.3),
    "error": one_of("by group", "as if independent"), "effect": one_of("of the group", "none"), "way": one_of("Wilson", "Wald"),
    "n": between(21, 30), "shown": between(40, 80), "accuracies": each(one_of(0.8, 0.85, 0.9, 0.95), at_least=4, at_most=4, rising=True),
    "alike": each(between(0.0, 0.9), at_least=2, at_most=4, rising=True), "asked": one_of("the same items", "other items"),
    "strata": between(10, 40), "heavy": between(0.3, 0.7), "worth": one_of("1/Σw²", "every item"),
}


@breaks(effect="none", en="Ten answers about one passage are not ten independent ones.", zh="同一篇文章的十个回答不是十次独立试验。")
def claim_items_of_a_passage_count_less(groups=40, items=10, accuracy=0.8, correlation=0.2, effect="of the group"):
    """If the m items of a passage correlate by ρ, the variance of the score is 1 + (m − 1)ρ times that of independent
    items, and the clustered error finds it from one test set.

    同一篇文章的 m 道题相关系数为 ρ 时，分数的方差是独立题目的 1 + (m − 1)ρ 倍，而分组标准误从一个测试集就能算出。"""
    right = graded(3000, groups, items, accuracy, correlation)
    independent = accuracy * (1 - accuracy) / (groups * items)
    factor = 1 + (items - 1) * correlation if effect == "of the group" else 1.0
    seen, estimate = right.mean((1, 2)).var() / independent, clustered_error(right).square().mean() / independent
    show(bars(["independent", "seen over 3000 test sets", "clustered error, squared", "1 + (m − 1)ρ"],
              {"variance": [1, seen, estimate, 1 + (items - 1) * correlation]}))
    # a variance of 3000 sets has a relative error of √(2/3000) = 2.6%; the estimate is short of 1/groups
    expect("variance over the formula", seen / factor, equals=1, within=0.12)
    expect("squared clustered error over the formula", estimate / factor, equals=1, within=0.07)


@breaks(error="as if independent", en="The interval is too narrow by the root of 1 + (m − 1)ρ.", zh="区间窄了 1 + (m − 1)ρ 的平方根倍。")
def claim_clustered_intervals_cover(groups=40, items=10, accuracy=0.8, correlation=0.2, error="by group"):
    """With 40 passages of 10 items and ρ = 0.2, a 95% interval from the clustered error covers the truth in 92 to 96% of test
    sets; computed as if independent, in about 76%.

    40 篇文章各 10 题、ρ = 0.2 时，由分组标准误得到的 95% 区间在 92% 到 96% 的测试集上包含真值；当作独立来算，约 76%。"""
    right = graded(3000, groups, items, accuracy, correlation)
    score = right.mean((1, 2))
    naive = (score * (1 - score) / (groups * items)).sqrt()
    covered = {name: ((score - accuracy).abs() < Z * e).to(F64).mean()
               for name, e in (("by group", clustered_error(right)), ("as if independent", naive))}
    show(bars(covered, {"share of intervals that cover": list(covered.values())}))
    # 95% less about 1% lost by estimating from 30 groups and more; four deviations of 0.4% are 1.6%
    expect("coverage", covered[error], equals=0.94, within=0.02)
    # Φ at 1.96 over the root of the design effect; the score is a mean of 40 passages, not quite normal
    narrow = math.erf(Z / math.sqrt(2 * (1 + (items - 1) * correlation)))
    expect("coverage as if independent less Φ's", covered["as if independent"] - narrow, equals=0, within=0.04)


@breaks(way="Wald", en="At 29 of 30 right its upper end is above 1; at 30 of 30 its width is zero.",
        zh="30 题对 29 题，它的上端超过 1；全对时宽度为零。")
def claim_wilson_keeps_its_word(n=30, accuracies=(0.8, 0.85, 0.9, 0.95), way="Wilson"):
    """On 30 items the 95% Wilson interval covers accuracies from 80 to 95% in at least 92% of test sets, counted exactly; the
    Wald interval covers 95% in under 80%.

    30 道题时，准确率在 80% 到 95% 之间，95% Wilson 区间的覆盖率至少 92%（精确计算）；Wald 区间在 95% 处不到 80%。"""
    k = torch.arange(n + 1, dtype=F64)
    p = torch.cat([torch.linspace(a, b, 50, dtype=F64) for a, b in pairwise(accuracies)])
    chance = torch.distributions.Binomial(n, p[:, None]).log_prob(k).exp()           # (accuracies, n + 1)
    coverage = {}
    for name, interval in (("Wilson", wilson), ("Wald", wald)):
        low, high = interval(k / n, n)
        coverage[name] = (chance * ((low <= p[:, None]) & (p[:, None] <= high))).sum(1)
    low, high = (wilson if way == "Wilson" else wald)(torch.tensor((n - 1) / n, dtype=F64), n)
    show(lines("accuracy", p, coverage, y_label="coverage"))
    expect("coverage", coverage[way], at_least=0.92, at=("accuracy", p.tolist()))
    expect("coverage of the Wald interval at the highest accuracy", coverage["Wald"][-1], at_most=0.8)
    expect("upper end with one item wrong", high, at_most=1)
    # by its definition: each end is a p whose own error reaches the score
    expect("score less the lower end, in its own errors", ((n - 1) / n - low) / (low * (1 - low) / n).sqrt(), equals=Z, within=1e-9)


@breaks(asked="other items", en="On other items nothing is shared, and nothing cancels.", zh="题目不同就没有共同的部分可以抵消。")
def claim_pairing_gains_by_the_correlation(alike=(0.0, 0.5, 0.9), shown=50, asked="the same items"):
    """Two equally good models on the same items: the variance of their difference is 1 − r times the unpaired one, with r
    the correlation of their outcomes; at r = 0 pairing gains nothing.

    两个同样好的模型答同一批题：差值的方差是不成对时的 1 − r 倍，r 为两者对错的相关系数；r = 0 时成对毫无收益。"""
    ratios, found = [], []
    for c in alike:
        common, own = torch.randn(1500, shown, 1, dtype=F64), torch.randn(1500, shown, 2, dtype=F64)
        ability = math.sqrt(c) * common + math.sqrt(1 - c) * own         # difficulty of the item is shared
        right = (ability > -0.84).to(F64)                                # about 80% right
        first, second = right.unbind(-1)
        found.append(float(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1]))
        second = second if asked == "the same items" else second.roll(1, 0)
        variances = first.mean(1).var() + second.mean(1).var()           # as if the items were others
        ratios.append(float((first - second).mean(1).var() / variances))
    show(lines("shared difficulty", alike, {"paired over unpaired variance": ratios, "1 − r": [1 - r for r in found]}))
    # variances of 1500 sets: relative error of a ratio about 5%
    expect("paired over unpaired variance, less 1 − r", [a - 1 + r for a, r in zip(ratios, found, strict=True)], equals=0,
           within=0.15, at=("shared difficulty", alike))


@breaks(worth="every item", en="Counted as if all weighed alike, the score looks more precise than it is.",
        zh="若当作权重都相同，分数看起来就比实际更精确。")
def claim_weights_cost_items(strata=20, heavy=0.5, worth="1/Σw²"):
    """If items scatter alike, a score with weights w that sum to one varies like a plain mean of 1/Σw² items: of 20, one of
    which carries half, 3.8.

    各题方差相同时，权重 w 之和为一的加权分数，波动与 1/Σw² 道题的普通平均相同：20 道里一道占一半，只抵 3.8 道。"""
    def worth_of(share: float) -> float:
        return 1 / (share**2 + (1 - share) ** 2 / (strata - 1))

    w = torch.cat((torch.tensor([heavy]), torch.full((strata - 1,), (1 - heavy) / (strata - 1))))
    variance = ((torch.rand(6000, strata) < 0.7) * w).sum(1).var()
    shares = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7]
    show(lines("weight of one item", shares, {"worth": [worth_of(s) for s in shares]}, y_label="items"))
    count = 1 / w.square().sum() if worth == "1/Σw²" else strata
    # a variance of 6000 scores has a relative error of at most √(2/6000) = 1.8%
    expect("variance over that of so many items", variance / (0.7 * 0.3 / count), equals=1, within=0.09)


def drill_effective_items(rng) -> Drill:
    """How many independent items a clustered test set is worth."""
    groups, m, rho = rng.choice([(40, 10, 0.2), (50, 5, 0.25), (100, 5, 0.5), (30, 21, 0.1), (60, 11, 0.1)])
    effect = 1 + (m - 1) * rho
    return Drill(
        en=f"A reading test has {groups} passages with {m} questions each, whose outcomes correlate by {rho:g} within a passage. How "
           "many independent questions would give the same standard error?",
        zh=f"一个阅读测试集有 {groups} 篇文章，每篇 {m} 道题，同篇内对错的相关系数为 {rho:g}。多少道独立的题会给出同样的标准误？",
        answer=groups * m / effect,
        steps=[(f"design effect 1 + ({m} − 1) · {rho:g} = {effect:g}", f"设计效应 1 + ({m} − 1) · {rho:g} = {effect:g}"),
               (f"{groups * m} / {effect:g} = {groups * m / effect:.0f}",) * 2],
        proved_by="items_of_a_passage_count_less")


def drill_items_for_a_width(rng) -> Drill:
    """Items for a wanted half-width."""
    p, h = rng.choice([(0.8, 0.02), (0.8, 0.04), (0.5, 0.05), (0.9, 0.02), (0.7, 0.03)])
    n = Z * Z * p * (1 - p) / h**2
    return Drill(
        en=f"Accuracy is about {100 * p:g}% and the items are independent. How many are needed for a 95% interval of ± {100 * h:g} points?",
        zh=f"准确率约 {100 * p:g}%，题目相互独立。95% 区间要做到 ± {100 * h:g} 个百分点，需要多少题？",
        answer=n, within=0.02 * n,
        steps=[(f"n = 1.96² · {p:g} · {1 - p:g} / {h:g}²",) * 2, (f"= {n:.0f}",) * 2],
        proved_by="items_of_a_passage_count_less")


ZH = {
    "independent": "独立", "seen over 3000 test sets": "3000 个测试集上所见", "clustered error, squared": "分组标准误的平方",
    "1 + (m − 1)ρ": "1 + (m − 1)ρ", "variance": "方差", "variance over the formula": "方差与公式之比",
    "squared clustered error over the formula": "分组标准误平方与公式之比", "by group": "按组", "as if independent": "当作独立",
    "share of intervals that cover": "包含真值的区间占比", "coverage": "覆盖率", "accuracy": "准确率",
    "coverage as if independent less Φ's": "当作独立时的覆盖率减 Φ 所给",
    "coverage of the Wald interval at the highest accuracy": "Wald 区间在最高准确率处的覆盖率",
    "upper end with one item wrong": "错一题时的上端",
    "score less the lower end, in its own errors": "分数减下端，以下端自身的标准误计",
    "weight of one item": "一道题的权重", "worth": "所抵题数", "items": "题",
    "variance over that of so many items": "方差与这么多道题的方差之比",
    "shared difficulty": "共同难度", "paired over unpaired variance": "成对与不成对方差之比", "1 − r": "1 − r",
    "paired over unpaired variance, less 1 − r": "成对与不成对方差之比减 (1 − r)",
}

if __name__ == "__main__":
    main()
