r"""Any score becomes an attention once softmax makes weights of it; what depends on the query alone
is lost.

任何打分经 softmax 都成为注意力的权重；只取决于 query 的那部分会消掉。

Bahdanau et al. 2014; Luong et al. 2015; Vaswani et al. 2017. Turn `normaliser` to "sigmoid": the
weights of a query no longer sum to 1. 把 `normaliser` 改为 "sigmoid"：一个 query 的权重之和不再是 1。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def scores(kind: str, q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """Scores of every query (queries, d) for every key (keys, d), with weights w (d, d): a matrix
    (queries, keys)."""
    d = q.shape[1]
    if kind == "bilinear":
        return q @ w @ k.T
    if kind == "additive":                                               # v of ones, hidden = d
        return torch.tanh((q @ w)[:, None] + (k @ w)[None]).sum(-1)      # of (queries, keys, d)
    if kind == "Gaussian":
        return -(q[:, None] - k[None]).square().sum(-1) / 2
    return q @ k.T / (d**0.5 if kind == "scaled dot" else 1)


KINDS = ("dot", "scaled dot", "bilinear", "additive", "Gaussian")


def of_a_pair(kind: str, q: list[float], k: list[float], w: list[list[float]]) -> float:
    """The same for one query and one key, a number at a time."""
    d = range(len(q))
    dot = sum(q[i] * k[i] for i in d)
    return {
        "dot": dot, "scaled dot": dot / len(q) ** 0.5,
        "bilinear": sum(q[i] * w[i][j] * k[j] for i in d for j in d),
        "additive": sum(math.tanh(sum((q[i] + k[i]) * w[i][j] for i in d)) for j in d),
        "Gaussian": -sum((q[i] - k[i]) ** 2 for i in d) / 2,
    }[kind]  # fmt: skip


RANGES = {
    "queries": between(2, 64), "keys": between(3, 64), "d_head": between(2, 32),
    "normaliser": one_of("softmax", "sigmoid"),
    "added": one_of("a number per query", "a number per key"),
}  # fmt: skip


@breaks(normaliser="sigmoid", en="Each sigmoid stands alone: their sum is anything from 0 to n.",
        zh="每个 sigmoid 各算各的：总和可以是 0 到 n 之间的任何数。")
def claim_every_score_gives_weights(queries=6, keys=8, d_head=4, normaliser="softmax"):
    """Softmax of any score (dot, scaled, bilinear, additive, Gaussian) gives positive weights that
    sum to 1.

    任何打分（点积、缩放点积、双线性、加性、高斯）经 softmax 都给出和为 1 的正权重。"""
    q, k = torch.randn(queries, d_head, dtype=F64), torch.randn(keys, d_head, dtype=F64)
    w = torch.randn(d_head, d_head, dtype=F64) / d_head**0.5
    found = {kind: scores(kind, q, k, w) for kind in KINDS}
    make = {"softmax": lambda s: s.softmax(1), "sigmoid": lambda s: s.sigmoid()}
    show(bars(range(keys), {kind: s.softmax(1)[0] for kind, s in found.items()},
              title="weights of one query"))
    weights = [make[normaliser](s) for s in found.values()]
    expect("row sums", torch.stack(weights).sum(-1), equals=1, within=1e-12)
    expect("smallest weight", torch.stack(weights).min(), at_least=0)
    slow = [[[of_a_pair(kind, *pair, w.tolist()) for pair in ((a, b) for b in k[:3].tolist())]
             for a in q[:2].tolist()] for kind in KINDS]
    expect("scores less a loop over pairs", torch.stack(list(found.values()))[:, :2, :3]
           - torch.tensor(slow, dtype=F64), equals=0, within=1e-12 * d_head**2)


@breaks(added="a number per key", en="A number per key is a bias: it changes who is preferred.",
        zh="每个 key 各加一个数就是偏置：它改变谁被偏好。")
def claim_what_the_query_adds_to_all_keys_is_lost(
    queries=6, keys=8, d_head=4, added="a number per query"
):
    """Whatever a score adds for the query alone cancels in softmax; so a sum of a term in q and a
    term in k attends alike for every query.

    打分中只取决于 query 的部分在 softmax 中消掉；所以「q 的一项加 k 的一项」对每个 query 的注意力都一样。"""
    q, k = torch.randn(queries, d_head, dtype=F64), torch.randn(keys, d_head, dtype=F64)
    plain = scores("scaled dot", q, k, q)
    extra = {"a number per query": torch.randn(queries, 1, dtype=F64),
             "a number per key": torch.randn(1, keys, dtype=F64)}
    changes = {what: ((plain + x).softmax(1) - plain.softmax(1)).abs().amax(1)
               for what, x in extra.items()}
    show(lines("query", range(queries), changes, y_label="change of the weights"))
    expect("change of the weights", changes[added], equals=0, within=1e-12)
    total = torch.randn(queries, 1, dtype=F64) + torch.randn(1, keys, dtype=F64)
    weights = total.softmax(1)
    expect("difference between two queries' weights, score = term in q + term in k",
           weights - weights[0], equals=0, within=1e-12)


ZH = {
    "dot": "点积", "scaled dot": "缩放点积", "bilinear": "双线性", "additive": "加性", "Gaussian": "高斯",
    "weights of one query": "一个 query 的权重", "row sums": "行和", "smallest weight": "最小的权重",
    "scores less a loop over pairs": "分数与逐对循环之差",
    "query": "query", "a number per query": "每个 query 一个数", "a number per key": "每个 key 一个数",
    "change of the weights": "权重的变化",
    "difference between two queries' weights, score = term in q + term in k":
        "打分 = q 的一项 + k 的一项时，两个 query 的权重之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
