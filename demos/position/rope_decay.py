r"""RoPE's long-term decay is a falling bound and average, not a rule for every query and key.

RoPE 的「远程衰减」是下降的上界与下降的平均，而不是对每个 query 与 key 都成立的规律。

Su et al. 2021 (RoFormer), §3.4.3: |score| ≤ max|h_(i+1) − h_i| · Σ|S_j| with h_i = q_i k_i* for
each pair and S_j = Σ_(i<j) e^(i·distance·θ_i). Barbero et al. 2024 doubt that decay is why RoPE
works. Turn `base` to 1: all pairs turn alike, and nothing decays.
把 `base` 改为 1：所有维度对转得一样快，什么也不衰减。
"""

from itertools import pairwise

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show

F64 = torch.float64


def turns(d: int, base: float, distances: Tensor) -> Tensor:
    """e^(i·distance·θ_i) for every distance and pair, (n, d/2) complex."""
    angle = distances[:, None].to(F64) * base ** (-torch.arange(0, d, 2, dtype=F64) / d)
    return torch.polar(torch.ones_like(angle), angle)


def pairs(x: Tensor) -> Tensor:
    """Coordinates (…, d) as complex numbers (…, d/2)."""
    return torch.view_as_complex(x.unflatten(-1, (-1, 2)))


def scores(q: Tensor, k: Tensor, distances: Tensor, base: float) -> Tensor:
    """q·k after RoPE, the query `distance` after the key: q, k (samples, d), result (samples,
    n)."""
    h = pairs(q) * pairs(k).conj()                                                  # (samples, d/2)
    return (h @ turns(q.shape[-1], base, distances).T).real


def rotated(x: Tensor, position: int, base: float) -> Tensor:
    """RoPE with real numbers on the pairs (x_0, x_1), …; x (samples, d)."""
    d = x.shape[-1]
    angle = position * base ** (-torch.arange(0, d, 2, dtype=F64) / d)
    a, b, cos, sin = x[..., 0::2], x[..., 1::2], angle.cos(), angle.sin()
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


RANGES = {
    "d_head": between(128, 256, multiple_of=2), "base": between(1.0, 1e6),
    "furthest": one_of(2048, 4096),
    "bases": each(between(1000.0, 1e8), at_least=2, at_most=5, rising=True),
    "samples": between(100, 400),
    "pair": one_of("independent", "aligned"), "key": one_of("ones", "a quarter turn on"),
}  # fmt: skip
NAMES = {"aligned": "q = k", "independent": "independent"}


@breaks(bases=(10000.0, 1e8),
        en="At base 1e8 the slow pairs have hardly turned, and the bound stays.",
        zh="base 为 1e8 时，慢的维度对几乎没转，上界并不下降。")
def claim_bound_falls_with_distance(d_head=128, bases=(1000.0, 10000.0, 500000.0), furthest=4096,
    samples=200):
    """RoFormer's bound holds for every q and k tried, ten times too high; in the far half of the
    distances its mean |S_j| is under half of that over the first 64.

    RoFormer 的上界对试过的每对 q、k 都成立，但高出十倍；在远半段，平均 |S_j| 不到前 64 个距离的一半。"""
    distances = torch.arange(0, furthest, 4)
    q, k = torch.randn(2, samples, d_head, dtype=F64)
    h = pairs(q) * pairs(k).conj()
    h = torch.cat((h, torch.zeros(samples, 1)), -1)                        # the paper's h_(d/2) = 0
    steps = (h[:, 1:] - h[:, :-1]).abs().amax(-1)                                       # (samples,)
    curves, tightest, kept = {}, [], []
    for base in bases:
        sums = turns(d_head, base, distances).cumsum(-1).abs()                            # (n, d/2)
        curves[f"base {base:g}"] = sums.mean(-1)[::8]
        tightest.append(
            (scores(q, k, distances, base).abs() / (steps[:, None] * sums.sum(-1))).max()
        )
        kept.append(sums[len(distances) // 2 :].mean() / sums[:16].mean())
    show(lines("distance", distances[::8], curves, y_label="mean |S_j|"))
    expect("largest |score| over its bound", tightest, at_most=0.1, at=("base", bases))
    expect("mean |S_j|, far half over the first 64", kept, at_most=0.5, at=("base", bases))


@breaks(key="a quarter turn on", en="A quarter turn between q and k makes cosines into sines.",
        zh="q 与 k 之间差四分之一圈，余弦就变成正弦。")
def claim_all_ones_score_is_twice_the_sum_of_cosines(d_head=128, base=10000.0, furthest=4096,
    key="ones"):
    """With q and k all ones the rotated score is 2·Σcos(distance·θ_i): d at distance 0, then an
    interference of the frequencies.

    q、k 全为 1 时，旋转后的得分等于 2·Σcos(距离·θ_i)：距离为 0 时等于 d，之后是各频率的干涉。"""
    distances, ones = torch.arange(0, furthest, 8), torch.ones(1, d_head, dtype=F64)
    k = ones if key == "ones" else ones * torch.tensor([-1.0, 1.0]).repeat(d_head // 2)
    found = torch.stack([(rotated(ones, int(n), base) * k).sum() for n in distances])
    theta = base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)
    cosines = 2 * (distances[:, None] * theta).cos().sum(1)
    show(lines("distance", distances, {"rotated score": found}, y_label="q·k of all ones"))
    expect("rotated score less 2·Σcos", found - cosines, equals=0, within=1e-9)
    expect("score at distance 0", found[0], equals=d_head, within=1e-9)


@breaks(base=1.0, en="Where all pairs turn alike, nothing decays.", zh="所有维度对转得一样快，就什么也不衰减。")
def claim_decay_is_on_average_not_monotone(d_head=128, base=10000.0, furthest=4096):
    """The all-ones score falls on average, yet more than four of ten single steps go up, and far
    peaks stand above nearer troughs.

    全 1 得分平均而言下降，但超过四成的单步是上升的，远处的峰还高过更近处的谷。"""
    ones = torch.ones(1, d_head, dtype=F64)
    curve = scores(ones, ones, torch.arange(furthest), base)[0]                        # (furthest,)
    edges = [0, 64, *(2**e for e in range(7, 13) if 2**e < furthest), furthest]
    means = torch.stack([curve[a:b].mean() for a, b in pairwise(edges)])
    show(lines("distance", range(0, furthest, 16), {"score": curve[::16]},
               y_label="q·k of all ones"),
         lines("up to distance", edges[1:], {"mean since the last": means}, log="x"))
    expect("mean over the first 64, of the score at 0", means[0] / d_head, at_least=0.4)
    expect("mean over the last octave, of that over the first 64", means[-1] / means[0],
           at_most=0.6)
    expect("share of single steps that go up", (curve.diff() > 0).double().mean(), equals=0.5,
           within=0.1)
    half = furthest // 2
    expect("highest in the far half less lowest in the near",
           curve[half:].max() - curve[:half].min(),
           at_least=0)


@breaks(pair="independent", en="For independent q and k nothing is left to decay, at any base.",
        zh="q、k 相互独立时，无论 base 多大都没有什么可衰减。")
def claim_larger_base_decays_slower(
    d_head=128, bases=(1000.0, 10000.0, 100000.0, 500000.0), furthest=4096, samples=200,
    pair="aligned"
):
    """The larger the base, the more of the score of aligned q and k is left in the far half: for
    all ones, d = 128 and distances 2048–4095, 6% at base 10000 and 34% at 500000.

    base 越大，方向一致的 q、k 在远半段留下的得分越多：全 1、d = 128、距离 2048–4095 时，base 10000 为 6%，500000 为 34%。"""
    far = torch.arange(furthest // 2, furthest)
    q, k = torch.randn(2, samples, d_head, dtype=F64)
    if pair == "aligned":
        q = k = torch.ones(1, d_head, dtype=F64)
    left = torch.stack([scores(q, k, far, base).mean() / d_head for base in bases])
    show(lines("base", bases, {"share of the score left in the far half": left}, log="x"))
    named = torch.ones(1, 128, dtype=F64)
    expect("share left for all ones, d = 128, distances 2048–4095, base 10000 and 500000",
           [scores(named, named, torch.arange(2048, 4096), b).mean() / 128 for b in (10000.0, 500000.0)],
           equals=[0.06, 0.34], within=0.005)
    # ripples of the slow pairs can lift a small base by a few per cent
    expect("share left, less that of the smallest base", left[1:] - left[0], at_least=-0.05)
    steps = torch.tensor(bases[-1] / bases[0]).log()
    expect("share gained from the smallest to the largest base, per factor e",
           (left[-1] - left[0]) / steps, at_least=0.01)


@breaks(pair="aligned", en="Where q and k agree, the score is highest at distance 0.",
        zh="q 与 k 一致时，得分在距离 0 处最高。")
def claim_random_queries_can_peak_anywhere(d_head=128, base=10000.0, furthest=4096, samples=200,
                                           pair="independent"):
    """Independent Gaussian q and k show no decay: they peak in the far half as often as in the near
    one, and for any distance some key peaks there.

    独立高斯的 q、k 不显衰减：峰值落在远半段与近半段一样多；而且对任一距离，都有 key 恰在那里得分最高。"""
    distances = torch.arange(0, furthest, 4)
    q, k = torch.randn(2, samples, d_head, dtype=F64)
    k = q if pair == "aligned" else k
    found = scores(q, k, distances, base)                                             # (samples, n)
    size = found.square().mean(0).sqrt() / d_head**0.5
    show(lines("distance", distances[::16], {NAMES[pair]: size[::16]}, y_label="rms score / √d"))
    far = (found.argmax(-1) >= len(distances) // 2).double().mean()
    expect("share that peaks in the far half", far, equals=0.5, within=4 * 0.5 / samples**0.5)
    wanted = torch.tensor([0, 100, 1000, furthest // 2, furthest - 4]) // 4 * 4
    keys = torch.cat([rotated(q[:1], int(r),
                              base) for r in wanted])   # k = R_r q undoes the turn at r
    peaks = distances[scores(q[:1].expand(5, -1), keys, distances, base).argmax(-1)]
    expect("distance at which a key made for it peaks", peaks, equals=wanted, at=("wanted", wanted))


ZH = {
    "distance": "距离", "base {}": "base {}", "mean |S_j|": "平均 |S_j|", "base": "base",
    "share left for all ones, d = 128, distances 2048–4095, base 10000 and 500000":
        "全 1、d = 128、距离 2048–4095 时剩下的比例，base 10000 与 500000",
    "largest |score| over its bound": "最大的 |得分| 与其上界之比",
    "mean |S_j|, far half over the first 64": "平均 |S_j|，远半段与前 64 个距离之比",
    "rotated score": "旋转后的得分", "q·k of all ones": "全 1 的 q·k",
    "rotated score less 2·Σcos": "旋转后的得分与 2·Σcos 之差", "score at distance 0": "距离 0 处的得分",
    "up to distance": "到距离", "mean since the last": "上一点以来的平均", "score": "得分",
    "mean over the first 64, of the score at 0": "前 64 个距离的平均与 0 处得分之比",
    "mean over the last octave, of that over the first 64": "最后一个倍程的平均与前 64 个距离之比",
    "share of single steps that go up": "上升的单步所占比例",
    "highest in the far half less lowest in the near": "远半段最高减近半段最低",
    "share of the score left in the far half": "远半段剩余得分的比例",
    "share left, less that of the smallest base": "剩余比例减最小 base 的",
    "share gained from the smallest to the largest base, per factor e": "从最小到最大 base 每 e 倍增加的比例",
    "independent": "相互独立", "rms score / √d": "得分均方根 / √d",
    "share that peaks in the far half": "峰值落在远半段的比例",
    "distance at which a key made for it peaks": "为它而造的 key 的峰值距离", "wanted": "目标距离",
}

if __name__ == "__main__":
    main()
