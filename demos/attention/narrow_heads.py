r"""A narrow head can single out few keys: its scores have rank at most d_head.

窄的头只能让少数 key 排第一：它的分数矩阵秩不超过 d_head。

Bhojanapalli et al. 2020 call it the low-rank bottleneck. Turn `d_head` to 2: of keys on a circle
every one can come first; on a line, d_head = 1, only the two ends can.
Bhojanapalli 等（2020）称之为低秩瓶颈。把 `d_head` 改为 2：圆上的 key 个个都能排第一；d_head = 1 时 key 在一条线上，
只有两端能。 """

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


def winners(q: Tensor, k: Tensor) -> int:
    """How many of the keys k (n, d) score highest for some query of q (m, d)."""
    return (q @ k.T).argmax(1).unique().numel()


RANGES = {
    "keys": between(32, 128),
    "queries": between(2048, 8192),
    "d_head": between(1, 16),
    "head_sizes": each(between(1, 32), at_least=2, at_most=6, rising=True),
    "of": one_of("scores", "exp of the scores"),
}


@breaks(d_head=2, en="In a plane the corners of the keys' hull are more than two.",
        zh="在平面上，key 的凸包不止两个顶点。")
def claim_a_head_of_width_one_has_two_winners(keys=64, queries=4096, d_head=1):
    """With d_head = 1 only the largest and the smallest of the keys can come first, whatever the
    query.

    d_head = 1 时，无论 query 是什么，能排第一的只有最大和最小的两个 key。"""
    q, k = torch.randn(queries, d_head, dtype=F64), torch.randn(keys, d_head, dtype=F64)
    first = torch.zeros(keys).index_add_(0, (q @ k.T).argmax(1), torch.ones(queries)) / queries
    order = k[:, 0].argsort()
    show(lines("keys from smallest to largest", range(keys),
               {"share of queries that put it first": first[order]}))
    expect("keys that come first for some query", winners(q, k), equals=2)


@breaks(of="exp of the scores", en="exp acts entry by entry: after it the rank is bounded no longer.",
        zh="exp 是逐元素的：取了 exp，秩就不再受限。")
def claim_narrow_heads_single_out_few_keys(head_sizes=(1, 2, 4, 8, 16), keys=64, queries=4096,
                                           of="scores"):
    """A head's scores have rank at most d_head; of 64 random keys the more can come first, the
    wider the head.

    一个头的分数矩阵秩不超过 d_head；64 个随机 key 中，头越宽，能排第一的越多。"""
    # The same numbers, cut to d: what wins in d dimensions is a matter of d alone.
    q, k = torch.randn(queries, max(head_sizes), dtype=F64), torch.randn(keys, max(head_sizes), dtype=F64)
    found = [q[:, :d] @ k[:, :d].T for d in head_sizes]
    ranks = [torch.linalg.matrix_rank(s if of == "scores" else s.exp()) for s in found]
    first = [winners(q[:, :d], k[:, :d]) for d in head_sizes]
    show(lines("d_head", head_sizes, {"keys that come first": first, "rank of the scores": ranks},
               log="x"))
    expect("rank of the scores", ranks, equals=[min(d, keys) for d in head_sizes],
           at=("d_head", head_sizes))
    expect("keys that come first, widest less narrowest", first[-1] - first[0], at_least=1)
    expect("keys that come first at width 1", winners(q[:, :1], k[:, :1]), equals=2)


@breaks(d_head=16, en="As wide as the sequence, the scores can be anything.",
        zh="头与序列一样宽，分数就可以是任意矩阵。")
def claim_a_narrow_head_misses_a_permutation(d_head=4):
    """Scores of rank d_head that must put key i first for query i, all by the same margin over the
    rest, miss the wanted scores by √((n − d_head)/n) of their size.

    要让第 i 个 query 把第 i 个 key 排第一、且都领先同样多，秩为 d_head 的分数与目标相差 √((n − d_head)/n)。"""
    n = 16
    wanted = torch.eye(n, dtype=F64)[torch.randperm(n)]                  # one key for every query
    u, s, vh = torch.linalg.svd(wanted)
    nearest = (u[:, :d_head] * s[:d_head]) @ vh[:d_head]       # Eckart–Young: the best of that rank
    missed = (nearest - wanted).norm() / wanted.norm()
    show(heatmap(wanted, x_label="key", y_label="query", title="wanted scores"),
         heatmap(nearest, x_label="key", y_label="query", title=f"nearest of rank {d_head}"))
    expect("missed, squared, times n", missed**2 * n, equals=n - d_head, within=1e-9)
    expect("missed", missed, at_least=1e-3)


ZH = {
    "keys from smallest to largest": "key，从小到大",
    "share of queries that put it first": "把它排第一的 query 比例",
    "keys that come first for some query": "对某个 query 排第一的 key 数",
    "keys that come first": "能排第一的 key 数",
    "rank of the scores": "分数矩阵的秩",
    "keys that come first, widest less narrowest": "能排第一的 key 数，最宽减最窄",
    "keys that come first at width 1": "宽 1 时能排第一的 key 数", "wanted scores": "想要的分数",
    "nearest of rank {}": "秩为 {} 的最近矩阵", "missed, squared, times n": "缺失部分的平方乘 n", "missed": "缺失部分",
}

if __name__ == "__main__":
    main()
