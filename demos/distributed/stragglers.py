r"""A synchronous step lasts as long as its slowest rank, and the profile shows the waiting on all the others.

同步训练的一步与最慢的 rank 一样长，而性能剖析里的等待时间全落在其他 rank 上。

A clock with stated times. Turn `look_at` to "longest in all-reduce": the fastest rank is blamed.
把 `look_at` 改为 "longest in all-reduce"：怪到了最快的 rank 头上。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_straggler_waits_least", "a_lasting_straggler_costs_the_whole_job"),
          wrong=("averages_the_ranks", "waits_for_the_first"))
def synchronous(compute: Tensor, transfer: float) -> tuple[Tensor, Tensor]:
    """Steps that end in a collective: compute (steps, ranks) holds each rank's seconds, `transfer` the collective once all
    are in. The seconds of each step, (steps,), and what each rank spends inside the collective, (steps, ranks).

    每步以一次集合通信结束：compute (steps, ranks) 是各 rank 的计算秒数，`transfer` 是全部到齐后通信本身的秒数。
    返回每步秒数 (steps,)，以及各 rank 停留在集合通信里的秒数 (steps, ranks)。"""
    step = compute.amax(1) + transfer                   # it can begin when the last one enters
    return step, step[:, None] - compute                # early ranks sit in the call and wait


def harmonic(n: int) -> float:
    """1 + 1/2 + … + 1/n: the mean of the largest of n exponential numbers of mean 1."""
    return math.fsum(1 / k for k in range(1, n + 1))


RANGES = {
    "ranks": between(2, 256),
    "counts": each(between(1, 1024), at_least=2, at_most=6, rising=True),
    "slow": between(0.02, 1.0),
    "jitter": between(0.005, 0.1),
    "steps": between(1000, 3000),
    "look_at": one_of("shortest in all-reduce", "longest in all-reduce"),
    "takes": one_of("the slowest", "the mean"),
}


@breaks(look_at="longest in all-reduce", en="Longest in the all-reduce is who came first and waited for all.",
        zh="在 all-reduce 里停留最久的，是最早到、等所有人的那个。")
def claim_the_straggler_waits_least(ranks=8, slow=0.1, jitter=0.01, steps=1000, look_at="shortest in all-reduce"):
    """In a profile the straggler is the rank with the least time in collectives; the others' long all-reduce is waiting, not
    a slow network.

    在剖析结果里，慢的 rank 正是集合通信时间最短的那个；其他 rank 的 all-reduce 很长，是在等待，而不是网络慢。"""
    straggler = int(torch.randint(ranks, ()))
    compute = 1 + jitter * torch.rand(steps, ranks)
    compute[:, straggler] += slow
    _, inside = synchronous(compute, transfer=0.02)
    spent = inside.mean(0)                                                        # (ranks,)
    show(bars(range(ranks), {"seconds in all-reduce per step": spent}))
    named = int(spent.argmin() if look_at == "shortest in all-reduce" else spent.argmax())
    expect("rank named less the slow one", named - straggler, equals=0)


@breaks(takes="the mean", en="The mean does not grow with the ranks; the step waits for the largest.",
        zh="平均值不随 rank 数增长，而每一步等的是最大值。")
def claim_random_delays_grow_with_the_ranks(counts=(1, 8, 64, 512), jitter=0.05, steps=2000, takes="the slowest"):
    """With exponential delays of mean ε on each rank, a step waits for the largest: ε(1 + 1/2 + … + 1/N), 6.8 ε for 512
    ranks.

    若每个 rank 有均值为 ε 的指数随机延迟，一步等的是其中最大的：ε(1 + 1/2 + … + 1/N)，512 个 rank 时为 6.8 ε。"""
    waits, spread = [], []
    for n in counts:
        delay = -jitter * torch.rand(steps, n).log()
        step = synchronous(1 + delay, 0.0)[0] if takes == "the slowest" else 1 + delay.mean(1)
        waits.append((step - 1).mean() / jitter)
        spread.append((step - 1).std() / jitter / math.sqrt(steps))
    exact = [harmonic(n) for n in counts]
    show(lines("ranks", counts, {"mean wait over ε": waits, "1 + 1/2 + … + 1/N": exact}, log="x"))
    expect("mean wait over ε", waits, equals=exact, within=[5 * s for s in spread], at=("ranks", counts))


@breaks(takes="the mean", en="Averaged over the ranks, one slow one would be diluted.", zh="若按 rank 取平均，一个慢的就被稀释了。")
def claim_a_lasting_straggler_costs_the_whole_job(ranks=128, slow=0.1, takes="the slowest"):
    """One rank that is always 10 % slower makes a synchronous job 10 % slower, however many ranks it has.

    只要有一个 rank 始终慢 10%，整个同步任务就慢 10%，与 rank 数无关。"""
    compute = torch.ones(3, ranks, dtype=torch.float64)
    compute[:, -1] += slow
    step = synchronous(compute, 0.0)[0] if takes == "the slowest" else compute.mean(1)
    show(bars(["all alike", "one slow"], {"seconds per step": [1.0, step[0]]}))
    expect("time of a step over the usual one", step, equals=1 + slow, within=1e-12)


def drill_lost_gpus(rng) -> Drill:
    """How many GPUs' worth of work one slow GPU costs."""
    n, slow = rng.choice([(1024, 10), (2048, 5), (512, 25), (4096, 4), (8192, 10)])
    lost = n * (1 - 1 / (1 + slow / 100))
    return Drill(
        en=f"A synchronous job runs on {n:,} GPUs; one of them computes {slow} % longer per step. How many GPUs' worth of "
           f"throughput is lost, communication left out?",
        zh=f"同步训练用 {n:,} 张 GPU，其中一张每步计算多用 {slow}% 的时间。不计通信，相当于损失多少张 GPU 的吞吐量？",
        answer=lost, within=0.03 * lost,
        steps=[(f"every step takes {1 + slow / 100:g} times as long: throughput 1/{1 + slow / 100:g}",
                f"每步用时为 {1 + slow / 100:g} 倍：吞吐量为 1/{1 + slow / 100:g}"),
               (f"{n:,} · (1 − 1/{1 + slow / 100:g}) = {lost:.0f}", f"{n:,} · (1 − 1/{1 + slow / 100:g}) = {lost:.0f}")],
        proved_by="a_lasting_straggler_costs_the_whole_job",
    )


ZH = {
    "seconds in all-reduce per step": "每步停留在 all-reduce 的秒数",
    "rank named less the slow one": "指认的 rank 与慢 rank 之差",
    "ranks": "rank 数",
    "mean wait over ε": "平均等待 / ε",
    "all alike": "都一样快",
    "one slow": "有一个慢",
    "seconds per step": "每步秒数",
    "time of a step over the usual one": "每步用时与平常之比",
}

if __name__ == "__main__":
    main()
