r"""Few data favour an update of few parameters, many data the full one: variance against bias.

数据少时，参数少的更新占优；数据多时，全参数更新占优：方差与偏差之争。

A toy: a linear layer whose true update is known, fitted from noisy pairs by least squares, in full or with
a rank. Turn `teacher` to "flat": an update without a small rank leaves the low-rank fit nothing to win.
玩具实验：线性层的真实更新已知，用带噪样本做最小二乘。把 `teacher` 改为 "flat"：真实更新没有低秩结构，低秩拟合就没有优势。
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

F64, NOISE, TRIALS = torch.float64, 0.25, 40                              # NOISE: variance of one output


@exercise(claims=("a_known_rank_costs_its_own_parameters", "full_update_pays_d_squared"),
          wrong=("truncates_the_weights", "keeps_the_smallest"))
def fit(x: Tensor, y: Tensor, rank: int) -> Tensor:
    """The matrix (…, d_in, d_out) of at most this rank with the least squared error of x·w against y:
    least squares, then the fitted outputs projected on their first principal directions. x is (…, n, d_in),
    y is (…, n, d_out), n > d_in.

    秩不超过 rank 的矩阵 (…, d_in, d_out)，使 x·w 对 y 的平方误差最小：先做最小二乘，再把拟合输出投影到它的前几个主方向。
    x 为 (…, n, d_in)，y 为 (…, n, d_out)，n > d_in。"""
    second = x.mT @ x                                                             # (…, d_in, d_in)
    w = torch.linalg.solve(second, x.mT @ y)                                      # (…, d_in, d_out)
    spread = torch.linalg.eigh(w.mT @ second @ w)                                 # of the fitted outputs, rising
    directions = spread.eigenvectors[..., -rank:]                                 # (…, d_out, rank)
    return w @ directions @ directions.mT


def update(width: int, teacher: str) -> Tensor:
    """The true update (width, width), squared norm 4·width: "low rank" is of rank 2, "low rank and tail" has 99.4%
    of its energy there and the rest spread evenly, "flat" has equal singular values."""
    u, v = (torch.linalg.qr(torch.randn(width, width, dtype=F64))[0] for _ in range(2))
    share = {"low rank": 1.0, "low rank and tail": 0.994, "flat": 2 / width}[teacher]
    energy = torch.full((width,), (1 - share) / (width - 2), dtype=F64)
    energy[:2] = share / 2
    return u @ torch.diag((4 * width * energy).sqrt()) @ v


def excess(true: Tensor, n: int, rank: int, scored: str = "new inputs") -> float:
    """Squared error of the outputs beyond the noise, summed over outputs, mean over TRIALS sets of n pairs."""
    width = len(true)
    x = torch.randn(TRIALS, n, width, dtype=F64)
    y = x @ true + NOISE**0.5 * torch.randn(TRIALS, n, width, dtype=F64)
    gap = fit(x, y, rank) - true                                                   # (trials, width, width)
    if scored == "new inputs":                      # unit normal inputs: the expectation is the squared norm
        return gap.square().sum((1, 2)).mean().item()
    return ((x @ gap).square().sum(2).mean()).item()


RANGES = {
    "width": between(12, 20), "sizes": each(between(60, 600), at_least=2, rising=True),
    "scored": one_of("new inputs", "training inputs"), "teacher": one_of("low rank", "low rank and tail", "flat"),
    "few": between(2, 3), "many": between(40, 80),
}  # fmt: skip
FLAT = breaks(teacher="flat", en="An update with equal singular values has no small rank to find: the low-rank fit misses most of it.",
              zh="奇异值都相等的更新没有低秩可找：低秩拟合会漏掉大部分。")


@breaks(scored="training inputs", en="On the inputs it was fitted to the error is smaller: σ²d²/n.",
        zh="在拟合所用的输入上误差更小：σ²d²/n。")
def claim_full_update_pays_d_squared(width=16, sizes=(60, 100, 200, 400), scored="new inputs"):
    """A full d × d least-squares update from n pairs with normal inputs has an excess error of σ²d²/(n − d − 1),
    whatever the true update.

    输入为正态分布时，用 n 个样本对 d × d 的更新做全参数最小二乘，超额误差为 σ²d²/(n − d − 1)，与真实更新无关。"""
    true = update(width, "flat")
    got = [excess(true, n, width, scored) for n in sizes]
    formula = [NOISE * width**2 / (n - width - 1) for n in sizes]
    show(lines("pairs n", sizes, {"excess error": got, "σ²d²/(n − d − 1)": formula}, log="y"))
    # Mean of TRIALS: a relative standard error below 2% at n = 60, and it falls with n
    expect("excess error over the formula", [g / f for g, f in zip(got, formula, strict=True)], equals=1,
           within=0.1, at=("n", sizes))


@breaks(teacher="low rank and tail", en="The part outside rank 2 stays as a bias, however many pairs there are.",
        zh="秩 2 之外的部分始终是偏差，样本再多也去不掉。")
def claim_a_known_rank_costs_its_own_parameters(width=16, many=60, teacher="low rank"):
    """Where the true update has rank 2, a rank-2 fit from many pairs pays σ²·2(2d − 2)/n: its own number of
    free parameters instead of d².

    真实更新的秩为 2、样本很多时，秩 2 拟合的误差是 σ²·2(2d − 2)/n：按自己的自由参数数付出，而不是 d²。"""
    true, n, free = update(width, teacher), many * width, 2 * (2 * width - 2)
    full, low = excess(true, n, width), excess(true, n, 2)
    show(lines("free parameters", [free, width**2], {"excess error": [low, full], "σ² · parameters / n": [
        NOISE * free / n, NOISE * width**2 / n]}))
    # Means over TRIALS of sums of some 60 squares (2%), and terms of order d/n (3%)
    expect("excess error of the rank-2 fit over σ²·2(2d − 2)/n", low / (NOISE * free / n), equals=1, within=0.15)


@FLAT
@breaks(teacher="low rank", en="An update of exactly rank 2 never favours the full fit: there is no crossing.",
        zh="真实更新恰为秩 2 时，全参数拟合永远不占优：没有交叉。")
def claim_the_curves_cross(width=16, few=2, many=60, teacher="low rank and tail"):
    """For a true update 99% of rank 2 the rank-2 fit has under half the error of the full one at n = 2d,
    and over twice its error at n = 60d.

    真实更新的能量有 99% 在秩 2 内时，n = 2d 时秩 2 拟合的误差不到全参数的一半，n = 60d 时则是它的两倍以上。"""
    true = update(width, teacher)
    sizes = sorted({few * width, 4 * width, 10 * width, many * width})
    full, low = ([excess(true, n, r) for n in sizes] for r in (width, 2))
    show(lines("pairs n", sizes, {"full": full, "rank 2": low}, log="xy", y_label="excess error"))
    expect("rank 2 over full, few pairs", low[0] / full[0], at_most=0.5)
    expect("rank 2 over full, many pairs", low[-1] / full[-1], at_least=2)


def drill_excess(rng) -> Drill:
    """The excess error of a full least-squares fit."""
    d, factor, noise = rng.choice([10, 20, 50]), rng.choice([2, 3, 11]), rng.choice([0.25, 0.5, 1.0])
    n = factor * d + 1
    value = noise * d * d / (n - d - 1)
    return Drill(
        en=f"A full {d} × {d} update is fitted by least squares from {n} pairs with noise variance {noise:g} per output. What is its "
           f"expected excess error, summed over outputs?",
        zh=f"用 {n} 个样本对 {d} × {d} 的更新做全参数最小二乘，每个输出的噪声方差为 {noise:g}。对输出求和的期望超额误差是多少？",
        answer=value, within=0.01 * value,
        steps=[(f"σ²d² = {noise:g} · {d * d} = {noise * d * d:g}",) * 2,
               (f"divided by n − d − 1 = {n - d - 1}: {value:g}", f"除以 n − d − 1 = {n - d - 1}：{value:g}")],
        proved_by="full_update_pays_d_squared",
    )


ZH = {
    "pairs n": "样本数 n", "excess error": "超额误差", "σ²d²/(n − d − 1)": "σ²d²/(n − d − 1)",
    "excess error over the formula": "超额误差与公式之比", "free parameters": "自由参数数", "σ² · parameters / n": "σ²·参数数/n",
    "excess error of the rank-2 fit over σ²·2(2d − 2)/n": "秩 2 拟合的超额误差与 σ²·2(2d − 2)/n 之比", "full": "全参数",
    "rank 2": "秩 2", "rank 2 over full, few pairs": "秩 2 与全参数之比，样本少",
    "rank 2 over full, many pairs": "秩 2 与全参数之比，样本多",
}  # fmt: skip

if __name__ == "__main__":
    main()
