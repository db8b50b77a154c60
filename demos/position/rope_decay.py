r"""RoPE's long-term decay is a falling envelope, not a rule for every query and key.

RoPE 的「远程衰减」是一条下降的包络线，并非对每个 query 与 key 都成立的规律。

Su et al. 2021 (RoFormer), §3.4.3: |score| ≤ max|h_(i+1) − h_i| · Σ|S_j| with S_j = Σ_(i<j) e^(i·distance·θ_i) and
h_i = q_i k_i* for each pair, by summation by parts. Turn `bases`: larger ones fall later, and at 1e8 the first claim breaks.
Barbero et al. 2024 (arXiv:2410.06205) argue that this decay is not the main reason why RoPE works.
"""

from itertools import pairwise

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

F64 = torch.float64


def frequencies(d: int, base: float) -> Tensor:
    """θ_i for the d/2 pairs of one head."""
    return base ** (-torch.arange(0, d, 2, dtype=F64) / d)  # (d/2,)


def rotate(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """RoPE on interleaved pairs; x is (..., n, d) and positions (n,)."""
    angle = positions[:, None].to(F64) * frequencies(x.shape[-1], base)  # (n, d/2)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()), -1).flatten(-2)


def turns(d: int, base: float, distances: Tensor) -> Tensor:
    """e^(i·distance·θ_i) for every distance and pair."""
    angle = distances[:, None].to(F64) * frequencies(d, base)
    return torch.polar(torch.ones_like(angle), angle)  # (n, d/2) complex


def partial_sums(d: int, base: float, distances: Tensor) -> Tensor:
    """|S_j| for j = 1 … d/2: how far the first j turning pointers get together."""
    return turns(d, base, distances).cumsum(-1).abs()  # (n, d/2)


def pairs(x: Tensor) -> Tensor:
    """Coordinates as complex numbers, one for each pair."""
    return torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))


def scores(q: Tensor, k: Tensor, distances: Tensor, base: float) -> Tensor:
    """q·k after RoPE, the query `distance` after the key: Re Σ q_i k_i* e^(i·distance·θ_i); q, k (..., d)."""
    h = pairs(q) * pairs(k).conj()  # (..., d/2)
    at = turns(q.shape[-1], base, distances)
    return h.real @ at.real.T - h.imag @ at.imag.T  # (..., n)


def octaves(furthest: int) -> list[tuple[int, int]]:
    """0–63, 64–127, 128–255, … up to `furthest`."""
    edges = [0, 64]
    while edges[-1] < furthest:
        edges.append(min(2 * edges[-1], furthest))
    return list(pairwise(edges))


def octave_means(values: Tensor, furthest: int) -> Tensor:
    """The mean of a curve over each octave of distance."""
    return torch.stack([values[a:b].mean() for a, b in octaves(furthest)])


def claim_bound_falls_with_distance(d=128, bases=(1000.0, 10000.0, 100000.0, 500000.0), furthest=4096, samples=200):
    """RoFormer's bound holds for every query and key tried, loosely; its mean |S_j| over the far half of 4096 tokens is
    under half of that over the first 64, for each base tried.

    RoFormer 的上界对试过的每对 q、k 都成立，但很松；对试过的每个 base，4096 个 token 的远半段上平均 |S_j| 都不到前 64 个 token 的一半。"""
    distances = torch.arange(0, furthest, 4)
    q, k = torch.randn(2, samples, d, dtype=F64)
    h = pairs(q) * pairs(k).conj()
    steps = torch.diff(h, append=torch.zeros(samples, 1, dtype=h.dtype)).abs().max(-1).values    # (samples,), h past the last pair 0
    curves, tightest, far_over_near = {}, [], []
    for base in bases:
        sums = partial_sums(d, base, distances)
        curves[f"base {base:g}"] = sums.mean(-1)
        bound = steps[:, None] * sums.sum(-1)                                        # (samples, n)
        tightest.append((scores(q, k, distances, base).abs() / bound).max())
        far_over_near.append(sums[len(distances) // 2 :].mean() / sums[:16].mean())
    show(lines("distance", distances[::8], {n: c[::8] for n, c in curves.items()}, y_label="mean |S_j|",
               title="RoFormer's bound, relative"),
         table({"base": bases, "mean |S_j|, far half over first 64": far_over_near, "largest |score| over its bound": tightest}))
    expect("largest |score| over its bound", tightest, at_most=0.1, at=("base", bases))
    expect("mean |S_j| in the far half over the first 64 tokens", far_over_near, at_most=0.5, at=("base", bases))


def claim_all_ones_score_is_twice_the_sum_of_cosines(d=128, base=10000.0, furthest=4096):
    """With q and k all ones the rotated score is 2·Σcos(distance·θ_i): d at distance 0, and then an
    interference pattern of the frequencies.

    q、k 全为 1 时，旋转后的得分等于 2·Σcos(距离·θ_i)：距离为 0 时等于 d，之后是各频率的干涉图样。"""
    distances, ones = torch.arange(furthest), torch.ones(1, d, dtype=F64)
    rotated = rotate(ones.expand(furthest, d), distances, base) @ ones[0]            # key at 0, query at every distance
    cosines = 2 * torch.stack([(distances * theta).cos() for theta in frequencies(d, base)]).sum(0)
    kept = torch.cat((torch.arange(0, 64), torch.arange(64, furthest, 16)))
    show(lines("distance", distances[kept], {"rotated score": rotated[kept]}, y_label="q·k of all ones"))
    expect("rotated score less 2·Σcos", rotated - cosines, equals=0, within=1e-9, at=("distance", distances))
    expect("score at distance 0", rotated[0], equals=d, within=1e-9)


def claim_decay_is_on_average_not_monotone(d=128, base=10000.0, furthest=4096):
    """Averaged over octaves the all-ones score falls, yet almost every second single step goes up and far peaks
    stand above nearer troughs.

    全 1 得分按倍程平均是下降的，但逐步看几乎每两步就有一步上升，远处的峰还会高过更近处的谷。"""
    ones = torch.ones(1, d, dtype=F64)
    curve = scores(ones, ones, torch.arange(furthest), base)[0]
    means, parts = octave_means(curve, furthest), [curve[a:b] for a, b in octaves(furthest)]
    up, near, far = (curve.diff() > 0).double().mean(), curve[: furthest // 2], curve[furthest // 2 :]
    show(table({"distance": [f"{a}–{b - 1}" for a, b in octaves(furthest)], "mean score": means,
                "lowest": [c.min() for c in parts], "highest": [c.max() for c in parts]}),
         table(("quantity", "value"), [("share of single steps that go up", up), ("highest score in the far half", far.max()),
                                       ("lowest score in the near half", near.min())]))
    expect("mean of an octave less the mean of the next", -means.diff(), at_least=0, at=("octave", list(range(1, len(means)))))
    expect("mean over the first octave, less the mean over the last", means[0] - means[-1], at_least=d / 4)
    expect("share of single steps that go up", up, at_least=0.4)
    expect("highest score in the far half less the lowest in the near half", far.max() - near.min(), at_least=0)


def claim_larger_base_decays_slower(d=128, bases=(1000.0, 10000.0, 100000.0, 500000.0), furthest=4096):
    """The larger the base, the more of the all-ones score is left in the far half: slow pairs have hardly turned yet.

    base 越大，远半段留下的全 1 得分越多：慢的维度对此时几乎还没转动。"""
    ones, distances = torch.ones(1, d, dtype=F64), torch.arange(furthest)
    curves = {base: scores(ones, ones, distances, base)[0] for base in bases}
    names = [f"{a}–{b - 1}" for a, b in octaves(furthest)]
    left = torch.stack([curve[furthest // 2 :].mean() / d for curve in curves.values()])
    show(table({"distance": names, **{f"base {b:g}": octave_means(c, furthest) for b, c in curves.items()}},
               title="mean all-ones score"),
         table({"base": bases, "share of the score left in the far half": left}))
    expect("share left in the far half, less that of the next smaller base", left.diff(), at_least=0.02, at=("base", bases[1:]))


def claim_random_queries_can_peak_anywhere(d=128, base=10000.0, furthest=4096, samples=200):
    """Independent Gaussian q and k show no decay: peaks fall in the far half as often as in the near one; and
    for any distance a key peaks there.

    独立高斯的 q、k 不显衰减：峰值落在远半段与近半段一样多；而且对任一距离，都有 key 恰在那里得分最高。"""
    distances = torch.arange(0, furthest, 4)
    q, k = torch.randn(2, samples, d, dtype=F64)
    found = scores(q, k, distances, base)                                            # (samples, n)
    far = (found.argmax(-1) >= len(distances) // 2).double().mean()
    spread = found.square().mean(0).sqrt() / d**0.5                                  # 1 at every distance if nothing decays
    near_half, far_half = (half.mean() for half in spread.chunk(2))
    wanted = torch.tensor([0, 100, 1000, furthest // 2, furthest - 4]) // 4 * 4
    made = rotate(q[:1].expand(len(wanted), d), wanted, base)                        # k = R_r q undoes the turn at distance r
    reached = distances[scores(q[:1].expand(len(wanted), d), made, distances, base).argmax(-1)]
    show(lines("distance", distances[::16], {"rms score / √d": spread[::16]}, title="independent Gaussian q and k"),
         table(("quantity", "value"), [("pairs that peak in the far half", far), ("rms/√d, near half", near_half),
                                       ("rms/√d, far half", far_half)]),
         table({"wanted peak": wanted, "distance of the highest score": reached}))
    expect("share of random pairs that peak in the far half", far, equals=0.5, within=4 * 0.5 / samples**0.5)
    expect("rms score over √d, far half less near half", far_half - near_half, equals=0, within=1 / samples**0.5)
    expect("distance at which a key made for it scores highest", reached, equals=wanted, at=("wanted", wanted))


if __name__ == "__main__":
    main()
