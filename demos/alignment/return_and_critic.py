r"""Reward and KL penalty define the return that PPO maximises; the critic only estimates it. At λ = 1 its
errors cost variance, below that they bias the gradient.

PPO 要最大化的回报由奖励与 KL 惩罚定义，critic 只是估计它。λ = 1 时 critic 的误差只带来方差，λ 更小时则使梯度有偏。

Schulman et al. 2015; Ouyang et al. 2022, eq. 2. All answers of five tokens are enumerated. Turn `critic` to "exact":
every λ gives the true gradient. 把 `critic` 改为 "exact"：任何 λ 都给出真梯度。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, expect, lines, main, one_of, show, table

F64 = torch.float64
CLASSES, TOKENS, PROMPTS = 3, 5, 32                   # 3^5 = 243 answers of five tokens, all enumerated


def first_advantage(rewards: Tensor, values: Tensor, lam: float) -> Tensor:
    """GAE of the first token at γ = 1, Σ λ^t·δ_t: rewards and the critic's values before each token
    (…, tokens) to (…,)."""
    after = torch.cat([values[..., 1:], torch.zeros_like(values[..., :1])], -1)
    deltas = rewards + after - values                                    # (…, tokens)
    return (deltas * lam ** torch.arange(deltas.shape[-1], dtype=F64)).sum(-1)


def answers():
    """A random policy over a tree of answers: (scores (prompts, 243), log-probability of each token
    (prompts, 243, tokens), exact value before each token (same), root logits (prompts, 1, 3))."""
    z = [torch.randn(PROMPTS, CLASSES**t, CLASSES, dtype=F64) for t in range(TOKENS)]
    z[0].requires_grad_()
    score = torch.randn(PROMPTS, CLASSES**TOKENS, dtype=F64)
    logs, values, value = [], [], score
    for t in reversed(range(TOKENS)):
        log_p = z[t].log_softmax(-1)                                     # (prompts, prefixes, classes)
        value = (log_p.exp() * value.view_as(log_p)).sum(-1)             # (prompts, prefixes)
        logs.append(log_p.flatten(1).repeat_interleave(CLASSES ** (TOKENS - t - 1), 1))
        values.append(value.repeat_interleave(CLASSES ** (TOKENS - t), 1))
    return score, torch.stack(logs[::-1], -1), torch.stack(values[::-1], -1), z[0]


def gradient_at_the_root(noise: float, lams):
    """For each λ: bias and variance of A·∇log π of the first token, the mean over all prompts and answers,
    with a critic that is off by `noise` times a normal number for each prefix."""
    score, logs, values, root = answers()
    exact = torch.autograd.grad(values[:, 0, 0].sum(), root)[0][:, 0]    # of each prompt's true J: (prompts, classes)
    logs, values = logs.detach(), values.detach()
    for t in range(TOKENS):                                              # one error for each prefix
        error = torch.randn(PROMPTS, CLASSES**t, dtype=F64).repeat_interleave(CLASSES ** (TOKENS - t), 1)
        values[..., t] += noise * error
    rewards = torch.zeros_like(values)
    rewards[..., -1] = score
    p = logs.sum(-1).exp()                                               # (prompts, answers)
    first = torch.arange(CLASSES).repeat_interleave(CLASSES ** (TOKENS - 1))
    by_logit = torch.eye(CLASSES, dtype=F64)[first] - root.detach().softmax(-1)
    biases, variances = [], []
    for lam in lams:
        sample = first_advantage(rewards, values, lam)[..., None] * by_logit   # (prompts, answers, classes)
        mean = (p[..., None] * sample).sum(1)
        biases.append((mean - exact).norm(dim=-1).mean())
        variances.append(((p[..., None] * sample**2).sum(1) - mean**2).sum(-1).mean())
    return torch.stack(biases), torch.stack(variances)


RANGES = {
    "beta": between(0.0, 1.0), "penalty": one_of("policy over reference", "reference over policy"),
    "critic": one_of("exact", "noisy"),
}


@breaks(penalty="reference over policy", en="With the sign turned round the policy is paid for leaving the reference.",
        zh="符号反了，策略离参考模型越远，拿到的奖励越多。")
def claim_shaped_rewards_sum_to_score_minus_kl(beta=0.1, penalty="policy over reference"):
    """Reward −β·log(π/ref) on each token and the score on the last: over all answers the sum is E[score]
    − β·KL(π‖ref) of whole answers.

    每个 token 奖励 −β·log(π/ref)，末尾再加分数：对全部回答求期望，总和等于 E[分数] − β·整段回答的 KL(π‖ref)。"""
    score, log_pi, _, _ = answers()
    log_ref = answers()[1]
    log_pi, log_ref = log_pi.detach(), log_ref.detach()
    ratio = log_pi - log_ref if penalty == "policy over reference" else log_ref - log_pi
    rewards = -beta * ratio                                              # (prompts, answers, tokens)
    rewards[..., -1] += score
    pi, ref = log_pi.sum(-1).exp(), log_ref.sum(-1).exp()                # of whole answers
    kl = (pi * (pi / ref).log()).sum(1)
    mean = (pi * rewards.sum(-1)).sum(1)
    show(table({"prompt": range(4), "E[score]": (pi * score).sum(1)[:4], "KL(π‖ref)": kl[:4],
                "E[sum of rewards]": mean[:4]}))
    expect("E[sum of rewards] less E[score] − β·KL", mean - ((pi * score).sum(1) - beta * kl), equals=0, within=1e-10)
    expect("last token's reward less score − β·log(π/ref)", rewards[..., -1] - (score - beta * (log_pi - log_ref)[..., -1]),
           equals=0, within=1e-12)


@breaks(critic="exact", en="An exact critic has no bias to pass on: every λ gives the true gradient.",
        zh="精确的 critic 没有偏差可传：任何 λ 都给出真梯度。")
def claim_lambda_trades_bias_for_variance(critic="noisy"):
    """With a wrong critic the policy gradient is biased at λ = 0 and exact at λ = 1, where its variance is
    more than twice as large.

    critic 有误差时，λ = 0 的策略梯度有偏，λ = 1 无偏，但方差是其两倍以上。"""
    lams = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0]
    bias, variance = gradient_at_the_root(0.3 if critic == "noisy" else 0.0, lams)
    show(lines("λ", lams, {"bias": bias, "variance": variance}))
    expect("bias at λ = 1", bias[-1], equals=0, within=1e-12)
    expect("bias at λ = 0", bias[0], at_least=0.05)
    expect("bias at each λ less at the next", bias[:-1] - bias[1:], at_least=0)
    expect("variance at λ = 1 over that at λ = 0", variance[-1] / variance[0], at_least=2)


@breaks(critic="noisy", en="With errors in the critic the bootstrapped advantages are off.",
        zh="critic 有误差，自举得到的优势就有偏。")
def claim_exact_critic_needs_no_lambda(critic="exact"):
    """With the exact value of each prefix the gradient is exact for every λ: bootstrapping is biased only
    by the critic's error.

    每个前缀的价值都精确时，任何 λ 的梯度都精确：自举的偏差只来自 critic 的误差。"""
    lams = [0.0, 0.5, 0.95, 1.0]
    bias, variance = gradient_at_the_root(0.3 if critic == "noisy" else 0.0, lams)
    show(table({"λ": lams, "bias": bias, "variance": variance}))
    expect("bias", bias, equals=0, within=1e-12, at=("λ", lams))


def drill_shaped_return(rng) -> Drill:
    """Score and per-token KL penalty make the return."""
    beta, score = rng.choice([0.1, 0.05, 0.2]), rng.choice([1.0, 2.0, 0.5])
    ratios = rng.choice([(0.5, -0.2, 0.7), (1.0, 0.4, 0.6), (-0.5, 0.3, 1.2)])
    total = score - beta * sum(ratios)
    return Drill(
        en=f"The reward model gives {score:g}, β = {beta:g}, and log π − log ref of the three tokens is {ratios}. What "
           "is the first token's return at γ = 1?",
        zh=f"奖励模型给 {score:g} 分，β = {beta:g}，三个 token 的 log π − log ref 为 {ratios}。γ = 1 时第一个 token 的"
           "回报是多少？",
        answer=total, within=0.005,
        steps=[(f"the log ratios sum to {sum(ratios):g}", f"对数比之和为 {sum(ratios):g}"),
               (f"return = {score:g} − {beta:g} · {sum(ratios):g} = {total:g}",
                f"回报 = {score:g} − {beta:g} · {sum(ratios):g} = {total:g}")],
        proved_by="shaped_rewards_sum_to_score_minus_kl",
    )


ZH = {
    "λ": "λ", "prompt": "prompt", "E[score]": "E[分数]", "E[sum of rewards]": "E[奖励之和]",
    "E[sum of rewards] less E[score] − β·KL": "E[奖励之和] 减 (E[分数] − β·KL)", "KL(π‖ref)": "KL(π‖ref)",
    "last token's reward less score − β·log(π/ref)": "末尾 token 的奖励减 (分数 − β·log(π/ref))", "bias": "偏差",
    "bias at λ = 1": "λ = 1 的偏差", "bias at λ = 0": "λ = 0 的偏差",
    "bias at each λ less at the next": "每个 λ 的偏差减下一个 λ 的",
    "variance at λ = 1 over that at λ = 0": "λ = 1 与 λ = 0 的方差之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
