r"""Absorption trades arithmetic for bytes: it wins over a long cache, and loses a dense prefill.

吸收是拿计算换字节：cache 长时划算，稠密 prefill 则吃亏。

DeepSeek-V2's sizes (§2.1, §3.1.2) in shapes without memory. Convention: a multiply-add is 2 FLOPs, every query sees every
cached key (no causal saving), bf16, one layer, k^R stored once.
Turn `heads` to 16: with V2-Lite's heads a decode step does 30 FLOPs per byte instead of 242.
把 `heads` 改为 16：像 V2-Lite 那样，解码每字节 30 次 FLOP，而不是 242 次。
"""

from bisect import bisect_left

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, show, table
from studyapp.evidence.tools import flops

D_HEAD, LATENT, D_ROPE, Q_LATENT, WIDTH, H100 = 128, 512, 64, 1536, 5120, 295  # 989 TFLOP/s over 3.35 TB/s


def meta(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16, device="meta")


def explicit(m: int, t: int, heads: int) -> None:
    """m queries over t latents: decompress K and V of every head, then MHA with heads of 192 and 128."""
    # W_UK and W_UV once per cached token
    torch.mm(meta(t, LATENT), meta(LATENT, heads * 2 * D_HEAD))
    core(m, t, heads, D_HEAD + D_ROPE, D_HEAD)


def absorbed(m: int, t: int, heads: int) -> None:
    """The same as MQA: W_UK on each query, one key of 576 and value of 512 for all heads, W_UV on each
    result."""
    meta(heads, m, D_HEAD) @ meta(heads, D_HEAD, LATENT)
    core(m, t, heads, LATENT + D_ROPE, LATENT)
    meta(heads, m, LATENT) @ meta(heads, LATENT, D_HEAD)


def core(m: int, t: int, heads: int, d_key: int, d_value: int) -> None:
    """Scores and weighted sums of m queries over t keys."""
    meta(heads, m, d_key) @ meta(heads, d_key, t) @ meta(heads, t, d_value)


RANGES = {
    "heads": between(2, 256),
    "context": between(1024, 65536),
    "queries": each(between(1, 16384), at_least=2, rising=True),
    "shared_by": between(1, 4096),
    "d_head": between(2, 2048),
}


@breaks(heads=16, en="With 16 heads, as in V2-Lite, the cache is a 7th and a step does 30 FLOPs per byte.",
        zh="若像 V2-Lite 那样只有 16 个头，cache 是 1/7，每字节 30 次 FLOP。")
def claim_absorbed_step_reads_far_less(heads=128, context=4096):
    """With 128 heads a decode step over latents does 3.4 times the score and value FLOPs of cached keys and
    values on a 57th of the bytes: 242 FLOPs per byte instead of 1.2. Decompressing anew costs over 100
    times the absorbed FLOPs.

    128 个头时，在隐向量上解码一步，分数与加权求和的 FLOPs 是缓存 K、V 的 3.4 倍，字节是 1/57：每字节 242 次
    FLOP，而不是 1.2 次。每步重新解压，FLOPs 是吸收形式的 100 倍以上。"""
    work = [flops(core, 1, context, heads, *d) for d in ((D_HEAD + D_ROPE, D_HEAD), (LATENT + D_ROPE, LATENT))]
    read = [t.nbytes for t in (meta(context, 2 * heads * D_HEAD + D_ROPE), meta(context, LATENT + D_ROPE))]
    rows = (["cached K and V", "latents, absorbed"], [w / b for w, b in zip(work, read, strict=True)])
    show(bars(rows[0], {"FLOPs per byte (computed)": rows[1]}, log="y"),
         table({"": rows[0], "FLOPs": work, "bytes of cache": read}))
    expect("score and value FLOPs, absorbed over cached", work[1] / work[0], equals=1088 / 320)
    expect("bytes, cached over absorbed", read[0] / read[1], equals=57, within=0.05)
    expect("FLOPs per byte", rows[1], equals=[1.25, 241.8], within=0.05, at=("", rows[0]))
    expect("FLOPs, decompressing anew over absorbed",
           flops(explicit, 1, context, heads) / flops(absorbed, 1, context, heads), at_least=100)


@breaks(queries=(1, 16), en="With up to 16 query tokens absorption is cheaper throughout.",
        zh="query token 不超过 16 个时，吸收形式始终更省。")
def claim_prefill_is_cheaper_explicit(heads=128, context=4096, queries=(1, 16, 64, 256, 1024, 4096)):
    """Over 4096 cached tokens absorbing takes fewer FLOPs for up to 163 query tokens; for a dense prefill
    of 4096 it takes 3.2 times as many as decompressing once.

    cache 有 4096 个 token 时，query token 不超过 163 个，吸收形式 FLOPs 更少；对 4096 个 token 做稠密
    prefill，它是先解压一次的 3.2 倍。"""
    cost = {way.__name__: [flops(way, m, context, heads) for m in queries] for way in (explicit, absorbed)}
    show(lines("query tokens", queries,
               {"decompress, then MHA": cost["explicit"],
                "absorbed, MQA": cost["absorbed"]}, log="xy", y_label="FLOPs"))
    most = bisect_left(range(1, context), 0,
                       key=lambda m: flops(absorbed, m, context, heads) - flops(explicit, m, context, heads))
    by_hand = D_HEAD * LATENT * context / (D_HEAD * LATENT + (LATENT - D_HEAD) * context)
    ratio = cost["absorbed"][-1] / cost["explicit"][-1]
    expect("most query tokens for which absorbed is cheaper", most, equals=by_hand, within=1)
    expect("absorbed over explicit, most query tokens", ratio, at_least=1)
    expect("absorbed over explicit, prefill of 4096",
           flops(absorbed, 4096, 4096, heads) / flops(explicit, 4096, 4096, heads), equals=3.18, within=0.01)


@breaks(shared_by=512,
        en="Where 512 queries share each loaded key, as in dense prefill, decompressed keys are past the balance point too.",
        zh="若像稠密 prefill 那样 512 个 query 共用每个载入的 key，解压后的 key 也越过了平衡点。")
def claim_a_selection_of_its_own_makes_prefill_like_decoding(heads=128, shared_by=1, context=2048):
    """If every query selects 2048 tokens of its own, a loaded entry serves that query's heads alone: 242
    FLOPs per byte on latents, 1.2 on decompressed keys, in prefill as in decoding.

    若每个 query 各选 2048 个 token，载入的条目只供该 query 的各头使用：隐向量每字节 242 次 FLOP，解压后的
    K、V 只有 1.2 次，prefill 与解码一样。"""
    read = [t.nbytes for t in (meta(context, 2 * heads * D_HEAD + D_ROPE), meta(context, LATENT + D_ROPE))]
    widths = (D_HEAD + D_ROPE, D_HEAD), (LATENT + D_ROPE, LATENT)
    got = [flops(core, shared_by, context, heads, *d) / r for d, r in zip(widths, read, strict=True)]
    names = ["decompressed, MHA", "latents, MQA"]
    show(bars([*names, "H100, bf16"], {"FLOPs per byte (computed)": [*got, H100]}, log="y"))
    expect("FLOPs per byte on latents, over the heads", got[1] / heads, equals=shared_by * 1088 / 576, within=1e-9)
    expect("FLOPs per byte on decompressed keys, over an H100's balance", got[0] / H100, at_most=0.01)


@breaks(d_head=1024, en="With heads of 1024 the merged matrix would be the smaller one.",
        zh="若头宽为 1024，合并后的矩阵反而更小。")
def claim_merging_the_factors_costs_more_weights(d_head=128):
    """Multiplying the factors out saves nothing: at DeepSeek-V2's sizes W_UQᵀW_UK holds 3.0 times the
    weights of its two factors, W_O W_UV 3.6 times, with as many times the FLOPs per use.

    真的乘出来并不省：按 DeepSeek-V2 的尺寸，W_UQᵀW_UK 的权重是两个因子之和的 3.0 倍，W_O W_UV 是 3.6 倍，每
    次使用的 FLOPs 也是同样的倍数。"""
    pairs = {"W_UQᵀ W_UK": (Q_LATENT, LATENT), "W_O W_UV": (WIDTH, LATENT)}
    merged = [meta(a, b).numel() for a, b in pairs.values()]
    factors = [meta(a, d_head).numel() + meta(d_head, b).numel() for a, b in pairs.values()]
    show(bars(list(pairs), {"two factors": factors, "merged": merged}, y_label="weights per head"))
    expect("weights, merged over factors", [m / f for m, f in zip(merged, factors, strict=True)],
           equals=[3.0, 3.64], within=0.01, at=("", list(pairs)))


def drill_intensity(rng) -> Drill:
    """FLOPs per byte of an absorbed decode step."""
    heads, latent, rope = rng.choice(((128, 512, 64), (64, 512, 64), (32, 256, 64), (16, 512, 64)))
    answer = flops(core, 1, 1024, heads, latent + rope, latent) / meta(1024, latent + rope).nbytes
    return Drill(
        en=f"MLA with {heads} heads, latent {latent} and rotary key {rope}, absorbed, bf16 cache. How many FLOPs of scores and values "
           f"(multiply-add = 2) per byte of cache does one decoded token do?",
        zh=f"MLA 有 {heads} 个头，隐向量宽 {latent}，旋转 key 宽 {rope}，吸收形式，bf16 cache。解码一个 token，"
           f"分数与加权求和每字节 cache 做多少 FLOPs（乘加记 2）？",
        answer=answer,
        steps=[(f"per cached token: 2 · {heads} · ({latent + rope} + {latent}) FLOPs",
                f"每个缓存的 token：2 · {heads} · ({latent + rope} + {latent}) FLOPs"),
               (f"bytes: 2 · {latent + rope}; quotient {answer:.1f}",
                f"字节：2 · {latent + rope}；商为 {answer:.1f}")],
        proved_by="absorbed_step_reads_far_less",
    )


ZH = {
    "cached K and V": "缓存 K、V",
    "latents, absorbed": "隐向量，吸收",
    "FLOPs per byte (computed)": "每字节 FLOPs（计算值）",
    "bytes of cache": "cache 字节数",
    "score and value FLOPs, absorbed over cached": "分数与加权求和的 FLOPs，吸收与缓存 K、V 之比",
    "bytes, cached over absorbed": "字节数，缓存 K、V 与吸收之比",
    "FLOPs per byte": "每字节 FLOPs",
    "FLOPs, decompressing anew over absorbed": "FLOPs，重新解压与吸收之比",
    "query tokens": "query token 数",
    "decompress, then MHA": "先解压，再 MHA",
    "absorbed, MQA": "吸收，MQA",
    "most query tokens for which absorbed is cheaper": "吸收更省的最多 query token 数",
    "absorbed over explicit, most query tokens": "吸收与显式之比，query token 最多时",
    "absorbed over explicit, prefill of 4096": "吸收与显式之比，4096 个 token 的 prefill",
    "decompressed, MHA": "解压，MHA",
    "latents, MQA": "隐向量，MQA",
    "FLOPs per byte on latents, over the heads": "隐向量上每字节 FLOPs，除以头数",
    "FLOPs per byte on decompressed keys, over an H100's balance": "解压 key 上每字节 FLOPs 与 H100 平衡点之比",
    "two factors": "两个因子",
    "merged": "合并后",
    "weights per head": "每个头的权重数",
    "weights, merged over factors": "权重数，合并后与两个因子之比",
}

if __name__ == "__main__":
    main()
