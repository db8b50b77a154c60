r"""Selecting by a flawed reward raises that reward for ever; whether true quality falls depends on the tail of
the error.

按有误差的奖励来挑选，奖励本身一直上升；真实质量会不会下降，取决于误差的尾部。

Best-of-n with reward = quality + error, both independent, by numerical integration. After Gao et al.
2022 and Kwa et al. 2024. Turn `tail` to "gaussian": quality never falls. 把 `tail` 改为 "gaussian"：真实质量
从不下降。
"""

import math
from functools import cache

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table

F64 = torch.float64


def below(tail: str, x: Tensor) -> Tensor:
    """P(error < x): a standard normal, or Student's t with 2 degrees of freedom."""
    return torch.special.ndtr(x) if tail == "gaussian" else 0.5 + x / (2 * (2 + x**2).sqrt())


@cache
def reward_bins(tail: str) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards (bins,) in rising order, the probability of each bin under the reference policy, and the
    mean quality of its responses; quality is standard normal."""
    quality = torch.linspace(-7, 7, 141, dtype=F64)
    weight = torch.exp(-quality**2 / 2)
    weight = weight / weight.sum()
    edge = torch.sinh(torch.linspace(-11, 11, 1501, dtype=F64))        # fine in the middle, far outside
    share = below(tail, edge[:, None] - quality)                       # (edges, qualities)
    mass, gold = (share @ weight).diff(), (share @ (weight * quality)).diff()
    kept = mass > 1e-15
    return ((edge[1:] + edge[:-1]) / 2)[kept], mass[kept] / mass[kept].sum(), (gold / mass)[kept]


def best_of_n(tail: str, n: int) -> tuple[float, float]:
    """Mean reward and mean quality of the response of largest reward among n."""
    reward, mass, quality = reward_bins(tail)
    up_to = mass.cumsum(0).clamp(max=1)
    chosen = up_to**n - (up_to - mass).clamp(min=0) ** n               # probability that a bin wins
    return (chosen * reward).sum().item(), (chosen * quality).sum().item()


def tilted(tail: str, nats: float, limit: float = math.inf, samples: int = 20_000) -> tuple[float, float]:
    """Mean reward and quality of π ∝ π_ref·exp(reward/β), with β such that KL(π‖π_ref) is `nats`, on
    the rewards that `samples` responses would reach, cut off at ±`limit`."""
    reward, mass, quality = reward_bins(tail)
    seen = mass.cumsum(0) < 1 - 1 / samples
    reward, mass, quality = reward[seen].clamp(-limit, limit), mass[seen] / mass[seen].sum(), quality[seen]
    low, high = -6.0, 6.0                                              # log of β
    for _ in range(60):
        middle = (low + high) / 2
        pi = (mass.log() + reward / math.exp(middle)).softmax(0)
        kl = (pi * (pi / mass).clamp(min=1e-300).log()).sum().item()
        low, high = (middle, high) if kl > nats else (low, middle)
    return (pi * reward).sum().item(), (pi * quality).sum().item()


RANGES = {
    "ns": each(between(1, 4096), at_least=2, rising=True), "tail": one_of("gaussian", "t2"),
    "nats": between(1.0, 4.0), "limit": one_of("none", "3"), "n": between(2, 64), "answers": one_of("many", "four"),
}
GAUSSIAN = breaks(tail="gaussian", en="With a Gaussian error a high reward is always half quality: both rise together.",
                  zh="误差为高斯时，高奖励里总有一半是质量：两者一起上升。")


@GAUSSIAN
def claim_quality_falls_again_under_a_heavy_tail(ns=(1, 4, 16, 64, 256, 1024, 4096), tail="t2"):
    """If the error has a heavy tail (Student t, 2 degrees of freedom), reward rises with n, while
    quality peaks near n = 16 and falls back to almost that of a random response.

    误差尾部厚（自由度 2 的 t 分布）时，奖励随 n 一直上升，质量在 n = 16 附近见顶，再跌回几乎与随机回答一样。"""
    counts = sorted({*ns, 1, 16, 4096})
    found = [best_of_n(tail, n) for n in counts]
    reward, quality = ([row[i] for row in found] for i in (0, 1))
    light = [best_of_n("gaussian", n)[1] for n in counts]
    show(lines("n of best-of-n", counts, {"quality": quality, "quality, Gaussian error": light},
               log="x", y_label="standard deviations"))
    expect("rise of the reward from each n to the next", torch.tensor(reward).diff(), at_least=0.05)
    expect("quality at n = 16", quality[counts.index(16)], at_least=0.5)
    expect("quality at n = 16 over the highest", quality[counts.index(16)] / max(quality), at_least=0.95)
    expect("quality at n = 4096 over that at n = 16", quality[-1] / quality[counts.index(16)], equals=0, within=0.25)


@breaks(tail="t2", en="With a heavy tail the largest rewards are nearly all error.",
        zh="尾部厚时，最大的那些奖励几乎全是误差。")
def claim_a_gaussian_error_only_halves_the_gain(ns=(2, 16, 256, 4096), n=8, tail="gaussian"):
    """With a Gaussian error as large as the spread of quality, quality is half of the reward at every
    n and keeps rising: regression to the mean is not over-optimisation.

    高斯误差与质量的方差相等时，任何 n 下质量都是奖励的一半，且一直上升：向均值回归不等于过优化。"""
    found = torch.tensor([best_of_n(tail, m) for m in ns])
    drawn = torch.randn(40_000, n, 2)                                  # quality, error: drawn, not integrated
    error = drawn[..., 1] if tail == "gaussian" else drawn[..., 1] / torch.empty(40_000, n).exponential_().sqrt()
    best = (drawn[..., 0] + error).argmax(1)
    sampled = drawn[..., 0].gather(1, best[:, None]).mean()
    show(lines("n of best-of-n", ns, {"reward": found[:, 0], "quality": found[:, 1]}, log="x", y_label="standard deviations"))
    expect("quality less half of the reward", found[:, 1] - found[:, 0] / 2, equals=0, within=0.005, at=("n", ns))
    expect("rise of the quality from each n to the next", found[:, 1].diff(), at_least=0)
    # 40,000 draws of spread about 1: one sigma is 0.005
    expect(f"quality of best-of-{n}, sampled less integrated", sampled - best_of_n(tail, n)[1], equals=0, within=0.03)


@GAUSSIAN
@breaks(limit="3", en="Cut off at ±3 the outliers no longer count for everything.",
        zh="截断在 ±3，离群值就不再决定一切。")
def claim_a_kl_penalty_does_not_repair_a_heavy_tail(nats=2.0, tail="t2", limit="none"):
    """At the same KL from the reference, the policy tilted by a heavy-tailed reward gains less than a
    fifth of the quality that it gains with a Gaussian error.

    与参考的 KL 相同时，按厚尾奖励倾斜的策略，质量增益不到高斯误差下的五分之一。"""
    rows = {"gaussian": tilted("gaussian", nats), "t2": tilted("t2", nats), "t2, cut off at ±3": tilted("t2", nats, 3.0)}
    found = tilted(tail, nats, 3.0 if limit == "3" else math.inf)[1]
    show(table(["error", "reward gained", "quality gained"], [[t, *row] for t, row in rows.items()]))
    expect("quality gained, over that with a Gaussian error", found / rows["gaussian"][1],
           equals=0, within=0.2)


@breaks(answers="four", en="With few distinct responses n samples often repeat, and the KL stays below.",
        zh="不同回答太少，n 个样本常有重复，KL 达不到这个值。")
def claim_best_of_n_costs_log_n_of_kl(ns=(2, 4, 16, 64), answers="many"):
    """The best of n samples is log n − (n − 1)/n nats from the reference: 1.84 for n = 16, and that
    whatever the reward.

    best-of-n 与参考的 KL 是 log n − (n − 1)/n nats：n = 16 时为 1.84，与奖励是什么无关。"""
    size = 200_000 if answers == "many" else 4
    ranks = torch.arange(size + 1, dtype=F64) / size
    kl = torch.stack([(won * (won * size).clamp(min=1e-300).log()).sum() for won in ((ranks**m).diff() for m in ns)])
    formula = torch.tensor([math.log(m) - (m - 1) / m for m in ns], dtype=F64)
    show(lines("n of best-of-n", ns, {"KL": kl, "log n − (n − 1)/n": formula}, log="x", y_label="nats"))
    expect("KL less log n − (n − 1)/n", kl - formula, equals=0, within=1e-3, at=("n", ns))


def drill_kl(rng) -> Drill:
    """KL of best-of-n."""
    n = rng.choice([2, 4, 8, 16, 32, 64])
    kl = math.log(n) - (n - 1) / n
    return Drill(
        en=f"How far, in nats of KL, is best-of-{n} from the policy it samples from (all rewards different)?",
        zh=f"best-of-{n} 与其采样策略的 KL 是多少 nats（奖励各不相同）？",
        answer=kl, within=0.02,
        steps=[(f"ln {n} = {math.log(n):.3f}", f"ln {n} = {math.log(n):.3f}"),
               (f"(n − 1)/n = {(n - 1) / n:.3f}", f"(n − 1)/n = {(n - 1) / n:.3f}"),
               (f"difference: {kl:.3f}", f"相减：{kl:.3f}")],
        proved_by="best_of_n_costs_log_n_of_kl",
    )


ZH = {
    "n of best-of-n": "best-of-n 的 n", "quality": "质量", "reward": "奖励", "quality, Gaussian error": "质量，高斯误差",
    "standard deviations": "标准差", "rise of the reward from each n to the next": "相邻两个 n 之间奖励的增量",
    "rise of the quality from each n to the next": "相邻两个 n 之间质量的增量",
    "quality at n = 16": "n = 16 时的质量",
    "quality at n = 16 over the highest": "n = 16 时的质量与最高值之比",
    "quality at n = 4096 over that at n = 16": "n = 4096 与 n = 16 的质量之比",
    "quality less half of the reward": "质量与奖励一半之差",
    "quality of best-of-{}, sampled less integrated": "best-of-{} 的质量，采样与积分之差",
    "error": "误差", "gaussian": "高斯", "t2": "t₂",
    "t2, cut off at ±3": "t₂，截断在 ±3", "reward gained": "奖励增益", "quality gained": "质量增益",
    "quality gained, over that with a Gaussian error": "质量增益与高斯误差下之比",
    "nats": "nats", "KL less log n − (n − 1)/n": "KL 与 log n − (n − 1)/n 之差",
}

if __name__ == "__main__":
    main()
