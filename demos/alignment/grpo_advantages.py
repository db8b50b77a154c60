r"""GRPO's baseline is the mean reward of other answers to the same prompt: it needs no critic.

GRPO 的基线是同一 prompt 各个回答的平均奖励：不需要 critic。

Shao et al. 2024 (DeepSeekMath), §4.1.2; Liu et al. 2025 (Dr. GRPO), §3.1. Turn `way` to "dr grpo":
the division by the group's standard deviation goes, and every prompt weighs alike again.
把 `way` 改为 "dr grpo"：不再除以组内标准差，各个 prompt 的权重重新相同。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(
    claims=("binary_rewards_have_a_closed_form", "equal_rewards_teach_nothing"),
    wrong=("keeps_the_raw_rewards", "takes_the_mean_of_the_batch", "leaves_out_the_deviation",
           "divides_by_zero", "uses_the_sample_deviation"),
)
def grpo(rewards: Tensor) -> Tensor:
    """GRPO: (reward − mean of its group) / population standard deviation of its group, and 0 where
    all rewards of a group are equal. Rewards and advantages are (prompts, group).

    GRPO：（奖励 − 组内均值）/ 组内总体标准差；一组奖励全部相等时为 0。奖励与优势均为 (prompts, group)。"""
    centred = rewards - rewards.mean(1, keepdim=True)                     # (prompts, group)
    deviation = centred.square().mean(1, keepdim=True).sqrt()             # (prompts, 1)
    return centred / deviation.where(deviation > 0, 1.0)


def dr_grpo(rewards: Tensor) -> Tensor:
    """Dr. GRPO: the group mean is subtracted, nothing is divided."""
    return rewards - rewards.mean(1, keepdim=True)


def rloo(rewards: Tensor) -> Tensor:
    """Leave-one-out: the baseline is the mean of the other answers."""
    others = rewards.sum(1, keepdim=True) - rewards                       # (prompts, group)
    return rewards - others / (rewards.shape[1] - 1)


def batch_mean(rewards: Tensor) -> Tensor:
    """The wrong way: one mean for all prompts."""
    return rewards - rewards.mean()


WAYS = {"grpo": grpo, "dr grpo": dr_grpo, "rloo": rloo, "batch mean": batch_mean}
RANGES = {
    "way": one_of("grpo", "batch mean"), "scaling": one_of("grpo", "dr grpo"),
    "group": between(4, 64), "right": between(1, "group"), "prompts": between(256, 8192),
    "pass_rates": each(between(0.02, 0.5), at_least=2, at_most=12, rising=True),
}  # fmt: skip


@breaks(way="batch mean", en="With one mean for all prompts the advantage depends on how hard the others are.",
        zh="所有 prompt 共用一个均值，优势就取决于别的题有多难。")
def claim_binary_rewards_have_a_closed_form(group=8, right=2, way="grpo"):
    """With k right answers of G, GRPO gives each +√((G−k)/k), each wrong one −√(k/(G−k)): 1.732 and
    −0.577 for 2 of 8; Dr. GRPO gives 1−k/G and −k/G.

    G 个回答答对 k 个时，GRPO 给对的各 +√((G−k)/k)，错的各 −√(k/(G−k))：8 个对 2 个即 1.732 与 −0.577；
    Dr. GRPO 则是 1−k/G 与 −k/G。"""
    rewards = torch.zeros(group, group, dtype=torch.float64)              # row k − 1: k are right
    for row in range(group):
        rewards[row, : row + 1] = 1
    found = {name: WAYS[name](rewards) for name in {way: 0, "dr grpo": 0, "rloo": 0}}
    row = right - 1
    show(bars(list(found), {"right": [a[row, 0] for a in found.values()],
                            "wrong": [a[row, -1] for a in found.values()]},
              title=f"advantage, {right} of {group} right"))
    for k in range(1, group):                                             # k = group: all are 0
        closed = [math.sqrt((group - k) / k)] * k + [-math.sqrt(k / (group - k))] * (group - k)
        expect(f"GRPO advantages, {k} of {group} right", found[way][k - 1], equals=closed,
               within=1e-12)
        plain = [1 - k / group] * k + [-k / group] * (group - k)
        expect(f"Dr. GRPO advantages, {k} of {group} right", found["dr grpo"][k - 1], equals=plain,
               within=1e-12)
        expect("leave-one-out over Dr. GRPO", found["rloo"][k - 1] / found["dr grpo"][k - 1],
               equals=group / (group - 1), within=1e-12)


@breaks(way="batch mean", en="A baseline of the whole batch pushes an all-right group up and an all-wrong one down.",
        zh="用整个 batch 的均值作基线，全对的组仍被推高，全错的组仍被压低。")
def claim_equal_rewards_teach_nothing(prompts=4096, group=8, pass_rates=(0.02, 0.1, 0.3, 0.5),
                                      way="grpo"):
    """A group all right or all wrong has advantages of exactly 0; at pass rate p that is a share of
    p^G + (1−p)^G of the groups: 43 % for p = 0.1, G = 8.

    全对或全错的组优势恰好为 0；通过率为 p 时，这样的组占 p^G + (1−p)^G：p = 0.1、G = 8 时为 43%。"""
    shares = []
    for p in pass_rates:
        rewards = (torch.rand(prompts, group) < p).float()
        shares.append((WAYS[way](rewards) == 0).all(1).float().mean())
    share = [p**group + (1 - p) ** group for p in pass_rates]
    show(lines("pass rate p", pass_rates, {"groups without a gradient": shares,
                                           "p^G + (1−p)^G": share}))
    # six standard errors of a share measured on `prompts` groups
    expect("share of groups without a gradient less the formula",
           [float(s) - want for s, want in zip(shares, share, strict=True)], equals=0,
           within=3 / prompts**0.5, at=("pass rate p", pass_rates))


def weight(p: float, group: int, scaling: str) -> float:
    """A prompt's expected gradient over that of its pass rate, p(1−p), for a policy of one logit:
    groups with 0 … G right answers, each as often as it is drawn."""
    rewards = (torch.arange(group) < torch.arange(group + 1)[:, None]).double()   # (G+1, G)
    chance = torch.tensor([math.comb(group, k) * p**k * (1 - p) ** (group - k)
                           for k in range(group + 1)], dtype=torch.float64)       # (G+1,)
    score = rewards - p                                     # ∂ log π / ∂ logit: 1−p right, −p wrong
    return float(chance @ (WAYS[scaling](rewards) * score).mean(1)) / (p * (1 - p))


@breaks(scaling="dr grpo", en="Without the division every prompt weighs 1 − 1/G, whatever its pass rate.",
        zh="不做除法，无论通过率多少，每个 prompt 的权重都是 1 − 1/G。")
def claim_the_deviation_weighs_prompts_unevenly(group=8, pass_rates=(0.05, 0.1, 0.2, 0.5),
                                                scaling="grpo"):
    """Dividing by the deviation gives a prompt solved 5 % of the time over twice the weight of one
    solved half the time, for G = 64; without it both weigh 1 − 1/G.

    除以标准差，G = 64 时，通过率 5% 的 prompt 的权重超过通过率 50% 者的两倍；不除则都是 1 − 1/G。"""
    found = [weight(p, group, scaling) for p in pass_rates]
    plain = [weight(p, group, "dr grpo") for p in pass_rates]
    show(lines("pass rate p", pass_rates, {
        scaling: found, "without the division": plain,
        "1/√(p(1−p)), many answers": [(p * (1 - p)) ** -0.5 for p in pass_rates],
    }, y_label="weight of the prompt"))
    expect("weight at 5 % over weight at 50 %, G = 64",
           weight(0.05, 64, scaling) / weight(0.5, 64, scaling), at_least=2)
    by_hand = [sum(math.comb(group, k) * p**k * (1 - p) ** (group - k)
                   * math.sqrt(k * (group - k)) / group for k in range(group + 1)) / (p * (1 - p))
               for p in pass_rates]                         # the mean deviation of a group
    expect("weight less the mean deviation over p(1−p)",
           [f - h for f, h in zip(found, by_hand, strict=True)], equals=0, within=1e-11,
           at=("pass rate p", pass_rates))
    expect("weight without the division", plain, equals=1 - 1 / group, within=1e-12,
           at=("pass rate p", pass_rates))


def drill_advantages(rng) -> Drill:
    """The advantage of a right answer in a group."""
    group, right = rng.choice([(4, 1), (5, 1), (8, 2), (10, 2), (10, 5), (16, 8), (20, 4)])
    rewards = torch.tensor([[1.0] * right + [0.0] * (group - right)], dtype=torch.float64)
    return Drill(
        en=f"GRPO samples {group} answers to a prompt, {right} of them right (reward 1, else 0). What is the "
           "advantage of a right one? (population standard deviation)",
        zh=f"GRPO 对一个 prompt 采样 {group} 个回答，答对 {right} 个（奖励 1，否则 0）。答对者的优势是多少？（总体标准差）",
        answer=grpo(rewards)[0, 0].item(), within=0.006,
        steps=[(f"mean {right}/{group} = {right / group:g}", f"均值 {right}/{group} = {right / group:g}"),
               (f"deviation √(p(1−p)) = {(right / group * (1 - right / group)) ** 0.5:.3g}",
                f"标准差 √(p(1−p)) = {(right / group * (1 - right / group)) ** 0.5:.3g}"),
               (f"(1 − p)/√(p(1−p)) = √((1−p)/p) = {((group - right) / right) ** 0.5:.3g}",
                f"(1 − p)/√(p(1−p)) = √((1−p)/p) = {((group - right) / right) ** 0.5:.3g}")],
        proved_by="binary_rewards_have_a_closed_form",
    )


def drill_wasted_groups(rng) -> Drill:
    """The share of groups that carry no gradient."""
    p, group = rng.choice([(0.5, 4), (0.5, 3), (0.5, 5), (0.1, 2), (0.2, 2), (0.9, 2), (0.1, 3)])
    share = p**group + (1 - p) ** group
    return Drill(
        en=f"A prompt is solved with probability {p:g}; its group has {group} independent answers, reward 1 or 0. "
           "What share of such groups has no gradient in GRPO (without a KL term)?",
        zh=f"一个 prompt 的通过率为 {p:g}，每组独立采样 {group} 个回答，奖励 1 或 0。GRPO（无 KL 项）中，没有梯度的组占多大比例？",
        answer=share, within=0.005,
        steps=[(f"all right: {p:g}^{group} = {p**group:.4g}", f"全对：{p:g}^{group} = {p**group:.4g}"),
               (f"all wrong: {1 - p:g}^{group} = {(1 - p)**group:.4g}", f"全错：{1 - p:g}^{group} = {(1 - p)**group:.4g}"),
               (f"together {share:.4g}", f"合计 {share:.4g}")],
        proved_by="equal_rewards_teach_nothing",
    )


ZH = {
    "grpo": "GRPO", "dr grpo": "Dr. GRPO", "rloo": "RLOO", "batch mean": "batch 均值",
    "right": "对", "wrong": "错",
    "advantage, {} of {} right": "优势，{} / {} 个答对",
    "GRPO advantages, {} of {} right": "GRPO 优势，{} / {} 个答对",
    "Dr. GRPO advantages, {} of {} right": "Dr. GRPO 优势，{} / {} 个答对",
    "leave-one-out over Dr. GRPO": "留一法与 Dr. GRPO 之比",
    "pass rate p": "通过率 p",
    "groups without a gradient": "没有梯度的组",
    "share of groups without a gradient less the formula": "没有梯度的组的比例与公式之差",
    "weight of the prompt": "该 prompt 的权重",
    "without the division": "不做除法",
    "1/√(p(1−p)), many answers": "1/√(p(1−p))，回答很多时",
    "weight at 5 % over weight at 50 %, G = 64": "通过率 5% 与 50% 的权重之比，G = 64",
    "weight less the mean deviation over p(1−p)": "权重与平均标准差除以 p(1−p) 之差",
    "weight without the division": "不做除法的权重",
}

if __name__ == "__main__":
    main()
