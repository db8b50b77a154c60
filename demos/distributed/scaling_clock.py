r"""More GPUs divide the work only where they can work at once; the gradients to be added do not shrink with them.

GPU 多了，只有能同时干活的部分才会变快；要相加的梯度并不会随 GPU 数变少。

A clock of events, with stated times: no kernels run. Turn `micro_batches` to 8: the chain of layers becomes a
pipeline, and does speed up. 把 `micro_batches` 改为 8：逐层的链条变成流水线，才会变快。
"""

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


def chain_seconds(work: float, stages: int, micro_batches: int) -> float:
    """When the last of `micro_batches` has passed all stages, each on its own GPU: an event starts when its input is there
    and its GPU is free. `work` is the time of the whole batch on one GPU; transfers are free."""
    free = [0.0] * stages                               # when each GPU is idle again
    done = 0.0
    for _ in range(micro_batches):
        done = 0.0
        for stage in range(stages):
            done = free[stage] = max(done, free[stage]) + work / stages / micro_batches
    return done


def step_seconds(forward: float, backward: float, gradient_bytes: float, ranks: int, rate: float,
                 buckets: int = 100) -> float:
    """One data-parallel step of one rank by events: backward fills one bucket after another, each is all-reduced by a ring
    as soon as it is full and the link is free. forward and backward are this rank's seconds, rate bytes per second and direction."""
    computed, link = forward, 0.0
    for _ in range(buckets):
        computed += backward / buckets
        link = max(link, computed) + 2 * (ranks - 1) / ranks * gradient_bytes / buckets / rate
    return max(computed, link)


def speedup(forward: float, backward: float, gradient_bytes: float, ranks: int, rate: float, batch: str) -> float:
    """Samples per second over those of one GPU; `batch` "global" divides a fixed batch, "per GPU" gives each the whole."""
    share = ranks if batch == "global" else 1
    one = forward + backward
    together = step_seconds(forward / share, backward / share, gradient_bytes, ranks, rate)
    return one / together * (1 if batch == "global" else ranks)


RANGES = {
    "work": between(0.01, 10.0),
    "stages": between(1, 16),
    "micro_batches": between(1, 64),
    "forward": between(0.01, 10.0),
    "gigabytes": between(0.01, 10.0),
    "counts": each(between(1, 4096), at_least=2, at_most=10, rising=True),
    "ranks": between(2, 4096),
    "rate": between(1.0, 900.0),
    "batch": one_of("global", "per GPU"),
    "overlap": one_of("buckets", "after backward"),
}


@breaks(micro_batches=8, en="Eight micro-batches keep the stages busy at once: 4 stages end after 11 of 32 ticks.",
        zh="八个微批次让各阶段同时有活干：4 个阶段只要 32 拍中的 11 拍。")
def claim_layers_on_different_gpus_do_not_speed_up(work=1.0, stages=4, micro_batches=1):
    """Layers placed on p GPUs and run one after another take as long as on one GPU: each GPU is busy 1/p of the time.

    把各层放到 p 张 GPU 上依次执行，用时与一张 GPU 相同：每张 GPU 只有 1/p 的时间在工作。"""
    ms = sorted({1, 2, 4, 8, 16, micro_batches})
    show(lines("micro-batches", ms, {"speed-up over one GPU": [work / chain_seconds(work, stages, m) for m in ms]}))
    expect("speed-up over one GPU", work / chain_seconds(work, stages, micro_batches), equals=1, within=1e-9)


@breaks(batch="per GPU", en="With a fixed batch per GPU the work grows as fast as the ranks.",
        zh="若每张 GPU 的 batch 固定，总工作量随 rank 数一起增长。")
def claim_a_fixed_global_batch_meets_the_all_reduce(
    forward=0.1, gigabytes=2.0, counts=(1, 2, 8, 32, 128, 512), rate=50.0, batch="global"
):
    """With a fixed global batch the compute of a step shrinks as 1/N and its all-reduce does not: the speed-up stays below
    one GPU's step time over the time of the all-reduce.

    全局 batch 固定时，每步计算按 1/N 缩小，all-reduce 却不变小：加速比超不过「单卡每步时间 ÷ all-reduce 时间」。"""
    size, link = gigabytes * 1e9, rate * 1e9
    kinds = {kind: [speedup(forward, 2 * forward, size, n, link, kind) for n in counts] for kind in ("global", "per GPU")}
    bound = [3 * forward / (2 * (n - 1) / n * size / link) if n > 1 else 1.0 for n in counts]
    show(lines("GPUs", counts, {"fixed global batch": kinds["global"], "fixed batch per GPU": kinds["per GPU"],
                                "GPUs": list(counts)}, log="xy", y_label="speed-up"))
    expect("speed-up over its bound", [s / b for s, b in zip(kinds[batch], bound, strict=True)], at_most=1,
           within=1e-9, at=("GPUs", counts))


@breaks(overlap="after backward", en="One all-reduce after backward adds its whole time.",
        zh="反向结束后才做一次 all-reduce，它的时间就全部加上去。")
def claim_buckets_hide_what_is_shorter_than_backward(forward=0.1, gigabytes=2.0, ranks=8, rate=32.0, overlap="buckets"):
    """Reduced in buckets while backward runs, an all-reduce shorter than backward costs at most one bucket more than
    none; a longer one shows its excess.

    反向进行时按桶归约：比反向短的 all-reduce 至多多花一个桶的时间；比反向长的，只露出超出的部分。"""
    size = gigabytes * 1e9
    rates = sorted({1, 2, 5, 10, 32, 100, 300, rate})
    comm = [2 * (ranks - 1) / ranks * size / (r * 1e9) for r in rates]
    one = [step_seconds(forward, 2 * forward, size, ranks, r * 1e9, 1) for r in rates]
    many = [step_seconds(forward, 2 * forward, size, ranks, r * 1e9) for r in rates]
    show(lines("GB/s per direction", rates, {"100 buckets": many, "one bucket": one}, log="x", y_label="seconds a step"))
    took = many if overlap == "buckets" else one
    over = [t - forward - max(2 * forward, c) for t, c in zip(took, comm, strict=True)]
    # The first bucket waits for its backward, or the last one for the link: one hundredth of the shorter of the two.
    expect("step less forward + max(backward, all-reduce)", over, equals=[min(2 * forward, c) / 100 for c in comm],
           within=1e-9, at=("GB/s per direction", rates))


def drill_step_milliseconds(rng) -> Drill:
    """One data-parallel step with and without a link that is fast enough."""
    billions, n = rng.choice([1, 2]), rng.choice([8, 16])
    forward, rate = rng.choice([100, 150]), rng.choice([5, 10, 32, 50])
    comm = 2 * (n - 1) / n * 2 * billions / rate * 1000
    took = forward + max(2 * forward, comm)
    return Drill(
        en=f"{billions}B parameters, bf16 gradients, {n} GPUs, {rate} GB/s per direction; forward {forward} ms, backward "
           f"{2 * forward} ms per step. With the ring all-reduce overlapping backward as far as it can, how many ms is a step?",
        zh=f"{billions}B 参数，bf16 梯度，{n} 张 GPU，每方向 {rate} GB/s；每步前向 {forward} ms、反向 {2 * forward} ms。"
           f"环形 all-reduce 尽量与反向重叠，一步要多少 ms？",
        answer=took, unit="ms",
        steps=[(f"all-reduce: 2({n}−1)/{n} · {2 * billions} GB / {rate} GB/s = {comm:.0f} ms",
                f"all-reduce：2({n}−1)/{n} · {2 * billions} GB / {rate} GB/s = {comm:.0f} ms"),
               (f"{forward} + max({2 * forward}, {comm:.0f}) = {took:.0f} ms; efficiency {3 * forward / took:.0%}",
                f"{forward} + max({2 * forward}, {comm:.0f}) = {took:.0f} ms；效率 {3 * forward / took:.0%}")],
        proved_by="buckets_hide_what_is_shorter_than_backward",
    )


ZH = {
    "micro-batches": "微批次数",
    "speed-up over one GPU": "相对单卡的加速比",
    "GPUs": "GPU 数",
    "fixed global batch": "全局 batch 固定",
    "fixed batch per GPU": "每卡 batch 固定",
    "speed-up": "加速比",
    "speed-up over its bound": "加速比与其上界之比",
    "GB/s per direction": "每方向 GB/s",
    "100 buckets": "100 个桶",
    "one bucket": "一个桶",
    "seconds a step": "每步秒数",
    "step less forward + max(backward, all-reduce)": "每步时间减去 前向 + max(反向, all-reduce)",
}

if __name__ == "__main__":
    main()
