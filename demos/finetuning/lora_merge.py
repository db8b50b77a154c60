r"""A LoRA is a matrix of rank r added to a weight: it can run beside the weight, or be folded into it.

LoRA 是加在权重上的一个秩为 r 的矩阵：可以在权重旁边单独算，也可以折进权重里。

Hu et al. 2021, §4.1. Turn `between` to "gelu": with a nonlinearity between A and B, as in an adapter,
nothing can be folded in. 把 `between` 改为 "gelu"：A、B 之间若有非线性（如 adapter），就折不进去。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import Adam, operations


@exercise(claims=("merged_equals_two_branches",), wrong=("forgets_the_scale", "scales_the_base_too"))
def lora_linear(x: Tensor, w: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """A linear layer with a LoRA beside it: W x + (alpha/r) B A x, without ever forming B A. x and
    the output are (batch, d_in) and (batch, d_out); w (d_out, d_in), a (r, d_in), b (d_out, r).

    旁边带 LoRA 的线性层：W x + (alpha/r) B A x，全程不形成 B A。x 与输出为 (batch, d_in)、(batch, d_out)；
    w (d_out, d_in)，a (r, d_in)，b (d_out, r)。"""
    return x @ w.T + (x @ a.T) @ b.T * (alpha / a.shape[0])                # (batch, d_out)


@exercise(claims=("merged_equals_two_branches", "one_batch_serves_several_adapters"),
          wrong=("forgets_the_scale", "transposes_the_product"))
def merge(w: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """The weight with the LoRA folded in, shaped and typed as w (d_out, d_in): the sum is taken in
    float32 at least, and rounded once. a (r, d_in), b (d_out, r).

    折入 LoRA 之后的权重，形状与类型同 w (d_out, d_in)：至少用 float32 求和，最后只舍入一次。
    a (r, d_in)，b (d_out, r)。"""
    wide = torch.promote_types(w.dtype, torch.float32)
    update = b.to(wide) @ a.to(wide) * (alpha / a.shape[0])               # (d_out, d_in), rank ≤ r
    return (w.to(wide) + update).to(w.dtype)


def adapters(count: int, d_in: int, d_out: int, r: int) -> tuple[Tensor, Tensor]:
    """Trained-looking adapters, A (count, r, d_in) and B (count, d_out, r), float64."""
    return torch.randn(count, r, d_in).double() / d_in**0.5, torch.randn(count, d_out, r).double() / d_out**0.5


RANGES = {
    "d_in": between(16, 256),
    "d_out": between(16, 256),
    "r": between(1, 16),
    "first": between(1, 6),
    "second": between(1, 6),
    "alpha": between(1.0, 64.0),
    "between": one_of("nothing", "gelu"),
    "trained": one_of("new adapter", "same adapter"),
    "tokens": between(1, 8),
    "served": one_of("beside", "merged"),
    "rows": one_of("their own", "the first"),
}


@breaks(between="gelu", en="A nonlinearity between A and B leaves no matrix to fold in.",
        zh="A、B 之间有非线性，就没有矩阵可折。")
def claim_merged_equals_two_branches(d_in=48, d_out=64, r=4, alpha=8.0, between="nothing"):
    """W x + (α/r)·B(A x) equals one product with W + (α/r)·B A, a matrix as large as W that differs
    from it by rank r: r(d_in + d_out) values describe the change.

    W x + (α/r)·B(A x) 等于与 W + (α/r)·B A 做一次乘法：它和 W 一样大，只差一个秩为 r 的矩阵，由 r(d_in + d_out)
    个数描述。"""
    x, w = torch.randn(32, d_in).double(), torch.randn(d_out, d_in).double() / d_in**0.5
    (a,), (b,) = adapters(1, d_in, d_out, r)
    beside = lora_linear(x, w, a, b, alpha)
    if between == "gelu":
        beside = x @ w.T + F.gelu(x @ a.T) @ b.T * (alpha / r)
    folded = merge(w, a, b, alpha)
    spectrum = torch.linalg.svdvals(folded - w)
    show(bars([f"{i + 1}" for i in range(min(12, len(spectrum)))], {"singular values of the change": spectrum[:12]}))
    by_hand = sum((alpha / r) * torch.outer(b[:, i], a[i]) for i in range(r)) + w       # r outer products
    expect("merged weight less W + r outer products", (folded - by_hand).abs().max(), equals=0, within=1e-12)
    # float64, sums of 256 terms of size one
    expect("two branches less torch's linear with the merged weight", (beside - F.linear(x, by_hand)).abs().max(), equals=0,
           within=1e-11)
    expect("rank of the change", int((spectrum > 1e-10 * spectrum[0]).sum()), equals=r)
    expect("values trained", a.numel() + b.numel(), equals=r * (d_in + d_out))


@breaks(trained="same adapter", en="Training the same A and B on keeps the rank at the first r.",
        zh="继续训练同一对 A、B，秩仍是第一个 r。")
def claim_a_second_adapter_adds_its_rank(first=3, second=2, trained="new adapter"):
    """An adapter of rank r₂ trained after one of rank r₁ was merged makes the whole change of rank
    r₁ + r₂; training the same one on leaves it at r₁.

    先合并秩 r₁ 的 adapter，再训练一个秩 r₂ 的，总改变量的秩为 r₁ + r₂；继续训练同一个则仍为 r₁。"""
    d = 24
    x, target = torch.randn(96, d).double(), torch.randn(d, d).double()        # wants a change of full rank
    w = torch.zeros(d, d).double()
    a, b = torch.randn(first, d).double() / d**0.5, torch.zeros(d, first).double()
    ranks = {}
    for name, r in (("first", first), ("second", second)):
        if name == "second" and trained == "new adapter":
            w, a, b = merge(w, a, b, 8.0), torch.randn(r, d).double() / d**0.5, torch.zeros(d, r).double()
        a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
        adam = Adam([a, b], 0.02)
        for _ in range(60):
            adam.step((lora_linear(x, w, a, b, 8.0) - x @ target.T).square().mean())
        a, b = a.detach(), b.detach()
        values = torch.linalg.svdvals(merge(w, a, b, 8.0))
        ranks[name] = int((values > 1e-9 * values[0]).sum())
    show(table(["after", "rank of the change"], [["the first adapter", ranks["first"]], ["the second", ranks["second"]]]))
    expect("rank after the first", ranks["first"], equals=first)
    expect("rank after the second", ranks["second"], equals=first + second)


@breaks(served="merged", en="Merged, a layer is one product again.", zh="合并之后，一层又只是一次乘法。")
def claim_beside_the_weight_a_step_launches_more_kernels(d_in=128, d_out=128, r=4, tokens=1, served="beside"):
    """Beside the weight, LoRA adds only r/d_in + r/d_out of the weights to be read, but two products to each layer: three in place
    of one.

    放在旁边算，LoRA 只多读 r/d_in + r/d_out 的权重，但每层要多两次乘法：一次变三次。"""
    x, w = torch.randn(tokens, d_in), torch.randn(d_out, d_in)
    a, b = torch.randn(r, d_in), torch.randn(d_out, r)
    with operations() as seen:
        lora_linear(x, w, a, b, 8.0) if served == "beside" else x @ merge(w, a, b, 8.0).T
    products = [row for row in seen.rows if row.name == "mm"]
    products = products if served == "beside" else products[-1:]           # folding in is done once, ahead of time
    show(table(["", "products", "operators", "bytes read"], [
        ["merged", 1, 1, (tokens * d_in + w.numel()) * 4], ["beside", len(products), len(seen.rows), sum(row.read for row in seen.rows)]]))
    extra = sum(row.read for row in products) / 4 - tokens * (2 * d_in + r) - w.numel()
    expect("products in a layer", len(products), equals=3)
    expect("weights read beyond W, over those of W", extra / w.numel(), equals=r / d_in + r / d_out, within=1e-9)


@breaks(rows="the first", en="One adapter for all answers the others' requests wrongly.",
        zh="全部用同一个 adapter，别的请求就答错了。")
def claim_one_batch_serves_several_adapters(d_in=48, d_out=64, r=4, rows="their own"):
    """Unmerged, one batch serves several adapters: one shared product with W, and for each row its own
    B(A x). The rows equal those of three merged models.

    不合并时，一个 batch 可以同时服务多个 adapter：与 W 的乘法共用，每行再加自己的 B(A x)。结果与三个合并后的模型逐行相同。"""
    x, w = torch.randn(12, d_in).double(), torch.randn(d_out, d_in).double() / d_in**0.5
    a, b = adapters(3, d_in, d_out, r)
    which = torch.arange(12) % 3
    used = which if rows == "their own" else torch.zeros_like(which)
    low = torch.einsum("nd,nrd->nr", x, a[used])                            # (batch, r)
    served = x @ w.T + torch.einsum("nr,nor->no", low, b[used]) * (8.0 / r)  # (batch, d_out)
    alone = torch.stack([F.linear(x[i], merge(w, a[k], b[k], 8.0)) for i, k in enumerate(which.tolist())])
    gap = (served - alone).abs().amax(1)
    show(bars([f"{i}: {k}" for i, k in enumerate(which.tolist())], {"difference": gap}, y_label="row: its adapter"))
    expect("mixed batch less merged models", gap, equals=0, within=1e-11, at=("row", range(12)))


def drill_rank(rng) -> Drill:
    """The rank of what several merged adapters changed."""
    d, ranks = rng.choice([(64, (8, 8)), (16, (8, 16)), (4096, (16, 64)), (128, (8, 8, 8)), (1024, (4, 32))])
    rank = min(d, sum(ranks))
    listed = ", ".join(map(str, ranks))
    return Drill(
        en=f"Adapters of ranks {listed} were trained and merged one after the other into a {d} × {d} weight. What is the "
           "highest rank that the whole change can have?",
        zh=f"秩为 {listed} 的 adapter 先后训练并合并进一个 {d} × {d} 的权重。总改变量的秩最大是多少？",
        answer=rank, within=0,
        steps=[(f"ranks of a sum add at most: {sum(ranks)}", f"和的秩至多是秩之和：{sum(ranks)}"),
               (f"and never exceed {d}: {rank}", f"且不超过 {d}：{rank}")],
        proved_by="a_second_adapter_adds_its_rank",
    )


ZH = {
    "singular values of the change": "改变量的奇异值",
    "merged weight less W + r outer products": "合并后的权重减去 W + r 个外积",
    "two branches less torch's linear with the merged weight": "两条支路减去 torch 用合并权重的线性层",
    "rank of the change": "改变量的秩",
    "values trained": "被训练的数",
    "after": "之后",
    "the first adapter": "第一个 adapter",
    "the second": "第二个",
    "rank after the first": "第一个之后的秩",
    "rank after the second": "第二个之后的秩",
    "products": "乘法次数",
    "operators": "算子数",
    "bytes read": "读取字节",
    "merged": "已合并",
    "beside": "放在旁边",
    "products in a layer": "一层里的乘法次数",
    "weights read beyond W, over those of W": "W 之外读取的权重与 W 之比",
    "difference": "差异",
    "row: its adapter": "行：所用 adapter",
    "mixed batch less merged models": "混合 batch 减去合并后的模型",
    "row": "行",
}

if __name__ == "__main__":
    main()
