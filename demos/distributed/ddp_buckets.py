r"""DDP puts gradients into buckets in the order in which they become ready, and all-reduces each full bucket while
backward goes on.

DDP 按梯度就绪的次序把它们装进桶，桶一满就 all-reduce，反向则继续进行。

The C++ reducer of torch's DistributedDataParallel, on two gloo ranks. (Its Python wrapper would load torch's
compiler for three seconds.) Turn `step` to 0: in the first step all gradients are one bucket, and nothing overlaps.
两个 gloo 进程上的 DDP C++ reducer。把 `step` 改为 0：第一步所有梯度在一个桶里，没有任何重叠。
"""

import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    main,
    on_ranks,
    one_of,
    show,
    table,
)


@exercise(claims=("equals_torchs_assignment",),
          wrong=("closes_before_it_is_full", "keeps_the_first_limit", "drops_the_rest"))
def buckets(sizes: list[int], first: int, cap: int) -> list[list[int]]:
    """Which gradients share a bucket: `sizes` are their bytes in the order in which they become ready; a bucket closes
    as soon as it holds `first` bytes (the first one) or `cap` bytes (all others). Indices into sizes.

    哪些梯度在同一个桶：`sizes` 是按就绪次序排列的字节数；第一个桶达到 `first` 字节、其余的桶达到 `cap` 字节就关闭。返回 sizes 的下标。"""
    closed, open_, held = [], [], 0
    for index, size in enumerate(sizes):
        open_.append(index)
        held += size
        if held >= (cap if closed else first):                         # full, perhaps above the limit
            closed.append(open_)
            open_, held = [], 0
    return [*closed, open_] if open_ else closed


class Replica:
    """What DistributedDataParallel does around a module in every step."""

    def __init__(self, module: nn.Module, cap: int) -> None:
        weights = list(module.parameters())
        dist._broadcast_coalesced(dist.group.WORLD, [w.detach() for w in weights], 250 << 20, 0)
        self.module = module
        self.reducer = dist.Reducer(weights, [list(range(len(weights)))], [sys.maxsize], dist.group.WORLD,
                                    [False] * len(weights), cap, False, False, {}, cap)

    def forward(self, x: Tensor) -> Tensor:
        self.reducer._rebuild_buckets()                                # once, after the first step
        self.reducer.prepare_for_forward()
        y = self.module(x)
        self.reducer.prepare_for_backward([])
        return y


def stack(layers: int, width: int) -> nn.Sequential:
    return nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(layers)])


def record(rank, ranks, layers, width, cap, steps):
    """Of each step, in order: "gradient i" when the gradient of layer i is ready, "bucket: …" when one is sent, with
    its bytes; and the gradients."""
    torch.manual_seed(rank)
    replica, log, seen = Replica(stack(layers, width), cap), [], []

    def send(_, bucket):
        log.append(("bucket", bucket.buffer().numel() * 4))
        reduced = dist.all_reduce(bucket.buffer(), async_op=True).get_future()
        return reduced.then(lambda done: done.value()[0] / ranks)

    dist._register_comm_hook(replica.reducer, None, send)
    for index, weight in enumerate(replica.module.parameters()):
        weight.register_hook(lambda _, index=index: log.append(("gradient", index)))
    for _ in range(steps):
        log.clear()
        for w in replica.module.parameters():
            w.grad = None
        replica.forward(torch.randn(4, width)).square().sum().backward()
        seen.append((list(log), [w.grad.clone() for w in replica.module.parameters()]))
    return seen


RANGES = {
    "sizes": each(between(1, 100_000), at_least=1, at_most=12), "first": between(1, 50_000), "cap": between(1, 50_000),
    "layers": between(3, 8), "width": between(4, 64), "step": one_of(0, 1, 3), "counted": one_of(0, 1, 3),
    "first_limit": one_of("first", "cap"),
}
FIRST = breaks(step=0, en="In the first step one bucket holds everything: the order of the gradients is not known yet.",
               zh="第一步所有梯度在一个桶里：就绪次序此时还不知道。")


@breaks(first_limit="cap", en="The first bucket has a limit of its own, so that the first all-reduce starts early.",
        zh="第一个桶另有更小的上限，好让第一次 all-reduce 早点开始。")
def claim_equals_torchs_assignment(sizes=(400, 100, 300, 700, 900, 200, 5000, 100, 700), first=500, cap=1000, first_limit="first"):
    """A bucket closes as soon as it is full: one all-reduce per bucket, and a large gradient may overfill it.

    桶装满即关闭：每个桶一次 all-reduce，一个大的梯度可以使它超出上限。"""
    got = buckets(list(sizes), cap if first_limit == "cap" else first, cap)
    torchs, _ = dist._compute_bucket_assignment_by_size([torch.empty(n, dtype=torch.uint8) for n in sizes], [first, cap])
    show(bars([f"bucket {i}" for i in range(len(got))], {"bytes": [sum(sizes[i] for i in one) for one in got]}))
    same = sum(a == b for a, b in zip(got, torchs, strict=False))
    expect("buckets equal to torch's, of those that either has", same / max(len(got), len(torchs)), equals=1)


@FIRST
def claim_sent_while_backward_goes_on(layers=4, width=16, step=3):
    """In the first step there is one bucket, after all gradients; from the second on each bucket is sent before the gradient
    of the layer below is ready, and only the last comes after all.

    第一步只有一个桶，在全部梯度之后；从第二步起，每个桶都在下一层的梯度就绪之前发出，只有最后一个在全部梯度之后。"""
    steps = on_ranks(record, 2, layers, width, 4 * width * width, step + 1)[0]
    events = steps[step][0]
    show(table(["place", "event"], [[place, f"{kind} {value}" if kind == "gradient" else "all-reduce"]
                                    for place, (kind, value) in enumerate(events)]))
    last = max(place for place, (kind, _) in enumerate(events) if kind == "gradient")
    sent = [place for place, (kind, _) in enumerate(events) if kind == "bucket"]
    order = [value for kind, value in events if kind == "gradient"]
    expect("layers in the order of their gradients", order, equals=list(range(layers))[::-1])
    expect("all-reduces sent before the last gradient", sum(place < last for place in sent), equals=layers - 1)
    expect("place of each all-reduce less that behind its layer’s gradient", [at - 2 * i - 1 for i, at in enumerate(sent)], equals=0)
    expect("all-reduces in the first step, after the last gradient", [kind == "bucket" for kind, _ in steps[0][0]],
           equals=[False] * layers + [True])


@FIRST
def claim_all_reduces_equal_buckets(layers=6, width=16, step=3):
    """At a cap of two layers' bytes, a step of six layers makes three all-reduces, and together they carry every
    gradient once.

    上限为两层的字节数时，六层的一步做三次 all-reduce，合起来每个梯度恰好传一次。"""
    cap = 2 * 4 * width * width
    (seen, mine), (_, other) = (ranks[step] for ranks in on_ranks(record, 2, layers, width, cap, step + 1))
    sent = [value for kind, value in seen if kind == "bucket"]
    by_hand = buckets([4 * width * width] * layers, cap, cap)
    show(bars([f"bucket {i}" for i in range(len(sent))], {"bytes": sent}))
    expect("all-reduces in a step", len(sent), equals=len(by_hand))
    expect("bytes sent over bytes of all gradients", sum(sent) / (layers * 4 * width * width), equals=1)
    expect("gradients of the two ranks, difference", max((a - b).abs().max().item() for a, b in zip(mine, other, strict=True)),
           equals=0)


def count(rank, ranks, layers, width, cap, steps):
    """(all-reduces of gradients, other collectives) at construction, then in each step. The process group numbers every
    collective; the hook sees those of gradients. (What is left are broadcasts, as torch's profiler names them.)"""
    numbered = dist.group.WORLD._get_sequence_number_for_group
    before, sent, counts = numbered(), [0], []

    def send(_, bucket):
        sent[-1] += 1
        reduced = dist.all_reduce(bucket.buffer(), async_op=True).get_future()
        return reduced.then(lambda done: done.value()[0] / ranks)

    replica = Replica(stack(layers, width), cap)
    dist._register_comm_hook(replica.reducer, None, send)
    for _ in range(steps + 1):
        counts.append((sent[-1], numbered() - before - sent[-1]))
        before = numbered()
        sent.append(0)
        replica.forward(torch.randn(4, width)).sum().backward()
    return counts


@breaks(counted=1, en="After the first step the ranks agree once on the order of the gradients: two small broadcasts.",
        zh="第一步之后，各 rank 要统一一次桶的次序：两次小的广播。")
def claim_no_gradient_is_broadcast(layers=4, width=16, counted=3):
    """DDP broadcasts weights once, at construction; a settled step of a module without buffers has all-reduces and no
    broadcast: no rank hands gradients out.

    DDP 只在构造时广播一次权重；模块没有 buffer 时，稳定之后每一步只有 all-reduce，没有广播：不存在哪个 rank 收齐梯度再分发。"""
    counts = on_ranks(count, 2, layers, width, 4 * width * width, 4)[1]
    show(bars(["construction", *(f"step {i}" for i in range(4))], {
        "all-reduces": [a for a, _ in counts], "broadcasts": [b for _, b in counts]}))
    expect("broadcasts at construction, of up to 250 MiB", counts[0][1], equals=1)
    expect("broadcasts in the second step, of the buckets' order", counts[2][1], equals=2)
    expect("broadcasts in the step", counts[1 + counted][1], equals=0)
    expect("all-reduces in the step", counts[1 + counted][0], equals=layers if counted else 1)


def drill_buckets(rng) -> Drill:
    """How many all-reduces a step makes."""
    layers, size, cap = rng.choice([(32, 8, 25), (24, 10, 25), (48, 6, 25), (12, 20, 50), (40, 7, 25), (30, 9, 40)])
    made = buckets([size] * layers, cap, cap)
    return Drill(
        en=f"{layers} layers of {size} MB of gradients each, in order of readiness; a bucket closes as soon as it holds {cap} MB "
           "or more. How many all-reduces does a settled DDP step make?",
        zh=f"{layers} 层，每层 {size} MB 梯度，按就绪次序；桶达到 {cap} MB 就关闭。稳定之后，DDP 的一步做多少次 all-reduce？",
        answer=len(made),
        steps=[(f"layers in a bucket: {cap}/{size} rounded up = {len(made[0])}", f"每桶层数：{cap}/{size} 向上取整 = {len(made[0])}"),
               (f"{layers}/{len(made[0])} rounded up = {len(made)}", f"{layers}/{len(made[0])} 向上取整 = {len(made)}")],
        proved_by="equals_torchs_assignment")


ZH = {
    "bucket {}": "桶 {}", "bytes": "字节",
    "buckets equal to torch's, of those that either has": "与 torch 相同的桶所占比例", "place": "次序",
    "event": "事件", "gradient {}": "第 {} 层的梯度", "all-reduce": "all-reduce",
    "layers in the order of their gradients": "按梯度就绪次序排列的层",
    "all-reduces sent before the last gradient": "最后一个梯度之前发出的 all-reduce 数",
    "place of each all-reduce less that behind its layer’s gradient": "各 all-reduce 的次序减去紧跟本层梯度的次序",
    "all-reduces in a step": "一步的 all-reduce 数",
    "bytes sent over bytes of all gradients": "发送字节与全部梯度字节之比",
    "gradients of the two ranks, difference": "两个 rank 的梯度之差", "construction": "构造", "step {}": "第 {} 步",
    "all-reduces": "all-reduce 数", "broadcasts": "广播数",
    "broadcasts at construction, of up to 250 MiB": "构造时的广播数（每次至多 250 MiB）",
    "broadcasts in the second step, of the buckets' order": "第二步中统一桶次序的广播数",
    "all-reduces in the first step, after the last gradient": "第一步的 all-reduce 在最后一个梯度之后",
    "broadcasts in the step": "该步的广播数", "all-reduces in the step": "该步的 all-reduce 数",
}

if __name__ == "__main__":
    main()
