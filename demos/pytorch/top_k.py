r"""topk returns the k largest values and where they stand; which of equal values it takes is nobody's promise.

topk 返回最大的 k 个值及其位置；值相等时取哪一个，没有任何保证。

torch.topk. Turn `way` to "threshold": a mask of all scores that reach the k-th has more than k ones where scores are tied.
把 `way` 改为 "threshold"：以第 k 大的值为阈值做掩码，有并列时就多于 k 个 1。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, heatmap, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("a_mask_from_indices_has_exactly_k", "values_are_the_sorted_prefix"),
          wrong=("thresholds", "marks_the_smallest", "marks_columns"))
def top_k_mask(scores: Tensor, k: int) -> Tensor:
    """True at the k largest of each row, exactly k of them also where scores are equal: scores and the mask are (rows, n). No loop.

    每行最大的 k 个处为 True，分数并列时也恰好 k 个：scores 与掩码都是 (rows, n)。不用循环。"""
    best = scores.topk(k, dim=-1).indices                            # (rows, k), k different places
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, best, True)


def by_threshold(scores: Tensor, k: int) -> Tensor:
    """The wrong way: all that reach the k-th largest."""
    return scores >= scores.topk(k, dim=-1).values[:, -1:]


WAYS = {"indices": top_k_mask, "threshold": by_threshold}

RANGES = {
    "rows": between(2, 32), "n": between(8, 64), "k": between(2, 4), "levels": between(2, 3), "way": one_of("indices", "threshold"),
    "compared": one_of("values", "indices"), "selected": one_of("topk", "softmax of all"),
}  # fmt: skip


@breaks(way="threshold", en="Equal scores all reach the threshold.", zh="并列的分数都达到阈值。")
def claim_a_mask_from_indices_has_exactly_k(rows=8, n=16, k=2, levels=2, way="indices"):
    """A mask scattered from topk's indices has exactly k ones in each row, also where scores are tied.

    由 topk 的索引 scatter 出的掩码，每行恰好 k 个 1，分数并列时也一样。"""
    scores = torch.randint(levels, (rows, n)).float()                # few levels: ties everywhere
    scores[:, : k + 1] = levels                                      # for certain k + 1 equal ones at the top
    mask = WAYS[way](scores, k)
    show(heatmap(mask.int(), x_label="expert", y_label="token"))
    expect("ones in a row", mask.sum(1), equals=k, at=("row", range(rows)))


@breaks(compared="indices", en="With ties torch's topk and a stable sort take different ones of the equal scores.",
        zh="有并列时，topk 与稳定排序取的是不同的并列项。")
def claim_values_are_the_sorted_prefix(rows=8, n=16, k=3, compared="values"):
    """topk's values are the first k of the sorted row, and its indices point at them; with ties the indices need not be those
    of the sort.

    topk 的值就是排序后的前 k 个，索引指向它们；有并列时，索引不必与排序的相同。"""
    scores = torch.ones(rows, n)                                     # all tied
    scores[rows // 2 :] = torch.randn(rows - rows // 2, n)           # no ties
    values, indices = scores.topk(k, dim=-1)
    ordered = scores.sort(dim=-1, descending=True, stable=True)
    show(table(["row", "topk indices", "stable sort"], [[name, str(indices[i].tolist()), str(ordered.indices[i, :k].tolist())]
                                                         for name, i in (("tied", 0), ("not tied", rows - 1))]))
    if compared == "values":
        expect("values less the sorted prefix", values - ordered.values[:, :k], equals=0)
        expect("scores at the indices less the values", scores.gather(1, indices) - values, equals=0)
        expect("sum under the mask less the values' sum", (scores * top_k_mask(scores, k)).sum(1) - values.sum(1), equals=0, within=1e-5)
    else:
        expect("indices less the stable sort's", indices - ordered.indices[:, :k], equals=0)


@breaks(selected="softmax of all", en="A softmax over all scores, taken first, hands every score a gradient through its denominator.",
        zh="先对全部分数做 softmax，分母会把梯度传给每个分数。")
def claim_the_gradient_reaches_the_selected_alone(n=8, k=2, selected="topk"):
    """The gradient of topk's values is 1 at the selected and 0 elsewhere: the choice itself is not differentiated.

    topk 的值对输入的梯度，在选中处为 1，其余为 0：“选哪些”本身不可导。"""
    scores = torch.randn(n, dtype=F64)

    def total(z: Tensor) -> Tensor:
        return (z if selected == "topk" else z.softmax(-1)).topk(k).values.sum()

    slope = finite_difference(total, scores)
    x = scores.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(total(x), x)
    mask = top_k_mask(scores[None], k)[0].double()
    show(table(["score", "selected", "gradient"], [[s, int(m), g] for s, m, g in zip(scores, mask, gradient, strict=True)]))
    expect("gradient less finite differences", gradient - slope, equals=0, within=1e-8)
    expect("gradient less the mask", gradient - mask, equals=0, within=1e-8)


def drill_top_two(rng) -> Drill:
    """The renormalised weight of the best of four experts."""
    odds = rng.sample([1, 2, 3, 4, 5, 6, 8, 9, 10, 12], 4)
    weights = torch.tensor([odds], dtype=F64).log().softmax(-1)
    best = weights.topk(2).values[0]
    first, second = sorted(odds, reverse=True)[:2]
    return Drill(
        en=f"A router's logits for four experts are ln {odds[0]}, ln {odds[1]}, ln {odds[2]}, ln {odds[3]}; the top 2 are "
           "renormalised to sum to 1. What is the weight of the best expert?",
        zh=f"路由器对四个专家的 logits 为 ln {odds[0]}、ln {odds[1]}、ln {odds[2]}、ln {odds[3]}；"
           "取 top-2 并重新归一化。得分最高的专家权重是多少？",
        answer=float(best[0] / best.sum()), within=0.005,
        steps=[(f"the top 2 are {first} and {second}, over the common sum {sum(odds)}",
                f"top-2 是 {first} 与 {second}，分母同为 {sum(odds)}"),
               (f"the sum cancels: {first} / ({first} + {second}) = {first / (first + second):.3f}",
                f"分母约掉：{first} / ({first} + {second}) = {first / (first + second):.3f}")],
        proved_by="values_are_the_sorted_prefix",
    )


ZH = {
    "expert": "专家", "ones in a row": "一行中 1 的个数", "row": "行", "topk indices": "topk 的索引",
    "stable sort": "稳定排序", "tied": "并列", "not tied": "无并列",
    "values less the sorted prefix": "值与排序前缀之差",
    "scores at the indices less the values": "索引处的分数与值之差",
    "sum under the mask less the values' sum": "掩码下之和与值之和的差",
    "indices less the stable sort's": "索引与稳定排序之差", "score": "分数", "selected": "选中", "gradient": "梯度",
    "gradient less finite differences": "梯度与有限差分之差", "gradient less the mask": "梯度与掩码之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
