r"""Noise before top-k lets a disliked expert win now and then, and makes the load differentiable; it never
evens out a preference.

top-k 之前加噪声，让不受偏好的专家偶尔胜出，并使负载可导；但它从不消除偏好。

Shazeer et al. 2017. Turn `noise` to "after": added once the choice is made, it changes no load.
把 `noise` 改为 "after"：选完专家再加噪声，负载毫无变化。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
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

F64 = torch.float64


def choose(clean: Tensor, std: float, k: int, draws: int, noise: str) -> tuple[Tensor, Tensor]:
    """Noisy top-k: clean logits (experts,) to noisy ones (draws, experts) and the experts (draws, k)."""
    noisy = clean + std * torch.randn(draws, len(clean), dtype=F64)             # (draws, experts)
    return noisy, (noisy if noise == "before" else clean.expand_as(noisy)).topk(k, -1).indices


@exercise(
    claims=("estimator_averages_to_the_load", "load_has_a_gradient_with_noise"),
    wrong=("compares_with_the_kth", "forgets_the_noise", "uses_its_own_noise"),
)
def stays_chosen(clean: Tensor, noisy: Tensor, std: float, k: int) -> Tensor:
    """The probability that expert i is among the top k if its own noise alone is drawn afresh: Φ of
    (its clean logit − k-th highest noisy logit of the others) / std. clean (experts,), noisy and the
    result (draws, experts).

    只重抽专家 i 自己的噪声时它仍在前 k 名的概率：Φ((其干净 logit − 其余专家带噪 logit 中的第 k 大) / std)。
    clean 为 (experts,)，noisy 与结果为 (draws, experts)。"""
    top = noisy.topk(k + 1, -1).values                                          # (draws, k + 1)
    inside = noisy >= top[:, k - 1 : k]
    others = torch.where(inside, top[:, k : k + 1], top[:, k - 1 : k])          # k-th of the others
    return torch.special.ndtr((clean - others) / std)


RANGES = {
    "gap": between(0.5, 3.0), "std": between(0.25, 4.0), "noise": one_of("before", "after"),
    "stds": each(between(0.1, 20.0), at_least=2, at_most=8, rising=True), "draws": between(2000, 20000),
    "experts": between(4, 16), "k": between(1, 2), "threshold": one_of("of the others", "of all"),
}  # fmt: skip
AFTER = breaks(noise="after", en="Noise after the choice changes weights at most, never the load.",
               zh="选完之后再加噪声，至多改变权重，不会改变负载。")


def error(draws: int) -> float:
    """Six standard deviations of a measured share."""
    return 3 / draws**0.5


@AFTER
def claim_load_is_a_gaussian_tail(gap=1.0, stds=(0.25, 0.5, 1.0, 3.0, 10.0), draws=20000, noise="before"):
    """Of two experts, the one preferred by g gets Φ(g / (√2·σ)) of the tokens: nearly all for little noise,
    and more than half however strong it is.

    两个专家 logit 相差 g 时，受偏好者分到 Φ(g / (√2·σ)) 的 token：噪声小则几乎全得，噪声再大也超过一半。"""
    clean = torch.tensor([gap, 0.0], dtype=F64)
    share = torch.stack([(choose(clean, s, 1, draws, noise)[1] == 0).double().mean() for s in stds])
    z = gap / 2**0.5 / torch.tensor(stds, dtype=F64)
    tail = (1 + torch.erf(z / 2**0.5)) / 2
    show(lines("standard deviation of the noise", stds, {"share of the preferred": share, "Φ(g / √2σ)": tail}, log="x"))
    expect("share of the preferred expert", share, equals=tail, within=error(draws), at=("σ", stds))
    # Φ(z) = ½ + z/√2π·(1 − z²/6 …): at σ = 100 what is left over half is g / (2·√π·σ)
    far = torch.special.ndtr(torch.tensor(gap / 2**0.5 / 100, dtype=F64)) - 0.5
    expect("excess at σ = 100 over g / (2·√π·σ)", far / (gap / (2 * torch.pi**0.5 * 100)), equals=1, within=1e-3)


@breaks(threshold="of all", en="Compared with the k-th of all, a chosen expert competes with itself.",
        zh="与全体的第 k 名相比，被选中的专家就是在和自己比。")
def claim_estimator_averages_to_the_load(experts=8, k=2, std=0.5, draws=20000, threshold="of the others"):
    """The probability to stay among the top k, its own noise drawn afresh, averages to the load; for a
    chosen expert the bar is the (k + 1)-th logit.

    重抽自身噪声后仍在前 k 名的概率，平均起来等于负载；对被选中的专家，门槛是第 k + 1 名的 logit。"""
    clean = torch.linspace(1, -1, experts, dtype=F64)
    noisy, chosen = choose(clean, std, k, draws, "before")
    load = chosen.flatten().bincount(minlength=experts) / draws
    if threshold == "of all":
        stays = torch.special.ndtr((clean - noisy.topk(k, -1).values[:, -1:]) / std)
    else:
        stays = stays_chosen(clean, noisy, std, k)
    show(lines("expert", range(experts), {"load counted": load, "mean of the estimate": stays.mean(0)}))
    expect("estimate less the load", stays.mean(0) - load, equals=0, within=2 * error(draws), at=("expert", range(experts)))
    expect("sum of the estimates", stays.mean(0).sum(), equals=k, within=2 * experts**0.5 * error(draws))


@breaks(noise="after", en="The choice does not change with the logit: the slope is 0 or infinite.",
        zh="选择不随 logit 平滑变化：斜率非 0 即无穷。")
def claim_load_has_a_gradient_with_noise(gap=1.0, std=0.5, draws=20000, noise="before"):
    """With noise the load has a slope in the logit, φ(g / √2σ) / (√2σ) for two experts, and the estimator
    gives it; counts have no gradient.

    有了噪声，负载对 logit 就可导，两个专家时导数为 φ(g / √2σ) / (√2σ)，估计量正给出它；计数本身没有梯度。"""
    clean = torch.tensor([gap, 0.0], dtype=F64, requires_grad=True)
    state, ends, step = torch.get_rng_state(), [], 0.2 * std
    for moved in (gap + step, gap - step):
        torch.set_rng_state(state)                                              # the same noise
        _, chosen = choose(torch.tensor([moved, 0.0], dtype=F64), std, 1, draws, noise)
        ends.append((chosen == 0).double().mean().item())
    noisy, _ = choose(clean, std, 1, draws, noise)
    (slope,) = torch.autograd.grad(stays_chosen(clean, noisy.detach(), std, 1).mean(0)[0], clean)
    spread = 2**0.5 * std
    sweep = torch.linspace(-3, 3, 25, dtype=F64)
    show(lines("g", sweep, {"load": torch.special.ndtr(sweep / spread)}))
    closed = torch.exp(torch.tensor(-((gap / spread) ** 2) / 2)).item() / (2 * torch.pi) ** 0.5 / spread
    # the flips counted are of at most 0.4·0.28 of the draws: 0.84/σ/√draws over the step; six of these
    expect("slope of the counted load", (ends[0] - ends[1]) / (2 * step), equals=closed,
           within=5.1 / std / draws**0.5)
    # a density is at most 0.4/σ: its mean over the draws deviates by at most 0.2/σ/√draws; six of these
    expect("gradient of the estimate", slope[0], equals=closed, within=1.2 / std / draws**0.5)


def drill_share(rng) -> Drill:
    """The share of the preferred expert."""
    z, phi = rng.choice([(0.5, 0.69), (1.0, 0.84), (2.0, 0.977)])
    std = rng.choice([1, 2, 5])
    return Drill(
        en=f"Two experts, logits {z * std * 2**0.5:.2f} and 0, independent Gaussian noise of standard deviation {std} "
           f"on each before top-1. What share of the tokens does the first get? Φ(0.5) = 0.69, Φ(1) = 0.84, Φ(2) = 0.977.",
        zh=f"两个专家，logits 为 {z * std * 2**0.5:.2f} 与 0，top-1 之前各加标准差 {std} 的独立高斯噪声。第一个分到多少比例的 "
           f"token？Φ(0.5) = 0.69，Φ(1) = 0.84，Φ(2) = 0.977。",
        answer=torch.special.ndtr(torch.tensor(z)).item(), within=0.01,
        steps=[(f"the difference of the noises has deviation √2 · {std} = {2**0.5 * std:.2f}",
                f"两份噪声之差的标准差是 √2 × {std} = {2**0.5 * std:.2f}"),
               (f"Φ({z * std * 2**0.5:.2f} / {2**0.5 * std:.2f}) = Φ({z:g}) = {phi}",
                f"Φ({z * std * 2**0.5:.2f} / {2**0.5 * std:.2f}) = Φ({z:g}) = {phi}")],
        proved_by="load_is_a_gaussian_tail",
    )


ZH = {
    "standard deviation of the noise": "噪声的标准差",
    "share of the preferred": "受偏好者的占比",
    "share of the preferred expert": "受偏好专家的占比",
    "excess at σ = 100 over g / (2·√π·σ)": "σ = 100 时超出一半的部分与 g / (2·√π·σ) 之比",
    "expert": "专家",
    "load counted": "统计的负载",
    "mean of the estimate": "估计的均值",
    "estimate less the load": "估计与负载之差",
    "sum of the estimates": "估计之和",
    "load": "负载",
    "slope of the counted load": "统计负载的斜率",
    "gradient of the estimate": "估计的梯度",
}

if __name__ == "__main__":
    main()
