r"""More labels average independent errors away; a judge's bias they only make more certain.

标签越多，独立的错误越能平均掉；裁判的偏见却只会被确认得更牢。

Toy: a linear reward in d dimensions is estimated from comparisons of random pairs, as the mean of the
labelled differences. Turn `judge` to "length": the judge also likes one direction, and no number of
labels gets past it. 把 `judge` 改为 "length"：裁判还偏爱某个方向，标签再多也过不去。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table

BIAS = 0.5


def estimate(differences: Tensor, labels: Tensor) -> Tensor:
    """A reward direction (d,) from comparisons: the mean of label · (features of A − features of B)."""
    return (labels[:, None] * differences).mean(0)


def compare(n: int, d: int, judge: str, flips: float, near: float = 1.0) -> tuple[Tensor, Tensor]:
    """Differences (n, d) of random pairs, and labels ±1 of a judge. The true reward is the first
    coordinate; a "length" judge also rewards the second. Differences of length are scaled by `near`."""
    x = torch.randn(n, d)
    x[:, 1] *= near
    utility = x[:, 0] + (BIAS * x[:, 1] if judge == "length" else 0.0)
    labels = utility.sign()
    return x, torch.where(torch.rand(n) < flips, -labels, labels)


def cosine(found: Tensor) -> float:
    """With the true direction."""
    return (found[0] / found.norm()).item()


def mean_cosine(n: int, d: int, judge: str, flips: float) -> float:
    """Over enough repeats that small samples do not scatter."""
    repeats = 1 if n >= 20_000 else 40
    return sum(cosine(estimate(*compare(n, d, judge, flips))) for _ in range(repeats)) / repeats


RANGES = {
    "ns": each(between(100, 100_000), at_least=2, rising=True, at_most=5), "d": between(8, 32), "n": between(20_000, 60_000),
    "flips": between(0.0, 0.4), "judge": one_of("fair", "length"), "pairs": one_of("length-matched", "as they come"),
    "flaw": one_of("position", "length"),
}
LENGTH = breaks(judge="length", en="A bias points the same way in every label: it does not average out.",
                zh="偏见在每个标签里都指向同一方向，平均不掉。")


@LENGTH
def claim_independent_flips_cost_a_factor_of_labels(d=16, flips=0.25, judge="fair"):
    """For this estimator n labels with independent flips e are worth n(1 − 2e)² clean ones: a quarter
    wrong costs a factor of four.

    对这个估计量，n 个独立错标率为 e 的标签抵得上 n(1 − 2e)² 个干净标签：错四分之一，等于标签少到四分之一。"""
    ns = (100, 400, 1600, 6400, 40_000)
    found = torch.tensor([mean_cosine(n, d, judge, flips) for n in ns])
    signal = torch.tensor(ns) * (1 - 2 * flips) ** 2 * 2 / math.pi     # (E|x|)² = 2/π
    formula = 1 / (1 + (d - 1) / signal).sqrt()
    clean = 1 / (1 + (d - 1) / (torch.tensor(ns) * 2 / math.pi)).sqrt()
    show(lines("labels", ns, {"measured": found, "n(1 − 2e)² clean labels": formula, "n clean labels": clean}, log="x",
               y_label="cosine with the true reward"))
    # The formula takes means inside the root: some 0.02 off where the cosine is near 0.7 or below.
    expect("cosine less that of n(1 − 2e)² clean labels", found[1:] - formula[1:], equals=0, within=0.05, at=("labels", ns[1:]))
    expect("cosine at 40,000 labels", found[-1], at_least=0.98)


@breaks(judge="fair", en="A fair judge has no ceiling: the estimate goes on to 1.", zh="公正的裁判没有上限，估计会一直趋于 1。")
def claim_a_bias_is_a_ceiling(ns=(1000, 10_000, 100_000), d=16, judge="length"):
    """A judge that also rewards length with half the weight leads to cosine 1/√1.25 = 0.894 and stays
    there, from ten thousand labels to a hundred thousand.

    若裁判还以一半的权重奖励长度，估计趋于余弦 1/√1.25 = 0.894 并停在那里，一万到十万个标签都一样。"""
    found = torch.tensor([mean_cosine(n, d, judge, 0.0) for n in ns])
    fair = [mean_cosine(n, d, "fair", 0.0) for n in ns]
    show(lines("labels", ns, {"biased judge": found, "fair judge": fair}, log="x", y_label="cosine with the true reward"))
    # of n labels a cosine is off by about d / n, and the mean of the rest by 1 / √n
    room = 2 / torch.tensor(ns).sqrt() + 0.003
    expect("cosine less 1/√(1 + 0.5²), over 2/√n + 0.003", (found - 1 / math.sqrt(1 + BIAS**2)) / room, equals=0, within=1,
           at=("labels", ns))


@breaks(pairs="as they come", en="Where the pairs differ in length, the bias is learnt with them.",
        zh="两个回答长度不同，偏见就一并学进去了。")
def claim_length_matched_pairs_hide_the_bias(n=20_000, d=16, pairs="length-matched"):
    """Among pairs of equal length a length-loving judge has nothing to reward: the estimate points at
    the true reward again, over 0.98.

    在长度相同的对上，偏爱长度的裁判无从加分：估计又指向真实奖励，余弦超过 0.98。"""
    rows = {p: cosine(estimate(*compare(n, d, "length", 0.0, near)))
            for p, near in {"as they come": 1.0, "length-matched": 0.02}.items()}
    show(table(["pairs", "cosine with the true reward"], [list(row) for row in rows.items()]))
    expect("cosine with the true reward", rows[pairs], at_least=0.98)


@breaks(flaw="length", en="A love of length is the same in both orders: the swap test passes it.",
        zh="偏爱长度在两种次序下一样：交换测试查不出来。")
def claim_swapping_the_order_finds_position_bias(n=20_000, d=16, flaw="position"):
    """Ask twice with the answers exchanged: a judge that favours the first one contradicts itself, one
    that favours the longer never does.

    交换两个答案再问一次：偏爱第一个的裁判会自相矛盾，偏爱较长者的则从不。"""
    x = torch.randn(n, d)

    def prefers_first(first: Tensor) -> Tensor:
        return first[:, 0] + (BIAS if flaw == "position" else BIAS * first[:, 1]) > 0

    contradicts = (prefers_first(x) == prefers_first(-x)).double().mean()
    # It does where |quality gap| < 0.5: erf(0.5/√2) of the pairs, give or take 5 sigma.
    known = math.erf(BIAS / math.sqrt(2))
    show(table(["judge favours", "contradicts itself", "expected of a position bias of 0.5"],
               [[flaw, contradicts.item(), known]]))
    expect("share of pairs with two different verdicts", contradicts, equals=known, within=5 * (0.25 / n) ** 0.5)


def drill_worth(rng) -> Drill:
    """What noisy labels are worth in clean ones."""
    n, e = rng.choice([(1000, 0.1), (5000, 0.2), (10_000, 0.3), (10_000, 0.25), (2000, 0.4), (8000, 0.25)])
    worth = n * (1 - 2 * e) ** 2
    return Drill(
        en=f"A judge flips {e:.0%} of its labels independently. For a linear reward estimated by averaging, how many clean "
           f"labels are {n:,} of its labels worth?",
        zh=f"某裁判独立地错标 {e:.0%} 的标签。用平均法估计线性奖励时，它的 {n:,} 个标签抵得上多少个干净标签？",
        answer=worth,
        steps=[(f"each label’s signal shrinks by 1 − 2e = {1 - 2 * e:g}", f"每个标签的信号缩为 1 − 2e = {1 - 2 * e:g}"),
               (f"labels count with its square: {n}·{(1 - 2 * e) ** 2:g} = {worth:g}",
                f"标签数按其平方折算：{n}·{(1 - 2 * e) ** 2:g} = {worth:g}")],
        proved_by="independent_flips_cost_a_factor_of_labels",
    )


ZH = {
    "labels": "标签数", "measured": "实测", "n(1 − 2e)² clean labels": "n(1 − 2e)² 个干净标签", "n clean labels": "n 个干净标签",
    "cosine with the true reward": "与真实奖励的余弦", "cosine less that of n(1 − 2e)² clean labels": "余弦与 n(1 − 2e)² 个干净标签时之差",
    "cosine at 40,000 labels": "40,000 个标签时的余弦", "biased judge": "有偏裁判", "fair judge": "公正裁判",
    "cosine less 1/√(1 + 0.5²), over 2/√n + 0.003": "余弦减 1/√(1 + 0.5²)，除以 2/√n + 0.003",
    "pairs": "偏好对", "as they come": "随机", "length-matched": "长度相同", "judge favours": "裁判偏爱", "contradicts itself": "自相矛盾",
    "expected of a position bias of 0.5": "位置偏差 0.5 的预期", "share of pairs with two different verdicts": "两次判决不同的对的占比",
    "position": "位置", "length": "长度",
}

if __name__ == "__main__":
    main()
