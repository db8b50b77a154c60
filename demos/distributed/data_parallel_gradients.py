r"""Data parallelism: each rank takes the gradient of its own samples, and one all-reduce turns these into the
gradient of the whole batch, provided that all is divided by the tokens of all ranks.

数据并行：每个 rank 只对自己的样本求梯度，一次 all-reduce 把它们变成整个 batch 的梯度，前提是除以所有 rank 的 token 总数。

Real ranks over gloo. Turn `divide` to "own tokens": each rank takes its mean first, and a token on a rank with
few of them weighs more. 真实的 gloo 进程。把 `divide` 改为 "own tokens"：各 rank 先各取平均，token 少的 rank 上每个 token 更重。
"""

import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
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

F64 = torch.float64


@exercise(claims=("equals_one_large_batch", "equal_shards_may_be_averaged"),
          wrong=("averages_over_ranks", "divides_by_own_tokens_first", "forgets_to_divide"))
def all_reduce_mean(gradients: list[Tensor], tokens: int) -> list[Tensor]:
    """The gradient of the mean loss over the tokens of all ranks; every rank calls it and gets the same. `gradients`
    are those of this rank's *summed* loss over its `tokens` tokens.

    所有 rank 全部 token 的平均损失的梯度；每个 rank 都调用，结果相同。`gradients` 是本 rank 的损失之和（`tokens` 个 token）的梯度。"""
    total = torch.tensor(tokens, dtype=F64)
    dist.all_reduce(total)                                             # tokens of all ranks
    for g in gradients:
        dist.all_reduce(g)                                             # summed over the ranks, in place
    return [g / total for g in gradients]


def mean_of_means(gradients: list[Tensor], tokens: int) -> list[Tensor]:
    """The wrong way: each rank divides by its own count, and the ranks are averaged."""
    means = [g / tokens for g in gradients]
    for g in means:
        dist.all_reduce(g)
    return [g / dist.get_world_size() for g in means]


WAYS = {"all tokens": all_reduce_mean, "own tokens": mean_of_means}


def loss_sum(weights: list[Tensor], batch: tuple[Tensor, Tensor], norm: str = "none") -> Tensor:
    """Summed cross-entropy of a model of two layers; batch is states (tokens, width) and targets (tokens,)."""
    hidden = batch[0] @ weights[0]                                     # (tokens, width)
    if norm == "batch":
        hidden = F.batch_norm(hidden, None, None, training=True)       # statistics of this rank's tokens
    return F.cross_entropy(hidden.tanh() @ weights[1], batch[1], reduction="sum")


def model(seed: int) -> list[Tensor]:
    """Weights of the two layers, width 8 and 5 classes."""
    drawn = torch.Generator().manual_seed(seed)
    return [torch.randn(8, n, generator=drawn, dtype=F64).requires_grad_() for n in (8, 5)]


def shards(counts: tuple[int, ...], seed: int) -> list[tuple[Tensor, Tensor]]:
    """One batch for each rank; unlike ranks see unlike content, or wrong weights would not show."""
    drawn = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, 8, generator=drawn, dtype=F64) + rank,
             torch.randint(5, (1,), generator=drawn).expand(n)) for rank, n in enumerate(counts)]


def large_batch(counts: tuple[int, ...], seed: int, norm: str = "none") -> list[Tensor]:
    """The gradient of the mean loss over everything, in one process."""
    weights, batches = model(seed), shards(counts, seed)
    whole = tuple(torch.cat(part) for part in zip(*batches, strict=True))
    return list(torch.autograd.grad(loss_sum(weights, whole, norm) / len(whole[1]), weights))


def gap(got: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference, relative to the largest of what is wanted."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(got, wanted, strict=True))


def on_a_rank(rank, ranks, counts, seed, ways, norm):
    """The reduced gradients, by each of the ways."""
    weights = model(seed)
    batch = shards(counts, seed)[rank]
    gradients = torch.autograd.grad(loss_sum(weights, batch, norm), weights)
    return [WAYS[way]([g.clone() for g in gradients], counts[rank]) for way in ways]


RANGES = {
    "counts": each(between(2, 400), at_least=2, at_most=4), "ranks": between(2, 4), "tokens": between(2, 100),
    "steps": between(1, 20), "divide": one_of("all tokens", "own tokens"),
    "norm": one_of("none", "batch"), "reduce": one_of("mean", "sum"), "scale": one_of("ranks", "one"),
    "start": one_of("broadcast", "own seed"),
}


@breaks(divide="own tokens", en="The mean of means is the mean over tokens only for equal counts.",
        zh="只有各 rank 的 token 数相等时，平均的平均才等于按 token 平均。")
@breaks(norm="batch", en="BatchNorm mixes the samples of a rank, so a shard is no part of a sum.",
        zh="BatchNorm 把同一 rank 的样本混在一起，分片的损失不再是总和中的一项。")
def claim_equals_one_large_batch(counts=(100, 300, 20), divide="all tokens", norm="none"):
    """Summed gradients over the token count of all ranks are the gradient of one large batch, whatever each rank's
    share of it.

    各 rank 的梯度相加、除以全部 token 数，就是一个大 batch 的梯度，无论每个 rank 分到多少。"""
    seed = torch.randint(10**6, ()).item()
    got = [ways[0] for ways in on_ranks(on_a_rank, len(counts), counts, seed, [divide], norm)]
    show(bars([f"rank {r}: {n} tokens" for r, n in enumerate(counts)], {
        "weight of a token, mean of means": [1 / (len(counts) * n) for n in counts],
        "weight of a token, token mean": [1 / sum(counts)] * len(counts)}))
    # float64: sums of at most 1600 terms in another order
    expect("gradient less that of one batch, relative", [gap(g, large_batch(counts, seed, norm)) for g in got],
           equals=0, within=1e-10, at=("rank", list(range(len(counts)))))


@breaks(reduce="sum", en="Summed, the mean gradients of N ranks are N times that of the batch: N times the learning rate.",
        zh="把 N 个 rank 的平均梯度相加，是整个 batch 的 N 倍：相当于学习率乘了 N。")
def claim_equal_shards_may_be_averaged(ranks=4, tokens=24, reduce="mean"):
    """With as many tokens on every rank, the average of the ranks' mean gradients is the large-batch gradient; their
    sum is N times it.

    各 rank 的 token 数相等时，各自平均梯度的平均就是大 batch 的梯度；它们的和则是其 N 倍。"""
    seed = torch.randint(10**6, ()).item()
    counts = (tokens,) * ranks
    averaged, exact = on_ranks(on_a_rank, ranks, counts, seed, ["own tokens", "all tokens"], "none")[0]
    one = large_batch(counts, seed)
    got = [g * ranks for g in averaged] if reduce == "sum" else averaged
    size = [torch.cat([g.flatten() for g in gs]).norm().item() for gs in (one, averaged, [g * ranks for g in averaged])]
    show(bars(["one process", "averaged", "summed"], {"size of the gradient": size}))
    expect("gradient less that of one batch, relative", gap(got, one), equals=0, within=1e-10)
    expect("gradient by the token count, less that of one batch, relative", gap(exact, one), equals=0, within=1e-10)


def through_the_reducer(rank, ranks, counts, seed, scale):
    """What DistributedDataParallel does in backward, by its own C++ reducer; its Python wrapper would load torch's
    compiler for three seconds."""
    weights, total = model(seed), sum(counts)
    reducer = dist.Reducer(weights, [[0, 1]], [sys.maxsize], dist.group.WORLD, [False, False], 25 << 20)
    reducer.prepare_for_backward([])
    loss = loss_sum(weights, shards(counts, seed)[rank]) / total
    (loss * (ranks if scale == "ranks" else 1)).backward()             # the reducer divides by the ranks
    return [w.grad for w in weights]


@breaks(scale="one", en="DDP divides by the number of ranks once more: the gradient is N times too small.",
        zh="DDP 会再除一次 rank 数：梯度小了 N 倍。")
def claim_under_ddp_the_loss_is_scaled_by_the_ranks(counts=(100, 300), scale="ranks"):
    """DDP averages over ranks whatever they hold, so for a token mean the summed loss is multiplied by ranks over
    all tokens.

    DDP 一律按 rank 取平均，所以要按 token 平均，就得把损失之和乘以 rank 数、再除以全部 token 数。"""
    seed = torch.randint(10**6, ()).item()
    got = on_ranks(through_the_reducer, len(counts), counts, seed, scale)
    one = large_batch(counts, seed)
    size = [torch.cat([g.flatten() for g in gs]).norm().item() for gs in (one, got[0])]
    show(bars(["one process", "DDP's reducer"], {"size of the gradient": size}))
    expect("gradient less that of one batch, relative", [gap(g, one) for g in got], equals=0, within=1e-10,
           at=("rank", list(range(len(counts)))))


def train_both(rank, ranks, tokens, steps, seed):
    """Every weight at the start and after every step, (ways, 1 + steps, weights)."""
    return torch.stack([train(rank, ranks, tokens, steps, seed, start) for start in ("broadcast", "own seed")])


def train(rank, ranks, tokens, steps, seed, start):
    """SGD on a fresh batch each step; every weight at the start and after every step."""
    weights = model(seed + rank)                                       # each rank draws its own
    if start == "broadcast":
        for w in weights:
            dist.broadcast(w.detach(), src=0)                          # DDP does this at construction
    seen = [torch.cat([w.detach().flatten() for w in weights])]
    for step in range(steps):
        batch = shards((tokens,) * ranks, seed + step)[rank]
        gradients = all_reduce_mean(list(torch.autograd.grad(loss_sum(weights, batch), weights)), tokens)
        for w, g in zip(weights, gradients, strict=True):
            w.data -= 0.1 * g
        seen.append(torch.cat([w.detach().flatten() for w in weights]))
    return torch.stack(seen)                                           # (1 + steps, weights)


@breaks(start="own seed", en="Equal updates keep a difference for ever: what is unequal at the start stays so.",
        zh="相同的更新会永远保留差异：一开始不同，就一直不同。")
def claim_replicas_stay_equal(ranks=3, tokens=8, steps=5, start="broadcast"):
    """From one broadcast on, equal gradients keep all replicas equal to the last bit; under plain SGD what differs at
    the start stays as far apart.

    一次广播之后，相同的梯度使所有副本保持逐位相等；用普通 SGD 时，起点的差异会原样保留。"""
    seed = torch.randint(10**6, ()).item()
    weights = torch.stack(on_ranks(train_both, ranks, tokens, steps, seed))  # (ranks, ways, 1 + steps, weights)
    apart = dict(zip(("broadcast", "own seed"), (weights - weights[:1]).abs().amax((0, 3)), strict=True))
    show(lines("step", range(steps + 1), {f"largest difference between ranks, {way}": a for way, a in apart.items()}))
    expect("largest difference between ranks", apart[start], equals=0, at=("step", list(range(steps + 1))))
    # float64: each step rounds weights of size 1 once
    expect("difference with own seeds over that at the start", apart["own seed"] / apart["own seed"][0], equals=1, within=1e-12,
           at=("step", list(range(steps + 1))))


def drill_tokens_per_step(rng) -> Drill:
    """Tokens of one optimizer step."""
    gpus, tensor, stages = rng.choice([(64, 8, 1), (128, 8, 2), (256, 8, 4), (512, 4, 4), (1024, 8, 8)])
    micro, k, length = rng.choice([1, 2]), rng.choice([4, 8, 16]), rng.choice([2048, 4096, 8192])
    replicas = gpus // (tensor * stages)
    return Drill(
        en=f"{gpus} GPUs, tensor parallel {tensor}, pipeline {stages}, no context parallelism. Each replica takes {k} micro-batches "
           f"of {micro} × {length} tokens before it steps. How many tokens (thousands, 1K = 1,024) has a step?",
        zh=f"{gpus} 张 GPU，张量并行 {tensor}，流水线 {stages}，不用上下文并行。每个副本累积 {k} 个 {micro} × {length} token "
           f"的微批次后更新一次。"
           f"一步有多少 token（单位 K = 1,024）？",
        answer=replicas * micro * k * length / 1024, unit="K",
        steps=[(f"replicas: {gpus} / ({tensor} · {stages}) = {replicas}", f"副本数：{gpus} / ({tensor} · {stages}) = {replicas}"),
               (f"sequences: {replicas} · {k} · {micro} = {replicas * k * micro}, of {length // 1024}K tokens each",
                f"序列数：{replicas} · {k} · {micro} = {replicas * k * micro}，每条 {length // 1024}K")],
        proved_by="equals_one_large_batch")


def drill_reported_loss(rng) -> Drill:
    """What averaging over ranks reports, and what it should."""
    a, b = rng.choice([(100, 300), (50, 150), (200, 600), (100, 400), (20, 80)])
    x, y = rng.choice([(2.0, 1.0), (3.0, 1.0), (4.0, 2.0), (1.0, 2.0)])
    right = (a * x + b * y) / (a + b)
    return Drill(
        en=f"Two ranks have {a} and {b} trained tokens with mean losses {x:g} and {y:g}. Their average is {(x + y) / 2:g}. "
           "What is the loss of the batch per token?",
        zh=f"两个 rank 各有 {a} 与 {b} 个计入损失的 token，平均损失 {x:g} 与 {y:g}，取平均是 {(x + y) / 2:g}。整个 batch 按 "
           f"token 的损失是多少？",
        answer=right, within=0.005,
        steps=[(f"{a} · {x:g} + {b} · {y:g} = {a * x + b * y:g}", f"{a} · {x:g} + {b} · {y:g} = {a * x + b * y:g}"),
               (f"over {a + b} tokens: {right:g}", f"除以 {a + b} 个 token：{right:g}")],
        proved_by="equals_one_large_batch")


ZH = {
    "rank {}: {} tokens": "rank {}：{} 个 token",
    "weight of a token, mean of means": "一个 token 的权重（平均的平均）",
    "weight of a token, token mean": "一个 token 的权重（按 token 平均）",
    "gradient less that of one batch, relative": "与一个大 batch 的梯度的相对差", "rank": "rank",
    "gradient by the token count, less that of one batch, relative": "按 token 数求得的梯度与大 batch 的相对差",
    "one process": "单进程", "averaged": "取平均", "summed": "求和", "size of the gradient": "梯度的模长",
    "DDP's reducer": "DDP 的 reducer", "step": "步", "largest difference between ranks": "rank 之间的最大差",
    "largest difference between ranks, {}": "rank 之间的最大差（{}）", "broadcast": "先广播",
    "own seed": "各用各的种子",
    "difference with own seeds over that at the start": "各用各的种子时的差与起点的差之比",
}

if __name__ == "__main__":
    main()
