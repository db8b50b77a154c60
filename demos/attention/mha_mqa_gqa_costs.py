r"""Fewer KV heads: attention itself costs the same; projections and the bytes of a decode step shrink.

减少 KV 头：注意力本身的计算量不变，缩小的是投影，以及解码每步读取的字节。

MQA: Shazeer 2019; GQA: Ainslie et al. 2023. h query heads share n KV heads: n = h is MHA, n = 1 is MQA. FLOPs count a
multiply-add as 2, all s × s scores and no mask. Turn `order` to "interleaved": repeated that way, it is another function.
把 `order` 改为 "interleaved"：按交错的次序重复，就成了另一个函数。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import flops


@exercise(
    claims=("gqa_equals_repeated_kv", "extremes_are_mha_and_mqa"),
    wrong=("interleaves_the_groups", "forgets_the_scale", "scales_by_the_rows", "softmax_over_queries"),
)
def grouped_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention without a mask in which query heads share KV heads by groups, and K and V are never
    repeated. q and the output are (batch, heads, s, d_head); k and v are (batch, kv_heads, t, d_head).
    Query head i reads KV head i // (heads / kv_heads).

    不加掩码的注意力：query 头按组共用 KV 头，且从不复制 K、V。q 与输出为 (batch, heads, s, d_head)，k 与 v
    为 (batch, kv_heads, t, d_head)。第 i 个 query 头读第 i // (heads / kv_heads) 个 KV 头。"""
    # (batch, kv_heads, h/n · s, d_head): a group's queries
    rows = q.reshape(len(q), k.shape[1], -1, q.shape[-1])
    weights = (rows @ k.mT / q.shape[-1] ** 0.5).softmax(-1)         # (batch, kv_heads, h/n · s, t)
    return (weights @ v).view(q.shape)                               # (batch, heads, s, d_head)


class Attention(nn.Module):
    """A layer of `heads` query and `kv_heads` KV heads, without biases."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.d_head = width // heads
        self.q, self.o = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.k, self.v = (nn.Linear(width, kv_heads * self.d_head, bias=False) for _ in range(2))

    def projected(self, x: Tensor) -> list[Tensor]:
        """Queries, keys and values of x (batch, s, width): (batch, heads or kv_heads, s, d_head)."""
        return [w(x).unflatten(-1, (-1, self.d_head)).transpose(1, 2) for w in (self.q, self.k, self.v)]

    def forward(self, x: Tensor) -> Tensor:
        return self.o(grouped_attention(*self.projected(x)).transpose(1, 2).flatten(2))


RANGES = {
    "heads": between(1, 32),
    "kv_heads": each(between(1, "heads", divides="heads")),
    "width": between(1, 512, multiple_of="heads"),
    "tokens": between(1, 512),
    "order": one_of("in a row", "interleaved"),
    "cached": one_of("KV heads", "query heads"),
    "projected": one_of("KV heads", "query heads"),
}
INTERLEAVED = breaks(order="interleaved",
                     en="Repeated as 0, 1, 0, 1 instead of 0, 0, 1, 1, a query head reads the wrong KV head.",
                     zh="若按 0、1、0、1 而不是 0、0、1、1 的次序重复，query 头就读错了 KV 头。")
REPEATED = breaks(cached="query heads",
                  en="If K and V are cached once for each query head, the intensity stays 1 for every n.",
                  zh="若为每个 query 头各存一份 K、V，无论 n 取多少，强度都是 1。")


@INTERLEAVED
def claim_gqa_equals_repeated_kv(heads=8, kv_heads=(8, 4, 2, 1), width=64, tokens=32, order="in a row"):
    """GQA is MHA with each KV head repeated h/n times in a row; repeated in another order it is another
    function.

    GQA 等于把每个 KV 头连续重复 h/n 次的 MHA；重复的次序不同，就是另一个函数。"""
    gaps = []
    for n in kv_heads:
        q, k, v = torch.randn(2, heads, tokens, width // heads), *torch.randn(2, 2, n, tokens, width // heads)
        repeat = {"in a row": lambda x, g: x.repeat_interleave(g, 1), "interleaved": lambda x,
                  g: x.repeat(1, g, 1, 1)}[order]
        full = F.scaled_dot_product_attention(q, repeat(k, heads // n), repeat(v, heads // n))
        gaps.append((grouped_attention(q, k, v) - full).abs().max())
    show(bars([f"n = {n}" for n in kv_heads], {"largest difference": gaps}))
    # float32 outputs below about 4 from up to 512 terms, summed in another order
    expect("grouped attention less torch's over repeated K and V", gaps, equals=0, within=1e-5, at=("n", kv_heads))


@breaks(order="interleaved", en="With more than one KV head the interleaved order gives another output.",
        zh="KV 头多于一个时，交错的次序会给出另一个结果。")
def claim_extremes_are_mha_and_mqa(heads=8, width=64, tokens=32, order="in a row"):
    """n = h is nn.MultiheadAttention, and n = 1 lets all query heads read one K and one V.

    n = h 就是 nn.MultiheadAttention；n = 1 就是所有 query 头共读一个 K 和一个 V。"""
    x, mha, mqa = torch.randn(1, tokens, width), Attention(width, heads, heads), Attention(width, heads, 1)
    torchs = nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
    places = torch.arange(width).view(heads, -1)                     # (heads, d_head)
    rows = (places if order == "in a row" else places.roll(1, 0)).flatten()
    torchs.in_proj_weight.data = torch.cat([mha.q.weight, mha.k.weight[rows], mha.v.weight[rows]]).detach()
    torchs.out_proj.weight.data = mha.o.weight.detach()
    q, k, v = mqa.projected(x)
    shared = torch.cat([F.scaled_dot_product_attention(q[:, i], k[:, 0], v[:, 0]) for i in range(heads)], -1)
    gaps = [(mha(x) - torchs(x, x, x, need_weights=False)[0]).abs().max(), (mqa(x) - mqa.o(shared)).abs().max()]
    show(table({"KV heads": ["n = h", "n = 1"], "largest difference": gaps}))
    expect("n = h less nn.MultiheadAttention, n = 1 less a loop over heads", gaps, equals=0, within=1e-5)


@breaks(projected="query heads", en="If every query head had a K and V of its own, the projections would not shrink.",
        zh="若每个 query 头各有自己的 K、V，投影就不会缩小。")
def claim_flops_formula_is_exact(heads=8, kv_heads=(8, 4, 2, 1), width=64, tokens=64, projected="KV heads"):
    """The four projections hold 2D²(1 + n/h) weights and cost 4sD²(1 + n/h) FLOPs; QKᵀ and PV cost 4s²D
    with any n.

    四个投影共有 2D²(1 + n/h) 个权重，计算量 4sD²(1 + n/h) FLOPs；QKᵀ 与 PV 无论 n 取多少都是 4s²D。"""
    x = torch.randn(1, tokens, width)
    layers = [Attention(width, heads, n if projected == "KV heads" else heads) for n in kv_heads]
    core = [flops(grouped_attention, *layer.projected(x)) for layer in layers]
    maps = [flops(layer, x) - c for layer, c in zip(layers, core, strict=True)]
    show(bars([f"n = {n}" for n in kv_heads], {"projections": maps, "scores and values": core}, y_label="FLOPs"))
    held = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    expect("weights", held, equals=[2 * width**2 * (heads + n) // heads for n in kv_heads], at=("n", kv_heads))
    expect("FLOPs of the projections", maps, at=("n", kv_heads),
           equals=[4 * tokens * width**2 * (heads + n) // heads for n in kv_heads])
    expect("FLOPs of scores and values", core, equals=4 * tokens**2 * width, at=("n", kv_heads))


@REPEATED
def claim_decode_intensity_is_h_over_n(heads=8, kv_heads=(8, 4, 2, 1), width=64, tokens=64, cached="KV heads"):
    """A decode step does h/n attention FLOPs per byte of a 16-bit KV cache: 1 with MHA, h with MQA.

    解码一步，16 bit 的 KV cache 每字节对应 h/n 次注意力 FLOP：MHA 为 1，MQA 为 h。"""
    intensity = []
    for n in kv_heads:
        kept = n if cached == "KV heads" else heads
        q, kv = torch.randn(1, heads, 1, width // heads), torch.randn(2, 1, kept, tokens, width // heads)
        intensity.append(flops(grouped_attention, q, *kv) / kv.bfloat16().nbytes)
    show(lines("h/n", [heads / n for n in kv_heads], {"FLOPs per byte": intensity}))
    expect("FLOPs per byte of the cache", intensity, equals=[heads / n for n in kv_heads], within=1e-9,
           at=("n", kv_heads))


def drill_projection_weights(rng) -> Drill:
    """Weights of the four projections of a GQA layer."""
    heads, n, d_head = rng.choice(((32, 8, 128), (64, 8, 128), (16, 4, 64), (40, 8, 128)))
    width = heads * d_head
    with torch.device("meta"):
        layer = Attention(width, heads, n)
    return Drill(
        en=f"A layer has width {width}, {heads} query heads and {n} KV heads of width {d_head}, no biases. "
           f"How many million weights do W_Q, W_K, W_V and W_O hold together?",
        zh=f"某层宽 {width}，有 {heads} 个 query 头、{n} 个 KV 头，头宽 {d_head}，无偏置。W_Q、W_K、W_V、W_O 共有多少百万个权重？",
        answer=sum(p.numel() for p in layer.parameters()) / 1e6,
        unit="M",
        steps=[
            (f"W_Q and W_O: 2 · {width}² = {2 * width**2 / 1e6:.1f} M",
             f"W_Q 与 W_O：2 · {width}² = {2 * width**2 / 1e6:.1f} M"),
            (f"W_K and W_V: that times n/h = {n}/{heads}", f"W_K 与 W_V：再乘 n/h = {n}/{heads}"),
        ],
        proved_by="flops_formula_is_exact",
    )


ZH = {
    "grouped attention less torch's over repeated K and V": "分组注意力与 torch 在重复后的 K、V 上的结果之差",
    "largest difference": "最大差异",
    "KV heads": "KV 头",
    "n = h less nn.MultiheadAttention, n = 1 less a loop over heads": "n = h 与 nn.MultiheadAttention 之差、n = 1 与逐头循环之差",
    "projections": "投影",
    "scores and values": "分数与加权求和",
    "weights": "权重数",
    "FLOPs of the projections": "投影的 FLOPs",
    "FLOPs of scores and values": "分数与加权求和的 FLOPs",
    "FLOPs per byte": "每字节 FLOPs",
    "FLOPs per byte of the cache": "cache 每字节的 FLOPs",
}

if __name__ == "__main__":
    main()
