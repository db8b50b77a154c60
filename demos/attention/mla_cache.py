r"""MLA caches one latent and one small rotated key per token and layer, whatever the number of heads.

MLA 每层为每个 token 只缓存一个隐向量和一个带旋转的小 key，与头数无关。

DeepSeek-AI 2024 (DeepSeek-V2), §2.1. Named models are computed on torch's meta device from questions/models.yaml, bf16.
Turn `rotary_key` to "per head": 34 groups of GQA instead of 2.25, since the key must be shared.
把 `rotary_key` 改为 "per head"：从相当于 2.25 组 GQA 变成 34 组，所以这个 key 必须共用。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, guess, lines, main, one_of, show
from studyapp.evidence.tools import named_model

F64 = torch.float64


def cached(x: Tensor, heads: int, latent: int, d_rope: int, rotary_key: str = "shared") -> tuple[Tensor, Tensor]:
    """What tokens x (tokens, width) leave in one layer: latents (tokens, latent), rotary keys (tokens, 1 or
    heads, d_rope)."""
    keys = heads if rotary_key == "per head" else 1
    down, rotary = (torch.empty(x.shape[-1], n, dtype=x.dtype, device=x.device) for n in (latent, keys * d_rope))
    return x @ down, (x @ rotary).unflatten(-1, (keys, d_rope))


def numbers(name: str, rotary_key: str = "shared") -> int:
    """Numbers per token and layer of a named model with MLA."""
    row = named_model(name)
    token = torch.empty(1, row["width"], dtype=torch.bfloat16, device="meta")
    kept = cached(token, row["heads"], row["attention"]["latent"], row["attention"]["d_rope"], rotary_key)
    return sum(part.numel() for part in kept)


RANGES = {
    "head_counts": each(between(1, 256), at_least=1),
    "latent": between(16, 1024),
    "d_rope": between(2, 128, multiple_of=2),
    "width": between(1, 512),
    "rotary_key": one_of("shared", "per head"),
    "bits": one_of(4, 6, 8, 16),
    "heads": between(2, 16),
    "groups": between(1, "heads", divides="heads"),
    "d_head": between(1, 16),
    "up": one_of("per head", "shared"),
    "tokens": between(64, 256),
}
PER_HEAD = breaks(rotary_key="per head", en="A rotary key for each head grows with the heads: it must be shared.",
                  zh="若每个头各存一个旋转 key，就会随头数增长：它必须共用。")


@PER_HEAD
def claim_cache_is_latent_plus_rope_key(head_counts=(2, 8, 32, 128), latent=32, d_rope=4, width=64,
                                        rotary_key="shared"):
    """A token leaves d_c + d_r numbers per layer whatever the number of heads; MHA's cache grows with the
    heads.

    每个 token 每层留下 d_c + d_r 个数，与头数无关；MHA 的 cache 则随头数增长。"""
    kept = [sum(t.numel() for t in cached(torch.randn(1, width), h, latent, d_rope,
                                          rotary_key)) for h in head_counts]
    show(lines("heads", head_counts, {"MLA": kept, "MHA, d_head = 8": [16 * h for h in head_counts]},
               y_label="numbers per token"))
    expect("numbers per token", kept, equals=latent + d_rope, at=("heads", head_counts))


@PER_HEAD
@guess("MHA over MLA", unit="×",
       en="How many times as much would DeepSeek-V3 cache with MHA of the same 128 heads as with MLA?",
       zh="DeepSeek-V3 若用同为 128 头的 MHA，缓存的数是 MLA 的几倍？")
def claim_deepseek_cache_is_a_57th_of_mha(rotary_key="shared"):
    """DeepSeek-V3's MLA keeps 576 numbers per token and layer, a 57th of MHA's 32,768 with the same 128
    heads, as much as 2.25 KV heads of GQA: 70,272 bytes per token in all 61 layers.

    DeepSeek-V3 的 MLA 每 token 每层存 576 个数，是同为 128 头的 MHA（32,768 个）的 1/57，相当于 2.25 个 GQA
    的 KV 头；61 层共 70,272 字节。"""
    row, mla = named_model("deepseek-v3"), numbers("deepseek-v3", rotary_key)
    group = 2 * row["attention"]["d_value"]
    designs = {"MHA": row["heads"] * group, "GQA, 8 KV heads": 8 * group, "MLA": mla, "MQA": group}
    show(bars(list(designs), {"numbers per token and layer (computed)": list(designs.values())}, log="y"))
    expect("MHA over MLA", designs["MHA"] / mla, equals=32768 / 576)
    expect("MLA over one KV head", mla / group, equals=2.25)
    expect("bytes per token, all layers", row["layers"] * mla * 2, equals=70272)


@breaks(bits=16, en="Both in 16 bit the reduction is 82.2%.", zh="若两者都按 16 bit，减少的是 82.2%。")
def claim_the_93_percent_needs_a_6_bit_cache(bits=6):
    """DeepSeek-V2 caches 82.2% fewer numbers than DeepSeek 67B, a GQA model of 95 layers; the paper's 93.3%
    needs 6 bits against 16.

    DeepSeek-V2 缓存的数比 95 层的 GQA 模型 DeepSeek 67B 少 82.2%；论文的 93.3% 还要按 6 bit 对 16 bit 计。"""
    # DeepSeek LLM (2024), Table 2
    new, old = named_model("deepseek-v2")["layers"] * numbers("deepseek-v2"), 95 * 2 * 8 * 128
    stored = {"DeepSeek 67B, 16 bit": 2 * old, "DeepSeek-V2, 16 bit": 2 * new,
              f"DeepSeek-V2, {bits} bit": new * bits / 8}
    show(bars(list(stored), {"bytes per token (computed)": list(stored.values())}))
    expect("reduction in numbers", 1 - new / old, equals=0.822, within=0.0005)       # as printed: three digits
    expect("reduction in bytes", 1 - new * bits / 8 / (2 * old), equals=0.933, within=0.0005)


@breaks(up="shared",
        en="If all heads read the latent through one matrix, they have one key between them, as in MQA.",
        zh="若各头用同一个矩阵去读隐向量，它们就只有一个 key，与 MQA 一样。")
def claim_each_head_reads_another_key(heads=8, latent=32, d_head=8, groups=2, tokens=64, up="per head"):
    """Out of one latent every MLA head reads another key, together spanning at most d_c dimensions; GQA's
    span n · d_head.

    MLA 各头从同一个隐向量读出不同的 key，合起来至多张成 d_c 维；GQA 的 key 则张成 n · d_head 维。"""
    c = torch.randn(tokens * 8, latent, dtype=F64)                                   # more tokens than dimensions
    w_uk = torch.randn(1 if up == "shared" else heads, d_head, latent, dtype=F64).expand(heads, -1, -1)
    mla = torch.einsum("tc,hdc->thd", c, w_uk)                                       # (tokens, heads, d_head)
    gqa = torch.randn(len(c), groups, d_head, dtype=F64).repeat_interleave(heads // groups, 1)
    spans = [int(torch.linalg.matrix_rank(k.flatten(1))) for k in (mla, gqa)]
    alike = F.cosine_similarity(mla[:, 0].flatten(), mla[:, 1].flatten(), 0)
    show(bars(["MLA", f"GQA, {groups} KV heads"], {"dimensions that the keys span": spans}))
    expect("dimensions that the keys span", spans, equals=[min(latent, heads * d_head), groups * d_head],
           at=("", ("MLA", "GQA")))
    expect("|cosine| between the keys of two heads", alike.abs(), at_most=0.99)


@breaks(up="shared", en="One up-projection for all heads cannot give the heads of different groups their own key.",
        zh="所有头共用一个升维矩阵，就无法给不同组的头各自的 key。")
def claim_every_gqa_layer_is_an_mla_layer(heads=8, groups=2, d_head=8, tokens=64, up="per head"):
    """Without RoPE a GQA layer is an MLA layer with the same cache: the latent is its K and V, and each
    W_UK picks a group.

    不带 RoPE 时，GQA 层就是 cache 同样大的 MLA 层：隐向量就是它的 K 和 V，每个 W_UK 从中选出一组。"""
    q, k, v = (
        torch.randn(1, heads, tokens, d_head, dtype=F64),
        *torch.randn(2, 1, groups, tokens, d_head, dtype=F64),
    )
    # (1, tokens, 2 · groups · d_head)
    latent = torch.cat((k, v), 1).transpose(1, 2).flatten(2)
    pick = torch.eye(2 * groups * d_head, dtype=F64).view(2, groups, d_head, -1)     # rows of the identity
    w_uk, w_uv = (
        pick.repeat_interleave(heads // groups, 1)
        if up == "per head"
        else pick[:, :1].expand(-1, heads, -1, -1)
    )
    keys, values = (torch.einsum("btc,hdc->bhtd", latent, w) for w in (w_uk, w_uv))
    gap = (
        (
            F.scaled_dot_product_attention(q, keys, values)
            - F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        )
        .abs()
        .max()
    )
    show(bars(["GQA", "MLA"], {"cached numbers per token": [k[..., 0, :].numel() * 2, latent.shape[-1]]}))
    expect("output less GQA's", gap, equals=0, within=1e-12)                         # float64: the same sums
    expect("cached numbers, MLA over GQA", latent.numel() / (2 * k.numel()), equals=1)


def drill_mla_cache(rng) -> Drill:
    """MLA's cache of a configuration, per token."""
    layers, latent, d_rope, heads = rng.choice(
        ((60, 512, 64, 128), (40, 256, 64, 32), (27, 512, 64, 16), (61, 512, 64, 64))
    )
    kept = sum(t.numel() for t in cached(torch.empty(1, 1024, device="meta"), heads, latent, d_rope))
    return Drill(
        en=f"An MLA model has {layers} layers, {heads} heads of width 128, kv_lora_rank {latent} and qk_rope_head_dim {d_rope}. "
           f"How many KiB (1024 bytes) of bf16 cache does one token take in all layers?",
        zh=f"某 MLA 模型有 {layers} 层、{heads} 个宽 128 的头，kv_lora_rank 为 {latent}，qk_rope_head_dim 为 {d_rope}。"
           f"bf16 下，一个 token 在"
           f"所有层中共占多少 KiB（1024 字节）？",
        answer=layers * kept * 2 / 1024,
        unit="KiB",
        steps=[(f"one layer: {latent} + {d_rope} = {kept} numbers; the heads do not enter",
                f"一层：{latent} + {d_rope} = {kept} 个数；头数不出现"),
               (f"{layers} · {kept} · 2 bytes / 1024 = {layers * kept / 512:.1f} KiB",
                f"{layers} · {kept} · 2 字节 / 1024 = {layers * kept / 512:.1f} KiB")],
        proved_by="cache_is_latent_plus_rope_key",
    )


ZH = {
    "heads": "头数",
    "MHA, d_head = 8": "MHA，d_head = 8",
    "numbers per token": "每 token 个数",
    "GQA, {} KV heads": "GQA，{} 个 KV 头",
    "numbers per token and layer (computed)": "每 token 每层个数（计算值）",
    "MHA over MLA": "MHA 与 MLA 之比",
    "MLA over one KV head": "MLA 与一个 KV 头之比",
    "bytes per token, all layers": "每 token 字节数，所有层",
    "DeepSeek 67B, 16 bit": "DeepSeek 67B，16 bit",
    "DeepSeek-V2, {} bit": "DeepSeek-V2，{} bit",
    "bytes per token (computed)": "每 token 字节数（计算值）",
    "reduction in numbers": "个数的减少",
    "reduction in bytes": "字节数的减少",
    "dimensions that the keys span": "key 张成的维数",
    "|cosine| between the keys of two heads": "两个头的 key 之间的 |余弦|",
    "cached numbers per token": "每 token 缓存的个数",
    "output less GQA's": "输出与 GQA 之差",
    "cached numbers, MLA over GQA": "缓存个数，MLA 与 GQA 之比",
}

if __name__ == "__main__":
    main()
