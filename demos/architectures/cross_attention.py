r"""Cross-attention: the decoder's hidden states ask, the encoder's last states hold keys and values.

交叉注意力：decoder 的隐状态作 query，encoder 最后一层的输出作 key 与 value。

Vaswani et al. 2017, §3.2.3, Fig. 1. Turn `queries` to "layer input": the queries skip the masked
self-attention, and the layer is no longer PyTorch's nn.TransformerDecoderLayer.
把 `queries` 改为 "layer input"：query 绕过了带掩码的自注意力，就不再是 PyTorch 的 nn.TransformerDecoderLayer。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    main,
    one_of,
    show,
    table,
)

F64 = torch.float64


@exercise(claims=("the_layer_is_pytorchs", "every_source_token_reaches_every_target"),
          wrong=("swaps_the_roles", "masks_the_source", "attends_to_itself"))
def cross_attention(h: Tensor, memory: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """Attention of the target h (target, width) over the memory (source, width). The rows of
    w.in_proj_weight and w.in_proj_bias are those of W_Q, W_K, W_V; w.out_proj is W_O.

    目标 h (target, width) 对 memory (source, width) 的注意力。w.in_proj_weight 与 w.in_proj_bias 的各行依次
    为 W_Q、W_K、W_V；w.out_proj 即 W_O。"""
    w_q, w_k, w_v = w.in_proj_weight.chunk(3)
    b_q, b_k, b_v = w.in_proj_bias.chunk(3)
    q = F.linear(h, w_q, b_q).unflatten(-1, (w.num_heads, -1)).transpose(0, 1)  # (heads, target, …)
    k = F.linear(memory, w_k, b_k).unflatten(-1, (w.num_heads, -1)).transpose(0, 1)
    v = F.linear(memory, w_v, b_v).unflatten(-1, (w.num_heads, -1)).transpose(0, 1)
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)                      # (heads, target, source)
    return w.out_proj((p @ v).transpose(0, 1).flatten(1))                # no causal mask


def decoder_layer(y: Tensor, memory: Tensor, layer: nn.TransformerDecoderLayer, queries: str,
                  sees: str = "all") -> Tensor:
    """Masked self-attention, cross-attention, FFN, each with a residual and a norm after it."""
    future = torch.ones(len(y), len(y), dtype=torch.bool).triu(1)
    h = layer.norm1(y + layer.self_attn(y, y, y, attn_mask=future, need_weights=False)[0])
    asked = y if queries == "layer input" else h
    if sees == "causal":                                                 # the wrong way
        mixed = torch.cat([cross_attention(asked[t : t + 1], memory[: t + 1], layer.multihead_attn)
                           for t in range(len(y))])
    else:
        mixed = cross_attention(asked, memory, layer.multihead_attn)
    h = layer.norm2(h + mixed)
    return layer.norm3(h + layer.linear2(F.relu(layer.linear1(h))))


def make(width: int, heads: int) -> nn.TransformerDecoderLayer:
    """PyTorch's decoder layer without dropout, in float64."""
    return nn.TransformerDecoderLayer(width, heads, 2 * width, 0.0, dtype=F64)


RANGES = {
    "source": between(2, 24),
    "target": between(2, 24),
    "width": between(8, 64, multiple_of="heads"),
    "heads": one_of(1, 2, 4),
    "queries": one_of("after self-attention", "layer input"),
    "sees": one_of("all", "causal"),
    "positions": one_of("in the memory", "added by row"),
}


@breaks(queries="layer input", en="The queries come after the masked self-attention and its norm.",
        zh="query 来自带掩码的自注意力及其归一化之后。")
def claim_the_layer_is_pytorchs(source=9, target=6, width=32, heads=2,
                                queries="after self-attention"):
    """With queries from the masked self-attention's output and K, V from the memory, the layer is
    nn.TransformerDecoderLayer.

    query 取自带掩码的自注意力的输出，K、V 取自 memory，这一层就是 nn.TransformerDecoderLayer。"""
    layer = make(width, heads)
    y, memory = torch.randn(target, width, dtype=F64), torch.randn(source, width, dtype=F64)
    mask = nn.Transformer.generate_square_subsequent_mask(target, dtype=F64)
    theirs = layer(y, memory, tgt_mask=mask)
    ours = decoder_layer(y, memory, layer, queries)
    weights = layer.multihead_attn(y, memory, memory)[1].detach()
    show(heatmap(weights, x_label="source", y_label="target", title="cross-attention weights"),
         table({"tensor": ["query", "key", "weights"],
                "rows": [target, source, target], "columns": [width, width, source]}))
    expect("output less PyTorch's", (ours - theirs).abs().max(), equals=0, within=1e-11)


@breaks(sees="causal", en="A causal mask belongs to the target; the source is all there.",
        zh="因果掩码只用于目标端；源端早已全部可见。")
def claim_every_source_token_reaches_every_target(source=9, target=6, width=32, heads=2, sees="all"):
    """Every target position, the first included, depends on every source token: cross-attention has
    no causal mask.

    每个目标位置（包括第一个）都依赖每个源 token：交叉注意力没有因果掩码。"""
    layer = make(width, heads)
    y, memory = torch.randn(target, width, dtype=F64), torch.randn(source, width, dtype=F64)
    memory.requires_grad_()
    out = decoder_layer(y, memory, layer, "after self-attention", sees)
    out = out @ torch.randn(width, dtype=F64)                            # (target,)
    size = torch.stack([torch.autograd.grad(o, memory, retain_graph=True)[0].norm(dim=1)
                        for o in out])
    show(heatmap(size, x_label="source", y_label="target", title="|d output/d memory|"))
    # With two sources or more; a single target under a wrong mask would see one of them.
    expect("source–target pairs with a derivative", (size > 0).sum(), equals=source * target)


@breaks(positions="added by row", en="Positions added after shuffling make another memory of it.",
        zh="打乱之后再按行加位置，memory 就变了。")
def claim_the_memory_is_a_set(source=9, target=6, width=32, heads=2, positions="in the memory"):
    """The order of the memory's rows does not matter: what the decoder knows of source order, the
    encoder has written into the states.

    memory 各行的次序无关紧要：decoder 对源端次序的了解，全由 encoder 写进各个状态里。"""
    layer = make(width, heads)
    y, memory = torch.randn(target, width, dtype=F64), torch.randn(source, width, dtype=F64)
    codes = torch.randn(source, width, dtype=F64)
    order = torch.arange(source).roll(1)
    if positions == "in the memory":
        plain, moved = memory + codes, (memory + codes)[order]
    else:
        plain, moved = memory + codes, memory[order] + codes
    gap = (decoder_layer(y, moved, layer, "after self-attention")
           - decoder_layer(y, plain, layer, "after self-attention")).abs().amax(1).detach()
    show(table({"target": range(target), "change of the output": gap}))
    expect("change of the output", gap, equals=0, within=1e-11, at=("target", range(target)))


def drill_pairs(rng) -> Drill:
    """Attention weights of the three attentions of an encoder–decoder."""
    m, n = rng.choice([50, 100, 200]), rng.choice([10, 20, 40])
    layers, heads = rng.choice([(6, 8), (12, 16), (2, 4)])
    kind = rng.choice(["encoder", "cross", "decoder"])
    pairs = {"encoder": m * m, "cross": m * n, "decoder": n * (n + 1) // 2}[kind]
    names = {"encoder": ("the encoder's self-attention", "encoder 自注意力", f"{m}²"),
             "cross": ("the cross-attention", "交叉注意力", f"{m} · {n}"),
             "decoder": ("the decoder's causal self-attention, masked pairs not counted",
                         "decoder 因果自注意力（被掩码的不计）", f"{n} · {n + 1} / 2")}
    en, zh, form = names[kind]
    return Drill(
        en=f"Source {m} tokens, target {n}; {layers} layers in each stack, {heads} heads. "
           f"How many attention weights has {en} in one pass?",
        zh=f"源 {m} 个 token，目标 {n} 个；两边各 {layers} 层，{heads} 个头。一次前向中{zh}共有多少个注意力权重？",
        answer=pairs * layers * heads, within=0,
        steps=[(f"per head and layer {form} = {pairs}", f"每头每层 {form} = {pairs}"),
               (f"times {layers} · {heads} = {pairs * layers * heads}",
                f"乘以 {layers} · {heads} = {pairs * layers * heads}")],
        proved_by="every_source_token_reaches_every_target",
    )


ZH = {
    "source": "源", "target": "目标", "cross-attention weights": "交叉注意力权重",
    "tensor": "张量", "rows": "行数", "columns": "列数", "weights": "权重",
    "output less PyTorch's": "输出与 PyTorch 之差", "|d output/d memory|": "|d 输出/d memory|",
    "source–target pairs with a derivative": "导数不为零的源–目标对数",
    "change of the output": "输出的变化",
}

if __name__ == "__main__":
    main()
