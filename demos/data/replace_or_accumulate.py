r"""Generated prompts hold less variety than their source: refitted on itself a model loses kinds, unless the real
data stay in the pool.

生成的提示不如其来源多样：模型反复用自己的产物重新拟合，就会丢失种类，除非真实数据一直留在池子里。

A model here is a table of frequencies of kinds of prompt. Gerstgrasser et al. 2024. Turn `pool` to "replaced":
each round trains on the last round's output alone.
这里的模型是一张各类提示的频率表。Gerstgrasser 等 2024。把 `pool` 改为 "replaced"：每一轮只用上一轮的产物训练。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("replaced_data_lose_variety", "accumulated_data_keep_it"),
          wrong=("drops_the_real_data", "always_asks_the_first_model", "replaces"))
def refitted(real: Tensor, rounds: int, accumulate: bool) -> Tensor:
    """Models refitted on their own output. real (trials, kinds) counts the real prompts of each kind, n in all; the first model
    has their frequencies. Each round draws n prompts from the newest model, adds them to the pool (or puts them in its place),
    and fits the next to the pool. The result is (rounds + 1, trials, kinds).

    反复用自己的产物重新拟合。real (trials, kinds) 是各类真实提示的条数，共 n 条，第一个模型就是它们的频率。每一轮从最新的模型抽 n 条，
    加进池子（或取代池子），再由池子拟合下一个模型。结果为 (rounds + 1, trials, kinds)。"""
    n = int(real[0].sum())
    pool, models = real, [real / n]
    for _ in range(rounds):
        drawn = torch.zeros_like(real).scatter_add_(1, torch.multinomial(models[-1], n, replacement=True), torch.ones(len(real), n))
        pool = pool + drawn if accumulate else drawn
        models.append(pool / pool.sum(1, keepdim=True))
    return torch.stack(models)


def variety(p: Tensor) -> Tensor:
    """How likely two prompts are of different kinds: 1 − Σ p²."""
    return 1 - p.square().sum(-1)


def real_prompts(trials: int, n: int, kinds: int) -> Tensor:
    """Counts (trials, kinds) that sum to n, falling like 1/rank; every kind is there at least once."""
    share = 1 / torch.arange(1, kinds + 1)
    counts = 1 + (share / share.sum() * (n - kinds)).floor()
    counts[0] += n - counts.sum()
    return counts.expand(trials, kinds).clone()


def distinct(p: Tensor, n: int) -> Tensor:
    """Kinds expected among n prompts drawn from p: Σ 1 − (1 − p)ⁿ."""
    return (1 - (1 - p) ** n).sum()


RANGES = {
    "n": between(60, 120), "kinds": between(20, 40), "rounds": between(10, 25), "pool": one_of("replaced", "accumulated"),
    "sharper": one_of(0.5, 1.0), "zipf": between(500, 1500), "drawn": between(200, 400),
}
KEPT = breaks(pool="accumulated", en="With the real prompts in the pool each new round weighs less and less.",
              zh="真实提示留在池子里，新一轮的分量就越来越小。")


@KEPT
def claim_replaced_data_lose_variety(n=100, kinds=30, rounds=20, pool="replaced"):
    """Refitted on its own n samples alone, a model keeps (1 − 1/n)ᵗ of its variety after t rounds on average, however large it
    is.

    只用自己的 n 条样本重新拟合，t 轮之后平均只剩 (1 − 1/n)ᵗ 的多样性，模型多大都一样。"""
    p = refitted(real_prompts(1000, n, kinds), rounds, pool == "accumulated")
    left = variety(p).mean(1) / variety(p[0]).mean()
    formula = [(1 - 1 / n) ** t for t in range(rounds + 1)]
    show(lines("round", range(rounds + 1), {"variety left": left, "(1 − 1/n)ᵗ": formula}))
    # variety of one trial scatters by at most 0.15 after 25 rounds, the mean of 1000 by 0.005
    expect("variety left less (1 − 1/n)ᵗ", left - torch.tensor(formula), equals=0, within=0.02, at=("round", range(rounds + 1)))


@breaks(pool="replaced", en="Each round loses 1/n of what is left, without end.", zh="每一轮都丢掉剩余的 1/n，没有尽头。")
def claim_accumulated_data_keep_it(n=100, kinds=30, rounds=20, pool="accumulated"):
    """With all earlier data kept, round t loses 1/(n(t + 1)²) of the variety, so all rounds together lose less than 0.65/n.

    此前的数据全部保留时，第 t 轮只丢掉 1/(n(t + 1)²) 的多样性，所有轮次合计不到 0.65/n。"""
    p = refitted(real_prompts(1000, n, kinds), rounds, pool == "accumulated")
    left = variety(p).mean(1) / variety(p[0]).mean()
    formula = torch.cumprod(torch.tensor([1.0, *(1 - 1 / (n * (t + 1) ** 2) for t in range(1, rounds + 1))]), 0)
    show(lines("round", range(rounds + 1), {"variety left": left, "product of 1 − 1/(n(t + 1)²)": formula}))
    # variety of one trial scatters by at most 0.05, the mean of 1000 by 0.0016
    expect("variety left less the formula", left - formula, equals=0, within=0.007, at=("round", range(rounds + 1)))
    expect("loss of all rounds by the formula, times n", n * (1 - formula[-1]), at_most=math.pi**2 / 6 - 1)


@KEPT
def claim_rare_kinds_go_first(n=100, kinds=30, rounds=20, pool="replaced"):
    """Of the kinds that stood once in the data at least 3 of 4 are gone after 20 rounds of replacing; the most frequent kind is
    gone in fewer than 3 of 10 runs.

    数据里只有一条的种类，替换 20 轮之后至少四分之三消失；最常见的一类消失的不到三成。"""
    real = real_prompts(300, n, kinds)
    gone = (refitted(real, rounds, pool == "accumulated")[-1] == 0).float().mean(0)      # by kind
    once = gone[real[0] == real[0].min()].mean()
    show(bars(["once in the data", "most frequent"], {"share that is gone": [once, gone[0]]}))
    # a line of descent from one sample is alive after t rounds with a chance of about 2/t
    expect("share of the rarest kinds that is gone", once, at_least=0.75)
    expect("runs in which the most frequent kind is gone", gone[0], at_most=0.3)


@breaks(sharper=1.0, en="At the same temperature ten times the prompts hold more kinds.", zh="温度相同时，提示多十倍，种类更多。")
def claim_ten_times_the_prompts_can_hold_fewer_kinds(zipf=1000, drawn=300, sharper=0.5):
    """Drawn at temperature 0.5 from kinds that fall off like 1/rank, ten times as many prompts hold fewer kinds than drawn at
    temperature 1.

    种类的频率按 1/名次下降时，以温度 0.5 抽十倍的提示，种类反而比温度 1 时少。"""
    share = 1 / torch.arange(1, zipf + 1, dtype=torch.float64)
    p, q = share / share.sum(), share ** (1 / sharper) / (share ** (1 / sharper)).sum()
    counts = [10, 30, 100, 300, 1000, 3000]
    curves = {f"temperature {t:g}": [distinct(one, n) for n in counts] for t, one in ((1.0, p), (sharper, q))}
    show(lines("prompts", counts, curves, log="x", y_label="kinds"))
    expect("kinds, sharper and ten times over plain", distinct(q, 10 * drawn) / distinct(p, drawn), at_most=0.9)
    seen = torch.stack([torch.multinomial(p, drawn, replacement=True).unique().numel() * torch.ones(()) for _ in range(50)])
    # kinds seen in one draw scatter by at most √(kinds) / 2 ≈ 6, the mean of 50 by 0.9
    expect(
    "kinds in 50 draws less the formula", seen.mean() - distinct(p, drawn), equals=0, within=4.5)


def drill_variety_left(rng) -> Drill:
    """Variety after some rounds of replacing."""
    n, t = rng.choice([(50, 10), (100, 20), (100, 50), (20, 10), (200, 100)])
    left = (1 - 1 / n) ** t
    return Drill(
        en=f"A model is refitted {t} times, each time on {n} samples of its predecessor alone. What share of the variety (the chance "
           "that two samples are of different kinds) is left on average?",
        zh=f"一个模型重新拟合 {t} 次，每次只用前一个模型的 {n} 条样本。多样性（两条样本不同类的概率）平均还剩多少？",
        answer=left, within=0.02,
        steps=[(f"(1 − 1/{n})^{t} ≈ e^(−{t / n:g})",) * 2, (f"= {left:.3f}",) * 2],
        proved_by="replaced_data_lose_variety")


ZH = {
    "round": "轮次", "variety left": "剩余多样性", "(1 − 1/n)ᵗ": "(1 − 1/n)ᵗ",
    "variety left less (1 − 1/n)ᵗ": "剩余多样性减 (1 − 1/n)ᵗ",
    "product of 1 − 1/(n(t + 1)²)": "1 − 1/(n(t + 1)²) 之积", "variety left less the formula": "剩余多样性减公式",
    "loss of all rounds by the formula, times n": "公式给出的总损失乘 n", "once in the data": "只有一条的", "most frequent": "最常见的",
    "share that is gone": "消失的占比", "share of the rarest kinds that is gone": "最稀少种类消失的占比",
    "runs in which the most frequent kind is gone": "最常见的一类消失的占比", "prompts": "提示数",
    "temperature {}": "温度 {}", "kinds": "种类数",
    "kinds, sharper and ten times over plain": "种类数之比：更尖且十倍，对照",
    "kinds in 50 draws less the formula": "50 次抽取的种类数减公式",
}

if __name__ == "__main__":
    main()
