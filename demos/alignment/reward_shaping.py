r"""Rewards for steps on the way: a potential keeps the best policy, a bonus per step is collected.

给中间步骤发奖励：基于势函数的塑形不改变最优策略，逐步奖励则会被反复领取。

Ng, Harada & Russell 1999; TRL's multi_objective_aggregation. Turn `shaping` to "bonus": the best
policy now checks its work for ever. Turn `scaling` to "none": a small weight stays small.
把 `shaping` 改为 "bonus"：最优策略变成无休止地检查。把 `scaling` 改为 "none"：小权重仍然是小权重。
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

F64 = torch.float64
STEPS = 5                                                                  # of a solution; then done


@exercise(claims=("a_potential_keeps_the_best_policy",),
          wrong=("rewards_the_new_state", "forgets_the_discount", "keeps_the_end_high"))
def shaped(reward: Tensor, potential: Tensor, gamma: float) -> Tensor:
    """Rewards (states, states) of moving from row to column, shaped by a potential (states,) of the
    states; the last state is the end, and its potential counts as 0.

    从行状态转移到列状态的奖励 (states, states)，加上由状态势 (states,) 得到的塑形项；最后一个状态是终点，其势按 0 计。"""
    phi = potential.clone()
    phi[-1] = 0
    return reward + gamma * phi[None] - phi[:, None]


def best(reward: Tensor, gamma: float) -> Tensor:
    """What the best policy does in each state of a solution, by value iteration: 0 stays (checks
    again), 1 goes on; reward is (…, states, states), the end gives nothing more."""
    value = torch.zeros(reward.shape[:-1], dtype=F64)                      # (…, states)
    for _ in range(250):
        stay = reward.diagonal(0, -2, -1)[..., :-1] + gamma * value[..., :-1]
        go = reward.diagonal(1, -2, -1) + gamma * value[..., 1:]           # (…, STEPS)
        value[..., :-1] = torch.maximum(stay, go)
    return (go > stay).long()


RANGES = {
    "shaping": one_of("potential", "bonus"), "gamma": between(0.92, 0.98),
    "scaling": one_of("deviation", "none"), "group": between(4, 32),
    "format_weight": between(0.01, 0.5),
}  # fmt: skip


@breaks(shaping="bonus", en="A bonus for each check is paid again and again: the best policy never finishes.",
        zh="每次检查都发奖励，就可以反复领取：最优策略永不结束。")
def claim_a_potential_keeps_the_best_policy(gamma=0.95, shaping="potential"):
    """Whatever potential is taken, γΦ(next) − Φ(now) added to the rewards leaves the best policy as it
    was; a bonus of 0.1 for each check makes it check for ever.

    无论取什么势函数，奖励加上 γΦ(后) − Φ(前) 都不改变最优策略；每次检查奖 0.1，则变成无休止地检查。"""
    outcome = torch.zeros(STEPS + 1, STEPS + 1, dtype=F64)
    outcome[STEPS - 1, STEPS] = 1                                          # 1 for the finished answer
    plain = best(outcome, gamma)
    with_potentials = torch.stack([shaped(outcome, phi, gamma)
                                   for phi in 3 * torch.randn(20, STEPS + 1, dtype=F64)])
    differ = int((best(with_potentials, gamma) != plain).any(1).sum())
    bonus = outcome + 0.1 * torch.eye(STEPS + 1, dtype=F64)                # each check, again and again
    looping = best(bonus, gamma)
    show(bars([f"step {i + 1}" for i in range(STEPS)], {"outcome only": plain, "with a bonus": looping},
              y_label="1: goes on, 0: checks again"))
    expect("steps at which the plain policy goes on", int(plain.sum()), equals=STEPS)
    expect("of 20 potentials, those that change the policy", differ, equals=0)
    chosen = looping if shaping == "bonus" else plain
    expect("steps at which the shaped policy goes on", int(chosen.sum()), equals=STEPS)
    expect("steps at which the policy with a bonus goes on", int(looping.sum()), equals=0)


@breaks(scaling="none", en="Without the division the advantage is as small as the weight.",
        zh="不做除法，优势就和权重一样小。")
def claim_a_tiny_format_reward_fills_the_advantage(format_weight=0.05, group=8,
                                                   scaling="deviation"):
    """Where all answers of a group are wrong and some keep the format, dividing by the deviation
    makes the advantage the same whatever the format's weight: 0.05 counts like 1.

    一组回答全错、只有一部分格式正确时，除以标准差使优势与格式权重无关：0.05 与 1 一样。"""
    kept = (torch.arange(group) < group // 2).to(F64)                      # format right, answer wrong
    advantages = {}
    for weight in (format_weight, 1.0):
        r = weight * kept
        spread = r.std(correction=0) if scaling == "deviation" else 1.0
        advantages[weight] = (r - r.mean()) / spread
    show(lines("answer", range(group), {f"format weight {w:g}": a for w, a in advantages.items()},
               y_label="advantage"))
    expect("advantages at the small weight less those at 1",
           advantages[format_weight] - advantages[1.0], equals=0, within=1e-9)


def drill_loop(rng) -> Drill:
    """When collecting a bonus beats finishing."""
    bonus, gamma = rng.choice([(0.1, 0.9), (0.05, 0.9), (0.02, 0.95), (0.1, 0.95), (0.01, 0.9)])
    return Drill(
        en=f"Each self-check earns {bonus:g}, discount {gamma:g} per step. What is checking for ever worth (set beside 1 for "
           "the right answer)?",
        zh=f"每次自查奖励 {bonus:g}，每步折扣 {gamma:g}。永远自查下去值多少（答对值 1）？",
        answer=bonus / (1 - gamma), within=0.01,
        steps=[(f"{bonus:g} · (1 + γ + γ² + …) = {bonus:g}/(1 − {gamma:g})", f"{bonus:g} · (1 + γ + γ² + …) = {bonus:g}/(1 − {gamma:g})"),
               (f"= {bonus / (1 - gamma):.2f}", f"= {bonus / (1 - gamma):.2f}")],
        proved_by="a_potential_keeps_the_best_policy",
    )


ZH = {
    "step {}": "第 {} 步", "outcome only": "只奖结果", "with a bonus": "加逐步奖励",
    "1: goes on, 0: checks again": "1：继续，0：再检查", "steps at which the plain policy goes on": "原策略继续的步数",
    "of 20 potentials, those that change the policy": "20 个势函数中改变策略的个数",
    "steps at which the shaped policy goes on": "塑形后策略继续的步数",
    "steps at which the policy with a bonus goes on": "加逐步奖励的策略继续的步数", "answer": "回答",
    "format weight {}": "格式权重 {}", "advantage": "优势",
    "advantages at the small weight less those at 1": "小权重与权重 1 的优势之差",
}

if __name__ == "__main__":
    main()
