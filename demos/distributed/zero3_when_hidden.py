r"""ZeRO-3's traffic hides behind compute from so many tokens per GPU and micro-batch: T = c·F / (6·B), whatever the model's size.

ZeRO-3 的通信能藏在计算之后，需要每 GPU 每微批次足够多的 token：T = c·F / (6·B)，与模型大小无关。

c bytes per parameter sent, F FLOP/s reached, B bytes/s of link per direction, 6 FLOPs per parameter and token; a simulated clock.
Turn `prefetch` to "off": every gather is waited for. 把 `prefetch` 改为 "off"：每次收集都要等。
"""

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("enough_tokens_hide_it", "accumulation_hides_zero1_not_zero3"),
          wrong=("gathers_on_demand", "forgets_the_second_gather", "ignores_the_link"))
def zero3_seconds(layers: int, work: float, gather: float, scatter: float) -> float:
    """Seconds of one micro-batch: per layer `work` seconds of forward compute and twice that of backward; a gather of `gather` seconds
    before each forward and each backward of a layer, a reduce-scatter of `scatter` seconds after each backward. The link carries one
    transfer at a time, and may begin the next layer's gather while a layer is computed (no further ahead); a reduce-scatter goes before
    a gather that was not begun.

    一个微批次的秒数：每层前向计算 `work` 秒，反向两倍；每层前向前、反向前各收集一次，各 `gather` 秒；反向后 reduce-scatter 一次，
    `scatter` 秒。链路一次只传一个；计算某层时可以开始收集下一层（只提前一层）；reduce-scatter 排在尚未开始的收集之前。"""
    compute = 0.0                                                    # when the last compute ends
    link = ready = gather                                            # the first layer's parameters are there
    passes = [work] * layers + [2 * work] * layers
    for k, seconds in enumerate(passes):
        begins = max(compute, ready)
        if k > layers:
            link = max(link, compute) + scatter                      # of the layer before, whose gradients are there
        if k + 1 < len(passes):
            link = ready = max(link, begins) + gather                # the next layer's parameters, while this one is computed
        compute = begins + seconds
    return max(compute, link) + scatter


def clock(tokens: float, layers: int, micro_batches: int, stage: int, flops: float, link: float, reduce_bytes: int) -> tuple:
    """Seconds of a step, and of its computation alone: 2e8 parameters a layer, bf16 gathered, gradients of reduce_bytes."""
    params = 2e8
    work, gather, scatter = 2 * params * tokens / flops, 2 * params / link, reduce_bytes * params / link
    if stage == 3:
        return micro_batches * zero3_seconds(layers, work, gather, scatter), 3 * layers * work * micro_batches
    # ZeRO-1: gradients of the last micro-batch are reduced while it runs backward, parameters gathered under the next forward
    last, ends, start = 0.0, 0.0, 0.0
    for _ in range(layers):
        last += 2 * work
        ends = max(ends, last) + scatter
    ends = max(ends, last)
    ready = ends
    for _ in range(layers):
        ready += gather
        start = max(start or ends, ready) + work
    return start + 3 * layers * work * (micro_batches - 1), 3 * layers * work * micro_batches


def threshold(flops: float, link: float, sent: float) -> float:
    """Tokens per GPU and micro-batch from which compute takes as long as sending `sent` bytes per parameter: 6·T/F = sent/B."""
    return sent * flops / (6 * link)


RANGES = {
    "layers": between(16, 64), "tflops": between(200.0, 800.0), "gbps": between(25.0, 100.0), "reduce_bytes": one_of(2, 4),
    "times": each(between(0.1, 4.0), at_least=2, rising=True), "prefetch": one_of("on", "off"), "micro_batches": one_of(4, 8),
    "stage": one_of(3, 1),
}  # fmt: skip


@breaks(prefetch="off", en="Without prefetch each gather is added to the computation at any number of tokens.",
        zh="不预取，无论 token 多少，每次收集都加在计算时间之上。")
@breaks(reduce_bytes=4, en="With fp32 gradients 8 bytes are sent per parameter: the threshold is a third higher.",
        zh="梯度用 fp32 时每参数传 8 字节：门槛高三分之一。")
def claim_enough_tokens_hide_it(layers=32, tflops=400.0, gbps=50.0, times=(0.25, 0.5, 1.0, 1.5, 2.0), prefetch="on", reduce_bytes=2):
    """In bf16 (6 bytes per parameter) ZeRO-3 with prefetch runs at the speed of compute from T = F/B tokens per GPU and micro-batch,
    8,000 at 400 TFLOP/s and 50 GB/s; below it, at the speed of the link.

    bf16（每参数 6 字节）下，带预取的 ZeRO-3 从每 GPU 每微批次 T = F/B 个 token 起以计算速度运行：400 TFLOP/s、50 GB/s 时为 8,000；
    不足则以链路速度运行。"""
    flops, link = tflops * 1e12, gbps * 1e9
    least = threshold(flops, link, 6)
    took, alone, sent = [], [], 3 * layers * 2 * 2e8 / link
    for ratio in times:
        step, compute = clock(ratio * least, layers, 1, 3, flops, link, reduce_bytes)
        took.append(step if prefetch == "on" else compute + sent)
        alone.append(compute)
    show(lines("tokens per GPU", [ratio * least for ratio in times], {"ZeRO-3": took, "compute alone": alone,
                                                                       "link alone": [sent] * len(times)}, y_label="seconds"))
    expect("tokens at the threshold over F/B", least / (flops / link), equals=1, within=1e-9)
    bound = [max(compute, sent) for compute in alone]
    # the ends stick out: a gather before the first layer, a reduce-scatter after the last, and a layer between the passes
    expect("seconds over the longer of compute and link", [a / b for a, b in zip(took, bound, strict=True)], equals=1 + 1.5 / layers,
           within=2.5 / layers, at=("tokens over the threshold", times))


@breaks(stage=1, en="ZeRO-1 reduces and gathers once per step, so more micro-batches do hide it.",
        zh="ZeRO-1 每步只归约、收集一次，微批次越多就越能藏住。")
def claim_accumulation_hides_zero1_not_zero3(layers=32, tflops=400.0, gbps=50.0, micro_batches=8, stage=3):
    """With half the tokens per micro-batch that ZeRO-3 needs, a step takes about twice its compute however many micro-batches it
    accumulates, for each one gathers and reduces again; ZeRO-1 is exposed once per step.

    若每个微批次的 token 只有 ZeRO-3 所需的一半，一步就约为计算时间的两倍，累积多少个微批次都一样：每个都要重新收集和归约；
    ZeRO-1 每步只暴露一次。"""
    flops, link = tflops * 1e12, gbps * 1e9
    tokens, counts = threshold(flops, link, 6) / 2, (1, 2, micro_batches)
    ratios = {f"ZeRO-{s}": [a / b for a, b in (clock(tokens, layers, k, s, flops, link, 2) for k in counts)] for s in (3, 1)}
    show(lines("micro-batches", counts, ratios, y_label="seconds over compute alone"))
    # the ends of each micro-batch stick out, as above
    # ZeRO-1: 2 bytes reduced under 2 of backward, 2 gathered under 1 of forward: 1 of 3k is exposed, and the ends
    expect("seconds over compute, ZeRO-1, most micro-batches", ratios["ZeRO-1"][-1], equals=1 + 1 / (3 * micro_batches), within=2 / layers)
    expect("seconds over compute, most micro-batches", ratios[f"ZeRO-{stage}"][-1], equals=2 + 3 / layers, within=4 / layers)


def drill_tokens(rng) -> Drill:
    """Tokens per GPU from which ZeRO-3 is hidden."""
    tflops, gbps, sent = rng.choice([400, 600, 300, 800]), rng.choice([25, 50, 100, 200]), rng.choice([6, 6, 8])
    value = threshold(tflops * 1e12, gbps * 1e9, sent)
    return Drill(
        en=f"A dense model under ZeRO-3 sends {sent} bytes per parameter and micro-batch ({'all bf16' if sent == 6 else 'fp32 gradients'}) "
           f"over {gbps} GB/s per direction and computes at {tflops} TFLOP/s, 6 FLOPs per parameter and token. From how many tokens per "
           "GPU and micro-batch can compute hide the traffic?",
        zh=f"稠密模型用 ZeRO-3，每参数每微批次传 {sent} 字节（{'全部 bf16' if sent == 6 else '梯度 fp32'}），链路单向 {gbps} GB/s，"
           f"计算速度 {tflops} TFLOP/s，每参数每 token 6 FLOPs。每 GPU 每微批次至少多少 token，计算才能藏住通信？",
        answer=value,
        steps=[(f"6·T / {tflops}e12 = {sent} / {gbps}e9", f"6·T / {tflops}e12 = {sent} / {gbps}e9"),
               (f"T = {sent} · {tflops}e12 / (6 · {gbps}e9) = {value:,.0f}",) * 2],
        proved_by="enough_tokens_hide_it",
    )


def drill_batch(rng) -> Drill:
    """The batch that a threshold forces."""
    tokens, gpus, t = rng.choice([(8192, 1024, 1), (8192, 4096, 1), (8192, 4096, 8), (4096, 2048, 1), (8192, 2048, 4), (16384, 1024, 2)])
    value = tokens * gpus / t / 1e6
    return Drill(
        en=f"Every data-parallel rank must take {tokens} tokens per step. {gpus} GPUs, in tensor-parallel groups of {t}. How many million "
           "tokens is the smallest batch?",
        zh=f"每个数据并行的 rank 每步至少 {tokens} 个 token。{gpus} 张 GPU，张量并行组大小为 {t}。最小的 batch 是多少百万 token？",
        answer=value, within=0.01 * value,
        steps=[(f"data-parallel ranks {gpus} / {t} = {gpus // t}", f"数据并行的 rank 数 {gpus} / {t} = {gpus // t}"),
               (f"{gpus // t} · {tokens} = {value:.2f} million", f"{gpus // t} · {tokens} = {value:.2f} 百万")],
        proved_by="enough_tokens_hide_it",
    )


ZH = {
    "tokens per GPU": "每 GPU 的 token 数", "ZeRO-3": "ZeRO-3", "ZeRO-1": "ZeRO-1", "compute alone": "只算计算", "link alone": "只算链路",
    "seconds": "秒", "tokens at the threshold over F/B": "门槛的 token 数与 F/B 之比",
    "seconds over the longer of compute and link": "秒数与计算、链路中较长者之比", "tokens over the threshold": "token 数与门槛之比",
    "micro-batches": "微批次数", "seconds over compute alone": "秒数与计算时间之比",
    "seconds over compute, ZeRO-1, most micro-batches": "秒数与计算时间之比，ZeRO-1，微批次最多时",
    "seconds over compute, most micro-batches": "秒数与计算时间之比，微批次最多时",
}  # fmt: skip

if __name__ == "__main__":
    main()
