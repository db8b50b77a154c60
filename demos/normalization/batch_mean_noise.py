r"""A batch mean is as noisy as its number of independent samples allows, and neighbouring tokens are not independent.

batch 均值的噪声取决于独立样本的个数，而相邻的 token 并不独立。

Wu & He 2018 for small batches. Turn `tokens_from` to "one text": the tokens of a sequence resemble their
neighbours, and σ/√n is far too small. 把 `tokens_from` 改为 "one text"：同一序列的 token 与邻居相似，σ/√n 就小得太多。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show


def sequences(draws: int, tokens: int, rho: float) -> Tensor:
    """Features (draws, tokens) of mean 0 and variance 1 whose neighbours correlate by ρ, AR(1)."""
    fresh = torch.randn(tokens, draws)
    x = [fresh[0]]
    for noise in fresh[1:]:
        x.append(rho * x[-1] + (1 - rho**2) ** 0.5 * noise)
    return torch.stack(x, 1)


def noise_of_the_mean(draws: int, tokens: int, rho: float) -> Tensor:
    """Standard deviation of the mean over `tokens` numbers, from so many draws of it."""
    return sequences(draws, tokens, rho).mean(1).std()


RANGES = {
    "counts": each(between(4, 512), at_least=2, at_most=6, rising=True),
    "tokens": between(200, 400),
    "draws": between(1000, 4000),
    "correlations": each(between(0.0, 0.9), at_least=2, rising=True),
    "tokens_from": one_of("many texts", "one text"),
    "batches": each(between(64, 512), at_least=1, at_most=4, rising=True),
    "value": between(-3.0, 3.0),
}


@breaks(tokens_from="one text", en="With a correlation of 0.9 between neighbours the noise is 4.4 times as large.",
        zh="相邻 token 相关 0.9 时，噪声是它的 4.4 倍。")
def claim_noise_of_independent_samples_is_sigma_over_root_n(
    counts=(4, 16, 64, 256), draws=2000, tokens_from="many texts"
):
    """Over n independent samples a batch mean scatters by σ/√n: four times the batch halves its noise.

    n 个独立样本的均值，波动为 σ/√n：batch 增至四倍，噪声减半。"""
    rho = 0.9 if tokens_from == "one text" else 0.0
    found = torch.stack([noise_of_the_mean(draws, n, rho) for n in counts])
    n = torch.tensor(counts)
    show(lines("samples", counts, {"noise of the mean": found, "σ/√n": n**-0.5}, log="xy"))
    # A deviation from so many draws scatters by 1/√(2·draws); six of them.
    expect("noise over σ/√n", found * n**0.5, equals=1, within=6 / (2 * draws) ** 0.5, at=("samples", counts))


@breaks(tokens_from="many texts", en="Every token from another text is independent of the others.",
        zh="每个 token 来自不同的文本，彼此独立。")
def claim_correlated_tokens_count_for_few(correlations=(0.0, 0.5, 0.8, 0.9), tokens=256, draws=2000,
                                          tokens_from="one text"):
    """Neighbours that correlate by ρ raise the noise by √((1 + ρ)/(1 − ρ)): 4.4 times at ρ = 0.9, so 256 tokens
    count for about 13.

    相邻 token 相关 ρ，噪声放大到 √((1 + ρ)/(1 − ρ)) 倍：ρ = 0.9 时为 4.4 倍，256 个 token 只抵约 13 个。"""
    found = torch.stack([noise_of_the_mean(draws, tokens, r if tokens_from == "one text" else 0.0)
                         for r in correlations]) * tokens**0.5
    rho = torch.tensor(correlations)
    long = ((1 + rho) / (1 - rho)) ** 0.5
    show(lines("correlation of neighbours", correlations, {"noise over σ/√n": found, "√((1 + ρ)/(1 − ρ))": long}))
    # Ends of a finite sequence lower it by about ρ/((1 − ρ²)·tokens): 2 % at 0.9 and 200; six sigmas beside.
    expect("noise over σ/√n · √((1 + ρ)/(1 − ρ))", found / long, equals=1, within=6 / (2 * draws) ** 0.5 + 0.025,
           at=("ρ", correlations))


@breaks(tokens_from="one text", en="Correlated tokens move the statistics, and with them every output, by far more.",
        zh="相关的 token 使统计量波动大得多，每个输出也随之波动。")
def claim_the_noise_is_in_every_output(batches=(64, 128, 256), value=1.0, draws=2000, tokens_from="many texts"):
    """A token of normalised value y leaves BatchNorm over n normal numbers with noise of about √((1 + y²/2)/n),
    made by its batch mates alone.

    归一化值为 y 的 token，经过对 n 个正态数统计的 BatchNorm 后，带有约 √((1 + y²/2)/n) 的噪声，全部来自同批的其他样本。"""
    rho = 0.9 if tokens_from == "one text" else 0.0
    mates = [sequences(draws, n, rho) for n in batches]
    found = torch.stack([((value - x.mean(1)) / x.std(1, correction=0)).std() for x in mates])
    formula = ((1 + value**2 / 2) / torch.tensor(batches)) ** 0.5
    show(lines("samples", batches, {"noise of the output": found, "√((1 + y²/2)/n)": formula}, log="xy"))
    # To first order in 1/n: at n = 64 the next term adds up to 5 %; six sigmas of the draws beside.
    expect("noise over √((1 + y²/2)/n)", found / formula, equals=1, within=6 / (2 * draws) ** 0.5 + 0.05,
           at=("samples", batches))


def drill_effective_tokens(rng) -> Drill:
    """How many independent tokens a correlated sequence stands for."""
    rho, tokens = rng.choice([(0.9, 380), (0.8, 900), (0.5, 300), (0.6, 400), (0.75, 700)])
    counts = tokens * (1 - rho) / (1 + rho)
    return Drill(
        en=f"Neighbouring tokens correlate by {rho} (AR(1)). For the mean of a feature, how many independent tokens "
           f"are {tokens} of them worth?",
        zh=f"相邻 token 的相关系数为 {rho}（AR(1)）。就某个特征的均值而言，{tokens} 个 token 相当于多少个独立的 token？",
        answer=counts, within=0.02 * counts,
        steps=[
            (f"the variance of the mean grows by (1 + {rho})/(1 − {rho}) = {(1 + rho) / (1 - rho):g}",
             f"均值的方差放大到 (1 + {rho})/(1 − {rho}) = {(1 + rho) / (1 - rho):g} 倍"),
            (f"{tokens} / {(1 + rho) / (1 - rho):g} = {counts:g}", f"{tokens} / {(1 + rho) / (1 - rho):g} = {counts:g}"),
        ],
        proved_by="correlated_tokens_count_for_few",
    )


ZH = {
    "samples": "样本数",
    "noise of the mean": "均值的噪声",
    "noise over σ/√n": "噪声与 σ/√n 之比",
    "correlation of neighbours": "相邻 token 的相关系数",
    "noise over σ/√n · √((1 + ρ)/(1 − ρ))": "噪声与 σ/√n · √((1 + ρ)/(1 − ρ)) 之比",
    "noise of the output": "输出的噪声",
    "noise over √((1 + y²/2)/n)": "噪声与 √((1 + y²/2)/n) 之比",
}

if __name__ == "__main__":
    main()
