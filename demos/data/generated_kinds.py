r"""More generated prompts are not more kinds of prompt: temperature and seeds decide how many kinds there are.

生成的提示更多，不等于种类更多：种类数由温度与种子决定。

A generator here is a table of frequencies that fall like 1/rank; each seed task has a ranking of its own. Turn
`sharper` to 1.0 or `seeds` to 20: then more prompts do hold more kinds.
这里的生成器是一张按 1/名次下降的频率表，每个种子任务各有一套名次。把 `sharper` 改为 1.0，或把 `seeds` 改为 20：提示更多时种类才更多。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def distinct(p: Tensor, n: int) -> Tensor:
    """Kinds expected among n prompts drawn from frequencies p (kinds,): Σ 1 − (1 − p)ⁿ."""
    return (1 - (1 - p) ** n).sum()


def generator(kinds: int, temperature: float = 1.0) -> Tensor:
    """Frequencies (kinds,) of a model that was fitted to 1/rank and samples at a temperature."""
    share = torch.arange(1, kinds + 1, dtype=F64) ** (-1 / temperature)
    return share / share.sum()


def from_seeds(kinds: int, seeds: int) -> Tensor:
    """Frequencies when the prompt shows one of so many seeds in turn: each puts another kind first, and falls off steeply."""
    each = generator(kinds, 0.5)
    order = torch.stack([torch.randperm(kinds) for _ in range(seeds)])   # rank of each kind, by seed
    return each[order].mean(0)


RANGES = {"kinds": between(500, 1500), "drawn": between(200, 400), "sharper": one_of(0.5, 1.0), "seeds": one_of(1, 20)}


@breaks(sharper=1.0, en="At the same temperature ten times the prompts hold more kinds.", zh="温度相同时，提示多十倍，种类更多。")
def claim_ten_times_the_prompts_can_hold_fewer_kinds(kinds=1000, drawn=300, sharper=0.5):
    """Drawn at temperature 0.5 from kinds that fall off like 1/rank, ten times as many prompts hold fewer kinds than at
    temperature 1.

    种类的频率按 1/名次下降时，以温度 0.5 抽十倍的提示，种类反而比温度 1 时少。"""
    p, q = generator(kinds), generator(kinds, sharper)
    counts = [10, 30, 100, 300, 1000, 3000]
    curves = {f"temperature {t:g}": [distinct(one, n) for n in counts] for t, one in ((1.0, p), (sharper, q))}
    show(lines("prompts", counts, curves, log="x", y_label="kinds"))
    expect("kinds, sharper and ten times over plain", distinct(q, 10 * drawn) / distinct(p, drawn), at_most=0.9)
    seen = torch.tensor([float(torch.multinomial(p, drawn, replacement=True).unique().numel()) for _ in range(50)])
    # kinds seen in one draw scatter by at most √kinds / 2 ≈ 8, the mean of 50 by 1.1
    expect("kinds in 50 draws less the formula", seen.mean() - distinct(p, drawn), equals=0, within=5)


@breaks(seeds=20, en="Twenty seeds against twenty are no fewer.", zh="二十个种子对二十个，并不少。")
def claim_one_seed_flattens_the_curve(kinds=1000, drawn=300, seeds=1):
    """Shown one seed again and again, a generator gives ten times as many prompts and still fewer kinds than with 20 seeds.

    反复给同一个种子，生成十倍的提示，种类仍少于用二十个种子时。"""
    few, many = from_seeds(kinds, seeds), from_seeds(kinds, 20)
    counts = [10, 30, 100, 300, 1000, 3000]
    show(lines("prompts", counts, {f"seeds: {s}": [distinct(p, n) for n in counts] for s, p in ((20, many), (seeds, few))},
               log="x", y_label="kinds"))
    expect("kinds, ten times the prompts over 20 seeds", distinct(few, 10 * drawn) / distinct(many, drawn), at_most=0.9)


def drill_chance_of_a_kind(rng) -> Drill:
    """Whether a rare kind appears among generated prompts."""
    w, n = rng.choice([(0.001, 1000), (0.002, 1000), (0.0005, 1000), (0.001, 3000), (0.01, 100)])
    p = 1 - (1 - w) ** n
    return Drill(
        en=f"A generator writes a kind of prompt with probability {100 * w:g}%. How likely is the kind among {n:,} generated prompts?",
        zh=f"生成器写出某类提示的概率是 {100 * w:g}%。生成 {n:,} 条，其中至少有一条这类的概率是多少？",
        answer=p, within=0.02,
        steps=[(f"1 − (1 − {w:g})^{n} ≈ 1 − e^(−{w * n:g})",) * 2, (f"= {p:.3f}",) * 2],
        proved_by="ten_times_the_prompts_can_hold_fewer_kinds")


ZH = {
    "prompts": "提示数", "temperature {}": "温度 {}", "kinds": "种类数", "seeds: {}": "种子数：{}",
    "kinds, sharper and ten times over plain": "种类数之比：更尖且十倍，对照",
    "kinds in 50 draws less the formula": "50 次抽取的种类数减公式",
    "kinds, ten times the prompts over 20 seeds": "种类数之比：十倍提示，对二十个种子",
}

if __name__ == "__main__":
    main()
