r"""What the KV cache of named models takes per token, from the shapes of their configurations.

由公开配置的形状计算：各模型的 KV cache 每个 token 占多少。

Computed, not measured: one token goes through the projections on torch's meta device, in the shapes
of questions/models.yaml. Convention: 16 bit, all layers, one sequence, 1 GiB = 2^30 bytes. MLA:
DeepSeek-AI 2024 (V2), §2.1. Turn `stored` to "repeated" and GQA saves nothing.
把 `stored` 改为 "repeated"，GQA 就毫无节省。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, breaks, expect, guess, lines, main, one_of, show
from studyapp.evidence.tools import named_model


def kept(x: Tensor, heads: int, kv_heads: int, d_head: int, stored: str = "grouped") -> Tensor:
    """K and V that one layer keeps of tokens x (tokens, width): (tokens, 2, kv_heads, d_head)."""
    w = torch.empty(x.shape[-1], 2 * kv_heads * d_head, dtype=x.dtype, device=x.device)
    kv = (x @ w).unflatten(-1, (2, kv_heads, d_head))                # (tokens, 2, kv_heads, d_head)
    return kv.repeat_interleave(heads // kv_heads, 2) if stored == "repeated" else kv


def per_token(name: str, kv_heads: int = 0, bits: int = 16, stored: str = "grouped") -> int:
    """Bytes that all layers of a model keep of a token; `kv_heads` replaces the model's own."""
    row = named_model(name)
    dtype = {8: torch.int8, 16: torch.bfloat16, 32: torch.float32}[bits]
    token = torch.empty(1, row["width"], dtype=torch.bfloat16, device="meta")
    layer = kept(token, row["heads"], kv_heads or row["kv_heads"], row["d_head"], stored)
    return row["layers"] * layer.to(dtype).nbytes


RANGES = {
    "bits": one_of(8, 16, 32),
    "stored": one_of("grouped", "repeated"),
    "rotary_key": one_of("shared", "per head", "left out"),
}


@breaks(bits=32, en="Kept in float32 it is twice that.", zh="若以 float32 保存，则是两倍。")
@breaks(bits=8, en="Kept in 8 bits it is half of that.", zh="若以 8 bit 保存，则是一半。")
@guess("GiB at 131,072 tokens", unit="GiB",
       en="Llama-2-7B, 16 bit: how large is the KV cache of one sequence of 131,072 tokens?",
       zh="Llama-2-7B，16 bit：一条 131,072 个 token 的序列，KV cache 有多大？")
def claim_llama2_7b_needs_half_a_mib_per_token(bits=16):
    """Llama-2-7B (32 layers, 32 KV heads of 128) keeps 524,288 bytes per token in 16 bit: 2 GiB at
    4096 tokens.

    Llama-2-7B（32 层，32 个宽 128 的 KV 头）16 bit 下每 token 存 524,288 字节：4096 个 token 就是 2 GiB。"""
    token, lengths = per_token("llama-2-7b", bits=bits), (1024, 4096, 32768, 131072)
    gib = [token * s / 2**30 for s in lengths]
    show(lines("tokens", lengths, {"GiB (computed)": gib}, log="xy"))
    expect("bytes per token", token, equals=524_288)
    expect("GiB at 4096 tokens", token * 4096 / 2**30, equals=2)
    expect("GiB at 131,072 tokens", token * 131_072 / 2**30, equals=64)


@breaks(stored="repeated",
        en="Copied for every query head before they are kept, K and V take what MHA takes.",
        zh="若先为每个 query 头复制 K、V 再保存，就与 MHA 一样多。")
def claim_llama2_70b_saves_eightfold_by_gqa(stored="grouped"):
    """Llama-2-70B (80 layers, 64 heads, 8 KV heads) keeps 327,680 bytes per token in 16 bit, an
    eighth of MHA's.

    Llama-2-70B（80 层、64 头、8 个 KV 头）16 bit 下每 token 存 327,680 字节，是 MHA 的八分之一。"""
    models = {"Llama-2-7B": "llama-2-7b", "Mistral 7B": "mistral-7b", "Llama-2-70B": "llama-2-70b"}
    found = {label: per_token(name, stored=stored) for label, name in models.items()}
    heads = named_model("llama-2-70b")["heads"]
    found["Llama-2-70B by MHA"] = per_token("llama-2-70b", kv_heads=heads)
    show(bars(list(found), {"bytes per token (computed)": list(found.values())}))
    expect("bytes per token, Llama-2-70B", found["Llama-2-70B"], equals=327_680)
    expect("MHA over GQA", found["Llama-2-70B by MHA"] / found["Llama-2-70B"], equals=8)
    expect("Llama-2-7B over Mistral 7B", found["Llama-2-7B"] / found["Mistral 7B"], equals=4)


@breaks(rotary_key="left out", en="The latent alone is 2 groups, but carries no position.",
        zh="只存隐向量恰为 2 组，但其中没有位置信息。")
@breaks(rotary_key="per head",
        en="With a rotary key for each of 128 heads it is 34 groups: it must be shared.",
        zh="若 128 个头各存一个旋转 key，就是 34 组：它必须共用。")
def claim_mla_equals_two_and_a_quarter_groups(rotary_key="shared"):
    """DeepSeek-V3's MLA keeps a latent of 512 and one rotary key of 64 per layer: as much as 2.25
    KV heads of 128.

    DeepSeek-V3 的 MLA 每层存一个 512 维隐向量和一个 64 维旋转 key：相当于 2.25 个宽 128 的 KV 头。"""
    row = named_model("deepseek-v3")
    token = torch.empty(1, row["width"], dtype=torch.bfloat16, device="meta")
    keys = {"shared": 1, "per head": row["heads"], "left out": 0}[rotary_key]
    wide = row["attention"]["latent"] + keys * row["attention"]["d_rope"]              # 512 + 64
    mla = (token @ torch.empty(row["width"], wide, dtype=token.dtype, device="meta")).nbytes
    group = kept(token, 1, 1, row["attention"]["d_value"]).nbytes
    sizes = {"bytes per token and layer (computed)": [mla, group]}
    show(bars(["MLA", "one KV head of GQA"], sizes))
    expect("MLA over one KV head", mla / group, equals=2.25)
    expect("bytes per token, DeepSeek-V3", row["layers"] * mla, equals=70_272)


def drill_cache_in_gib(rng) -> Drill:
    """The formula with powers of two."""
    layers, n, batch = rng.choice((16, 32, 64)), rng.choice((4, 8, 16)), rng.choice((1, 2, 8))
    k = rng.choice((4, 8, 32))
    x = torch.empty(k * 1024 * batch, 4096, dtype=torch.bfloat16, device="meta")
    return Drill(
        en=f"A model has {layers} layers and {n} KV heads of width 128. How many GiB (2^30 bytes) "
           f"does its KV cache take in bf16, for a batch of {batch}, each of {k} Ki tokens?",
        zh=f"某模型有 {layers} 层、{n} 个宽 128 的 KV 头。bf16 下，batch 为 {batch}、每条 {k} Ki"
           f"（{k * 1024}）个 token，其 KV cache 占多少 GiB（2^30 字节）？",
        answer=layers * kept(x, n, n, 128).nbytes / 2**30,
        unit="GiB",
        steps=[
            (f"per token: 2 · {layers} · {n} · 128 · 2 bytes = {layers * n // 2} KiB",
             f"每 token：2 · {layers} · {n} · 128 · 2 字节 = {layers * n // 2} KiB"),
            (f"{layers * n // 2} KiB · {k} Ki · {batch} = {layers * n * k * batch // 2} MiB",) * 2,
        ],
        proved_by="llama2_7b_needs_half_a_mib_per_token",
    )


ZH = {
    "GiB (computed)": "GiB（计算值）",
    "bytes per token": "每 token 字节数",
    "bytes per token, {}": "{} 每 token 字节数",
    "bytes per token (computed)": "每 token 字节数（计算值）",
    "bytes per token and layer (computed)": "每 token 每层字节数（计算值）",
    "GiB at {} tokens": "{} 个 token 时的 GiB",
    "{} by MHA": "{}（MHA）",
    "{} over {}": "{} 与 {} 之比",
    "one KV head": "一个 KV 头",
    "one KV head of GQA": "GQA 的一个 KV 头",
}

if __name__ == "__main__":
    main()
