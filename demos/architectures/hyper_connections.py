r"""Four residual streams may be mixed in every layer without blowing up, if the mixing is doubly
stochastic.

每层都混合四条残差流而不失控，条件是混合矩阵双随机。

mHC (Xie et al. 2025): Sinkhorn makes rows and columns sum to 1. A product of such matrices is one
again. Turn `mixing` to "free" or "rows": 把 `mixing` 改为 "free" 或 "rows"：连乘之后不再守恒。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("sinkhorn_balances_rows_and_columns", "mixing_keeps_the_mean_and_never_expands"),
          wrong=("normalises_rows_only", "normalises_all_at_once", "forgets_exp"))
def sinkhorn(logits: Tensor, steps: int) -> Tensor:
    """Positive matrices (…, streams, streams) whose rows and columns sum to 1: exp(logits), its rows and its
    columns divided by their sums in turn, `steps` times.

    行和、列和都为 1 的正矩阵 (…, streams, streams)：先取 exp(logits)，再轮流除以各行之和、各列之和，共 `steps` 轮。"""
    m = logits.exp()
    for _ in range(steps):
        m = m / m.sum(-1, keepdim=True)
        m = m / m.sum(-2, keepdim=True)
    return m


def mixing_matrix(logits: Tensor, mixing: str) -> Tensor:
    """How each layer mixes the streams, (…, streams, streams): "doubly stochastic", rows only, or identity plus anything."""
    if mixing == "doubly stochastic":
        return sinkhorn(logits, 200)
    return logits.softmax(-1) if mixing == "rows" else torch.eye(logits.shape[-1], dtype=F64) + 0.3 * logits


RANGES = {
    "streams": between(2, 8), "layers": between(4, 120), "steps": between(1, 200),
    "spread": between(0.1, 1.5), "mixing": one_of("doubly stochastic", "rows", "free"),
}  # fmt: skip


@breaks(steps=1, en="After one round the rows are off again: dividing the columns has changed them.",
        zh="只做一轮，除以列和又改变了行和。")
def claim_sinkhorn_balances_rows_and_columns(streams=4, spread=1.0, steps=200):
    """Dividing rows and columns by their sums in turn makes any positive matrix doubly stochastic: all
    of its rows and columns sum to 1.

    轮流除以行和与列和，任何正矩阵都会变成双随机矩阵：各行、各列之和都是 1。"""
    logits = spread * torch.randn(streams, streams, dtype=F64)
    off = [(sinkhorn(logits, n).sum(1) - 1).abs().max() for n in range(1, 25)]
    m = sinkhorn(logits, steps)
    show(lines("rounds", range(1, 25), {"largest error of a row's sum": [max(float(o), 1e-17) for o in off]},
               log="y"), heatmap(m, x_label="from stream", y_label="to stream"))
    expect("row and column sums", torch.cat((m.sum(1), m.sum(0))), equals=1, within=1e-6)
    expect("entries below zero", (m < 0).sum(), equals=0)


@breaks(mixing="free", en="Unconstrained, 60 layers multiply: the product explodes or dies.",
        zh="不加约束，60 层连乘：要么爆炸，要么消失。")
@breaks(mixing="rows", en="Rows that sum to 1 keep a constant, but not the mean of the streams.",
        zh="只有行和为 1，能保持常数，却保不住各流的均值。")
def claim_mixing_keeps_the_mean_and_never_expands(
    streams=4, layers=60, spread=1.0, mixing="doubly stochastic"
):
    """Through any number of doubly stochastic mixings the mean of the streams stays what it was, and the
    product's largest singular value stays 1.

    无论经过多少层双随机混合，各流的均值都不变，连乘矩阵的最大奇异值始终是 1。"""
    x = torch.randn(streams, 16, dtype=F64)
    norms = {way: [] for way in ("doubly stochastic", "rows", "free")}
    ends = {}
    draws = spread * torch.randn(layers, streams, streams, dtype=F64)
    for way, found in norms.items():
        product = torch.eye(streams, dtype=F64)
        for mixed in mixing_matrix(draws, way):
            product = mixed @ product
            found.append(torch.linalg.matrix_norm(product, 2))
        ends[way] = product
    show(lines("layer", range(1, layers + 1), norms, log="y", y_label="largest singular value of the product"))
    product = ends[mixing]
    expect("mean of the streams, less that at the start", (product @ x).mean(0) - x.mean(0), equals=0,
           within=1e-6)
    expect("largest singular value of the product", norms[mixing], equals=1, within=1e-6)


ZH = {
    "rounds": "轮数", "largest error of a row's sum": "行和的最大误差", "from stream": "来自哪条流",
    "to stream": "去往哪条流", "row and column sums": "行和与列和", "entries below zero": "负的元素个数", "layer": "层",
    "doubly stochastic": "双随机", "rows": "仅行和为 1", "free": "不加约束",
    "largest singular value of the product": "连乘矩阵的最大奇异值",
    "mean of the streams, less that at the start": "各流均值与起点之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
