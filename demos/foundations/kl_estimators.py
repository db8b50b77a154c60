r"""KL estimated from samples: −ln r and r − 1 − ln r have the same mean, and which is noisier depends on the distance.

用样本估计 KL：−ln r 与 r − 1 − ln r 均值相同，哪个噪声小取决于两个分布的距离。

Schulman's k1 and k3 on two unit Gaussians; Shao et al. 2024 (GRPO) uses k3. Turn `sampled` to "reference": biased.
把 `sampled` 改为 "reference"：估计有偏。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, main, one_of, show, table


def k1_and_k3(x: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    """−ln r and r − 1 − ln r at samples x (samples,), with r = ρ(x)/π(x), π = N(0, 1) and ρ = N(shift, 1)."""
    log_r = shift * x - shift**2 / 2                                     # (samples,)
    return -log_r, log_r.expm1() - log_r


RANGES = {
    "shift": between(0.05, 2.0),
    "distance": one_of(0.1, 0.5, 2.0),
    "sampled": one_of("policy", "reference"),
}


@breaks(sampled="reference", en="With samples of ρ, not of π, the means are those of something else.",
        zh="样本取自 ρ 而不是 π，均值就不再是 KL(π‖ρ)。")
def claim_k1_and_k3_average_to_the_kl(shift=0.5, sampled="policy"):
    """With x from π and r = ρ/π, −ln r and r − 1 − ln r both average to KL(π‖ρ); the second is never negative.

    x 取自 π、r = ρ/π 时，−ln r 与 r − 1 − ln r 的均值都是 KL(π‖ρ)；后者恒不为负。"""
    x = torch.randn(100000, dtype=torch.float64) + (shift if sampled == "reference" else 0.0)
    k1, k3 = k1_and_k3(x, shift)
    pi, rho = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(shift, 1.0)
    exact = torch.distributions.kl_divergence(pi, rho).item()
    show(table({"estimator": ["−ln r", "r − 1 − ln r"], "mean": [k1.mean(), k3.mean()], "std": [k1.std(), k3.std()],
                "exact": [exact, exact]}))
    # Six standard errors; the tail of r at far shifts is seen by few samples, hence the share of the mean.
    noise = [6 * k.std().item() / 100000**0.5 + 0.02 * exact for k in (k1, k3)]
    expect("mean of the estimator", [k1.mean(), k3.mean()], equals=exact, within=noise)
    expect("least value of r − 1 − ln r", k3.min(), at_least=-1e-12)


@breaks(distance=2.0, en="Far apart it is the other way round: k3 has the heavy tail of r.",
        zh="相距远时恰好相反：k3 带着 r 的重尾。")
def claim_k3_estimates_kl_with_less_noise(distance=0.1):
    """For close distributions r − 1 − ln r is less noisy than −ln r.

    两个分布接近时，r − 1 − ln r 的噪声比 −ln r 小。"""
    k1, k3 = k1_and_k3(torch.randn(100000, dtype=torch.float64), distance)
    shifts = [0.1, 0.5, 1.0, 2.0]
    stds = [[k.std() for k in k1_and_k3(torch.randn(100000, dtype=torch.float64), s)] for s in shifts]
    show(table({"shift": shifts, "std of −ln r": [a for a, _ in stds], "std of r − 1 − ln r": [b for _, b in stds]}))
    expect("std of −ln r over that of r − 1 − ln r", k1.std() / k3.std(), at_least=1)


ZH = {
    "−ln r": "−ln r", "r − 1 − ln r": "r − 1 − ln r",
    "estimator": "估计量", "mean": "均值", "std": "标准差", "exact": "精确值", "mean of the estimator": "估计量的均值",
    "least value of r − 1 − ln r": "r − 1 − ln r 的最小值", "shift": "位移", "std of −ln r": "−ln r 的标准差",
    "std of r − 1 − ln r": "r − 1 − ln r 的标准差",
    "std of −ln r over that of r − 1 − ln r": "−ln r 与 r − 1 − ln r 的标准差之比",
}

if __name__ == "__main__":
    main()
