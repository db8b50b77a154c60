r"""The gradient that attention passes to its query is a covariance of values and keys under the
weights.

注意力传给 query 的梯度，是 value 与 key 在权重下的协方差。

Turn `lead` to 1: where the best key leads by a few units of 1/β, the gradient is at its largest.
把 `lead` 改为 1：最佳 key 只领先约一个 1/β 时，梯度接近最大。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("gradient_to_the_query_is_a_covariance",),
          wrong=("without_the_means", "forgets_beta", "unweighted"))
def jacobian(query: Tensor, keys: Tensor, values: Tensor, beta: float) -> Tensor:
    """∂output/∂query of o = softmax(β·keys·query)·values: query (d,), keys (n, d), values (n, d_v);
    the result is (d_v, d).

    求 o = softmax(β·keys·query)·values 的 ∂o/∂query：query (d,)、keys (n, d)、values (n, d_v)；结果为 (d_v, d)。"""
    w = (beta * keys @ query).softmax(0)                                 # (n,)
    around = values - w @ values                                         # (n, d_v)
    return beta * (w[:, None] * around).T @ (keys - w @ keys)


def dictionary(pairs: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """A query and keys of length 1, and values of 3 numbers."""
    made = F.normalize(torch.randn(pairs + 1, d, dtype=F64), dim=1)
    return made[0], made[1:], torch.randn(pairs, 3, dtype=F64)


RANGES = {
    "pairs": between(2, 64), "d_head": between(2, 64),
    "betas": each(between(0.0, 100.0), at_least=2, rising=True),
    "means": one_of("taken out", "left in"),
    "lead": one_of(50.0, 1.0),
}  # fmt: skip


@breaks(means="left in", en="Without the means it is a second moment, which no softmax has.",
        zh="不减去均值就只是二阶矩，不是 softmax 的梯度。")
def claim_gradient_to_the_query_is_a_covariance(
    pairs=6, d_head=8, betas=(0.0, 0.5, 2.0, 8.0, 32.0), means="taken out"
):
    """∂output/∂query is β times the covariance of values and keys under the weights.

    ∂输出/∂query 等于 β 乘以 value 与 key 在权重下的协方差。"""
    q, keys, values = dictionary(pairs, d_head)
    sizes, gaps = [], []
    for b in betas:
        def output(x: Tensor, b: float = b) -> Tensor:
            return F.scaled_dot_product_attention(x[None], keys, values, scale=b)[0]

        by_autograd = torch.autograd.functional.jacobian(output, q)      # (3, d)
        w = (b * keys @ q).softmax(0)
        moment = b * (w[:, None] * values).T @ keys
        formula = jacobian(q, keys, values, b) if means == "taken out" else moment
        sizes.append(by_autograd.norm())
        gaps.append((by_autograd - formula).abs().max())
    show(lines("β", betas, {"norm of ∂output/∂query": sizes}))
    # float64, sums of up to 64 products of size 3
    expect("autograd less the formula", gaps, equals=0, within=[1e-13 * (1 + b) for b in betas],
           at=("β", betas))


@breaks(lead=1.0, en="At a lead of one unit of 1/β the gradient is near its largest.",
        zh="领先一个 1/β 时，梯度接近最大。")
def claim_gradient_fades_at_both_ends(pairs=6, d_head=8, lead=50.0):
    """The gradient is 0 at β = 0, and nearly 0 again once the best key's lead passes 50 units of
    1/β: a lookup without choice, and one already made.

    β = 0 时梯度为零；最佳 key 的领先幅度超过 50 个 1/β 后又接近零：前者无从选择，后者已经选定。"""
    q, keys, values = dictionary(pairs, d_head)
    first, second = (keys @ q).topk(2).values
    unit = 1 / (first - second).item()                     # the β at which the lead is one unit
    tried = torch.logspace(-2, 1.5, 29).tolist()
    sizes = [jacobian(q, keys, values, s * unit).norm() for s in tried]
    tops = [(s * unit * keys @ q).softmax(0).max() for s in tried]
    show(lines("β times the lead of the best key", tried,
               {"gradient over its largest": [s / max(sizes) for s in sizes], "largest weight": tops},
               log="x"))
    expect("gradient at β = 0", jacobian(q, keys, values, 0.0).norm(), equals=0)
    # all others together have at most (n − 1)·e^(−50) of the weight, and β grew 50-fold
    expect("gradient at that lead over its largest",
           jacobian(q, keys, values, lead * unit).norm() / max(sizes), equals=0, within=1e-12)


ZH = {
    "β": "β", "norm of ∂output/∂query": "∂输出/∂query 的范数",
    "autograd less the formula": "autograd 与公式之差",
    "β times the lead of the best key": "β 乘以最佳 key 的领先幅度",
    "gradient over its largest": "梯度与其最大值之比", "largest weight": "最大的权重",
    "gradient at β = 0": "β = 0 处的梯度",
    "gradient at that lead over its largest": "该领先幅度处的梯度与最大值之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
