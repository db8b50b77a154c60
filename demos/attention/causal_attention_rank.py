r"""A causal attention matrix always has full rank; a bidirectional one almost always: rank says little about either.

因果注意力矩阵必定满秩，双向注意力矩阵几乎总是满秩：秩本身说明不了多少问题。

The claim that full rank makes causal attention stronger is a conjecture in a blog post (Su Jianlin 2023,
kexue.fm/archives/9529). It cites Dong et al. 2021, whose theorem is about depth. q and k here are Gaussian, float64.
Turn `d` to 1 or 2: there bidirectional attention really is of low numerical rank.
"""

import math
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

F64 = torch.float64


def weights(q: Tensor, k: Tensor, causal: bool, scale: float = 1.0) -> Tensor:
    """softmax(scale · q kᵀ/√d) by rows, (n, n)."""
    s = scale * q @ k.T / q.shape[1] ** 0.5
    return (s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), -torch.inf) if causal else s).softmax(-1)


def effective_rank(p: Tensor) -> Tensor:
    """exp of the entropy of the singular values, scaled to sum to 1: n if all are equal, 1 if only one is not zero."""
    share = torch.linalg.svdvals(p)
    share = share / share.sum()
    return torch.special.entr(share).sum().exp()


def exact_determinant(rows: list[list[int]]) -> Fraction:
    """Gaussian elimination without rounding."""
    a, det = [[Fraction(x) for x in row] for row in rows], Fraction(1)
    for i in range(len(a)):
        pivot = next((r for r in range(i, len(a)) if a[r][i]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != i:
            a[i], a[pivot], det = a[pivot], a[i], -det
        det *= a[i][i]
        for r in range(i + 1, len(a)):
            factor = a[r][i] / a[i][i]
            a[r] = [x - factor * y for x, y in zip(a[r], a[i], strict=True)]
    return det


def spread_by_layer(n: int, width: int, layers: int, causal: bool, skip: bool) -> list[Tensor]:
    """|X − mean row| / |X| after each layer of attention alone; W_V orthogonal, W_Q and W_K Gaussian."""
    x, found = torch.randn(n, width, dtype=F64), []
    for _ in range(layers):
        w_q, w_k = torch.randn(2, width, width, dtype=F64) / width**0.5
        w_v = torch.linalg.qr(torch.randn(width, width, dtype=F64)).Q
        y = weights(x @ w_q, x @ w_k, causal) @ x @ w_v
        x = x + y if skip else y
        found.append((x - x.mean(0)).norm() / x.norm())
    return found


def claim_logits_have_rank_d_head(n=128, head_sizes=(1, 2, 4, 8, 16, 32)):
    """QKᵀ has rank d_head, and so log P can have rank d_head + 1 at most: that limit, and not the rank of P, is what a
    small head imposes, and it is the same for the visible part of a causal matrix.

    QKᵀ 的秩是 d_head，于是 log P 的秩至多为 d_head + 1：小的 head 限制的是它而不是 P 的秩，因果矩阵的可见部分受到同样的限制。"""
    ranks: dict[str, list[Tensor]] = {"QKᵀ": [], "log P, bidirectional": [], "log P, causal, visible block": []}
    for d in head_sizes:
        q, k = torch.randn(2, n, d, dtype=F64)
        visible = weights(q, k, True)[n // 2 :, : n // 2]  # the later half of the queries, the earlier half of the keys
        for name, matrix in zip(ranks, (q @ k.T, weights(q, k, False).log(), visible.log()), strict=True):
            ranks[name].append(torch.linalg.matrix_rank(matrix, rtol=1e-10))
    show(table({"d_head": head_sizes, **ranks}, title=f"n = {n}"))
    for (name, found), most, more in zip(ranks.items(), (n, n, n // 2), (0, 1, 1), strict=True):
        expect(f"rank of {name}", found, equals=[min(most, d + more) for d in head_sizes], at=("d_head", head_sizes))


def claim_softmax_restores_full_rank(n=128, head_sizes=(1, 2, 4, 8, 16, 32)):
    """Softmax lifts the rank: without any mask the matrix reaches full numerical rank 128 from scores of rank 8, where
    linear attention stays at d_head.

    softmax 会升秩：不加任何掩码，分数的秩为 8 时，矩阵的数值秩已达到满秩 128；线性注意力则停在 d_head。"""
    curves: dict[str, list[Tensor]] = {"QKᵀ": [], "linear attention": [], "softmax": []}
    for d in head_sizes:
        q, k = torch.randn(2, n, d, dtype=F64)
        linear = (F.elu(q) + 1) @ (F.elu(k) + 1).T  # a positive feature map in place of softmax
        for name, matrix in zip(curves, (q @ k.T, linear, weights(q, k, False)), strict=True):
            curves[name].append(torch.linalg.matrix_rank(matrix))
    show(lines("d_head", head_sizes, curves, log="x", y_label="numerical rank", title=f"no mask, n = {n}"))
    expect("rank of linear attention", curves["linear attention"], equals=[min(n, d) for d in head_sizes], at=("d_head", head_sizes))
    wide = [i for i, d in enumerate(head_sizes) if d >= 8]
    expect("rank of softmax attention", [curves["softmax"][i] for i in wide], equals=n,
           at=("d_head", [head_sizes[i] for i in wide]))


def claim_rank_one_scores_can_give_full_rank(points=12):
    """Even d_head = 1 does not bound the rank: scores i·j·ln 2 have rank 1, the matrix 2^(ij) they give is Vandermonde, and
    its exact determinant is not zero, though float64 counts fewer than 12.

    即使 d_head = 1 也限制不了秩：分数 i·j·ln 2 的秩为 1，得到的 2^(ij) 是 Vandermonde 矩阵，精确行列式不为零，尽管 float64
    数出来的秩不到 12。"""
    i = torch.arange(points, dtype=F64)[:, None]
    q, k = i * math.log(2), i
    exact = exact_determinant([[2 ** (a * b) for b in range(points)] for a in range(points)])
    product = math.prod(2**b - 2**a for b in range(points) for a in range(b))
    counted = torch.linalg.matrix_rank(weights(q, k, False))  # rows divided by their sums: the rank stays
    show(table({"matrix": ["scores", "softmax", "softmax"], "arithmetic": ["float64", "float64", "exact"],
                "rank": [torch.linalg.matrix_rank(q @ k.T), counted, points if exact else "less"]}, title=f"n = {points}"))
    expect("rank of the scores", torch.linalg.matrix_rank(q @ k.T), equals=1)
    expect("exact determinant over the Vandermonde product", float(exact / product), equals=1)
    expect("exact determinant of 2^(ij) is not zero", exact != 0, equals=True)
    expect("rank that float64 counts", counted, at_most=points - 1)


def claim_causal_determinant_is_the_diagonal_product(n=128, d=16, scales=(0.0, 0.3, 1.0, 3.0, 10.0, 30.0)):
    """A causal matrix is triangular with positive diagonal: its determinant is the product of the diagonal, its eigenvalues
    are the diagonal, so it has full rank; stored in fp16 sharp rows lose it, their diagonal rounding to zero.

    因果矩阵是对角线为正的三角阵：行列式是对角线之积，特征值就是对角线，因此满秩；若以 fp16 存储，尖锐的行会因对角元舍入为零
    而失去满秩。"""
    q, k = torch.randn(2, n, d, dtype=F64)
    made = [weights(q, k, True, scale) for scale in scales]
    smallest = [p.diagonal().min() for p in made]
    lost = [(p.half().diagonal() == 0).sum() for p in made]
    signs, logs = zip(*(torch.linalg.slogdet(p) for p in made), strict=True)
    sums = [p.diagonal().log().sum() for p in made]
    show(table({"scale of the scores": scales, "smallest diagonal": smallest, "log det": logs, "Σ log diagonal": sums,
                "zeros on the diagonal in fp16": lost}, title=f"n = {n}"))
    expect("smallest entry of the diagonal is positive", torch.stack(smallest) > 0, equals=True, at=("scale", scales))
    expect("log det less Σ log diagonal", [a - b for a, b in zip(logs, sums, strict=True)], equals=0, within=1e-8,
           at=("scale", scales))
    expect("sign of the determinant", signs, equals=1, at=("scale", scales))
    found = [(torch.linalg.eigvals(p).real.sort().values - p.diagonal().sort().values).abs().max() for p in made]
    expect("eigenvalues less the diagonal", found, equals=0, within=1e-9, at=("scale", scales))
    sharp = [x for s, x in zip(scales, lost, strict=True) if s >= 10]
    expect("zeros on the diagonal in fp16, scale 10 and more", sharp or [1], at_least=1)


def claim_causal_matrix_is_ill_conditioned(lengths=(8, 16, 32, 48, 64), d=16, draws=5):
    """Full rank is not well conditioned: for Gaussian q and k the causal matrix's condition number grows exponentially,
    tenfold in fewer than 10 tokens, and at n = 64 is over 1000 times the bidirectional one's.

    满秩不等于良态：q、k 为高斯时，因果矩阵的条件数指数增长，不到 10 个 token 就增大 10 倍，n = 64 时是双向矩阵的 1000 倍以上。"""
    curves: dict[str, list[Tensor]] = {"bidirectional": [], "causal": []}
    for n in lengths:
        drawn = [torch.randn(2, n, d, dtype=F64) for _ in range(draws)]
        for name, causal in (("bidirectional", False), ("causal", True)):
            curves[name].append(torch.stack([torch.linalg.cond(weights(q, k, causal)) for q, k in drawn]).median())
    show(lines("n", lengths, curves, log="y", y_label="condition number", title=f"median of {draws}"))
    growth = (curves["causal"][-1] / curves["causal"][0]).log10() / (lengths[-1] - lengths[0])
    expect("powers of ten a token, causal", growth, at_least=0.1)
    expect("powers of ten from bidirectional to causal, longest", (curves["causal"][-1] / curves["bidirectional"][-1]).log10(),
           at_least=3)


def claim_effective_rank_depends_on_the_scores(n=128, d=16, scales=(0.0, 0.1, 0.3, 1.0, 3.0, 10.0), draws=5):
    """For uniform attention the bidirectional matrix has rank 1 and the causal one full rank; with Gaussian q and k of head
    size 16 and scores of standard deviation 1 to 10 the bidirectional one has the higher effective rank.

    注意力均匀时，双向矩阵秩为 1，因果矩阵满秩；q、k 为高斯、head 维度 16、分数标准差为 1 到 10 时，双向矩阵的有效秩反而更高。"""
    drawn = [torch.randn(2, n, d, dtype=F64) for _ in range(draws)]
    q, k = drawn[0]
    curves = {name: torch.stack([torch.stack([effective_rank(weights(*qk, causal, s)) for qk in drawn]).mean() for s in scales])
              for name, causal in (("bidirectional", False), ("causal", True))}
    show(table({"standard deviation of the scores": scales, **curves}, title=f"effective rank, n = {n}, d_head = {d}, mean of {draws}"))
    show(lines("scale", [max(s, 0.03) for s in scales], curves, log="x", y_label="effective rank", title="0 drawn at 0.03"))
    expect("rank at uniform weights, bidirectional", torch.linalg.matrix_rank(weights(q, k, False, 0.0)), equals=1)
    expect("rank at uniform weights, causal", torch.linalg.matrix_rank(weights(q, k, True, 0.0)), equals=n)
    ahead = dict(zip(scales, curves["causal"] - curves["bidirectional"], strict=True))
    small, usual = [s for s in scales if s <= 0.3], [s for s in scales if s >= 1]
    expect("causal less bidirectional, nearly uniform", [ahead[s] for s in small] or [1], at_least=1)
    expect("causal less bidirectional, ordinary and sharp scores", [ahead[s] for s in usual] or [-1], at_most=-1)


def claim_one_head_output_has_rank_d_head(n=128, head_sizes=(1, 2, 4, 8, 16, 32)):
    """The output PV of one head has rank d_head at most, causal or not: the n × n rank of P cannot be seen in it.

    无论有无因果掩码，一个 head 的输出 PV 的秩都至多是 d_head：P 的 n × n 秩在其中看不出来。"""
    ranks: dict[str, list[Tensor]] = {"P, bidirectional": [], "PV, bidirectional": [], "P, causal": [], "PV, causal": []}
    for d in head_sizes:
        q, k, v = torch.randn(3, n, d, dtype=F64)
        for name, causal in (("bidirectional", False), ("causal", True)):
            p = weights(q, k, causal)
            ranks[f"P, {name}"].append(torch.linalg.matrix_rank(p))
            ranks[f"PV, {name}"].append(torch.linalg.matrix_rank(p @ v))
    show(table({"d_head": head_sizes, **ranks}, title=f"numerical rank in float64, n = {n}"))
    for name in ("bidirectional", "causal"):
        expect(f"rank of PV, {name}", ranks[f"PV, {name}"], equals=[min(n, d) for d in head_sizes], at=("d_head", head_sizes))


def claim_pure_attention_collapses_in_both(tokens=64, width=32, layers=12):
    """Stacked without skip connections or FFN, attention makes all tokens alike with the causal mask and without it, only
    more slowly with it; with skip connections they are still apart after 12 layers.

    不带残差连接与 FFN 地堆叠注意力，有无因果掩码所有 token 都趋于相同，有掩码时只是慢一些；加上残差连接，12 层之后差异仍在。"""
    curves = {f"{name}{', skip' if skip else ''}": torch.stack(spread_by_layer(tokens, width, layers, causal, skip))
              for skip in (False, True) for name, causal in (("bidirectional", False), ("causal", True))}
    show(lines("layer", range(1, layers + 1), {m: c.clamp(min=1e-16) for m, c in curves.items()}, log="y",
               y_label="|X − mean| / |X|"))
    expect("difference left, bidirectional", curves["bidirectional"][-1], at_most=1e-6)
    expect("difference left, causal", curves["causal"][-1], at_most=0.05)
    expect("powers of ten from bidirectional to causal", (curves["causal"][-1] / curves["bidirectional"][-1]).log10(),
           at_least=1)
    expect("difference left with skip connections", [curves["bidirectional, skip"][-1], curves["causal, skip"][-1]],
           at_least=0.05)


def claim_causal_weights_reveal_position(n=128, d=16):
    """With equal scores and no position encoding a causal head puts weight 1/t on the first token at position t: the mask
    reveals the position. Without a mask permuted tokens give the same outputs permuted, until positions are added.

    分数全部相等且没有位置编码时，因果 head 在位置 t 给第一个 token 的权重是 1/t：掩码透露了位置。没有掩码时，token 置换则输出
    同样置换，加上位置编码后才不再如此。"""
    first = weights(torch.zeros(n, d, dtype=F64), torch.randn(n, d, dtype=F64), True)[:, 0]
    t = torch.arange(1, n + 1, dtype=F64)
    x, position, order = torch.randn(n, d, dtype=F64), torch.randn(n, d, dtype=F64), torch.randperm(n)
    order[:2] = order[:2].sort(descending=True).values  # at least one pair out of order

    def attend(x: Tensor, causal: bool) -> Tensor:
        return weights(x, x, causal) @ x

    changed = {"no mask": attend(x[order], False) - attend(x, False)[order],
               "causal": attend(x[order], True) - attend(x, True)[order],
               "no mask, positions added": attend(x[order] + position, False) - attend(x + position, False)[order]}
    changed = {name: difference.abs().max() for name, difference in changed.items()}
    show(lines("position t", t[:32], {"weight on the first token": first[:32], "1/t": 1 / t[:32]}))
    show(table({"attention": list(changed), "outputs of permuted tokens, less permuted outputs": list(changed.values())}))
    expect("weight on the first token, less 1/t", first - 1 / t, equals=0, within=1e-12)
    expect("no mask: permuted tokens, less permuted outputs", changed["no mask"], at_most=1e-10)
    expect("the same, causal", changed["causal"], at_least=1e-3)
    expect("the same, positions added", changed["no mask, positions added"], at_least=1e-3)


if __name__ == "__main__":
    main()
