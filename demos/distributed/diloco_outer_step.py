r"""DiLoCo: every worker trains H steps alone, then the mean of what they moved is one gradient for an outer optimizer.

DiLoCo：每个 worker 各自训练 H 步，再把大家移动量的平均当作一个梯度，交给外层优化器。

Douillard et al. 2023, Algorithm 1; parabolas with a minimum and a curvature of their own for each worker. Turn
`inner` to 8: it is no longer data parallelism, and with unlike data it settles elsewhere.
每个 worker 是一条抛物线，最小点与曲率各不相同。把 `inner` 改为 8：它不再等于数据并行，数据不同分布时会停在别处。
"""

import torch
import torch.distributed as dist
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
    on_ranks,
    one_of,
    show,
)
from studyapp.evidence.tools import collectives, randn

F64 = torch.float64


@exercise(claims=("one_inner_step_is_data_parallelism", "nesterov_matches_a_loop"),
          wrong=("climbs", "momentum_without_nesterov", "replaces_by_the_mean", "forgets_the_velocity"))
def outer_step(anchor: Tensor, workers: Tensor, velocity: Tensor, rate: float, momentum: float) -> tuple[Tensor, Tensor]:
    """One outer step of SGD with Nesterov momentum. anchor (width,) is where all workers began, workers (n, width) where
    they are after their inner steps; the gradient is what they moved back from, on average. The new anchor and velocity:
    v ← μ v + g, anchor ← anchor − rate · (g + μ v).

    带 Nesterov 动量的一次外层 SGD。anchor (width,) 是所有 worker 的起点，workers (n, width) 是内层训练之后的位置；
    梯度取 anchor 减去其平均。
    返回新的 anchor 与速度：v ← μ v + g，anchor ← anchor − rate · (g + μ v)。"""
    gradient = anchor - workers.mean(0)                                # (width,): uphill, like any gradient
    velocity = momentum * velocity + gradient
    return anchor - rate * (gradient + momentum * velocity), velocity


def inner_steps(start: Tensor, curvature: Tensor, minimum: Tensor, rate: float, inner: int) -> Tensor:
    """Where each worker ends: `inner` steps of SGD on curvature·(x − minimum)²/2; all are (workers, width)."""
    x = start.clone()
    for _ in range(inner):
        x -= rate * curvature * (x - minimum)
    return x


def workers_of(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Curvatures and minima of n workers, (n, 4)."""
    return 0.2 + randn(n, 4, seed=seed, dtype=F64).abs(), randn(n, 4, seed=seed + 1, dtype=F64)


RANGES = {
    "workers": between(2, 8), "inner": between(1, 50), "counts": each(between(1, 200), at_least=2, rising=True),
                       "rate": between(0.05, 0.2),
    "outer": between(2, 40), "momentum": between(0.3, 0.95), "kind": one_of("nesterov", "plain"),
    "ranks": between(2, 4), "send": one_of("every H steps", "every step"), "predicted": one_of("closed form", "optimum"),
}


@breaks(inner=8, en="Eight steps alone move each worker towards its own minimum.", zh="各自走八步，每个 worker 都朝自己的最小点去了。")
def claim_one_inner_step_is_data_parallelism(workers=4, inner=1, outer=20, rate=0.1):
    """With one inner SGD step, outer rate 1 and no momentum, DiLoCo is synchronous data parallelism; with eight inner steps
    it is not.

    内层一步 SGD、外层学习率 1、无动量时，DiLoCo 就是同步数据并行；内层八步则不是。"""
    seed = torch.randint(10**6, ()).item()
    curvature, minimum = workers_of(workers, seed)
    anchor = together = torch.zeros(4, dtype=F64)
    apart = []
    for _ in range(outer):
        moved = inner_steps(anchor.expand(workers, 4), curvature, minimum, rate, inner)
        anchor, _ = outer_step(anchor, moved, torch.zeros(4, dtype=F64), 1.0, 0.0)
        for _ in range(inner):                                         # as many steps on the mean gradient
            together = together - rate * (curvature * (together - minimum)).mean(0)
        apart.append((anchor - together).abs().max().item())
    show(lines("outer step", range(1, outer + 1), {"distance from data parallelism": apart}))
    expect("distance from data parallelism", apart, equals=0, within=1e-12, at=("outer step", list(range(1, outer + 1))))


@breaks(kind="plain", en="Heavy-ball momentum steps by v, Nesterov's by g + μ v.", zh="普通动量按 v 走，Nesterov 按 g + μ v 走。")
def claim_nesterov_matches_a_loop(outer=10, momentum=0.9, kind="nesterov"):
    """The outer step is SGD with Nesterov momentum, as torch.optim.SGD(nesterov=True) takes it, and anchor − mean is its
    gradient.

    外层一步就是带 Nesterov 动量的 SGD，与 torch.optim.SGD(nesterov=True) 相同，梯度是 anchor − 平均。"""
    seed = torch.randint(10**6, ()).item()
    anchor, velocity = torch.zeros(3, dtype=F64), torch.zeros(3, dtype=F64)
    gradients, path = [], []
    for step in range(outer):
        moved = anchor + randn(5, 3, seed=seed + step, dtype=F64)
        gradients.append((anchor - moved.mean(0)).tolist())
        anchor, velocity = outer_step(anchor, moved, velocity, 0.7, momentum)
        path.append(anchor.tolist())
    by_hand = []
    for place in range(3):                                             # one number at a time
        x = v = 0.0
        for g in gradients:
            v = momentum * v + g[place]
            x -= 0.7 * (g[place] + momentum * v if kind == "nesterov" else v)
        by_hand.append(x)
    show(lines("outer step", range(1, outer + 1), {"anchor, first entry": [p[0] for p in path]}))
    expect("anchor at the end, less that of the loop", [a - b for a, b in zip(path[-1], by_hand, strict=True)], equals=0, within=1e-12)


@breaks(predicted="optimum", en="The optimum of the mean loss is where H = 1 settles, and no other H.",
        zh="平均损失的最优点只是 H = 1 的停点。")
def claim_unlike_workers_settle_elsewhere(counts=(1, 5, 20, 100), rate=0.2, predicted="closed form"):
    """Where the workers' parabolas differ, averaging after H = 1 local step settles at the optimum of the mean loss, after
    more off it, and for very large H at the plain mean of their optima.

    各 worker 的抛物线不同时，每 H = 1 步取平均，停在平均损失的最优点；H 更大则偏离它，H 很大时停在各自最优点的简单平均。"""
    seed = torch.randint(10**6, ()).item()
    curvature, minimum = workers_of(4, seed)
    optimum = (curvature * minimum).sum(0) / curvature.sum(0)
    got, known = [], []
    for inner in counts:
        pull = 1 - (1 - rate * curvature) ** inner                     # share of the way to its own minimum
        anchor = torch.zeros(4, dtype=F64)
        for _ in range(int(20 / pull.mean(0).min()) + 1):              # what is left of the way: under e^-20
            moved = inner_steps(anchor.expand(4, 4), curvature, minimum, rate, inner)
            anchor, _ = outer_step(anchor, moved, torch.zeros(4, dtype=F64), 1.0, 0.0)
        got.append(anchor)
        known.append((pull * minimum).sum(0) / pull.sum(0) if predicted == "closed form" else optimum)
    show(lines("inner steps H", counts, {"distance from the optimum": [(g - optimum).norm() for g in got],
                                         "distance from the mean of optima": [(g - minimum.mean(0)).norm() for g in got]}, log="x"))
    expect("where it settles, less the closed form", torch.stack(got) - torch.stack(known), equals=0, within=1e-6)
    # H = 2 changes the weights 1 − (1 − rate · c)^H by a share of rate · c / 2, at least 0.5 %; minima differ by about 1
    expect("distance from the optimum, H > 1", [(g - optimum).norm() for g, h in zip(got, counts, strict=True) if h > 1],
           at_least=1e-4)
    far, _ = outer_step(anchor, inner_steps(anchor.expand(4, 4), curvature, minimum, rate, 2000), torch.zeros(4, dtype=F64), 1.0, 0.0)
    # (1 − 0.05 · 0.2)^2000 = 2e-9 of the way is left
    expect("after 2,000 inner steps, less the mean of optima", far - minimum.mean(0), equals=0, within=1e-6)


def both_ways(rank, ranks, inner, outer):
    return {send: send_and_step(rank, ranks, inner, outer, send) for send in ("every H steps", "every step")}


def send_and_step(rank, ranks, inner, outer, send):
    """The bytes given to all-reduce over those of the weights, and the anchor at the end."""
    curvature, minimum = (part[rank] for part in workers_of(ranks, 0))
    anchor = velocity = torch.zeros(4, dtype=F64)
    with collectives() as sent:
        for _ in range(outer):
            x = anchor.clone()
            for _ in range(inner):
                g = curvature * (x - minimum)
                if send == "every step":
                    dist.all_reduce(g)
                    g /= ranks
                x -= 0.05 * g
            if send == "every H steps":
                dist.all_reduce(x)
                x /= ranks
            anchor, velocity = outer_step(anchor, x[None], velocity, 0.7, 0.9)
    return sent["all_reduce"] / (anchor.numel() * 8), anchor


@breaks(send="every step", en="Gradients averaged in every inner step are data parallelism: H times the traffic.",
        zh="每个内层步都平均梯度，就是数据并行：H 倍通信。")
def claim_traffic_is_one_over_h(ranks=3, inner=20, outer=3, send="every H steps"):
    """With H inner steps the workers exchange the weights once in H steps: 1/H of the traffic of data parallelism, and all
    hold the same anchor.

    内层 H 步，worker 之间每 H 步只交换一次权重：通信量是数据并行的 1/H，且各自的 anchor 相同。"""
    got = on_ranks(both_ways, ranks, inner, outer)
    ways = {way: [rank[way] for rank in got] for way in ("every H steps", "every step")}
    show(bars(list(ways), {"weights sent in all": [w[0][0] for w in ways.values()]}))
    expect("weights sent per inner step, times H", ways[send][0][0] / outer, equals=1)
    expect("anchors of the ranks less that of the first", torch.stack([a - ways[send][0][1] for _, a in ways[send]]), equals=0)


def drill_traffic(rng) -> Drill:
    """Average bandwidth of DiLoCo between sites."""
    billions, inner, seconds = rng.choice([(1, 500, 2), (2, 500, 4), (10, 100, 10), (8, 200, 8), (4, 100, 4)])
    value = 4 * billions / (inner * seconds)
    return Drill(
        en=f"{billions}e9 parameters, outer gradients in fp32, H = {inner} inner steps of {seconds} s each. Payload of the "
           f"outer exchange over the "
           "time between exchanges: how many GB/s (1e9 bytes)?",
        zh=f"{billions}e9 个参数，外层梯度 fp32，H = {inner} 个内层步，每步 {seconds} 秒。"
           f"外层交换的数据量除以两次交换的间隔：多少 GB/s（1e9 字节）？",
        answer=value, unit="GB/s",
        steps=[(f"payload: 4 · {billions} = {4 * billions} GB", f"数据量：4 · {billions} = {4 * billions} GB"),
               (f"every {inner} · {seconds} = {inner * seconds} s: {value:g} GB/s; data parallelism would need {4 * billions / seconds:g}",
                f"每 {inner} · {seconds} = {inner * seconds} 秒一次：{value:g} GB/s；数据并行则要 {4 * billions / seconds:g}")],
        proved_by="traffic_is_one_over_h")


ZH = {
    "outer step": "外层步", "distance from data parallelism": "与数据并行的距离",
    "anchor, first entry": "anchor 的第一个分量",
    "anchor at the end, less that of the loop": "最终 anchor 与循环结果之差", "inner steps H": "内层步数 H",
    "distance from the optimum": "与最优点的距离", "distance from the optimum, H > 1": "与最优点的距离，H > 1",
    "after 2,000 inner steps, less the mean of optima": "内层 2,000 步之后减去各最优点的平均",
    "distance from the mean of optima": "与各最优点平均的距离",
    "where it settles, less the closed form": "停点与闭式解之差", "every H steps": "每 H 步", "every step": "每步",
    "weights sent in all": "共发送几份权重", "weights sent per inner step, times H": "每内层步发送的权重份数乘 H",
    "anchors of the ranks less that of the first": "各 rank 的 anchor 与第一个之差",
}

if __name__ == "__main__":
    main()
