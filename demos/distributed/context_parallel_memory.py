r"""Context parallelism keeps an N-th of attention's activations if K and V are gathered again in backward.

上下文并行只有在反向时再聚合一次 K、V，每个 rank 才只存注意力激活值的 1/N。

Megatron Core's context-parallel guide. Turn `keep` to "gathered": K and V of all tokens stay on every
rank, and with as many KV heads as heads over half of the memory stays, whatever N. Turn `scatter` to
"own part": what other ranks' queries say about a key is lost. 把 `keep` 改为 "gathered"：每个 rank 都留着
全部 token 的 K、V，KV 头与 query 头一样多时，不论 N 多大都剩一半以上；`scatter` 改为 "own part"：
其他 rank 的 query 对这个 key 的梯度就丢了。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, on_ranks, one_of, show


def gather(x: Tensor) -> Tensor:
    """All ranks' tokens, rank after rank: (kv_heads, tokens / ranks, d) → (kv_heads, tokens, d)."""
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts, 1)


def own_sum(x: Tensor) -> Tensor:
    """Reduce-scatter over tokens: (kv_heads, tokens, d) → (kv_heads, tokens / ranks, d)."""
    parts = [p.contiguous() for p in x.chunk(dist.get_world_size(), 1)]
    own = torch.empty_like(parts[0])
    dist.reduce_scatter(own, parts)
    return own


class Attend(torch.autograd.Function):
    """Attention of this rank's queries (heads, t, d) over all ranks' keys and values (kv_heads, t, d
    each); like FlashAttention it keeps O and one log-sum-exp per row and rebuilds P in backward."""

    @staticmethod
    def forward(ctx, q, k, v, mask, keep, scatter):
        group = len(q) // len(k)
        whole = gather(k), gather(v)                            # (kv_heads, tokens, d)
        k_all, v_all = (t.repeat_interleave(group, 0) for t in whole)
        s = (q @ k_all.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf)  # (heads, t, tokens)
        lse = s.logsumexp(-1, keepdim=True)
        o = torch.exp(s - lse) @ v_all
        ctx.save_for_backward(q, o, lse, mask, *((k, v) if keep == "own slice" else whole))
        ctx.group, ctx.again, ctx.scatter = group, keep == "own slice", scatter
        return o

    @staticmethod
    def backward(ctx, do):
        q, o, lse, mask, *kv = ctx.saved_tensors
        k, v = (gather(t) for t in kv) if ctx.again else kv     # once more, or kept
        k_all, v_all = (t.repeat_interleave(ctx.group, 0) for t in (k, v))
        scale = q.shape[-1] ** 0.5
        p = torch.exp((q @ k_all.mT / scale).masked_fill(~mask, -torch.inf) - lse)
        ds = p * (do @ v_all.mT - (do * o).sum(-1, keepdim=True)) / scale
        dk, dv = (t.unflatten(0, (-1, ctx.group)).sum(1) for t in (ds.mT @ q, p.mT @ do))
        own = own_sum if ctx.scatter == "sum" else lambda t: t.chunk(dist.get_world_size(), 1)[dist.get_rank()]
        return ds @ k_all, own(dk), own(dv), None, None, None


def step(rank: int, ranks: int, q: Tensor, k: Tensor, v: Tensor, grad: Tensor, keep: str = "own slice",
         scatter: str = "sum") -> tuple:
    """One rank's contiguous slice: gradients of q, k and v, and the bytes kept for backward."""
    leaves = [t.chunk(ranks, 1)[rank].clone().requires_grad_() for t in (q, k, v)]      # (…, t, d)
    place = torch.arange(q.shape[1]).chunk(ranks)[rank]
    kept = 0

    def pack(t):
        nonlocal kept
        kept += t.nbytes if t.is_floating_point() else 0        # the mask is a rule, not a tensor, in kernels
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        o = Attend.apply(*leaves, place[:, None] >= torch.arange(q.shape[1]), keep, scatter)
    (o * grad.chunk(ranks, 1)[rank]).sum().backward()           # o.backward(grad) would load sympy: 0.6 s
    return [t.grad for t in leaves], kept


def drawn(tokens: int, heads: int, kv_heads: int, d: int) -> list[Tensor]:
    """q, k, v and the gradient of the output in float64, (heads or kv_heads, tokens, d)."""
    return [torch.randn(n, tokens, d).double() for n in (heads, kv_heads, kv_heads, heads)]


RANGES = {
    "ranks": one_of(2, 4),
    "counts": each(one_of(1, 2, 4), at_least=2, rising=True),
    "tokens": between(8, 64, multiple_of=4),
    "heads": one_of(4, 8),
    "kv_heads": one_of(1, 2, 4),
    "d_head": between(4, 16),
    "keep": one_of("own slice", "gathered"),
    "stays": one_of("gathered", "own slice"),
    "scatter": one_of("sum", "own part"),
}


@breaks(keep="gathered", en="K and V of all tokens are then kept on every rank.", zh="那样每个 rank 都保存全部 token 的 K、V。")
def claim_regathering_leaves_one_nth(counts=(2, 4), tokens=16, heads=4, kv_heads=4, d_head=8, keep="own slice"):
    """A rank keeps an N-th of attention's activations if it saves its own K and V only and gathers again in backward.

    若只保存自己的 K、V，反向时再聚合一次，每个 rank 只存注意力激活值的 1/N。"""
    data = drawn(tokens, heads, kv_heads, d_head)
    kept = [on_ranks(step, n, *data, keep)[0][1] for n in counts]
    one = heads * tokens * (2 * d_head + 1) * 8 + 2 * kv_heads * tokens * d_head * 8   # Q, O, lse; K, V
    whole = 2 * kv_heads * tokens * d_head * 8
    show(lines("ranks", counts, {"kept": [k / one for k in kept], "1/N": [1 / n for n in counts],
                                 "if K and V of all tokens are kept": [((one - whole) / n + whole) / one for n in counts]},
               y_label="share of one process"))
    expect("share of one process's bytes that a rank keeps", [k / one for k in kept], equals=[1 / n for n in counts],
           within=1e-12, at=("ranks", counts))


@breaks(stays="own slice", en="With only its own K and V a rank keeps an N-th.", zh="只留自己的 K、V 时，每个 rank 只存 1/N。")
def claim_gathered_keys_leave_half_of_mha(counts=(2, 4), tokens=16, heads=4, kv_heads=4, d_head=8, stays="gathered"):
    """If gathered K and V stay, a rank keeps (1/N + 1/g)/(1 + 1/g) of Q, O, K, V for groups of g heads: over half for MHA.

    若保留聚合后的 K、V，每个 KV 头对应 g 个 query 头时，一个 rank 留下 Q、O、K、V 的 (1/N + 1/g)/(1 + 1/g)：MHA 超过一半。"""
    data = drawn(tokens, heads, kv_heads, d_head)
    lse = [heads * tokens // n * 8 for n in counts]             # left out of the count
    kept = [on_ranks(step, n, *data, stays)[0][1] - row for n, row in zip(counts, lse, strict=True)]
    one = 2 * (heads + kv_heads) * tokens * d_head * 8
    share = [(1 / n + kv_heads / heads) / (1 + kv_heads / heads) for n in counts]
    show(bars([f"{n} ranks" for n in counts], {"kept": [k / one for k in kept], "1/N": [1 / n for n in counts]},
              y_label="share of one process"))
    expect("share of Q, O, K and V that a rank keeps", [k / one for k in kept], equals=share, within=1e-12,
           at=("ranks", counts))


@breaks(scatter="own part", en="A key also gets gradient from later queries, which live on other ranks.",
        zh="key 还会从后面的 query 得到梯度，而那些 query 在别的 rank 上。")
def claim_gradients_of_keys_are_reduce_scattered(ranks=2, tokens=16, heads=4, kv_heads=2, keep="own slice", scatter="sum"):
    """In backward each rank has a part of every key's gradient; reduce-scattered, they equal one process's.

    反向时每个 rank 只有各个 key 梯度的一部分；做 reduce-scatter 之后与单进程相同。"""
    *qkv, grad = drawn(tokens, heads, kv_heads, 8)
    results = on_ranks(step, ranks, *qkv, grad, keep, scatter)
    leaves = [t.clone().requires_grad_() for t in qkv]
    whole = F.scaled_dot_product_attention(*(t[None] for t in leaves), is_causal=True, enable_gqa=True)[0]
    (whole * grad).sum().backward()
    gaps = [(torch.cat([r[0][i] for r in results], 1) - leaves[i].grad).abs().max() for i in range(3)]
    show(bars(["dQ", "dK", "dV"], {"largest difference": gaps}))
    expect("dQ, dK, dV joined from the ranks less torch's", gaps, equals=0, within=1e-12)


def drill_kept_share(rng) -> Drill:
    """Share of attention's activations kept when the gathered K and V stay."""
    group, ranks = rng.choice([(1, 2), (1, 4), (1, 8), (4, 4), (8, 2), (8, 8), (4, 8)])
    share = (2 / ranks + 2 / group) / (2 + 2 / group)
    heads = "1 query head" if group == 1 else f"{group} query heads"
    return Drill(
        en=f"Attention keeps Q, O, K and V for backward ({heads} per KV head; leave the log-sum-exp out). "
           f"With context parallelism over {ranks} ranks, and K and V of all tokens kept after the all-gather, "
           "what share of one process’s bytes does a rank keep?",
        zh=f"注意力为反向保存 Q、O、K、V（每个 KV 头对应 {group} 个 query 头，忽略 log-sum-exp）。{ranks} 路上下文并行，"
           "all-gather 之后保留全部 token 的 K、V，一个 rank 保存的字节占单进程的多少？",
        answer=share, within=0.01,
        steps=[
            (f"one process: Q and O count 2, K and V 2/{group}: {2 + 2 / group:g}",
             f"单进程：Q、O 计 2，K、V 计 2/{group}：共 {2 + 2 / group:g}"),
            (f"a rank: Q and O 2/{ranks}, K and V whole: {2 / ranks + 2 / group:g}",
             f"一个 rank：Q、O 为 2/{ranks}，K、V 是全部：{2 / ranks + 2 / group:g}"),
            (f"share: {share:.2f}, gathered again in backward it would be {1 / ranks:g}",
             f"比例：{share:.2f}；若反向再聚合则为 {1 / ranks:g}"),
        ],
        proved_by="gathered_keys_leave_half_of_mha",
    )


ZH = {
    "ranks": "rank 数",
    "kept": "保存的",
    "1/N": "1/N",
    "if K and V of all tokens are kept": "若保存全部 token 的 K、V",
    "share of one process": "占单进程的比例",
    "{} ranks": "{} 个 rank",
    "share of Q, O, K and V that a rank keeps": "一个 rank 保存的 Q、O、K、V 的比例",
    "share of one process's bytes that a rank keeps": "一个 rank 保存的字节占单进程的比例",
    "largest difference": "最大差异",
    "dQ, dK, dV joined from the ranks less torch's": "由各 rank 拼成的 dQ、dK、dV 与 torch 之差",
}

if __name__ == "__main__":
    main()
