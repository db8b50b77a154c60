r"""A distributed optimizer in buckets: reduce-scatter while backward runs, update of the own shard, all-gather under the next forward.

分桶的分布式优化器：反向还在进行就开始 reduce-scatter，各自更新分片，all-gather 与下一次前向重叠。

Megatron's DistributedOptimizer on real ranks; times from a simulated clock with a stated link. Turn `buckets` to 1: all gradients
in one flat bucket, and nothing overlaps. 把 `buckets` 改为 1：全部梯度放进一个桶，什么也重叠不了。
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, on_ranks, one_of, show, table
from studyapp.evidence.tools import Adam, randn

LR, MAX_NORM = 0.01, 0.05


@exercise(claims=("only_the_ends_are_exposed", "more_buckets_overlap_until_delay_wins"),
          wrong=("waits_for_all_of_backward", "runs_collectives_at_once", "forgets_the_delay"))
def step_seconds(forward: list, backward: list, sends: list, delay: float) -> float:
    """Seconds from one step's first backward to the next one's, for buckets in the order of the forward pass. forward and backward:
    seconds of compute of each bucket's layers; sends: seconds that a bucket is on the link, once for its reduce-scatter and once for
    its all-gather, each begun with `delay` seconds more. The link carries one at a time. Backward goes from the last bucket to the
    first; the update costs nothing and waits for all reductions; forward of a bucket waits for its all-gather.

    从一步反向开始到下一步反向开始的秒数，桶按前向次序排列。forward、backward：各桶的层的计算秒数；sends：一个桶占用链路的秒数，
    reduce-scatter 与 all-gather 各一次，每次另加 `delay` 秒。链路一次只传一个。反向从最后一个桶到第一个；更新不花时间，等全部归约完成；
    一个桶的前向要等它的 all-gather。"""
    compute = link = 0.0
    for work, send in zip(reversed(backward), reversed(sends), strict=True):
        compute += work                                              # its gradients are complete
        link = max(link, compute) + delay + send                     # reduce-scatter, behind the ones before it
    compute = link = max(link, compute)                              # the norm of all gradients is known: update
    for work, send in zip(forward, sends, strict=True):
        link += delay + send                                         # all-gather in the order of use
        compute = max(compute, link) + work
    return compute


def cut(values: list, buckets: int) -> list:
    """Sums of neighbours: so many buckets of as many layers each."""
    size = len(values) // buckets
    return [sum(values[k : k + size]) for k in range(0, len(values), size)]


def train(rank: int, ranks: int, layers: int, width: int, buckets: int, steps: int, norm: str) -> tuple:
    """Adam with clipping by the global norm, on buckets sharded over the ranks: weights, the order of events, numbers held."""
    weights, x, target = problem(layers, width, ranks)
    size, events = layers // buckets * width * width, []             # of a bucket
    flats = [torch.stack(weights[b * layers // buckets : (b + 1) * layers // buckets]).flatten() for b in range(buckets)]
    params = [nn.Parameter(w) for flat in flats for w in flat.view(-1, width, width).unbind()]   # views of their bucket
    moments = [[torch.zeros(size // ranks, dtype=x.dtype) for _ in range(2)] for _ in flats]
    grads = [torch.empty(size // ranks, dtype=x.dtype) for _ in flats]
    waiting, work = [layers // buckets] * buckets, []

    def ready(layer: int) -> None:
        bucket = layer * buckets // layers
        events.append(f"gradient {layer}")
        waiting[bucket] -= 1
        if not waiting[bucket]:                                      # the bucket is complete: reduce it while backward goes on
            events.append(f"reduce-scatter {bucket}")
            flat = torch.cat([p.grad.flatten() for p in params[bucket * layers // buckets : (bucket + 1) * layers // buckets]])
            work.append((dist.reduce_scatter_single(grads[bucket], flat, async_op=True), flat))

    for layer, p in enumerate(params):
        p.register_post_accumulate_grad_hook(lambda _, layer=layer: ready(layer))
    for t in range(1, steps + 1):
        waiting[:], work[:] = [layers // buckets] * buckets, []
        forward(params, x[rank]).sub(target[rank]).square().mean().backward()
        for handle, _ in work:
            handle.wait()
        square = sum((g / ranks).square().sum() for g in grads)
        if norm == "of all shards":
            dist.all_reduce(square)                                  # one number: the norm needs every rank's shards
        scale = min(1.0, MAX_NORM / float(square.sqrt()))
        for flat, g, (mean, second) in zip(flats, grads, moments, strict=True):
            g = g / ranks * scale
            mean.lerp_(g, 0.1)
            second.mul_(0.999).addcmul_(g, g, value=0.001)
            shard = flat.view(ranks, -1)[rank]
            shard = shard - LR / (1 - 0.9**t) * mean / ((second / (1 - 0.999**t)).sqrt() + 1e-8)
            whole = torch.empty_like(flat)
            dist.all_gather_single(whole, shard)
            flat.copy_(whole)
        for p in params:
            p.grad = None
    held = [sum(f.numel() for f in flats), sum(m.numel() for pair in moments for m in pair)]
    return torch.cat(flats).tolist(), events[: layers + buckets], held


def problem(layers: int, width: int, ranks: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Weights and data, the same on every rank."""
    x, target = (randn(ranks, 4, width, seed=seed, dtype=torch.float64) for seed in (1, 2))
    return [randn(width, width, seed=9 + k, dtype=torch.float64) / width**0.5 for k in range(layers)], x, target


def forward(weights: list, x: Tensor) -> Tensor:
    """tanh layers without biases."""
    for w in weights:
        x = torch.tanh(x @ w)
    return x


def model(depth: int, tokens: int, gbps: float) -> tuple[list, list, list]:
    """Seconds of forward, backward and link per layer: 20M parameters a layer, 4e14 FLOP/s, bf16; (N−1)/N of the ring taken as 1."""
    params = 2e7
    one = 2 * params * tokens / 4e14
    return [one] * depth, [2 * one] * depth, [2 * params / (gbps * 1e9)] * depth


RANGES = {
    "ranks": one_of(2, 4), "layers": one_of(4, 8), "width": between(4, 12, multiple_of=4), "buckets": one_of(1, 2, 4),
    "steps": between(2, 4), "norm": one_of("of all shards", "of its own shard"), "depth": one_of(16, 32, 64),
    "tokens": between(8192, 32768), "gbps": between(50.0, 80.0), "overlap": one_of("on", "off"), "delay": one_of(0.0, 0.0008, 0.0015),
}  # fmt: skip


@breaks(norm="of its own shard", en="Clipped by the norm of its own shard each rank scales differently, and the step is another one.",
        zh="按自己分片的范数裁剪，各 rank 缩放不同，得到的是另一步。")
def claim_the_step_is_plain_adam(ranks=2, layers=4, width=8, buckets=2, steps=3, norm="of all shards"):
    """Bucketed reduce-scatter, own-shard Adam and all-gather give the weights of one process, clipping by the global norm included:
    its square is summed over ranks, one number.

    分桶 reduce-scatter、各自更新分片、再 all-gather，权重与单进程相同，包括按全局范数裁剪：范数的平方要跨 rank 求和，一个数。"""
    ends, _, held = on_ranks(train, ranks, layers, width, buckets, steps, norm)[0]
    weights, x, target = problem(layers, width, ranks)
    alone = [nn.Parameter(w) for w in weights]
    adam = Adam(alone, LR)
    for _ in range(steps):
        loss = (forward(alone, x) - target).square().mean()
        whole = torch.sqrt(sum(g.square().sum() for g in torch.autograd.grad(loss, alone, retain_graph=True))).item()
        adam.step(loss * min(1.0, MAX_NORM / whole))
    gap = (torch.tensor(ends, dtype=torch.float64) - torch.cat([w.detach().flatten() for w in alone])).abs().max()
    numbers = layers * width**2
    show(table({"held by a rank": ["parameters", "moments"], "numbers": held, "of all": [numbers, 2 * numbers]}))
    # float64: gradients round by 1e-17, Adam divides by eps = 1e-8 at least, times lr
    expect("largest difference from one process", gap, equals=0, within=1e-9)
    expect("moments on a rank over all", held[1] / (2 * numbers), equals=1 / ranks)
    expect("parameters on a rank over all", held[0] / numbers, equals=1)


@breaks(buckets=1, en="In one flat bucket the first reduce-scatter waits for the last gradient.",
        zh="只有一个桶时，第一次 reduce-scatter 要等最后一个梯度。")
def claim_reduction_starts_inside_backward(ranks=2, layers=4, width=8, buckets=2):
    """With several buckets the first reduce-scatter is issued while gradients of earlier layers are still missing, and the last
    bucket's layers go first.

    有多个桶时，前面各层的梯度还没算出来，第一次 reduce-scatter 就已发出；最后一个桶的层最先归约。"""
    _, events, _ = on_ranks(train, ranks, layers, width, buckets, 1, "of all shards")[0]
    show(table({"order": range(1, len(events) + 1), "event": events}))
    first = next(k for k, event in enumerate(events) if event.startswith("reduce"))
    after = sum(event.startswith("gradient") for event in events[first:])
    expect("gradients still to come at the first reduce-scatter", after, equals=layers - layers // buckets if buckets > 1 else layers)
    expect("bucket that is reduced first", int(events[first].split()[1]), equals=buckets - 1)


@breaks(overlap="off", en="Without overlap all communication is added to the computation.", zh="不重叠时，全部通信都加在计算之上。")
def claim_only_the_ends_are_exposed(depth=32, tokens=16384, gbps=50.0, overlap="on"):
    """With layers as buckets and a layer's link time below its compute time, overlap leaves exposed the last reduce-scatter and the
    first all-gather alone.

    每层一个桶、一层的传输时间小于计算时间，重叠之后暴露在外的只有最后一次 reduce-scatter 和第一次 all-gather。"""
    ahead, back, sends = model(depth, tokens, gbps)
    took = step_seconds(ahead, back, sends, 0.0)
    if overlap == "off":
        took = sum(ahead) + sum(back) + 2 * sum(sends)
    show(bars(["overlapped", "one after the other", "compute alone"],
              {"seconds": [took, sum(ahead) + sum(back) + 2 * sum(sends), sum(ahead) + sum(back)]}))
    expect("link over forward time of a layer", sends[0] / ahead[0], at_most=1)
    expect("exposed seconds over one reduce-scatter and one all-gather", (took - sum(ahead) - sum(back)) / (2 * sends[0]), equals=1,
           within=1e-6)


@breaks(delay=0.0, en="If a collective cost no delay of its own, the most buckets would be best.",
        zh="若一次集合通信没有固定延迟，桶越多越好。")
def claim_more_buckets_overlap_until_delay_wins(depth=32, gbps=50.0, delay=0.0015):
    """From one flat bucket on, more buckets shorten the step, until each one's fixed delay costs more than the overlap gains: the
    best number lies between.

    从一个桶开始，桶数增加会缩短一步，直到每个桶的固定延迟超过重叠的收益：最好的桶数在中间。"""
    numbers = [2**k for k in range(depth.bit_length()) if depth % 2**k == 0]
    ahead, back, sends = model(depth, 8192, gbps)
    times = [step_seconds(cut(ahead, n), cut(back, n), cut(sends, n), delay) for n in numbers]
    show(lines("buckets", numbers, {"seconds of a step": times}, log="x"))
    serial = sum(ahead) + sum(back) + 2 * (sum(sends) + delay)
    expect("seconds with one bucket over those without overlap", times[0] / serial, equals=1, within=1e-9)
    expect("most buckets over the best number", times[-1] / min(times), at_least=1.02)
    expect("best number over one bucket", min(times) / times[0], at_most=0.9)


def drill_exposed(rng) -> Drill:
    """Seconds of a step with and without overlap."""
    layers, ahead, send = rng.choice([(10, 10, 4), (20, 10, 6), (32, 5, 3), (40, 8, 5), (16, 20, 10)])
    overlap = rng.choice([True, False])
    value = 3 * layers * ahead + 2 * send * (1 if overlap else layers)
    return Drill(
        en=f"{layers} layers, a bucket each: {ahead} ms of forward and {2 * ahead} ms of backward per layer, {send} ms on the link for its "
           f"reduce-scatter and {send} ms for its all-gather; no delay, the update costs nothing. How many ms does a step take "
           + ("with both collectives overlapped as well as can be?" if overlap else "if nothing overlaps?"),
        zh=f"{layers} 层，每层一个桶：每层前向 {ahead} ms、反向 {2 * ahead} ms，reduce-scatter 与 all-gather 各占链路 {send} ms；"
           f"无固定延迟，更新不花时间。{'两种通信都尽量重叠' if overlap else '完全不重叠'}，一步多少 ms？",
        answer=float(value), within=0.5,
        steps=[(f"compute {layers} · {3 * ahead} = {3 * layers * ahead} ms", f"计算 {layers} · {3 * ahead} = {3 * layers * ahead} ms"),
               (f"exposed {2 * send if overlap else 2 * send * layers} ms: {value} ms",
                f"暴露的通信 {2 * send if overlap else 2 * send * layers} ms：共 {value} ms")],
        proved_by="only_the_ends_are_exposed",
    )


ZH = {
    "held by a rank": "一个 rank 持有", "parameters": "参数", "moments": "动量", "numbers": "个数", "of all": "总数",
    "largest difference from one process": "与单进程的最大差", "moments on a rank over all": "一个 rank 的动量占全部",
    "parameters on a rank over all": "一个 rank 的参数占全部", "order": "次序", "event": "事件",
    "gradient {}": "梯度 {}", "reduce-scatter {}": "reduce-scatter {}",
    "gradients still to come at the first reduce-scatter": "第一次 reduce-scatter 时还没算出的梯度数",
    "bucket that is reduced first": "最先归约的桶", "overlapped": "重叠", "one after the other": "依次进行", "compute alone": "只算计算",
    "seconds": "秒", "link over forward time of a layer": "一层的传输时间与前向时间之比",
    "exposed seconds over one reduce-scatter and one all-gather": "暴露的秒数与一次 reduce-scatter 加一次 all-gather 之比",
    "buckets": "桶数", "seconds of a step": "一步的秒数", "seconds with one bucket over those without overlap": "一个桶的秒数与不重叠之比",
    "most buckets over the best number": "桶数最多时与最佳桶数之比", "best number over one bucket": "最佳桶数与一个桶之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
