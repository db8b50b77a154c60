r"""KL estimated from samples: −ln r and r − 1 − ln r have the same mean, and which is noisier depends
on the distance.

用样本估计 KL：−ln r 与 r − 1 − ln r 均值相同，哪个噪声小取决于两个分布的距离。

Schulman's k1 and k3 on two unit Gaussians; Shao et al. 2024 (GRPO) uses k3. Turn `sampled` to
"reference": both are biased. 把 `sampled` 改为 "reference"：两者都有偏。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64
SAMPLES = 50_000


@exercise(claims=("k1_and_k3_average_to_the_kl",),
          wrong=("ratio_turned_round", "is_k1", "forgets_minus_one", "square"))
def k3(log_policy: Tensor, log_reference: Tensor) -> Tensor:
    """The k3 estimate of KL(policy‖reference) at each sample of the policy, from the log
    probabilities of the sample under both, (samples,): unbiased, and never negative.

    由样本在两个分布下的对数概率（samples,），求每个策略样本处 KL(policy‖reference) 的 k3 估计：无偏，且恒不为负。"""
    log_r = log_reference - log_policy                                   # (samples,)
    return log_r.expm1() - log_r


def logs(x: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """Log densities at x of π = N(0, 1) and ρ = N(shift, 1), less a constant both have."""
    return -(x**2) / 2, -((x - shift) ** 2) / 2


RANGES = {
    "shift": between(0.05, 2.0),
    "distance": one_of(0.1, 0.5, 2.0),
    "sampled": one_of("policy", "reference"),
    "classes": between(3, 64), "direction": one_of("KL(ρ‖π)", "KL(π‖ρ)"),
}


@breaks(sampled="reference", en="With samples of ρ, not of π, the means are those of something else.",
        zh="样本取自 ρ 而不是 π，均值就不再是 KL(π‖ρ)。")
def claim_k1_and_k3_average_to_the_kl(shift=0.5, sampled="policy"):
    """With x from π and r = ρ/π, −ln r and r − 1 − ln r both average to KL(π‖ρ); the second is never
    negative.

    x 取自 π、r = ρ/π 时，−ln r 与 r − 1 − ln r 的均值都是 KL(π‖ρ)；后者恒不为负。"""
    x = torch.randn(SAMPLES, dtype=F64) + (shift if sampled == "reference" else 0.0)
    policy, reference = logs(x, shift)
    made = {"−ln r": policy - reference, "r − 1 − ln r": k3(policy, reference)}
    pi, rho = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(shift, 1.0)
    exact = torch.distributions.kl_divergence(pi, rho).item()
    sizes = [500, 2000, 10_000, SAMPLES]
    show(lines("samples", sizes, {name: [k[:n].mean() for n in sizes] for name, k in made.items()}
               | {"exact": [exact] * 4}, log="x", y_label="mean of the estimate"))
    # Six standard errors; the tail of r at far shifts is seen by few samples, hence the share of the mean.
    noise = [6 * k.std().item() / SAMPLES**0.5 + 0.02 * exact for k in made.values()]
    expect("mean of the estimate", [k.mean() for k in made.values()], equals=exact, within=noise,
           at=("estimate", list(made)))
    expect("least value of r − 1 − ln r", made["r − 1 − ln r"].min(), at_least=-1e-12)


@breaks(distance=2.0, en="Far apart it is the other way round: k3 has the heavy tail of r.",
        zh="相距远时恰好相反：k3 带着 r 的重尾。")
def claim_k3_estimates_kl_with_less_noise(distance=0.1):
    """For close distributions r − 1 − ln r is less noisy than −ln r: over ten times at a tenth of a
    standard deviation, a little at a half.

    两个分布接近时，r − 1 − ln r 的噪声比 −ln r 小：相距十分之一个标准差时小到十分之一以下，相距一半时略小。"""
    shifts = [0.1, 0.2, 0.5, 1.0, 1.5, 2.0]
    x = torch.randn(SAMPLES, dtype=F64)
    stds = {s: [(a - b).std() for a, b in [logs(x, s)]] + [k3(*logs(x, s)).std()] for s in shifts}
    show(
        lines(
            "distance in standard deviations",
            shifts,
            {
                "std of −ln r": [a for a, _ in stds.values()],
                "std of r − 1 − ln r": [b for _, b in stds.values()],
            },
            log="xy",
        )
    )
    expect("std of −ln r over that of r − 1 − ln r", stds[distance][0] / stds[distance][1], at_least=1.25)
    expect("std of −ln r over that of r − 1 − ln r, at 0.1", stds[0.1][0] / stds[0.1][1], at_least=10)
    # Var k3 = e^{s²} − 1 + s² − 2s² for unit Gaussians at a distance s, and Var k1 = s².
    small = [(math.exp(s**2) - 1 - s**2) ** 0.5 for s in shifts[:4]]
    expect("std of r − 1 − ln r over its formula", [stds[s][1] / w for s, w in zip(shifts, small, strict=False)],
           equals=1, within=0.15, at=("distance", shifts[:4]))


@breaks(direction="KL(π‖ρ)", en="Its value estimates KL(π‖ρ); its derivative does not follow it.",
        zh="它的数值估计 KL(π‖ρ)，导数却不跟着走。")
def claim_k3_as_a_loss_follows_the_other_direction(classes=8, direction="KL(ρ‖π)"):
    """Differentiated with the samples held fixed, k3 gives in the mean the gradient of KL(ρ‖π), not
    that of the KL(π‖ρ) whose value it estimates.

    样本固定、只对 k3 求导时，梯度的均值是 KL(ρ‖π) 的梯度，而不是它所估计的 KL(π‖ρ) 的。"""
    z = torch.randn(classes, dtype=F64, requires_grad=True)
    log_rho = torch.randn(classes, dtype=F64).log_softmax(0)
    log_pi = z.log_softmax(0)
    pi, rho = log_pi.exp(), log_rho.exp()
    losses = {                                # the mean over samples of π, exactly: Σ π(x) · loss(x)
        "k3 as a loss": (pi.detach() * k3(log_pi, log_rho)).sum(),
        "KL(π‖ρ)": (pi * (log_pi - log_rho)).sum(),
        "KL(ρ‖π)": (rho * (log_rho - log_pi)).sum(),
    }
    slopes = {name: torch.autograd.grad(loss, z, retain_graph=True)[0] for name, loss in losses.items()}
    show(bars(range(min(classes, 12)), {name: s[:12] for name, s in slopes.items()},
              y_label="gradient in the logit"))
    expect("gradient of k3 less that of the KL", slopes["k3 as a loss"] - slopes[direction], equals=0, within=1e-12)
    expect("value of k3 less KL(π‖ρ)", losses["k3 as a loss"] - losses["KL(π‖ρ)"], equals=0, within=1e-12)


def drill_sample(rng) -> Drill:
    """k3 at one sample."""
    r, text = rng.choice([(2.0, "2"), (0.5, "1/2"), (4.0, "4"), (0.25, "1/4"), (1.0, "1")])
    value = k3(torch.zeros(1, dtype=F64), torch.tensor([r], dtype=F64).log()).item()
    return Drill(
        en=f"For a sampled token the reference gives {text} times the probability that the policy gives. "
           "What is the k3 estimate of KL(policy‖reference) there, in nats? (ln 2 ≈ 0.693)",
        zh=f"对一个采样得到的 token，参考模型给出的概率是策略的 {text} 倍。此处 KL(policy‖reference) 的 k3 估计是多少 nats？"
           "（ln 2 ≈ 0.693）",
        answer=value, within=0.005,
        steps=[(f"r = reference/policy = {text}, ln r = {math.log(r):.3f}",
                f"r = 参考/策略 = {text}，ln r = {math.log(r):.3f}"),
               (f"r − 1 − ln r = {r:g} − 1 − ({math.log(r):.3f}) = {value:.3f}",) * 2],
        proved_by="k1_and_k3_average_to_the_kl",
    )


ZH = {
    "k3 as a loss": "把 k3 当损失", "KL(π‖ρ)": "KL(π‖ρ)", "KL(ρ‖π)": "KL(ρ‖π)",
    "gradient in the logit": "对 logit 的梯度", "gradient of k3 less that of the KL": "k3 的梯度减该 KL 的梯度",
    "value of k3 less KL(π‖ρ)": "k3 的数值减 KL(π‖ρ)",
    "−ln r": "−ln r", "r − 1 − ln r": "r − 1 − ln r", "exact": "精确值", "samples": "样本数",
    "mean of the estimate": "估计的均值", "estimate": "估计",
    "least value of r − 1 − ln r": "r − 1 − ln r 的最小值", "distance": "距离",
    "distance in standard deviations": "相距几个标准差", "std of −ln r": "−ln r 的标准差",
    "std of r − 1 − ln r": "r − 1 − ln r 的标准差",
    "std of −ln r over that of r − 1 − ln r": "−ln r 与 r − 1 − ln r 的标准差之比",
    "std of −ln r over that of r − 1 − ln r, at 0.1": "距离 0.1 处，−ln r 与 r − 1 − ln r 的标准差之比",
    "std of r − 1 − ln r over its formula": "r − 1 − ln r 的标准差与公式之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
