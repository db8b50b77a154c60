r"""A Transformer layer holds 12d² weights and biases of 13d more; a decoder layer adds an attention.

Transformer 一层有 12d² 个权重，另有 13d 个偏置与归一化参数；decoder 层再多一个注意力。

Vaswani et al. 2017, Table 3. Turn `attentions` to 1: a decoder layer without cross-attention is an
encoder layer, and the published sizes are missed.
把 `attentions` 改为 1：没有交叉注意力的 decoder 层只是 encoder 层，也得不到公布的规模。
"""

import torch
from torch import nn

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    main,
    one_of,
    show,
    table,
)


@exercise(claims=("decoder_layer_adds_an_attention_and_a_norm", "encoder_layer_is_12d2_plus_13d"),
          wrong=("multiplies_by_the_heads", "forgets_the_output_projection", "forgets_the_norms"))
def layer_parameters(width: int, d_ff: int, attentions: int) -> int:
    """All parameters of one layer with biases: `attentions` blocks of multi-head attention (1 in an
    encoder, 2 in a decoder), an FFN of width d_ff, and a LayerNorm with gain and bias for each.

    一层的全部参数（含偏置）：`attentions` 个多头注意力（encoder 为 1，decoder 为 2）、一个宽 d_ff 的 FFN，
    以及每个子层一个带增益与偏置的 LayerNorm。"""
    attention = 4 * (width * width + width)                # W_Q, W_K, W_V, W_O; heads cut, not add
    ffn = width * d_ff + d_ff + d_ff * width + width
    return attentions * attention + ffn + (attentions + 1) * 2 * width


def torchs(kind: type[nn.Module], width: int, d_ff: int, heads: int) -> int:
    """PyTorch's own layer, built without memory and counted."""
    return sum(p.numel() for p in kind(width, heads, d_ff, device="meta").parameters())


RANGES = {
    "widths": each(between(8, 16384, multiple_of=8)),
    "heads": one_of(1, 2, 4, 8),
    "ratio": one_of(4, 2),
    "attentions": one_of(2, 1),
    "tables": one_of(1, 3),
    "vocabulary": between(36000, 38000),
}


@breaks(ratio=2, en="12d² counts an FFN four times as wide as the model.",
        zh="12d² 里的 FFN 是模型宽度的四倍。")
def claim_encoder_layer_is_12d2_plus_13d(widths=(64, 512, 768, 12288), heads=8, ratio=4):
    """With an FFN of four widths an encoder layer has 12d² + 13d parameters, at any number of
    heads.

    FFN 宽度为四倍时，encoder 层有 12d² + 13d 个参数，与头数无关。"""
    counted = [torchs(nn.TransformerEncoderLayer, d, ratio * d, heads) for d in widths]
    parts = {"attention": [4 * d * d + 4 * d for d in widths],
             "feed-forward network": [2 * ratio * d * d + (ratio + 1) * d for d in widths],
             "norms": [4 * d for d in widths]}
    show(bars([f"d = {d}" for d in widths],
              {name: [n / c for n, c in zip(part, counted, strict=True)]
               for name, part in parts.items()}, title="share of the layer"),
         table({"d": widths, "PyTorch": counted, "12d² + 13d": [12 * d * d + 13 * d for d in widths]}))
    expect("parameters of PyTorch's layer", counted, equals=[12 * d * d + 13 * d for d in widths],
           at=("d", widths))
    expect("parameters by the function",
           [layer_parameters(d, ratio * d, 1) for d in widths], equals=counted, at=("d", widths))
    alone = [torchs(nn.TransformerEncoderLayer, d, ratio * d, 1) for d in widths]
    expect("parameters with one head", alone, equals=counted, at=("d", widths))


@breaks(attentions=1, en="That leaves out the cross-attention.", zh="那样就漏掉了交叉注意力。")
def claim_decoder_layer_adds_an_attention_and_a_norm(
    widths=(64, 512, 768, 1024), heads=8, ratio=4, attentions=2
):
    """A decoder layer has 4d² + 6d parameters more than an encoder layer: cross-attention and its
    norm.

    decoder 层比 encoder 层多 4d² + 6d 个参数：交叉注意力及其归一化。"""
    sizes = [(torchs(nn.TransformerDecoderLayer, d, ratio * d, heads),
              torchs(nn.TransformerEncoderLayer, d, ratio * d, heads)) for d in widths]
    show(table({"d": widths, "decoder layer": [a for a, _ in sizes],
                "encoder layer": [b for _, b in sizes], "difference": [a - b for a, b in sizes]}))
    expect("PyTorch's decoder layer less its encoder layer", [a - b for a, b in sizes],
           equals=[4 * d * d + 6 * d for d in widths], at=("d", widths))
    expect("decoder layer by the function",
           [layer_parameters(d, ratio * d, attentions) for d in widths],
           equals=[a for a, _ in sizes], at=("d", widths))


@breaks(tables=3, en="Three tables of their own would make the base model over 100 million.",
        zh="若三张表各自独立，base 就超过 1 亿。")
@breaks(attentions=1, en="Without cross-attention 6 layers of 4d² are missing.",
        zh="没有交叉注意力，就少了 6 层各 4d²。")
def claim_published_sizes_share_one_table(vocabulary=37000, tables=1, attentions=2):
    """Six encoder and six decoder layers and one shared table of 37,000 rows give 63 and 214
    million, within 5 % of the published 65 and 213.

    6 层 encoder、6 层 decoder 加一张共享的 37,000 行嵌入表，得到 6300 万与 2.14 亿，与公布的 6500 万和 2.13 亿
    相差不到 5%。"""
    published = {"base": (512, 2048, 65e6), "big": (1024, 4096, 213e6)}
    layers = [6 * (layer_parameters(d, f, 1) + layer_parameters(d, f, attentions))
              for d, f, _ in published.values()]
    rows = [tables * vocabulary * d for d, _, _ in published.values()]
    totals = [a + b for a, b in zip(layers, rows, strict=True)]
    show(bars(list(published), {"layers": layers, "embedding": rows},
              y_label="parameters"))
    # The report rounds to a million and its vocabulary («about 37000») to a thousand.
    expect("parameters over the published number",
           [t / n for t, (_, _, n) in zip(totals, published.values(), strict=True)], equals=1,
           within=0.05, at=("model", list(published)))
    with torch.device("meta"):
        whole = sum(p.numel() for p in nn.Transformer(512, 8, 6, 6, 2048, batch_first=True).parameters())
    # nn.Transformer ends each stack with a norm that the paper does not have.
    expect("nn.Transformer less its two extra norms", whole - 4 * 512, equals=layers[0])


def drill_layer(rng) -> Drill:
    """The weights of an encoder or decoder layer from its width."""
    d, decoder = rng.choice([512, 1024, 2048, 4096]), rng.choice([False, True])
    factor, name = (16, "a decoder") if decoder else (12, "an encoder")
    exact = layer_parameters(d, 4 * d, 2 if decoder else 1)
    return Drill(
        en=f"About how many parameters, in millions, has {name} layer of the 2017 Transformer with "
           f"width {d} and an FFN of four widths? Within 2%; leave out biases and norms.",
        zh=f"宽度 {d}、FFN 为四倍宽的 2017 年 Transformer 的一个 {name.split()[1]} 层约有多少百万参数？误差 2% 以内，"
           "偏置与归一化可忽略。",
        answer=exact / 1e6, within=0.02 * exact / 1e6,
        steps=[(f"each attention 4d² {'(two of them) ' if decoder else ''}and the FFN 8d²: {factor}d²",
                f"每个注意力 4d²{'（有两个）' if decoder else ''}，FFN 8d²：共 {factor}d²"),
               (f"{factor} · {d}² = {factor * d * d / 1e6:.2f} million",
                f"{factor} · {d}² = {factor * d * d / 1e6:.2f} 百万")],
        proved_by="decoder_layer_adds_an_attention_and_a_norm",
    )


ZH = {
    "base": "base", "big": "big",
    "norms": "归一化", "share of the layer": "在一层中所占份额",
    "parameters of PyTorch's layer": "PyTorch 层的参数量",
    "parameters by the function": "函数给出的参数量", "parameters with one head": "单头时的参数量",
    "decoder layer": "decoder 层", "encoder layer": "encoder 层", "difference": "差",
    "PyTorch's decoder layer less its encoder layer": "PyTorch 的 decoder 层减 encoder 层",
    "decoder layer by the function": "函数给出的 decoder 层",
    "layers": "各层", "parameters": "参数量", "model": "模型",
    "parameters over the published number": "参数量与公布值之比",
    "nn.Transformer less its two extra norms": "nn.Transformer 减去多出的两个归一化",
}

if __name__ == "__main__":
    main()
