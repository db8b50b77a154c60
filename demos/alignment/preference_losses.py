r"""What tells the preference losses apart is the weight they give a pair by its margin, and what they
measure the margin against.

各种偏好损失的区别，在于按间隔给一对多大权重，以及间隔相对什么来量。

DPO, hinge (SLiC), IPO and KTO in log-ratios; SimPO and ORPO without a reference, in means over tokens.
Turn `pulls` to "dpo": it never turns back. Turn `weighed` to "dpo": it weighs the worst pairs most.
把 `pulls` 改为 "dpo"：它从不回头；把 `weighed` 改为 "dpo"：排得最反的对权重最大。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import finite_difference

F64 = torch.float64
CURVES = {                                                             # of the margin m = β·(gap of log-ratios)
    "dpo": lambda m: F.softplus(-m),
    "hinge": lambda m: (1 - m).relu(),
    "ipo": lambda m: (m - 0.5) ** 2,                                   # τ = β: (gap − 1/(2β))², times β²
    "kto": lambda m: 1 - torch.sigmoid(m),                             # of one answer, m = β·log-ratio − KL
}
WEIGHTS = {
    "dpo": lambda m: 1 / (1 + math.exp(m)), "hinge": lambda m: float(m < 1), "ipo": lambda m: 1 - 2 * m,
    "kto": lambda m: 1 / (math.exp(m / 2) + math.exp(-m / 2)) ** 2,
}


@exercise(claims=("simpo_and_orpo_match_a_loop",),
          wrong=("sums_over_tokens", "gamma_outside_the_sigmoid", "counts_the_prompt"))
def simpo_loss(logps: Tensor, mask: Tensor, beta: float, gamma: float) -> Tensor:
    """The SimPO loss of each pair, (pairs,): −log σ(β·(mean log-probability per token of the chosen less
    that of the rejected) − γ). logps and mask are (2, pairs, tokens), chosen first; only masked-in tokens
    count.

    每对的 SimPO 损失，(pairs,)：−log σ(β·(chosen 每 token 平均对数概率 − rejected 的) − γ)。logps 与 mask 为
    (2, pairs, tokens)，chosen 在前；只计 mask 为 True 的 token。"""
    mean = logps.where(mask, 0.0).sum(-1) / mask.sum(-1)               # (2, pairs)
    return -F.logsigmoid(beta * (mean[0] - mean[1]) - gamma)


def orpo_loss(logps: Tensor, mask: Tensor, weight: float) -> Tensor:
    """ORPO, (pairs,): the mean NLL of the chosen response plus weight·(−log σ(log odds ratio)), where
    odds = p / (1 − p) and p = exp(mean log-probability per token)."""
    mean = logps.where(mask, 0.0).sum(-1) / mask.sum(-1)
    odds = mean - torch.log(-torch.expm1(mean))                        # log of p / (1 − p)
    return -mean[0] - weight * F.logsigmoid(odds[0] - odds[1])


RANGES = {
    "margins": each(between(-8.0, 8.0), at_least=3, rising=True), "loss": one_of("dpo", "hinge"),
    "pulls": one_of("ipo", "dpo", "hinge"), "weighed": one_of("kto", "dpo"), "span": between(5.0, 12.0),
    "pairs": between(2, 16), "tokens": between(3, 12), "beta": between(0.5, 4.0), "gamma": between(0.0, 2.0),
    "over": one_of("mean", "sum"), "extra": between(1, 40),
}


@breaks(loss="hinge", en="The hinge’s weight is 1 up to the margin of 1, then 0: not σ(−m).",
        zh="hinge 的权重在间隔 1 之前为 1，之后为 0，不是 σ(−m)。")
def claim_each_loss_weighs_pairs_by_its_own_curve(margins=(-6.0, -2.0, -0.5, 0.0, 0.7, 2.0, 6.0), loss="dpo"):
    """By finite differences, DPO weighs a pair σ(−m), the hinge 1 below m = 1 and then 0, IPO 1 − 2m,
    KTO σ(m)σ(−m).

    用有限差分量得：DPO 的权重是 σ(−m)，hinge 在 m = 1 以下为 1、以上为 0，IPO 是 1 − 2m，KTO 是 σ(m)σ(−m)。"""
    m = torch.tensor(margins, dtype=F64)
    measured = {name: -finite_difference(lambda x, f=f: f(x).sum(), m) for name, f in CURVES.items()}
    show(lines("margin m", margins, measured, y_label="weight of the pair"))
    for name, w in measured.items():
        known = WEIGHTS[loss if name == "dpo" else name]
        expect(f"weight of {name} less its formula", w - torch.tensor([known(x) for x in margins], dtype=F64), equals=0, within=1e-6)


@breaks(pulls="dpo", en="DPO’s weight shrinks and never turns negative: it always wants more.",
        zh="DPO 的权重只是变小，从不为负：永远还想更大。")
@breaks(pulls="hinge", en="The hinge stops at its margin but does not pull back.", zh="hinge 到间隔就停，但不会往回拉。")
def claim_only_ipo_pulls_back(margins=(0.25, 1.0, 4.0), pulls="ipo"):
    """Beyond its target IPO pushes the margin down again; DPO goes on pushing it up, the hinge stops.

    越过目标后，IPO 会把间隔往回拉；DPO 继续往上推，hinge 则停下。"""
    m = torch.tensor(margins, dtype=F64, requires_grad=True)
    rows = {name: -torch.autograd.grad(CURVES[name](m).sum(), m)[0] for name in ("dpo", "hinge", "ipo")}
    show(table(["loss", *[f"m = {x:g}" for x in margins]], [[name, *row.tolist()] for name, row in rows.items()]))
    expect(f"sign of the push of {pulls}", rows[pulls].sign(), equals=torch.tensor([float(x < 0.5) * 2 - 1 for x in margins]))
    expect("sign of the push of dpo, everywhere", rows["dpo"].sign(), equals=1)
    expect("push of hinge", rows["hinge"], equals=torch.tensor([float(x < 1) for x in margins]))


@breaks(weighed="dpo", en="DPO weighs the worst ordered pairs most: mislabelled ones among them.",
        zh="DPO 给排得最反的对最大权重，其中就有标错的。")
def claim_kto_gives_up_on_the_worst(span=8.0, weighed="kto"):
    """KTO weighs an answer most at margin 0 and less towards both ends; DPO weighs the worst ordered
    most.

    KTO 在间隔 0 处权重最大，向两端都减小；DPO 给排得最反的最大权重。"""
    m = torch.linspace(-span, span, 33, dtype=F64).requires_grad_()
    rows = {name: -torch.autograd.grad(CURVES[name](m).sum(), m)[0] for name in ("dpo", "kto")}
    show(lines("margin m", m.detach(), rows, y_label="weight"))
    expect("margin of the largest weight", m.detach()[rows[weighed].argmax()], equals=0, within=1e-9)
    expect("margin of DPO’s largest weight", m.detach()[rows["dpo"].argmax()], equals=-span)
    expect("weight at the lowest margin over the largest", rows[weighed][0] / rows[weighed].max(), at_most=0.1)


@breaks(over="sum", en="Summed over tokens every further token lowers the score.", zh="按 token 求和，多一个 token 就低一点。")
def claim_a_mean_does_not_see_length(tokens=8, extra=12, over="mean"):
    """More tokens of the same log-probability leave SimPO’s score as it is; the sum that DPO takes falls
    with each.

    多出若干对数概率相同的 token，SimPO 的得分不变；DPO 所用的和则逐个下降。"""
    counts = [tokens, tokens + extra]
    made = {"mean": [torch.full((n,), -1.5, dtype=F64).mean() for n in counts],
            "sum": [torch.full((n,), -1.5, dtype=F64).sum() for n in counts]}
    show(table(["score", *[f"{n} tokens" for n in counts]], [[name, *[x.item() for x in row]] for name, row in made.items()]))
    expect("score of the longer less that of the shorter", made[over][1] - made[over][0], equals=0, within=1e-12)
    expect("the same of the sums", made["sum"][1] - made["sum"][0], equals=-1.5 * extra, within=1e-9)


@breaks(over="sum", en="Without the division by length it is another loss.", zh="不除以长度就是另一个损失。")
def claim_simpo_and_orpo_match_a_loop(pairs=4, tokens=6, beta=2.0, gamma=1.0, over="mean"):
    """SimPO is ln(1 + e^γ·(p_l/p_w)^β) and ORPO −ln p_w + w·ln(1 + odds_l/odds_w), with p the geometric
    mean of the token probabilities: no reference in either.

    SimPO 是 ln(1 + e^γ·(p_l/p_w)^β)，ORPO 是 −ln p_w + w·ln(1 + odds_l/odds_w)，p 为各 token 概率的几何平均：都没有参考模型。"""
    logps = torch.randn(2, pairs, tokens + 2, dtype=F64).log_softmax(-1) - 0.2
    places = torch.arange(tokens + 2)
    mask = (places >= 2) & (places < 2 + torch.randint(1, tokens + 1, (2, pairs, 1)))
    scale = mask.sum(-1, keepdim=True) if over == "sum" else 1         # undoes the division
    found = simpo_loss(logps * scale, mask, beta, gamma), orpo_loss(logps, mask, 0.5)
    simpo, orpo = [], []
    for i in range(pairs):
        p = [math.prod(math.exp(x) for x in logps[s, i][mask[s, i]].tolist()) ** (1 / int(mask[s, i].sum())) for s in (0, 1)]
        odds = [x / (1 - x) for x in p]
        simpo.append(math.log1p(math.exp(gamma) * (p[1] / p[0]) ** beta))
        orpo.append(-math.log(p[0]) + 0.5 * math.log1p(odds[1] / odds[0]))
    show(table(["pair", "SimPO", "ORPO"], [[i, found[0][i].item(), found[1][i].item()] for i in range(pairs)]))
    expect("SimPO less the loop's", found[0] - torch.tensor(simpo, dtype=F64), equals=0, within=1e-11)
    expect("ORPO less the loop's", found[1] - torch.tensor(orpo, dtype=F64), equals=0, within=1e-11)


def drill_weight(rng) -> Drill:
    """The weight of a pair under two losses."""
    m, name = rng.choice([(0.0, "dpo"), (2.0, "dpo"), (-2.0, "dpo"), (0.0, "kto"), (2.0, "kto"), (0.25, "ipo"), (2.0, "ipo")])
    value = WEIGHTS[name](m)
    known = {"dpo": ("DPO: σ(−m)", "DPO：σ(−m)"), "kto": ("KTO: σ(m)·σ(−m)", "KTO：σ(m)·σ(−m)"),
             "ipo": ("IPO with the loss (m − 0.5)²: 1 − 2m", "IPO，损失为 (m − 0.5)²：1 − 2m")}[name]
    return Drill(
        en=f"The margin, β included, is m = {m:g}. What is minus the slope of the {name.upper()} loss in m"
           + (" (loss (m − 0.5)²)?" if name == "ipo" else "?"),
        zh=f"间隔（含 β）m = {m:g}。{name.upper()} 损失对 m 的负斜率是多少" + ("（损失为 (m − 0.5)²）？" if name == "ipo" else "？"),
        answer=value, within=0.01,
        steps=[known, (f"at m = {m:g}: {value:.3f}", f"m = {m:g} 时：{value:.3f}")],
        proved_by="each_loss_weighs_pairs_by_its_own_curve",
    )


ZH = {
    "margin m": "间隔 m", "weight of the pair": "这一对的权重", "weight of {} less its formula": "{} 的权重与公式之差",
    "dpo": "DPO", "hinge": "hinge", "ipo": "IPO", "kto": "KTO", "loss": "损失", "m = {}": "m = {}",
    "sign of the push of {}": "{} 推力的符号", "sign of the push of dpo, everywhere": "DPO 推力的符号，处处",
    "push of hinge": "hinge 的推力",
    "margin of DPO’s largest weight": "DPO 权重最大处的间隔", "the same of the sums": "求和得分之差",
    "weight": "权重", "margin of the largest weight": "权重最大处的间隔",
    "weight at the lowest margin over the largest": "最低间隔处的权重与最大权重之比", "score": "得分", "{} tokens": "{} 个 token",
    "score of the longer less that of the shorter": "较长者与较短者得分之差", "mean": "平均", "sum": "求和", "pair": "对",
    "SimPO": "SimPO", "ORPO": "ORPO", "SimPO less the loop's": "SimPO 与循环结果之差", "ORPO less the loop's": "ORPO 与循环结果之差",
}

if __name__ == "__main__":
    main()
