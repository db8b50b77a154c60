r"""pass@k from n samples: 1 − C(n−c, k)/C(n, k) is unbiased, the plug-in 1 − (1 − c/n)ᵏ is not.

由 n 个样本估计 pass@k：1 − C(n−c, k)/C(n, k) 无偏，代入式 1 − (1 − c/n)ᵏ 有偏。

Chen et al. 2021 (Codex), §2.1. Turn `way` to "plug-in": it is too low for every pass rate below one.
把 `way` 改为 "plug-in"：只要通过率小于 1，它就偏低。
"""

import itertools
import math

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
    table,
)


@exercise(claims=("averages_to_pass_at_k", "counts_subsets"),
          wrong=("plugs_in_the_share", "draws_with_replacement_of_wrong", "fails_when_few_are_wrong"))
def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate of pass@k from n samples of which c are right: the chance that k of them, drawn
    without replacement, hold a right one. 1 where fewer than k are wrong.

    n 个样本中 c 个正确时对 pass@k 的估计：不放回抽取 k 个、其中至少一个正确的概率。错误的不足 k 个时为 1。"""
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def plug_in(n: int, c: int, k: int) -> float:
    """The wrong way: the share of right samples taken for the pass rate."""
    return 1 - (1 - c / n) ** k


WAYS = {"subsets": pass_at_k, "plug-in": plug_in}
RANGES = {
    "way": one_of("subsets", "plug-in"), "n": between(4, 64), "k": between(2, "n"),
    "rates": each(between(0.05, 0.9), at_least=1, at_most=8, rising=True),
}  # fmt: skip
PLUG_IN = breaks(way="plug-in", en="The plug-in is concave in c/n, so its mean lies too low.",
                 zh="代入式对 c/n 是凹的，均值因此偏低。")


@PLUG_IN
def claim_averages_to_pass_at_k(n=16, k=8, rates=(0.05, 0.1, 0.2, 0.4), way="subsets"):
    """Over all numbers c of right samples, as often as they come, the estimate averages to
    1 − (1−p)ᵏ at every pass rate p.

    对所有可能的正确数 c 按其概率求平均，估计的均值在任何通过率 p 下都是 1 − (1−p)ᵏ。"""
    def mean(estimate, p: float) -> float:
        return sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * estimate(n, c, k)
                   for c in range(n + 1))

    true = [1 - (1 - p) ** k for p in rates]
    found = {name: [mean(estimate, p) for p in rates] for name, estimate in WAYS.items()}
    show(lines("pass rate p", rates, {**found, "pass@k": true}, y_label=f"mean estimate, k = {k}"))
    expect("mean estimate less 1 − (1−p)ᵏ",
           [f - t for f, t in zip(found[way], true, strict=True)], equals=0, within=1e-12,
           at=("pass rate p", rates))
    expect("1 − (1−p)ᵏ less the mean of the plug-in",
           [t - f for f, t in zip(found["plug-in"], true, strict=True)], at_least=0,
           at=("pass rate p", rates))


@PLUG_IN
def claim_counts_subsets(way="subsets"):
    """For 6 samples it is the share of the subsets of size k that hold a right one, counted.

    对 6 个样本，它就是含有正确样本的 k 元子集所占的比例（逐个数出）。"""
    rows = []
    for c, k in itertools.product(range(7), (1, 3, 5)):
        subsets = list(itertools.combinations([True] * c + [False] * (6 - c), k))
        rows.append((c, k, WAYS[way](6, c, k), sum(map(any, subsets)) / len(subsets)))
    show(table(("right", "k", "estimate", "counted"), rows[6:15]))
    expect("estimate less the count", [e - counted for _, _, e, counted in rows], equals=0,
           within=1e-12)


def drill_estimate(rng) -> Drill:
    """pass@k from a handful of samples."""
    n, c, k = rng.choice([(4, 1, 2), (5, 1, 2), (5, 2, 2), (6, 2, 3), (10, 2, 2), (10, 1, 5), (8, 2, 2)])
    return Drill(
        en=f"{n} samples per problem, {c} of them right. What is the unbiased estimate of pass@{k} for this problem?",
        zh=f"一道题采样 {n} 次，答对 {c} 次。pass@{k} 的无偏估计是多少？",
        answer=pass_at_k(n, c, k), within=0.005,
        steps=[(f"subsets of {k} without a right one: C({n - c},{k}) = {math.comb(n - c, k)} of C({n},{k}) = {math.comb(n, k)}",
                f"不含正确样本的 {k} 元子集：C({n - c},{k}) = {math.comb(n - c, k)}，总数 C({n},{k}) = {math.comb(n, k)}"),
               (f"1 − {math.comb(n - c, k)}/{math.comb(n, k)} = {pass_at_k(n, c, k):.3f}",
                f"1 − {math.comb(n - c, k)}/{math.comb(n, k)} = {pass_at_k(n, c, k):.3f}")],
        proved_by="counts_subsets",
    )


ZH = {
    "pass@k": "pass@k", "subsets": "子集", "plug-in": "代入", "pass rate p": "通过率 p", "mean estimate, k = {}": "估计的均值，k = {}",
    "mean estimate less 1 − (1−p)ᵏ": "估计的均值与 1 − (1−p)ᵏ 之差", "right": "正确数", "estimate": "估计",
    "1 − (1−p)ᵏ less the mean of the plug-in": "1 − (1−p)ᵏ 与代入式均值之差",
    "counted": "数出的", "estimate less the count": "估计与数出的之差",
}

if __name__ == "__main__":
    main()
