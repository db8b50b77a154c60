r"""Three estimates of KL(π‖ref) from samples of the policy, as a reward and as a loss: k1, k2, k3. Which has
the right value and which the right gradient are two questions with different answers.

用策略样本估计 KL(π‖ref) 的 k1、k2、k3，分别用作奖励与损失：谁的数值对、谁的梯度对，是两个问题，答案也不同。

Schulman 2020; Liu et al. 2025; DeepSeek-V3.2 §3.1. All means are exact sums over a small vocabulary. Turn
`loss` to "k3": its gradient is that of KL(ref‖π). 把 `loss` 改为 "k3"：梯度变成 KL(ref‖π) 的。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


def estimate(kind: str, log_pi: Tensor, log_ref: Tensor) -> Tensor:
    """One number for each sample, from its log-probabilities under both: (samples,) each."""
    d = log_pi - log_ref
    return {"k1": d, "k2": d**2 / 2, "k3": (-d).expm1() + d}[kind]


@exercise(claims=("importance_ratio_gives_k3_the_right_gradient",), wrong=("no_ratio", "detached_ratio", "is_k1", "turned_round"))
def corrected_k3(log_pi: Tensor, log_old: Tensor, log_ref: Tensor) -> Tensor:
    """A KL(π‖ref) loss of each token sampled by an old policy: k3, weighted with a ratio that carries
    gradient. All log-probabilities are (tokens,).

    由旧策略采样的每个 token 的 KL(π‖ref) 损失：k3 乘上带梯度的重要性比值。各对数概率均为 (tokens,)。"""
    r = log_ref - log_pi                                                 # (tokens,)
    return (log_pi - log_old).exp() * (r.exp() - 1 - r)


def weighted(how: str, log_pi: Tensor, log_old: Tensor, log_ref: Tensor) -> Tensor:
    """k3 with the ratio, with a ratio that is a constant, or without."""
    if how == "ratio":
        return corrected_k3(log_pi, log_old, log_ref)
    ratio = (log_pi - log_old).exp().detach() if how == "detached ratio" else torch.ones_like(log_pi)
    return ratio * estimate("k3", log_pi, log_ref)


KINDS = ("k1", "k2", "k3")
RANGES = {
    "classes": between(2, 64), "value_of": one_of("k1", "k2", "k3"), "loss": one_of("k1", "k2", "k3"),
    "weight": one_of("ratio", "detached ratio", "none"),
    "credit": one_of("this and later tokens", "own token"),
}


def policies(classes: int, count: int = 3):
    """Random logits of the policy, with gradient, and log-probabilities of others: (classes,) each."""
    z = torch.randn(classes, dtype=F64, requires_grad=True)
    return z, *(torch.randn(classes, dtype=F64).log_softmax(0) for _ in range(count - 1))


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p‖q), the exact sum."""
    return (log_p.exp() * (log_p - log_q)).sum()


@breaks(value_of="k2", en="k2 averages to half the mean squared log ratio, which is the KL only to second order.",
        zh="k2 的均值是对数比平方均值的一半，只在二阶近似下等于 KL。")
def claim_k1_and_k3_have_the_right_mean(classes=8, value_of="k3"):
    """Over samples of the policy k1 and k3 average to KL(π‖ref), k2 does not; single samples of k1 are
    negative, of k2 and k3 never.

    在策略样本上，k1、k3 的均值是 KL(π‖ref)，k2 不是；单个样本的 k1 可为负，k2、k3 恒不为负。"""
    z, log_ref = policies(classes, 2)
    log_pi = z.detach().log_softmax(0)
    exact = torch.distributions.kl_divergence(torch.distributions.Categorical(logits=log_pi),
                                              torch.distributions.Categorical(logits=log_ref))
    mean = {k: (log_pi.exp() * estimate(k, log_pi, log_ref)).sum() for k in KINDS}
    least = {k: estimate(k, log_pi, log_ref).min() for k in KINDS}
    show(bars(["exact", *KINDS], {"mean": [exact, *mean.values()]}, y_label="nats"),
         table({"estimate": KINDS, "mean": mean.values(), "least": least.values()}))
    expect("mean less KL(π‖ref)", [mean[value_of] - exact, mean["k1"] - exact], equals=0, within=1e-12)
    expect("least k2 and k3", [least["k2"], least["k3"]], at_least=-1e-12)
    expect("least k1", least["k1"], at_most=0)


@breaks(loss="k3", en="Differentiated as a loss, k3 follows KL(ref‖π), the other direction.",
        zh="k3 作损失求导，跟随的是另一个方向 KL(ref‖π)。")
@breaks(loss="k1", en="As a loss k1 pushes nowhere: the mean of ∇log π under π is zero.",
        zh="k1 作损失没有方向：∇log π 在 π 下的均值为零。")
def claim_k2_as_a_loss_has_the_right_gradient(classes=8, loss="k2"):
    """Differentiated on samples of the policy itself, k2 has the gradient of KL(π‖ref), k3 that of
    KL(ref‖π), and k1 none.

    在策略自己的样本上求导，k2 的梯度是 KL(π‖ref) 的，k3 的是 KL(ref‖π) 的，k1 的为零。"""
    z, log_ref = policies(classes, 2)
    log_pi = z.log_softmax(0)
    pi = log_pi.exp().detach()                                           # the samples are drawn, not differentiated
    slope = {k: torch.autograd.grad((pi * estimate(k, log_pi, log_ref)).sum(), z, retain_graph=True)[0] for k in KINDS}
    reverse = finite_difference(lambda x: kl(x.log_softmax(0), log_ref), z)
    forward = finite_difference(lambda x: kl(log_ref, x.log_softmax(0)), z)
    n = min(classes, 8)
    show(bars(range(n), {k: s[:n] for k, s in slope.items()} | {"∇KL(π‖ref)": reverse[:n]}, y_label="gradient in the logit"))
    # Central differences with step 1e-6 of numbers of size 1 to 10: 1e-15 / 1e-6, and room.
    expect("gradient of the loss less ∇KL(π‖ref)", slope[loss] - reverse, equals=0, within=1e-7)
    expect("gradient of k3 less ∇KL(ref‖π)", slope["k3"] - forward, equals=0, within=1e-7)
    expect("gradient of k1", slope["k1"], equals=0, within=1e-12)


@breaks(weight="detached ratio", en="As a constant the ratio only moves the samples; k3's gradient stays the other one.",
        zh="比值当常数，只修正了样本分布；k3 的梯度仍是另一个方向。")
@breaks(weight="none", en="Without the ratio value and gradient are those of other samples.",
        zh="不乘比值，数值与梯度都是旧样本下的。")
def claim_importance_ratio_gives_k3_the_right_gradient(classes=8, weight="ratio"):
    """On samples of an old policy, k3 times the differentiable ratio π/π_old has the value and the gradient
    of KL(π‖ref).

    在旧策略的样本上，k3 乘可求导的比值 π/π_old，数值与梯度都是 KL(π‖ref) 的。"""
    z, log_old, log_ref = policies(classes)
    log_pi = z.log_softmax(0)
    loss = (log_old.exp() * weighted(weight, log_pi, log_old, log_ref)).sum()
    (slope,) = torch.autograd.grad(loss, z)
    exact = finite_difference(lambda x: kl(x.log_softmax(0), log_ref), z)
    show(bars(range(min(classes, 8)), {"corrected": slope[:8], "∇KL(π‖ref)": exact[:8]}, y_label="gradient in the logit"))
    expect("value less KL(π‖ref)", loss - kl(log_pi, log_ref), equals=0, within=1e-12)
    expect("gradient less ∇KL(π‖ref)", slope - exact, equals=0, within=1e-7)


@breaks(credit="own token", en="A token also decides which later tokens are seen; their penalty is its own doing.",
        zh="一个 token 还决定了后面会走到哪些 token；它们的惩罚也算在它头上。")
def claim_k1_in_the_reward_is_the_gradient_of_the_sequence_kl(classes=4, credit="this and later tokens"):
    """For answers of two tokens, k1 as a reward of this and the later token, times ∇log π, averages to the
    gradient of the whole answer's KL(π‖ref).

    两个 token 的回答：把本 token 与其后 token 的 k1 作为奖励，乘 ∇log π，均值就是整段回答 KL(π‖ref) 的梯度。"""
    z = torch.randn(1 + classes, classes, dtype=F64, requires_grad=True)  # the start, and after each first token
    log_ref = torch.randn(1 + classes, classes, dtype=F64).log_softmax(1)
    log_pi = z.log_softmax(1)
    first, second = log_pi[0][:, None], log_pi[1:]                       # (classes, 1), (classes, classes)
    k_first, k_second = (first - log_ref[0][:, None]).detach(), (second - log_ref[1:]).detach()
    whole = (first + second).exp().detach()                              # probability of each answer
    later = k_second if credit == "this and later tokens" else 0.0
    (slope,) = torch.autograd.grad((whole * ((k_first + later) * first + k_second * second)).sum(), z)
    exact = finite_difference(lambda x: kl(x.log_softmax(1)[0], log_ref[0]) + (
        x[0].softmax(0) * (x[1:].softmax(1) * (x[1:].log_softmax(1) - log_ref[1:])).sum(1)).sum(), z)
    show(bars(range(classes), {"estimated": slope[0], "∇KL of whole answers": exact[0]}, y_label="gradient in the logit"))
    expect("gradient less that of the whole answer's KL", slope - exact, equals=0, within=1e-7)


@breaks(loss="k2", en="k2 weighs ∇log π with the log ratio itself: −6.9, not −999.",
        zh="k2 给 ∇log π 的权重就是对数比：−6.9，而不是 −999。")
def claim_k3_weighs_a_lost_token_without_bound(loss="k3"):
    """Where the policy has a thousandth of the reference's probability, k3 as a loss weighs ∇log π with
    −999, k2 with −6.9.

    策略的概率只有参考模型的千分之一时，k3 作损失给 ∇log π 的权重是 −999，k2 是 −6.9。"""
    ratios = torch.tensor([0.1, 1.0, 10.0, 100.0, 1000.0], dtype=F64)    # reference over policy
    log_pi = torch.zeros(5, dtype=F64, requires_grad=True)
    slope = {k: torch.autograd.grad(estimate(k, log_pi, ratios.log()).sum(), log_pi)[0] for k in ("k2", "k3")}
    show(lines("ref / π", ratios, {k: -s for k, s in slope.items()}, log="x", y_label="minus the weight of ∇log π"),
         table({"ref / π": ratios, **slope}))
    expect("weight of the loss", slope[loss], equals=1 - ratios, within=1e-9, at=("ref / π", ratios))
    expect("weight of k2 at 1000", slope["k2"][-1], equals=-6.9078, within=1e-4)


def drill_estimate(rng) -> Drill:
    """k1, k2 or k3 at one token."""
    kind, (a, b) = rng.choice(KINDS), rng.choice([(-1.0, -1.5), (-2.0, -1.5), (-0.5, -1.5), (-2.0, -1.0)])
    value = estimate(kind, torch.tensor([a], dtype=F64), torch.tensor([b], dtype=F64)).item()
    d = a - b
    how = {"k1": f"log π − log ref = {d:g}", "k2": f"{d:g}² / 2 = {value:g}",
           "k3": f"e^({-d:g}) − 1 + ({d:g}) = {value:.3f}"}[kind]
    return Drill(
        en=f"For a sampled token log π = {a:g} and log ref = {b:g}. What is {kind} of KL(π‖ref), in nats? (√e ≈ 1.649, "
           "1/√e ≈ 0.607, e ≈ 2.718, 1/e ≈ 0.368)",
        zh=f"某采样 token 的 log π = {a:g}，log ref = {b:g}。KL(π‖ref) 的 {kind} 是多少 nats？（√e ≈ 1.649，1/√e ≈ 0.607，"
           "e ≈ 2.718，1/e ≈ 0.368）",
        answer=value, within=0.005, steps=[(f"the log ratio is {d:g}", f"对数比为 {d:g}"), (how,) * 2],
        proved_by="k1_and_k3_have_the_right_mean",
    )


def drill_weight(rng) -> Drill:
    """The weight of ∇log π when k3 is the loss."""
    r = rng.choice([2.0, 5.0, 10.0, 0.5, 100.0])
    return Drill(
        en=f"k3 is the loss, and for a sampled token the reference gives {r:g} times the policy's probability. With which "
           "factor does ∇log π enter the gradient of the loss?",
        zh=f"以 k3 为损失，某采样 token 的参考概率是策略概率的 {r:g} 倍。损失的梯度中，∇log π 前的系数是多少？",
        answer=1 - r, within=0.005,
        steps=[("k3 = r − 1 − ln r with r = ref/π, and dr/d log π = −r", "k3 = r − 1 − ln r，r = ref/π，dr/d log π = −r"),
               (f"1 − r = {1 - r:g}",) * 2],
        proved_by="k3_weighs_a_lost_token_without_bound",
    )


ZH = {
    "exact": "精确值", "mean": "均值", "estimate": "估计", "least": "最小值", "nats": "纳特",
    "mean less KL(π‖ref)": "均值减 KL(π‖ref)", "least k2 and k3": "k2、k3 的最小值", "least k1": "k1 的最小值",
    "∇KL(π‖ref)": "∇KL(π‖ref)", "gradient in the logit": "对 logit 的梯度", "k1": "k1", "k2": "k2", "k3": "k3",
    "gradient of the loss less ∇KL(π‖ref)": "损失的梯度减 ∇KL(π‖ref)",
    "gradient of k3 less ∇KL(ref‖π)": "k3 的梯度减 ∇KL(ref‖π)", "gradient of k1": "k1 的梯度",
    "corrected": "乘比值之后", "value less KL(π‖ref)": "数值减 KL(π‖ref)", "gradient less ∇KL(π‖ref)": "梯度减 ∇KL(π‖ref)",
    "estimated": "估计", "∇KL of whole answers": "整段回答 KL 的梯度",
    "gradient less that of the whole answer's KL": "梯度减整段回答 KL 的梯度", "ref / π": "ref / π",
    "minus the weight of ∇log π": "∇log π 权重的相反数", "weight of the loss": "损失给的权重",
    "weight of k2 at 1000": "比值 1000 处 k2 的权重",
}  # fmt: skip

if __name__ == "__main__":
    main()
