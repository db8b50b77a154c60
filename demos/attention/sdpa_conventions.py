r"""Where PyTorch's two attentions differ: what True in a mask means, and whether eval() stops dropout.

PyTorch 的两种注意力接口有何不同：掩码里的 True 是什么意思，eval() 能否关掉 dropout。

torch.nn.functional.scaled_dot_product_attention (SDPA) and torch.nn.MultiheadAttention, torch 2.13. Turn `dropout`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, heatmap, main, show, table


def effective_weights(q: Tensor, k: Tensor, **options) -> Tensor:
    """The weights that scaled_dot_product_attention uses: its output where v is the identity."""
    return F.scaled_dot_product_attention(q, k, torch.eye(k.shape[-2], dtype=q.dtype).expand(*k.shape[:-1], -1), **options)


def claim_boolean_masks_mean_opposite_things(tokens=8, heads=4, d_head=6):
    """True means «may look» to F.scaled_dot_product_attention and «must not look» to nn.MultiheadAttention.

    布尔掩码里的 True，对 F.scaled_dot_product_attention 是「可以看」，对 nn.MultiheadAttention 是「不许看」。"""
    given = torch.rand(tokens, tokens) < 0.5
    given[:, 0], given[:, -1] = True, False  # both values in each row, so that neither reading masks all of it
    x = torch.randn(1, tokens, heads * d_head)
    q = x.unflatten(-1, (heads, d_head)).transpose(1, 2)
    functional = effective_weights(q, q, attn_mask=given)[0, 0]
    module = nn.MultiheadAttention(heads * d_head, heads, batch_first=True)(x, x, x, attn_mask=given)[1][0]
    for title, seen in (("the mask given to both", given), ("weights, scaled_dot_product_attention", functional),
                        ("weights, nn.MultiheadAttention", module)):
        show(heatmap(seen.float(), x_label="key", y_label="query", title=title))
    expect("SDPA: weight where the mask is True", (functional > 0) == given, equals=True)
    expect("module: weight where the mask is False", (module > 0) == ~given, equals=True)


def claim_float_masks_are_added_by_both(tokens=8, heads=4, d_head=6):
    """A float mask is added to the scores by both, so 0 and −inf mean the same to them; it can also carry a bias.

    浮点掩码在两者中都是加到分数上，所以 0 与 −inf 的含义一致；它还可以带偏置。"""
    x = torch.randn(1, tokens, heads * d_head, dtype=torch.float64)
    module = nn.MultiheadAttention(heads * d_head, heads, batch_first=True, dtype=torch.float64)
    q, k, v = (F.linear(x, w, b).unflatten(-1, (heads, d_head)).transpose(1, 2)
               for w, b in zip(module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True))
    hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    far = torch.arange(tokens)[:, None] - torch.arange(tokens)
    masks = {"0 and −inf": torch.zeros(tokens, tokens, dtype=torch.float64).masked_fill(hidden, -torch.inf),
             "a bias of −0.5 a token": -0.5 * far.abs().double()}
    between, by_hand = [], []
    for mask in masks.values():
        heads_out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        between.append((module(x, x, x, attn_mask=mask)[0] - module.out_proj(heads_out.transpose(1, 2).flatten(2))).abs().max())
        by_hand.append((heads_out - (q @ k.transpose(-1, -2) / d_head**0.5 + mask).softmax(-1) @ v).abs().max())
    show(table({"float mask": list(masks), "module less functional": between, "functional less softmax(scores + mask)": by_hand}))
    expect("nn.MultiheadAttention less scaled_dot_product_attention", between, equals=0, within=1e-12, at=("mask", list(masks)))
    expect("scaled_dot_product_attention less softmax(scores + mask) v", by_hand, equals=0, within=1e-12, at=("mask", list(masks)))


def claim_functional_dropout_ignores_eval(tokens=64, heads=4, d_head=6, dropout=0.25):
    """SDPA drops weights whenever dropout_p is not 0, in evaluation too; nn.MultiheadAttention stops in eval().

    只要 dropout_p 不为 0，SDPA 就会丢弃权重，评估时也不例外；nn.MultiheadAttention 在 eval() 下则停止。"""
    x = torch.randn(1, tokens, heads * d_head)
    module = nn.MultiheadAttention(heads * d_head, heads, dropout=dropout, batch_first=True).eval()
    q = x.unflatten(-1, (heads, d_head)).transpose(1, 2)
    with torch.no_grad():
        plain, dropped = effective_weights(q, q), effective_weights(q, q, dropout_p=dropout)
        weights = module(x, x, x)[1]
    gone = torch.stack([(plain == 0).double().mean(), (dropped == 0).double().mean(), (weights == 0).double().mean()])
    kept = (dropped / plain)[dropped != 0]
    show(bars(("SDPA", f"SDPA, dropout_p = {dropout:g}", f"module, dropout = {dropout:g}, eval()"), gone,
              y_label="share of the weights that are 0"))
    noise = (dropout * (1 - dropout) / dropped.numel()) ** 0.5
    expect("share dropped by SDPA", gone[1], equals=dropout, within=6 * noise)
    expect("share dropped by the module in eval()", gone[2], equals=0)
    expect("a kept weight over its value without dropout", kept, equals=1 / (1 - dropout), within=1e-4)


if __name__ == "__main__":
    main()
