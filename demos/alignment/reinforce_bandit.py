r"""REINFORCE on a softmax policy: the gradient moves probability from arms below the mean reward to arms
above it. A baseline costs no bias if it does not contain the sample itself.

softmax 策略上的 REINFORCE：梯度把概率从低于平均奖励的动作移到高于平均的动作。基线只要不含样本自身，就不引入偏差。

Williams 1992; Ahmadian et al. 2024 for leave-one-out. Turn `baseline` to "group mean": the gradient shrinks
to 1 − 1/G of itself. 把 `baseline` 改为 "group mean"：梯度缩小为 1 − 1/G。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("a_baseline_without_the_sample_is_unbiased",),
          wrong=("group_mean", "divides_by_the_group", "others_summed"))
def leave_one_out(rewards: Tensor) -> Tensor:
    """A baseline for each sample of a group, from the rewards of the other samples: (…, group) to the
    same shape.

    由同组其他样本的奖励求每个样本的基线：(…, group) 到同样形状。"""
    others = rewards.sum(-1, keepdim=True) - rewards                     # (…, group)
    return others / (rewards.shape[-1] - 1)


def group_mean(rewards: Tensor) -> Tensor:
    """The mean of the group, the sample in it."""
    return rewards.mean(-1, keepdim=True).expand_as(rewards)


BASELINES = {
    "none": torch.zeros_like, "constant": lambda r: torch.full_like(r, 0.4),
    "leave one out": lambda r: leave_one_out(r), "group mean": group_mean,
}
RANGES = {
    "baseline": one_of("none", "constant", "leave one out", "group mean"), "group": between(2, 6),
    "arms": between(3, 32), "subtracted": one_of("mean reward", "nothing"), "offset": one_of(0.0, 5.0, 20.0),
    "rollouts": one_of("sampled", "greedy"),
}


def score_function(z: Tensor) -> Tensor:
    """∇log p of each arm in the logits, one-hot − p: (arms,) to (arms, arms), a row for each arm."""
    return torch.eye(len(z), dtype=F64) - z.softmax(0)


def exact_gradient(z: Tensor, r: Tensor) -> Tensor:
    """p·(r − J), the gradient of J = Σ p·r in the logits."""
    p = z.softmax(-1)
    return p * (r - (p * r).sum(-1, keepdim=True))


@breaks(subtracted="nothing", en="p·r alone never lowers an arm of positive reward: it forgets that softmax sums to 1.",
        zh="只有 p·r，正奖励的动作永远不会下降：忘了 softmax 之和恒为 1。")
def claim_gradient_is_p_times_reward_less_mean(arms=3, subtracted="mean reward"):
    """In the logit of arm k the gradient of the expected reward J is p_k·(r_k − J), the mean of r·∇log p; the
    components sum to zero.

    期望奖励 J 对动作 k 的 logit 的梯度是 p_k·(r_k − J)，也就是 r·∇log p 的均值；各分量之和为零。"""
    z, r = torch.randn(arms, dtype=F64, requires_grad=True), torch.randn(arms, dtype=F64)
    (slope,) = torch.autograd.grad((z.softmax(0) * r).sum(), z)
    formula = exact_gradient(z.detach(), r) if subtracted == "mean reward" else z.detach().softmax(0) * r
    three = exact_gradient(torch.zeros(3, dtype=F64), torch.tensor([1.0, 0.5, 0.0], dtype=F64))
    reinforce = (z.detach().softmax(0) * r) @ score_function(z.detach())
    n = min(arms, 10)
    show(bars(range(n), {"gradient": slope[:n], "formula": formula[:n]}, y_label="gradient in the logit"))
    expect("gradient less the formula", slope - formula, equals=0, within=1e-12)
    expect("mean of r·∇log p less the gradient", reinforce - slope, equals=0, within=1e-12)
    expect("sum of the gradient", slope.sum(), equals=0, within=1e-12)
    expect("uniform policy, rewards 1, 0.5, 0", three, equals=[1 / 6, 0.0, -1 / 6], within=1e-12)


@breaks(baseline="group mean", en="The group mean contains the sample: it takes a G-th of the signal away.",
        zh="组均值里含有样本自身，带走了 1/G 的信号。")
def claim_a_baseline_without_the_sample_is_unbiased(group=4, baseline="leave one out"):
    """Over all groups of G samples REINFORCE averages to the exact gradient with any baseline that leaves
    the sample out; with the group mean, to 1 − 1/G of it.

    对全部 G 样本组求期望：基线不含样本自身时，REINFORCE 等于真梯度；用组均值则是其 1 − 1/G。"""
    z, r = torch.randn(3, dtype=F64), torch.rand(3, dtype=F64)
    p = z.softmax(0)
    taken = torch.cartesian_prod(*[torch.arange(3)] * group)             # (3^G groups, group)
    chance = p[taken].prod(-1)                                           # (groups,)
    scores = score_function(z)[taken]                                    # (groups, group, arms): ∇log p
    exact = exact_gradient(z, r)

    def mean_of(name: str) -> Tensor:
        advantage = r[taken] - BASELINES[name](r[taken])                 # (groups, group)
        return (chance[:, None] * (advantage[..., None] * scores).mean(1)).sum(0)

    means = {name: mean_of(name) for name in BASELINES}
    show(bars(range(3), {"exact": exact, **means}, y_label="gradient in the logit"))
    some = torch.rand(group, dtype=F64)
    by_hand = [(sum(some.tolist()) - x) / (group - 1) for x in some.tolist()]
    expect("leave-one-out baseline of a group", leave_one_out(some), equals=by_hand, within=1e-12)
    without = torch.stack([means[name] for name in ("none", "constant", baseline)])
    expect("mean estimate less the exact gradient", without - exact, equals=0, within=1e-12)
    expect("group mean's estimate less 1 − 1/G of it", means["group mean"] - (1 - 1 / group) * exact,
           equals=0, within=1e-12)


@breaks(offset=0.0, en="With rewards about zero there is no common part for the baseline to take away.",
        zh="奖励本来就在零附近，基线没有公共部分可减。")
def claim_baseline_removes_the_common_part(arms=6, offset=5.0):
    """With rewards near 5, the mean reward as baseline cuts the variance of one sample's gradient more than
    tenfold; the best constant, which weighs rewards by ‖∇log p‖², is never worse.

    奖励在 5 附近时，以平均奖励为基线，单样本梯度的方差降到十分之一以下；最优常数按 ‖∇log p‖² 加权，不会更差。"""
    z, r = 0.5 * torch.randn(arms, dtype=F64), torch.randn(arms, dtype=F64)
    r = (r - r.mean()) / r.std() + offset                                # spread 1 about the offset
    p = z.softmax(0)
    scores = score_function(z)                                           # row a: ∇log p(a)
    squared = scores.square().sum(1)                                     # (arms,)

    def variance(b: float) -> float:
        sample = (r - b)[:, None] * scores                               # row a: the gradient if a was taken
        return float(p @ (sample - exact_gradient(z, r)).square().sum(1))

    mean = float((p * r).sum())
    best = float((p * squared * r).sum() / (p * squared).sum())
    grid = torch.linspace(0, mean + 2, 30).tolist()
    show(lines("baseline", grid, {"variance": [variance(b) for b in grid]}),
         table({"baseline": ["none", "mean reward", "best constant"], "variance": [variance(b) for b in (0, mean, best)]}))
    expect("variance without over that with the mean reward", variance(0.0) / variance(mean), at_least=10)
    # The variance is a parabola in the baseline: its two sides are equal where it is least.
    expect("variance 0.1 above the best constant less 0.1 below", variance(best + 0.1) - variance(best - 0.1),
           equals=0, within=1e-9)
    excess = float(p @ squared) * (mean - best) ** 2
    expect("variance with the mean reward less with the best constant", variance(mean) - variance(best),
           equals=excess, within=1e-9)


@breaks(baseline="none",
        en="With rewards 0 and 1 and no baseline a failed sample has no gradient: fine-tuning on the successes.",
        zh="奖励为 0/1 且无基线时，失败样本没有梯度：等同于只在成功样本上微调。")
def claim_failed_samples_are_pushed_down(group=4, baseline="leave one out"):
    """In a group with one success and rewards 0 and 1, a baseline makes each failed sample lower its own logit; without
    one its gradient is exactly zero.

    一组里只有一个成功、奖励为 0/1 时，有基线则每个失败样本压低自己的 logit；无基线时其梯度恰为零。"""
    z = torch.randn(group, dtype=F64)                                    # each sample took another arm
    rewards = torch.eye(group, dtype=F64)[0]
    scores = score_function(z)                                           # row i: ∇log p of the arm that sample i took
    per_sample = {name: (rewards - b(rewards))[:, None] * scores for name, b in BASELINES.items()}
    own = per_sample[baseline].diagonal()
    show(bars(range(group), {"gradient in its own logit": own}, y_label="gradient in the logit"))
    rest = 1 - z.exp() / z.exp().sum()                                   # probability of all other arms
    expect("failed samples' gradient in their own logit", own[1:] / rest[1:], at_most=-0.1)
    expect("with leave-one-out, less −(1 − p)/(G − 1)", per_sample["leave one out"].diagonal()[1:] + rest[1:] / (group - 1),
           equals=0, within=1e-12)
    expect("failed samples' gradient without baseline", per_sample["none"][1:], equals=0)


@breaks(rollouts="greedy", en="Greedy roll-outs repeat one answer: all advantages are zero and nothing is learnt.",
        zh="贪心 rollout 只重复一个回答：优势全为零，什么也学不到。")
def claim_training_finds_the_best_arm(rollouts="sampled"):
    """Three hundred steps of REINFORCE with a leave-one-out baseline drive the best of three arms above 0.95 and the
    worst below a twentieth.

    带留一基线的 REINFORCE 走三百步，三个动作中最好的升到 0.95 以上，最差的降到二十分之一以下。"""
    z, r = torch.zeros(3, dtype=F64), torch.tensor([1.0, 0.5, 0.0], dtype=F64)
    curve = [z.softmax(0)]
    for _ in range(300):
        p = z.softmax(0)
        taken = torch.multinomial(p, 16, replacement=True) if rollouts == "sampled" else p.argmax().expand(16)
        advantage = r[taken] - leave_one_out(r[taken])
        z = z + 0.5 * (advantage[:, None] * score_function(z)[taken]).mean(0)
        curve.append(z.softmax(0))
    arms = torch.stack(curve)[::10].T
    show(lines("step", range(0, 301, 10), {f"reward {x:g}": row for x, row in zip(r.tolist(), arms, strict=True)},
               y_label="probability"))
    expect("probability of the best arm at the end", curve[-1][0], at_least=0.95)
    expect("probability of the worst arm at the end", curve[-1][2], at_most=0.05)


def drill_gradient(rng) -> Drill:
    """One component of the policy gradient."""
    p, r = rng.choice([((0.5, 0.3, 0.2), (1.0, 0.0, 0.5)), ((0.6, 0.3, 0.1), (0.0, 1.0, 1.0)),
                       ((0.2, 0.2, 0.6), (1.0, 0.5, 0.0))])
    k = rng.randrange(3)
    mean = sum(a * b for a, b in zip(p, r, strict=True))
    value = exact_gradient(torch.tensor(p, dtype=F64).log(), torch.tensor(r, dtype=F64))[k].item()
    return Drill(
        en=f"A softmax policy has probabilities {p} over three answers with rewards {r}. What is the gradient of the "
           f"expected reward in the logit of answer {k + 1}?",
        zh=f"softmax 策略对三个回答的概率为 {p}，奖励为 {r}。期望奖励对第 {k + 1} 个回答的 logit 的梯度是多少？",
        answer=value, within=0.002,
        steps=[(f"J = {mean:g}",) * 2, (f"p·(r − J) = {p[k]:g} · ({r[k]:g} − {mean:g}) = {value:.3f}",) * 2],
        proved_by="gradient_is_p_times_reward_less_mean",
    )


def drill_leave_one_out(rng) -> Drill:
    """The advantage of one success in a group."""
    group, right = rng.choice([(8, 2), (4, 1), (5, 2), (8, 6), (5, 4)])
    rewards = torch.tensor([1.0] * right + [0.0] * (group - right), dtype=F64)
    value = (rewards - leave_one_out(rewards))[0].item()
    return Drill(
        en=f"{right} of {group} answers to a prompt are right (reward 1, else 0). What is the advantage of a right one with a "
           "leave-one-out baseline?",
        zh=f"同一 prompt 的 {group} 个回答中有 {right} 个正确（奖励 1，否则 0）。用留一基线，一个正确回答的优势是多少？",
        answer=value, within=0.002,
        steps=[(f"the other {group - 1} answers average {right - 1}/{group - 1}",
                f"其余 {group - 1} 个回答的均值为 {right - 1}/{group - 1}"),
               (f"1 − {right - 1}/{group - 1} = {value:.3f}",) * 2],
        proved_by="a_baseline_without_the_sample_is_unbiased",
    )


ZH = {
    "variance 0.1 above the best constant less 0.1 below": "最优常数之上与之下 0.1 处的方差之差", "gradient": "梯度",
    "formula": "公式", "gradient in the logit": "对 logit 的梯度", "gradient less the formula": "梯度减公式",
    "sum of the gradient": "梯度之和",
    "mean of r·∇log p less the gradient": "r·∇log p 的均值减梯度",
    "uniform policy, rewards 1, 0.5, 0": "均匀策略，奖励 1、0.5、0",
    "exact": "精确值", "none": "无", "constant": "常数", "leave one out": "留一", "group mean": "组均值",
    "mean reward": "平均奖励", "mean estimate less the exact gradient": "估计的期望减真梯度",
    "group mean's estimate less 1 − 1/G of it": "组均值的估计减真梯度的 1 − 1/G", "baseline": "基线",
    "leave-one-out baseline of a group": "一组的留一基线", "variance": "方差", "best constant": "最优常数",
    "variance without over that with the mean reward": "无基线与平均奖励基线的方差之比",
    "variance with the mean reward less with the best constant": "平均奖励基线的方差减最优常数的",
    "step": "步",
    "probability": "概率", "reward {}": "奖励 {}", "probability of the best arm at the end": "结束时最好动作的概率",
    "probability of the worst arm at the end": "结束时最差动作的概率",
    "gradient in its own logit": "对自身 logit 的梯度",
    "failed samples' gradient in their own logit": "失败样本对自身 logit 的梯度",
    "failed samples' gradient without baseline": "无基线时失败样本的梯度",
    "with leave-one-out, less −(1 − p)/(G − 1)": "用留一基线，减 −(1 − p)/(G − 1)",
}  # fmt: skip

if __name__ == "__main__":
    main()
