r"""What one transformer layer keeps for its backward pass, measured: 34·s·b·h + 5·a·s²·b bytes in the block of 2022, less in later ones.

一个 Transformer 层为反向保存多少，实测：2022 年的结构是 34·s·b·h + 5·a·s²·b 字节，后来的结构更少。

Korthikanti et al. 2022, §4.1: s tokens, b sequences, width h, a heads, 16 bit. Turn `times` to 2, as some do "for half
precision": the formula is in bytes already. 把 `times` 改为 2（有人说「半精度再乘 2」）：公式本来就以字节计。
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import named_model

BF16 = torch.bfloat16


def kept_bytes(block: nn.Module, tokens: int, batch: int, width: int) -> int:
    """Bytes that autograd keeps for one forward of a block in bf16: each storage once, parameters and constants left out."""
    x = torch.randn(batch, tokens, width).to(BF16).requires_grad_()
    owned = {t.untyped_storage().data_ptr() for t in (*block.parameters(), *block.buffers())}
    seen = {}

    def pack(t: Tensor) -> Tensor:
        if t.untyped_storage().data_ptr() not in owned:
            seen[t.untyped_storage().data_ptr()] = t.untyped_storage()   # held, so that no address is given twice
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        block(x)
    return sum(storage.nbytes() for storage in seen.values())


class GPTBlock(nn.Module):
    """The block that the formula of 2022 counts: LayerNorm, GELU, dropout, attention written out."""

    def __init__(self, width: int, heads: int, device: str = "cpu") -> None:
        super().__init__()
        made = {"device": device, "dtype": BF16}
        self.heads, self.norms = heads, nn.ModuleList(nn.LayerNorm(width, **made) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width, **made), nn.Linear(width, width, **made)
        self.up, self.down = nn.Linear(width, 4 * width, **made), nn.Linear(4 * width, width, **made)

    def forward(self, x: Tensor) -> Tensor:                          # (batch, tokens, width)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(self.norms[0](x)).chunk(3, -1))
        scores = (q @ k.mT) * q.shape[-1] ** -0.5                    # (batch, heads, tokens, tokens)
        p = dropout(scores.softmax(-1))
        x = x + dropout(self.out((p @ v).transpose(1, 2).flatten(2)))
        return x + dropout(self.down(functional.gelu(self.up(self.norms[1](x)))))


def dropout(x: Tensor) -> Tensor:
    """Dropout whose mask is a byte per number, as on a GPU."""
    return torch.native_dropout(x, 0.1, True)[0]


class FusedRMSNorm(torch.autograd.Function):
    """RMSNorm as a fused kernel keeps it: the input, and one fp32 number per token."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        scale = (x.float().square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, scale, weight)
        return (x.float() * scale).to(x.dtype) * weight

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        x, scale, weight = ctx.saved_tensors
        unit, wanted = x.float() * scale, (slope * weight).float()
        return (scale * (wanted - unit * (unit * wanted).mean(-1, keepdim=True))).to(x.dtype), None


class LlamaBlock(nn.Module):
    """RMSNorm, grouped heads, fused attention, SwiGLU; no dropout. (RoPE multiplies by constants and keeps nothing more.)"""

    def __init__(self, width: int, heads: int, kv_heads: int, d_ff: int, norm: str, attention: str) -> None:
        super().__init__()
        d_head, made = width // heads, {"bias": False, "dtype": BF16}
        self.d_head, self.fused, self.attention = d_head, norm == "fused", attention
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-6, dtype=BF16) for _ in range(2))
        self.q, self.k, self.v = (nn.Linear(width, n * d_head, **made) for n in (heads, kv_heads, kv_heads))
        self.out, self.gate, self.up, self.down = (
            nn.Linear(i, o, **made) for i, o in ((width, width), (width, d_ff), (width, d_ff), (d_ff, width)))

    def normed(self, k: int, x: Tensor) -> Tensor:
        return FusedRMSNorm.apply(x, self.norms[k].weight) if self.fused else self.norms[k](x)

    def forward(self, x: Tensor) -> Tensor:                          # (batch, tokens, width)
        y = self.normed(0, x)
        q, k, v = (layer(y).unflatten(-1, (-1, self.d_head)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        if self.attention == "fused":
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:
            k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
            mixed = (q @ k.mT).mul(self.d_head**-0.5).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        y = self.normed(1, x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


def gpt_bytes(s: int, b: int, h: int, a: int) -> int:
    """Korthikanti et al. 2022, equation (1), per layer: in bytes, 16-bit activations, dropout masks of a byte."""
    return 34 * s * b * h + 5 * a * s * s * b


def llama_bytes(s: int, b: int, h: int, g: float, f: float) -> float:
    """The same count for RMSNorm, fused attention and SwiGLU; g KV heads per query head, FFN of width f·h."""
    return (12 + 4 * g + 8 * f) * s * b * h


RANGES = {
    "tokens": each(between(8, 128), at_least=1, at_most=4), "batch": between(1, 3), "width": between(32, 96, multiple_of=32),
    "heads": one_of(2, 4), "times": one_of(1, 2), "d_ff": between(32, 256, multiple_of=32), "kv_heads": one_of(1, 2),
    "norm": one_of("fused", "nn.RMSNorm"), "attention": one_of("fused", "written out"),
    "lengths": each(between(256, 16384), at_least=2, rising=True), "kept": one_of("everything", "inputs of layers"),
}  # fmt: skip


@breaks(times=2, en="Multiplied by 2 for half precision the formula promises twice what a bf16 block keeps.",
        zh="再为半精度乘 2，公式给出的就是 bf16 层实际保存的两倍。")
def claim_gpt_block_keeps_34_and_5(tokens=(32, 64), batch=2, width=64, heads=4, times=1):
    """A GPT block of 2022 in bf16 keeps 34·s·b·h + 5·a·s²·b bytes per layer, and 8·s·b for the statistics of two LayerNorms.

    2022 年的 GPT 层在 bf16 下每层保存 34·s·b·h + 5·a·s²·b 字节，另有两个 LayerNorm 的统计量 8·s·b。"""
    got = [kept_bytes(GPTBlock(width, heads), s, batch, width) for s in tokens]
    wanted = [times * gpt_bytes(s, batch, width, heads) + 8 * s * batch for s in tokens]
    show(bars([f"s = {s}" for s in tokens], {"linear, 34·s·b·h": [34 * s * batch * width for s in tokens],
                                            "quadratic, 5·a·s²·b": [5 * heads * s * s * batch for s in tokens]}, y_label="bytes"))
    expect("bytes kept over the formula", [g / w for g, w in zip(got, wanted, strict=True)], equals=1, at=("tokens", tokens))


@breaks(attention="written out", en="Attention written out keeps an s × s matrix per head besides.",
        zh="未融合的注意力每个头还要保存 s × s 的矩阵。")
@breaks(norm="nn.RMSNorm", en="nn.RMSNorm on bf16, out of parts on a CPU, keeps fp32 tensors of the input's size.",
        zh="CPU 上 bf16 的 nn.RMSNorm 由多个算子拼成，会保存与输入同样大的 fp32 张量。")
def claim_llama_block_keeps_12_4g_8f(tokens=(32, 64), batch=2, width=64, heads=4, kv_heads=2, d_ff=224, norm="fused",
                                     attention="fused"):
    """With fused RMSNorm, fused attention and SwiGLU a layer keeps (12 + 4g + 8f)·s·b·h bytes and fp32 statistics, linear in s:
    g KV heads per query head, FFN f times as wide.

    RMSNorm 与注意力都融合、FFN 为 SwiGLU 时，一层保存 (12 + 4g + 8f)·s·b·h 字节，外加 fp32 统计量，对 s 是线性的：
    g 为 KV 头与 query 头之比，f 为 FFN 宽度倍数。"""
    block = LlamaBlock(width, heads, kv_heads, d_ff, norm, attention)
    got = [kept_bytes(block, s, batch, width) for s in tokens]
    # a log-sum-exp per head and token, a scale per norm and token, 4 bytes each
    wanted = [llama_bytes(s, batch, width, kv_heads / heads, d_ff / width) + 4 * s * batch * (heads + 2) for s in tokens]
    show(bars([f"s = {s}" for s in tokens], {"bytes kept": got, "by the formula": wanted}))
    expect("bytes kept over the formula", [g / w for g, w in zip(got, wanted, strict=True)], equals=1, within=1e-9,
           at=("tokens", tokens))


@breaks(kept="inputs of layers", en="Recomputed layer by layer, 8,192 tokens of GPT-3 keep 19 GB, not 3,421.",
        zh="逐层重计算时，GPT-3 的 8,192 个 token 只保存 19 GB，而不是 3,421 GB。")
def claim_long_sequences_outgrow_the_states(lengths=(1024, 2048, 4096, 8192), kept="everything"):
    """GPT-3's activations for one sequence are 89 GB at 1,024 tokens and 3,421 GB at 8,192 without FlashAttention or recomputation;
    its AdamW states are 2,800 GB at any length.

    不用 FlashAttention、不重计算时，GPT-3 一条序列的激活在 1,024 个 token 时为 89 GB，8,192 时为 3,421 GB；
    AdamW 的状态与长度无关，都是 2,800 GB。"""
    gpt3 = named_model("gpt-3-175b")
    h, a, layers = gpt3["width"], gpt3["heads"], gpt3["layers"]
    per_layer = (lambda s: gpt_bytes(s, 1, h, a)) if kept == "everything" else (lambda s: 2 * s * h)
    activations = [layers * per_layer(s) / 1e9 for s in lengths]
    numbers = layers * sum(p.numel() for p in GPTBlock(h, a, "meta").parameters())
    show(lines("tokens", lengths, {"activations": activations, "AdamW states": [16 * gpt3["total"] / 1e9] * len(lengths)},
               log="xy", y_label="GB"))
    expect("parameters in layers over the total", numbers / gpt3["total"], equals=1, within=0.01)
    expect("activations at 1,024 and 8,192 tokens, GB", [layers * per_layer(s) / 1e9 for s in (1024, 8192)], equals=[89.4, 3420.9],
           within=0.1)
    expect("AdamW states, GB", 16 * gpt3["total"] / 1e9, equals=2800)
    expect("quadratic over linear part at 1,024 tokens", 5 * a * 1024 / (34 * h), equals=40 / 34, within=1e-9)


def drill_llama_activations(rng) -> Drill:
    """GB of activations of a Llama-like model without recomputation."""
    name, k = rng.choice(["llama-3-8b", "llama-3.1-70b", "llama-2-7b"]), rng.choice([2, 4, 8])
    m = named_model(name)
    h, layers, g = m["width"], m["layers"], m["kv_heads"] / m["heads"]
    f = {"llama-3-8b": 3.5, "llama-3.1-70b": 3.5, "llama-2-7b": 2.6875}[name]
    value = layers * llama_bytes(1024 * k, 1, h, g, f) / 1e9
    per = 12 + 4 * g + 8 * f
    return Drill(
        en=f"{m['name']}: {layers} layers, width {h}, g = {g:g} KV heads per query head, FFN {f:g} times as wide. One sequence of "
           f"{1024 * k} tokens in bf16, fused norms and attention, no recomputation: how many GB (1e9 bytes) of activations in the "
           "layers, by (12 + 4g + 8f)·s·b·h bytes each?",
        zh=f"{m['name']}：{layers} 层，宽 {h}，KV 头与 query 头之比 g = {g:g}，FFN 宽度倍数 f = {f:g}。一条 {1024 * k} token 的序列，"
           "bf16，norm 与注意力都融合，不重计算。按每层 (12 + 4g + 8f)·s·b·h 字节，各层的激活共多少 GB（1e9 字节）？",
        answer=value, within=0.02 * value,
        steps=[(f"12 + 4g + 8f = {per:g} bytes per token and unit of width", f"12 + 4g + 8f = {per:g}，每 token 每单位宽度的字节"),
               (f"{layers} · {per:g} · {1024 * k} · {h} = {value:.1f} GB",) * 2],
        proved_by="llama_block_keeps_12_4g_8f",
    )


def drill_gpt_layer(rng) -> Drill:
    """Which part of the formula of 2022 is larger, as a ratio."""
    h, a, k = rng.choice([(4096, 32, 1), (4096, 32, 4), (8192, 64, 2), (12288, 96, 1), (12288, 96, 8), (2048, 16, 2)])
    ratio = 5 * a * 1024 * k / (34 * h)
    return Drill(
        en=f"A GPT block of 2022, width {h}, {a} heads, attention written out, {1024 * k} tokens: how many times the part linear in s "
           "is the quadratic part of its activations (34·s·b·h and 5·a·s²·b bytes)?",
        zh=f"2022 年的 GPT 层，宽 {h}，{a} 个头，注意力未融合，{1024 * k} 个 token：激活中平方部分是线性部分的多少倍"
           "（34·s·b·h 与 5·a·s²·b 字节）？",
        answer=ratio, within=0.02 * ratio,
        steps=[("5·a·s²·b over 34·s·b·h is 5·a·s / (34·h)", "5·a·s²·b 除以 34·s·b·h 等于 5·a·s / (34·h)"),
               (f"5 · {a} · {1024 * k} / (34 · {h}) = {ratio:.2f}",) * 2],
        proved_by="gpt_block_keeps_34_and_5",
    )


ZH = {
    "bytes": "字节", "linear, 34·s·b·h": "线性部分，34·s·b·h", "quadratic, 5·a·s²·b": "平方部分，5·a·s²·b", "tokens": "token 数",
    "s = {}": "s = {}", "bytes kept over the formula": "保存的字节与公式之比", "bytes kept": "保存的字节", "by the formula": "按公式",
    "activations": "激活值", "AdamW states": "AdamW 状态", "AdamW states, GB": "AdamW 状态，GB",
    "GB": "GB", "parameters in layers over the total": "各层参数与总数之比",
    "activations at 1,024 and 8,192 tokens, GB": "1,024 与 8,192 个 token 的激活，GB",
    "quadratic over linear part at 1,024 tokens": "1,024 个 token 时平方部分与线性部分之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
