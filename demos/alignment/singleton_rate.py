r"""Facts seen exactly once tell how much was never seen; a model that must answer errs on that much.

恰好见过一次的事实，说明还有多少从未见过；必须作答的模型就在这么多问题上出错。

Good 1953; Kalai & Vempala 2024; Kalai et al. 2025, Theorem 2. Turn `times` to 2: facts seen twice
tell nothing of the kind. Turn `abstains` to True: no error is left.
把 `times` 改为 2：见过两次的事实说明不了这一点。把 `abstains` 改为 True：错误消失。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("singletons_estimate_the_unseen_mass", "counts_by_hand"),
          wrong=("counts_distinct_facts", "divides_by_the_distinct", "counts_all_possible"))
def singleton_rate(facts: Tensor, times: int = 1) -> Tensor:
    """Share of the samples whose fact occurs exactly `times` times, each such fact counted once;
    facts (samples,) holds the number of the fact in every sample. A scalar.

    出现恰好 times 次的事实的个数除以样本数；facts (samples,) 是每个样本中事实的编号。返回标量。"""
    counts = torch.bincount(facts)                                         # (facts,)
    return (counts == times).sum() / len(facts)


def zipf(facts: int, power: float) -> Tensor:
    """Probability of being asked about each fact: a few are frequent, most are rare."""
    weights = torch.arange(1, facts + 1).float() ** -power
    return weights / weights.sum()                                         # (facts,)


RANGES = {
    "facts": between(1000, 20000), "power": between(0.6, 1.2), "times": one_of(1, 2),
    "samples": each(between(500, 20000), at_least=1, at_most=5, rising=True),
    "answers": between(4, 365),
}  # fmt: skip


@breaks(times=2, en="The share of facts seen twice is another, smaller number.",
        zh="恰好见过两次的比例是另一个更小的数。")
def claim_singletons_estimate_the_unseen_mass(facts=5000, power=1.0, samples=(1000, 4000, 16000),
                                              times=1):
    """The share of samples whose fact occurs once is about the probability that the next question is
    about a fact never seen (Good–Turing), and falls with more data.

    只出现一次的事实所占的样本比例，约等于下一个问题涉及从未见过的事实的概率（Good–Turing），并随数据增多而下降。"""
    p = zipf(facts, power)
    drawn = p.multinomial(max(samples), replacement=True)
    estimate = torch.stack([singleton_rate(drawn[:n], times) for n in samples])
    unseen = []
    for n in samples:
        seen = torch.zeros(facts, dtype=torch.bool).scatter(0, drawn[:n], True)
        unseen.append(p[~seen].sum())
    show(lines("samples", samples, {"seen once": estimate, "never seen": torch.stack(unseen)},
               log="x", y_label="share"))
    # McAllester & Schapire 2000: off by a few standard deviations, each at most √(2/n)
    gaps = [(float(e) - float(u)) * n**0.5 for e, u, n in zip(estimate, unseen, samples, strict=True)]
    expect("estimate less the unseen mass, times √n", gaps, equals=0, within=4,
           at=("samples", samples))


@breaks(abstains=True, en="A model that may say “I don't know” errs on none of them.",
        zh="允许回答“我不知道”的模型在这些问题上一个也不错。")
def claim_a_model_that_must_answer_errs_on_the_unseen(facts=5000, power=1.0, answers=12,
                                                      abstains=False):
    """A toy that knows all it has seen and must guess the rest errs about as often as facts were seen
    once: singleton rate times 1 − 1/answers.

    玩具：见过的全记得，没见过的必须猜。错误率约等于只见过一次的比例乘以 (1 − 1/答案数)。"""
    p, truth = zipf(facts, power), torch.randint(0, answers, (facts,))
    drawn = p.multinomial(4000, replacement=True)
    said = torch.randint(0, answers, (facts,))                             # a guess for each fact
    said[drawn] = truth[drawn]                                             # what was seen is known
    asked = p.multinomial(20000, replacement=True)
    seen = torch.zeros(facts, dtype=torch.bool).scatter(0, drawn, True)[asked]
    wrong = (said[asked] != truth[asked]) & (seen | (not abstains))
    predicted = singleton_rate(drawn) * (1 - 1 / answers)
    show(bars(["wrong", "predicted"], [wrong.float().mean(), predicted], y_label="share"))
    # six standard errors of both shares, and of the estimate
    expect("share of wrong answers less the prediction", wrong.float().mean() - predicted, equals=0,
           within=0.08)
    expect("wrong answers over the prediction", wrong.float().mean() / predicted, at_least=0.5)


def claim_counts_by_hand():
    """Of eight samples with facts 4, 4, 7, 1, 0, 7, 7, 2 three facts occur once: a rate of 3/8.

    八个样本的事实为 4、4、7、1、0、7、7、2，其中三个事实只出现一次：比例为 3/8。"""
    facts = torch.tensor([4, 4, 7, 1, 0, 7, 7, 2])
    show(lines("fact", range(8), {"times seen": torch.bincount(facts)}))
    expect("singleton rate", singleton_rate(facts), equals=0.375, within=1e-7)
    expect("rate of facts seen twice", singleton_rate(facts, 2), equals=0.125, within=1e-7)


def drill_unseen(rng) -> Drill:
    """The Good–Turing estimate."""
    n, once = rng.choice([(1000, 200), (5000, 400), (20000, 1000), (800, 40), (10000, 2500)])
    distinct = n - rng.choice([100, 200, 300])
    return Drill(
        en=f"{n} training questions about {min(distinct, n - once // 2)} different facts; {once} facts occur exactly once. "
           "By Good–Turing, how likely is the next question to be about a fact never seen?",
        zh=f"{n} 个训练问题涉及 {min(distinct, n - once // 2)} 个不同的事实，其中 {once} 个恰好出现一次。按 Good–Turing，"
           "下一个问题涉及从未见过的事实的概率是多少？",
        answer=once / n,
        steps=[(f"facts seen once over samples: {once}/{n} = {once / n:g}",
                f"只见过一次的事实数除以样本数：{once}/{n} = {once / n:g}")],
        proved_by="singletons_estimate_the_unseen_mass",
    )


ZH = {
    "samples": "样本数", "seen once": "只见过一次", "never seen": "从未见过", "share": "比例",
    "estimate less the unseen mass, times √n": "估计与未见概率之差，乘以 √n", "wrong": "错误",
    "predicted": "预测", "share of wrong answers less the prediction": "错误率与预测之差",
    "wrong answers over the prediction": "错误率与预测之比", "fact": "事实", "times seen": "出现次数",
    "singleton rate": "只见过一次的比例", "rate of facts seen twice": "恰好见过两次的比例",
}

if __name__ == "__main__":
    main()
