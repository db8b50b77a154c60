r"""Gradient accumulation: k backward passes into one gradient, each loss divided by k, and one reduction at the end.

梯度累积：k 次反向累加到同一个梯度，每个损失除以 k，最后只归约一次。

DDP's C++ reducer on gloo ranks. Turn `reduce` to "every": the result is the same, and k times the bytes are sent.
把 `reduce` 改为 "every"：结果相同，发送的字节却是 k 倍。
"""

import sys
from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    main,
    on_ranks,
    one_of,
    show,
)

F64 = torch.float64
Loss = Callable[[], Tensor]


@exercise(claims=("equals_one_large_batch", "one_reduction_is_enough"),
          wrong=("forgets_to_divide", "reduces_every_time", "reduces_the_first", "divides_by_the_place"))
def accumulate(losses: list[Loss], backward: Callable[[Tensor, bool], None]) -> None:
    """One optimizer step's backward passes under DDP. Each of `losses` computes the mean loss of one micro-batch, all of
    the same size; `backward(loss, reduce)` adds its gradient to what is there and, where `reduce` is True, all-reduces
    the whole. In the end it must be the gradient of the mean over all, on every rank, and sent once.

    DDP 下一个优化步的全部反向。`losses` 的每一项计算一个微批次的平均损失，各微批次大小相同；`backward(loss, reduce)` 把梯度加到已有的上面，
    `reduce` 为 True 时再 all-reduce 整个梯度。最后每个 rank 上都应是总平均的梯度，并且只发送一次。"""
    for place, loss in enumerate(losses):
        last = place == len(losses) - 1                                # the only one that is not no_sync()
        backward(loss() / len(losses), last)


def reduce_every(losses: list[Loss], backward: Callable[[Tensor, bool], None]) -> None:
    """What DDP does without no_sync()."""
    for loss in losses:
        backward(loss() / len(losses), True)


def undivided(losses: list[Loss], backward: Callable[[Tensor, bool], None]) -> None:
    """The wrong way: means are added up."""
    for place, loss in enumerate(losses):
        backward(loss(), place == len(losses) - 1)


WAYS = {("last", "k"): accumulate, ("every", "k"): reduce_every, ("last", "one"): undivided}


def data(rank: int, k: int, micro: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """k micro-batches of this rank: inputs (micro, 6), targets (micro,)."""
    drawn = torch.Generator().manual_seed(1000 * seed + rank)
    return [(torch.randn(micro, 6, generator=drawn, dtype=F64), torch.randint(4, (micro,), generator=drawn)) for _ in range(k)]


def loss_of(weight: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(batch[0] @ weight, batch[1])


def on_a_rank(rank, ranks, k, micro, seed):
    """What `one_step` gives by each of the ways."""
    return {way: one_step(rank, ranks, k, micro, seed, *way) for way in WAYS}


def one_step(rank, ranks, k, micro, seed, reduce, divide):
    """The gradient after one step, and the bytes sent over the bytes of a gradient."""
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed), dtype=F64).requires_grad_()
    reducer = dist.Reducer([weight], [[0]], [sys.maxsize], dist.group.WORLD, [False], 25 << 20)
    sent = []

    def send(_, bucket):
        sent.append(bucket.buffer().numel())
        return dist.all_reduce(bucket.buffer(), async_op=True).get_future().then(lambda done: done.value()[0] / ranks)

    dist._register_comm_hook(reducer, None, send)

    def backward(loss, now):
        if now:                                                        # no_sync() leaves this line out
            reducer.prepare_for_backward([])
        loss.backward()

    losses = [lambda one=one: loss_of(weight, one) for one in data(rank, k, micro, seed)]
    WAYS[reduce, divide](losses, backward)
    return weight.grad, sum(sent) / weight.numel()


def large_batch(ranks: int, k: int, micro: int, seed: int) -> Tensor:
    """The gradient of the mean over everything, in one process."""
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed), dtype=F64).requires_grad_()
    x, y = (torch.cat(part) for part in zip(*(one for r in range(ranks) for one in data(r, k, micro, seed)), strict=True))
    return torch.autograd.grad(loss_of(weight, (x, y)), weight)[0]


RANGES = {
    "k": between(2, 16), "ranks": between(2, 4), "micro": between(1, 32),
    "reduce": one_of("last", "every"), "divide": one_of("k", "one"), "optimizer": one_of("adam", "sgd"),
}


@breaks(divide="one", en="Undivided, the gradient is k times too large.", zh="不除以 k，梯度大了 k 倍。")
def claim_equals_one_large_batch(ranks=2, k=4, micro=8, divide="k"):
    """k equal micro-batches on N ranks, each mean loss divided by k, give the gradient of one batch of k·N·b samples.

    N 个 rank 各跑 k 个等大的微批次，每个平均损失除以 k，得到的就是 k·N·b 个样本一个大 batch 的梯度。"""
    seed = torch.randint(10**6, ()).item()
    one = large_batch(ranks, k, micro, seed)
    got = on_ranks(on_a_rank, ranks, k, micro, seed)
    ways = {way: [rank["last", way] for rank in got] for way in ("k", "one")}
    show(bars(["one large batch", "divided by k", "undivided"],
              {"size of the gradient": [g.norm().item() for g in (one, ways["k"][0][0], ways["one"][0][0])]}))
    # float64, sums of at most 2048 terms in another order
    expect("gradient less that of one batch, relative", [((g - one).abs().max() / one.abs().max()).item() for g, _ in ways[divide]],
           equals=0, within=1e-10, at=("rank", list(range(ranks))))


@breaks(reduce="every", en="Without no_sync() every backward pass all-reduces: k times the bytes for the same result.",
        zh="不用 no_sync()，每次反向都 all-reduce：结果相同，字节为 k 倍。")
def claim_one_reduction_is_enough(ranks=2, k=4, micro=8, reduce="last"):
    """Under DDP accumulation alone saves no traffic: each of k backward passes all-reduces; with no_sync() on all but the
    last, the bytes of one gradient are sent.

    DDP 下仅仅累积并不省通信：k 次反向各做一次 all-reduce；除最后一次外都用 no_sync()，才只发送一份梯度。"""
    seed = torch.randint(10**6, ()).item()
    one = large_batch(ranks, k, micro, seed)
    got = on_ranks(on_a_rank, ranks, k, micro, seed)
    ways = {way: [rank[way, "k"] for rank in got] for way in ("last", "every")}
    show(bars(["with no_sync()", "without"], {"gradients sent in a step": [w[0][1] for w in ways.values()]}))
    expect("gradients sent in a step", [sent for _, sent in ways[reduce]], equals=1, at=("rank", list(range(ranks))))
    expect("gradient less that of one batch, both ways, relative",
           [((g - one).abs().max() / one.abs().max()).item() for w in ways.values() for g, _ in w], equals=0, within=1e-10)


@breaks(optimizer="sgd", en="SGD steps in proportion to the gradient: k times as far.", zh="SGD 的步长与梯度成正比：走了 k 倍远。")
def claim_adam_hides_a_forgotten_division(k=8, micro=8, optimizer="adam"):
    """Undivided gradients leave Adam's step as it is, since it divides by their size; SGD steps k times as far.

    忘了除以 k，Adam 的步长不变，因为它会除以梯度的大小；SGD 则走了 k 倍远。"""
    seed = torch.randint(10**6, ()).item()
    steps = 10
    moved: dict[str, dict[str, Tensor]] = {"sgd": {}, "adam": {}}
    for name, factor in (("divided", 1.0), ("undivided", float(k))):
        for kind, taken in moved.items():
            w = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed), dtype=F64)
            start, mean, square = w.clone(), torch.zeros_like(w), torch.zeros_like(w)
            for t in range(1, steps + 1):
                # the gradients of a fixed path, so that both runs see the same ones
                g = factor * large_batch(1, k, micro, seed + t)
                mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
                adam = (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-12)
                w = w - 0.01 * (adam if kind == "adam" else g)
            taken[name] = w - start
    ratio = {kind: (t["undivided"] / t["divided"]).flatten() for kind, t in moved.items()}
    show(bars(list(ratio), {"step undivided over step divided": [r.mean().item() for r in ratio.values()]}))
    # ε = 1e-12 beside gradients of 1e-3 and more
    expect("step undivided over step divided", ratio[optimizer], equals=1, within=1e-6)
    expect("SGD’s step undivided over step divided, over k", ratio["sgd"] / k, equals=1, within=1e-6)


def drill_sent_per_step(rng) -> Drill:
    """Bytes that a rank sends in one optimizer step."""
    billions, ranks, k = rng.choice([1, 2, 3, 8]), rng.choice([2, 4, 8]), rng.choice([4, 8, 16])
    once = 2 * (ranks - 1) / ranks * 4 * billions
    return Drill(
        en=f"DDP, {billions}e9 parameters, fp32 gradients, ring all-reduce over {ranks} GPUs, {k} micro-batches per step, without "
           "no_sync(). How many GB (1e9 bytes) does each GPU send per optimizer step?",
        zh=f"DDP，{billions}e9 个参数，fp32 梯度，{ranks} 张 GPU 环形 all-reduce，每步 {k} 个微批次，未用 no_sync()。每张 "
           f"GPU 每个优化步发送多少 GB（1e9 字节）？",
        answer=k * once, unit="GB",
        steps=[(f"one all-reduce: 2 · {ranks - 1}/{ranks} · {4 * billions} GB = {once:g} GB",
                f"一次 all-reduce：2 · {ranks - 1}/{ranks} · {4 * billions} GB = {once:g} GB"),
               (f"times {k} = {k * once:g} GB; with no_sync() {once:g} GB",
                f"乘 {k} = {k * once:g} GB；用 no_sync() 则为 {once:g} GB")],
        proved_by="one_reduction_is_enough")


ZH = {
    "sgd": "SGD", "adam": "Adam", "one large batch": "一个大 batch", "divided by k": "除以 k", "undivided": "不除",
    "size of the gradient": "梯度的模长",
    "gradient less that of one batch, relative": "与一个大 batch 的梯度的相对差", "rank": "rank",
    "gradient less that of one batch, both ways, relative": "两种做法与一个大 batch 的梯度的相对差",
    "with no_sync()": "用 no_sync()", "without": "不用", "gradients sent in a step": "一步发送几份梯度",
    "step undivided over step divided": "不除与除之步长比",
    "SGD’s step undivided over step divided, over k": "SGD 不除与除之步长比，再除以 k",
}

if __name__ == "__main__":
    main()
