r"""The KV cache holds 2 · layers · KV heads · head width numbers for every token of every sequence.

KV cache 为每条序列的每个 token 保存 2 · 层数 · KV 头数 · 头宽 个数。

Ainslie et al. 2023 (GQA); DeepSeek-AI 2024 (MLA). Measured on a small model that decodes; named models allocated on torch's
meta device from their published configurations, so computed and not measured. Turn `kv_heads`, `tokens`, `batch`.
"""

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


class Attention:
    """Grouped-query attention with a cache: h query heads share n KV heads of width d_h."""

    def __init__(self, heads: int, groups: int, head_width: int, dtype=torch.float32):
        width = heads * head_width
        self.heads, self.groups = heads, groups
        self.q = (torch.randn(width, width) / width**0.5).to(dtype)
        self.kv = (torch.randn(width, 2 * groups * head_width) / width**0.5).to(dtype)
        self.k = self.v = None

    def __call__(self, x: Tensor) -> Tensor:
        """Attend from x (B, T, h·d_h), the newest positions, over everything seen so far."""
        q = (x @ self.q).unflatten(-1, (self.heads, -1)).transpose(1, 2)                      # (B, h, T, d_h)
        k, v = (t.unflatten(-1, (self.groups, -1)).transpose(1, 2) for t in (x @ self.kv).chunk(2, -1))
        self.k = k.contiguous() if self.k is None else torch.cat([self.k, k], 2)              # (B, n, past + T, d_h)
        self.v = v.contiguous() if self.v is None else torch.cat([self.v, v], 2)
        k, v = (t.repeat_interleave(self.heads // self.groups, 1) for t in (self.k, self.v))  # for the product only
        return (q @ k.transpose(-1, -2) / k.shape[-1] ** 0.5).softmax(-1) @ v


def decoded_bytes(layers: int, heads: int, groups: int, head_width: int, tokens: int, batch: int, dtype=torch.float32) -> int:
    """Bytes that the cache occupies after a small model took in `tokens` tokens one by one."""
    stack = [Attention(heads, groups, head_width, dtype) for _ in range(layers)]
    for _ in range(tokens):
        x = torch.randn(batch, 1, heads * head_width).to(dtype)
        for layer in stack:
            x = x + layer(x).transpose(1, 2).flatten(2)
    return sum(t.untyped_storage().nbytes() for layer in stack for t in (layer.k, layer.v))


def allocated(layers: int, per_layer: tuple[int, ...], tokens: int, dtype=torch.float16) -> int:
    """Bytes of a cache tensor of that shape, allocated without memory behind it."""
    return torch.empty(layers, tokens, *per_layer, dtype=dtype, device="meta").nbytes


def claim_measured_bytes_equal_the_formula(tokens=(4, 16, 32), batch=2, layers=2, heads=8, groups=2, head_width=8):
    """The cache of a decoding model occupies 2·b·L·n·s·d_h numbers, exactly.

    解码中的模型，其 cache 恰好占 2·b·L·n·s·d_h 个数。"""
    measured = [decoded_bytes(layers, heads, groups, head_width, s, batch) for s in tokens]
    formula = [2 * batch * layers * groups * s * head_width * 4 for s in tokens]
    show(lines("tokens", tokens, {"bytes occupied": measured, "2·b·L·n·s·d_h·4": formula}))
    expect("bytes of the cache", measured, equals=formula, at=("tokens", tokens))


def claim_gqa_divides_by_group_size(kv_heads=(8, 4, 2, 1), heads=8, layers=2, head_width=8, context=16):
    """With n KV heads for h query heads the cache is n/h of MHA's: n = h is MHA, n = 1 is MQA.

    h 个 query 头配 n 个 KV 头时，cache 是 MHA 的 n/h：n = h 即 MHA，n = 1 即 MQA。"""
    measured = [decoded_bytes(layers, heads, n, head_width, context, 1) for n in kv_heads]
    full = decoded_bytes(layers, heads, heads, head_width, context, 1)
    show(table({"KV heads n": kv_heads, "bytes": measured, "share of MHA": [m / full for m in measured]}))
    expect("cache over MHA's cache", [m / full for m in measured], equals=[n / heads for n in kv_heads], at=("n", kv_heads))


def claim_llama2_7b_needs_half_a_mib_per_token(tokens_long=(1, 1024, 4096, 32768, 131072)):
    """Llama-2-7B (32 layers, 32 KV heads of 128) keeps 524,288 bytes a token in fp16: 2 GiB at 4096 tokens.

    Llama-2-7B（32 层，32 个宽 128 的 KV 头）fp16 下每 token 存 524,288 字节：4096 个 token 就是 2 GiB。"""
    gib = [allocated(32, (2, 32, 128), s) / 2**30 for s in tokens_long]
    show(lines("tokens", tokens_long, {"GiB (computed)": gib}, log="xy"))
    expect("bytes a token", allocated(32, (2, 32, 128), 1), equals=524288)
    expect("GiB at 4096 tokens", allocated(32, (2, 32, 128), 4096) / 2**30, equals=2)


def claim_llama2_70b_saves_eightfold_by_gqa():
    """Llama-2-70B (80 layers, 64 heads, 8 KV heads) keeps 327,680 bytes a token, an eighth of the 2,621,440 of MHA.

    Llama-2-70B（80 层、64 头、8 个 KV 头）每 token 存 327,680 字节，是 MHA 的 2,621,440 字节的八分之一。"""
    grouped, full = (allocated(80, (2, n, 128), 1) for n in (8, 64))
    show(table({"": ["GQA, 8 KV heads", "MHA, 64 heads"], "bytes a token": [grouped, full],
                "GiB at 4096 tokens": [4096 * b / 2**30 for b in (grouped, full)]}))
    expect("bytes a token by GQA", grouped, equals=327680)
    expect("MHA over GQA", full / grouped, equals=8)
    expect("GiB at 4096 tokens", 4096 * grouped / 2**30, equals=1.25)


def claim_mistral_saves_fourfold():
    """Mistral 7B (32 layers, 8 KV heads of 128) keeps 131,072 bytes a token, a quarter of Llama-2-7B's.

    Mistral 7B（32 层、8 个宽 128 的 KV 头）每 token 存 131,072 字节，是 Llama-2-7B 的四分之一。"""
    mistral, llama = (allocated(32, (2, n, 128), 1) for n in (8, 32))
    show(table({"model": ["Mistral 7B", "Llama-2-7B"], "bytes a token": [mistral, llama]}))
    expect("bytes a token", mistral, equals=131072)
    expect("Llama-2-7B over Mistral 7B", llama / mistral, equals=4)


def claim_mla_equals_two_and_a_quarter_groups(latent=512, rotary=64, head_width_mla=128):
    """MLA keeps one latent of 512 and one rotary key of 64 a layer: as much as GQA with 2.25 groups of width 128.

    MLA 每层存 512 维隐向量和 64 维旋转 key：等于宽 128、2.25 组的 GQA。"""
    mla = allocated(1, (latent + rotary,), 1, torch.bfloat16)
    group = allocated(1, (2, 1, head_width_mla), 1, torch.bfloat16)
    show(table({"": ["MLA", "one KV head of GQA"], "bytes a token and layer": [mla, group]}),
         table({"": ["DeepSeek-V3, 61 layers"], "bytes a token": [61 * mla]}))
    expect("MLA over one KV head", mla / group, equals=2.25)
    expect("DeepSeek-V3, bytes a token", 61 * mla, equals=70272)


def claim_eight_bit_cache_halves_the_bytes(context=16):
    """An 8-bit cache is half the 16-bit one; int8 with one fp16 scale a head and token of width 128 adds 1.6 percent.

    8-bit cache 是 16-bit 的一半；int8 若每个 token 每个头（宽 128）配一个 fp16 scale，再多 1.6%。"""
    x = torch.randn(context, 32, 128).half()
    scale = x.abs().amax(-1, keepdim=True) / 127                                              # (T, n, 1)
    small = (x / scale).round().to(torch.int8)
    error = ((small * scale - x).float().norm() / x.float().norm()).item()
    show(table({"": ["fp16", "int8", "scales"], "bytes": [x.nbytes, small.nbytes, scale.nbytes]}),
         table({"": ["relative error of int8"], "norm": [error]}))
    expect("int8 over fp16", small.nbytes / x.nbytes, equals=0.5)
    expect("scales over int8", scale.nbytes / small.nbytes, equals=2 / 128)
    expect("relative error", error, at_most=0.02)


if __name__ == "__main__":
    main()
