r"""Ulysses turns a cut over tokens into a cut over heads by an all-to-all, and back after attention.

Ulysses 用一次 all-to-all 把按 token 的切分变成按头的切分，注意力之后再换回来。

Jacobs et al. 2023, §3. Turn `exchange` to "no transpose": tokens and heads are mixed up. Turn `kv` to
"repeated": K and V travel once per query head, and GQA saves nothing. 把 `exchange` 改为
"no transpose"：token 与头混在一起；把 `kv` 改为 "repeated"：K、V 按 query 头数传输，GQA 白费了。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives, named_model


@exercise(claims=("heads_of_all_tokens_give_full_attention", "bytes_against_the_ring"),
          wrong=("sends_without_transposing", "gathers_everything", "exchanges_tokens"))
def to_heads(x: Tensor, ranks: int) -> Tensor:
    """From all heads of this rank's tokens, (t, heads, d), to this rank's heads of all tokens,
    (ranks · t, heads / ranks, d), by one dist.all_to_all_single: part r of what is sent goes to rank r,
    part r of what arrives comes from rank r. Rank r holds tokens r·t …, and gets heads r·heads/ranks ….

    由本 rank 各 token 的全部头 (t, heads, d)，换成全部 token 的本 rank 的头 (ranks · t, heads / ranks, d)，
    只用一次 dist.all_to_all_single：送出的第 r 份给 rank r，收到的第 r 份来自 rank r。"""
    send = x.unflatten(1, (ranks, -1)).transpose(0, 1).contiguous()     # (ranks, t, heads / ranks, d)
    got = torch.empty_like(send)
    dist.all_to_all_single(got, send)                           # part r: the tokens of rank r
    return got.flatten(0, 1)


def to_tokens(x: Tensor, ranks: int) -> Tensor:
    """The way back: (ranks · t, heads / ranks, d) → (t, heads, d)."""
    send = x.unflatten(0, (ranks, -1)).contiguous()             # (ranks, t, heads / ranks, d)
    got = torch.empty_like(send)
    dist.all_to_all_single(got, send)                           # part r: the heads of rank r
    return got.transpose(0, 1).flatten(1, 2)


def no_transpose(x: Tensor, ranks: int) -> Tensor:
    """The wrong way: cut the memory as it lies, a part of the tokens with all heads to each rank."""
    send = x.reshape(ranks, x.shape[0], x.shape[1] // ranks, x.shape[2])
    got = torch.empty_like(send)
    dist.all_to_all_single(got, send)
    return got.flatten(0, 1)


EXCHANGES = {"transpose": to_heads, "no transpose": no_transpose}


class Swap(torch.autograd.Function):
    """An exchange (there: to heads) whose gradient is the exchange back."""

    @staticmethod
    def forward(ctx, x, ranks, there):
        ctx.ranks, ctx.there = ranks, there
        return (to_heads if there else to_tokens)(x, ranks)

    @staticmethod
    def backward(ctx, grad):
        return (to_tokens if ctx.there else to_heads)(grad, ctx.ranks), None, None


def raw(x: Tensor, ranks: int, there: bool) -> Tensor:
    """The wrong way: a collective that autograd knows nothing of ends the graph."""
    return (to_heads if there else to_tokens)(x, ranks)


def train(rank: int, ranks: int, q: Tensor, k: Tensor, v: Tensor, grad: Tensor, rule: str) -> tuple:
    """Gradients of this rank's tokens of q, k and v, and the bytes handed over forward and backward."""
    swap = Swap.apply if rule == "exchange back" else raw
    leaves = [x.chunk(ranks)[rank].clone().requires_grad_() for x in (q, k, v)]
    with collectives() as there:
        heads = (swap(x.repeat_interleave(max(1, ranks // x.shape[1]), 1), ranks, True) for x in leaves)
        o = F.scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in heads), is_causal=True, enable_gqa=True)
        o = swap(o[0].transpose(0, 1), ranks, False)
    with collectives() as back:
        if o.requires_grad:
            (o * grad.chunk(ranks)[rank]).sum().backward()      # o.backward(grad) would load sympy: 0.6 s
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves], there.total(), back.total()


def work(rank: int, ranks: int, q: Tensor, k: Tensor, v: Tensor, exchange: str, kv: str) -> dict:
    """Causal attention of q (tokens, heads, d) and k, v (tokens, kv_heads, d), cut over tokens; output
    (t, heads, d), and the numbers that leave this rank here and in an all-gather of K and V."""
    mine = [x.chunk(ranks)[rank] for x in (q, k, v)]
    with collectives() as gathered:                             # the other way, to compare
        for x in mine[1:]:
            dist.all_gather([torch.empty_like(x) for _ in range(ranks)], x.contiguous())
    repeat = q.shape[1] // k.shape[1] if kv == "repeated" else max(1, ranks // k.shape[1])
    mine[1:] = [x.repeat_interleave(repeat, 1) for x in mine[1:]]       # a head for every rank at least
    with collectives() as sent:
        q, k, v = (EXCHANGES[exchange](x, ranks).transpose(0, 1) for x in mine)
        o = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
        o = to_tokens(o.transpose(0, 1), ranks)
    leaving = {"all_to_all_single": (ranks - 1) / ranks, "all_gather": ranks - 1}   # of what is handed over
    return {"o": o, "all-to-all": sum(leaving[name] * n / 8 for name, n in sent.items()),
            "all-gather": gathered["all_gather"] / 8 * (ranks - 1)}


def numbers(rank: int, ranks: int, inputs: list[list[Tensor]], kv: str) -> list[float]:
    """What leaves this rank by Ulysses over what leaves it where K and V are gathered, for each q, k, v."""
    results = [work(rank, ranks, *qkv, "transpose", kv) for qkv in inputs]
    return [r["all-to-all"] / r["all-gather"] for r in results]


def drawn(tokens: int, heads: int, kv_heads: int, d: int) -> list[Tensor]:
    """q, k and v in float64, (tokens, heads or kv_heads, d)."""
    return [torch.randn(tokens, n, d).double() for n in (heads, kv_heads, kv_heads)]


RANGES = {
    "ranks": one_of(2, 4),
    "tokens": between(8, 64, multiple_of=8),
    "heads": one_of(8, 16),
    "kv_heads": one_of(1, 2, 4),
    "kv_counts": each(one_of(1, 2, 4, 8)),
    "d_head": between(2, 16, multiple_of=2),
    "exchange": one_of("transpose", "no transpose"),
    "kv": one_of("grouped", "repeated"),
    "rule": one_of("exchange back", "none"),
}


@breaks(exchange="no transpose", en="Without the transpose a rank sends some tokens with all heads, not all tokens with some heads.",
        zh="不转置，送出的就是部分 token 的全部头，而不是全部 token 的部分头。")
def claim_heads_of_all_tokens_give_full_attention(ranks=2, tokens=16, heads=8, kv_heads=4, d_head=4,
                                                  exchange="transpose", kv="grouped"):
    """With all tokens of its own heads each rank computes ordinary attention; exchanged back, it is the whole result.

    每个 rank 拿到自己那些头的全部 token，照常做注意力；换回之后就是完整结果。"""
    q, k, v = drawn(tokens, heads, kv_heads, d_head)
    o = torch.cat([r["o"] for r in on_ranks(work, ranks, q, k, v, exchange, kv)])
    whole = F.scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in (q, k, v)), is_causal=True,
                                           enable_gqa=True)[0].transpose(0, 1)
    gap = (o - whole).abs().amax((1, 2))
    show(lines("token", range(tokens), {"largest difference": gap}))
    expect("output less torch's attention", gap, equals=0, within=1e-12, at=("token", range(tokens)))


@breaks(kv="repeated", en="K and V travel for every query head, and nothing is left of grouping.",
        zh="K、V 按每个 query 头传输，分组的好处全没了。")
def claim_bytes_against_the_ring(ranks=4, tokens=16, heads=8, kv_counts=(2, 4, 8), d_head=4, kv="grouped"):
    """Forward, Ulysses sends (h + max(n, P))/(n·P) of a ring's numbers, for h heads and n KV heads: 2/P for MHA.

    前向时 Ulysses 的发送量是 ring 的 (h + max(n, P))/(n·P)，h 个头、n 个 KV 头：MHA 为 2/P。"""
    counted = on_ranks(numbers, ranks, [drawn(tokens, heads, n, d_head) for n in kv_counts], kv)[0]
    model = named_model("llama-3.1-70b")
    h, n, degrees = model["heads"], model["kv_heads"], (2, 4, 8, 16, 32, 64)
    show(lines("ranks", degrees, {"64 heads, 8 KV heads": [(h + max(n, p)) / (n * p) for p in degrees],
                                  "64 heads, MHA": [(h + max(h, p)) / (h * p) for p in degrees]}, log="xy",
               title="sent by Ulysses over sent by a ring, computed", y_label="ratio"))
    expect("numbers sent by Ulysses over those of gathering K and V", counted, within=1e-12,
           equals=[(heads + max(n, ranks)) / (n * ranks) for n in kv_counts], at=("KV heads", kv_counts))


@breaks(rule="none", en="all_to_all_single has no gradient of its own: nothing reaches Q, K and V.",
        zh="all_to_all_single 本身没有梯度：什么也传不到 Q、K、V。")
def claim_backward_sends_what_forward_sends(ranks=2, tokens=16, heads=8, kv_heads=4, d_head=4, rule="exchange back"):
    """The gradient of an all-to-all is the all-to-all back: backward sends what forward sends, and dQ, dK, dV are exact.

    all-to-all 的梯度就是反向的 all-to-all：反向与前向的通信量相同，dQ、dK、dV 精确。"""
    q, k, v = drawn(tokens, heads, kv_heads, d_head)
    grad = torch.randn_like(q)
    results = on_ranks(train, ranks, q, k, v, grad, rule)
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    whole = F.scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in leaves), is_causal=True, enable_gqa=True)
    (whole[0].transpose(0, 1) * grad).sum().backward()
    gaps = [(torch.cat([r[0][i] for r in results]) - leaves[i].grad).abs().max() for i in range(3)]
    show(bars(["forward", "backward"], {"bytes handed over": results[0][1:]}))
    expect("dQ, dK, dV less autograd's in one process", gaps, equals=0, within=1e-12)
    expect("bytes of backward over those of forward", results[0][2] / results[0][1], equals=1)


def drill_ulysses_or_ring(rng) -> Drill:
    """Bytes of both for a GQA model."""
    heads, kv_heads, name = rng.choice([(64, 8, "64 query heads, 8 KV heads"), (32, 8, "32 query heads, 8 KV heads"),
                                        (32, 32, "32 heads, MHA"), (64, 4, "64 query heads, 4 KV heads")])
    ranks = rng.choice([4, 8])
    ratio = (heads + max(kv_heads, ranks)) / (kv_heads * ranks)
    return Drill(
        en=f"{name}, {ranks} ranks over the sequence, forward. Ulysses sends how many times what a ring of K and V sends, "
           "per rank and layer?",
        zh=f"{name.replace('query heads', '个 query 头').replace('KV heads', '个 KV 头').replace('heads', '个头')}，序列切到 "
           f"{ranks} 个 rank，前向。每个 rank 每层，Ulysses 的发送量是传 K、V 的 ring 的多少倍？",
        answer=ratio, within=0.01 * ratio,
        steps=[
            (f"Ulysses, per token: Q, O {2 * heads} heads, K, V {2 * max(kv_heads, ranks)}; "
             f"({ranks} − 1)/{ranks} of them leave",
             f"Ulysses 每 token：Q、O 共 {2 * heads} 个头，K、V 共 {2 * max(kv_heads, ranks)} 个头，"
             f"其中 ({ranks} − 1)/{ranks} 发出"),
            (f"ring, per token: K, V {2 * kv_heads} heads, {ranks} − 1 times",
             f"ring 每 token：K、V {2 * kv_heads} 个头，传 {ranks} − 1 次"),
            (f"({heads} + {max(kv_heads, ranks)}) / ({kv_heads} · {ranks}) = {ratio:g}",
             f"({heads} + {max(kv_heads, ranks)}) / ({kv_heads} · {ranks}) = {ratio:g}"),
        ],
        proved_by="bytes_against_the_ring",
    )


ZH = {
    "token": "token",
    "largest difference": "最大差异",
    "output less torch's attention": "输出与 torch 注意力之差",
    "ranks": "rank 数",
    "64 heads, 8 KV heads": "64 个头，8 个 KV 头",
    "64 heads, MHA": "64 个头，MHA",
    "sent by Ulysses over sent by a ring, computed": "Ulysses 与 ring 发送量之比（计算值）",
    "ratio": "比值",
    "forward": "前向",
    "backward": "反向",
    "bytes handed over": "交出的字节数",
    "dQ, dK, dV less autograd's in one process": "dQ、dK、dV 与单进程 autograd 之差",
    "bytes of backward over those of forward": "反向与前向字节数之比",
    "KV heads": "KV 头数",
    "numbers sent by Ulysses over those of gathering K and V": "Ulysses 与聚合 K、V 的发送量之比",
}

if __name__ == "__main__":
    main()
