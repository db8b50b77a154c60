r"""The load-balancing loss E·Σ f·P: f counts the tokens of each expert, P averages its probability. It
pushes towards an even load, is 1 there, and 1 is not its minimum.

负载均衡损失 E·Σ f·P：f 统计各专家分到的 token，P 是其概率的平均。它把负载推向均匀，均匀时等于 1，但 1 并不是最小值。

Fedus et al. 2021 (Switch). Turn `counts` to "probabilities": E·Σ P² does have its minimum 1 at uniform P,
but it no longer sees where tokens go.
把 `counts` 改为 "probabilities"：E·Σ P² 的最小值确是 1，但它看不到 token 实际去了哪里。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(
    claims=("one_when_even_and_e_over_k_at_collapse", "below_one_while_the_load_is_uneven",
            "gradient_is_the_closed_form"),
    wrong=("forgets_the_experts", "does_not_divide_by_k", "squares_the_probabilities",
           "squares_the_counts"),
)
def balance_loss(p: Tensor, chosen: Tensor) -> Tensor:
    """E·Σ f·P: p (tokens, experts) are the router's probabilities, chosen (tokens, k) the experts that
    tokens go to. f is each expert's share of all tokens·k choices, P its mean probability.

    E·Σ f·P：p 为路由概率 (tokens, experts)，chosen 为各 token 所选的专家 (tokens, k)。f 是各专家在全部
    tokens·k 次选择中的占比，P 是其平均概率。"""
    experts = p.shape[-1]
    f = chosen.flatten().bincount(minlength=experts).to(p) / chosen.numel()     # (experts,), no gradient
    return experts * (f * p.mean(0)).sum()


def soft(p: Tensor, chosen: Tensor) -> Tensor:
    """The wrong way: E·Σ P², f replaced by what it stands for."""
    return p.shape[-1] * p.mean(0).square().sum()


def per_token(p: Tensor, chosen: Tensor) -> Tensor:
    """As in transformers: f is a share of the tokens, so that it sums to k."""
    return balance_loss(p, chosen) * chosen.shape[1]


COUNTS = {"choices": balance_loss, "probabilities": soft, "tokens": per_token}
RANGES = {
    "counts": one_of("choices", "probabilities", "tokens"), "tokens": between(2, 64),
    "experts": between(3, 32), "k": between(2, 3), "over": one_of("batch", "sequence"),
    "sequences": between(1, 8),
}  # fmt: skip
PROBABILITIES = breaks(counts="probabilities", en="E·Σ P² looks at probabilities alone, and is never below 1.",
                       zh="E·Σ P² 只看概率，永远不会低于 1。")


@breaks(counts="tokens", en="Counted per token, as in transformers, f sums to k and so does the value.",
        zh="像 transformers 那样按 token 计数，f 之和为 k，损失值也就乘了 k。")
def claim_one_when_even_and_e_over_k_at_collapse(experts=8, k=2, counts="choices"):
    """The loss is 1 at an even load, E/k where all tokens go to the same k experts, and k times that if f
    is a share of the tokens and not of the choices.

    负载均匀时损失为 1；所有 token 都去同样的 k 个专家时为 E/k；若 f 按 token 而不是按选择计数，则都乘 k。"""
    turns = torch.arange(experts)[:, None] + torch.arange(k)                     # each expert k times
    even = COUNTS[counts](torch.full((experts, experts), 1 / experts, dtype=F64), turns % experts)
    sure = torch.zeros(experts, experts, dtype=F64).index_fill(1, torch.arange(k), 1 / k)
    collapsed = COUNTS[counts](sure, torch.arange(k).expand(experts, k))
    show(bars(["even", "collapsed"], {"loss": [even, collapsed]}))
    expect("loss at an even load", even, equals=1, within=1e-12)
    expect("loss at collapse", collapsed, equals=experts / k, within=1e-12)
    expect("with f counted per token, over k", per_token(sure, torch.arange(k).expand(experts, k)) / k,
           equals=experts / k, within=1e-12)


@PROBABILITIES
def claim_below_one_while_the_load_is_uneven(counts="choices"):
    """1 is not the minimum: of two experts, three quarters of the tokens on one by a hair and the others
    surely on the other give 7/8.

    1 不是最小值：两个专家，四分之三的 token 以微弱优势去其一，其余确定去另一个，损失只有 7/8。"""
    rows, values = 400, []
    shares = [i / 20 for i in range(10, 21)]
    for share in shares:
        hair = torch.tensor([[0.5 + 1e-9, 0.5 - 1e-9]], dtype=F64).expand(round(share * rows), 2)
        sure = torch.tensor([[0.0, 1.0]], dtype=F64).expand(rows - len(hair), 2)
        p = torch.cat((hair, sure))
        values.append(COUNTS[counts](p, p.argmax(1, keepdim=True)))
    show(lines("share of the busier expert", shares, {"loss": values}))
    # 2·(a·a/2 + (1 − a)·(1 − a/2)), up to 1e-9 of the hair
    expect("loss less 2a² − 3a + 2", [v - (2 * a * a - 3 * a + 2) for v, a in zip(values, shares, strict=True)],
           equals=0, within=1e-8, at=("share", shares))
    expect("lowest loss", min(values), equals=0.875, within=1e-8)


@PROBABILITIES
def claim_gradient_is_the_closed_form(tokens=16, experts=8, counts="choices"):
    """The gradient reaches the router through P alone: at logit i of a token it is
    E·pᵢ·(fᵢ − Σ fⱼ·pⱼ) / tokens, pushing down experts with more than their share.

    梯度只经过 P 到达路由器：某 token 的 logit i 处为 E·pᵢ·(fᵢ − Σ fⱼ·pⱼ) / token 数，压低超出份额的专家。"""
    z = torch.randn(tokens, experts, dtype=F64) + torch.linspace(1, 0, experts, dtype=F64)

    def loss(logits: Tensor) -> Tensor:
        return COUNTS[counts](logits.softmax(1), logits.argmax(1, keepdim=True))

    at = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(at), at)
    p, f = z.softmax(1), torch.nn.functional.one_hot(z.argmax(1), experts).double().mean(0)
    show(bars([f"expert {e}" for e in range(experts)], {"share of the tokens": f, "gradient, summed": slope.sum(0)}))
    closed = experts * p * (f - (f * p).sum(1, keepdim=True)) / tokens
    expect("gradient less the closed form", slope - closed, equals=0, within=1e-12)
    # a step of 1e-6 changes no choice; rounding 1e-16 · experts / 1e-6
    expect("gradient less finite differences", slope - finite_difference(loss, z), equals=0, within=1e-8)


@breaks(over="sequence", en="Counted within each sequence the same router gets the worst value, E.",
        zh="若在每条序列内计数，同一个路由器得到最坏的值 E。")
def claim_over_the_batch_specialists_cost_nothing(experts=8, tokens=16, sequences=2, over="batch"):
    """Each domain with an expert of its own has the loss 1 when f is counted over a mixed batch; counted
    within a sequence of one domain it is E.

    每个领域各用一个专家：在混合的批上统计 f，损失为 1；在只含一个领域的序列内统计，则为 E。"""
    domain = torch.arange(experts).repeat(sequences)                             # one per sequence
    p = torch.nn.functional.one_hot(domain, experts).double()[:, None].expand(-1, tokens, -1)
    chosen = p.argmax(2, keepdim=True)
    inside = torch.stack([balance_loss(a, b) for a, b in zip(p, chosen, strict=True)]).mean()
    whole = balance_loss(p.flatten(0, 1), chosen.flatten(0, 1))
    show(bars(["over the batch", "within a sequence"], {"loss": [whole, inside]}))
    expect("loss of the specialised router", whole if over == "batch" else inside, equals=1, within=1e-12)
    expect("loss within a sequence", inside, equals=experts, within=1e-12)


def drill_loss_value(rng) -> Drill:
    """The value from shares and mean probabilities."""
    f, p = rng.choice([((0.5, 0.25, 0.25, 0.0), (0.4, 0.3, 0.2, 0.1)), ((0.75, 0.25), (0.6, 0.4)),
                       ((0.5, 0.5, 0.0, 0.0), (0.3, 0.3, 0.2, 0.2)), ((0.25, 0.25, 0.25, 0.25), (0.4, 0.3, 0.2, 0.1))])
    rows = torch.tensor(p, dtype=F64).expand(20, -1)
    counts = torch.tensor([round(20 * one) for one in f])
    value = balance_loss(rows, torch.arange(len(f)).repeat_interleave(counts)[:, None]).item()
    terms = " + ".join(f"{a:g}·{b:g}" for a, b in zip(f, p, strict=True))
    return Drill(
        en=f"Top-1 routing: shares of the tokens f = {f}, mean probabilities P = {p}. What is the Switch "
           f"load-balancing loss, without its coefficient?",
        zh=f"top-1 路由：各专家的 token 占比 f = {f}，平均概率 P = {p}。Switch 的负载均衡损失（不含系数）是多少？",
        answer=value, within=0.005,
        steps=[(f"Σ f·P = {terms} = {value / len(f):g}", f"Σ f·P = {terms} = {value / len(f):g}"),
               (f"times {len(f)} experts: {value:g}", f"乘专家数 {len(f)}：{value:g}")],
        proved_by="one_when_even_and_e_over_k_at_collapse",
    )


ZH = {
    "even": "均匀",
    "collapsed": "坍缩",
    "loss at an even load": "负载均匀时的损失",
    "loss at collapse": "坍缩时的损失",
    "with f counted per token, over k": "按 token 计 f 时的值除以 k",
    "loss": "损失",
    "share of the busier expert": "较忙专家的占比",
    "share": "占比",
    "loss less 2a² − 3a + 2": "损失与 2a² − 3a + 2 之差",
    "lowest loss": "最低的损失",
    "expert {}": "专家 {}",
    "share of the tokens": "token 占比",
    "gradient, summed": "梯度之和",
    "gradient less the closed form": "梯度与闭式之差",
    "gradient less finite differences": "梯度与有限差分之差",
    "over the batch": "在整批上",
    "within a sequence": "在序列内",
    "loss of the specialised router": "专门化路由器的损失",
    "loss within a sequence": "序列内统计的损失",
}

if __name__ == "__main__":
    main()
