r"""A saturated softmax passes hardly any gradient to the typical query, and much to a few.

饱和的 softmax 几乎不给一般的 query 传递梯度，却给少数 query 传递很多。

Vaswani et al. 2017, §3.2.1, which «suspects» it for large d_k. Turn `width` to 16: undivided scores
are then merely sharp, and the median query gets more gradient than it gets divided.
把 `width` 改为 16：不除的分数只是较尖，处于中位数的 query 得到的梯度反而更多。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, show


def jacobian_norm(p: Tensor) -> Tensor:
    """Frobenius norm of softmax's Jacobian diag(p) − ppᵀ for each row of p (rows, n)."""
    return (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]).flatten(1).norm(dim=1)    # (rows,)


def scores(queries: int, keys: int, d: int) -> Tensor:
    """q·k for q and k of mean 0 and variance 1."""
    return torch.randn(queries, d) @ torch.randn(keys, d).T                 # (queries, keys)


RANGES = {
    "widths": each(between(16, 1024), at_least=2, at_most=8, rising=True),
    "power": between(0.0, 2.0),
    "width": between(8, 2048),
    "queries": between(128, 512),
    "keys": between(32, 128),
}


@breaks(power=0.0, en="Undivided, the Jacobian falls with the width: saturation.",
        zh="不做除法，Jacobian 随宽度下降：饱和。")
@breaks(power=1.0, en="Divided by d_k it falls to that of the uniform distribution.",
        zh="除以 d_k，它降到均匀分布的水平。")
def claim_saturated_softmax_has_no_gradient(
    widths=(16, 64, 256, 1024), queries=256, keys=64, power=0.5
):
    """The Jacobian diag(p) − ppᵀ is zero for a one-hot p. Over 64 keys the median undivided
    Jacobian is below a tenth of the one over √d_k at d_k = 1024, but above it at d_k = 16.

    p 为 one-hot 时 Jacobian diag(p) − ppᵀ 为零。对 64 个 key，不做除法的 Jacobian 范数中位数在
    d_k = 1024 时不到除以 √d_k 时的十分之一，在 d_k = 16 时反而更大。"""
    def size(d: int, p: float) -> Tensor:
        return jacobian_norm((scores(queries, keys, d) / d**p).softmax(1)).median()

    curves = {p: torch.stack([size(d, p) for d in widths]) for p in (0.0, power)}
    show(lines("d_k", widths, {f"over d^{p:g}": y for p, y in curves.items()}, log="xy",
               y_label="median norm of the Jacobian"))
    unit = jacobian_norm(torch.randn(1024, keys).softmax(1)).median()     # of scores of variance 1
    # Medians of 128 queries scatter by 5 %; at d_k = 16 the tails of q·k add some 10 %.
    expect(f"Jacobian over d^{power:g}, over that of scores of variance 1", curves[power] / unit,
           equals=1, within=0.3, at=("d_k", widths))
    expect("undivided over √d_k, at d_k = 1024", size(1024, 0.0) / size(1024, 0.5), at_most=0.1)
    expect("undivided over √d_k, at d_k = 16", size(16, 0.0) / size(16, 0.5), at_least=1)
    expect("norm for a one-hot p", jacobian_norm(torch.eye(keys)), equals=0)
    p = torch.randn(8).softmax(0)
    by_autograd = torch.autograd.functional.jacobian(lambda s: s.softmax(0), p.log()).norm()
    expect("a norm less autograd's", jacobian_norm(p[None]) - by_autograd, equals=0, within=1e-6)


@breaks(width=16, en="At width 16 the median query gets more gradient undivided than divided.",
        zh="宽度为 16 时，处于中位数的 query 不做除法反而得到更多梯度。")
def claim_gradient_ends_up_in_few_queries(width=1024, queries=256, keys=64):
    """Undivided at d_k = 1024 over 64 keys, the median query gets under a quarter of the
    gradient it gets divided, yet the mean is larger: a tenth of the queries, whose two best keys
    nearly tie, holds most of it.

    d_k = 1024、64 个 key 且不做除法时，处于中位数的 query 得到的梯度不到做除法时的四分之一，平均值却更大：
    最高两个分数几乎持平的那一成 query 占去了大部分。"""
    q, k = torch.randn(queries, width), torch.randn(keys, width)
    v, wanted = torch.randn(keys, 16), torch.randn(queries, 16)

    def gradients(power: float) -> Tensor:
        leaf = q.clone().requires_grad_()
        ((leaf @ k.T / width**power).softmax(1) @ v * wanted).sum().backward()
        return leaf.grad.norm(dim=1)                                        # (queries,)

    raw, divided = gradients(0.0), gradients(0.5)
    first, second = (q @ k.T).topk(2).values.T                              # (queries,) each
    top = raw.topk(queries // 10).indices
    gaps = first - second
    curves = {"undivided": raw.sort().values, "over √d_k": divided.sort().values}
    show(lines("queries, by size", range(1, queries + 1), curves, log="y", y_label="|gradient|"))
    expect("median gradient, undivided over divided", raw.median() / divided.median(), at_most=0.25)
    expect("mean gradient, undivided over divided", raw.mean() / divided.mean(), at_least=1)
    expect("share of the top tenth, undivided", raw[top].sum() / raw.sum(), at_least=0.5)
    expect("gap of their two best scores over the median gap", gaps[top].median() / gaps.median(),
           at_most=0.5)


ZH = {
    "over d^{}": "除以 d^{}",
    "over √d_k": "除以 √d_k",
    "undivided": "不做除法",
    "median norm of the Jacobian": "Jacobian 范数的中位数",
    "Jacobian over d^{}, over that of scores of variance 1": "除以 d^{} 后的 Jacobian 与方差为 1 的分数之比",
    "undivided over √d_k, at d_k = {}": "d_k = {} 时，不做除法与除以 √d_k 之比",
    "norm for a one-hot p": "p 为 one-hot 时的范数",
    "a norm less autograd's": "一个范数与 autograd 所得之差",
    "queries, by size": "query（按大小排列）",
    "|gradient|": "|梯度|",
    "median gradient, undivided over divided": "梯度中位数，不除与除之比",
    "mean gradient, undivided over divided": "梯度平均值，不除与除之比",
    "share of the top tenth, undivided": "梯度最大的一成所占份额，不做除法",
    "gap of their two best scores over the median gap": "其最高两个分数之差与差的中位数之比",
}

if __name__ == "__main__":
    main()
