r"""A Transformer layer costs 24nd² + 4n²d FLOPs: linear in the length up to about six widths.

一层 Transformer 需 24nd² + 4n²d FLOPs：长度在约六倍宽度以内，主要是线性项。

A FLOP is one multiplication or one addition, every pair of tokens is counted, batch 1; PaLM
(Chowdhery et al. 2022) counts so. Turn `ffn` to 0: the quadratic part is half as soon as n = 2d.
Turn `output` to False: 2nd² are missing. 把 `ffn` 改为 0：n = 2d 时平方项就占一半；把 `output` 改为 False：漏算 2nd²。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, each, expect, guess, lines, main, show, table
from studyapp.evidence.tools import flops, named_model


def layer(x: Tensor, heads: int, d_head: int, kv_heads: int, ffn: int, gated: bool,
          output: bool = True) -> Tensor:
    """The matrix products of one layer, x (tokens, width); norms and residuals have none."""
    width = x.shape[1]
    sizes = (heads, kv_heads, kv_heads)                                         # W_Q, W_K, W_V
    flat = [x @ x.new_empty(width, h * d_head) for h in sizes]                  # (tokens, h·d_head)
    q, k, v = (y.unflatten(1, (-1, d_head)).transpose(0, 1) for y in flat)      # (h, tokens, …)
    k, v = (t.repeat_interleave(heads // kv_heads, 0) for t in (k, v))
    mixed = ((q @ k.mT).softmax(-1) @ v).transpose(0, 1).flatten(1)             # (tokens, heads·…)
    y = mixed @ x.new_empty(heads * d_head, width) if output else mixed         # W_O
    if not ffn:
        return y
    hidden = F.gelu(x @ x.new_empty(width, ffn))
    if gated:
        hidden = hidden * (x @ x.new_empty(width, ffn))
    return hidden @ x.new_empty(ffn, width)                                     # (tokens, width)


def count(tokens: int, width: int, heads: int, *, d_head: int = 0, kv_heads: int = 0,
          ffn: int | None = None,
          gated: bool = False, output: bool = True) -> int:
    """FLOPs that torch's counter finds; on the meta device: shapes, and no data."""
    x = torch.empty(tokens, width, device="meta")
    return flops(layer, x, heads, d_head or width // heads, kv_heads or heads,
                 4 * width if ffn is None else ffn, gated, output)


RANGES = {
    "tokens": between(1, 16_384),
    "width": between(8, 4096, multiple_of="heads"),
    "heads": between(1, 64),
    "lengths": each(between(1, 16_384), at_least=2, rising=True),
    "head_counts": each(between(1, 64, divides="width")),
    "ffn": between(0, 8),
    "d_head": between(0, 256),
}
NO_FFN = breaks(ffn=0, en="Without the FFN two thirds of the linear part are gone.",
                zh="没有 FFN，线性部分就少了三分之二。")


@breaks(output=False, en="Without the output projection 2nd² are missing.", zh="漏掉输出投影，少算 2nd²。")
def claim_counted_flops_equal_the_formula(width=768, heads=12, lengths=(128, 512, 2048, 8192),
                                          output=True):
    """A layer costs 6nd² for Q, K, V, 4n²d for QKᵀ and P·V, 2nd² for W_O and 16nd² for a 4d-wide
    FFN: 24nd² + 4n²d.

    一层的开销：Q、K、V 为 6nd²，QKᵀ 与 P·V 共 4n²d，W_O 为 2nd²，4d 宽的 FFN 为 16nd²，合计 24nd² + 4n²d。"""
    d, counted = width, [count(n, width, heads, output=output) for n in lengths]
    parts = {"pairs": [4 * n * n * d for n in lengths],
             "projections": [8 * n * d * d for n in lengths],
             "FFN": [16 * n * d * d for n in lengths]}
    show(lines("n", lengths, parts, log="xy", y_label="FLOPs", title=f"d = {d}"))
    expect("FLOPs of a layer", counted, equals=[24 * n * d * d + 4 * n * n * d for n in lengths],
           at=("n", lengths))
    theirs = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, batch_first=True, bias=False,
                                        device="meta").train()
    by_torch = [flops(theirs, torch.empty(1, n, d, device="meta")) for n in lengths]
    expect("FLOPs of nn.TransformerEncoderLayer", by_torch, equals=counted, at=("n", lengths))


@NO_FFN
def claim_quadratic_share_is_n_over_n_plus_6d(width=768, heads=12, lengths=(128, 512, 2048, 8192),
                                              ffn=4):
    """The quadratic share of a layer's FLOPs is n/(n + 6d): a tenth in BERT-base at its full 512
    tokens.

    一层 FLOPs 中平方项占 n/(n + 6d)：BERT-base 用满 512 个 token 时也只占十分之一。"""
    bare = [count(n, width, heads, ffn=ffn * width) for n in lengths]
    alone = count(1, width, heads, ffn=ffn * width) - 4 * width      # one token has one pair: 4d
    linear = [n * alone for n in lengths]
    shares = [1 - a / b for a, b in zip(linear, bare, strict=True)]
    show(lines("n", lengths, {"QKᵀ and P·V": shares,
                              "projections and FFN": [1 - s for s in shares]}, log="x",
               y_label="share"))
    expect("quadratic share", shares, equals=[n / (n + 6 * width) for n in lengths], within=1e-12,
           at=("n", lengths))


@NO_FFN
@guess("n/d, all the rest", unit="×",
       en="A GPT block with an FFN of 4d: from which n, in units of d, do QKᵀ and P·V cost as much as all the rest of the layer?",
       zh="FFN 为 4d 的 GPT 层：n 到几倍的 d 时，QKᵀ 与 P·V 追平该层其余全部？")
def claim_pairs_overtake_at_2d_and_6d(width=768, heads=12, ffn=4):
    """QKᵀ and P·V cost as much as the four projections at n = 2d, and as the whole rest of the
    layer at n = 6d; GQA and a gated FFN move the second point to 6.5d = 26,624 in Llama 3 8B.

    QKᵀ 与 P·V 在 n = 2d 处追平四个投影，在 n = 6d 处追平该层其余全部；GQA 与门控 FFN 使 Llama 3 8B 的第二个点移到
    6.5d = 26,624。"""

    def even(width: int, **how) -> float:
        """n at which the quadratic part equals the rest: counts at two lengths give both
        coefficients."""
        one, two = count(64, width, **how), count(128, width, **how)
        quadratic = (two - 2 * one) / (128**2 - 2 * 64**2)
        return (one / 64 - 64 * quadratic) / quadratic

    models = {}
    for name in ("bert-base", "llama-3-8b", "llama-3.1-405b"):
        row = named_model(name)
        gated = row["ffn"]["kind"] != "gelu"
        models[row["name"]] = even(row["width"], heads=row["heads"], d_head=row["d_head"],
                                   kv_heads=row["kv_heads"],
                                   ffn=row["ffn"]["d_ff"], gated=gated) / row["width"]
    show(bars(list(models), {"n/d at which the pairs are half": list(models.values())}))
    expect("n/d, projections alone", even(width, heads=heads, ffn=0) / width, equals=2, within=1e-9)
    expect("n/d, all the rest", even(width, heads=heads, ffn=ffn * width) / width, equals=6,
           within=1e-9)
    expect("n/d of Llama 3 8B", models["Llama 3 8B"], equals=6.5, within=1e-9)


@breaks(d_head=64, en="More heads of a fixed size are a wider attention.",
        zh="头的维度固定时，头数越多，注意力就越宽。")
def claim_heads_do_not_change_matmul_flops(width=768, head_counts=(1, 4, 12, 48), tokens=512,
                                           d_head=0):
    """As long as h·d_head is the width, the number of heads changes no matmul FLOPs, only the
    number of scores, h·n².

    只要 h·d_head 等于宽度，头数就不改变矩阵乘的 FLOPs，只改变分数的个数 h·n²。"""
    totals = [count(tokens, width, h, d_head=d_head) for h in head_counts]
    show(table({"heads": head_counts, "matmul FLOPs": totals,
                "scores": [h * tokens**2 for h in head_counts]}))
    expect("matmul FLOPs", totals, equals=24 * tokens * width**2 + 4 * tokens**2 * width,
           at=("heads", head_counts))


def drill_forward(rng) -> Drill:
    """GFLOPs of attention forward."""
    n, d = rng.choice([(1024, 1024), (2048, 1024), (2048, 2048), (4096, 2048), (4096, 4096),
                       (8192, 4096)])
    got = count(n, d, d // 128, ffn=0)
    p, t = 8 * n * d * d / 1e9, 4 * n * n * d / 1e9
    return Drill(
        en=f"Multi-head self-attention, width d = {d}, n = {n} tokens, batch 1, W_O included, "
           "every pair counted, a multiply-add as 2. How many GFLOPs forward?",
        zh=f"多头自注意力，宽度 d = {d}，n = {n} 个 token，batch 为 1，含 W_O，所有对都计，"
           "一次乘加计 2。前向多少 GFLOPs？",
        answer=got / 1e9, unit="GFLOPs", within=0.02 * got / 1e9,
        steps=[(f"four projections: 8nd² = {p:.4g}", f"四个投影：8nd² = {p:.4g}"),
               (f"QKᵀ and P·V: 4n²d = {t:.4g}", f"QKᵀ 与 P·V：4n²d = {t:.4g}"),
               (f"together {p + t:.4g}", f"合计 {p + t:.4g}")],
        proved_by="counted_flops_equal_the_formula",
    )


def drill_share(rng) -> Drill:
    """Share of the quadratic part."""
    d, n = rng.choice([(1024, 2048), (1024, 6144), (2048, 4096), (4096, 8192), (4096, 24576),
                       (4096, 131072)])
    return Drill(
        en=f"A layer of width d = {d} with four d × d projections and an FFN of width 4d runs over "
           f"n = {n} tokens, every pair counted. Which share of its matmul FLOPs is QKᵀ and P·V, in percent?",
        zh=f"一层宽 d = {d}，四个 d × d 投影，FFN 宽 4d，处理 n = {n} 个 token，所有对都计。"
           "QKᵀ 与 P·V 占矩阵乘 FLOPs 的百分之几？",
        answer=400 * n * n * d / count(n, d, 8), unit="%", within=0.6,
        steps=[("4n²d beside 24nd²: n/(n + 6d)", "4n²d 与 24nd² 相比：n/(n + 6d)"),
               (f"{n} / ({n} + {6 * d}) = {n / (n + 6 * d):.1%}",
                f"{n} / ({n} + {6 * d}) = {n / (n + 6 * d):.1%}")],
        proved_by="quadratic_share_is_n_over_n_plus_6d",
    )


ZH = {
    "pairs": "两两交互",
    "projections": "投影",
    "FLOPs of a layer": "一层的 FLOPs",
    "FLOPs of nn.TransformerEncoderLayer": "nn.TransformerEncoderLayer 的 FLOPs",
    "QKᵀ and P·V": "QKᵀ 与 P·V",
    "projections and FFN": "投影与 FFN",
    "share": "占比",
    "quadratic share": "平方项占比",
    "n/d at which the pairs are half": "两两交互占一半时的 n/d",
    "n/d, projections alone": "n/d，只与投影相比",
    "n/d, all the rest": "n/d，与其余全部相比",
    "n/d of Llama 3 8B": "Llama 3 8B 的 n/d",
    "heads": "头数",
    "matmul FLOPs": "矩阵乘的 FLOPs",
    "scores": "分数个数",
}

if __name__ == "__main__":
    main()
