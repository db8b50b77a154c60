r"""Where PyTorch's two attentions differ: what True in a mask means, and whether eval() stops
dropout.

PyTorch 的两种注意力接口有何不同：掩码里的 True 是什么意思，eval() 能否关掉 dropout。

F.scaled_dot_product_attention (SDPA) and nn.MultiheadAttention, torch 2.13. Turn `true_means` to
"hide": SDPA looks exactly where it should not. Turn `mode` to "train": the module drops too.
把 `true_means` 改为 "hide"：SDPA 看的恰好是不该看的地方。把 `mode` 改为 "train"：模块也会丢弃。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, between, breaks, expect, heatmap, main, one_of, show, table

F64 = torch.float64


def effective_weights(q: Tensor, k: Tensor, **options) -> Tensor:
    """The weights that SDPA uses: its output (…, n_q, n_k) where v is the identity."""
    identity = torch.eye(k.shape[-2], dtype=q.dtype).expand(*k.shape[:-1], -1)
    return F.scaled_dot_product_attention(q, k, identity, **options)


RANGES = {
    "tokens": between(3, 128),
    "heads": between(1, 8),
    "d_head": between(2, 32),
    "dropout": between(0.1, 0.6),
    "slope": between(0.0, 2.0),
    "true_means": one_of("look", "hide"),
    "mode": one_of("eval", "train"),
    "mask": one_of("added", "multiplied"),
}


@breaks(true_means="hide", en="That is nn.MultiheadAttention's reading; SDPA's True takes part.",
        zh="那是 nn.MultiheadAttention 的含义；SDPA 的 True 表示参与。")
def claim_boolean_masks_mean_opposite_things(tokens=8, heads=4, d_head=6, true_means="look"):
    """True means “may look” to F.scaled_dot_product_attention and “must not look” to
    nn.MultiheadAttention, in attn_mask and key_padding_mask alike.

    布尔掩码里的 True，对 F.scaled_dot_product_attention 是「可以看」，对 nn.MultiheadAttention 是「不许看」，
    attn_mask 与 key_padding_mask 都如此。"""
    given = torch.rand(tokens, tokens) < 0.5
    given[:, 0], given[:, -1] = True, False              # so that neither reading hides a whole row
    x = torch.randn(1, tokens, heads * d_head)
    q = x.unflatten(-1, (heads, d_head)).transpose(1, 2)
    sdpa = effective_weights(q, q, attn_mask=given)[0, 0]                 # (n_q, n_k)
    module = nn.MultiheadAttention(heads * d_head, heads, batch_first=True)
    theirs = module(x, x, x, attn_mask=given)[1][0]
    padded = module(x, x, x, key_padding_mask=given[:1])[1][0]
    for title, p in (("weights, SDPA", sdpa), ("weights, nn.MultiheadAttention", theirs)):
        show(heatmap(p, x_label="key", y_label="query", title=title))
    looked_at = given if true_means == "look" else ~given
    expect("SDPA: sum of a query's weights", sdpa.sum(1), equals=1, within=1e-5)
    expect("SDPA: weight exactly where the mask allows it", (sdpa > 0) == looked_at, equals=True)
    expect("module: weight exactly where attn_mask is False", (theirs > 0) == ~given, equals=True)
    expect("module: weight exactly where key_padding_mask is False", (padded > 0) == ~given[:1],
           equals=True)


@breaks(mask="multiplied", en="A float mask is added to the scores, never multiplied.",
        zh="浮点掩码是加到分数上的，不是乘上去的。")
def claim_float_masks_are_added_by_both(tokens=8, heads=4, d_head=6, slope=0.5, mask="added"):
    """A float mask is added to the scores by both, so 0 and −∞ mean the same to them, and it can
    carry a bias.

    浮点掩码在两者中都是加到分数上，所以 0 与 −∞ 的含义一致；它还可以带偏置。"""
    x = torch.randn(1, tokens, heads * d_head, dtype=F64)
    module = nn.MultiheadAttention(heads * d_head, heads, batch_first=True, dtype=F64)
    q, k, v = (F.linear(x, w, b).unflatten(-1, (heads, d_head)).transpose(1, 2)
               for w,
               b in zip(module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True))
    hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    ahead = (torch.arange(tokens)[:, None] - torch.arange(tokens)).abs()
    masks = {"0 and −∞": torch.zeros(tokens, tokens, dtype=F64).masked_fill(hidden, -torch.inf),
             "a bias by distance": -slope * ahead.double()}
    between_them, by_hand = [], []
    for bias in masks.values():
        sdpa = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        theirs = module(x, x, x, attn_mask=bias)[0]
        between_them.append((theirs - module.out_proj(sdpa.transpose(1, 2).flatten(2))).abs().max())
        scores = q @ k.transpose(-1, -2) / d_head**0.5
        written = scores + bias if mask == "added" else scores * (bias + 1).clamp(min=0)
        by_hand.append((sdpa - written.softmax(-1) @ v).abs().max())
    show(table({"float mask": list(masks), "module less SDPA": between_them,
                "SDPA less written out": by_hand}))
    # float64 keeps 1e-16 of outputs of size 1
    expect("nn.MultiheadAttention less SDPA", between_them, equals=0, within=1e-12,
           at=("mask", list(masks)))
    expect("SDPA less softmax(scores + mask)·v", by_hand, equals=0, within=1e-12,
           at=("mask", list(masks)))


@breaks(mode="train", en="In training mode the module drops as well; eval() is what stops it.",
        zh="训练模式下模块同样会丢弃；eval() 才使它停止。")
def claim_functional_dropout_ignores_eval(tokens=64, heads=4, d_head=6, dropout=0.25, mode="eval"):
    """SDPA drops weights whenever dropout_p is not 0, in evaluation too; nn.MultiheadAttention
    stops in eval().

    只要 dropout_p 不为 0，SDPA 就会丢弃权重，评估时也不例外；nn.MultiheadAttention 在 eval() 下则停止。"""
    x = torch.randn(1, tokens, heads * d_head)
    module = nn.MultiheadAttention(heads * d_head, heads, dropout=dropout, batch_first=True)
    module.train(mode == "train")
    q = x.unflatten(-1, (heads, d_head)).transpose(1, 2)
    with torch.no_grad():
        plain, dropped = effective_weights(q, q), effective_weights(q, q, dropout_p=dropout)
        weights = module(x, x, x, average_attn_weights=False)[1]
    gone = [(w == 0).double().mean() for w in (plain, dropped, weights)]
    show(bars(("SDPA, dropout_p = 0", f"SDPA, dropout_p = {dropout:g}", "module after eval()"),
              gone,
              y_label="share of the weights that are 0"))
    noise = (dropout * (1 - dropout) / dropped.numel()) ** 0.5            # of a share counted over all weights
    expect("share dropped by SDPA", gone[1], equals=dropout, within=6 * noise)
    expect("share dropped by the module after eval()", gone[2], equals=0)
    expect("a weight that was kept, over its value without dropout",
           (dropped / plain)[dropped != 0],
           equals=1 / (1 - dropout), within=1e-3)                    # float32, weights down to 1e-3


ZH = {
    "weights, SDPA": "权重，SDPA", "weights, nn.MultiheadAttention": "权重，nn.MultiheadAttention",
    "SDPA: sum of a query's weights": "SDPA：一个 query 的权重之和",
    "SDPA: weight exactly where the mask allows it": "SDPA：恰在掩码允许处有权重",
    "module: weight exactly where attn_mask is False": "模块：恰在 attn_mask 为 False 处有权重",
    "module: weight exactly where key_padding_mask is False": "模块：恰在 key_padding_mask 为 False 处有权重",
    "0 and −∞": "0 与 −∞", "a bias by distance": "随距离的偏置", "float mask": "浮点掩码",
    "module less SDPA": "模块与 SDPA 之差", "SDPA less written out": "SDPA 与手写之差",
    "nn.MultiheadAttention less SDPA": "nn.MultiheadAttention 与 SDPA 之差",
    "SDPA less softmax(scores + mask)·v": "SDPA 与 softmax(分数 + 掩码)·v 之差",
    "SDPA, dropout_p = 0": "SDPA，dropout_p = 0", "SDPA, dropout_p = {}": "SDPA，dropout_p = {}",
    "module after eval()": "eval() 之后的模块", "share of the weights that are 0": "为 0 的权重所占比例",
    "share dropped by SDPA": "SDPA 丢弃的比例",
    "share dropped by the module after eval()": "eval() 之后模块丢弃的比例",
    "a weight that was kept, over its value without dropout": "保留下来的权重与不丢弃时之比",
}

if __name__ == "__main__":
    main()
