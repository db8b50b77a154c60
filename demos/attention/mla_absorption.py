r"""MLA caches one latent a token; moving W_UK to the query and W_UV to the output lets attention run on the latents.

MLA 每个 token 只缓存一个隐向量；把 W_UK 移到 query 一侧、W_UV 移到输出一侧，注意力就能直接在隐向量上进行。

DeepSeek-AI 2024 (DeepSeek-V2), §2.1 and Appendix C, with the RMSNorm on both latents (§3.1.2). `v2` is its width, heads,
d_h, d_c, d_c′ (of queries) and d_h^R; V3 differs in width and layers only. Those layers stand on torch's meta device:
shapes without memory. FLOPs are torch's count: a multiply-add is 2, the full score matrix. Turn `head_counts`, `queries`.
"""

from bisect import bisect_left
from operator import sub

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, heatmap, lines, main, show, table

F64 = torch.float64


def rope(x: Tensor, start: int = 0) -> Tensor:
    """Rotate the pairs of x (s, …, d_r) by position · 10000^(−2i/d_r); row 0 stands at `start`."""
    s, d = x.shape[0], x.shape[-1]
    frequency = 10000.0 ** (-torch.arange(0, d, 2, dtype=F64, device=x.device) / d)           # (d_r/2,)
    angle = torch.arange(start, start + s, device=x.device)[:, None] * frequency
    cos, sin = (f.to(x.dtype).view(s, *[1] * (x.dim() - 2), d // 2) for f in (angle.cos(), angle.sin()))
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class MLA(nn.Module):
    """One layer; its matrices have the paper's names, those of the heads the shape (h, out, in)."""

    def __init__(self, width: int, h: int, d_h: int, d_c: int, d_q: int, d_r: int, dtype=F64, device="cpu") -> None:
        super().__init__()

        def made(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, dtype=dtype, device=device) * shape[-1] ** -0.5)

        self.w_dkv, self.w_kr, self.w_dq = made(d_c, width), made(d_r, width), made(d_q, width)
        self.w_uk, self.w_uv, self.w_uq, self.w_qr = made(h, d_h, d_c), made(h, d_h, d_c), made(h, d_h, d_q), made(h, d_r, d_q)
        self.w_o, self.scale = made(h, width, d_h), (d_h + d_r) ** -0.5

    def cache(self, x: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """All that tokens x (t, width) leave behind: latents (t, d_c) and rotated keys (t, d_r)."""
        return F.rms_norm(x @ self.w_dkv.T, self.w_dkv.shape[:1]), rope(x @ self.w_kr.T, start)

    def queries(self, x: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """q^C (s, h, d_h) and q^R (s, h, d_r)."""
        c = F.rms_norm(x @ self.w_dq.T, self.w_dq.shape[:1])
        return torch.einsum("sq,hdq->shd", c, self.w_uq), rope(torch.einsum("sq,hrq->shr", c, self.w_qr), start)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention of q (s, h, a) over k (t, h or 1, a) and v (t, h or 1, b); the last query sees every key."""
        scores = torch.einsum("shd,thd->hst", q, k) * self.scale
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril(len(k) - len(q))
        return torch.einsum("hst,thd->shd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v)

    def decompress(self, c: Tensor, k_r: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (t, h, d_h + d_r) and values (t, h, d_h) of every head."""
        k = torch.einsum("tc,hdc->thd", c, self.w_uk)
        return torch.cat((k, k_r[:, None].expand(-1, k.shape[1], -1)), -1), torch.einsum("tc,hdc->thd", c, self.w_uv)

    def explicit(self, q: tuple[Tensor, Tensor], kv: tuple[Tensor, Tensor]) -> Tensor:
        """Outputs of the heads (s, h, d_h) by multi-head attention over decompressed keys and values."""
        return self.attend(torch.cat(q, -1), *self.decompress(*kv))

    def absorb(self, q_c: Tensor, q_r: Tensor) -> Tensor:
        """Queries that look at latents: W_UKᵀ q^C beside q^R, (s, h, d_c + d_r)."""
        return torch.cat((torch.einsum("shd,hdc->shc", q_c, self.w_uk), q_r), -1)

    def absorbed(self, q: tuple[Tensor, Tensor], kv: tuple[Tensor, Tensor]) -> Tensor:
        """The same by multi-query attention: one key [c; k^R] and one value c for all heads, W_UV after the sum."""
        return torch.einsum("shc,hdc->shd", self.attend(self.absorb(*q), *shared(*kv)), self.w_uv)

    def output(self, heads: Tensor) -> Tensor:
        """W_O over the heads (s, h, d_h)."""
        return torch.einsum("shd,hwd->sw", heads, self.w_o)


def shared(c: Tensor, k_r: Tensor) -> tuple[Tensor, Tensor]:
    """The cache as one key and one value head."""
    return torch.cat((c, k_r), -1)[:, None], c[:, None]


def on_meta(sizes: tuple[int, ...], tokens: int = 1) -> tuple[MLA, Tensor]:
    """A bf16 layer and `tokens` inputs without memory."""
    return MLA(*sizes, torch.bfloat16, "meta"), torch.empty(tokens, sizes[0], dtype=torch.bfloat16, device="meta")


def flops(work, *args) -> int:
    """Floating-point operations that torch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        work(*args)
    return counter.get_total_flops()


def numel(tensors: tuple[Tensor, ...]) -> int:
    """Numbers that the tensors hold."""
    return sum(t.numel() for t in tensors)


def claim_absorbed_equals_explicit(heads=8, d_h=8, d_c=32, d_q=48, d_r=4, width=64, tokens=64):
    """Attending over the latents gives what decompressed keys and values give, to rounding: for a whole prompt and in
    every step of decoding from cached latents.

    直接在隐向量上做注意力，与先解压出 K、V 再做的结果只差舍入：整段 prompt 如此，从缓存的隐向量逐步解码也如此。"""
    layer, x = MLA(width, heads, d_h, d_c, d_q, d_r), torch.randn(tokens, width, dtype=F64)
    explicit = layer.output(layer.explicit(layer.queries(x), layer.cache(x)))
    prompt = layer.output(layer.absorbed(layer.queries(x), layer.cache(x)))
    cached, steps = [], []
    for t, row in enumerate(x.split(1)):
        cached.append(layer.cache(row, t))
        kv = tuple(torch.cat(part) for part in zip(*cached, strict=True))
        steps.append(layer.output(layer.absorbed(layer.queries(row, t), kv)))
    gaps = [((out - explicit).norm(dim=1) / explicit.norm(dim=1)).max() for out in (prompt, torch.cat(steps))]
    show(table({"absorbed": ["whole prompt", "decoding, token by token"], "largest relative difference": gaps}))
    expect("absorbed against explicit", gaps, at_most=1e-12, at=("", ("prompt", "decoding")))


def claim_values_absorb_into_wo(heads=8, d_h=8, d_c=32, d_q=48, d_r=4, width=64, tokens=64):
    """Attention weights are plain numbers, so W_UV may act after the weighted sum and be multiplied into W_O; with a
    non-linearity on the values it may not.

    注意力权重只是数，W_UV 可以等加权求和之后再乘，因而能并入 W_O；若 value 上还有非线性就不行。"""
    layer, x = MLA(width, heads, d_h, d_c, d_q, d_r), torch.randn(tokens, width, dtype=F64)
    q, kv = layer.queries(x), layer.cache(x)
    k, v = layer.decompress(*kv)
    explicit, bent = (layer.output(layer.attend(torch.cat(q, -1), k, f)) for f in (v, F.silu(v)))
    summed = layer.attend(torch.cat(q, -1), k, kv[0][:, None])                                # Σ p c, (s, h, d_c)
    merged = torch.einsum("shc,hwc->sw", summed, layer.w_o @ layer.w_uv)
    after = layer.output(F.silu(torch.einsum("shc,hdc->shd", summed, layer.w_uv)))
    gaps = [(merged - explicit).norm() / explicit.norm(), (after - bent).norm() / bent.norm()]
    show(table({"values": ["W_UV c", "SiLU(W_UV c)"], "relative difference if done after the sum": gaps}))
    expect("W_O W_UV over summed latents against explicit", gaps[0], at_most=1e-12)
    expect("the same with SiLU on the values", gaps[1], at_least=0.05)


def claim_cache_is_latent_plus_rope_key(head_counts=(2, 4, 8, 16), d_h=8, d_c=32, d_q=48, d_r=4, width=64, tokens=64):
    """A token leaves d_c + d_r numbers a layer whatever the number of heads; the keys and values that they stand for
    grow with the heads.

    每个 token 每层只留下 d_c + d_r 个数，与头数无关；它们所代表的 K、V 则随头数增长。"""
    kept, stands = [], []
    for h in head_counts:
        layer, x = MLA(width, h, d_h, d_c, d_q, d_r), torch.randn(tokens, width, dtype=F64)
        kv = layer.cache(x)
        kept.append(numel(kv) / tokens)
        stands.append(numel(layer.decompress(*kv)) / tokens)
    show(lines("heads", head_counts, {"MLA's cache": kept, "decompressed keys and values": stands,
                                      "MHA's cache": [2 * h * d_h for h in head_counts]}, y_label="numbers a token and layer"))
    expect("numbers a token in the cache", kept, equals=d_c + d_r, at=("heads", head_counts))
    expect("decompressed", stands, equals=[h * (2 * d_h + d_r) for h in head_counts], at=("heads", head_counts))


def claim_heads_keep_their_own_keys(heads=8, groups=2, d_h=8, d_c=32, d_q=48, d_r=4, width=64, tokens=64):
    """Out of one shared latent every MLA head reads keys of its own, together as wide as the latent; GQA's heads of a
    group have the very same keys.

    MLA 各头从同一个隐向量读出各自的 key，合起来张成的维数与隐向量一样宽；GQA 同组的头用的 key 完全相同。"""
    layer, x = MLA(width, heads, d_h, d_c, d_q, d_r), torch.randn(tokens, width, dtype=F64)
    mla = layer.decompress(*layer.cache(x))[0][..., :d_h]                                     # (t, h, d_h)
    gqa = (x @ torch.randn(width, groups * d_h, dtype=F64)).unflatten(1, (groups, d_h)).repeat_interleave(heads // groups, 1)
    flat = [F.normalize(k.transpose(0, 1).flatten(1), dim=1) for k in (mla, gqa)]
    alike = [(f @ f.T).abs() for f in flat]
    spans = [torch.linalg.matrix_rank(k.flatten(1)) for k in (mla, gqa)]
    show(heatmap(alike[0], x_label="head", y_label="head", title="|cosine| between the keys of two heads, MLA"),
         heatmap(alike[1], x_label="head", y_label="head", title=f"the same, GQA with {groups} groups"),
         table({"": ["MLA", f"GQA, {groups} groups"], "cached numbers a token": [d_c + d_r, 2 * groups * d_h],
                "dimensions that the heads' keys span": spans}))
    expect("largest |cosine| between two MLA heads", (alike[0] - torch.eye(heads, dtype=F64)).max(), at_most=0.6)
    expect("|cosine| within a GQA group", alike[1][0, heads // groups - 1], equals=1, within=1e-12)
    expect("dimensions that the keys span", spans, equals=[min(d_c, heads * d_h), groups * d_h], at=("", ("MLA", "GQA")))


def claim_deepseek_cache_is_57_times_smaller_than_mha(v2=(5120, 128, 128, 512, 1536, 64), lite_heads=16):
    """With DeepSeek-V2's sizes a token leaves 576 numbers a layer, a 57th of MHA's 32,768 and as many as 2.25 groups of
    GQA; against MHA with the 16 heads of V2-Lite the same latent is only a seventh.

    按 DeepSeek-V2 的尺寸，每 token 每层留下 576 个数，是 MHA 的 32,768 的五十七分之一，相当于 2.25 组的 GQA；V2-Lite 只有
    16 个头，同样的隐向量只小到七分之一。"""
    layer, x = on_meta(v2)
    latent, values = numel(layer.cache(x)), layer.decompress(*layer.cache(x))[1]
    mha, group = 2 * values.numel(), 2 * values[:, 0].numel()
    cached = {"MHA, all heads": mha, "MHA, V2-Lite's heads": lite_heads * group, "GQA, 8 groups": 8 * group, "MLA": latent, "MQA": group}
    show(bars(list(cached), list(cached.values()), log="y", y_label="numbers a token and layer"))
    show(table({"": list(cached), "over MLA": [c / latent for c in cached.values()]}))
    expect("numbers of the latent and its rope key", latent, equals=576)
    expect("MHA over MLA", mha / latent, equals=56.9, within=0.05)
    expect("MLA over one group of GQA", latent / group, equals=2.25)
    expect("MHA over MLA with V2-Lite's heads", lite_heads * group / latent, equals=7.1, within=0.05)


def claim_v3_cache_is_35136_values_per_token(v3=(7168, 128, 128, 512, 1536, 64), v3_layers=61):
    """DeepSeek-V3's 61 layers keep 35,136 numbers a token, 70,272 bytes in bf16; MHA with as many heads would keep 4 MB.

    DeepSeek-V3 的 61 层每 token 共存 35,136 个数，bf16 下 70,272 字节；同样头数的 MHA 要 4 MB。"""
    layer, x = on_meta(v3)
    kv, values = layer.cache(x), layer.decompress(*layer.cache(x))[1]
    kept, mha = (v3_layers * sum(t.nbytes for t in ts) for ts in (kv, (values, values)))
    show(table({"cache of one token": ["MLA", "MHA with as many heads"], "numbers": [kept // 2, mha // 2],
                "bytes in bf16": [kept, mha], "GiB at 131072 tokens": [b * 131072 / 2**30 for b in (kept, mha)]}))
    expect("numbers a token", v3_layers * numel(kv), equals=35136)
    expect("bytes a token in bf16", kept, equals=70272)
    expect("MHA, MB a token", mha / 1e6, equals=4.0, within=0.05)


def claim_the_93_percent_needs_a_6_bit_cache(v2=(5120, 128, 128, 512, 1536, 64), v2_layers=60, layers_67b=95,
                                             groups_67b=8, bits=6.0):
    """DeepSeek-V2 caches 82.2% fewer numbers than DeepSeek 67B, which has 95 layers of GQA with 8 groups; the paper's
    93.3% comes out if V2's are counted in the 6 bits of its deployment and 67B's in 16.

    DeepSeek 67B 是 95 层、8 组的 GQA 模型，DeepSeek-V2 缓存的数比它少 82.2%；若 V2 按部署所用的 6 bit、67B 按 16 bit 计，
    就得到论文的 93.3%。"""
    layer, x = on_meta(v2)
    new = v2_layers * numel(layer.cache(x))
    old = layers_67b * torch.empty(2, groups_67b, v2[2], device="meta").numel()
    stored = [old * 2, new * 2, new * bits / 8]
    show(table({"cache of one token": ["DeepSeek 67B, 16 bit", "V2, 16 bit", f"V2, {bits:g} bit"], "numbers": [old, new, new],
                "bytes": stored, "less by": [1 - s / stored[0] for s in stored]}))
    expect("reduction in numbers", 1 - new / old, equals=0.822, within=0.0005)
    expect("reduction in bytes as deployed", 1 - stored[2] / stored[0], equals=0.933, within=0.0005)


def claim_merged_matrix_has_rank_at_most_head_dim(heads=8, d_h=8, d_c=32, d_q=48, d_r=4, width=64):
    """The merged W_UQᵀW_UK of a head has rank d_h, not min(d_q, d_c): training it as one free matrix would be another,
    larger model.

    一个头合并后的 W_UQᵀW_UK 秩为 d_h，而不是 min(d_q, d_c)：若把它当作一个自由矩阵训练，就是另一个更大的模型。"""
    layer = MLA(width, heads, d_h, d_c, d_q, d_r)
    merged, free = layer.w_uq.transpose(1, 2) @ layer.w_uk, torch.randn(d_q, d_c, dtype=F64)  # (h, d_q, d_c)
    sizes = [torch.linalg.svdvals(m) for m in (merged[0], free)]
    shown = {n: (s / s[0]).clamp_min(1e-17) for n, s in zip(("merged", "a free matrix"), sizes, strict=True)}
    show(lines("singular value", range(1, len(sizes[0]) + 1), shown, log="y", title="relative to the largest"))
    expect("rank of the merged matrix", torch.linalg.matrix_rank(merged), equals=min(d_h, d_q, d_c), at=("head", range(heads)))
    expect("rank of a free matrix", torch.linalg.matrix_rank(free), equals=min(d_q, d_c))


def claim_merging_the_factors_costs_more_weights(v2=(5120, 128, 128, 512, 1536, 64)):
    """Multiplying the factors out is no saving: at DeepSeek-V2's sizes W_UQᵀW_UK holds 3.0 times the weights of its two
    factors and W_O W_UV 3.6 times, and costs as many times the FLOPs in each use.

    真的把矩阵乘出来并不省：按 DeepSeek-V2 的尺寸，W_UQᵀW_UK 的权重是两个因子之和的 3.0 倍，W_O W_UV 是 3.6 倍，每次使用的
    FLOPs 也多出同样的倍数。"""
    layer, _ = on_meta(v2)
    pairs = {"W_UQᵀ W_UK": (layer.w_uq.transpose(1, 2), layer.w_uk), "(W_O W_UV)ᵀ": (layer.w_uv.transpose(1, 2), layer.w_o.transpose(1, 2))}
    rows = []
    for a, b in pairs.values():
        x = torch.empty(len(a), 1, a.shape[1], dtype=torch.bfloat16, device="meta")           # one token, every head
        rows.append((numel((a, b)), (a @ b).numel(), flops(lambda x=x, a=a, b=b: x @ a @ b), flops(torch.matmul, x, a @ b)))
    factors, merged, apart, once = zip(*rows, strict=True)
    ratio = [m / f for m, f in zip(merged, factors, strict=True)]
    show(table({"": list(pairs), "weights, factors": factors, "weights, merged": merged, "times": ratio,
                "FLOPs, factors": apart, "FLOPs, merged": once}))
    expect("merged over factors, weights", ratio, equals=[3.0, 3.64], within=0.005, at=("", list(pairs)))
    expect("merged over factors, FLOPs", [m / f for m, f in zip(once, apart, strict=True)], equals=ratio, within=1e-9,
           at=("", list(pairs)))


def claim_absorbed_step_reads_far_less(v2=(5120, 128, 128, 512, 1536, 64), context=4096):
    """A decode step over latents does 3.4 times the score and value FLOPs of one over cached keys and values, but reads
    a 71st of the bytes: some 240 FLOPs a byte instead of 1. Decompressing 4096 latents anew costs over 100 times more.

    在隐向量上解码一步，分数与加权求和的 FLOPs 是缓存 K、V 时的 3.4 倍，读取的字节却只有七十一分之一：每字节约 240 次 FLOP，
    而不是 1 次。若每步把 4096 个隐向量重新解压，FLOPs 要多 100 倍以上。"""
    layer, x = on_meta(v2, context)
    q, kv, new = layer.queries(x[:1]), layer.cache(x), layer.cache(x[:1])
    full, read = layer.decompress(*kv), 2 * numel(kv)
    core = flops(layer.attend, torch.cat(q, -1), *full), flops(layer.attend, layer.absorb(*q), *shared(*kv))
    maps = flops(layer.decompress, *new), flops(layer.absorbed, q, kv) - core[1]              # W_UK, W_UV for one token
    work, held = (core[0], flops(layer.explicit, q, kv) - maps[0], core[1]), (2 * numel(full), read, read)
    show(table({"decoding one token": ["cached keys and values", "latents, decompressed anew", "latents, absorbed"],
                "FLOPs": work, "cache bytes read": held, "FLOPs a byte": [w / b for w, b in zip(work, held, strict=True)],
                "FLOPs of W_UK, W_UV": [maps[0], maps[0], maps[1]]}, title=f"one layer, {context} tokens cached"))
    _, _, d_h, d_c, _, d_r = v2
    expect("score and value FLOPs, absorbed over cached", core[1] / core[0], equals=(2 * d_c + d_r) / (2 * d_h + d_r), within=1e-9)
    expect("W_UK and W_UV for one token, absorbed over explicit", maps[1] / maps[0], equals=1)
    expect("cache bytes, cached over absorbed", held[0] / read, equals=71.1, within=0.05)
    expect("FLOPs a byte, cached and absorbed", [core[0] / held[0], core[1] / read], equals=[1.0, 241.8], within=0.05)
    expect("FLOPs, decompressing anew over absorbed", flops(layer.explicit, q, kv) / flops(layer.absorbed, q, kv), at_least=100)


def claim_prefill_is_cheaper_explicit(v2=(5120, 128, 128, 512, 1536, 64), context=4096,
                                      queries=(1, 16, 64, 128, 256, 1024, 4096)):
    """Over 4096 cached tokens the absorbed form takes fewer FLOPs for up to some 160 query tokens; beyond that it is
    cheaper to decompress once, and for a prefill or training step over all 4096 absorbed takes three times as many.

    cache 有 4096 个 token 时，query token 不超过约 160 个，吸收形式的 FLOPs 更少；再多就不如先解压一次；对 4096 个 token 整段做
    prefill 或训练，吸收形式的 FLOPs 约为三倍。"""
    layer, x = on_meta(v2, context)
    kv = layer.cache(x)

    def both(m: int) -> tuple[int, int]:
        q = layer.queries(x[:m])
        return flops(layer.explicit, q, kv), flops(layer.absorbed, q, kv)

    explicit, absorbed = zip(*map(both, queries), strict=True)
    low = bisect_left(range(1, context), 0, key=lambda m: sub(*both(m)[::-1]))            # absorbed grows faster
    show(lines("query tokens", queries, {"decompress, then MHA": explicit, "absorbed, MQA": absorbed}, log="xy", y_label="FLOPs"),
         table({"": ["most query tokens for which absorbed is cheaper", "prefill of all, absorbed over explicit"],
                "value": [low, absorbed[-1] / explicit[-1]]}))
    _, _, d_h, d_c, _, _ = v2
    crossing = d_h * d_c * context / (d_h * d_c + (d_c - d_h) * context)
    expect("most query tokens for which absorbed is cheaper", low, equals=crossing, within=1)
    expect("explicit over absorbed, fewest queries", explicit[0] / absorbed[0], at_least=10)
    expect("absorbed over explicit, prefill", absorbed[-1] / explicit[-1], equals=3, within=0.4)


if __name__ == "__main__":
    main()
