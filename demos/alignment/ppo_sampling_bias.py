r"""Roll-outs must come from the distribution whose log-probabilities the update uses: truncated or tempered
sampling is fine if both policies are truncated or tempered alike.

采样必须来自更新所用对数概率的那个分布：截断或调温都可以，只要新旧策略都照样截断、照样调温。

DeepSeek-V3.2 §3.1, “Keep Sampling Mask”. Turn `log_probs` to "renormalised": the estimated KL can no longer be
negative. 把 `log_probs` 改为 "renormalised"：估计的 KL 不再可能为负。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64
POLICY = torch.tensor([0.40, 0.25, 0.20, 0.15], dtype=F64)
REFERENCE = torch.tensor([0.60, 0.30, 0.06, 0.04], dtype=F64)


@exercise(claims=("shared_mask_keeps_importance_sampling_exact",),
          wrong=("does_not_renormalise", "zeroes_logits", "renormalises_over_all"))
def kept_log_probs(logits: Tensor, kept: Tensor) -> Tensor:
    """Log-probabilities of a policy restricted to the tokens that the sampler kept: logits and the boolean mask
    are (…, classes); what was not kept has −∞.

    把策略限制在采样器保留的 token 上的对数概率：logits 与布尔掩码均为 (…, classes)；未保留的为 −∞。"""
    return logits.masked_fill(~kept, -torch.inf).log_softmax(-1)


def top(logits: Tensor, k: int) -> Tensor:
    """The mask of the k largest: (classes,)."""
    return logits >= logits.topk(k).values[-1]


RANGES = {
    "k": between(1, 4), "log_probs": one_of("of all tokens", "renormalised"), "masked": one_of("both policies", "sampler only"),
    "classes": between(4, 32), "rollouts": one_of("greedy", "sampled"), "critic": one_of("none", "0.6"),
    "temperature": one_of(0.5, 0.7, 1.5, 2.0), "scored": one_of("logits over T", "temperature 1", "log-probs over T"),
}


@breaks(log_probs="renormalised", en="Both policies renormalised on the kept tokens: a true KL, never negative.",
        zh="两个策略都在保留的 token 上归一化：这是真正的 KL，恒不为负。")
def claim_top_k_can_report_a_negative_kl(log_probs="of all tokens"):
    """With policy (.40, .25, .20, .15) and reference (.60, .30, .06, .04) the KL is 0.231; estimated from top-2
    samples with untruncated log-probabilities it is −0.320.

    策略 (.40, .25, .20, .15)、参考 (.60, .30, .06, .04)：KL 是 0.231；用 top-2 的样本和未截断的对数概率估计，得 −0.320。"""
    reported = []
    for k in (1, 2, 3, 4):
        kept = top(POLICY, k)
        drawn = kept_log_probs(POLICY.log(), kept).exp()
        if log_probs == "renormalised":
            ratio = kept_log_probs(POLICY.log(), kept) - kept_log_probs(REFERENCE.log(), kept)
        else:
            ratio = (POLICY / REFERENCE).log()
        reported.append((drawn[kept] * ratio[kept]).sum())
    show(bars(["top 1", "top 2", "top 3", "all"], {"reported KL": reported}, y_label="nats"))
    expect("KL of all four", reported[3], equals=0.2313, within=1e-4)
    expect("KL reported from top-2 samples", reported[1], equals=-0.3196, within=1e-4)


@breaks(masked="sampler only", en="The new policy still has mass on tokens that were never drawn: the mean ratio is not 1.",
        zh="新策略在从未采到的 token 上仍有概率：比值的均值不是 1。")
def claim_shared_mask_keeps_importance_sampling_exact(classes=8, k=3, masked="both policies"):
    """With the sampler's mask applied to both policies, the ratio averages to one and importance sampling gives the
    masked policy's mean reward exactly.

    新旧策略都套用采样器的掩码时，比值均值为一，重要性采样精确给出掩码后策略的平均奖励。"""
    old, new, reward = torch.randn(3, classes, dtype=F64)
    kept = top(old, k)
    drawn = kept_log_probs(old, kept)
    log_new = kept_log_probs(new, kept) if masked == "both policies" else new.log_softmax(0)
    log_old = drawn if masked == "both policies" else old.log_softmax(0)
    p, ratio = drawn.exp()[kept], (log_new - log_old).exp()[kept]
    by_hand = sum(new[i].exp().item() * reward[i].item() for i in range(classes) if kept[i]) / sum(
        new[i].exp().item() for i in range(classes) if kept[i])
    show(table({"kept token": range(int(kept.sum())), "drawn with": p, "ratio": ratio}))
    expect("mean ratio", (p * ratio).sum(), equals=1, within=1e-12)
    expect("mean reward of the new policy", (p * ratio * reward[kept]).sum(), equals=by_hand, within=1e-12)


@breaks(rollouts="sampled", en="Sampled roll-outs find the better answer.", zh="采样式的 rollout 能找到更好的回答。")
@breaks(critic="0.6", en="A critic that expects 0.6 calls the greedy answer bad, and the policy leaves it.",
        zh="critic 期望 0.6，认为贪心回答不好，策略就离开它。")
def claim_greedy_rollouts_lock_in_their_first_answer(rollouts="greedy", critic="none"):
    """Greedy roll-outs without a baseline lock in the answer they start with, though another pays five times as
    much; with the batch mean as baseline nothing moves.

    贪心 rollout 且无基线，会锁定起初的回答，尽管另一个的奖励是它的五倍；以 batch 均值为基线则纹丝不动。"""
    reward, z = torch.tensor([0.2, 1.0, 0.5, 0.0], dtype=F64), torch.tensor([0.3, 0.1, 0.0, -0.1], dtype=F64)
    b = 0.6 if critic == "0.6" else 0.0
    curve = [z.softmax(0)]
    for _ in range(300):
        z.requires_grad_()
        p = z.softmax(0).detach()
        drawn = p if rollouts == "sampled" else torch.eye(4, dtype=F64)[z.argmax()]
        (slope,) = torch.autograd.grad((drawn * (reward - b) * z.log_softmax(0)).sum(), z)
        z = (z + 0.5 * slope).detach()
        curve.append(z.softmax(0))
    paths = torch.stack(curve)[::10].T
    show(lines("step", range(0, 301, 10), {f"reward {r:g}": row for r, row in zip(reward.tolist(), paths, strict=True)},
               y_label="probability"))
    same = torch.full((16,), 0.2, dtype=F64)                             # a batch of greedy answers to one prompt
    expect("probability of the first answer at the end", curve[-1][0], at_least=0.9)
    expect("probability of the best answer at the end", curve[-1][1], at_most=0.05)
    expect("advantages of equal answers against their mean", same - same.mean(), equals=0, within=1e-15)


@breaks(scored="temperature 1", en="Scored at temperature 1 the estimate is the gradient of no objective.",
        zh="按温度 1 算对数概率，估计出来的不是任何目标的梯度。")
@breaks(scored="log-probs over T", en="Log-probabilities divided by T do not sum to one.",
        zh="对数概率除以 T，概率之和不再是一。")
def claim_temperature_belongs_on_the_logits(temperature=0.7, classes=6, scored="logits over T"):
    """Sampled at temperature T, the policy gradient is exact if the log-probabilities come from logits divided by T
    and normalised again.

    以温度 T 采样时，对数概率由 logits 除以 T 再归一化得到，策略梯度才精确。"""
    z, reward = torch.randn(classes, dtype=F64, requires_grad=True), torch.randn(classes, dtype=F64)
    drawn = (z / temperature).softmax(0)
    (exact,) = torch.autograd.grad((drawn * reward).sum(), z, retain_graph=True)   # of J at this temperature
    logs = {"logits over T": (z / temperature).log_softmax(0), "temperature 1": z.log_softmax(0),
            "log-probs over T": z.log_softmax(0) / temperature}[scored]
    (slope,) = torch.autograd.grad((drawn.detach() * reward * logs).sum(), z)
    n = min(classes, 10)
    show(bars(range(n), {"exact": exact[:n], "estimated": slope[:n]}, y_label="gradient in the logit"))
    expect("estimated less the exact gradient", slope - exact, equals=0, within=1e-12)
    expect("sum of the probabilities scored", logs.exp().sum(), equals=1, within=1e-12)


def drill_reported_kl(rng) -> Drill:
    """The KL that top-1 or top-2 roll-outs report."""
    p, q, k = rng.choice([((0.5, 0.3, 0.2), (0.25, 0.6, 0.15), 2), ((0.4, 0.4, 0.2), (0.8, 0.1, 0.1), 2),
                          ((0.6, 0.4), (0.75, 0.25), 1)])
    kept = top(torch.tensor(p), k)
    a, b = torch.tensor(p, dtype=F64)[kept], torch.tensor(q, dtype=F64)[kept]
    value = (a / a.sum() * (a / b).log()).sum().item()
    terms = " + ".join(f"{x / a.sum().item():.3f}·ln({x:g}/{y:g})" for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return Drill(
        en=f"The policy is {p}, the reference {q}. Tokens are drawn from the policy's top {k}, renormalised, and scored with "
           "untruncated log-probabilities. What mean log ratio is reported, in nats? "
           "(ln 2 ≈ 0.693, ln 4 ≈ 1.386, ln 0.8 ≈ −0.223)",
        zh=f"策略为 {p}，参考为 {q}。从策略的 top {k} 归一化后采样，却用未截断的对数概率计分。平均对数比报告为多少 nats？"
           "（ln 2 ≈ 0.693，ln 4 ≈ 1.386，ln 0.8 ≈ −0.223）",
        answer=value, within=0.005,
        steps=[(f"kept and renormalised: {[round(x / a.sum().item(), 3) for x in a.tolist()]}",
                f"保留并归一化：{[round(x / a.sum().item(), 3) for x in a.tolist()]}"), (f"{terms} = {value:.3f}",) * 2],
        proved_by="top_k_can_report_a_negative_kl",
    )


ZH = {
    "top {}": "top {}", "all": "全部", "reported KL": "报告的 KL", "nats": "纳特", "KL of all four": "四个全算的 KL",
    "KL reported from top-2 samples": "top-2 样本报告的 KL", "kept token": "保留的 token", "drawn with": "采样概率",
    "ratio": "比值", "mean ratio": "比值的均值", "mean reward of the new policy": "新策略的平均奖励", "step": "步",
    "reward {}": "奖励 {}", "probability": "概率",
    "probability of the first answer at the end": "结束时起初回答的概率",
    "probability of the best answer at the end": "结束时最好回答的概率",
    "advantages of equal answers against their mean": "相同回答对其均值的优势", "exact": "精确值",
    "estimated": "估计", "gradient in the logit": "对 logit 的梯度",
    "estimated less the exact gradient": "估计减真梯度", "sum of the probabilities scored": "所用概率之和",
}  # fmt: skip

if __name__ == "__main__":
    main()
