r"""RoPE's frequencies run from one radian per token to about 1/base, over the width of one head.

RoPE 的频率在一个头的宽度内，从每 token 一弧度降到约 1/base。

Su et al. 2021 (RoFormer), §3.2.2. The angles are measured on rotated vectors. Turn `exponent` to 1:
the slow half of the frequencies is missing. 把 `exponent` 改为 1：慢的那一半频率就没有了。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show

F64 = torch.float64


def rotate(x: Tensor, position: int, base: float, exponent: float = 2.0) -> Tensor:
    """RoPE on interleaved pairs; x (..., d). Pair i turns by position · base^(−exponent·i/d)."""
    pair = torch.arange(x.shape[-1] // 2, dtype=F64)
    theta = base ** (-exponent * pair / x.shape[-1])                            # (d/2,)
    turn = torch.polar(torch.ones_like(theta), position * theta)
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(-2)


def measured(turned: Tensor) -> Tensor:
    """The angles of vectors whose pairs pointed along their first axis; (..., d) to (..., d/2)."""
    pairs = turned.unflatten(-1, (-1, 2))
    return torch.atan2(pairs[..., 1], pairs[..., 0])


RANGES = {
    "d_head": between(4, 256, multiple_of=2), "heads": between(2, 16), "base": between(100.0, 1e7),
    "bases": each(between(100.0, 1e7), at_most=4),
    "trained": each(between(16, 1_000_000), same_length="bases"),
    "exponent": between(0.0, 2.0), "split": one_of("before", "after"),
}  # fmt: skip


@breaks(exponent=1.0, en="With i/d in place of 2i/d they end at 1/√base: the slow half is missing.",
        zh="若用 i/d 代替 2i/d，只降到 1/√base：缺了慢的一半。")
def claim_frequencies_run_from_one_to_base_inverse(
    d_head=128, bases=(10000.0, 500000.0), trained=(4096, 8192), exponent=2.0
):
    """The measured turn per token falls geometrically from 1 rad to base^(−(d−2)/d), nearly 1/base;
    the slowest pairs never finish a turn in training.

    逐 token 实测的转角从 1 弧度按等比降到 base^(−(d−2)/d)，约为 1/base；最慢的那些维度对在训练长度内转不完
    一圈。"""
    east = torch.tensor((1.0, 0.0), dtype=F64).repeat(d_head // 2)
    theta = [measured(rotate(east, 1, base, exponent)) for base in bases]       # (d/2,) each
    curves = {f"base {b:g}": t for b, t in zip(bases, theta, strict=True)}
    show(lines("pair i", range(d_head // 2), curves, log="y", y_label="radians per token"))
    expect("first angle", [t[0] for t in theta], equals=1, within=1e-12)
    expect("last angle times base^((d−2)/d)",
           [t[-1] * b ** ((d_head - 2) / d_head) for t, b in zip(theta, bases, strict=True)],
           equals=1, within=1e-6, at=("base", bases))
    # pair i turns n·θ_i in training: a full turn up to i = d/2 · log_base(n / 2π)
    both = list(zip(bases, trained, strict=True))
    full = [d_head / 2 * math.log(n / (2 * math.pi), b) for b, n in both]
    slow = [int((t * n < 2 * math.pi).sum()) for t, n in zip(theta, trained, strict=True)]
    wanted = [d_head // 2 - min(math.floor(f) + 1, d_head // 2) for f in full]
    expect("pairs that never finish a turn in training", slow, equals=wanted, at=("base", bases))


@breaks(split="after", en="Over the whole width each head is left with a narrow band of its own.",
        zh="按整个宽度取频率，每个头只分到一段窄频带。")
def claim_frequencies_use_the_head_dimension(d_head=64, heads=8, base=10000.0, split="before"):
    """Split first, and every head has the same frequencies; rotate the whole width first, and each
    head is left with another narrow band.

    先拆头，各头的频率全同；若先按整个宽度旋转，则每个头只分到一段不同的窄频带。"""
    east = torch.tensor((1.0, 0.0), dtype=F64).repeat(heads, d_head // 2)       # (heads, d_head)
    whole = rotate(east.flatten(), 1, base).unflatten(0, (heads, -1))
    angles = {"before": measured(rotate(east, 1, base)), "after": measured(whole)}[split]
    show(lines("pair of the head", range(d_head // 2),
               {f"head {h}": angles[h] for h in sorted({0, heads // 2, heads - 1})}, log="y",
               y_label="radians per token"))
    expect("angle of a head less that of head 0", angles - angles[0], equals=0)
    expect("slowest angle over fastest, times base^((d−2)/d)",
           angles.amin(1) / angles.amax(1) * base ** ((d_head - 2) / d_head), equals=1, within=1e-6)


def drill_angle(rng) -> Drill:
    """The angle of one pair at one position, where the frequency is a power of ten."""
    d, i, m = rng.choice(
        [(8, 1, 30), (8, 2, 200), (8, 3, 500), (16, 2, 7), (16, 4, 50), (128, 32, 40)]
    )
    turned = measured(rotate(torch.tensor((1.0, 0.0), dtype=F64).repeat(d // 2), 1,
                             10000.0))[i].item() * m
    return Drill(
        en=f"RoPE with base 10000 on heads of width {d}: by how many radians is pair {i} (from 0) "
           f"turned at position {m}?",
        zh=f"RoPE，base 10000，头维度 {d}：位置 {m} 处第 {i} 对（从 0 数）转了多少弧度？",
        answer=turned,
        steps=[(f"θ = 10000^(−2·{i}/{d}) = {10000 ** (-2 * i / d):g}",) * 2,
               (f"{m} · {10000 ** (-2 * i / d):g} = {m * 10000 ** (-2 * i / d):g}",) * 2],
        proved_by="frequencies_run_from_one_to_base_inverse",
    )


ZH = {
    "pair i": "维度对 i",
    "base {}": "base {}",
    "radians per token": "每 token 弧度",
    "base": "base",
    "first angle": "第一个角",
    "last angle times base^((d−2)/d)": "最后一个角乘以 base^((d−2)/d)",
    "pairs that never finish a turn in training": "训练中转不完一圈的维度对",
    "pair of the head": "头内的维度对",
    "head {}": "头 {}",
    "angle of a head less that of head 0": "各头的角与头 0 之差",
    "slowest angle over fastest, times base^((d−2)/d)": "最慢与最快的角之比，乘以 base^((d−2)/d)",
}

if __name__ == "__main__":
    main()
