r"""Without waiting, a gradient arrives W − 1 updates late on average, and the largest stable step shrinks about as
1/(2·delay + 1).

不等待时，一个梯度平均晚到 W − 1 次更新，稳定的最大步长大约按 1/(2·延迟 + 1) 缩小。

The recursion x ← x − a·∇f(x of τ updates ago) on a parabola, and an event simulation of a parameter server. Turn `limit`
to "synchronous": 2/curvature, the limit of plain SGD, diverges with any delay.
抛物线上的递推 x ← x − a·∇f(τ 次更新之前的 x)，以及参数服务器的事件模拟。把 `limit` 改为 "synchronous"：普通 SGD 的上限 2/曲率，
只要有延迟就发散。
"""

import heapq
import math

import torch

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


@exercise(claims=("the_stable_step_shrinks_with_the_delay",),
          wrong=("takes_the_fresh_point", "one_update_too_fresh", "forgets_the_curvature"))
def delayed_descent(start: float, rate: float, curvature: float, delay: int, steps: int) -> list[float]:
    """Gradient descent on curvature·x²/2 with gradients taken at the point of `delay` updates ago (at `start`, where there
    is none that old): start and the point after each step.

    在 curvature·x²/2 上的梯度下降，梯度取自 `delay` 次更新之前的点（还没有那么早的点时取 `start`）：返回起点以及每步之后的点。"""
    x = [start]
    for t in range(steps):
        seen = x[max(t - delay, 0)]                                    # what the worker had pulled
        x.append(x[t] - rate * curvature * seen)
    return x


def largest_step(curvature: float, delay: int, limit: str) -> float:
    """The stability limit 2·sin(π / (2(2τ + 1))) / curvature; 2 / curvature without delay."""
    tau = 0 if limit == "synchronous" else delay
    return 2 * math.sin(math.pi / (2 * (2 * tau + 1))) / curvature


def radius(rate: float, curvature: float, delay: int) -> float:
    """The largest modulus of the roots of z^(τ+1) − z^τ + a·λ: growth of x in one update."""
    companion = torch.diag(torch.ones(delay, dtype=torch.float64), -1)  # (τ + 1, τ + 1)
    companion[0, 0] = 1.0
    companion[0, delay] -= rate * curvature
    return torch.linalg.eigvals(companion).abs().max().item()


def serve(seconds: tuple[float, ...], updates: int, wait: str, seed: int) -> list[list[int]]:
    """The staleness of each update by worker: updates at the server between its pull and its push. Each gradient takes a
    worker its seconds, give or take 20 %."""
    drawn = torch.Generator().manual_seed(seed)

    def takes(worker: int) -> float:
        return seconds[worker] * (0.8 + 0.4 * torch.rand((), generator=drawn).item())

    seen: list[list[int]] = [[] for _ in seconds]
    if wait == "all":                                                  # one update from all, then all pull
        for _ in range(updates // len(seconds)):
            for late in seen:
                late.append(0)
        return seen
    queue = [(takes(w), w, 0) for w in range(len(seconds))]            # when it pushes, who, the version it pulled
    heapq.heapify(queue)
    for version in range(updates):
        now, worker, pulled = heapq.heappop(queue)
        seen[worker].append(version - pulled)
        heapq.heappush(queue, (now + takes(worker), worker, version + 1))
    return seen


RANGES = {
    "curvature": between(0.1, 10.0), "delays": each(between(0, 16), at_least=2, rising=True), "limit": one_of("delayed", "synchronous"),
    "seconds": each(between(0.5, 5.0), at_least=2, at_most=12), "updates": between(2000, 4000), "wait": one_of("nobody", "all"),
}


@breaks(limit="synchronous", en="2/curvature is the limit for fresh gradients; with delay it diverges.",
        zh="2/曲率是新鲜梯度的上限；有延迟就发散。")
def claim_the_stable_step_shrinks_with_the_delay(curvature=2.0, delays=(0, 1, 2, 4, 8), limit="delayed"):
    """With gradients τ updates old, steps up to 2·sin(π/(2(2τ + 1)))/curvature converge: 2, 1, 0.62, 0.35 for τ = 0, 1,
    2, 4 and curvature 1.

    梯度旧 τ 次更新时，步长不超过 2·sin(π/(2(2τ + 1)))/曲率才收敛：曲率为 1 时，τ = 0、1、2、4 对应 2、1、0.62、0.35。"""
    most = [largest_step(curvature, d, limit) for d in delays]
    runs = {f"τ = {d}": delayed_descent(1.0, 0.9 * largest_step(curvature, d, "delayed"), curvature, d, 60) for d in delays}
    show(lines("update", range(61), {name: x for name, x in runs.items()}, y_label="x"))
    expect("growth per update at the limit", [radius(a, curvature, d) for a, d in zip(most, delays, strict=True)], equals=1,
           within=1e-6,
           at=("delay", list(delays)))
    for factor, name in ((0.95, "below"), (1.05, "above")):
        x = [torch.tensor(delayed_descent(1.0, factor * a, curvature, d, 1500)).abs() for a, d in zip(most, delays, strict=True)]
        # the growth of the largest point of a swing, over 800 updates; a swing is at most 4τ + 2 long
        growth = [(one[-200:].amax() / one[500:700].amax()).item() ** (1 / 801) if one[500:700].amax() > 1e-30 else 0.0 for one in x]
        if name == "below":
            expect("growth per update 5 % below the limit", growth, at_most=1 - 1e-5, at=("delay", list(delays)))
        else:
            expect("growth per update 5 % above the limit", growth, at_least=1 + 1e-5, at=("delay", list(delays)))


@breaks(wait="all", en="Where the server waits for all workers, every gradient is fresh: staleness 0.",
        zh="服务器等齐所有 worker 时，每个梯度都是新鲜的：staleness 为 0。")
def claim_mean_staleness_is_workers_minus_one(seconds=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0), updates=3000, wait="nobody"):
    """W workers that wait for nobody make gradients that are W − 1 updates old on average, whatever their speeds; one that
    takes three times as long as each other makes its own 3(W − 1) old.

    W 个互不等待的 worker，梯度平均旧 W − 1 次更新，与各自快慢无关；耗时为其余每个三倍的 worker，它的梯度旧 3(W − 1) 次。"""
    seed = torch.randint(10**6, ()).item()
    late = serve(seconds, updates, wait, seed)
    mean = [sum(one) / len(one) for one in late]
    rates = [1 / s for s in seconds]
    predicted = [(sum(rates) - r) / r for r in rates]                  # updates by the others while it computes
    show(bars([f"{s:g} s" for s in seconds], {"mean staleness": mean, "updates by others in that time": predicted}))
    every = [n for one in late for n in one]
    w = len(seconds)
    # each pair of an update and another worker's open gradient counts once; only those at both ends are cut off
    expect("mean staleness over all updates, less W − 1", sum(every) / len(every) - (w - 1), equals=0, within=w * w / updates)
    # a gradient's time has a deviation of 0.12 of itself: five of them over the root of how many the rarest worker made
    rarest = min(len(one) for one in late)
    expect("mean staleness of a worker over that predicted", [m / p for m, p in zip(mean, predicted, strict=True)], equals=1,
           within=0.02 + 0.6 / rarest**0.5, at=("worker", list(range(w))))


def drill_staleness(rng) -> Drill:
    """The staleness of a slow worker."""
    workers, slow = rng.choice([(4, 3), (8, 2), (8, 3), (16, 2), (5, 4), (11, 2)])
    return Drill(
        en=f"{workers} workers push gradients without waiting; one of them takes {slow} times as long as each of the others. "
           f"How many updates "
           "old is its gradient on average?",
        zh=f"{workers} 个 worker 互不等待地推送梯度；其中一个耗时是其余每个的 {slow} 倍。它的梯度平均旧多少次更新？",
        answer=slow * (workers - 1),
        steps=[(f"in its time each of {workers - 1} others makes {slow} updates",
                f"它算一次的时间里，其余 {workers - 1} 个各更新 {slow} 次"),
               (f"{workers - 1} · {slow} = {slow * (workers - 1)}; the mean over all updates stays {workers - 1}",
                f"{workers - 1} · {slow} = {slow * (workers - 1)}；全部更新的平均仍是 {workers - 1}")],
        proved_by="mean_staleness_is_workers_minus_one")


def drill_largest_step(rng) -> Drill:
    """The largest stable step."""
    curvature, delay = rng.choice([1, 2, 4, 10]), rng.choice([0, 1, 2])
    value = largest_step(curvature, delay, "delayed")
    return Drill(
        en=f"Loss {curvature}·x²/2, gradients {delay} updates old. Below which step size does gradient descent converge? "
           "(2·sin(π/(2(2τ + 1))); sin 18° = 0.309)",
        zh=f"损失为 {curvature}·x²/2，梯度旧 {delay} 次更新。步长小于多少时梯度下降收敛？（2·sin(π/(2(2τ + 1)))；sin 18° = 0.309）",
        answer=value,
        steps=[(f"angle: 90° / {2 * delay + 1} = {90 / (2 * delay + 1):g}°",
                f"角度：90° / {2 * delay + 1} = {90 / (2 * delay + 1):g}°"),
               (f"2 · {math.sin(math.pi / (2 * (2 * delay + 1))):.3g} / {curvature} = {value:.3g}",
                f"2 · {math.sin(math.pi / (2 * (2 * delay + 1))):.3g} / {curvature} = {value:.3g}")],
        proved_by="the_stable_step_shrinks_with_the_delay")


ZH = {
    "update": "更新", "τ = {}": "τ = {}", "x": "x", "growth per update at the limit": "在上限处每次更新的增长",
    "delay": "延迟", "growth per update 5 % below the limit": "低于上限 5 % 时每次更新的增长",
    "growth per update 5 % above the limit": "高于上限 5 % 时每次更新的增长", "{} s": "{} 秒",
    "mean staleness": "平均 staleness", "updates by others in that time": "同一时间内其他 worker 的更新数",
    "mean staleness over all updates, less W − 1": "全部更新的平均 staleness 减去 W − 1",
    "mean staleness of a worker over that predicted": "每个 worker 的平均 staleness 与预测之比", "worker": "worker",
}

if __name__ == "__main__":
    main()
