r"""Farthest-first picks cover a pool, outliers included; they represent it only if each pick is weighted by its share.

最远优先的挑选能覆盖整个池子，连离群点也在内；只有按各自的份额加权，它们才有代表性。

The pool stands for prompt embeddings: 20 kinds, half of the traffic in one. Turn `outliers` up: junk takes the
picks. Turn `weights` to "equal": the average quality of the picks is not that of the traffic.
池子代表提示的嵌入：20 类，一半流量集中在一类。把 `outliers` 调大：垃圾占去名额。把 `weights` 改为 "equal"：挑出样本的平均质量就不是
流量的平均质量。
"""

from itertools import combinations

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("radius_is_within_twice_the_best", "picks_cover_kinds_that_random_misses"),
          wrong=("takes_the_nearest", "measures_to_the_last_pick_only", "takes_the_norm"))
def farthest_first(points: Tensor, k: int) -> list[int]:
    """k-center greedy (Gonzalez 1985): begin with point 0, then k − 1 times take the point whose nearest pick is
    farthest away. points (n, width); the result is k indices.

    k-center 贪心（Gonzalez 1985）：从第 0 个点开始，再取 k − 1 次，每次取离最近已选点最远的那个点。points 为 (n, width)；
    结果是 k 个下标。"""
    picks = [0]
    nearest = torch.cdist(points, points[:1])[:, 0]                      # distance to the nearest pick, (n,)
    while len(picks) < k:
        picks.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, torch.cdist(points, points[picks[-1] :][:1])[:, 0])
    return picks


def pool(size: int, kinds: int, outliers: float, width: int = 8) -> tuple[Tensor, Tensor]:
    """Points (n, width) and the kind of each, −1 for outliers: half are of kind 0, the rest of the other kinds alike."""
    rare = size // 2 // (kinds - 1)
    kind = torch.cat((torch.zeros(size - rare * (kinds - 1)).long(), torch.arange(1, kinds).repeat_interleave(rare)))
    centres = 10 * torch.eye(kinds)[:, : max(width, kinds)]              # all equally far from one another
    x = centres[kind] + 0.4 * torch.randn(len(kind), centres.shape[1])
    junk = torch.randn(round(outliers * size), centres.shape[1])
    junk = 25 * junk / junk.norm(dim=1, keepdim=True)                    # 2.5 times as far out as the kinds
    order = torch.randperm(len(x) + len(junk))
    return torch.cat((x, junk))[order], torch.cat((kind, torch.full((len(junk),), -1)))[order]


def sparsest(points: Tensor, share: float, neighbour: int = 5) -> Tensor:
    """True for the share of points whose fifth nearest neighbour is farthest away."""
    distance = torch.cdist(points, points).topk(neighbour + 1, largest=False).values[:, -1]      # itself is the nearest
    return distance > distance.quantile(1 - share)


RANGES = {
    "points": between(7, 10), "k": between(2, 3), "picked": one_of("farthest first", "at random"), "size": between(1200, 2000),
    "kinds": between(10, 20), "outliers": between(0.0, 0.02), "trim": one_of("none", "sparsest 3%"),
    "weights": one_of("share of the pool", "equal"), "junk": between(0.0, 0.02),
}


@breaks(picked="at random", en="Random picks often leave a far point without a pick near it.",
        zh="随机挑选常使远处的点附近没有被选中的点。")
def claim_radius_is_within_twice_the_best(points=10, k=3, picked="farthest first"):
    """The farthest distance from a point to its nearest pick is at most twice the smallest that any k picks reach, by
    brute force over all of them.

    各点到最近已选点的最远距离，至多是任意 k 个点所能达到的最小值的两倍（穷举对照）。"""
    ratios = []
    for _ in range(20):
        x = torch.randn(points, 2, dtype=torch.float64) * torch.rand(points, 1) ** -0.7      # some lie far out
        d = torch.cdist(x, x)
        best = min(d[:, list(c)].amin(1).max() for c in combinations(range(points), k))
        picks = farthest_first(x, k) if picked == "farthest first" else torch.randperm(points)[:k].tolist()
        ratios.append(float(d[:, picks].amin(1).max() / best))
    show(lines("pool", range(20), {"radius over the best": sorted(ratios)}))
    expect("radius over the best possible", ratios, at_most=2 + 1e-12)
    expect("smallest of the twenty", min(ratios), at_least=1 - 1e-12)


@breaks(outliers=0.02, en="Outliers are farther than any kind, and are taken first.", zh="离群点比任何一类都远，先被选走。")
def claim_picks_cover_kinds_that_random_misses(size=2000, kinds=20, outliers=0.0):
    """In a clean pool whose kinds lie farther apart than they are wide, as many picks as kinds hit every kind; as many random
    ones hit Σ 1 − (1 − w)ⁿ, fewer than half.

    池子干净、类间距大于类内宽度时，挑选数等于类数就命中每一类；同样多的随机挑选平均只命中 Σ 1 − (1 − w)ⁿ 类，不到一半。"""
    x, kind = pool(size, kinds, outliers)
    share = torch.stack([(kind == c).float().mean() for c in range(kinds)])
    hit = len({int(c) for c in kind[farthest_first(x, kinds)] if c >= 0})
    drawn = kind[torch.randint(len(x), (4000, kinds))]
    random = torch.stack([(drawn == c).any(1) for c in range(kinds)]).float().sum(0)
    expected = (1 - (1 - share) ** kinds).sum()
    show(bars(["farthest first", "at random, mean of 4000", "formula"], {"kinds hit": [hit, random.mean(), expected]}))
    expect("kinds hit, farthest first", hit, equals=kinds)
    # one draw scatters by at most about 2 kinds, so the mean of 4000 by 0.03
    expect("kinds hit at random less the formula", random.mean() - expected, equals=0, within=0.15)
    expect("share of kinds hit at random", expected / kinds, at_most=0.5)


@breaks(junk=0.0, en="A clean pool has no junk to pick.", zh="干净的池子里没有垃圾可选。")
@breaks(trim="sparsest 3%", en="Without the sparsest points the junk is gone before the picking begins.",
        zh="先去掉最稀疏的点，垃圾在挑选之前就没有了。")
def claim_outliers_take_the_picks(size=2000, kinds=20, junk=0.01, trim="none"):
    """With 1% of junk far out, 20 farthest-first picks are junk in at least 17 cases: coverage is measured on what should
    have been thrown away.

    只要有 1% 的垃圾离得很远，20 次最远优先的挑选至少 17 次选中垃圾：覆盖的是本该丢掉的东西。"""
    x, kind = pool(size, kinds, junk)
    if trim != "none":
        kept = ~sparsest(x, 0.03)
        x, kind = x[kept], kind[kept]
    chosen = kind[farthest_first(x, kinds)]
    taken, hit = (chosen < 0).sum(), len({int(c) for c in chosen if c >= 0})
    show(bars(["junk", "kinds hit"], {"of the picks": [taken, hit]}))
    # point 0 may be a prompt, and a pick or two goes to one before the junk is used up
    expect("share of the picks that could be junk and are", taken / min(kinds, max((kind < 0).sum(), 1)), at_least=0.85)


@breaks(trim="none", en="The junk stays in the pool and takes the picks.", zh="垃圾留在池子里，占去名额。")
def claim_trimming_the_sparsest_restores_coverage(size=2000, kinds=20, junk=0.01, trim="sparsest 3%"):
    """Without the 3% of points in the sparsest places no pick is junk, and every kind is hit; a kind of fewer than six
    prompts would go with the junk.

    先去掉最稀疏处的 3%，就没有一次选中垃圾，而且命中每一类；不足六条的小类会与垃圾一起被去掉。"""
    x, kind = pool(size, kinds, junk)
    x = torch.cat((x, x[kind == 1][:1] * 2 + 0.4 * torch.randn(3, x.shape[1])))      # a kind of three prompts, far off
    kind = torch.cat((kind, torch.full((3,), kinds)))
    kept = ~sparsest(x, 0.03) if trim != "none" else torch.ones(len(x)).bool()
    chosen = kind[kept][farthest_first(x[kept], kinds)]
    hit = len({int(c) for c in chosen if 0 <= c < kinds})
    show(bars(["junk", "kinds hit", "the kind of three"], {"of the picks": [(chosen < 0).sum(), hit, (chosen == kinds).sum()]}))
    expect("picks that are junk", (chosen < 0).sum(), equals=0)
    expect("kinds hit", hit, equals=kinds)
    expect("prompts left of the kind of three", (kind[kept] == kinds).sum(), equals=0)


@breaks(weights="equal", en="Counted alike, every rare kind weighs as much as the half of the traffic.",
        zh="一视同仁，每个小类的权重就与占一半流量的大类相同。")
def claim_weighted_picks_estimate_the_traffic(size=2000, kinds=20, weights="share of the pool"):
    """Where quality depends on the kind alone, picks weighted by the share of the pool nearest to each give the traffic's
    average within two points; counted alike they miss it by more than ten.

    质量只取决于类时，按池中离各自最近的份额加权，挑出的样本给出流量的平均质量，误差不到两个百分点；一视同仁则偏差超过十个。"""
    x, kind = pool(size, kinds, 0.0)
    quality = torch.where(kind == 0, 0.9, 0.5) + 0.005 * torch.randn(len(x))
    picks = farthest_first(x, kinds)
    cell = torch.bincount(torch.cdist(x, x[picks]).argmin(1), minlength=kinds) / len(x)
    equal = torch.full((kinds,), 1 / kinds)
    w = cell if weights == "share of the pool" else equal
    truth = quality.mean()
    estimates = [truth, (cell * quality[picks]).sum(), (equal * quality[picks]).sum()]
    show(bars(["traffic", "picks, weighted", "picks, alike"], {"average quality": estimates}))
    # half of the weight rests on one pick, whose quality scatters by 0.005: seven deviations
    expect("estimate less the average of the traffic", (w * quality[picks]).sum() - truth, equals=0, within=0.02)
    expect("error of the picks counted alike", (estimates[2] - truth).abs(), at_least=0.1)


def drill_kinds_hit(rng) -> Drill:
    """How likely a rare kind is missed."""
    w, n = rng.choice([(0.01, 100), (0.01, 200), (0.02, 50), (0.005, 400), (0.02, 100)])
    p = (1 - w) ** n
    return Drill(
        en=f"A kind of request is {100 * w:g}% of the traffic. {n} prompts are drawn at random. How likely is it that none of "
           "them is of this kind?",
        zh=f"某类请求占流量的 {100 * w:g}%。随机抽 {n} 条提示，一条这类也没有的概率是多少？",
        answer=p, within=0.02,
        steps=[(f"(1 − {w:g})^{n} ≈ e^(−{w * n:g})",) * 2, (f"= {p:.3f}",) * 2],
        proved_by="picks_cover_kinds_that_random_misses")


ZH = {
    "pool": "池子", "radius over the best": "半径与最优之比", "radius over the best possible": "半径与最优之比",
    "smallest of the twenty": "二十个中最小的",
    "farthest first": "最远优先", "at random, mean of 4000": "随机（4000 次平均）", "formula": "公式", "kinds hit": "命中类数",
    "kinds hit, farthest first": "最远优先命中的类数", "kinds hit at random less the formula": "随机命中的类数减公式",
    "share of kinds hit at random": "随机命中的类占比", "junk": "垃圾", "of the picks": "挑选中",
    "share of the picks that could be junk and are": "能选到垃圾的名额中垃圾的占比",
    "the kind of three": "只有三条的类", "picks that are junk": "选中垃圾的次数",
    "prompts left of the kind of three": "只有三条的类所剩条数", "traffic": "流量", "picks, weighted": "挑选，加权",
    "picks, alike": "挑选，一视同仁", "average quality": "平均质量",
    "estimate less the average of the traffic": "估计减流量的平均", "error of the picks counted alike": "一视同仁时的误差",
}

if __name__ == "__main__":
    main()
