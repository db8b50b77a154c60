r"""An additive score needs its tanh, between the sum and the last vector; with it the scores are
bounded.

加性打分离不开夹在求和与最后那个向量之间的 tanh；有了它，分数就有界。

Bahdanau et al. 2014, A.1.2; Brody et al. 2021 on a nonlinearity outside the sum, as in GAT. Turn
`bend` to "around the sum": all queries then rank the keys alike.
把 `bend` 改为 "around the sum"：所有 query 对 key 的排序就都一样了。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("additive_needs_its_tanh", "additive_scores_are_bounded"),
          wrong=("without_the_tanh", "tanh_around_the_sum", "forgets_the_keys"))
def additive(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    """vᵀ tanh(W_q q + W_k k) for every pair: q (queries, d), k (keys, d), W (d, hidden) and
    v (hidden,) to scores (queries, keys).

    对每一对求 vᵀ tanh(W_q q + W_k k)：q (queries, d)、k (keys, d)、W (d, hidden)、v (hidden,)，得分数 (queries, keys)。"""
    pairs = (q @ w_q)[:, None] + (k @ w_k)[None]                         # (queries, keys, hidden)
    return torch.tanh(pairs) @ v


def linear(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    """Without the tanh: a term in q plus a term in k."""
    return (q @ w_q @ v)[:, None] + (k @ w_k @ v)[None]


def around(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    """LeakyReLU around the whole sum, as in GAT: it bends the scores and keeps their order."""
    return torch.nn.functional.leaky_relu(linear(q, k, w_q, w_k, v), 0.2)


WAYS = {"inside": additive, "none": linear, "around the sum": around}


def drawn(queries: int, keys: int, d: int, hidden: int) -> list[Tensor]:
    """q, k, W_q, W_k and v, such that the sum has variance about 2 and the score about 1."""
    q, k, w_q, w_k = (torch.randn(*shape, dtype=F64)
                      for shape in ((queries, d), (keys, d), (d, hidden), (d, hidden)))
    return [q, k, w_q / d**0.5, w_k / d**0.5, torch.randn(hidden, dtype=F64) / hidden**0.5]


RANGES = {
    "queries": between(16, 64), "keys": between(16, 64), "d_head": between(8, 32),
    "hidden": between(8, 64), "bend": one_of("inside", "none", "around the sum"),
    "scales": each(between(1.0, 1000.0), at_least=2, rising=True),
    "score": one_of("additive", "scaled dot"),
}  # fmt: skip


@breaks(bend="none", en="The query's term is the same for every key, and cancels.",
        zh="query 那一项对所有 key 都相同，会消掉。")
@breaks(bend="around the sum", en="Around the sum it bends scores, and never reorders them.",
        zh="套在和的外面只会弯曲分数，改变不了次序。")
def claim_additive_needs_its_tanh(queries=32, keys=32, d_head=16, hidden=16, bend="inside"):
    """With tanh inside, queries rank keys differently; without it, or with a nonlinearity around
    the sum, all queries rank them alike.

    tanh 在里面时，不同 query 对 key 的排序各不相同；去掉它，或把非线性套在和的外面，所有 query 的排序都一样。"""
    given = drawn(queries, keys, d_head, hidden)
    found = {way: f(*given) for way, f in WAYS.items()}

    def orders(s: Tensor) -> int:                       # sorting is stable: ties cannot differ
        return len({tuple(row) for row in s.argsort(dim=1, stable=True).tolist()})

    place = found[bend].argsort(dim=1, stable=True).argsort(dim=1)
    show(heatmap(place, x_label="key", y_label="query", title="rank of each key"))
    expect("orders of the keys among all queries", orders(found[bend]), at_least=queries // 2)
    slow = sum(float(v) * torch.tanh(a) for v, a in
               zip(given[4], given[0][0] @ given[2] + given[1][0] @ given[3], strict=True))
    expect("a score less a sum over hidden units", found["inside"][0, 0] - slow, equals=0,
           within=1e-12)


@breaks(score="scaled dot", en="Dot products grow with the square of the scale, without limit.",
        zh="点积按尺度的平方增长，没有上限。")
def claim_additive_scores_are_bounded(queries=32, keys=32, d_head=16, hidden=16,
                                      scales=(1.0, 3.0, 10.0, 30.0, 100.0), score="additive"):
    """tanh keeps additive scores within ±|v|₁ however large q and k are; scaled dot products grow
    with the square of the scale, and softmax goes to one-hot.

    无论 q、k 多大，tanh 都把加性分数限制在 ±|v|₁ 之内；缩放点积按尺度的平方增长，softmax 趋于 one-hot。"""
    q, k, *weights = drawn(queries, keys, d_head, hidden)
    limit = weights[2].abs().sum()
    made = {"scaled dot": [q @ k.T * s**2 / d_head**0.5 for s in scales],
            "additive": [additive(q * s, k * s, *weights) for s in scales]}
    show(lines("scale of q and k", scales, {name: [m.softmax(1).amax(1).median() for m in many]
                                            for name, many in made.items()}, log="x",
               y_label="median largest weight"))
    # q and k are drawn: the largest of 256 scaled dot products or more is above |v|₁ by scale 100
    expect("largest |score| over |v|₁", [m.abs().max() / limit for m in made[score]], at_most=1,
           within=1e-12, at=("scale", scales))
    ceiling = 1 / (1 + (keys - 1) * torch.exp(-2 * limit))  # one key at +|v|₁, the rest at −|v|₁
    expect("largest weight over its ceiling",
           [m.softmax(1).max() / ceiling for m in made[score]], at_most=1, within=1e-12,
           at=("scale", scales))
    growth = made["scaled dot"][-1].abs().max() / made["scaled dot"][0].abs().max()
    expect("growth of the dot scores over the square of the scale's",
           growth / (scales[-1] / scales[0]) ** 2, equals=1, within=1e-9)


ZH = {
    "rank of each key": "各 key 的名次", "key": "key", "query": "query",
    "orders of the keys among all queries": "全体 query 给出的不同排序数",
    "a score less a sum over hidden units": "一个分数与逐隐藏单元求和之差",
    "scale of q and k": "q 与 k 的尺度", "scale": "尺度", "scaled dot": "缩放点积", "additive": "加性",
    "median largest weight": "最大权重的中位数", "largest |score| over |v|₁": "最大 |分数| 与 |v|₁ 之比",
    "largest weight over its ceiling": "最大权重与其上限之比",
    "growth of the dot scores over the square of the scale's": "点积分数的增长与尺度增长的平方之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
