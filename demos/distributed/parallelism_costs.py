r"""Data parallelism sends gradients, as many as weights; tensor parallelism sends activations, as many as tokens.

数据并行传梯度，量随权重走；张量并行传激活值，量随 token 走。

One FFN layer on real ranks, as d replicas of m shards; bytes handed to collectives. Turn `tokens_of_a_shard` to
"its own": shards of one replica must see the same tokens. 把 `tokens_of_a_shard` 改为 "its own"：同一副本的各分片必须看同样的 token。
"""

from itertools import chain

import torch
import torch.distributed as dist
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    expect,
    main,
    on_ranks,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import collectives, randn


def ffn_gradients(x: Tensor, y: Tensor, w1: Tensor, w2: Tensor, add) -> list[Tensor]:
    """Gradients of ‖relu(x w1) w2 − y‖² / numbers of y by x, w1 and w2, where this rank holds columns of w1 and rows of
    w2; `add(t)` sums a tensor over the shards of the replica. x, y are (tokens, width)."""
    x, w1, w2 = (t.detach().requires_grad_() for t in (x, w1, w2))
    part = (x @ w1).relu() @ w2                         # (tokens, width): a partial sum
    out = add(part.detach().clone())                    # forward: one all-reduce of activations
    slope = 2 * (out - y) / y.numel()                   # of the loss by out, and so by each partial sum
    g_x, g_w1, g_w2 = torch.autograd.grad((part * slope).sum(), (x, w1, w2))
    return [add(g_x), g_w1, g_w2]                       # backward: one more; gradients of weights stay


def layer(rank: int, ranks: int, shards: int, sizes: tuple, seed: int, tokens_of_a_shard: str, average: str) -> tuple:
    """One step on ranks / shards replicas: gradients of this rank's weights, bytes of activations, bytes of gradients."""
    tokens, width, d_ff = sizes
    x, y = randn(2, ranks // shards * tokens, width, seed=seed, dtype=torch.float64)
    w1 = randn(width, d_ff, seed=seed + 1, dtype=torch.float64)
    w2 = randn(d_ff, width, seed=seed + 2, dtype=torch.float64)
    replica, shard = divmod(rank, shards)
    row, column = (dist.new_group(list(members), use_local_synchronization=True) if len(members) > 1 else None
                   for members in (range(rank - shard, rank - shard + shards), range(shard, ranks, shards)))
    if tokens_of_a_shard == "its own":                                  # the wrong way
        x, y = (t.roll(shard, 0) for t in (x, y))
    mine, part = slice(replica * tokens, (replica + 1) * tokens), slice(shard * d_ff // shards, (shard + 1) * d_ff // shards)

    def add(t: Tensor) -> Tensor:
        if shards > 1:
            dist.all_reduce(t, group=row)
        return t

    with collectives() as activations:
        _, *gradients = ffn_gradients(x[mine], y[mine], w1[:, part], w2[part], add)
    group, size = (column, ranks // shards) if average == "over replicas" else (None, ranks)
    with collectives() as sent:
        for g in gradients:
            if size > 1:
                dist.all_reduce(g, group=group)
                g /= size
    return [g.tolist() for g in gradients], activations.total(), sent.total()


def bytes_handed_over(rank: int, ranks: int, cases: list, seed: int) -> list[int]:
    """Of several layers in turn, each (shards, sizes)."""
    return [sum(layer(rank, ranks, *case, seed, "shared", "over replicas")[1:]) for case in cases]


def sharded(rank: int, ranks: int, sizes: tuple, seed: int, after_forward: str) -> tuple[float, list, float]:
    """The same step by ZeRO-3: every rank keeps a slice of the flat weights. Tensors sent by a ring, in units of the
    weights; the gradient slice; tensors sent by data parallelism."""
    tokens, width, d_ff = sizes
    x, y = (t[rank * tokens : (rank + 1) * tokens] for t in randn(2, ranks * tokens, width, seed=seed, dtype=torch.float64))
    flat = torch.cat((randn(width, d_ff, seed=seed + 1, dtype=torch.float64).flatten(),
                      randn(d_ff, width, seed=seed + 2, dtype=torch.float64).flatten()))
    own, whole = flat.chunk(ranks)[rank].clone(), torch.empty_like(flat)
    with collectives() as sent:
        dist.all_gather_single(whole, own)              # before forward
        if after_forward == "free the weights":
            dist.all_gather_single(whole, own)          # and again before backward
        w1, w2 = whole.split(width * d_ff)
        _, *gradients = ffn_gradients(x, y, w1.view(width, d_ff), w2.view(d_ff, width), lambda t: t)
        slice_ = torch.empty_like(own)
        dist.reduce_scatter_single(slice_, torch.cat([g.flatten() for g in gradients]) / ranks)
    gathered, scattered = sent["all_gather_single"] / own.nbytes, sent["reduce_scatter_single"] / flat.nbytes
    # A ring sends (N−1)/N of the whole tensor for an all-gather or a reduce-scatter, twice that for an all-reduce.
    share = (ranks - 1) / ranks
    return share * (gathered + scattered), slice_.tolist(), share * 2


RANGES = {
    "replicas": between(1, 3),
    "shards": between(1, 3),
    "ranks": between(2, 4),
    "tokens": between(2, 32),
    "width": between(1, 16),
    "columns": between(1, 16),
    "tokens_of_a_shard": one_of("shared", "its own"),
    "average": one_of("over replicas", "over the world"),
    "twice": one_of("tokens", "weights"),
    "after_forward": one_of("free the weights", "keep them"),
}


@breaks(tokens_of_a_shard="its own", en="Shards of one replica add partial sums of one token: other tokens cannot be added.",
        zh="同一副本的分片把同一个 token 的部分和相加；不同的 token 不能相加。")
@breaks(average="over the world", en="Averaged over all ranks, gradients of different weights are mixed.",
        zh="若对所有 rank 求平均，就把不同权重的梯度混在了一起。")
def claim_every_layout_gives_the_gradients_of_one_process(
    replicas=2, shards=2, tokens=3, tokens_of_a_shard="shared", average="over replicas"
):
    """N = n·m ranks as n replicas of m shards: with shared tokens in a replica and gradients averaged over replicas, every
    shard's gradient is that of one process on the whole batch.

    N = n·m 个 rank 分成 n 个副本、每个副本 m 个分片：副本内共用 token、梯度只在副本之间平均，
    各分片的梯度就等于单进程对整个 batch 的梯度。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    sizes = (tokens, 4, 6 * shards)
    x, y = randn(2, replicas * tokens, 4, seed=seed, dtype=torch.float64)
    w1, w2 = (randn(*s, seed=seed + i, dtype=torch.float64) for i, s in ((1, (4, 6 * shards)), (2, (6 * shards, 4))))
    _, g1, g2 = ffn_gradients(x, y, w1, w2, lambda t: t)
    results = on_ranks(layer, replicas * shards, shards, sizes, seed, tokens_of_a_shard, average)
    gaps = []
    for rank, (gradients, _, _) in enumerate(results):
        part = slice(rank % shards * 6, (rank % shards + 1) * 6)
        gaps.append(max((torch.tensor(g, dtype=torch.float64) - exact).abs().max().item()
                        for g, exact in zip(gradients, (g1[:, part], g2[part]), strict=True)))
    show(table({"rank": range(replicas * shards), "replica": [r // shards for r in range(replicas * shards)],
                "shard": [r % shards for r in range(replicas * shards)], "largest difference": gaps}))
    # float64; sums over up to 96 tokens and 18 hidden numbers in another order
    expect("gradient of a shard less that of one process", gaps, equals=0, within=1e-12)


@breaks(twice="weights", en="Twice the weights double what data parallelism sends, and leave tensor parallelism alone.",
        zh="权重加倍，数据并行的通信量加倍，张量并行的不变。")
def claim_tensor_parallel_bytes_follow_tokens_data_parallel_bytes_weights(
    ranks=2, tokens=4, width=4, columns=4, twice="tokens"
):
    """Twice the tokens double the bytes of tensor parallelism, two all-reduces of tokens × width per FFN layer; data
    parallelism still sends one gradient per weight.

    token 加倍，张量并行的通信量加倍（每个 FFN 层两次 token × 宽度的 all-reduce）；数据并行仍是每个权重传一个梯度。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    before, after = (tokens, width, columns * ranks), (2 * tokens, width, columns * ranks)
    if twice == "weights":
        after = (tokens, width, 2 * columns * ranks)
    sent = on_ranks(bytes_handed_over, ranks, [(m, sizes) for m in (1, ranks) for sizes in (before, after)], seed)[0]
    sent = {"data parallel": sent[:2], "tensor parallel": sent[2:]}
    show(bars(["once", f"twice the {twice}"], sent, y_label="bytes handed over per rank"))
    expect("bytes of tensor parallelism", sent["tensor parallel"],
           equals=[2 * tokens * width * 8, 4 * tokens * width * 8])
    expect("bytes of data parallelism", sent["data parallel"], equals=2 * width * columns * ranks * 8)


@breaks(after_forward="keep them", en="Kept through backward, the weights are gathered once: as much as data parallelism.",
        zh="权重一直留到反向，就只收集一次：通信量与数据并行相同。")
def claim_zero3_sends_half_as_much_again(ranks=3, tokens=4, after_forward="free the weights"):
    """Freeing the weights after forward, ZeRO-3 gathers them twice and scatters gradients once: 1.5 times the numbers of
    data parallelism's all-reduce.

    前向后释放权重的 ZeRO-3 要收集两次权重、分散一次梯度：传送的数是数据并行一次 all-reduce 的 1.5 倍。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    sizes = (tokens, 4, 3 * ranks)
    results = on_ranks(sharded, ranks, sizes, seed, after_forward)
    x, y = randn(2, ranks * tokens, 4, seed=seed, dtype=torch.float64)
    w1, w2 = (randn(*s, seed=seed + i, dtype=torch.float64) for i, s in ((1, (4, 3 * ranks)), (2, (3 * ranks, 4))))
    exact = torch.cat([g.flatten() for g in ffn_gradients(x, y, w1, w2, lambda t: t)[1:]])
    show(bars(["data parallel", "ZeRO-3"], {"tensors of all weights sent per rank": [results[0][2], results[0][0]]}))
    gap = torch.tensor([*chain(*(r[1] for r in results))], dtype=torch.float64) - exact
    expect("gradient less that of one process", gap, equals=0, within=1e-12)
    expect("ZeRO-3 over data parallelism", [r[0] / r[2] for r in results], equals=1.5, within=1e-12)


def drill_tensor_parallel_seconds(rng) -> Drill:
    """Time of the tensor-parallel all-reduces of a step; bandwidth per direction."""
    layers, tokens, width = rng.choice([32, 40, 80]), rng.choice([4096, 8192]), rng.choice([4096, 5120, 8192])
    t = rng.choice([2, 4, 8])
    name, rate = rng.choice([("PCIe 4.0 ×16", 32), ("NVLink 3", 300), ("NVLink 4", 450), ("NVLink 5", 900)])
    payload = 4 * layers * tokens * width * 2 / 1e9
    took = 2 * (t - 1) / t * payload / rate
    return Drill(
        en=f"Tensor parallelism over {t} GPUs: 4 bf16 all-reduces per layer and step (2 forward, 2 backward), {layers} "
           f"layers, {tokens:,} tokens, width {width:,}; ring, {rate} GB/s per direction ({name}). How many seconds?",
        zh=f"{t} 张 GPU 张量并行：每层每步 4 次 bf16 all-reduce（前向 2 次、反向 2 次），{layers} 层，{tokens:,} 个 token，宽 {width:,}；"
           f"环形，每方向 {rate} GB/s（{name}）。要多少秒？",
        answer=took, unit="s",
        steps=[(f"payload 4 · {layers} · {tokens:,} · {width:,} · 2 bytes = {payload:.3g} GB",
                f"有效载荷 4 · {layers} · {tokens:,} · {width:,} · 2 字节 = {payload:.3g} GB"),
               (f"2({t}−1)/{t} · {payload:.3g} / {rate} = {took:.3g} s",
                f"2({t}−1)/{t} · {payload:.3g} / {rate} = {took:.3g} 秒")],
        proved_by="tensor_parallel_bytes_follow_tokens_data_parallel_bytes_weights",
    )


ZH = {
    "rank": "rank",
    "replica": "副本",
    "shard": "分片",
    "largest difference": "最大差异",
    "gradient of a shard less that of one process": "分片的梯度与单进程梯度之差",
    "data parallel": "数据并行",
    "tensor parallel": "张量并行",
    "once": "原来",
    "twice the tokens": "token 加倍",
    "twice the weights": "权重加倍",
    "bytes handed over per rank": "每个 rank 交出的字节数",
    "bytes of tensor parallelism": "张量并行的字节数",
    "bytes of data parallelism": "数据并行的字节数",
    "ZeRO-3": "ZeRO-3",
    "tensors of all weights sent per rank": "每个 rank 发出的整份权重数",
    "gradient less that of one process": "与单进程梯度之差",
    "ZeRO-3 over data parallelism": "ZeRO-3 与数据并行之比",
}

if __name__ == "__main__":
    main()
