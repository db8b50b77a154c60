r"""A batch of B averages the noise down by 1/B: worth it up to the noise scale, the noise over the gradient's own square.

大小为 B 的 batch 把噪声方差降为 1/B；划算到「噪声尺度」为止，即噪声方差与梯度平方之比。

McCandlish et al. 2018. Turn `rate` to "unchanged": a larger batch then gains next to nothing.
把 `rate` 改为 "unchanged"：batch 再大也几乎没有收益。
"""

import itertools

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("two_batch_sizes_give_the_noise_scale",), wrong=("one_batch", "forgets_the_sizes", "swaps_them"))
def noise_scale(small_square: float, large_square: float, small: int, large: int) -> float:
    """Noise scale tr(Σ)/|G|² from the mean squared norms of the gradient of a small and of a large batch.

    由小、大两种 batch 的梯度平方范数的平均，求噪声尺度 tr(Σ)/|G|²。"""
    gradient_square = (large * large_square - small * small_square) / (large - small)      # the noise cancels
    noise = (small_square - large_square) / (1 / small - 1 / large)                        # |G|² cancels
    return noise / gradient_square


def best_gain(batch: Tensor, scale: float) -> Tensor:
    """Share of the best possible gain of one step that a batch reaches at its best learning rate: 1 / (1 + scale / batch)."""
    return 1 / (1 + scale / batch)


RANGES = {
    "samples": between(3, 6), "sampled": one_of("with replacement", "without"), "width": between(4, 64), "noise": between(0.5, 4.0),
    "rate": one_of("best", "unchanged"), "draws": between(20000, 50000),
    "small": between(1, 4), "large": between(16, 64), "estimate": one_of("two batches", "one batch"),
}


@breaks(sampled="without", en="Without replacement the whole data set as one batch has no noise left: 1/B no longer holds.",
        zh="不放回抽样时，整个数据集作为一个 batch 就没有噪声了：1/B 不再成立。")
def claim_variance_falls_as_one_over_the_batch(samples=5, sampled="with replacement"):
    """The variance of a batch gradient is that of one sample over B, for samples drawn independently; drawn without
    replacement it falls faster, to 0.

    样本独立抽取时，batch 梯度的方差是单个样本的 1/B；不放回抽样则下降更快，直到 0。"""
    g = torch.randn(samples, dtype=torch.float64)
    sizes = list(range(1, samples + 1))
    found = {}
    for name in ("with replacement", "without"):
        choose = (lambda b: itertools.product(range(samples), repeat=b)) if name == "with replacement" else (
            lambda b: itertools.combinations(range(samples), b))
        found[name] = [torch.stack([g[list(pick)].mean() for pick in choose(b)]).var(correction=0) for b in sizes]      # all batches
    law = [g.var(correction=0) / b for b in sizes]
    show(lines("batch", sizes, found | {"1/B": law}, y_label="variance of the gradient"))
    expect("variance less that of one sample over B", torch.stack(found[sampled]) - torch.stack(law), equals=0, within=1e-12)
    expect("whole data set without replacement", found["without"][-1], equals=0, within=1e-12)


@breaks(rate="unchanged", en="At the small batch's learning rate a larger batch hardly gains: less noise, the same short step.",
        zh="沿用小 batch 的学习率，batch 再大也几乎没有收益：噪声小了，步子仍然那么短。")
def claim_gain_is_half_at_the_noise_scale(width=16, noise=2.0, rate="best"):
    """With the best learning rate for its batch a step gains 1/(1 + B_noise/B) of what the exact gradient gains: half at the
    noise scale, a tenth at a ninth of it.

    学习率取该 batch 下最优时，一步的收益是精确梯度的 1/(1 + B_noise/B)：B 等于噪声尺度时一半，为其九分之一时一成。"""
    # ½·h·|w|² with equal curvature and noise of variance noise² per number: the expected gain is exact arithmetic
    h, w = 2.0, torch.randn(width, dtype=torch.float64)
    square, trace = (h * w).square().sum(), noise**2 * width
    scale = trace / square                                               # tr(HΣ)/GᵀHG is the same where H is h·1
    batches = scale * torch.logspace(-2, 2, 25, dtype=torch.float64)
    second = h * (square + trace / batches)                              # E of gᵀHg for a batch
    rates = square / second if rate == "best" else torch.full_like(batches, (square / second)[0].item())
    gains = rates * square - rates**2 * second / 2                       # lr·|G|² − ½·lr²·E[gᵀHg]
    most = square / (2 * h)
    show(lines("batch over the noise scale", batches / scale, {"gain": gains / most, "1/(1 + B_noise/B)": best_gain(batches, scale)},
               log="x", y_label="share of the exact gradient's gain"))
    at = ("batch over the noise scale", batches / scale)
    expect("gain less the law", gains / most - best_gain(batches, scale), equals=0, within=1e-9, at=at)
    # one step tried out: 4,000 noisy gradients of a batch at the noise scale; a mean of 4,000 scatters by some per cent
    g = h * w + noise * torch.randn(4000, width, dtype=torch.float64) * (1 / scale) ** 0.5
    tried = (h / 2 * (w.square().sum() - (w - 1 / (2 * h) * g).square().sum(1))).mean()
    expect("gain tried at the noise scale, share", tried / most, equals=0.5, within=0.1)


@breaks(estimate="one batch", en="One squared gradient holds the noise as well: taken for |G|² it makes the scale too small.",
        zh="一个平方梯度里也含有噪声：当成 |G|² 用，噪声尺度就偏小。")
def claim_two_batch_sizes_give_the_noise_scale(width=16, noise=4.0, small=2, large=32, draws=20000, estimate="two batches"):
    """From the squared gradient norms at two batch sizes |G|² and tr(Σ) follow without bias, so the noise scale can be read off in
    data-parallel training.

    由两种 batch 大小的梯度平方范数，可以无偏地求出 |G|² 与 tr(Σ)；数据并行训练里顺手就能测噪声尺度。"""
    mean = torch.full((width,), 1.0)
    squares = [(mean + noise / size**0.5 * torch.randn(draws, width)).square().sum(1).mean().item() for size in (small, large)]
    exact = noise**2
    one = (squares[0] - squares[1]) / (1 / small - 1 / large) / squares[0]
    found = noise_scale(*squares, small, large) if estimate == "two batches" else one
    show(table({"": ["estimated", "tr(Σ)/|G|²"], "noise scale": [found, exact]}))
    # the means over draws scatter by a per cent; |G|² is what is left of two numbers up to 130 times as large
    expect("estimated noise scale over the exact", found / exact, equals=1, within=0.2)


def drill_steps_and_samples(rng) -> Drill:
    """Steps and samples at a batch beside the critical one."""
    ratio, what = rng.choice([(1, "steps"), (4, "steps"), (0.5, "steps"), (0.25, "samples"), (3, "samples"), (2, "samples")])
    value = 1 + 1 / ratio if what == "steps" else 1 + ratio
    zh = "步数" if what == "steps" else "样本数"
    return Drill(
        en=f"Training follows steps = S_min·(1 + B_c/B) and samples = E_min·(1 + B/B_c). At B = {ratio:g}·B_c, how many times the "
           f"minimum of {what} does it take?",
        zh=f"训练满足 步数 = S_min·(1 + B_c/B)，样本数 = E_min·(1 + B/B_c)。B = {ratio:g}·B_c 时，{zh}是最小值的几倍？",
        answer=value, within=0.01,
        steps=[(f"1 + {f'1/{ratio:g}' if what == 'steps' else f'{ratio:g}'} = {value:g}",) * 2],
        proved_by="gain_is_half_at_the_noise_scale",
    )


def drill_noise_scale(rng) -> Drill:
    """The noise scale from two batch sizes."""
    small, large, gradient, noise = rng.choice([(1, 10, 2, 20), (2, 20, 1, 40), (10, 100, 4, 400), (4, 40, 1, 80), (5, 50, 2, 100)])
    a, b = gradient + noise / small, gradient + noise / large
    value = noise_scale(a, b, small, large)
    return Drill(
        en=f"The squared gradient norm is on average {a:g} at batch {small} and {b:g} at batch {large}. "
           "What is the noise scale tr(Σ)/|G|²?",
        zh=f"梯度平方范数的平均：batch {small} 时 {a:g}，batch {large} 时 {b:g}。噪声尺度 tr(Σ)/|G|² 是多少？",
        answer=value, within=0.01 * value,
        steps=[(f"tr(Σ) = ({a:g} − {b:g}) / (1/{small} − 1/{large}) = {noise:g}",) * 2,
               (f"|G|² = {a:g} − {noise:g}/{small} = {gradient:g}",) * 2, (f"{noise:g}/{gradient:g} = {value:g}",) * 2],
        proved_by="two_batch_sizes_give_the_noise_scale",
    )


ZH = {
    "batch": "batch", "with replacement": "放回", "without": "不放回", "1/B": "1/B", "variance of the gradient": "梯度的方差",
    "variance less that of one sample over B": "方差减单个样本方差的 1/B", "whole data set without replacement": "不放回的整个数据集",
    "batch over the noise scale": "batch 与噪声尺度之比", "gain": "收益", "1/(1 + B_noise/B)": "1/(1 + B_noise/B)",
    "share of the exact gradient's gain": "与精确梯度收益之比", "gain less the law": "收益减公式",
    "gain tried at the noise scale, share": "在噪声尺度处试走的收益", "": "", "estimated": "估计", "tr(Σ)/|G|²": "tr(Σ)/|G|²",
    "noise scale": "噪声尺度", "estimated noise scale over the exact": "估计的噪声尺度与精确值之比",
}

if __name__ == "__main__":
    main()
