r"""Scaled dot-product attention in three lines, multi-head attention in four more, equal to
PyTorch's.

缩放点积注意力三行，多头再加四行，结果与 PyTorch 的一致。

Vaswani et al. 2017, §3.2. Turn `axis` to -2: softmax over the queries keeps every shape, but a
query's weights no longer sum to 1. Turn `mask` to "after": the future leaks by the denominator.
把 `axis` 改为 -2：沿 query 方向 softmax，形状不变，但一个 query 的权重之和不再是 1。把 `mask` 改为
"after"：后面的信息经分母泄漏。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, exercise, expect, heatmap, main, one_of, show

F64 = torch.float64


@exercise(claims=("matches_sdpa_and_multihead_attention", "no_gradient_to_future_tokens"),
          wrong=("forgets_the_scale", "softmax_over_the_queries", "zeroes_after_softmax"))
def attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Output (…, n_q, d_v) and weights (…, n_q, n_k) of q (…, n_q, d_k), k (…, n_k, d_k) and
    v (…, n_k, d_v); `visible` (n_q, n_k) is True where a query may look.

    由 q (…, n_q, d_k)、k (…, n_k, d_k)、v (…, n_k, d_v) 求输出 (…, n_q, d_v) 与权重 (…, n_q, n_k)；
    `visible` (n_q, n_k) 为 True 处，query 可以看。"""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5                # (…, n_q, n_k)
    weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)       # over the keys
    return weights @ v, weights


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, axis: int = -1, mask: str = "before"):
    """`attention`, or with the softmax over another axis, or the mask behind it."""
    if (axis, mask) == (-1, "before"):
        return attention(q, k, v, visible)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    hidden = scores.masked_fill(~visible, -torch.inf)
    weights = hidden.softmax(axis) if mask == "before" else scores.softmax(axis) * visible
    return weights @ v, weights


def multi_head(x: Tensor, w: Tensor, heads: int, visible: Tensor, axis: int):
    """Output (B, T, D) and weights (B, H, T, T) for w = W_Q, W_K, W_V, W_O, each (D, D)."""
    q, k, v = ((x @ m).unflatten(-1, (heads, -1)).transpose(1, 2) for m in w[:3])  # (B, H, T, d)
    out, weights = attend(q, k, v, visible, axis)
    return out.transpose(1, 2).flatten(2) @ w[3], weights


RANGES = {
    "batch": between(1, 8),
    "tokens": between(2, 64),
    "heads": between(2, 8),
    "d_head": between(2, 32),
    "axis": one_of(-1, -2),
    "mask": one_of("before", "after"),
}
OVER_QUERIES = breaks(axis=-2, en="Each key then shares out its weight among the queries.",
                      zh="那样是每个 key 把权重分给各个 query。")


@OVER_QUERIES
def claim_matches_sdpa_and_multihead_attention(batch=2, tokens=8, heads=4, d_head=6, axis=-1):
    """With the weights copied, output, weights and the gradient of the input are those of
    nn.MultiheadAttention, causal or not; each head is F.scaled_dot_product_attention.

    复制权重后，无论有无因果掩码，输出、权重和对输入的梯度都与 nn.MultiheadAttention 一致；每个头就是
    F.scaled_dot_product_attention。"""
    width, rows = heads * d_head, []
    torchs = nn.MultiheadAttention(width, heads, bias=False, batch_first=True, dtype=F64)
    w = torch.stack([m.T for m in (*torchs.in_proj_weight.chunk(3), torchs.out_proj.weight)])
    x = torch.randn(batch, tokens, width, dtype=F64, requires_grad=True)
    for name, visible in (("all keys", torch.ones(tokens, tokens).bool()),
                          ("causal", torch.ones(tokens, tokens).tril().bool())):
        out, weights = multi_head(x, w.detach(), heads, visible, axis)
        theirs, p = torchs(x, x, x, attn_mask=~visible, average_attn_weights=False)
        q, k, v = ((x @ m).unflatten(-1, (heads, -1)).transpose(1, 2) for m in w[:3])
        heads_ours = attend(q, k, v, visible, axis)[0]
        one_by_one = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        slopes = [torch.autograd.grad(o.square().sum(), x, retain_graph=True)[0]
                  for o in (out, theirs)]
        pairs = ((heads_ours, one_by_one), (out, theirs), (weights, p), slopes)
        rows.append((name, *((a - b).abs().max() for a, b in pairs)))
    show(heatmap(weights[0, 0], x_label="key", y_label="query", title="weights, causal"))
    names = ("heads less SDPA", "output", "weights", "gradient")
    for i, name in enumerate(names, 1):
        # float64 keeps 1e-16 of numbers that sum to at most a few hundred here
        expect(f"largest difference: {name}", [row[i] for row in rows], equals=0, within=1e-10,
               at=("mask", [row[0] for row in rows]))


@OVER_QUERIES
def claim_wrong_softmax_axis_breaks_the_rows(batch=2, tokens=8, heads=4, d_head=6, axis=-1):
    """Softmax over the keys makes a query's weights sum to 1; over the queries the shape is the
    same and the columns sum to 1 instead.

    沿 key 方向 softmax，每个 query 的权重之和为 1；沿 query 方向，形状相同，但和为 1 的是各列。"""
    q, k, v = torch.randn(3, batch, heads, tokens, d_head, dtype=F64)
    everything = torch.ones(tokens, tokens, dtype=torch.bool)
    weights = attend(q, k, v, everything, axis)[1]
    other = attend(q, k, v, everything, -2)[1]
    show(*(heatmap(p[0, 0], x_label="key", y_label="query", title=f"softmax over the {name}")
           for name, p in (("keys", weights), ("queries", other))))
    expect("shape of the weights", tuple(weights.shape), equals=tuple(other.shape))
    expect("sum of a query's weights", weights.sum(-1), equals=1, within=1e-12)
    expect("sum of a column, softmax over the queries", other.sum(-2), equals=1, within=1e-12)


@breaks(mask="after", en="What is hidden stays in the denominator, and gradients pass through it.",
        zh="被遮住的分数仍留在分母里，梯度由此通过。")
def claim_no_gradient_to_future_tokens(tokens=8, d_head=6, mask="before"):
    """Filled with −∞ before the softmax, weights on later tokens are exactly 0, rows still sum to
    1, and no gradient reaches those tokens.

    在 softmax 之前填 −∞，后面 token 的权重恰为 0，各行之和仍为 1，梯度也到不了那些 token。"""
    x, see = torch.randn(tokens, d_head, dtype=F64), torch.ones(tokens, tokens).tril().bool()
    weights = attend(x, x, x, see, mask=mask)[1]
    jacobian = torch.autograd.functional.jacobian(lambda x: attend(x, x, x, see, mask=mask)[0], x)
    reach = jacobian.square().sum((1, 3)).sqrt()                         # (outputs, inputs)
    show(heatmap(reach, x_label="input token", y_label="output token", title="|∂output/∂input|"))
    expect("weight on later tokens", weights[~see], equals=0)
    expect("row sum", weights.sum(-1), equals=1, within=1e-12, at=("query", range(tokens)))
    expect("gradient to later tokens", reach[~see], equals=0)


ZH = {
    "all keys": "全部可见", "causal": "因果", "weights, causal": "因果注意力的权重",
    "largest difference: {}": "最大差异：{}", "heads less SDPA": "各头与 SDPA", "output": "输出",
    "weights": "权重", "gradient": "梯度", "softmax over the {}": "沿 {} 方向 softmax",
    "shape of the weights": "权重的形状",
    "sum of a query's weights": "一个 query 的权重之和",
    "sum of a column, softmax over the queries": "沿 query 方向 softmax 时一列之和",
    "input token": "输入 token", "output token": "输出 token", "|∂output/∂input|": "|∂输出/∂输入|",
    "weight on later tokens": "后面 token 的权重", "row sum": "行和",
    "gradient to later tokens": "到后面 token 的梯度",
}

if __name__ == "__main__":
    main()
