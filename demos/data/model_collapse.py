r"""Models trained on what earlier models wrote collapse if the new data replace the old; kept beside them, they do not.

用前代模型写出的数据训练：新数据替换旧数据就会坍缩；与旧数据一起累积则不会。

Linear regression after Gerstgrasser et al. 2024, §3; words that vanish after Shumailov et al. 2023. Turn `data` to
"accumulate": the error stays below π²/6 of the first. 把 `data` 改为 "accumulate"：误差不超过第一代的 π²/6 倍。
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("replacing_adds_an_error_each_generation", "accumulating_bounds_the_error"),
          wrong=("trains_on_the_newest_only", "labels_from_the_truth"))
def generations(x: Tensor, noise: Tensor, truth: Tensor, accumulate: bool) -> Tensor:
    """Least squares, generation after generation: each is fitted to the inputs `x` labelled by the one before (the first by
    the truth) plus its own noise; where data accumulate, to all labels so far, which on the same inputs is to their mean.
    x (runs, samples, width), noise (generations, runs, samples), truth (width,); the fits (generations, runs, width).

    一代接一代的最小二乘：每一代拟合输入 `x` 与上一代给出的标签（第一代用真值）加自己的噪声；数据累积时，拟合迄今全部标签，在同一批
    输入上等于拟合其均值。x (runs, samples, width)，noise (generations, runs, samples)，truth (width,)；返回各代的拟合
    (generations, runs, width)。"""
    fit, labels, fits = truth.expand(len(x), -1), [], []
    for one in noise:
        labels.append((x @ fit[:, :, None])[..., 0] + one)        # (runs, samples)
        used = torch.stack(labels).mean(0) if accumulate else labels[-1]
        fit = torch.linalg.lstsq(x, used[:, :, None]).solution[..., 0]
        fits.append(fit)
    return torch.stack(fits)


def errors(data: str, count: int, samples: int, width: int, runs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Test error of each generation above the noise, mean over runs, divided by σ²d/(T − d − 1), (generations,); how far each fit
    is from the truth, and the fit to its generation's noise alone, (generations, runs, width) each."""
    x, truth = torch.randn(runs, samples, width, dtype=F64), torch.randn(width, dtype=F64)
    noise = torch.randn(count, runs, samples, dtype=F64)
    off = generations(x, noise, truth, data == "accumulate") - truth
    own = (torch.linalg.pinv(x) @ noise[..., None])[..., 0]
    return off.square().sum(-1).mean(1) * (samples - width - 1) / width, off, own


def words_left(data: str, count: int, samples: int, vocabulary: int) -> list[int]:
    """How many words of a Zipf vocabulary a unigram model still knows after each generation of `samples` drawn words."""
    p = 1 / torch.arange(1, vocabulary + 1, dtype=F64)
    counts, left = torch.zeros(vocabulary, dtype=F64), []
    for _ in range(count):
        drawn = torch.bincount(torch.multinomial(p, samples, replacement=True), minlength=vocabulary).double()
        counts = counts + drawn if data == "accumulate" else drawn
        p = counts / counts.sum()
        left.append(int((p > 0).sum()))
    return left


RANGES = {
    "count": between(5, 12), "samples": between(40, 80), "width": between(3, 6), "runs": between(200, 400),
    "data": one_of("replace", "accumulate"), "real": one_of(0.0, 0.1, 0.2, 0.5),
    "vocabulary": between(400, 800), "words": between(2000, 4000),
}
REPLACED = breaks(data="replace", en="With the old data thrown away every generation adds its own error.",
                  zh="旧数据被丢掉，每一代都加上自己的误差。")
ACCUMULATED = breaks(data="accumulate", en="With the old data kept the errors of later generations are averaged away.",
                     zh="保留旧数据，后代的误差被平均掉。")


@ACCUMULATED
def claim_replacing_adds_an_error_each_generation(count=8, samples=50, width=5, runs=300, data="replace"):
    """Trained only on data of the model before, least squares has n times the first generation's error after n generations.

    每一代只用上一代模型的数据训练时，第 n 代最小二乘的误差是第一代的 n 倍。"""
    error, off, own = errors(data, count, samples, width, runs)
    n = list(range(1, count + 1))
    show(lines("generation", n, {"measured": error, "n": n}, y_label="error over the first"))
    expect("fit less truth and the noise of all generations, weight 1", off - own.cumsum(0), equals=0, within=1e-10)
    # The mean of `runs` sums of width squares, not independent over generations: four standard errors, and the inputs' share.
    expect("error over that of one fit", error / torch.tensor(n), equals=1, within=4 * (2 / (width * runs)) ** 0.5 + 0.12,
           at=("generation", n))


@REPLACED
def claim_accumulating_bounds_the_error(count=8, samples=50, width=5, runs=300, data="accumulate"):
    """With all data kept, the error after n generations is the sum of 1/i² times the first, and so never above π²/6 = 1.64.

    保留全部数据时，第 n 代误差是第一代的 Σ 1/i² 倍，因此永远不超过 π²/6 = 1.64 倍。"""
    error, off, own = errors(data, count, samples, width, runs)
    n = list(range(1, count + 1))
    weights = 1 / torch.tensor(n, dtype=F64)
    sums = torch.tensor([sum(1 / i**2 for i in range(1, k + 1)) for k in n], dtype=F64)
    show(lines("generation", n, {"measured": error, "Σ 1/i²": sums}, y_label="error over the first"))
    expect("fit less truth and the noise of all generations, weight 1/i", off - (own * weights[:, None, None]).cumsum(0), equals=0,
           within=1e-10)                                              # float64: sums of at most 12 vectors of size below 10
    room = 4 * (2 / (width * runs)) ** 0.5 + 0.12
    expect("error over Σ 1/i²", error / sums, equals=1, within=room, at=("generation", n))
    expect("error", error, at_most=(1 + room) * math.pi**2 / 6, at=("generation", n))


@ACCUMULATED
def claim_rare_words_vanish_for_good(count=10, words=2000, vocabulary=500, data="replace"):
    """A word that a generation did not draw has probability zero from then on: of 500 Zipf words over a third are gone after ten
    generations of 2,000 words.

    某一代没抽到的词，此后概率恒为零：500 个 Zipf 词，每代 2000 个词，十代之后消失三分之一以上。"""
    left = words_left(data, count, words, vocabulary)
    show(lines("generation", range(1, count + 1), {"words left": left}))
    expect("words left, over the vocabulary", left[-1] / vocabulary, at_most=0.66)
    expect("words that came back", sum(b > a for a, b in pairwise(left)), equals=0)


@breaks(real=0.0, en="Without fresh real data nothing pulls the model back.", zh="没有新的真实数据，就没有什么把模型拉回来。")
def claim_some_fresh_real_data_bound_the_error(real=0.2, count=10, samples=60, width=4, runs=200):
    """Replaced, but with a share ρ of fresh real data in each generation, the error levels off near 1/(1 − (1 − ρ)²) times
    the first: for a fifth at 2.8.

    数据虽被替换，但每代含 ρ 的新真实数据时，误差趋于第一代的 1/(1 − (1 − ρ)²) 倍：占五分之一时约 2.8 倍。"""
    truth, fit, error = torch.randn(width, dtype=F64), None, []
    for _ in range(2 * count):
        x = torch.randn(runs, samples, width, dtype=F64)
        fit = truth.expand(runs, -1) if fit is None else fit
        genuine = (torch.arange(samples) < round(real * samples))[None, :, None]
        teacher = torch.where(genuine, truth.expand(runs, samples, -1), fit[:, None, :].expand(-1, samples, -1))
        labels = (x * teacher).sum(-1) + torch.randn(runs, samples, dtype=F64)
        fit = torch.linalg.lstsq(x, labels[:, :, None]).solution[..., 0]
        error.append((fit - truth).square().sum(-1).mean().item() * (samples - width - 1) / width)
    limit = 1 / (1 - (1 - (real or 0.2)) ** 2)                           # without real data: that of a fifth
    show(lines("generation", range(1, 2 * count + 1), {"measured": error}, y_label="error over the first"))
    # Means of 4 · runs · width correlated squares: four standard errors, and the inputs' own spread.
    expect("error of the last generations, over the limit", sum(error[-4:]) / 4 / limit, equals=1, within=0.3)


def drill_accumulated(rng) -> Drill:
    """Error after n generations when all data are kept."""
    n = rng.choice([2, 3, 4, 5, 6])
    factor = sum(1 / i**2 for i in range(1, n + 1))
    terms = " + ".join(f"1/{i * i}" for i in range(1, n + 1))
    return Drill(
        en=f"Linear models are refitted {n} times; each generation adds as many labels from the model before as there were real "
           f"ones, and all are kept. How large is the expected error above the noise in generation {n} over that in generation 1?",
        zh=f"线性模型相继拟合 {n} 次；每一代加入上一代模型给出的标签，数量与最初的真实标签相同，全部保留。"
           f"第 {n} 代的期望误差（扣除噪声）是第 1 代的几倍？",
        answer=factor, within=0.01,
        steps=[("noise of generation i enters with weight 1/i, and squares add", "第 i 代的噪声权重为 1/i，平方后相加"),
               (f"{terms} = {factor:.3f}", f"{terms} = {factor:.3f}")],
        proved_by="accumulating_bounds_the_error",
    )


def drill_fresh(rng) -> Drill:
    """Where the error levels off with a share of fresh real data."""
    real = rng.choice([0.1, 0.2, 0.25, 0.5])
    limit = 1 / (1 - (1 - real) ** 2)
    return Drill(
        en=f"Each generation of a linear model is trained on {real:.0%} fresh real data and the rest from the model before. At how "
           "many times the first generation’s error does it level off?",
        zh=f"线性模型的每一代用 {real:.0%} 的新真实数据，其余来自上一代模型。误差最终稳定在第一代的几倍？",
        answer=limit, within=0.05,
        steps=[(f"E = (1 − {real:g})²·E + 1", f"E = (1 − {real:g})²·E + 1"),
               (f"1 / (1 − {(1 - real) ** 2:g}) = {limit:.2f}", f"1 / (1 − {(1 - real) ** 2:g}) = {limit:.2f}")],
        proved_by="some_fresh_real_data_bound_the_error",
    )


ZH = {
    "generation": "代", "measured": "实测", "error over the first": "误差（以第一代为 1）", "error over that of one fit": "误差与 n 之比",
    "fit less truth and the noise of all generations, weight 1": "拟合减去真值与各代噪声（权重 1）之和",
    "fit less truth and the noise of all generations, weight 1/i": "拟合减去真值与各代噪声（权重 1/i）之和",
    "error over Σ 1/i²": "误差与 Σ 1/i² 之比", "error": "误差", "words left": "剩下的词",
    "words left, over the vocabulary": "剩下的词占词表的比例", "words that came back": "重新出现的词",
    "error of the last generations, over the limit": "最后几代的误差与极限之比",
}

if __name__ == "__main__":
    main()
