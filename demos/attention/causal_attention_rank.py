r"""A causal attention matrix always has full rank, and a bidirectional one almost always: rank says
little about either.

因果注意力矩阵必定满秩，双向注意力矩阵几乎总是满秩：秩本身说明不了多少问题。

Su Jianlin 2023 (kexue.fm/archives/9529) offers the rank as a guess. Turn `mask` to "none": there is
no triangle. Turn `exp` to False: without the exponential the rank stays that of the scores.
苏剑林（2023）把秩当作猜测提出。把 `mask` 改为 "none"：就没有三角形了。把 `exp` 改为 False：不取指数，秩就是分数的秩。
"""

import math
from fractions import Fraction

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show, table

F64 = torch.float64


def weights(q: Tensor, k: Tensor, mask: str = "none", scale: float = 1.0,
            exp: bool = True) -> Tensor:
    """softmax(scale · q kᵀ/√d) by rows, (n, n); without `exp` the scores divided by their row
    sums."""
    s = scale * q @ k.T / q.shape[1] ** 0.5                              # (n, n)
    if not exp:
        return s / s.abs().sum(-1, keepdim=True)
    future = torch.ones(s.shape, dtype=torch.bool).triu(1)
    return (s.masked_fill(future, -torch.inf) if mask == "causal" else s).softmax(-1)


def effective_rank(p: Tensor) -> Tensor:
    """exp of the entropy of the singular values: n if all are equal, 1 if only one is not zero."""
    share = torch.linalg.svdvals(p)
    return torch.special.entr(share / share.sum()).sum().exp()


def determinant(rows: list[list[int]]) -> Fraction:
    """Exact, by elimination; a pivot must not be 0."""
    a, product = [[Fraction(x) for x in row] for row in rows], Fraction(1)
    for i in range(len(a)):
        product *= a[i][i]
        for r in range(i + 1, len(a)):
            factor = a[r][i] / a[i][i]
            a[r] = [x - factor * y for x, y in zip(a[r], a[i], strict=True)]
    return product


RANGES = {
    "tokens": between(112, 160),
    "d_head": between(14, 24),
    "mask": one_of("causal", "none"),
    "head_sizes": each(between(8, 32), at_most=4, rising=True),
    "scales": each(between(0.0, 30.0), at_most=6, rising=True),
    "longest": between(48, 96),
    "points": between(12, 13),
    "scale": one_of(0.1, 1.0, 2.0, 3.0),
}
NO_MASK = breaks(mask="none", en="Nothing makes it a triangle then.", zh="没有掩码，就不是三角阵。")


@NO_MASK
def claim_causal_determinant_is_the_diagonal_product(
    tokens=128, d_head=16, scales=(0.0, 1.0, 3.0, 10.0), mask="causal"
):
    """A causal matrix is triangular with a positive diagonal: its determinant is the product of the
    diagonal and its eigenvalues are the diagonal, so it has full rank.

    因果矩阵是对角线为正的三角阵：行列式是对角线之积，特征值就是对角线，因此满秩。"""
    q, k = torch.randn(2, tokens, d_head, dtype=F64)
    drawn = [weights(q, k, mask, scale) for scale in scales]
    signs, logs = zip(*(torch.linalg.slogdet(p) for p in drawn), strict=True)
    sums = [p.diagonal().log().sum() for p in drawn]
    show(table({"scale of the scores": scales,
                "smallest diagonal": [p.diagonal().min() for p in drawn],
                "log determinant": logs, "Σ log diagonal": sums,
                "zeros on the diagonal in fp16": [(p.half().diagonal() == 0).sum() for p in drawn]}))
    expect("smallest entry of the diagonal is positive", [p.diagonal().min() > 0 for p in drawn],
           equals=True)
    # A sum of n logarithms of size 10, 1e-16 of each.
    expect("log determinant less Σ log diagonal", [a - b for a, b in zip(logs, sums, strict=True)],
           equals=0,
           within=1e-8, at=("scale", scales))
    expect("sign of the determinant", signs, equals=1, at=("scale", scales))


@breaks(exp=False, en="Divided by their row sums the scores keep their rank, d_head.",
        zh="只除以行和，分数的秩不变，仍是 d_head。")
def claim_softmax_restores_full_rank(tokens=128, head_sizes=(8, 16, 32), exp=True):
    """rank(QKᵀ) is d_head, yet without any mask softmax gives full numerical rank from d_head = 8
    on (Gaussian q and k, float64, n = 128); the causal one falls short.

    rank(QKᵀ) 等于 d_head，而不加任何掩码的 softmax，d_head 从 8 起数值秩就满了（q、k 取高斯，float64，n = 128）；
    不满的反而是因果矩阵。"""
    ranks: dict[str, list[Tensor]] = {"QKᵀ": [], "softmax": [], "causal softmax": []}
    for d in head_sizes:
        q, k = torch.randn(2, tokens, d, dtype=F64)
        for name, matrix in (("QKᵀ", q @ k.T), ("softmax", weights(q, k, exp=exp)), ("causal softmax", weights(q, k, "causal"))):
            ranks[name].append(torch.linalg.matrix_rank(matrix))
    show(lines("d_head", head_sizes, ranks, log="x", y_label="numerical rank"),
         table({"d_head": head_sizes, **ranks}))
    expect("rank of QKᵀ", ranks["QKᵀ"], equals=[min(tokens, d) for d in head_sizes],
           at=("d_head", head_sizes))
    expect("rank of softmax, no mask", ranks["softmax"], equals=tokens, at=("d_head", head_sizes))
    expect("rank of causal softmax that float64 counts", ranks["causal softmax"], at_most=tokens - 1,
           at=("d_head", head_sizes))


@breaks(exp=False, en="The scores themselves have rank 1.", zh="分数矩阵本身的秩是 1。")
def claim_rank_one_scores_can_give_full_rank(points=12, exp=True):
    """Even d_head = 1 bounds nothing: scores i·j·ln 2 have rank 1, and the matrix 2^(ij) they give
    is Vandermonde, its exact determinant not zero.

    d_head = 1 也限制不了秩：分数 i·j·ln 2 的秩为 1，得到的 2^(ij) 是 Vandermonde 矩阵，精确行列式不为零。"""
    i = torch.arange(points, dtype=F64)[:, None]
    scores = i @ i.T * math.log(2)
    grown = [[2 ** (a * b) if exp else a * b + 1 for b in range(points)] for a in range(points)]
    # Two rows of rank-1 integers are enough to see that the determinant is 0.
    exact = determinant(grown) if exp else Fraction(grown[1][1] * grown[2][2] - grown[1][2] * grown[2][1] - 1)
    product = math.prod(2**b - 2**a for b in range(points) for a in range(b))
    counted = torch.linalg.matrix_rank(weights(i * math.log(2), i))
    show(table({"matrix": ["scores", "softmax", "softmax"],
                "arithmetic": ["float64", "float64", "exact"],
                "rank": [torch.linalg.matrix_rank(scores), counted, points]}))
    expect("rank of the scores", torch.linalg.matrix_rank(scores), equals=1)
    expect("exact determinant over the Vandermonde product", float(exact / product), equals=1)
    expect("rank that float64 counts", counted, at_most=points - 1)


@NO_MASK
def claim_causal_matrix_is_ill_conditioned(longest=64, d_head=16, mask="causal"):
    """Full rank is not well conditioned: for Gaussian q and k the causal condition number grows
    more than tenfold every 10 tokens.

    满秩不等于良态：q、k 取高斯时，因果矩阵的条件数每 10 个 token 增大 10 倍以上。"""
    lengths = sorted({16, 24, 32, 48, longest})
    curves: dict[str, list[Tensor]] = {"bidirectional": [], "as set": []}
    for n in lengths:
        drawn = [torch.randn(2, n, d_head, dtype=F64) for _ in range(5)]
        for name, kind in (("bidirectional", "none"), ("as set", mask)):
            curves[name].append(torch.stack([torch.linalg.cond(weights(q, k, kind)) for q,
                                             k in drawn]).median())
    show(lines("n", lengths, curves, log="y", y_label="condition number"))
    growth = (curves["as set"][-1] / curves["as set"][0]).log10() / (lengths[-1] - lengths[0])
    expect("powers of ten per token", growth, at_least=0.1)


@breaks(scale=0.1, en="Attention that is nearly uniform is where the causal matrix has more rank.",
        zh="注意力接近均匀时，有效秩更高的是因果矩阵。")
def claim_effective_rank_depends_on_the_scores(tokens=128, d_head=16, scale=1.0):
    """With Gaussian q and k the causal matrix has several times the effective rank at nearly uniform
    attention (scores of deviation 0.1 or less); at a deviation of 1 or more the bidirectional one has
    more.

    q、k 取高斯：注意力接近均匀（分数标准差不超过 0.1）时，因果矩阵的有效秩是双向矩阵的数倍；标准差为 1 或更大时，双向矩阵更高。"""
    drawn = [torch.randn(2, tokens, d_head, dtype=F64) for _ in range(3)]
    scales = sorted({0.03, 0.1, 0.3, 1.0, 3.0, scale})
    curves = {kind: [torch.stack([effective_rank(weights(q, k, kind, s)) for q,
                                  k in drawn]).mean() for s in scales]
              for kind in ("none", "causal")}
    show(lines("standard deviation of the scores", scales,
               {"bidirectional": curves["none"], "causal": curves["causal"]},
               log="x", y_label="effective rank"))
    at = scales.index(scale)
    expect("effective rank, bidirectional over causal", curves["none"][at] / curves["causal"][at],
           at_least=1)
    low = [causal / none for none, causal in zip(curves["none"], curves["causal"], strict=True)][:2]
    expect("effective rank, causal over bidirectional, at 0.03 and 0.1", low, at_least=3)
    even = torch.zeros(2, tokens, d_head, dtype=F64)
    expect("rank at uniform attention, bidirectional", torch.linalg.matrix_rank(weights(*even)),
           equals=1)
    expect("rank at uniform attention, causal", torch.linalg.matrix_rank(weights(*even, "causal")),
           equals=tokens)


ZH = {
    "scale of the scores": "分数的缩放", "scale": "缩放", "smallest diagonal": "最小的对角元",
    "log determinant": "log 行列式", "Σ log diagonal": "Σ log 对角元",
    "zeros on the diagonal in fp16": "fp16 下为零的对角元",
    "smallest entry of the diagonal is positive": "最小的对角元为正",
    "log determinant less Σ log diagonal": "log 行列式减 Σ log 对角元",
    "sign of the determinant": "行列式的符号",
    "causal softmax": "因果 softmax", "numerical rank": "数值秩", "rank of {}": "{} 的秩", "scores": "分数",
    "rank of softmax, no mask": "不加掩码的 softmax 的秩",
    "rank of causal softmax that float64 counts": "因果 softmax 在 float64 下的数值秩", "matrix": "矩阵", "arithmetic": "算术",
    "exact": "精确",
    "rank": "秩", "rank of the scores": "分数矩阵的秩",
    "exact determinant over the Vandermonde product": "精确行列式与 Vandermonde 乘积之比",
    "rank that float64 counts": "float64 下的数值秩", "bidirectional": "双向", "as set": "按设定",
    "causal": "因果",
    "condition number": "条件数", "powers of ten per token": "每个 token 的 10 的幂次",
    "standard deviation of the scores": "分数的标准差", "effective rank": "有效秩",
    "effective rank, bidirectional over causal": "有效秩，双向与因果之比",
    "effective rank, causal over bidirectional, at 0.03 and 0.1": "有效秩，因果与双向之比，标准差 0.03 与 0.1 处",
    "rank at uniform attention, bidirectional": "均匀注意力的秩，双向",
    "rank at uniform attention, causal": "均匀注意力的秩，因果",
}

if __name__ == "__main__":
    main()
