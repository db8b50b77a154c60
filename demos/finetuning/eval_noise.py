r"""A test set says how small a gain it can show: the error falls with √n, and with pairing.

测试集决定了能看出多小的提升：误差随 √n 下降，成对比较时更小。

Turn `compared` to "unpaired": two models that mostly agree look far noisier than they are.
把 `compared` 改为 "unpaired"：两个大多一致的模型，看起来比实际噪声大得多。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)

F64 = torch.float64


@exercise(claims=("paired_errors_count_disagreements_alone",), wrong=("treats_them_as_two_samples", "forgets_the_root"))
def paired_error(before: Tensor, after: Tensor) -> Tensor:
    """The standard error of the difference of two accuracies on the same items; before and after are 0 or 1 for
    each item, (…, items).

    同一批题目上两个准确率之差的标准误；before 与 after 为每题的 0 或 1，(…, items)。"""
    gap = after - before                                                   # −1, 0 or 1
    return ((gap.square().mean(-1) - gap.mean(-1) ** 2) / gap.shape[-1]).sqrt()


def unpaired_error(before: Tensor, after: Tensor) -> Tensor:
    """As if the two models had seen different items."""
    return sum(p * (1 - p) / before.shape[-1] for p in (before.mean(-1), after.mean(-1))).sqrt()


def results(sets: int, items: int, accuracy: float, gained: float, lost: float) -> tuple[Tensor, Tensor]:
    """Outcomes on `sets` test sets of two models: the second gains a share of all items and loses another."""
    u = torch.rand(sets, items, dtype=F64)
    before = (u < accuracy).to(F64)
    after = ((u >= lost) & (u < accuracy + gained)).to(F64)
    return before, after


RANGES = {
    "items": between(200, 1000), "accuracy": between(0.5, 0.8), "gained": between(0.04, 0.06), "lost": between(0.01, 0.02),
    "compared": one_of("paired", "unpaired"), "times": one_of(1.0, 0.25), "checkpoints": one_of(10, 1), "shared": between(0.0, 0.9),
    "counted": one_of("what differs", "all"),
}  # fmt: skip


@breaks(compared="unpaired", en="Treated as independent samples, two models that agree on most items look far noisier.",
        zh="若当作独立样本，两个在多数题目上一致的模型看起来噪声大得多。")
def claim_paired_errors_count_disagreements_alone(items=500, accuracy=0.7, gained=0.04, lost=0.02, compared="paired"):
    """On the same items the error of a difference depends only on where the models disagree: with gains g and
    losses l it is √((g + l − (g − l)²)/n).

    在同一批题目上，差值的误差只取决于两模型不一致之处：得 g、失 l 时为 √((g + l − (g − l)²)/n)。"""
    before, after = results(2000, items, accuracy, gained, lost)
    spread = (after.mean(1) - before.mean(1)).std()                          # seen over 2000 test sets
    estimate = (paired_error if compared == "paired" else unpaired_error)(before, after).mean()
    formula = math.sqrt((gained + lost - (gained - lost) ** 2) / items)
    show(bars(["spread over test sets", "estimated from one", "formula"], {"points": [100 * spread, 100 * estimate, 100 * formula]}))
    # A spread of 2000 has a relative error of 1/√4000 = 1.6%
    expect("spread over the formula", spread / formula, equals=1, within=0.08)
    expect("estimate from one test set over the formula", estimate / formula, equals=1, within=0.05)


@breaks(times=0.25, en="A quarter of the items shows the same gain much more rarely.", zh="题目只有四分之一时，同样的提升更难看出。")
def claim_four_times_the_variance_over_the_gain_squared(accuracy=0.7, gained=0.04, lost=0.02, times=1.0):
    """To see a gain δ at two standard errors in half of all test sets takes 4·variance/δ² items, in four of five
    twice as many; unpaired, over three times as many.

    要在一半的测试集上以两倍标准误看出提升 δ，需要 4·方差/δ² 道题，要在五分之四上看出则翻倍；不成对时需要三倍以上。"""
    delta, variance = gained - lost, gained + lost - (gained - lost) ** 2
    items = 4 * variance / delta**2
    alone = 4 * sum(p * (1 - p) for p in (accuracy, accuracy + delta)) / delta**2
    seen = []
    for n in (items, 2 * items):
        before, after = results(1000, max(int(times * n), 4), accuracy, gained, lost)
        seen.append(((after - before).mean(1) > 2 * paired_error(before, after)).to(F64).mean())
    show(bars(["paired", "unpaired"], {"items needed": [items, alone]}))
    # Half by design; the estimated error moves with the count of disagreements: a few per cent, and 1.6% of 1000 sets
    expect("items needed, unpaired over paired", alone / items, at_least=3)
    expect("share of test sets that show the gain", seen[0], equals=0.5, within=0.1)
    expect("share that show it with twice the items", seen[1], equals=0.8, within=0.1)      # Φ(2√2 − 2) = 0.80


@breaks(checkpoints=1, en="One checkpoint alone is not chosen by its luck.", zh="只有一个 checkpoint，就没有按运气挑选。")
@breaks(counted="all", en="What all checkpoints have in common favours none of them: only their differences can be picked.",
        zh="所有 checkpoint 共有的部分不偏向谁：能挑到的只有它们之间的差别。")
def claim_the_best_of_ten_is_lucky(items=200, accuracy=0.7, checkpoints=10, shared=0.75, counted="what differs"):
    """The best of 10 equally good checkpoints whose errors correlate by r looks 1.54·√(1 − r) standard errors
    better than it is.

    10 个同样好、误差相关系数为 r 的 checkpoint 中，最好的一个看起来比实际高 1.54·√(1 − r) 个标准误。"""
    error, luck = math.sqrt(accuracy * (1 - accuracy) / items), {}
    for r in (0.0, shared):
        same = round(r * items)                                    # items on which all checkpoints answer alike
        right = torch.distributions.Binomial(torch.tensor([float(same), float(items - same)]), torch.tensor(accuracy))
        common, own = right.sample((4000,)).T[0], right.sample((4000, checkpoints))[..., 1]
        scores = (common[:, None] + own) / items                                                 # (sets, checkpoints)
        luck[r] = [(scores[:, :k].amax(1) - accuracy).mean().item() / error for k in range(1, checkpoints + 1)]
    show(lines("checkpoints", range(1, checkpoints + 1), {"independent": luck[0.0], f"correlation {shared:g}": luck[shared]},
               y_label="luck of the best so far, in standard errors"))
    # The mean of the largest of 10 normals is 1.5388; counts of 20 items and more are that to a few per cent
    expect("luck of the best of independent ones, in standard errors", luck[0.0][-1], equals=1.54, within=0.1)
    differs = 1 - round(shared * items) / items if counted == "what differs" else 1
    expect("luck of the best of correlated ones over √(1 − r)", luck[shared][-1] / differs**0.5, equals=1.54, within=0.15)


def drill_items(rng) -> Drill:
    """Test items needed to see a gain."""
    gained, lost = rng.choice([(0.04, 0.02), (0.06, 0.02), (0.03, 0.01), (0.08, 0.04), (0.05, 0.0)])
    delta = gained - lost
    items = 4 * (gained + lost - delta**2) / delta**2
    return Drill(
        en=f"After tuning {100 * gained:g}% of the items turn from wrong to right and {100 * lost:g}% from right to wrong. How many paired "
           "test items are needed so that the gain equals two standard errors?",
        zh=f"微调后 {100 * gained:g}% 的题由错变对，{100 * lost:g}% 由对变错。成对比较时，需要多少道题，提升才等于两倍标准误？",
        answer=items, within=0.02 * items,
        steps=[(f"δ = {delta:g}, variance = {gained:g} + {lost:g} − {delta:g}² = {gained + lost - delta**2:.4f}",
                f"δ = {delta:g}，方差 = {gained:g} + {lost:g} − {delta:g}² = {gained + lost - delta**2:.4f}"),
               (f"4 · variance / δ² = {items:.0f}", f"4·方差/δ² = {items:.0f}")],
        proved_by="four_times_the_variance_over_the_gain_squared",
    )


ZH = {
    "spread over test sets": "各测试集之间的离散", "estimated from one": "由一个测试集估计", "formula": "公式", "points": "百分点",
    "spread over the formula": "离散与公式之比", "estimate from one test set over the formula": "由一个测试集的估计与公式之比",
    "paired": "成对", "unpaired": "不成对", "items needed": "所需题数", "items needed, unpaired over paired": "所需题数，不成对与成对之比",
    "share of test sets that show the gain": "看出提升的测试集占比", "share that show it with twice the items": "题数翻倍时看出提升的占比",
    "checkpoints": "checkpoint 数", "luck of the best so far, in standard errors": "至今最好者的运气，单位标准误",
    "independent": "相互独立", "correlation {}": "相关系数 {}",
    "luck of the best of independent ones, in standard errors": "独立时最好者的运气，单位标准误",
    "luck of the best of correlated ones over √(1 − r)": "相关时最好者的运气与 √(1 − r) 之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
