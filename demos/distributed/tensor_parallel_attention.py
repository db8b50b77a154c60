r"""Whole heads go to ranks, so softmax stays local and attention needs one all-reduce each way.

整头地分给各 rank，softmax 就在本地完成，注意力前向、反向各只需一次 all-reduce。

Shoeybi et al. 2019, §3. Turn `cut` to "inside heads": softmax of half a score is not half a softmax.
Turn `kv` to "round robin": a rank's queries meet a KV head of another group.
把 `cut` 改为 "inside heads"：半个分数的 softmax 不是半个 softmax；把 `kv` 改为 "round robin"：
query 遇到的是别组的 KV 头。
"""

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
from studyapp.evidence.tools import collectives, tensor_bytes


@exercise(claims=("heads_split_over_ranks_give_the_whole_block", "kv_stops_shrinking_at_the_kv_heads"),
          wrong=("deals_round_robin", "takes_the_first_ones", "starts_again_at_zero"))
def own_kv(w: Tensor, kv_heads: int, rank: int, ranks: int) -> Tensor:
    """The columns of a key or value weight (width, kv_heads · d_head) that this rank needs for its
    query heads, a `ranks`-th of them in order; with more ranks than KV heads several share one.

    本 rank 的 query 头（按顺序取 1/ranks）所需的 key 或 value 权重列，w 为 (width, kv_heads · d_head)；
    rank 多于 KV 头时，几个 rank 共用一个 KV 头。"""
    heads = w.unflatten(1, (kv_heads, -1))                      # (width, kv_heads, d_head)
    first = rank * kv_heads // ranks                            # the group of the first query head
    return heads[:, first : first + max(1, kv_heads // ranks)].flatten(1)


def round_robin(w: Tensor, kv_heads: int, rank: int, ranks: int) -> Tensor:
    """The wrong way: deal the KV heads out one after another."""
    return w.unflatten(1, (kv_heads, -1))[:, rank % kv_heads :: ranks].flatten(1)


KV = {"by group": own_kv, "round robin": round_robin}


def share(x: Tensor, weights: list[Tensor], heads: int, kv_heads: int, rank: int, ranks: int,
          kv: str = "by group", cut: str = "whole heads") -> tuple[Tensor, Tensor, Tensor]:
    """One rank's share (tokens, width) of the block's output, and its keys and values."""
    wq, wk, wv, wo = weights                                    # (width, heads · d_head), …, (…, width)
    if cut == "inside heads":                                   # the wrong way: a part of every head
        def inside(w, n):
            return w.unflatten(1, (n, -1)).chunk(ranks, 2)[rank].flatten(1)
        wq, wk, wv, wo = inside(wq, heads), inside(wk, kv_heads), inside(wv, kv_heads), inside(wo.T, heads).T
        n, m = heads, kv_heads
    else:
        wk, wv = (KV[kv](w, kv_heads, rank, ranks) for w in (wk, wv))
        wq, wo = wq.chunk(ranks, 1)[rank], wo.chunk(ranks)[rank]
        n, m = heads // ranks, max(1, kv_heads // ranks)
    q, k, v = ((x @ w).unflatten(1, (c, -1)).transpose(0, 1) for w, c in ((wq, n), (wk, m), (wv, m)))
    o = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
    return o.transpose(0, 1).flatten(1) @ wo, k, v              # a partial sum over heads


class Sum(torch.autograd.Function):
    """g in forward, f in backward: an all-reduce there, the identity here, and the reverse."""

    @staticmethod
    def forward(ctx, x, forward):
        ctx.backward_too = not forward
        if forward:
            x = x.clone()
            dist.all_reduce(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        if ctx.backward_too:
            grad = grad.clone()
            dist.all_reduce(grad)
        return grad, None


def step(rank: int, ranks: int, x: Tensor, weights: list[Tensor], heads: int, kv_heads: int, grad: Tensor,
         kv: str, cut: str) -> tuple:
    """Output, gradient of x and of the weights, and bytes handed to collectives each way, on one rank."""
    leaves = [t.clone().requires_grad_() for t in (x, *weights)]
    with collectives() as there:
        part = share(Sum.apply(leaves[0], False), leaves[1:], heads, kv_heads, rank, ranks, kv, cut)[0]
        y = Sum.apply(part, True)
    with collectives() as back:
        (y * grad).sum().backward()                             # y.backward(grad) would load sympy: 0.6 s
    return y.detach(), [t.grad for t in leaves], dict(there), dict(back)


def drawn(tokens: int, heads: int, kv_heads: int, d_head: int) -> tuple[Tensor, list[Tensor]]:
    """x (tokens, width) and the four weights in float64, width = heads · d_head."""
    width = heads * d_head
    columns = (width, kv_heads * d_head, kv_heads * d_head, width)
    return (torch.randn(tokens, width).double(),
            [torch.randn(width, c).double() / width**0.5 for c in columns])


def dense(x: Tensor, weights: list[Tensor], heads: int, kv_heads: int) -> Tensor:
    """The block in one process, K and V repeated for every query head by hand."""
    wq, wk, wv, wo = weights
    q, k, v = ((x @ w).unflatten(1, (c, -1)).transpose(0, 1) for w, c in ((wq, heads), (wk, kv_heads), (wv, kv_heads)))
    k, v = (t.repeat_interleave(heads // kv_heads, 0) for t in (k, v))
    s = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(torch.ones(len(x), len(x)).triu(1).bool(), -torch.inf)
    return (s.softmax(-1) @ v).transpose(0, 1).flatten(1) @ wo


RANGES = {
    "ranks": one_of(2, 4),
    "counts": each(one_of(1, 2, 4, 8), at_least=2, rising=True),
    "tokens": between(2, 32),
    "heads": one_of(8, 16),
    "kv_heads": one_of(2, 4, 8),
    "d_head": between(4, 16, multiple_of=4),
    "kv": one_of("by group", "round robin"),
    "cut": one_of("whole heads", "inside heads"),
}


@breaks(cut="inside heads", en="Each rank has a part of every score, and softmax of a part is no part of the softmax.",
        zh="每个 rank 只有每个分数的一部分，而部分分数的 softmax 不是 softmax 的一部分。")
def claim_heads_split_over_ranks_give_the_whole_block(ranks=2, tokens=8, heads=8, kv_heads=4, d_head=4,
                                                      cut="whole heads"):
    """With whole heads per rank attention needs one all-reduce forward and one backward, and equals one process.

    每个 rank 拿整头时，注意力前向、反向各一次 all-reduce，结果与单进程相同。"""
    x, weights = drawn(tokens, heads, kv_heads, d_head)
    grad = torch.randn_like(x)
    results = on_ranks(step, ranks, x, weights, heads, kv_heads, grad, "by group", cut)
    leaves = [t.clone().requires_grad_() for t in (x, *weights)]
    y = dense(leaves[0], leaves[1:], heads, kv_heads)
    (y * grad).sum().backward()
    gaps = [max((r[0] - y).abs().max() for r in results), max((r[1][0] - leaves[0].grad).abs().max() for r in results),
            *((sum(r[1][i] for r in results) - leaves[i].grad).abs().max() for i in range(1, 5))]
    show(bars(["output", "dX", "dW_q", "dW_k", "dW_v", "dW_o"], {"largest difference": gaps}))
    # float64 sums of at most 256 products of size up to some 10
    expect("output and gradients less those of one process", gaps, equals=0, within=1e-10)
    there, back = results[0][2:]
    expect("bytes into all_reduce, forward and backward", [d.get("all_reduce", 0) for d in (there, back)], equals=x.nbytes)
    expect("kinds of collectives used", len(there | back), equals=1)


@breaks(kv="round robin", en="Query heads lie in order, so a rank needs the KV heads of its own groups.",
        zh="query 头按顺序排列，所以 rank 需要的是自己那些组的 KV 头。")
def claim_kv_stops_shrinking_at_the_kv_heads(counts=(1, 2, 4, 8), tokens=8, heads=8, kv_heads=2, d_head=4,
                                             kv="by group"):
    """With n KV heads a rank keeps max(1, n/t) of them: past t = n the KV cache per rank shrinks no more.

    n 个 KV 头时，每个 rank 保存 max(1, n/t) 个：t 超过 n 之后，每个 rank 的 KV cache 不再缩小。"""
    x, weights = drawn(tokens, heads, kv_heads, d_head)
    shares = {t: [share(x, weights, heads, kv_heads, r, t, kv) for r in range(t)] for t in counts}
    held = [tensor_bytes(*(s.contiguous().clone() for s in shares[t][0][1:])) for t in counts]
    one = 2 * tokens * kv_heads * d_head * 8
    show(lines("ranks", counts, {"K and V per rank": held, "n/t": [one / t for t in counts]}, log="xy", y_label="bytes"))
    whole = dense(x, weights, heads, kv_heads)
    gaps = [(sum(s[0] for s in shares[t]) - whole).abs().max() for t in counts]
    expect("sum of the shares less the whole block", gaps, equals=0, within=1e-10, at=("ranks", counts))
    expect("KV heads per rank", [h * kv_heads / one for h in held], equals=[max(1, kv_heads / t) for t in counts],
           at=("ranks", counts))


def drill_kv_per_rank(rng) -> Drill:
    """KV cache of a GQA model per tensor-parallel rank."""
    layers, kv_heads, tokens = rng.choice([(80, 8, 32_768), (32, 8, 131_072), (36, 4, 65_536), (80, 8, 131_072)])
    ranks = rng.choice([4, 8, 16])
    here = max(1, kv_heads // ranks)
    size = 2 * layers * here * 128 * 2 * tokens / 2**30
    return Drill(
        en=f"{layers} layers, {kv_heads} KV heads of width 128, bf16, one sequence of {tokens:,} tokens. How many GiB "
           f"of KV cache does each of {ranks} tensor-parallel ranks hold?",
        zh=f"{layers} 层，{kv_heads} 个宽 128 的 KV 头，bf16，一条 {tokens:,} token 的序列。{ranks} 路张量并行时，"
           "每个 rank 的 KV cache 有多少 GiB？",
        answer=size,
        steps=[
            (f"KV heads per rank: max(1, {kv_heads}/{ranks}) = {here}",
             f"每个 rank 的 KV 头数：max(1, {kv_heads}/{ranks}) = {here}"),
            (f"2 · {layers} · {here} · 128 · 2 bytes · {tokens:,} = {size:g} GiB",
             f"2 · {layers} · {here} · 128 · 2 字节 · {tokens:,} = {size:g} GiB"),
        ],
        proved_by="kv_stops_shrinking_at_the_kv_heads",
    )


ZH = {
    "output": "输出",
    "dX": "dX",
    "largest difference": "最大差异",
    "output and gradients less those of one process": "输出与梯度同单进程之差",
    "bytes into all_reduce, forward and backward": "前向、反向各自送入 all_reduce 的字节数",
    "kinds of collectives used": "用到的集合通信种类数",
    "ranks": "rank 数",
    "K and V per rank": "每个 rank 的 K 与 V",
    "n/t": "n/t",
    "bytes": "字节",
    "sum of the shares less the whole block": "各部分之和与整个注意力块之差",
    "KV heads per rank": "每个 rank 的 KV 头数",
}

if __name__ == "__main__":
    main()
