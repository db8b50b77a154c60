r"""The loss decides which number of the targets a model learns: their mean, their median, their shares.

损失决定模型学到的是目标的哪个数：均值、中位数，还是各类的比例。

Turn `loss` to "squared": one far target drags the best constant along.
把 `loss` 改为 "squared"：一个离群的目标就把最优常数拖走。
"""

import statistics

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64
FIVE = (1.0, 2.0, 4.0, 4.5, 100.0)


@exercise(claims=("an_outlier_moves_only_the_mean",), wrong=("squared_beyond", "without_the_offset", "one_sided"))
def huber(error: Tensor, delta: float) -> Tensor:
    """Huber's loss of each error (any shape): ½·error² up to |error| = delta, from there the straight line
    that goes on with the slope it has there.

    每个误差（任意形状）的 Huber 损失：|error| 不超过 delta 时为 ½·error²，之后沿该处的斜率直线延伸。"""
    size = error.abs()
    return torch.where(size <= delta, error**2 / 2, delta * (size - delta / 2))


LOSSES = {"squared": lambda e: e**2, "absolute": lambda e: e.abs(), "Huber": lambda e: huber(e, 1.0)}


def best_constant(loss, y: Tensor, step: float = 0.05) -> Tensor:
    """Of all constants from the least target to the greatest, a step apart, the one of the least mean loss."""
    tried = torch.arange(y.min().item(), y.max().item() + step / 2, step, dtype=F64)
    return tried[loss(y - tried[:, None]).mean(1).argmin()]              # (tried, targets) -> (tried,)


RANGES = {
    "power": one_of(2, 4), "far": each(between(6.0, 400.0), at_least=2, at_most=6, rising=True),
    "loss": one_of("Huber", "absolute", "squared"), "extra": one_of("none", "a fifth"),
    "counts": each(between(1, 50), at_least=3, at_most=3), "score": one_of("log", "absolute error"),
}  # fmt: skip


@breaks(power=4, en="The fourth power listens to the far target more still: 39.7, not the mean.",
        zh="四次方更听离群点的：最优是 39.7，而不是均值。")
def claim_squared_error_learns_the_mean_absolute_the_median(power=2):
    """Of the targets 1, 2, 4, 4.5 and 100 squared error makes 22.3, the mean, the best constant;
    absolute error 4, the median.

    目标为 1、2、4、4.5、100 时，平方误差的最优常数是均值 22.3，绝对误差的是中位数 4。"""
    y = torch.tensor(FIVE, dtype=F64)
    got = [best_constant(lambda e: e.abs() ** power, y), best_constant(LOSSES["absolute"], y)]
    near = torch.linspace(0, 30, 61, dtype=F64)
    curves = {name: LOSSES[name](y - near[:, None]).mean(1) for name in ("squared", "absolute")}
    show(lines("constant", near, {k: v / v.min() for k, v in curves.items()},
               y_label="mean loss over its least value"))
    expect("best constant, squared and absolute error", got,              # half a step of the grid
           equals=[statistics.mean(FIVE), statistics.median(FIVE)], within=0.026)


@breaks(loss="squared", en="The slope of a square grows with the error: the mean follows the outlier.",
        zh="平方的斜率随误差增大：均值跟着离群点走。")
def claim_an_outlier_moves_only_the_mean(far=(10.0, 30.0, 100.0, 300.0), loss="Huber"):
    """However far up the fifth target goes, Huber's optimum (δ = 1) stays at 3.75 and the median at 4:
    beyond δ the pull no longer grows.

    第五个目标无论大到多少，Huber（δ = 1）的最优都停在 3.75，中位数停在 4：误差超过 δ，拉力不再增大。"""
    sets = [torch.tensor((*FIVE[:4], one), dtype=F64) for one in far]
    best = {name: [best_constant(f, y) for y in sets] for name, f in LOSSES.items()}
    show(lines("fifth target", far, best, log="x", y_label="best constant"))
    # Σ clip(y − m, ±1) = 0 by hand: −1 − 1 + (4 − m) + (4.5 − m) + 1 = 0, so m = 3.75
    want = 3.75 if loss == "Huber" else 4.0
    expect(f"best constant, {loss}", best[loss], equals=want, within=0.026, at=("fifth target", far))
    expect("the median, and the mean less a fifth of the fifth target",
           [[a, b - one / 5] for a, b, one in zip(best["absolute"], best["squared"], far, strict=True)],
           equals=torch.tensor([4.0, sum(FIVE[:4]) / 5], dtype=F64).expand(len(far), 2), within=0.026)
    e = torch.linspace(-9, 9, 37, dtype=F64)
    expect("Huber's loss less torch's",
           huber(e, 1.5) - F.huber_loss(e, torch.zeros_like(e), delta=1.5, reduction="none"), equals=0, within=1e-12)


@breaks(extra="a fifth", en="With an odd count the middle one alone is best.", zh="个数为奇数时，只有中间那个最优。")
def claim_an_even_count_leaves_a_flat_bottom(extra="none"):
    """For targets 1, 2, 4 and 100 every constant from 2 to 4 has the same, least absolute error: with
    an even count the median is a whole interval.

    目标为 1、2、4、100 时，从 2 到 4 的每个常数都有相同且最小的绝对误差：个数为偶数时，中位数是一整段区间。"""
    y = torch.tensor((1.0, 2.0, 4.0, 100.0) + ((3.0,) if extra == "a fifth" else ()), dtype=F64)
    near = torch.linspace(0, 6, 25, dtype=F64)
    curve = (y - near[:, None]).abs().mean(1)
    show(lines("constant", near, {"mean absolute error": curve}))
    expect("mean absolute error from 2 to 4, less the least", curve[(near >= 2) & (near <= 4)] - curve.min(),
           equals=0, within=1e-12)
    expect("mean absolute error below 2 and above 4, less the least", curve[(near < 2) | (near > 4)] - curve.min(),
           at_least=0.01)


@breaks(score="absolute error", en="Absolute error puts everything on the commonest class.",
        zh="绝对误差把全部概率放在最常见的类别上。")
def claim_cross_entropy_learns_the_frequencies(counts=(12, 6, 2), score="log"):
    """Among all distributions over three classes cross-entropy is least at their shares: 0.6, 0.3 and
    0.1 for 12, 6 and 2 examples.

    在三个类别的所有分布中，交叉熵在各类比例处最小：样本数 12、6、2 时为 0.6、0.3、0.1。"""
    shares = torch.tensor(counts, dtype=F64) / sum(counts)
    a, b = torch.meshgrid(*[torch.linspace(0, 1, 101, dtype=F64)] * 2, indexing="ij")
    grid = torch.stack((a, b, 1 - a - b), -1)[a + b <= 1 + 1e-9].clamp(min=0)   # (distributions, 3)
    scores = {"log": -grid.clamp(min=1e-12).log(),                       # (distributions, label)
              "absolute error": (torch.eye(3, dtype=F64) - grid[:, None]).abs().sum(-1)}
    best = {name: grid[(each_label @ shares).argmin()] for name, each_label in scores.items()}
    show(table({"class": range(3), "share": shares, "best probability": best["log"], "by absolute error": best["absolute error"]}))
    expect("best probability less the share", best[score] - shares, equals=0, within=0.011)    # a step of the grid
    expect("absolute error: probability of the commonest", best["absolute error"][shares == shares.max()].sum(), equals=1,
           within=1e-9)


def drill_best_constant(rng) -> Drill:
    """Mean, median or Huber's optimum of five numbers."""
    y = [1.0, 2.0, float(rng.choice([4, 5])), 0.0, float(rng.choice([50, 100, 200]))]
    y[3] = y[2] + 0.5
    loss = rng.choice(["squared", "absolute", "Huber"])
    got = round(best_constant(LOSSES[loss], torch.tensor(y, dtype=F64)).item(), 3)
    numbers = ", ".join(f"{one:g}" for one in y)
    names = {"squared": ("squared error", "平方误差"), "absolute": ("absolute error", "绝对误差"),
             "Huber": ("Huber’s loss with δ = 1", "δ = 1 的 Huber 损失")}[loss]
    how = {"squared": (f"the mean: {sum(y):g} / 5 = {got:g}", f"均值：{sum(y):g} / 5 = {got:g}"),
           "absolute": (f"the median, the third: {got:g}", f"中位数，即第三个：{got:g}"),
           "Huber": (f"−1 − 1 + ({y[2]:g} − m) + ({y[3]:g} − m) + 1 = 0, so m = {got:g}",
                     f"−1 − 1 + ({y[2]:g} − m) + ({y[3]:g} − m) + 1 = 0，得 m = {got:g}")}[loss]
    return Drill(
        en=f"Targets {numbers}. Which constant has the least {names[0]}?",
        zh=f"目标为 {numbers}。哪个常数的{names[1]}最小？",
        answer=got, within=0.05, steps=[how], proved_by="an_outlier_moves_only_the_mean",
    )


ZH = {
    "squared": "平方误差", "absolute": "绝对误差", "Huber": "Huber", "constant": "常数",
    "mean loss over its least value": "平均损失与其最小值之比",
    "best constant, squared and absolute error": "最优常数：平方误差与绝对误差", "fifth target": "第五个目标",
    "best constant": "最优常数",
    "the median, and the mean less a fifth of the fifth target": "中位数，以及均值减第五个目标的五分之一",
    "best constant, {}": "最优常数：{}", "Huber's loss less torch's": "Huber 损失与 torch 之差",
    "mean absolute error": "平均绝对误差",
    "mean absolute error from 2 to 4, less the least": "2 到 4 之间的平均绝对误差减最小值",
    "mean absolute error below 2 and above 4, less the least": "2 以下与 4 以上的平均绝对误差减最小值",
    "class": "类别", "share": "比例", "best probability": "最优概率", "by absolute error": "按绝对误差",
    "absolute error: probability of the commonest": "绝对误差：最常见类别的概率", "best probability less the share": "最优概率减比例",
}  # fmt: skip

if __name__ == "__main__":
    main()
