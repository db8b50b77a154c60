r"""Stretching RoPE to a longer context: which angles each method brings, and what neighbours lose.

把 RoPE 拉到更长的上下文：各种方法带来哪些角度，相邻 token 又失去多少分辨力。

Chen et al. 2023 (position interpolation, PI); Peng et al. 2023 (YaRN, v3), §3.2: NTK-by-parts with
α = 1, β = 32. Turn `kept` to "slow": the pairs left alone are now those that meet unseen angles.
把 `kept` 改为 "slow"：不动的变成了会遇到新角度的那些对。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64, TURN = torch.float64, 2 * math.pi


@exercise(claims=("by_parts_has_three_regions",), wrong=("keeps_the_slow", "by_index", "divides_all"))
def by_parts(theta: Tensor, trained: int, s: float, alpha: float, beta: float) -> Tensor:
    """NTK-by-parts: the frequencies theta (d_head/2,), in radians per token, for a context s times longer.
    Pairs with over beta turns in `trained` tokens are kept, under alpha divided by s, mixed linearly between.

    NTK-by-parts：上下文拉长到 s 倍时的频率，theta 为 (d_head/2,)，单位是每 token 弧度。在 `trained` 个 token
    内转过 beta 圈以上的对不动，不到 alpha 圈的除以 s，其间按圈数线性混合。"""
    keep = ((trained * theta / TURN - alpha) / (beta - alpha)).clamp(0, 1)       # (d_head/2,)
    return keep * theta + (1 - keep) * theta / s


def frequencies(d_head: int, base: float) -> Tensor:
    """θ_i = base^(−2i/d), radians per token: (d_head/2,)."""
    return base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)


def rotate(x: Tensor, position: float, theta: Tensor) -> Tensor:
    """RoPE at one position, on interleaved pairs; x is (…, d_head)."""
    cos, sin, even, odd = (position * theta).cos(), (position * theta).sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def steps_from_trained(theta: Tensor, new: Tensor, trained: int, s: float) -> Tensor:
    """For each pair, the farthest that an angle of the longer context lies from a trained one, in θ."""
    seen = (theta[:, None] * torch.arange(trained)).remainder(TURN).sort(-1).values     # (pairs, L)
    seen = torch.cat((seen[:, -1:] - TURN, seen, seen[:, :1] + TURN), -1)               # the circle closes
    offsets = torch.linspace(0, s * trained - 1, 2048, dtype=F64).floor()
    met = (new[:, None] * offsets).remainder(TURN)                                      # (pairs, 2048)
    after = torch.searchsorted(seen, met).clamp(1, trained + 1)
    gaps = torch.minimum(met - seen.gather(-1, after - 1), seen.gather(-1, after) - met)
    return gaps.amax(-1) / theta


WAYS = {"unchanged": lambda theta, s: theta, "interpolation": lambda theta, s: theta / s,
        "multiplied": lambda theta, s: theta * s}

RANGES = {
    "d_head": between(32, 256, multiple_of=2),
    "base": between(10000.0, 1e6),
    "trained": between(1024, 4096),
    "windows": each(between(256, 8192), at_least=1, at_most=4, rising=True),
    "s": between(2.0, 32.0),
    "turn": one_of("2π", "1"),
    "way": one_of("unchanged", "interpolation", "multiplied"),
    "kept": one_of("fast", "slow"),
    "distance": one_of(1, 64),
}


@breaks(turn="1", en="A turn is 2π radians: forgetting it, half of the slow pairs pass for fast.",
        zh="一圈是 2π 弧度：忘了它，慢的维度对有一半被当成快的。")
def claim_slow_pairs_never_finish_a_turn(d_head=128, base=10000.0, windows=(2048, 4096), turn="2π"):
    """Pairs whose wavelength is longer than the training never finish a turn: part of their circle
    stays unseen, 23 of 64 pairs at 2048 tokens, 18 at 4096.

    波长超过训练长度的对转不满一圈，圆上总有一段没见过：2048 个 token 时 64 对里有 23 对，4096 时有 18 对。"""
    theta, unseen = frequencies(d_head, base), []
    for n in windows:
        seen = (theta[:, None] * torch.arange(n)).remainder(TURN).sort(-1).values
        gap = torch.cat((seen.diff(), seen[:, :1] + TURN - seen[:, -1:]), -1).amax(-1)  # widest unseen arc
        unseen.append(int((gap > theta * (1 + 1e-9)).sum()))                            # more than one step
    length = TURN if turn == "2π" else 1.0
    longer = [int((length / theta > n).sum()) for n in windows]
    show(lines("pair i", range(d_head // 2), {"wavelength": TURN / theta,
                                              "trained length": [windows[-1]] * (d_head // 2)}, log="y",
               y_label="tokens"),
         table({"trained length": windows, "pairs with an unseen arc": unseen}))
    expect("pairs with an unseen arc", unseen, equals=longer, at=("trained length", windows))


@breaks(way="interpolation", en="Interpolated, every angle stays within a step of a trained one.",
        zh="插值之后，每个角度与训练过的角度相差都不超过一步。")
def claim_direct_positions_reach_unseen_angles(d_head=128, base=10000.0, trained=2048, s=8.0, way="unchanged"):
    """Unchanged RoPE on a longer context takes slow pairs to angles they never met; fast pairs meet none
    that is new.

    RoPE 不作改动就用于更长的上下文时，慢的维度对会转到从未见过的角度；快的维度对则遇不到新角度。"""
    theta = frequencies(d_head, base)
    steps, slow = steps_from_trained(theta, WAYS[way](theta, s), trained, s), TURN / theta > trained
    arc = (trained - 1) * theta                                          # seen: from 0 to here, if under a turn
    past = torch.minimum((s - 1) * trained * theta, (TURN - arc) / 2).clamp(min=0)
    show(lines("pair i", range(d_head // 2), {"measured": steps * theta, "from geometry": past.where(slow, 0)},
               y_label="radians from a trained angle"))
    # One trained step and one sampling step of s·L/2048 tokens.
    slack = (theta * (1 + s * trained / 2048))[slow]
    expect("slow pairs, radians from the nearest trained angle", (steps * theta)[slow], equals=past[slow],
           within=slack)
    expect("largest of them", (steps * theta)[slow].max(), at_least=0.5)
    expect("fast pairs, the same in steps of the pair", steps[~slow], at_most=1 + 1e-6)


@breaks(way="unchanged", en="Without it slow pairs run past their arc.", zh="不插值，慢的维度对会越出训练过的弧。")
@breaks(way="multiplied", en="Multiplied, angles leave the arc even sooner.", zh="乘以 s 只会更早越界。")
def claim_interpolation_divides_every_frequency_by_s(
    d_head=128, base=10000.0, trained=2048, s=8.0, way="interpolation"
):
    """Dividing positions by s divides every frequency by s: no angle is then farther than one step from a
    trained one.

    位置除以 s 等于把每个频率除以 s：此后任何角度与某个训练过的角度相差都不超过一步。"""
    theta, x = frequencies(d_head, base), torch.randn(d_head, dtype=F64)
    new, last = WAYS[way](theta, s), math.floor(s * trained) - 1
    steps = steps_from_trained(theta, new, trained, s)
    show(lines("pair i", range(d_head // 2), {"steps": steps}, y_label="steps from a trained angle"),
         table({"last position": [last], "interpolated": [last / s], "trained up to": [trained - 1]}))
    # Angles of up to 32 · 4096 radians in float64.
    expect("difference of the two forms", rotate(x, last / s, theta) - rotate(x, last, new), equals=0, within=1e-8)
    expect("steps from the nearest trained angle", steps, at_most=1 + 1e-6)


@breaks(kept="slow", en="Turned round, as is sometimes written: the slow pairs meet what they never saw.",
        zh="有时被写反：不动的成了慢的维度对，它们会遇到从没见过的角度。")
def claim_by_parts_has_three_regions(d_head=128, base=10000.0, trained=2048, s=8.0, kept="fast"):
    """By parts keeps pairs with over 32 turns in training, divides those under one turn by s, mixes
    between, and meets no unseen angle.

    NTK-by-parts：训练中转过 32 圈以上的对不动，不到 1 圈的除以 s，其间混合；不会遇到没见过的角度。"""
    theta = frequencies(d_head, base)
    new = by_parts(theta, trained, s, 1.0, 32.0)
    new = new if kept == "fast" else theta + theta / s - new
    ratio, turns = new / theta, trained * theta / TURN
    regions = {"over 32 turns": turns > 32, "between": (turns <= 32) & (turns >= 1), "under one": turns < 1}
    linear = 1 / s + (1 - 1 / s) * (turns - 1) / 31                      # the paper's ramp, between
    show(lines("pair i", range(d_head // 2), {"by parts": ratio}, y_label="frequency over the trained one"),
         table({"turns in training": list(regions), "pairs": [int(r.sum()) for r in regions.values()]}))
    llama = frequencies(128, 10000.0)
    left = by_parts(llama, 2048, 8.0, 1.0, 32.0) / llama
    expect("pairs kept, divided and mixed for LLaMA at 2048 tokens, s = 8",
           [int((left == 1).sum()), int((left < 1 / 8 + 1e-12).sum()), int(((left < 1) & (left > 1 / 8 + 1e-12)).sum())],
           equals=[17, 23, 24])
    want = torch.where(turns > 32, 1.0, torch.where(turns < 1, 1 / s, linear))
    expect("frequency over the trained one", ratio, equals=want, within=1e-12, at=("pair", range(d_head // 2)))
    expect("steps from the nearest trained angle", steps_from_trained(theta, new, trained, s), at_most=1 + 1e-6)


@breaks(distance=64, en="64 tokens apart fast pairs have turned many times: 1/s² holds for neighbours.",
        zh="相隔 64 个 token，快的对已转过多圈：1/s² 只对相邻位置成立。")
def claim_interpolation_blurs_neighbours(d_head=128, base=10000.0, s=8.0, distance=1):
    """Of the drop between a token and its neighbour interpolation leaves about 1/s², NTK-aware scaling
    84% at s = 8, by parts over 99%.

    token 与相邻位置之间的得分降幅，插值只留下约 1/s²；s = 8 时 NTK-aware 留下 84%，NTK-by-parts 99% 以上。"""
    theta, phase = frequencies(d_head, base), TURN * torch.rand(d_head // 2, dtype=F64)
    q = torch.stack((phase.cos(), phase.sin()), -1).flatten()            # every pair of length 1
    ways = {"unchanged": theta, "interpolation": theta / s, "by parts": by_parts(theta, 2048, s, 1.0, 32.0),
            "NTK-aware": frequencies(d_head, base * s ** (d_head / (d_head - 2)))}
    left = {name: q @ q - q @ rotate(q, distance, new) for name, new in ways.items()}
    left = {name: drop / left["unchanged"] for name, drop in left.items()}
    show(table(("method", "share of the drop left"), list(left.items())))
    # 1 − cos θ is between 0.919 θ²/2 (at θ = 1, the fastest pair) and θ²/2.
    expect("share left by interpolation, times s²", left["interpolation"] * s * s, equals=1.044, within=0.0445)
    raised = base * s ** (d_head / (d_head - 2))                         # a geometric sum of θ²/2 gives the ratio
    expect("share left by NTK-aware scaling, over ln base / ln raised base",
           left["NTK-aware"] * math.log(raised) / math.log(base), equals=1.1, within=0.1)
    expect("share left by parts", left["by parts"], at_least=0.99)



ZH = {
    "NTK-aware": "NTK-aware", "pair i": "第 i 对", "wavelength": "波长", "trained length": "训练长度", "tokens": "token 数", "pair": "对",
    "pairs kept, divided and mixed for LLaMA at 2048 tokens, s = 8": "LLaMA（2048 个 token，s = 8）不动、除以 s、混合的对数",
    "pairs with an unseen arc": "有未见弧的对数", "measured": "实测", "from geometry": "由几何推得",
    "radians from a trained angle": "与训练过角度之差（弧度）",
    "slow pairs, radians from the nearest trained angle": "慢的对：与最近的训练过角度之差（弧度）",
    "largest of them": "其中最大者", "fast pairs, the same in steps of the pair": "快的对：以该对的步长计",
    "steps": "步数", "steps from a trained angle": "与训练过角度之差（步）", "last position": "最后位置",
    "interpolated": "插值后", "trained up to": "训练到", "difference of the two forms": "两种写法之差",
    "steps from the nearest trained angle": "与最近的训练过角度之差（步）", "by parts": "NTK-by-parts",
    "frequency over the trained one": "频率与训练时之比", "turns in training": "训练中的圈数",
    "over 32 turns": "超过 32 圈", "between": "其间", "under one": "不到 1 圈", "pairs": "对数",
    "method": "方法", "share of the drop left": "降幅剩余份额", "unchanged": "不改动", "interpolation": "插值",
    "share left by interpolation, times s²": "插值剩余份额乘 s²",
    "share left by NTK-aware scaling, over ln base / ln raised base": "NTK-aware 剩余份额与 ln base / ln 新 base 之比",
    "share left by parts": "NTK-by-parts 剩余份额",
}

if __name__ == "__main__":
    main()
