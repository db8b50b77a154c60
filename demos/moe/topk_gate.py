r"""A top-k router takes the k best experts of each token; how their weights are normalised decides what
the router can learn.

top-k 路由器为每个 token 取得分最高的 k 个专家；权重怎样归一化，决定了路由器能学到什么。

Shazeer et al. 2017; Mixtral (2024) renormalises, Switch (2021) does not. Turn `gate` to "renormalised"
at k = 1: the one weight is always 1 and the router gets no gradient.
k = 1 时把 `gate` 改为 "renormalised"：唯一的权重恒为 1，路由器没有梯度。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(
    claims=("renormalised_is_softmax_over_the_chosen", "top_one_learns_through_its_probability",
            "other_logits_learn_through_the_denominator"),
    wrong=("never_renormalises", "always_renormalises", "takes_the_lowest", "keeps_the_logits"),
)
def route(logits: Tensor, k: int, gate: str) -> tuple[Tensor, Tensor]:
    """The k best experts of each token: logits (tokens, experts) to weights and expert numbers, both
    (tokens, k), best first. gate "softmax": their probabilities among all experts; "renormalised":
    these divided by their sum.

    每个 token 得分最高的 k 个专家：logits 为 (tokens, experts)，返回权重与专家编号，都是 (tokens, k)，
    最高者在前。gate 为 "softmax" 时，权重是其在全部专家中的概率；为 "renormalised" 时，再除以这 k 个概率之和。"""
    weights, experts = logits.softmax(-1).topk(k, -1)                           # (tokens, k)
    if gate == "renormalised":
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, experts


RANGES = {
    "tokens": between(1, 64), "experts": between(5, 64), "k": between(1, 4),
    "gate": one_of("softmax", "renormalised"),
}  # fmt: skip
RENORMALISED = breaks(
    gate="renormalised", en="After renormalising only the chosen logits count, and a single weight is 1.",
    zh="重新归一化之后只有选中的 logits 起作用；若只有一个，权重恒为 1。",
)


@breaks(gate="softmax", en="Not renormalised, the k weights sum to less than 1.",
        zh="不重新归一化时，k 个权重之和小于 1。")
def claim_renormalised_is_softmax_over_the_chosen(tokens=8, experts=8, k=2, gate="renormalised"):
    """Softmax over all experts, renormalised over the k chosen, is softmax over those k logits alone.

    先对全部专家做 softmax、再对选中的 k 个归一化，等于只对这 k 个 logits 做 softmax。"""
    logits = torch.randn(tokens, experts, dtype=F64)
    weights, chosen = route(logits, k, gate)
    by_hand = torch.zeros(tokens, experts, dtype=F64)
    for t, row in enumerate(logits.tolist()):
        best = sorted(range(experts), key=lambda e: -row[e])[:k]
        for e in best:
            by_hand[t, e] = math.exp(row[e]) / sum(math.exp(row[b]) for b in best)
    show(heatmap(by_hand, x_label="expert", y_label="token", title="weight of each expert"))
    got = torch.zeros_like(by_hand).scatter(1, chosen, weights)
    expect("weights less softmax over the k best", got - by_hand, equals=0, within=1e-14)
    expect("largest weight over the first choice's", (weights / weights[:, :1]).max(),
           equals=1, within=1e-15)


@RENORMALISED
def claim_top_one_learns_through_its_probability(tokens=8, experts=8, gate="softmax"):
    """At k = 1 the router learns only if its weight is the probability itself, not renormalised to 1.

    k = 1 时，权重必须是概率本身，不能归一化为 1，否则路由器学不到东西。"""
    logits, out = torch.randn(tokens, experts, dtype=F64), torch.randn(tokens, 1, dtype=F64)

    def loss(z: Tensor) -> Tensor:
        return (route(z, 1, gate)[0] * out).sum()               # `out` stands for the expert's output

    at = logits.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(at), at)
    size = slope.norm(dim=1)
    show(bars([f"token {t}" for t in range(tokens)], {"norm of the gradient at its logits": size}))
    # central differences of step 1e-6: truncation 1e-12, rounding 1e-16 · tokens / 1e-6
    expect("gradient less finite differences", slope - finite_difference(loss, logits), equals=0,
           within=1e-8)
    expect("smallest gradient over the expert's output", (size / out[:, 0].abs()).min(), at_least=1e-9)


@RENORMALISED
def claim_other_logits_learn_through_the_denominator(tokens=8, experts=8, k=2, gate="softmax"):
    """Weight i moves an unchosen logit j by −p_i·p_j, as softmax runs over all experts; renormalised,
    unchosen logits get no gradient.

    softmax 覆盖全部专家时，权重 i 对未选中的 logit j 的导数是 −p_i·p_j；重新归一化后，未选中的 logits 没有梯度。"""
    logits = torch.randn(tokens, experts, dtype=F64, requires_grad=True)
    weights, chosen = route(logits, k, gate)
    (slope,) = torch.autograd.grad(weights[:, 0].sum(), logits)                 # of the best expert's
    p = [[math.exp(z) / sum(map(math.exp, row)) for z in row] for row in logits.tolist()]
    want = torch.tensor([[-max(row) * one for one in row] for row in p], dtype=F64)
    others = torch.ones_like(slope, dtype=torch.bool).scatter(1, chosen, False)
    show(heatmap(slope.abs(), x_label="expert", y_label="token",
                 title="size of the derivative of the first weight"))
    expect("derivative over −p_i·p_j, unchosen experts", (slope / want)[others], equals=1, within=1e-12)


def drill_gate_weight(rng) -> Drill:
    """The weight of the best of two."""
    gap, weight = rng.choice([(0, 0.5), (1, 0.731), (2, 0.881), (3, 0.953)])
    low = rng.choice([-1, 0, 1])
    logits = torch.tensor([[low + gap, low, low - 2.0, low - 3.0]], dtype=F64)
    return Drill(
        en=f"Router logits are {logits[0].tolist()}. With top-2 and renormalised weights, what weight does the "
           f"first expert get?",
        zh=f"路由器的 logits 为 {logits[0].tolist()}。取 top-2 且权重重新归一化，第一个专家的权重是多少？",
        answer=route(logits, 2, "renormalised")[0][0, 0].item(), within=0.005,
        steps=[(f"softmax over the two best alone: 1 / (1 + exp(−{gap}))",
                f"只对最高的两个做 softmax：1 / (1 + exp(−{gap}))"),
               (f"= {weight}; the other logits cancel", f"= {weight}；其余 logits 约掉")],
        proved_by="renormalised_is_softmax_over_the_chosen",
    )


ZH = {
    "expert": "专家",
    "token": "token",
    "weight of each expert": "每个专家的权重",
    "weights less softmax over the k best": "权重与对 k 个最高 logits 的 softmax 之差",
    "largest weight over the first choice's": "最大权重与首选权重之比",
    "norm of the gradient at its logits": "其 logits 处梯度的范数",
    "gradient less finite differences": "梯度与有限差分之差",
    "smallest gradient over the expert's output": "梯度与专家输出之比的最小值",
    "size of the derivative of the first weight": "首选权重的导数大小",
    "derivative over −p_i·p_j, unchosen experts": "未选中专家处的导数与 −p_i·p_j 之比",
}

if __name__ == "__main__":
    main()
