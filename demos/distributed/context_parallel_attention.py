r"""Context parallelism cuts one sequence's tokens over ranks; only attention must see the others' keys.

上下文并行把一条序列的 token 切到各 rank 上；只有注意力需要其他 rank 的 K、V。

Llama 3 (2024), §3.3.2. Turn `places` to "angles from zero" or "mask from zero": for RoPE, or for the
mask, every rank takes its tokens for the beginning. `sends` to "query heads": K and V travel once per
query head. `reduce` or `count`: another gradient. 把 `places` 改为 "angles from zero" 或 "mask from
zero"：RoPE 或掩码把每个 rank 的 token 都当作开头；`sends` 改为 "query heads"：K、V 按 query 头数传输；
改 `reduce` 或 `count`：梯度就变了。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives


class Gather(torch.autograd.Function):
    """All ranks' tokens, rank after rank: (kv_heads, tokens / ranks, d) → (kv_heads, tokens, d); in
    backward each rank gets the sum of what all ranks say about its own tokens."""

    @staticmethod
    def forward(ctx, x):
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx, grad):
        parts = [p.contiguous() for p in grad.chunk(dist.get_world_size(), 1)]
        own = torch.empty_like(parts[0])
        dist.reduce_scatter(own, parts)
        return own


def rope(x: Tensor, places: Tensor) -> Tensor:
    """Rotate pairs of (heads, tokens, d) by place · 10^(−2i/d)."""
    angle = places[:, None] * 10.0 ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    a, b = x.chunk(2, -1)
    return torch.cat((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1)


def qkv(x: Tensor, weights: list[Tensor], d: int, places: Tensor) -> list[Tensor]:
    """Queries, keys (rotated) and values, (heads or kv_heads, tokens, d)."""
    q, k, v = ((x @ w).unflatten(1, (-1, d)).transpose(0, 1) for w in weights)
    return [rope(q, places), rope(k, places), v]


def cut(tokens: int, rank: int, ranks: int) -> Tensor:
    """Zig-zag: chunks r and 2 · ranks − 1 − r of 2 · ranks."""
    chunks = torch.arange(tokens).chunk(2 * ranks)
    return torch.cat((chunks[rank], chunks[2 * ranks - 1 - rank]))


def step(rank: int, ranks: int, x: Tensor, weights: list[Tensor], wanted: Tensor, counted: Tensor, d: int,
         places: str = "global", count: str = "all tokens", sends: str = "kv heads") -> dict:
    """One rank's outputs, its gradients of the weights, and the bytes that it handed to collectives."""
    mine = cut(len(x), rank, ranks)                             # (t), t = tokens / ranks
    angles, rows = (torch.arange(len(mine)) if places == wrong else mine
                    for wrong in ("angles from zero", "mask from zero"))
    everyone = torch.cat([cut(len(x), r, ranks) for r in range(ranks)])
    leaves = [w.clone().requires_grad_() for w in weights]
    q, k, v = qkv(x[mine], leaves, d, angles)
    if sends == "query heads":                                  # the wrong way
        k, v = (t.repeat_interleave(len(q) // len(k), 0) for t in (k, v))
    with collectives() as sent:
        k, v = Gather.apply(k), Gather.apply(v)                 # (kv_heads, tokens, d)
    o = F.scaled_dot_product_attention(q[None], k[None], v[None], rows[:, None] >= everyone, enable_gqa=True)[0]
    error = (o.transpose(0, 1).flatten(1) - wanted[mine])[counted[mine]].square().sum(1)    # (own tokens)
    (error.sum() / (counted.sum() if count == "all tokens" else ranks * len(error))).backward()
    return {"places": mine, "o": o.detach(), "grads": [w.grad for w in leaves], "sent": dict(sent)}


def dense(x: Tensor, weights: list[Tensor], d: int) -> Tensor:
    """The outputs of one process by torch's attention, (heads, tokens, d)."""
    q, k, v = qkv(x, weights, d, torch.arange(len(x)))
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]


def drawn(tokens: int, heads: int, kv_heads: int, d: int) -> tuple:
    """x, weights, wanted outputs, and which tokens count: the last quarter, and every fourth before it."""
    width, place = heads * d, torch.arange(tokens)
    weights = [torch.randn(width, n * d).double() / width**0.5 for n in (heads, kv_heads, kv_heads)]
    return (torch.randn(tokens, width).double(), weights, torch.randn(tokens, width).double(),
            (place >= tokens * 3 // 4) | (place % 4 == 0))


RANGES = {
    "ranks": one_of(2, 4),
    "tokens": between(32, 96, multiple_of=32),
    "heads": one_of(4, 8),
    "kv_heads": one_of(1, 2),
    "d_head": between(4, 8, multiple_of=2),
    "places": one_of("global", "angles from zero", "mask from zero"),
    "sends": one_of("kv heads", "query heads"),
    "reduce": one_of("sum", "average", "none"),
    "count": one_of("all tokens", "own tokens"),
}


@breaks(places="angles from zero", en="Two tokens of different ranks are then rotated by a wrong distance.",
        zh="这样不同 rank 的两个 token 之间，旋转对应的距离就错了。")
@breaks(places="mask from zero", en="Late queries are then denied keys before them.", zh="这样靠后的 query 就看不到前面的一些 key。")
def claim_slices_equal_full_attention(ranks=2, tokens=32, heads=4, kv_heads=2, d_head=4, places="global"):
    """Each rank's queries over all gathered keys, at their global positions, give the full causal attention.

    每个 rank 用自己的 query 对聚合来的全部 key 做注意力，位置用全局编号，结果就是完整的因果注意力。"""
    x, weights, wanted, counted = drawn(tokens, heads, kv_heads, d_head)
    results = on_ranks(step, ranks, x, weights, wanted, counted, d_head, places)
    whole = dense(x, weights, d_head)
    gaps = torch.zeros(tokens).double()
    for r in results:
        gaps[r["places"]] = (r["o"] - whole[:, r["places"]]).abs().amax((0, 2))
    show(lines("token", range(tokens), {"largest difference": gaps}))
    expect("outputs of the slices less torch's attention", gaps, equals=0, within=1e-12, at=("token", range(tokens)))


@breaks(reduce="average", en="Each rank’s gradient is already divided by all tokens: an average divides it again.",
        zh="各 rank 的梯度已除以总 token 数，再取平均就多除了一次。")
@breaks(reduce="none", en="The weights are copies, and each copy has seen its own tokens only.",
        zh="权重是副本，每个副本只看到自己的 token。")
@breaks(count="own tokens", en="Where ranks have unequal numbers of counted tokens, the average of their means is not the mean.",
        zh="各 rank 计入 loss 的 token 数不同时，均值的平均不是总均值。")
def claim_weight_gradients_need_a_sum(ranks=2, tokens=32, heads=4, kv_heads=2, reduce="sum", count="all tokens"):
    """Weights are replicated: their gradients, each over the token count of the whole group, are summed over the ranks.

    权重在各 rank 上是副本：各自的梯度除以全组的 token 数，再在各 rank 间求和。"""
    x, weights, wanted, counted = drawn(tokens, heads, kv_heads, 4)
    results = on_ranks(step, ranks, x, weights, wanted, counted, 4, "global", count)
    leaves = [w.clone().requires_grad_() for w in weights]
    o = dense(x, leaves, 4).transpose(0, 1).flatten(1)
    (o - wanted)[counted].square().sum(1).mean().backward()
    got = [results[0]["grads"][i] if reduce == "none" else
           sum(r["grads"][i] for r in results) / (ranks if reduce == "average" else 1) for i in range(3)]
    sizes = [g.norm() / w.grad.norm() for g, w in zip(got, leaves, strict=True)]
    show(bars(["W_q", "W_k", "W_v"], {"size over the full gradient's": sizes}))
    expect("gradients of W_q, W_k, W_v less the full ones",
           [(g - w.grad).abs().max() for g, w in zip(got, leaves, strict=True)], equals=0, within=1e-12)


@breaks(sends="query heads", en="Repeated for every query head, K and V travel heads / kv_heads times.",
        zh="按 query 头复制之后再传，K、V 的通信量是 heads / kv_heads 倍。")
def claim_a_rank_receives_the_others_keys(ranks=2, tokens=32, heads=4, kv_heads=2, d_head=4, sends="kv heads"):
    """Forward, a rank receives 2 · (T − T/N) · kv_heads · d_head numbers per layer: query heads do not enter.

    前向每层每个 rank 接收 2 · (T − T/N) · kv_heads · d_head 个数：与 query 头数无关。"""
    data = drawn(tokens, heads, kv_heads, d_head)
    sent = on_ranks(step, ranks, *data, d_head, "global", "all tokens", sends)[0]["sent"]
    received = sent["all_gather"] * (ranks - 1)                 # each other rank hands over as much
    formula = 2 * (tokens - tokens // ranks) * kv_heads * d_head * 8
    show(bars(["counted", "formula"], [received, formula], y_label="bytes received"))
    expect("bytes that a rank receives", received, equals=formula)


def drill_gathered_bytes(rng) -> Drill:
    """K and V that a rank receives."""
    tokens, kv_heads = rng.choice([(131_072, 8), (65_536, 8), (32_768, 4), (131_072, 4), (262_144, 8)])
    ranks = rng.choice([2, 4, 8, 16])
    size = 2 * (tokens - tokens // ranks) * kv_heads * 128 * 2
    return Drill(
        en=f"A sequence of {tokens:,} tokens, context parallelism over {ranks} ranks, {kv_heads} KV heads of width 128, "
           "bf16. How many MB (1e6) of K and V does a rank receive per layer in the forward pass?",
        zh=f"一条 {tokens:,} token 的序列，{ranks} 路上下文并行，{kv_heads} 个宽 128 的 KV 头，bf16。前向每层一个 rank "
           "接收多少 MB（1e6）的 K、V？",
        answer=size / 1e6,
        steps=[
            (f"tokens of the others: {tokens:,} · ({ranks} − 1)/{ranks} = {tokens - tokens // ranks:,}",
             f"其他 rank 的 token：{tokens:,} · ({ranks} − 1)/{ranks} = {tokens - tokens // ranks:,}"),
            (f"K and V: 2 · {kv_heads} · 128 · 2 bytes = {2 * kv_heads * 256:,} bytes per token; {size / 1e6:.1f} MB",
             f"K 与 V：每 token 2 · {kv_heads} · 128 · 2 字节 = {2 * kv_heads * 256:,} 字节；共 {size / 1e6:.1f} MB"),
        ],
        proved_by="a_rank_receives_the_others_keys",
    )


ZH = {
    "token": "token",
    "largest difference": "最大差异",
    "outputs of the slices less torch's attention": "各片的输出与 torch 注意力之差",
    "size over the full gradient's": "与完整梯度的模长之比",
    "gradients of W_q, W_k, W_v less the full ones": "W_q、W_k、W_v 的梯度与完整梯度之差",
    "counted": "数得",
    "formula": "公式",
    "bytes received": "接收的字节数",
    "bytes that a rank receives": "一个 rank 接收的字节数",
}

if __name__ == "__main__":
    main()
