r"""DPO on true preference probabilities ends where RLHF ends: at the reference tilted by exp(reward / β),
with no reward model and no sampling.

在真实偏好概率上训练，DPO 与 RLHF 到达同一个终点：参考策略乘以 exp(奖励 / β) 再归一化；不需要奖励模型，也不采样。

Rafailov et al. 2023, §4, eqs. 3–7, on a policy with one logit per response. Turn `covered` to
"half": responses in no pair keep their odds, and the two part. 把 `covered` 改为 "half"：偏好对只覆盖一半回答，两者就分道扬镳。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show

F64 = torch.float64


def dpo(ref: Tensor, wins: Tensor, pairs: Tensor, beta: float) -> Tensor:
    """The policy (responses,) of least DPO loss, by Newton's method from the reference. pairs is
    (2, pairs) of responses, wins (pairs,) the share of labels in which the first of a pair won."""
    logits = ref.log()
    for _ in range(40):
        gap = (logits - ref.log())[pairs]                              # log-ratios, Z left out
        p = torch.sigmoid(beta * (gap[0] - gap[1]))                    # (pairs,)
        side = F.one_hot(pairs[0], len(ref)) - F.one_hot(pairs[1], len(ref)).to(F64)
        slope = beta * side.T @ (p - wins)
        bend = beta**2 * side.T @ ((p * (1 - p))[:, None] * side)
        logits = logits - torch.linalg.pinv(bend, hermitian=True) @ slope   # least step: as gradients go
    return logits.softmax(-1)


def rlhf(ref: Tensor, reward: Tensor, beta: float) -> Tensor:
    """The policy of largest E[reward] − β·KL(π‖ref), by the natural policy gradient."""
    logits = torch.zeros_like(ref)
    for _ in range(200):
        log_pi = logits.log_softmax(-1)
        logits = logits + 0.5 * (reward / beta - (log_pi - ref.log()))
    return logits.softmax(-1)


def problem(responses: int, covered: str, labels: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A reference, rewards, all pairs of all responses, or of the first half, and
    their labels."""
    ref, reward = torch.randn(responses, dtype=F64).softmax(-1), torch.randn(responses, dtype=F64)
    compared = responses if covered == "all" else responses // 2
    pairs = torch.combinations(torch.arange(compared)).T               # (2, pairs)
    gap = reward[pairs[0]] - reward[pairs[1]]
    return ref, reward, pairs, torch.sigmoid(gap) if labels == "Bradley–Terry" else (gap > 0).to(F64)


def objective_slope(policy: Tensor, ref: Tensor, reward: Tensor, beta: float) -> Tensor:
    """The gradient of E[reward] − β·KL(π‖ref) in the logits of a policy."""
    logits = policy.log().clone().requires_grad_()
    pi = logits.softmax(-1)
    value = (pi * (reward - beta * (pi / ref).log())).sum()
    return torch.autograd.grad(value, logits)[0]


RANGES = {
    "responses": between(4, 12), "covered": one_of("all", "half"), "beta": between(0.3, 3.0),
    "betas": each(between(0.05, 2.0), at_least=2, rising=True),
    "labels": one_of("Bradley–Terry", "0/1"), "loss": one_of("dpo", "ipo"),
    "share": one_of(0.9, 1.0),
}
COVERED = breaks(covered="half", en="Responses in no pair keep their logits: nothing says how good they are.",
                 zh="没进任何偏好对的回答，logit 原地不动：没有数据说明它们好坏。")
ZERO_ONE = breaks(labels="0/1", en="If the better one wins each time, no finite gap is enough.",
                  zh="若较好者每次都赢，多大的差距都不够。")


@COVERED
@ZERO_ONE
def claim_both_end_at_the_tilted_reference(responses=8, covered="all", beta=0.5, labels="Bradley–Terry"):
    """With every response compared and labels at their Bradley–Terry shares, DPO's policy is RLHF's:
    the reference times exp(r/β), over its sum.

    每个回答都被比较、标签比例恰为 Bradley–Terry 概率时，DPO 的策略就是 RLHF 的策略：参考概率乘 exp(r/β) 再归一化。"""
    ref, reward, pairs, wins = problem(responses, covered, labels)
    found, by_rl = dpo(ref, wins, pairs, beta), rlhf(ref, reward, beta)
    tilted = ref * (reward / beta).exp()
    show(bars([f"y{i}" for i in range(responses)], {"reference": ref, "RLHF": by_rl, "DPO": found}))
    expect("RLHF less the tilted reference", by_rl - tilted / tilted.sum(), equals=0, within=1e-12)
    expect("DPO less RLHF", found - by_rl, equals=0, within=1e-9)
    expect("slope of RLHF's objective at DPO's policy", objective_slope(found, ref, reward, beta),
           equals=0, within=1e-8)


@ZERO_ONE
@breaks(covered="half", en="Outside the compared half the implicit reward is that of the reference: 0.",
        zh="在未比较的一半上，隐式奖励就是参考策略的：0。")
def claim_the_log_ratio_is_the_reward(responses=8, covered="all", beta=0.5, labels="Bradley–Terry"):
    """β·log(π/π_ref) of the trained policy equals the reward up to one constant per prompt: the policy
    is the reward model.

    训练所得策略的 β·log(π/π_ref) 与奖励只差每个 prompt 一个常数：策略本身就是奖励模型。"""
    ref, reward, pairs, wins = problem(responses, covered, labels)
    implicit = beta * (dpo(ref, wins, pairs, beta) / ref).log()
    show(lines("true reward", reward.sort().values, {"β·log(π/π_ref)": implicit[reward.argsort()]}))
    expect("implicit less true reward, both less their means",
           (implicit - implicit.mean()) - (reward - reward.mean()), equals=0, within=1e-8)


@breaks(loss="ipo", en="IPO's square has its minimum at a gap of 1/(2τ), and pushes back beyond.",
        zh="IPO 的平方损失在差距 1/(2τ) 处最小，越过后会往回拉。")
@breaks(share=0.9, en="If the other one wins a tenth of the time, the slope turns at ln 9 / β.",
        zh="只要另一个有一成胜率，斜率就在 ln 9 / β 处变号。")
def claim_labels_that_never_differ_leave_no_optimum(betas=(0.1, 0.5, 1.0), loss="dpo", share=1.0):
    """For a pair labelled the same way every time, DPO's loss still falls at any gap of log-ratios, for
    every β: then β does not hold the policy back.

    若一对的标签每次都一样，无论 β 多大，DPO 的损失在任何差距处都还在下降：此时 β 拉不住策略。"""
    steps = torch.logspace(-1, 2.5, 15, dtype=F64)                     # β times the gap
    slopes = {}
    for beta in betas:
        gap = (steps / beta).requires_grad_()
        value = ((gap - 1 / (2 * beta)) ** 2 if loss == "ipo" else
                 share * F.softplus(-beta * gap) + (1 - share) * F.softplus(beta * gap))
        slopes[beta] = torch.autograd.grad(value.sum(), gap)[0]
    show(lines("β times the gap of log-ratios", steps, {f"−slope / β at β = {b:g}": -s / b for b, s in slopes.items()},
               log="x"))
    for beta, slope in slopes.items():
        expect(f"sign of the slope at β = {beta:g}", slope.sign(), equals=-1)


def drill_optimum(rng) -> Drill:
    """How much likelier one response becomes than another, at the optimum."""
    ratio, gap, beta = rng.choice([(4, 2.0, 0.5), (2, 1.0, 0.5), (10, 0.5, 0.1), (1, 0.3, 0.1), (5, 0.6, 0.2)])
    ref = torch.tensor([1 / (1 + ratio), ratio / (1 + ratio)], dtype=F64)
    found = dpo(ref, torch.sigmoid(torch.tensor([gap], dtype=F64)), torch.tensor([[0], [1]]), beta)
    odds = (found[0] / found[1]).item()
    return Drill(
        en=f"The reference gives answer B {ratio} times the probability of answer A. A’s reward is {gap:g} higher, "
           f"β = {beta:g}. At the KL-regularised optimum, how many times as probable as B is A?",
        zh=f"参考策略给答案 B 的概率是答案 A 的 {ratio} 倍。"
           f"A 的奖励高 {gap:g}，β = {beta:g}。在 KL 正则的最优策略下，A 的概率是 B 的几倍？",
        answer=odds, within=0.02 * odds,
        steps=[(f"the tilt multiplies the odds by e^(Δr/β) = e^{gap / beta:g}", f"倾斜使比值乘以 e^(Δr/β) = e^{gap / beta:g}"),
               (f"1/{ratio} · e^{gap / beta:g} = {odds:.3g}", f"1/{ratio} · e^{gap / beta:g} = {odds:.3g}")],
        proved_by="both_end_at_the_tilted_reference",
    )


ZH = {
    "reference": "参考", "RLHF less the tilted reference": "RLHF 与倾斜后的参考之差", "DPO less RLHF": "DPO 与 RLHF 之差",
    "slope of RLHF's objective at DPO's policy": "RLHF 目标在 DPO 策略处的斜率",
    "true reward": "真实奖励",
    "β·log(π/π_ref)": "β·log(π/π_ref)", "implicit less true reward, both less their means": "隐式奖励与真实奖励之差（各减均值）",
    "β times the gap of log-ratios": "β 乘以对数比之差", "−slope / β at β = {}": "β = {} 时的 −斜率 / β",
    "sign of the slope at β = {}": "β = {} 时斜率的符号",
}

if __name__ == "__main__":
    main()
