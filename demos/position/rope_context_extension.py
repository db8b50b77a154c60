r"""Stretching RoPE to a longer context: which angles each method brings, and what neighbours lose.

把 RoPE 拉到更长的上下文：各种方法会带来哪些角度，相邻 token 又失去多少分辨力。

In training a pair with frequency θ meets the angles 0, θ, …, (L−1)θ, taken around the circle. For a context s times longer:
position interpolation (Chen et al. 2023, §2.3) divides every θ by s; NTK-aware scaling raises the base; NTK-by-parts does
either, pair by pair (Peng et al. 2023, YaRN, §3.1–3.2, α = 1, β = 32). Turn `s`, `base` and `trained`, which is L.
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table

TURN = 2 * math.pi


def frequencies(d: int, base: float) -> Tensor:
    """θ_i = base^(−2i/d), radians a token, for the d/2 pairs of one head."""
    return base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)                 # (d/2,)


def rotate(x: Tensor, position: float, theta: Tensor) -> Tensor:
    """RoPE at one position, on interleaved pairs; x is (..., d)."""
    cos, sin, even, odd = (position * theta).cos(), (position * theta).sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def by_parts(theta: Tensor, trained: int, s: float, alpha: float = 1.0, beta: float = 32.0) -> Tensor:
    """Keep pairs with over `beta` turns in training, divide those with under `alpha` by s, mix linearly between."""
    keep = ((trained * theta / TURN - alpha) / (beta - alpha)).clamp(0, 1)
    return keep * theta + (1 - keep) * theta / s


def stretched(d: int, base: float, trained: int, s: float) -> dict[str, Tensor]:
    """Each method's frequencies for a context s times the trained one."""
    theta = frequencies(d, base)
    return {"unchanged": theta, "interpolation": theta / s, "NTK-aware": frequencies(d, base * s ** (d / (d - 2))),
            "by parts": by_parts(theta, trained, s)}


def farthest(theta: Tensor, new: Tensor, trained: int, s: float, samples: int = 4096) -> Tensor:
    """For each pair, how far around the circle an angle of the longer context lies from the nearest trained one."""
    seen = (theta[:, None] * torch.arange(trained)).remainder(TURN).sort(-1).values  # (d/2, L)
    seen = torch.cat((seen[:, -1:] - TURN, seen, seen[:, :1] + TURN), -1)            # the circle closes
    offsets = torch.linspace(0, s * trained - 1, samples, dtype=torch.float64).round()
    met = (new[:, None] * offsets).remainder(TURN)                                   # (d/2, samples)
    after = torch.searchsorted(seen, met).clamp(1, trained + 1)
    return torch.minimum(met - seen.gather(-1, after - 1), seen.gather(-1, after) - met).amax(-1)


def overshoot(theta: Tensor, new: Tensor, trained: int, s: float) -> Tensor:
    """The same from geometry: past the trained arc, until half of what is left of the circle."""
    arc, reach = (trained - 1) * theta, (s * trained - 1) * new
    return torch.minimum(reach - arc, (TURN - arc) / 2).clamp(min=0)                 # 0 where the arc is a full circle


def slow(theta: Tensor, trained: int) -> Tensor:
    """Pairs whose wavelength is longer than the trained length."""
    return TURN / theta > trained


def claim_slow_pairs_never_finish_a_turn(d=128, bases=(10000.0, 10000.0, 500000.0), windows=(2048, 4096, 8192)):
    """The last d/2 − ⌈(d/2)·log_base(L/2π)⌉ pairs never finish a turn in training: an arc of their circle stays unseen.

    最后 d/2 − ⌈(d/2)·log_base(L/2π)⌉ 对在训练中转不满一圈：它们的圆上总有一段弧没有见过。"""
    gaps, unseen = {}, []
    for base, n in zip(bases, windows, strict=True):
        theta = frequencies(d, base)
        seen = (theta[:, None] * torch.arange(n)).remainder(TURN).sort(-1).values
        gap = torch.cat((seen.diff(), seen[:, :1] + TURN - seen[:, -1:]), -1).amax(-1)      # widest arc without an angle
        gaps[f"L = {n}, base {base:g}"] = gap
        unseen.append((gap > theta + 1e-9).sum())                                    # wider than one step of the pair
    critical = [d // 2 - math.ceil(d / 2 * math.log(n / TURN, base)) for base, n in zip(bases, windows, strict=True)]
    show(lines("pair i", range(d // 2), gaps, y_label="widest unseen arc (rad)"),
         table({"trained length": windows, "base": bases, "pairs with an unseen arc": unseen, "of": [d // 2] * len(bases)}))
    expect("pairs with an unseen arc", unseen, equals=critical, at=("trained length", windows))


def claim_direct_positions_reach_unseen_angles(d=128, base=10000.0, trained=2048, s=8.0):
    """Unchanged RoPE on a longer context takes slow pairs to angles they never met; fast pairs meet none that is new.

    RoPE 不作改动就用于更长的上下文时，慢的维度对会转到从未见过的角度；快的维度对则遇不到新角度。"""
    theta = frequencies(d, base)
    measured, geometry, is_slow = farthest(theta, theta, trained, s), overshoot(theta, theta, trained, s), slow(theta, trained)
    step = theta * (1 + s * trained / 4096)                                          # one trained step and one sampling step
    show(lines("pair i", range(d // 2), {"measured": measured, "from geometry": geometry}, y_label="rad from a trained angle"))
    expect("slow pairs, radians from the nearest trained angle", measured[is_slow], equals=geometry[is_slow], within=step[is_slow])
    expect("largest of them", measured[is_slow].max(), at_least=0.5)
    expect("fast pairs, the same in steps of the pair", (measured / theta)[~is_slow], at_most=1)


def claim_interpolation_divides_every_frequency_by_s(d=128, base=10000.0, trained=2048, s=8.0):
    """Dividing positions by s divides every frequency by s: no angle is then farther than one step from a trained one.

    位置除以 s 等于把每个频率除以 s：此后任何角度与某个训练过的角度相差都不超过一步。"""
    theta, x = frequencies(d, base), torch.randn(d, dtype=torch.float64)
    last = round(s * trained) - 1
    by_position, by_frequency = rotate(x, last / s, theta), rotate(x, last, theta / s)
    steps = farthest(theta, theta / s, trained, s) / theta
    show(table({"": ["unchanged", "interpolated"], "largest position": [last, last / s], "trained up to": [trained - 1] * 2}),
         lines("pair i", range(d // 2), {"interpolated": steps}, y_label="steps from a trained angle"))
    expect("difference of the two forms", by_position - by_frequency, equals=0, within=1e-9)
    expect("steps from the nearest trained angle", steps, at_most=1)


def claim_ntk_keeps_the_fastest_and_scales_the_slowest(d=128, base=10000.0, trained=2048, s=8.0):
    """With the base raised to base·s^(d/(d−2)) pair i slows by s^(2i/(d−2)): not at all for the first, by s for the last.

    base 提高到 base·s^(d/(d−2))，第 i 对慢 s^(2i/(d−2)) 倍：第一对不变，最后一对恰好慢 s 倍。"""
    east = torch.tensor((1.0, 0.0), dtype=torch.float64).repeat(d // 2)              # every pair along its first axis
    one = {way: rotate(east, 1, new).view(-1, 2) for way, new in stretched(d, base, trained, s).items()}
    angle = {way: torch.atan2(pair[:, 1], pair[:, 0]) for way, pair in one.items()}  # turned by one token, measured
    ratio = {way: a / angle["unchanged"] for way, a in angle.items() if way != "unchanged"}
    show(table({"base": [base], "raised to": [base * s ** (d / (d - 2))]}),
         lines("pair i", range(d // 2), ratio, log="y", y_label="frequency over the trained one"))
    exponent = torch.arange(d // 2, dtype=torch.float64) * 2 / (d - 2)
    expect("slowing of pair i under NTK-aware scaling", ratio["NTK-aware"] * s**exponent, equals=1, within=1e-6)
    expect("first pair", ratio["NTK-aware"][0], equals=1, within=1e-9)
    expect("last pair", ratio["NTK-aware"][-1], equals=1 / s, within=1e-6)


def claim_ntk_overshoots_for_middle_pairs(d=128, base=10000.0, trained=2048, s=8.0):
    """Slow pairs other than the last are slowed by less than s and overshoot; s^((d−2)/2i) in place of s, with i the
    first slow pair, keeps all inside.

    除最后一对外，慢的维度对被放慢得不到 s 倍，会越界；把 s 换成 s^((d−2)/2i)（i 为第一个慢的维度对），才能全部留在界内。"""
    theta = frequencies(d, base)
    first = int(slow(theta, trained).nonzero()[0])
    scales = {f"{s:g}": s, f"{s ** ((d - 2) / (2 * first)):.1f}": s ** ((d - 2) / (2 * first))}
    arc, out = (trained - 1) * theta[first:], {}
    for name, scale in scales.items():
        reach = (s * trained - 1) * frequencies(d, base * scale ** (d / (d - 2)))[first:]
        out[name] = reach / arc                                                      # over 1: past the trained arc
    show(lines("pair i", range(first, d // 2), {f"scale {n}": o for n, o in out.items()}, y_label="reach over the trained arc"))
    small, large = out.values()
    slack = s / (trained - 1)                                                        # sL − 1 over L − 1 is a little more than s
    expect("reach over the trained arc, all slow pairs but the last", small[:-1], at_least=1)
    expect("the same for the last", small[-1], equals=1, within=slack)
    expect("with the larger scale", large, at_most=1 + slack)


def claim_by_parts_has_three_regions(d=128, base=10000.0, trained=2048, s=8.0, alpha=1.0, beta=32.0):
    """By parts keeps the pairs with over β turns in training, divides those with under α by s, mixes between, and
    meets no unseen angle.

    按波长分段：训练中转过 β 圈以上的维度对不动，不到 α 圈的除以 s，其间取混合；不会遇到没见过的角度。"""
    theta = frequencies(d, base)
    ratio = by_parts(theta, trained, s, alpha, beta) / theta
    counts = [(ratio > 1 - 1e-12).sum(), ((ratio < 1 - 1e-12) & (ratio > 1 / s + 1e-12)).sum(), (ratio < 1 / s + 1e-12).sum()]
    edges = [d * math.log(trained / (TURN * r)) / (2 * math.log(base)) for r in (beta, alpha)]      # pairs with r turns
    steps = farthest(theta, ratio * theta, trained, s) / theta
    show(table({"pairs": ["kept", "mixed", "divided by s"], "count": counts}),
         table({"turns in training": [beta, alpha], "pair i": edges}),
         lines("pair i", range(d // 2), {"by parts": ratio}, y_label="frequency over the trained one"))
    kept, divided = math.floor(edges[0]) + 1, d // 2 - math.ceil(edges[1])
    expect("pairs kept, mixed, divided", counts, equals=[kept, d // 2 - kept - divided, divided])
    expect("steps from the nearest trained angle", steps, at_most=1)


def claim_interpolation_blurs_neighbours(d=128, base=10000.0, trained=2048, s=8.0, samples=256):
    """A token's match with its own copy one step away falls by some amount; interpolation leaves about 1/s² of that
    drop, NTK-aware scaling most, by parts nearly all.

    一个 token 与自己相隔一步的副本匹配时，得分会下降一些；插值只留下这一降幅的约 1/s²，NTK-aware 缩放保留大部分，
    分段方法几乎全部保留。"""
    q = torch.randn(samples, d, dtype=torch.float64)
    drop = {way: ((q * q - q * rotate(q, 1, new)).sum(-1) / d).mean() for way, new in stretched(d, base, trained, s).items()}
    left = {way: x / drop["unchanged"] for way, x in drop.items()}
    show(table(("method", "drop over one token", "share of it left"), [(w, drop[w], left[w]) for w in drop]))
    expect("share left by interpolation, times s²", left["interpolation"] * s**2, equals=1, within=0.1)     # θ²/2 against 1 − cos θ
    expect("share left by parts", left["by parts"], at_least=0.9)
    expect("share left by NTK-aware scaling", left["NTK-aware"], at_least=0.5)


if __name__ == "__main__":
    main()
