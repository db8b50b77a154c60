r"""A synchronous step ends with its slowest rank: what is rare on one GPU is the rule on a thousand.

同步的一步由最慢的 rank 决定：单张 GPU 上罕见的事，一千张上就是常态。

Steps drawn at random, without a clock. Turn `wait` to "average": the average rank says nothing about the step.
随机抽取每步的耗时，不计时。把 `wait` 改为 "average"：平均的 rank 说明不了整步的耗时。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    expect,
    lines,
    main,
    one_of,
    show,
)


def step_times(times: Tensor, wait: str = "slowest") -> Tensor:
    """How long synchronous steps take, from the times of all ranks (steps, ranks)."""
    return times.amax(1) if wait == "slowest" else times.mean(1)


def largest_of(ranks: int) -> float:
    """The expected largest of so many normal numbers, by numerical integration of 1 − Φⁿ and Φⁿ."""
    x = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    below = torch.special.ndtr(x) ** ranks
    return (torch.trapezoid(1 - below[x >= 0], x[x >= 0]) - torch.trapezoid(below[x <= 0], x[x <= 0])).item()


RANGES = {
    "ranks": each(between(1, 1024), at_least=2, rising=True), "chance": between(0.0005, 0.05), "slowdown": between(1.5, 10.0),
    "jitter": between(0.01, 0.2), "steps": between(1000, 3000), "wait": one_of("slowest", "average"),
}
AVERAGE = breaks(wait="average", en="The average rank is not what a barrier waits for.", zh="同步点等的不是平均的 rank。")


@AVERAGE
def claim_rare_stalls_become_the_rule(ranks=(1, 8, 64, 256, 1024), chance=0.002, slowdown=3.0, steps=2000, wait="slowest"):
    """If each rank stalls in a step with chance p, independently, a synchronous step of N ranks is slow with chance
    1 − (1 − p)^N: 0.2 % becomes 87 % at 1,024 ranks.

    若每个 rank 在一步里以概率 p 独立地变慢，N 个 rank 的同步步变慢的概率是 1 − (1 − p)^N：0.2 % 在 1,024 个 rank 时变为 87 %。"""
    stalled = torch.rand(steps, max(ranks)) < chance
    share = [(step_times(1 + (slowdown - 1) * stalled[:, :n].float(), wait) >= slowdown * 0.999).float().mean().item() for n in ranks]
    known = [1 - (1 - chance) ** n for n in ranks]
    show(lines("ranks", ranks, {"share of slow steps": share, "1 − (1 − p)^N": known}, log="x"))
    # five deviations of a share of `steps` draws
    expect("share of slow steps less 1 − (1 − p)^N", [a - b for a, b in zip(share, known, strict=True)], equals=0,
           within=2.5 / math.sqrt(steps), at=("ranks", list(ranks)))


@AVERAGE
def claim_jitter_grows_with_the_ranks(ranks=(1, 8, 64, 256, 1024), jitter=0.05, steps=2000, wait="slowest"):
    """With independent normal jitter of deviation σ a step takes 1.4 σ longer for 8 ranks and 3.2 σ for 1,024: the largest
    of N, which grows about as √(2 ln N).

    抖动独立、服从标准差 σ 的正态分布时，8 个 rank 的一步慢 1.4 σ，1,024 个慢 3.2 σ：N 个之中的最大值，大致按 √(2 ln N) 增长。"""
    times = 1 + jitter * torch.randn(steps, max(ranks))
    late = [((step_times(times[:, :n], wait) - 1).mean() / jitter).item() for n in ranks]
    known = [largest_of(n) for n in ranks]
    show(lines("ranks", ranks, {"delay in σ": late, "expected largest of N": known,
         "√(2 ln N)": [math.sqrt(2 * math.log(n)) for n in ranks]},
               log="x"))
    # a mean of `steps` values of deviation at most 1: five deviations
    expect("delay in σ less the expected largest", [a - b for a, b in zip(late, known, strict=True)], equals=0,
           within=5 / math.sqrt(steps),
           at=("ranks", list(ranks)))


def drill_share_of_slow_steps(rng) -> Drill:
    """From a rare stall to the share of slow steps."""
    n, p = rng.choice([(1000, 0.001), (500, 0.001), (100, 0.01), (2000, 0.001), (200, 0.01), (50, 0.01)])
    value = 100 * (1 - (1 - p) ** n)
    return Drill(
        en=f"Each of {n} GPUs stalls in a step with chance {100 * p:g} %, independently. In what share of synchronous steps "
           f"does at least one "
           "stall (%)?",
        zh=f"{n} 张 GPU，每张在一步里以 {100 * p:g} % 的概率独立卡顿。至少有一张卡顿的同步步占百分之几？",
        answer=value, within=1.0, unit="%",
        steps=[(f"none: (1 − {p:g})^{n} ≈ e^−{n * p:g} = {math.exp(-n * p):.2f}",
                f"一张也没有：(1 − {p:g})^{n} ≈ e^−{n * p:g} = {math.exp(-n * p):.2f}"),
               (f"at least one: {value:.0f} %", f"至少一张：{value:.0f} %")],
        proved_by="rare_stalls_become_the_rule")


ZH = {
    "ranks": "rank 数", "share of slow steps": "慢步所占比例", "1 − (1 − p)^N": "1 − (1 − p)^N",
    "share of slow steps less 1 − (1 − p)^N": "慢步所占比例减去 1 − (1 − p)^N", "delay in σ": "延迟（以 σ 计）",
    "expected largest of N": "N 个之中最大值的期望", "√(2 ln N)": "√(2 ln N)",
    "delay in σ less the expected largest": "延迟（以 σ 计）减去最大值的期望",
}

if __name__ == "__main__":
    main()
