r"""DDP's gradient communication hides behind backward, bucket by bucket, and not behind the forward before it; min(b, c)/n stays.

DDP 的梯度通信逐桶藏在反向后面，藏不到之前的前向后面；露出来的是 min(b, c)/n。

An event simulation in milliseconds: f forward, b backward, c communication, n equal buckets over one link. Turn `start`
to "after backward": the times add up. 以毫秒计的事件模拟：f 前向，b 反向，c 通信，n 个等大的桶走同一条链路。把 `start` 改为
"after backward"：时间就直接相加。
"""

from studyapp.evidence import (
    Drill,
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


@exercise(claims=("what_is_exposed_is_the_smaller_over_n",),
          wrong=("sends_all_at_once", "starts_after_backward", "forgets_the_queue", "ends_with_the_link"))
def end_of_step(ready: list[float], takes: list[float]) -> float:
    """When a step ends. Bucket i has its gradients at ready[i] (rising; the last one is the end of backward) and needs
    takes[i] on the link, which carries one bucket at a time, in order.

    一步何时结束。第 i 个桶在 ready[i] 就绪（递增，最后一个即反向结束），在链路上占 takes[i]；链路按次序一次只传一个桶。"""
    free = 0.0
    for at, duration in zip(ready, takes, strict=True):
        free = max(free, at) + duration                                # waits for its gradients and for the link
    return max(free, ready[-1])


def step(f: float, b: float, c: float, buckets: int, latency: float = 0.0, start: str = "when ready") -> float:
    """A step of n equal buckets, each with a latency of its own."""
    ready = [f + b * (i + 1) / buckets for i in range(buckets)]
    if start == "after backward":
        ready = [f + b] * buckets
    return end_of_step(ready, [c / buckets + latency] * buckets)


def contended(f: float, b: float, c: float, buckets: int, share: float) -> float:
    """The same step where communication takes a share of the processors: backward is slower while the link is busy."""
    now, done, sent, queued = f, 0.0, 0.0, 0                           # done: ms of backward at full speed
    while sent < buckets * (1 - 1e-12):
        rate = 1 - share if queued > sent else 1.0
        to_ready = (b * (queued + 1) / buckets - done) / rate if queued < buckets else float("inf")
        to_sent = (int(sent + 1e-9) + 1 - sent) * c / buckets if queued > sent + 1e-9 else float("inf")
        passed = min(to_ready, to_sent)
        now, done = now + passed, done + rate * passed * (queued < buckets)
        sent += passed * buckets / c if queued > sent + 1e-9 else 0.0
        queued += to_ready <= to_sent
    return now


RANGES = {
    "f": between(0.0, 500.0), "b": between(10.0, 500.0), "c": between(10.0, 500.0), "counts": each(between(1, 200),
                 at_least=2, rising=True),
    "start": one_of("when ready", "after backward"), "latency": between(0.05, 1.0), "counted": one_of("with latency", "without"),
    "share": between(0.02, 0.5), "buckets": between(4, 64), "overlap": one_of("contended", "free"),
}


@breaks(start="after backward", en="Reduced after backward, nothing is hidden: f + b + c.",
        zh="反向结束后再归约，什么也藏不住：f + b + c。")
def claim_what_is_exposed_is_the_smaller_over_n(f=60.0, b=100.0, c=120.0, counts=(1, 2, 5, 10, 25, 100), start="when ready"):
    """With n equal buckets a step takes f + max(b, c) + min(b, c)/n: one bucket hides nothing, many hide all but the
    forward pass's share.

    n 个等大的桶，一步耗时 f + max(b, c) + min(b, c)/n：一个桶什么也藏不住，桶多时只剩前向藏不了。"""
    got = [step(f, b, c, n, start=start) for n in counts]
    show(lines("buckets", counts, {"step": got, "f + b + c": [f + b + c] * len(counts), "f + max(b, c)": [f + max(b, c)] * len(counts),
                                   "max(f + b, c)": [max(f + b, c)] * len(counts)}, log="x", y_label="ms"))
    expect("step less f + max(b, c) + min(b, c)/n", [t - f - max(b, c) - min(b, c) / n for t, n in zip(got, counts, strict=True)],
           equals=0, within=1e-9, at=("buckets", list(counts)))
    swapped = [step(f, c, b, n, start=start) for n in counts]
    expect("the same with b and c exchanged", [t - f - max(b, c) - min(b, c) / n for t, n in zip(swapped, counts, strict=True)],
           equals=0, within=1e-9, at=("buckets", list(counts)))


@breaks(counted="without", en="Without a cost per bucket more buckets are always better.", zh="若每个桶没有固定开销，桶越多越好。")
def claim_the_best_bucket_count_is_a_root(f=60.0, b=120.0, c=150.0, latency=0.3, counted="with latency"):
    """If communication takes longer than backward and each bucket costs a latency α, the best number of buckets is about
    √(b/α): smaller ones start sooner and pay α more often.

    通信比反向长、每个桶另有延迟 α 时，最佳桶数约为 √(b/α)：桶越小开始得越早，但 α 付得越多。"""
    times = [step(f, b, max(b, c), n, latency if counted == "with latency" else 0.0) for n in range(1, 401)]
    best = times.index(min(times)) + 1
    show(lines("buckets", range(1, 401), {"step": times}, log="x", y_label="ms"))
    root = (b / latency) ** 0.5
    # a whole number beside the root
    expect("best number of buckets less √(b/α)", best - root, equals=0, within=1.0)
    expect("least step less f + c + 2√(bα)", min(times) - f - max(b, c) - 2 * (b * latency) ** 0.5, equals=0, within=latency)


@breaks(overlap="free", en="Free overlap leaves out that the collectives run on the same processors.",
        zh="「免费」的重叠没有算上：集合通信也占用同样的处理单元。")
def claim_hidden_communication_still_costs_its_share(f=60.0, b=120.0, c=80.0, share=0.15, buckets=16, overlap="contended"):
    """If collectives take a share s of the SMs and backward slows in proportion, communication hidden behind backward
    still costs about s times its duration.

    集合通信占用比例为 s 的 SM、反向按比例变慢时，藏在反向后面的通信仍要付出约其时长的 s 倍。"""
    c = min(c, b * (1 - share) / 1.2)                                  # hidden: the link keeps up with backward
    shares = [0.0, share / 2, share, 1.5 * share]
    show(lines("share of the SMs", shares, {"step": [contended(f, b, c, buckets, s) for s in shares],
                                            "f + b + c": [f + b + c] * 4}, y_label="ms"))
    got = contended(f, b, c, buckets, share if overlap == "contended" else 0.0)
    expect("step without contention, less f + b + c/n", contended(f, b, c, buckets, 0.0) - f - b - c / buckets, equals=0, within=1e-6)
    expect("cost over s·c·(n − 1)/n", (got - f - b - c / buckets) / (share * c * (buckets - 1) / buckets), equals=1, within=1e-6)


def drill_step(rng) -> Drill:
    """A step with overlap."""
    f, b, c, n = rng.choice([(40, 80, 60, 4), (50, 100, 120, 5), (30, 60, 90, 6), (100, 200, 150, 5), (20, 40, 100, 4), (60, 120, 80, 8)])
    t = step(f, b, c, n)
    return Drill(
        en=f"Forward {f} ms, backward {b} ms, gradient all-reduce {c} ms in {n} equal buckets, each sent as soon as it is ready; no "
           "contention, no latency. How long is a step (ms)?",
        zh=f"前向 {f} ms，反向 {b} ms，梯度 all-reduce 共 {c} ms，分 {n} 个等大的桶，就绪即发；不计争用与延迟。一步多少 ms？",
        answer=t, unit="ms",
        steps=[(f"f + max(b, c) = {f + max(b, c)}", f"f + max(b, c) = {f + max(b, c)}"),
               (f"one bucket of the shorter stays exposed: {min(b, c)}/{n} = {min(b, c) / n:g}",
                f"较短者的一个桶露在外面：{min(b, c)}/{n} = {min(b, c) / n:g}"),
               (f"{t:g} ms; added up it would be {f + b + c}", f"{t:g} ms；直接相加则是 {f + b + c}")],
        proved_by="what_is_exposed_is_the_smaller_over_n")


def drill_seconds_from_sizes(rng) -> Drill:
    """From parameters, tokens, FLOP/s and GB/s to a step."""
    billions, tokens, tflops, link = rng.choice([(8, 8000, 400, 50), (8, 4000, 400, 50), (2, 16000, 400, 25),
                                                  (30, 4000, 400, 50), (1, 8000, 100, 10)])
    f, b, c = 2 * billions * tokens / (tflops * 1e3), 4 * billions * tokens / (tflops * 1e3), 4 * billions / link
    return Drill(
        en=f"{billions}e9 parameters, {tokens:,} tokens per GPU and step, {tflops} TFLOP/s achieved, 6 FLOPs per parameter "
           f"and token, bf16 "
           f"gradients, {link} GB/s per direction, many GPUs (an all-reduce sends 2 S). Ideal overlap with backward: how many seconds "
           "is a step?",
        zh=f"{billions}e9 个参数，每张 GPU 每步 {tokens:,} 个 token，实际 {tflops} TFLOP/s，每参数每 token 6 FLOP，bf16 "
           f"梯度，单向 {link} GB/s，GPU 很多"
           "（all-reduce 发送 2 S）。与反向理想重叠时，一步多少秒？",
        answer=f + max(b, c), within=0.01 * (f + max(b, c)), unit="s",
        steps=[(f"forward 2PT/F = {f:.3g} s, backward 4PT/F = {b:.3g} s", f"前向 2PT/F = {f:.3g} s，反向 4PT/F = {b:.3g} s"),
               (f"all-reduce 2 · {2 * billions} GB / {link} GB/s = {c:.3g} s",
                f"all-reduce 2 · {2 * billions} GB / {link} GB/s = {c:.3g} s"),
               (f"f + max(b, c) = {f + max(b, c):.3g} s", f"f + max(b, c) = {f + max(b, c):.3g} s")],
        proved_by="what_is_exposed_is_the_smaller_over_n")


ZH = {
    "the same with b and c exchanged": "b 与 c 对调后同样相减", "buckets": "桶数", "step": "一步", "ms": "ms",
    "step less f + max(b, c) + min(b, c)/n": "一步减去 f + max(b, c) + min(b, c)/n",
    "best number of buckets less √(b/α)": "最佳桶数减去 √(b/α)",
    "least step less f + c + 2√(bα)": "最短一步减去 f + c + 2√(bα)", "share of the SMs": "占用 SM 的比例",
    "step without contention, less f + b + c/n": "无争用的一步减去 f + b + c/n",
    "cost over s·c·(n − 1)/n": "代价与 s·c·(n − 1)/n 之比",
}

if __name__ == "__main__":
    main()
