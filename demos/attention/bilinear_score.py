r"""A bilinear score qᵀWk is the dot product of two projections; a head of width r reaches every W
of rank r, and no fuller one.

双线性打分 qᵀWk 就是两个投影的点积；宽 r 的头能表示任何秩为 r 的 W，秩更高的不行。

Luong et al. 2015, §3.1 ("general"). Turn `head` to "narrower": the last singular value is lost.
把 `head` 改为 "narrower"：最后一个奇异值就丢了。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("a_head_reaches_its_own_rank", "the_rest_of_the_spectrum_is_lost"),
          wrong=("forgets_the_singular_values", "takes_them_twice", "keeps_the_smallest"))
def projections(w: Tensor, r: int) -> tuple[Tensor, Tensor]:
    """The W_Q and W_K (d, r) of a head of width r whose product W_Q W_Kᵀ is nearest to w (d, d).

    宽 r 的头的 W_Q 与 W_K（d, r），使 W_Q W_Kᵀ 最接近 w（d, d）。"""
    u, s, vt = torch.linalg.svd(w)
    root = s[:r].sqrt()
    return u[:, :r] * root, vt[:r].T * root


def with_spectrum(d: int, rank: int) -> Tensor:
    """A random d × d matrix with singular values 1, 1/2, 1/4, … and zeros past `rank`."""
    left, right = (torch.linalg.qr(torch.randn(d, d, dtype=F64)).Q for _ in "uv")
    return left[:, :rank] * 0.5 ** torch.arange(rank) @ right[:, :rank].T


def fitted(w: Tensor, r: int, rounds: int = 24) -> Tensor:
    """The least |w − W_Q W_Kᵀ| that least squares finds from a random start, turn by turn; each
    round brings it nearer by the square of the ratio of singular values, here a quarter."""
    w_k = torch.randn(len(w), r, dtype=F64)
    for _ in range(rounds):
        w_q = torch.linalg.lstsq(w_k, w.T).solution.T
        w_k = torch.linalg.lstsq(w_q, w).solution.T
    return torch.linalg.matrix_norm(w - w_q @ w_k.T)


RANGES = {
    "tokens": between(2, 128), "width": between(4, 64), "rank": between(2, "width"),
    "head": one_of("as wide as the rank", "narrower"),
    "missing": one_of("√Σσ² past r", "nothing"),
}  # fmt: skip


@breaks(head="narrower", en="One dimension too few: scores lose the part of one singular value.",
        zh="少一维：分数就缺了一个奇异值的部分。")
def claim_a_head_reaches_its_own_rank(tokens=32, width=16, rank=4, head="as wide as the rank"):
    """For a W of rank r the scores qᵀWk are those of a head of width r: (q W_Q)·(k W_K).

    对秩为 r 的 W，qᵀWk 就是宽 r 的头的分数：(q W_Q)·(k W_K)。"""
    q, k = torch.randn(2, tokens, width, dtype=F64)
    w = with_spectrum(width, rank)
    r = rank if head == "as wide as the rank" else rank - 1
    w_q, w_k = projections(w, r)
    wanted, got = q @ w @ k.T, (q @ w_q) @ (k @ w_k).T                   # (tokens, tokens)
    show(lines("key", range(tokens), {"qᵀWk": wanted[0], "(q W_Q)·(k W_K)": got[0]},
               y_label="score of query 0"))
    # float64: sums of width² products; the smallest singular value is 2^(1 − rank) and larger
    expect("difference of the scores, over their size", (got - wanted).abs().max() / wanted.std(),
           equals=0, within=1e-13 * width)


@breaks(missing="nothing", en="A head narrower than the rank of W cannot reach it.",
        zh="比 W 的秩更窄的头，表示不了它。")
def claim_the_rest_of_the_spectrum_is_lost(width=16, missing="√Σσ² past r"):
    """Of a W of full rank a head of width r misses exactly the singular values past the r-th: no
    less by any W_Q and W_K that least squares finds.

    对满秩的 W，宽 r 的头恰好丢掉第 r 个之后的奇异值：最小二乘找到的任何 W_Q、W_K 都不会更好。"""
    rank = min(width, 8)
    w = with_spectrum(width, rank)
    widths = range(1, rank)
    tail = [sum(0.25**i for i in range(r, rank)) ** 0.5 for r in widths]
    best = [torch.linalg.matrix_norm(w - p[0] @ p[1].T) for p in (projections(w, r) for r in widths)]
    found = [fitted(w, r) for r in widths]
    show(lines("width of the head", widths, {"√Σσ² past r": tail, "by the projections": best,
                                             "by least squares": found}, log="y",
               y_label="|W − W_Q W_Kᵀ|"))
    wanted = tail if missing != "nothing" else [0.0] * len(tail)
    expect("what the projections miss", best, equals=wanted, within=1e-10, at=("r", widths))
    # 24 rounds, each a quarter nearer, from a start that may be poor: 4^−24 ≈ 4e-15, and much room
    expect("what least squares misses", found, equals=wanted, within=1e-6, at=("r", widths))


ZH = {
    "key": "key", "qᵀWk": "qᵀWk", "(q W_Q)·(k W_K)": "(q W_Q)·(k W_K)",
    "score of query 0": "query 0 的分数",
    "difference of the scores, over their size": "分数之差与其大小之比",
    "width of the head": "头的宽度", "√Σσ² past r": "第 r 个之后的 √Σσ²",
    "by the projections": "由投影", "by least squares": "由最小二乘",
    "|W − W_Q W_Kᵀ|": "|W − W_Q W_Kᵀ|", "what the projections miss": "投影所缺",
    "what least squares misses": "最小二乘所缺", "r": "r",
}  # fmt: skip

if __name__ == "__main__":
    main()
