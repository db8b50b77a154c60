r"""Without softmax the product can be regrouped: φ(Q)(φ(K)ᵀV) costs 4nd² FLOPs instead of 4n²d.

没有 softmax 就能改变乘法次序：φ(Q)(φ(K)ᵀV) 只需 4nd² FLOPs，而不是 4n²d。

Katharopoulos et al. 2020, §3.2, with φ = elu + 1. Turn `between` to "softmax": what stands between
the two products forbids it. 把 `between` 改为 "softmax"：夹在两次乘法之间的东西使次序不能改。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import flops


def feature(x: Tensor) -> Tensor:
    """φ: every number positive, so that the weights can be divided by their sum."""
    return F.elu(x) + 1


@exercise(claims=("regrouping_gives_the_same_numbers", "cost_is_linear_in_the_length"),
          wrong=("scores_first", "forgets_the_sum", "sums_over_the_queries"))
def linear(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Σⱼ φ(q)·φ(kⱼ) vⱼ over Σⱼ φ(q)·φ(kⱼ) for each query, in 4nd² FLOPs: all (tokens, d).

    对每个 query 求 Σⱼ φ(q)·φ(kⱼ) vⱼ 除以 Σⱼ φ(q)·φ(kⱼ)，用 4nd² FLOPs：形状都是 (tokens, d)。"""
    a, b = feature(q), feature(k)
    state = b.T @ v                                                      # (d, d), whatever n is
    return a @ state / (a * b.sum(0)).sum(1, keepdim=True)


def quadratic(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same with the n × n weights formed first."""
    weights = feature(q) @ feature(k).T                                  # (tokens, tokens)
    return weights @ v / weights.sum(1, keepdim=True)


def softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.T / q.shape[1] ** 0.5).softmax(1) @ v


WAYS = {"nothing": quadratic, "softmax": softmax}
ORDERS = {"d × d first": linear, "n × n first": quadratic}

RANGES = {
    "tokens": between(2, 256), "d_head": between(2, 64), "between": one_of("nothing", "softmax"),
    "lengths": each(between(16, 512), at_least=2, rising=True),
    "order": one_of("d × d first", "n × n first"),
}  # fmt: skip


@breaks(between="softmax", en="It is another function: softmax of scores is no product of features.",
        zh="那是另一个函数：分数的 softmax 写不成特征的乘积。")
def claim_regrouping_gives_the_same_numbers(tokens=64, d_head=16, between="nothing"):
    """(φ(Q)φ(K)ᵀ)V = φ(Q)(φ(K)ᵀV): each query sums the same products in another order; with softmax
    between the two it is another function.

    (φ(Q)φ(K)ᵀ)V = φ(Q)(φ(K)ᵀV)：每个 query 只是换一种次序求和；中间隔着 softmax 就是另一个函数了。"""
    q, k, v = torch.randn(3, tokens, d_head, dtype=torch.float64)
    got, wanted = linear(q, k, v), WAYS[between](q, k, v)
    show(lines("query", range(tokens), {"d × d first": got[:, 0], "n × n first": wanted[:, 0],
                                        "softmax": softmax(q, k, v)[:, 0]}, y_label="output"))
    expect("difference", got - wanted, equals=0, within=1e-12)


@breaks(order="n × n first", en="With the n × n weights formed, the cost grows with n².",
        zh="先算出 n × n 的权重，代价就随 n² 增长。")
def claim_cost_is_linear_in_the_length(lengths=(32, 64, 128, 256), d_head=16, order="d × d first"):
    """Its matrix products take 4nd² FLOPs, linear in the length; with the n × n weights formed
    first they take 4n²d.

    它的矩阵乘法是 4nd² FLOPs，与长度成正比；先算 n × n 的权重则是 4n²d。"""
    found = {name: [flops(f, *torch.randn(3, n, d_head)) for n in lengths]
             for name, f in ORDERS.items()}
    show(lines("n", lengths, found, log="xy", y_label="FLOPs"))
    expect("FLOPs", found[order], equals=[4 * n * d_head**2 for n in lengths], at=("n", lengths))
    expect("FLOPs, n × n first", found["n × n first"], equals=[4 * n * n * d_head for n in lengths],
           at=("n", lengths))


def drill_gain(rng) -> Drill:
    """How many times fewer FLOPs the other order takes."""
    n, d = rng.choice([(8192, 64), (32768, 128), (4096, 128), (65536, 64), (131072, 128)])
    x = torch.empty(n, d, device="meta")
    times = flops(quadratic, x, x, x) / flops(linear, x, x, x)
    return Drill(
        en=f"Linear attention over {n:,} tokens with heads of width {d}, no mask: what is the ratio of the "
           "matmul FLOPs with the n × n weights formed first to those with φ(K)ᵀV formed first?",
        zh=f"线性注意力，{n:,} 个 token，头宽 {d}，无掩码：先算 n × n 权重与先算 φ(K)ᵀV，矩阵乘法的 FLOPs 之比是多少？",
        answer=times,
        steps=[("4n²d over 4nd² = n/d", "4n²d 比 4nd² = n/d"), (f"{n}/{d} = {times:g}",) * 2],
        proved_by="cost_is_linear_in_the_length",
    )


ZH = {
    "query": "query", "d × d first": "先算 d × d", "n × n first": "先算 n × n", "softmax": "softmax",
    "output": "输出", "difference": "差", "n": "n", "FLOPs": "FLOPs",
    "FLOPs, n × n first": "FLOPs，先算 n × n",
}  # fmt: skip

if __name__ == "__main__":
    main()
