r"""Scores with W_Q = W_K are a Gram matrix: symmetric, and on the whole in favour of oneself; two
matrices free both.

W_Q = W_K 时分数是 Gram 矩阵：对称，且总体上偏向自己；用两个矩阵，这两条限制都没有了。

Vaswani et al. 2017, §3.2.1. Turn `matrices` to "two": i no longer scores j as j scores i. RoPE does
not help the one matrix, since it turns q and k of a token alike.
把 `matrices` 改为 "two"：i 给 j 的分数不再等于 j 给 i 的。RoPE 帮不了共用的矩阵，因为它对同一 token 的 q 和 k 做同样的
旋转。
"""

from itertools import pairwise, permutations

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, expect, heatmap, main, one_of, show, table

F64 = torch.float64


def scores(x: Tensor, w_q: Tensor, w_k: Tensor, rope: bool = False) -> Tensor:
    """x W_Q W_Kᵀ xᵀ/√d for tokens x (n, D) and W_Q, W_K (D, d): (n, n), RoPE between the two."""
    q, k = x @ w_q, x @ w_k                                              # (n, d)
    q, k = (rotate(q), rotate(k)) if rope else (q, k)
    return q @ k.T / q.shape[1] ** 0.5


def rotate(x: Tensor) -> Tensor:
    """RoPE: pair i of row m of x (n, d) turns by m·10000^(−2i/d)."""
    n, d = x.shape
    turn = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=F64) / d)
    pairs = torch.view_as_complex(x.unflatten(1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(turn), turn)).flatten(1)


RANGES = {
    "tokens": between(32, 64),
    "width": between(128, 256),
    "d_head": between(32, 64, multiple_of=2),
    "ranks": each(between(2, 32), at_most=5, rising=True),
    "few": between(4, 6),
    "matrices": one_of("one", "two"),
}
TWO = breaks(matrices="two", en="Two matrices make any bilinear form of that rank.",
             zh="两个矩阵可以得到这个秩以内的任意双线性型。")


def drawn(
    tokens: int, width: int, d_head: int, matrices: str = "two"
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens (n, D) and W_Q, W_K that keep unit variance; one matrix for both, or two."""
    x, w = torch.randn(tokens, width, dtype=F64), torch.randn(2, width, d_head, dtype=F64) / width**0.5
    return x, w[0], w[0] if matrices == "one" else w[1]


@TWO
def claim_shared_scores_are_symmetric_and_psd(tokens=64, width=128, d_head=32, matrices="one"):
    """With one matrix, or none, the scores are symmetric and have no negative eigenvalue, with RoPE
    as without.

    共用一个矩阵，或者根本不投影，分数矩阵就是对称的，且没有负特征值，加不加 RoPE 都一样。"""
    x, w_q, w_k = drawn(tokens, width, d_head, matrices)
    ways = {"as set": scores(x, w_q, w_k), "with RoPE": scores(x, w_q, w_k, rope=True),
            "no projection": x @ x.T}
    skew = [(s - s.T).norm() / s.norm() for s in ways.values()]
    low = [torch.linalg.eigvalsh((s + s.T) / 2) for s in ways.values()]
    show(table({"Q and K": list(ways), "‖S − Sᵀ‖/‖S‖": skew,
                "smallest eigenvalue over largest": [e[0] / e.abs().max() for e in low]}))
    expect("asymmetry", skew, equals=0, within=1e-12, at=("Q and K", list(ways)))
    expect("smallest eigenvalue over the largest", [e[0] / e.abs().max() for e in low], at_least=0,
           within=1e-12,
           at=("Q and K", list(ways)))
    turned = rotate(torch.eye(4, dtype=F64)[:1].expand(2, -1))[1]        # (1, 0, …) at position 1
    expect("RoPE turns the first pair at position 1 by one radian", turned[:2],
           equals=[torch.tensor(1.0).cos().item(), torch.tensor(1.0).sin().item()], within=1e-6)


@TWO
def claim_shared_scores_favour_self(tokens=64, width=128, d_head=32, matrices="one"):
    """At initialisation (64 tokens, d_k = 32) a token gives over half its weight to itself with one
    matrix; with two, about 1/64.

    初始化时（64 个 token，d_k = 32），共用一个矩阵的 token 把一半以上的权重给自己；用两个矩阵则约为 1/64。"""
    p = scores(*drawn(tokens, width, d_head, matrices)).softmax(1)
    apart = torch.stack([scores(*drawn(tokens, width, d_head)).softmax(1) for _ in range(10)])
    show(heatmap(p[:16, :16], x_label="key", y_label="query", title="weights, as set"),
         heatmap(apart[0, :16, :16], x_label="key", y_label="query", title="weights, two matrices"))
    expect("mean weight on oneself", p.diagonal().mean(), at_least=0.5)
    # A weight is e^score over the sum of n, e^score scatters by 1.3 of its mean: here over 10·n of them,
    # and a draw's matrices move all of its own weights by some 10 % more.
    own = apart.diagonal(dim1=1, dim2=2).mean() * tokens
    expect("mean weight on oneself, two matrices, times the tokens", own, equals=1, within=0.5)


@TWO
def claim_no_permutation_beats_looking_at_oneself(few=6, width=128, d_head=32, matrices="one"):
    """With one matrix, whatever permutation tells the tokens where to look, its scores never sum to
    more than everyone looking at themselves: all permutations of 6 tokens, 20 draws.

    共用一个矩阵时，无论用哪个排列指定各 token 看谁，分数之和都不超过各自看自己：6 个 token 的全部排列，20 次抽样。"""
    every = torch.tensor(list(permutations(range(few))))           # (few!, few), the identity first
    excess = []
    for _ in range(20):
        s = scores(*drawn(few, width, d_head, matrices))
        sums = s[torch.arange(few), every].sum(1)
        excess.append(sums.max() - sums[0])
    show(bars([f"draw {i}" for i in range(12)], {"best permutation less oneself": excess[:12]}))
    expect("best permutation less oneself", excess, equals=0, within=1e-9)


@breaks(inverse=False, en="Without the inverse A stays in the product.", zh="不乘逆矩阵，A 就留在乘积里。")
def claim_only_the_product_matters(tokens=64, width=128, ranks=(4, 8, 16, 32), inverse=True):
    """Without RoPE the scores depend on W_Q and W_K through W_Q W_Kᵀ alone, of rank d_k at most:
    W_Q A and W_K A⁻ᵀ give the same scores.

    不加 RoPE 时，分数只通过 W_Q W_Kᵀ 依赖于二者，秩不超过 d_k：W_Q A 与 W_K A⁻ᵀ 给出同样的分数。"""
    found, gaps = [], []
    for d in ranks:
        x, w_q, w_k = drawn(tokens, width, d)
        a = torch.linalg.qr(torch.randn(d, d, dtype=F64)).Q * (1 + torch.arange(d))
        other = torch.linalg.inv(a).T if inverse else torch.eye(d, dtype=F64)
        gaps.append((scores(x, w_q @ a, w_k @ other) - scores(x, w_q, w_k)).abs().max())
        found.append(torch.linalg.matrix_rank(w_q @ w_k.T))
    show(table({"d_k": ranks, "rank of W_Q W_Kᵀ": found,
                "shape": [f"{width} × {width}"] * len(ranks)}))
    expect("rank of W_Q W_Kᵀ", found, equals=ranks, at=("d_k", ranks))
    expect("change of the scores with A", gaps, equals=0, within=1e-10, at=("d_k", ranks))


@TWO
def claim_softmax_rows_are_no_longer_symmetric(tokens=64, width=128, d_head=32, matrices="one"):
    """After the softmax the weights are not symmetric, but around any cycle of tokens the product
    of the weights is the same in both directions.

    softmax 之后权重不再对称；但沿任何一圈 token，权重的乘积正反两个方向相同。"""
    p = scores(*drawn(tokens, width, d_head, matrices)).softmax(1)
    rings = [torch.randperm(tokens)[:size] for size in (3, 4, 5) for _ in range(20)]
    turns = [sum((p[a, b] / p[b, a]).log() for a,
                 b in pairwise([*ring, ring[0]])) for ring in rings]
    show(heatmap(p[:16, :16], x_label="key", y_label="query", title="weights, as set"))
    expect("asymmetry of the weights", (p - p.T).norm() / p.norm(), at_least=0.01)
    expect("log of the product forward over backward", turns, equals=0, within=1e-9)


ZH = {
    "as set": "按设定", "with RoPE": "加 RoPE", "no projection": "不投影", "Q and K": "Q 与 K",
    "smallest eigenvalue over largest": "最小与最大特征值之比", "asymmetry": "不对称度",
    "smallest eigenvalue over the largest": "最小与最大特征值之比",
    "RoPE turns the first pair at position 1 by one radian": "RoPE 在位置 1 把第一对旋转一弧度",
    "weights, as set": "权重，按设定", "weights, two matrices": "权重，两个矩阵",
    "mean weight on oneself": "给自己的平均权重",
    "mean weight on oneself, two matrices, times the tokens": "两个矩阵时给自己的平均权重乘 token 数",
    "draw {}": "抽样 {}",
    "best permutation less oneself": "最佳排列减看自己", "rank of W_Q W_Kᵀ": "W_Q W_Kᵀ 的秩", "shape": "形状",
    "change of the scores with A": "插入 A 后分数的变化", "asymmetry of the weights": "权重的不对称度",
    "log of the product forward over backward": "正反两个方向乘积之比的对数",
}

if __name__ == "__main__":
    main()
