r"""Multi-head self-attention written out: every shape, the mask, the softmax axis; equal to PyTorch's own.

逐步写出多头自注意力：每一步的形状、掩码、softmax 的轴；结果与 PyTorch 自带的一致。

Vaswani et al. 2017, §3.2. B sequences, T tokens, H heads of size d_head; H·d_head need not be the model's width.
Turn `heads`, `d_head` and `n_k`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import expect, heatmap, main, show, table


def attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, axis: int = -1) -> tuple[Tensor, Tensor]:
    """softmax(q kᵀ/√d_k + mask) v; `visible` is True where a query may look. Returns the output and the weights."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # (B, H, n_q, n_k); d_k is the size of one head
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)  # before softmax, so that the rest still sums to 1
    weights = scores.softmax(axis)  # over the keys: each query's weights sum to 1
    return weights @ v, weights  # (B, H, n_q, d_v), (B, H, n_q, n_k)


def causal(n: int) -> Tensor:
    """True on and below the diagonal: query t sees keys 0 … t."""
    return torch.ones(n, n, dtype=torch.bool).tril()


class SelfAttention(nn.Module):
    """W_Q, W_K and W_V from width to H·d_head, attention in each head, W_O back to width."""

    def __init__(self, width: int, heads: int, d_head: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, heads * d_head, bias) for _ in range(3))
        self.o = nn.Linear(heads * d_head, width, bias)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, H·d) to (B, H, T, d): first name the heads, then swap the axes."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def steps(self, x: Tensor, source: Tensor | None = None, visible: Tensor | None = None) -> dict[str, Tensor]:
        """Every tensor on the way; `source` gives the keys and values of cross-attention, else x does."""
        source = x if source is None else source
        q, k, v = self.q(x), self.k(source), self.v(source)  # (B, n, H·d)
        heads = [self.split(t) for t in (q, k, v)]  # (B, H, n, d)
        out, weights = attention(*heads, visible)
        merged = out.transpose(1, 2).flatten(2)  # (B, T, H·d): the heads side by side again
        return {"x": x, "q": q, "q by heads": heads[0], "k by heads": heads[1], "weights": weights, "output by heads": out,
                "merged": merged, "output": self.o(merged)}

    def forward(self, x: Tensor, source: Tensor | None = None, visible: Tensor | None = None) -> Tensor:
        """x (B, T, width) to the same shape."""
        return self.steps(x, source, visible)["output"]


def claim_shapes_follow_b_h_t_d(batch=2, tokens=8, width=32, heads=4, d_head=6):
    """Q is (B, T, H·d_head), then (B, H, T, d_head); scores are (B, H, T, T); only W_O returns to the model's width.

    Q 先是 (B, T, H·d_head)，分头后是 (B, H, T, d_head)；分数是 (B, H, T, T)；到 W_O 才回到模型宽度。"""
    steps = SelfAttention(width, heads, d_head).steps(torch.randn(batch, tokens, width))
    show(table(("step", "shape", "strides", "contiguous"),
               [(n, tuple(t.shape), t.stride(), t.is_contiguous()) for n, t in steps.items()]))
    wanted = {"q": (batch, tokens, heads * d_head), "q by heads": (batch, heads, tokens, d_head),
              "weights": (batch, heads, tokens, tokens), "output by heads": (batch, heads, tokens, d_head),
              "merged": (batch, tokens, heads * d_head), "output": (batch, tokens, width)}
    for name, shape in wanted.items():
        expect(f"shape of {name}", tuple(steps[name].shape), equals=shape, at=("axis", range(len(shape))))


def claim_cross_attention_output_is_nq_by_dv(batch=2, heads=4, n_q=3, n_k=(1, 7, 50), d_k=(8, 8, 64), d_v=(8, 5, 5)):
    """The output has one row a query and d_v columns; n_k and d_k are summed away, and n_k and d_v are free.

    输出每个 query 一行、共 d_v 列；n_k 与 d_k 被求和消去，n_k 与 d_v 均可任取。"""
    shapes, gaps, weighed = [], [], []
    for n, k, v in zip(n_k, d_k, d_v, strict=True):
        made = [torch.randn(batch, heads, rows, size, dtype=torch.float64) for rows, size in ((n_q, k), (n, k), (n, v))]
        out, weights = attention(*made)
        shapes.append(tuple(out.shape))
        weighed.append(tuple(weights.shape))
        gaps.append((out - F.scaled_dot_product_attention(*made)).abs().max())
    show(table({"n_q": [n_q] * len(n_k), "n_k": n_k, "d_k": d_k, "d_v": d_v, "weights": weighed, "output": shapes,
                "less torch's SDPA": gaps}))
    expect("shape of the output", shapes, equals=[(batch, heads, n_q, v) for v in d_v])
    expect("shape of the weights", weighed, equals=[(batch, heads, n_q, n) for n in n_k])
    expect("difference to F.scaled_dot_product_attention", gaps, at_most=1e-12, at=("n_k", n_k))


def claim_matches_sdpa_and_multihead_attention(batch=2, tokens=8, heads=4, d_head=6, source_tokens=9):
    """With its weights copied the module is nn.MultiheadAttention, and each head is F.scaled_dot_product_attention:
    outputs, weights and gradients agree to rounding error.

    复制权重后，本模块就是 nn.MultiheadAttention，每个头就是 F.scaled_dot_product_attention：输出、权重、梯度都只差舍入误差。"""
    width, rows, far, allowed = heads * d_head, [], [], []
    for dtype in (torch.float64, torch.float32):
        torchs = nn.MultiheadAttention(width, heads, batch_first=True, dtype=dtype)
        nn.init.normal_(torchs.in_proj_bias)  # torch starts them at 0, which would hide a forgotten bias
        ours = SelfAttention(width, heads, d_head).to(dtype)
        for i, layer in enumerate((ours.q, ours.k, ours.v)):
            layer.weight.data, layer.bias.data = torchs.in_proj_weight.data.chunk(3)[i], torchs.in_proj_bias.data.chunk(3)[i]
        ours.o.load_state_dict(torchs.out_proj.state_dict())
        x = torch.randn(batch, tokens, width, dtype=dtype, requires_grad=True)
        other, weigh = torch.randn(batch, source_tokens, width, dtype=dtype), torch.randn(batch, tokens, width, dtype=dtype)
        for case, source, visible in (("self", x, None), ("causal", x, causal(tokens)), ("cross", other, None)):
            steps = ours.steps(x, source, visible)
            blocked = None if visible is None else ~visible  # torch's module wants True where looking is forbidden
            out, weights = torchs(x, source, source, attn_mask=blocked, average_attn_weights=False)
            sdpa = F.scaled_dot_product_attention(*(ours.split(f(t)) for f, t in ((ours.q, x), (ours.k, source), (ours.v, source))),
                                                  attn_mask=visible)
            slopes = [torch.autograd.grad((o * weigh).sum(), x, retain_graph=True)[0] for o in (steps["output"], out)]
            found = [(a - b).abs().max() for a, b in ((steps["output by heads"], sdpa), (steps["output"], out),
                                                      (steps["weights"], weights), slopes)]
            rows.append((case, str(dtype).removeprefix("torch."), *found))
            far.append(max(found))
            allowed.append(100 * torch.finfo(dtype).eps)
    show(table(("case", "dtype", "heads − SDPA", "output − MHA", "weights − MHA", "gradient − MHA"), rows))
    expect("largest difference", far, at_most=allowed, at=("case", [f"{r[0]}, {r[1]}" for r in rows]))


def claim_wrong_softmax_axis_breaks_the_rows(batch=2, tokens=8, heads=4, d_head=6):
    """Softmax over the keys makes every row sum to 1. Over the queries the shape is the same, but the columns sum to 1,
    and under a causal mask earlier outputs depend on later queries.

    沿 key 轴做 softmax，每行之和为 1。沿 query 轴做，形状不变，但变成每列之和为 1；加了因果掩码，前面的输出还会依赖后面的 query。"""
    q, k, v = torch.randn(3, batch, heads, tokens, d_head, dtype=torch.float64)
    rows, columns, leaks = [], [], []
    for axis in (-1, -2):
        weights = attention(q, k, v, axis=axis)[1]
        rows.append((weights.sum(-1) - 1).abs().max())
        columns.append((weights.sum(-2) - 1).abs().max())
        x = q.clone().requires_grad_()
        early = attention(x, k, v, causal(tokens), axis)[0][:, :, 0]  # the first token's output
        leaks.append(torch.autograd.grad(early.square().sum(), x)[0][:, :, 1:].abs().max())
        show(heatmap(weights[0, 0], x_label="key", y_label="query", title=f"softmax over the {('queries', 'keys')[axis]}"))
    show(table({"softmax over": ("keys", "queries"), "|row sum − 1| up to": rows, "|column sum − 1| up to": columns,
                "causal: gradient of output 0 to later queries": leaks}))
    expect("row sum less 1, over keys", rows[0], equals=0, within=1e-12)
    expect("column sum less 1, over queries", columns[1], equals=0, within=1e-12)
    expect("row sum less 1, over queries", rows[1], at_least=0.05)
    expect("gradient to later queries, over keys", leaks[0], equals=0)
    expect("gradient to later queries, over queries", leaks[1], at_least=1e-6)


def claim_causal_upper_triangle_is_zero(batch=2, tokens=8, width=32, heads=4, d_head=6):
    """Under a causal mask the weights above the diagonal are exactly 0, so the first token can only attend to itself.

    因果掩码下对角线以上的权重恰为 0，所以第一个 token 只能看自己。"""
    weights = SelfAttention(width, heads, d_head).steps(torch.randn(batch, tokens, width), visible=causal(tokens))["weights"]
    show(heatmap(weights[0, 0], x_label="key", y_label="query", title="head 0"))
    expect("weights above the diagonal", weights[..., ~causal(tokens)], equals=0)
    expect("weights on and below it", weights[..., causal(tokens)], at_least=1e-12)
    expect("first row", weights[:, :, 0], equals=[1, *[0] * (tokens - 1)] * (batch * heads))


def claim_no_gradient_to_future_tokens(tokens=8, d_head=6):
    """With −inf before softmax no gradient reaches a later token. Zeroing weights after softmax leaks through the
    denominator, until the rows are divided by their sums.

    在 softmax 之前填 −inf，梯度完全到不了后面的 token。softmax 之后才清零，信息会经分母泄漏；把各行重新归一化后才消失。"""
    x, see = torch.randn(tokens, d_head, dtype=torch.float64), causal(tokens)

    def after(x: Tensor) -> Tensor:
        return attention(x, x, x)[1] * see

    ways = {"−inf before softmax": lambda x: attention(x, x, x, see)[1], "zeroed after it": after,
            "zeroed, then renormalised": lambda x: after(x) / after(x).sum(-1, keepdim=True)}
    future, sums, outputs = [], [], []
    for name, way in ways.items():
        reach = torch.autograd.functional.jacobian(lambda x, way=way: way(x) @ x, x).square().sum((1, 3)).sqrt()  # (T, T)
        show(heatmap(reach, x_label="input token", y_label="output token", title=f"|∂output/∂input|, {name}"))
        future.append(reach[~see].max())
        sums.append(way(x).sum(-1).min())
        outputs.append(way(x) @ x)
    show(table({"mask": list(ways), "gradient to later tokens up to": future, "least row sum": sums}))
    expect("gradient to later tokens, masked before", future[0], equals=0)
    expect("gradient to later tokens, zeroed after", future[1], at_least=1e-6)
    expect("renormalised output less the masked one", outputs[2] - outputs[0], equals=0, within=1e-12)


def claim_parameters_are_four_d_squared(width=32, head_counts=(1, 2, 4, 8), d_head=6):
    """With d_head = width/H there are 4·width² weights whatever H is; with d_head fixed they grow as 4·width·H·d_head.

    d_head = width/H 时，无论 H 是多少，权重都是 4·width² 个；固定 d_head 则按 4·width·H·d_head 增长。"""
    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    shared = [count(SelfAttention(width, h, width // h, bias=False)) for h in head_counts]
    biased = [count(SelfAttention(width, h, width // h)) for h in head_counts]
    torchs = [count(nn.MultiheadAttention(width, h)) for h in head_counts]
    free = [count(SelfAttention(width, h, d_head, bias=False)) for h in head_counts]
    show(table({"heads H": head_counts, "d_head = width/H": shared, "with biases": biased, "nn.MultiheadAttention": torchs,
                f"d_head = {d_head}": free}))
    expect("weights", shared, equals=4 * width**2, at=("H", head_counts))
    expect("weights and biases, ours less torch's", [a - b for a, b in zip(biased, torchs, strict=True)], equals=0)
    expect("weights with d_head fixed", free, equals=[4 * width * h * d_head for h in head_counts], at=("H", head_counts))


if __name__ == "__main__":
    main()
