r"""Softmax turns a bad key down and never off: only a score of −∞, a mask, gives weight 0.

softmax 只会调低不匹配的 key，不会关掉它：只有分数为 −∞（即掩码）才给出 0。

Turn `masked` to "weights": set to 0 after the softmax, the rest no longer sums to 1.
把 `masked` 改为 "weights"：在 softmax 之后置零，其余权重之和就不再是 1。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show

F64 = torch.float64
SMALLEST = {"float32": 2.0**-149, "float64": 2.0**-1074}                 # above 0, subnormals in


def behind_the_best(gaps: Tensor) -> Tensor:
    """The weights of keys whose scores lie `gaps` (n,) behind that of one best key: (n,)."""
    scores = torch.stack((torch.zeros_like(gaps), -gaps), 1)             # (n, 2)
    return scores.softmax(1)[:, 1]


RANGES = {
    "gaps": each(between(0.0, 700.0), at_least=2, rising=True),
    "score": one_of("finite", "−∞"),
    "precision": one_of("float64", "float32"),
    "pairs": between(2, 64), "d_head": between(2, 64), "hidden": between(1, "pairs"),
    "masked": one_of("scores", "weights"),
}  # fmt: skip


@breaks(score="−∞", en="A score of −∞ is a mask: its weight is 0 exactly.",
        zh="分数为 −∞ 就是掩码：权重恰好为 0。")
@breaks(precision="float32", en="In float32 a score 104 or more behind rounds to weight 0 as well.",
        zh="float32 下，落后 104 以上的分数，权重也会舍入成 0。")
def claim_only_a_mask_gives_weight_zero(gaps=(0.0, 5.0, 20.0, 80.0, 120.0), score="finite",
                                        precision="float64"):
    """A finite score g behind the best keeps exp(−g) of its weight; only −∞ gives exactly 0, short
    of underflow.

    分数比最高者低 g，只要有限，权重就还有其 exp(−g) 倍；除下溢外，只有 −∞ 恰好给出 0。"""
    g = torch.tensor(gaps, dtype=F64)
    given = g if score == "finite" else torch.full_like(g, torch.inf)
    weights = behind_the_best(given.to(getattr(torch, precision))).double()
    wanted = [1 / (1 + math.exp(x)) for x in gaps]
    # A weight of 1e-300 shows on no axis and is no mistake: its logarithm is what tells.
    logs = {f"{name}": behind_the_best(g.to(getattr(torch, name))).clamp(SMALLEST[name]).log10()
            for name in SMALLEST}
    show(lines("behind the best score by", gaps, logs, y_label="log₁₀ of the weight"))
    ratio = weights / torch.tensor(wanted, dtype=F64)
    # g itself is rounded before exp: a relative error of g · 2^−53, and a few more
    expect("weight over 1/(1 + exp(g))", ratio, equals=1, within=1e-15 * (10 + g), at=("g", gaps))
    expect("weight at −∞", behind_the_best(torch.tensor([torch.inf])), equals=0)


@breaks(masked="weights", en="Set to 0 after the softmax, the rest sums to less than 1.",
        zh="在 softmax 之后置零，其余之和小于 1。")
def claim_a_masked_pair_might_as_well_not_be_there(pairs=8, d_head=16, hidden=3, masked="scores"):
    """A score of −∞ gives the output that leaving the pair out gives; a weight set to 0 afterwards
    does not.

    把分数置为 −∞，与去掉这一对 key–value 结果相同；在 softmax 之后把权重置零则不同。"""
    q, k = torch.randn(2, pairs, d_head, dtype=F64)
    v = torch.randn(pairs, d_head, dtype=F64)
    seen = torch.arange(pairs) < max(1, pairs - hidden)                  # the last are hidden
    scores = q @ k.T / d_head**0.5
    ways = {"scores": scores.masked_fill(~seen, -torch.inf).softmax(1) @ v,
            "weights": scores.softmax(1).masked_fill(~seen, 0) @ v}
    without = (q @ k[seen].T / d_head**0.5).softmax(1) @ v[seen]
    gaps = {way: (out - without).abs().amax(1) for way, out in ways.items()}
    show(lines("query", range(pairs), {f"masked: {way}": gap for way, gap in gaps.items()},
               y_label="difference from leaving the pairs out"))
    expect("difference from leaving the pairs out", gaps[masked], equals=0, within=1e-12)


ZH = {
    "behind the best score by": "落后于最高分的幅度", "log₁₀ of the weight": "权重的 log₁₀",
    "float32": "float32", "float64": "float64", "g": "g",
    "weight over 1/(1 + exp(g))": "权重与 1/(1 + exp(g)) 之比", "weight at −∞": "−∞ 处的权重",
    "query": "query", "masked: scores": "掩分数", "masked: weights": "掩权重",
    "difference from leaving the pairs out": "与去掉这些对的结果之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
