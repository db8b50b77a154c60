r"""Pass rates from a few tries choose the prompts of an RL run: useful ones stay, and none of eight is not never.

用少量尝试的通过率挑选 RL 的题：留下有用的；八次全错不等于永远做不对。

The pool's pass rates spread as Beta(½, ½): many prompts almost always or never solved. Turn `kept` to "all": fewer
groups teach anything.
题库的通过率服从 Beta(½, ½)：许多题几乎总是对或从不对。把 `kept` 改为 "all"：有东西可学的组变少。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show


def all_right(passed: Tensor, tries: int, group: int) -> Tensor:
    """The chance that a new group of answers is all right, after `passed` of `tries` were: a product of the expected pass rates
    (½ + passed + i) / (1 + tries + i), each updated by the answers before it (Beta(½, ½) before the first)."""
    return torch.stack([(0.5 + passed + i) / (1 + tries + i) for i in range(group)]).prod(0)


def pool(prompts: int) -> Tensor:
    """Pass rates, (prompts,)."""
    return torch.distributions.Beta(torch.tensor(0.5), torch.tensor(0.5)).sample((prompts,)).double()


RANGES = {
    "tries": between(4, 16), "prompts": between(20_000, 40_000), "kept": one_of("some right, some wrong", "all"),
    "group": between(4, 16),
}


@breaks(kept="all", en="All prompts, those always or never solved included, give fewer useful groups.",
        zh="把总是对和从不对的题也算进来，有用的组就少了。")
def claim_a_pass_rate_between_makes_useful_groups(tries=8, group=8, prompts=30_000, kept="some right, some wrong"):
    """Prompts solved in some of 8 tries and not in all have right and wrong answers in a new group of 8 at least a fifth more often
    than the whole pool, here with pass rates spread as Beta(½, ½).

    八次中有对有错的题，新采一组 8 个时同时出现对与错的机会，至少比整个题库高五分之一；这里通过率服从 Beta(½, ½)。"""
    p = pool(prompts)
    before = torch.distributions.Binomial(tries, p).sample()
    after = torch.distributions.Binomial(group, p).sample()
    mixed = (after > 0) & (after < group)
    chosen = (before > 0) & (before < tries)
    share = mixed[chosen].double().mean() if kept == "some right, some wrong" else mixed.double().mean()
    c = before[chosen]
    formula = (1 - all_right(c, tries, group) - all_right(tries - c, tries, group)).mean()
    found = [mixed.double().mean(), mixed[chosen].double().mean(), formula]
    show(bars(["whole pool", "kept prompts", "formula"], {"groups with a gradient": found}))
    # a share of some 10,000 prompts scatters by 0.5%
    expect("groups with a gradient less the formula for the kept", share - formula, equals=0, within=0.03)
    expect("kept over the whole pool", found[1] / found[0], at_least=1.2)


@breaks(kept="all", en="In the whole pool the mean is that of Beta(½, ½), one half.", zh="整个题库的均值就是 Beta(½, ½) 的一半。")
def claim_none_of_eight_is_not_never(tries=8, prompts=30_000, kept="some right, some wrong"):
    """Prompts that failed in all of n tries are solved in ½/(n + 1) of new ones if pass rates spread as Beta(½, ½): 5.6% after
    8, not 0.

    通过率服从 Beta(½, ½) 时，n 次全错的题，再试的通过率是 ½/(n + 1)：八次之后是 5.6%，不是 0。"""
    p = pool(prompts)
    before = torch.distributions.Binomial(tries, p).sample()
    means = [p[before == c].mean() for c in range(tries + 1)]
    seen = [c / tries for c in range(tries + 1)]
    show(bars(range(tries + 1), {"pass rate of new tries": means, "seen": seen}, y_label="by right answers seen"))
    unsolved = means[0] if kept != "all" else p.mean()
    # pass rates of some 5,000 unsolved prompts scatter by 0.08: the mean by 0.0012
    expect("pass rate after none of the tries, less ½/(n + 1)", unsolved - 0.5 / (tries + 1), equals=0, within=0.008)
    expect("chance of a right answer by the formula, less that", all_right(torch.zeros(1), tries, 1)[0] - 0.5 / (tries + 1), equals=0,
           within=1e-6)


def drill_after_tries(rng) -> Drill:
    """Expected pass rate from a few tries."""
    n, c = rng.choice([(8, 0), (8, 8), (4, 0), (10, 1), (8, 2), (16, 0)])
    return Drill(
        en=f"Pass rates of prompts are taken as uniform between 0 and 1. A prompt was solved in {c} of {n} tries. What pass rate do you "
           "expect in the next try?",
        zh=f"假设各题的通过率在 0 与 1 之间均匀分布。一道题 {n} 次中做对 {c} 次，下一次做对的概率是多少？",
        answer=(c + 1) / (n + 2), within=0.005,
        steps=[(f"Laplace: (c + 1) / (n + 2) = {c + 1} / {n + 2}", f"拉普拉斯：(c + 1) / (n + 2) = {c + 1} / {n + 2}"),
               (f"= {(c + 1) / (n + 2):.3f}, not {c / n:g}", f"= {(c + 1) / (n + 2):.3f}，不是 {c / n:g}")],
        proved_by="none_of_eight_is_not_never")


ZH = {
    "whole pool": "整个题库", "kept prompts": "留下的题", "formula": "公式", "groups with a gradient": "有梯度的组",
    "groups with a gradient less the formula for the kept": "有梯度的组减留下题的公式值",
    "kept over the whole pool": "留下的题与整个题库之比",
    "pass rate of new tries": "再试的通过率", "seen": "所见", "by right answers seen": "按已见的正确次数",
    "pass rate after none of the tries, less ½/(n + 1)": "全错之后的通过率减 ½/(n + 1)",
    "chance of a right answer by the formula, less that": "公式给出的做对概率减去它",
}

if __name__ == "__main__":
    main()
