r"""Two people agreeing on 73 % of pairs does not cap a reward model at 73 %: the ceiling lies between 73 and
84 %, by how the disagreement is spread.

两个人在 73 % 的对上一致，并不意味着奖励模型的准确率上限是 73 %：上限在 73 % 与 84 % 之间，取决于分歧怎样分布。

If a share p of people prefer A, two agree with p² + (1 − p)², and the best guess is right with
max(p, 1 − p). Turn `raters` to "the same": one person asked twice agrees always, and nothing follows.
把 `raters` 改为 "the same"：同一次判断与自己比较总是一致，什么也推不出来。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table

F64 = torch.float64


def ceiling(agreement: float) -> tuple[float, float]:
    """The least and the largest accuracy that the best predictor of a single label can have, if two
    labellers agree on this share of the pairs (at least one half)."""
    return agreement, (1 + math.sqrt(2 * agreement - 1)) / 2


def shares(spread: str, pairs: int, agreement: float) -> Tensor:
    """The share of people for A of each pair, (pairs,), such that two of them agree as often as told:
    all pairs alike, some certain and the others coin flips, or something between."""
    e = 2 * agreement - 1                                              # the mean of (2p − 1)²
    lean = {"all alike": torch.full((pairs,), math.sqrt(e), dtype=F64),
            "certain or coin flip": (torch.arange(pairs) < round(e * pairs)).to(F64)}
    if spread in lean:
        q = lean[spread]
    else:
        q = torch.rand(pairs, dtype=F64)
        low, high = 0.0, 60.0                                          # the power that gives the mean
        for _ in range(60):
            power = (low + high) / 2
            low, high = (power, high) if (q ** (2 * power)).mean() > e else (low, power)
        q = q**power
    return torch.where(torch.rand(pairs) < 0.5, (1 + q) / 2, (1 - q) / 2)


def votes(p: Tensor, raters: str) -> tuple[Tensor, Tensor]:
    """Two labels of each pair, from two people or twice from one judgement."""
    first = torch.rand(len(p), dtype=F64) < p
    return first, first if raters == "the same" else torch.rand(len(p), dtype=F64) < p


SPREADS = ("all alike", "mixed", "certain or coin flip")
RANGES = {
    "agreement": between(0.55, 0.95), "agreements": each(between(0.55, 0.95), at_least=2, rising=True),
    "pairs": between(20_000, 100_000), "raters": one_of("two people", "the same"),
    "spread": one_of("all alike", "mixed", "certain or coin flip"),
}
SAME = breaks(raters="the same", en="A judgement agrees with itself: that measures nothing.",
              zh="同一次判断与自己总是一致：等于没有测量。")


@SAME
def claim_agreement_is_the_mean_of_p_squared_terms(agreement=0.73, pairs=40_000, raters="two people"):
    """Two people agree on the mean of p² + (1 − p)², however the shares p are spread.

    两人一致的比例等于 p² + (1 − p)² 的平均，与 p 怎样分布无关。"""
    rows = []
    for spread in SPREADS:
        p = shares(spread, pairs, agreement)
        first, second = votes(p, raters)
        rows.append([spread, (first == second).double().mean().item(), (p**2 + (1 - p) ** 2).mean().item()])
    show(table(["disagreement", "share agreed, drawn", "mean of p² + (1 − p)²"], rows))
    # a share of n pairs scatters by at most 0.5/√n: five of that
    expect("share agreed, drawn, less the formula", [row[1] - row[2] for row in rows], equals=0, within=2.5 / pairs**0.5)
    expect("mean of p² + (1 − p)² less the agreement asked for", [row[2] - agreement for row in rows], equals=0, within=1e-4)


@breaks(spread="certain or coin flip", en="If some pairs are certain and the rest coin flips, the ceiling is the agreement itself.",
        zh="若一部分对毫无争议、其余全是抛硬币，上限就等于一致率。")
def claim_the_ceiling_is_above_the_agreement(agreement=0.73, pairs=40_000, spread="all alike"):
    """With all pairs equally hard, agreement of 73 % allows an accuracy of 84 %: (1 + √(2a − 1))/2.

    若每一对都同样难，73 % 的一致率允许 84 % 的准确率：(1 + √(2a − 1))/2。"""
    p = shares(spread, pairs, agreement)
    label, _ = votes(p, "two people")
    best = ((p > 0.5) == label).double().mean()
    show(table(["agreement of two people", "accuracy of the best predictor", "(1 + √(2a − 1))/2"],
               [[agreement, best.item(), ceiling(agreement)[1]]]))
    expect("accuracy of the best predictor less (1 + √(2a − 1))/2", best - ceiling(agreement)[1], equals=0,
           within=2.5 / pairs**0.5)


@SAME
def claim_the_ceiling_lies_between_two_bounds(agreements=(0.55, 0.65, 0.73, 0.85), pairs=40_000, raters="two people"):
    """Whatever the spread, the best accuracy lies between the measured agreement a and
    (1 + √(2a − 1))/2.

    无论分歧怎样分布，最好的准确率都在测得的一致率 a 与 (1 + √(2a − 1))/2 之间。"""
    best: dict[str, list[float]] = {}
    above, under = [], []
    for spread in SPREADS:
        best[spread] = []
        for a in agreements:
            p = shares(spread, pairs, a)
            first, second = votes(p, raters)
            low, high = ceiling((first == second).double().mean().item())
            best[spread].append(torch.maximum(p, 1 - p).mean().item())
            above.append(best[spread][-1] - low)
            under.append(high - best[spread][-1])
    show(lines("agreement of two people", agreements, {f"best accuracy, {spread}": b for spread, b in best.items()}))
    noise = 5 * 0.5 / pairs**0.5                                       # of the agreement; √ makes it larger near a half
    expect("best accuracy less a", above, at_least=-noise)
    expect("(1 + √(2a − 1))/2 less best accuracy", under, at_least=-4 * noise)


def drill_ceiling(rng) -> Drill:
    """Agreement to the best possible accuracy."""
    a = rng.choice([0.68, 0.625, 0.745, 0.82, 0.58, 0.905])
    top = ceiling(a)[1]
    return Drill(
        en=f"Two annotators agree on {a:.1%} of the pairs, and all pairs are equally hard. What accuracy can a perfect reward "
           "model reach against a single annotator’s labels?",
        zh=f"两个标注员在 {a:.1%} 的对上一致，每一对同样难。完美的奖励模型对单个标注员的标签能达到多高的准确率？",
        answer=top, within=0.005,
        steps=[(f"p² + (1 − p)² = {a:g}, so (2p − 1)² = 2·{a:g} − 1 = {2 * a - 1:g}",
                f"p² + (1 − p)² = {a:g}，所以 (2p − 1)² = 2·{a:g} − 1 = {2 * a - 1:g}"),
               (f"p = (1 + {math.sqrt(2 * a - 1):.2g})/2 = {top:.3g}", f"p = (1 + {math.sqrt(2 * a - 1):.2g})/2 = {top:.3g}")],
        proved_by="the_ceiling_is_above_the_agreement",
    )


ZH = {
    "disagreement": "分歧的分布", "all alike": "每对同样难", "mixed": "混合", "certain or coin flip": "确定或抛硬币",
    "share agreed, drawn": "抽样的一致率", "mean of p² + (1 − p)²": "p² + (1 − p)² 的平均",
    "share agreed, drawn, less the formula": "抽样一致率与公式之差",
    "mean of p² + (1 − p)² less the agreement asked for": "p² + (1 − p)² 的平均与给定一致率之差",
    "agreement of two people": "两人的一致率", "accuracy of the best predictor": "最好预测器的准确率",
    "accuracy of the best predictor less (1 + √(2a − 1))/2": "最好预测器的准确率减 (1 + √(2a − 1))/2",
    "best accuracy, all alike": "最好的准确率，每对同样难", "best accuracy, mixed": "最好的准确率，混合",
    "best accuracy, certain or coin flip": "最好的准确率，确定或抛硬币", "(1 + √(2a − 1))/2": "(1 + √(2a − 1))/2",
    "best accuracy less a": "最好的准确率减 a", "(1 + √(2a − 1))/2 less best accuracy": "(1 + √(2a − 1))/2 减最好的准确率",
}

if __name__ == "__main__":
    main()
