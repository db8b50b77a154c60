r"""The scale β of the scores decides how sharp a lookup is: from the mean of all values to the value
of the best key.

分数的尺度 β 决定查找有多尖锐：从全部 value 的平均，到最佳 key 的 value。

Graves et al. 2014. Turn `beta` to 10: the output leaves the mean, and moves to the better keys.
把 `beta` 改为 10：输出离开平均，偏向匹配更好的 key。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show

F64 = torch.float64


def lookup(query: Tensor, keys: Tensor, values: Tensor, beta: float) -> Tensor:
    """softmax(β q·k) over the keys, then the sum: (queries, d), (pairs, d), (pairs, d_v)."""
    return (beta * query @ keys.T).softmax(-1) @ values                  # (queries, d_v)


def dictionary(pairs: int, d: int) -> tuple[Tensor, Tensor]:
    """Keys of length 1 (pairs, d) and values (pairs, 3)."""
    return F.normalize(torch.randn(pairs, d, dtype=F64), dim=1), torch.randn(pairs, 3, dtype=F64)


RANGES = {
    "pairs": between(2, 64), "d_head": between(2, 128), "queries": between(4, 512),
    "beta": one_of(0.0, 10.0), "betas": each(between(0.0, 100.0), at_least=2, rising=True),
    "rivals": one_of("n − 1", "1"),
}  # fmt: skip


@breaks(beta=10.0, en="Scores that differ pull the output towards the better keys.",
        zh="分数有差别时，输出偏向匹配更好的 key。")
def claim_beta_zero_returns_the_mean(pairs=6, d_head=8, queries=64, beta=0.0):
    """Where the scores do not differ, every value counts the same: the output is the mean of the
    values.

    分数没有差别时，各 value 权重相同，输出就是 value 的平均。"""
    (keys, values), q = dictionary(pairs, d_head), torch.randn(queries, d_head, dtype=F64)
    cases = {"β as given": lookup(q, keys, values, beta), "query 0": lookup(0 * q, keys, values, 10),
             "equal keys": lookup(q, keys[:1].expand(pairs, d_head), values, 10)}
    gaps = [(out - values.mean(0)).abs().max() for out in cases.values()]
    show(bars(range(len(out := cases["β as given"][0])), {"output": out, "mean": values.mean(0)},
              title="one query, each number of its output"))
    expect("distance to the mean", gaps, equals=0, within=1e-12, at=("case", list(cases)))


@breaks(rivals="1", en="One rival alone may get exp(−β·lead); n − 1 of them may get as much each.",
        zh="单独一个对手至多得 exp(−β·领先幅度)；n − 1 个对手各自都可能得这么多。")
def claim_large_beta_is_a_hard_lookup(pairs=6, d_head=8, queries=500, betas=(0.0, 1.0, 10.0, 100.0),
                                      rivals="n − 1"):
    """The weight outside the best key is at most (n − 1)·exp(−β·lead); but two equal keys share it
    half and half at any β.

    最佳 key 之外的权重至多为 (n − 1)·exp(−β·领先幅度)；但两个相同的 key 无论 β 多大都各得一半。"""
    angles = torch.arange(pairs, dtype=F64) * 2 * math.pi / pairs        # one key at each hour
    dial, hours = torch.stack((angles.cos(), angles.sin()), 1), torch.arange(1.0, pairs + 1).double()
    turn = torch.linspace(0, 2 * math.pi, 121, dtype=F64)
    asked = torch.stack((turn.cos(), turn.sin()), 1)
    show(lines("angle of the query", turn, {f"β = {b:g}": lookup(asked, dial, hours[:, None], b)[:, 0]
                                            for b in betas}, y_label="output"))
    keys, _ = dictionary(pairs, d_head)
    q = F.normalize(torch.randn(queries, d_head, dtype=F64), dim=1)
    (first, second), best = (q @ keys.T).topk(2).values.T, (q @ keys.T).argmax(1)
    over = []
    for b in betas:
        weights = lookup(q, keys, torch.eye(pairs, dtype=F64), b)
        rest = weights.scatter(1, best[:, None], 0).sum(1)               # (queries,)
        bound = (pairs - 1 if rivals == "n − 1" else 1) * (-b * (first - second)).exp()
        over.append((rest - bound).max())
    expect("weight outside the best key, less its bound", over, at_most=0, within=1e-12,
           at=("β", betas))
    twice = torch.cat((keys[:1], keys))
    tie = torch.cat([lookup(keys[:1], twice, torch.eye(pairs + 1, dtype=F64), b) for b in betas])
    expect("difference of two equal keys' weights", tie[:, 0] - tie[:, 1], equals=0, within=1e-12,
           at=("β", betas))


def drill_others(rng) -> Drill:
    """The bound on the weight of all other keys."""
    n, gap, e = rng.choice([(65, 8, "e⁻⁸ ≈ 0.000335"), (101, 7, "e⁻⁷ ≈ 0.00091"), (1001, 10, "e⁻¹⁰ ≈ 0.0000454"),
                            (51, 5, "e⁻⁵ ≈ 0.0067")])
    most = (n - 1) * math.exp(-gap)
    return Drill(
        en=f"Among {n} keys the best score leads every other by at least {gap}. At most how much weight can all "
           f"others get together, by the bound (n − 1)·e^(−lead)? ({e})",
        zh=f"{n} 个 key 中，最高分比其余的至少高 {gap}。按 (n − 1)·e^(−领先幅度)，其余 key 的权重之和至多是多少？（{e}）",
        answer=most, within=most / 50,
        steps=[("each other key has at most e^(−lead) of the best one's weight, and that is at most 1",
                "其余每个 key 的权重至多是最佳者的 e^(−领先幅度)，而最佳者至多为 1"),
               (f"{n - 1} · e^(−{gap}) = {most:.3g}",) * 2],
        proved_by="large_beta_is_a_hard_lookup",
    )


ZH = {
    "output": "输出", "mean": "平均", "one query, each number of its output": "一个 query，输出的各分量",
    "case": "情形", "β as given": "给定的 β", "query 0": "query 为 0", "equal keys": "key 全相同",
    "distance to the mean": "与平均的距离", "angle of the query": "query 的角度", "β = {}": "β = {}",
    "weight outside the best key, less its bound": "最佳 key 之外的权重减去上界", "β": "β",
    "difference of two equal keys' weights": "两个相同 key 的权重之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
