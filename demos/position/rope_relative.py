r"""RoPE rotates q and k by their own positions, and the score sees only the difference.

RoPE 按各自的位置旋转 q 与 k，而得分只看得到位置之差。

Su et al. 2021 (RoFormer), §3.2. Pair i of a head's d coordinates is turned by m·θ_i at position m, with
θ_i = base^(−2i/d). Everything runs in float64, so that what is left is rounding. Turn `shift`: the score must not
notice it. Turn `base`: the slow end of the frequencies.
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import expect, heatmap, lines, main, show, table

F64 = torch.float64


def frequencies(d: int, base: float) -> Tensor:
    """θ_i for the d/2 pairs of one head."""
    return base ** (-torch.arange(0, d, 2, dtype=F64) / d)                        # (d/2,)


def rotate(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """RoPE on interleaved pairs (x_0, x_1), (x_2, x_3), …; x is (..., n, d) and positions (n,)."""
    angle = positions[:, None].to(F64) * frequencies(x.shape[-1], base)              # (n, d/2)
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)         # (..., n, d)


def rotate_half_split(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """RoPE as Llama checkpoints in transformers have it: coordinate i is paired with i + d/2."""
    angle = (positions[:, None].to(F64) * frequencies(x.shape[-1], base)).repeat(1, 2)       # (n, d)
    first, second = x.chunk(2, dim=-1)
    return x * angle.cos() + torch.cat((-second, first), dim=-1) * angle.sin()


def sinusoids(positions: Tensor, d: int, base: float = 10000.0) -> Tensor:
    """The additive code of 2017, for contrast."""
    angle = positions[:, None].to(F64) * frequencies(d, base)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)               # (n, d)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of one head; all (n, d)."""
    scores = q @ k.T / math.sqrt(q.shape[-1])
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -math.inf).softmax(-1) @ v


def claim_score_depends_on_offset_only(d=128, length=32, shift=1000, base=10000.0):
    """Rotated q and k give a score that depends on the offset n − m alone: moving both changes nothing, adding
    a position vector does.

    旋转后的 q、k 的得分只取决于位置差 n − m：两者同时平移毫无影响，而加法式位置向量则不然。"""
    q, k = torch.randn(2, 1, d, dtype=F64).expand(2, length, d)                      # one q and one k, put at every position
    here, there = torch.arange(length), torch.arange(length) + shift
    rotated, moved = (rotate(q, p, base) @ rotate(k, p, base).T for p in (here, there))          # (m, n)
    added, added_moved = ((q + sinusoids(p, d, base)) @ (k + sinusoids(p, d, base)).T for p in (here, there))
    change, added_change = (moved - rotated).abs().max(), (added_moved - added).abs().max()
    show(heatmap(rotated, x_label="n (key)", y_label="m (query)", title="q·k after RoPE: constant along each diagonal"),
         table(("position code", f"largest change when both move by {shift}"), [("RoPE", change), ("added sinusoids", added_change)]))
    expect("largest change of the RoPE score under the shift", change, equals=0, within=1e-9)
    expect("largest change of the score with added sinusoids", added_change, at_least=0.1)
    expect("RoPE score at m = n, less the unrotated q·k", rotated.diagonal() - (q[0] @ k[0]), equals=0, within=1e-10)
    expect("spread of the RoPE score over offsets", rotated[0].std(), at_least=0.1)


def claim_rotation_preserves_norms(d=128, length=32, base=10000.0):
    """Rotating q leaves its norm as it was at every position; adding a position vector changes it.

    旋转 q 在任何位置都不改变其范数；加上位置向量则会改变。"""
    q, positions = torch.randn(1, d, dtype=F64).expand(length, d), torch.arange(length)
    before = q.norm(dim=-1)
    rotated, added = rotate(q, positions, base).norm(dim=-1), (q + sinusoids(positions, d, base)).norm(dim=-1)
    show(lines("position", positions, {"rotated": rotated, "added": added}, y_label="norm of q"))
    expect("norm after rotation, less the norm before", rotated - before, equals=0, within=1e-12, at=("position", positions))
    expect("largest change of the norm by addition", (added - before).abs().max(), at_least=0.1)


def claim_complex_form_agrees(d=128, length=32, base=10000.0):
    """Rotating pairs is multiplication by e^(imθ) in complex numbers; the half-split layout is the same up to a
    permutation, and not without it.

    成对旋转就是复数乘 e^(imθ)；前后半分的布局只差一个维度置换，不置换则结果不同。"""
    x, positions = torch.randn(length, d, dtype=F64), torch.arange(length)
    real = rotate(x, positions, base)
    phase = torch.polar(torch.ones(length, d // 2, dtype=F64), positions[:, None] * frequencies(d, base))
    complex_form = torch.view_as_real(torch.view_as_complex(x.reshape(length, d // 2, 2)) * phase).flatten(-2)
    to_halves = torch.cat((torch.arange(0, d, 2), torch.arange(1, d, 2)))            # even coordinates first, then odd
    gaps = {"complex multiplication": complex_form - real,
            "half-split, coordinates permuted": rotate_half_split(x[:, to_halves], positions, base) - real[:, to_halves],
            "half-split, same coordinates": rotate_half_split(x, positions, base) - real}
    same, permuted, careless = (gap.abs().max() for gap in gaps.values())
    show(table({"form": list(gaps), "largest difference from interleaved pairs": [same, permuted, careless]}))
    expect("difference of the complex form", same, equals=0, within=1e-10)
    expect("difference of the half-split form after the permutation", permuted, equals=0, within=1e-10)
    expect("difference of the half-split form without it", careless, at_least=0.1)


def claim_rotating_v_makes_output_position_dependent(d=128, length=32, shift=1000, base=10000.0):
    """With q and k rotated the output ignores a common shift; rotating v as well makes it move, unless the
    output is rotated back.

    只旋转 q、k 时，整体平移不改变输出；若连 v 也旋转，输出就随绝对位置改变，除非再把输出反向旋转。"""
    q, k, v = torch.randn(3, length, d, dtype=F64)

    def outputs(positions: Tensor) -> dict[str, Tensor]:
        q_at, k_at = rotate(q, positions, base), rotate(k, positions, base)
        with_v = attend(q_at, k_at, rotate(v, positions, base))
        return {"q, k": attend(q_at, k_at, v), "q, k, v": with_v,
                "q, k, v and the output back": rotate(with_v, -positions, base)}

    here, there = outputs(torch.arange(length)), outputs(torch.arange(length) + shift)
    change = {name: (there[name] - here[name]).abs().max() for name in here}
    show(table(("rotated", f"largest change of the output when all move by {shift}"), list(change.items())))
    expect("change with q and k rotated", change["q, k"], equals=0, within=1e-9)
    expect("change with v rotated as well", change["q, k, v"], at_least=0.01)
    expect("change with the output rotated back", change["q, k, v and the output back"], equals=0, within=1e-9)


def claim_rotation_is_not_an_addition(width=16, m=5, n=12, base=10000.0):
    """RoPE multiplies: R_mᵀR_n = R_(n−m), R_m 0 = 0, and the displacement R_m q − q differs from one q to the next.

    RoPE 是乘法：R_mᵀR_n = R_(n−m)，R_m 0 = 0，而且位移 R_m q − q 随 q 而变。"""

    def matrix(position: int) -> Tensor:
        return rotate(torch.eye(width, dtype=F64), torch.full((width,), position), base).T       # columns: images of the basis

    q = torch.randn(8, width, dtype=F64)
    composed = (matrix(m).T @ matrix(n) - matrix(n - m)).abs().max()
    of_zero = (matrix(m) @ torch.zeros(width, dtype=F64)).abs().max()
    spread = (q @ matrix(m).T - q).std(0).max()                                      # 0 if a vector were added
    show(heatmap(matrix(m), title=f"R at position {m}: a block-diagonal matrix of 2×2 rotations"),
         table(("quantity", "value"), [("largest entry of RmᵀRn − R(n−m)", composed), ("largest entry of Rm 0", of_zero),
                                       ("spread of Rm q − q over 8 different q", spread)]))
    expect("largest entry of R_mᵀR_n − R_(n−m)", composed, equals=0, within=1e-12)
    expect("R_m applied to zero", of_zero, equals=0)
    expect("spread of the displacement over different q", spread, at_least=0.1)


def claim_frequencies_run_from_one_to_base_inverse(d=128, bases=(10000.0, 500000.0), trained=(4096, 8192)):
    """The measured turn per token falls geometrically from 1 rad to base^(−(d−2)/d), nearly 1/base; the slowest
    pairs never finish a turn in training.

    逐 token 实测的转角从 1 弧度按等比降到 base^(−(d−2)/d)，约为 1/base；最慢的那些维度对在训练长度内转不完一圈。"""
    rows, measured = [], {}
    east = torch.tensor((1.0, 0.0), dtype=F64).repeat(d // 2)[None]                  # every pair points along its first axis
    for base, length in zip(bases, trained, strict=True):
        turned = rotate(east, torch.tensor([1]), base).reshape(d // 2, 2)
        theta = torch.atan2(turned[:, 1], turned[:, 0])                              # the angle of one token, measured
        wavelength = 2 * math.pi / theta
        measured[f"base {base:g}"] = theta
        rows.append((f"{base:g}", theta[0], theta[-1], wavelength[-1], length, int((wavelength > length).sum())))
    columns = ("base", "first θ", "last θ", "longest wavelength (tokens)", "trained length", "pairs without a full turn")
    show(lines("pair i", range(d // 2), measured, log="y", y_label="radians per token"), table(columns, rows))
    for (_, first, last, *_), base, theta in zip(rows, bases, measured.values(), strict=True):
        expect(f"first angle, base {base:g}", first, equals=1, within=1e-12)
        expect(f"last angle × base^((d−2)/d), base {base:g}", last * base ** ((d - 2) / d), equals=1, within=1e-6)
        expect(f"ratio of neighbouring angles, base {base:g}", theta[1:] / theta[:-1], equals=base ** (-2 / d), within=1e-6)
    faster = [math.floor(d / 2 * math.log(n / (2 * math.pi), b)) + 1 for b, n in zip(bases, trained, strict=True)]
    expect("pairs without a full turn", [row[-1] for row in rows], equals=[d // 2 - f for f in faster], at=("base", bases))


def claim_frequencies_use_the_head_dimension(d_model=512, heads=8, base=10000.0):
    """Split first, and every head has the same frequencies; take d = d_model, and each head is left with
    another narrow band.

    先拆头，各头的频率全同；若取 d = d_model，则每个头只分到一段不同的窄频带。"""
    d, one = d_model // heads, torch.tensor([1])
    x = torch.tensor((1.0, 0.0), dtype=F64).repeat(d_model // 2)[None]               # (1, d_model)

    def angles(turned: Tensor) -> Tensor:
        pairs = turned.reshape(heads, d // 2, 2)
        return torch.atan2(pairs[..., 1], pairs[..., 0])                             # (heads, d/2)

    after = angles(rotate(x.reshape(heads, 1, d), one, base))                        # split, then rotate
    before = angles(rotate(x, one, base))                                            # rotate the whole width, then split
    show(table({"head": range(heads), "slowest, d = d_head": after.min(1).values,
                "fastest, d = d_model": before.max(1).values, "slowest, d = d_model": before.min(1).values}))
    expect("difference between heads with d = d_head", (after - after[0]).abs().max(), equals=0)
    expect("slowest angle of head 0 over that of the last head, d = d_model", before[0].min() / before[-1].min(), at_least=10)


def claim_rotation_comes_last(d=128, length=32, shift=1000, base=10000.0):
    """Project, normalise, then rotate keeps the score relative; rotating before W_Q, or before a norm with gains,
    breaks it.

    先投影、再归一化、最后旋转，得分保持相对；在 W_Q 之前旋转，或在带增益的归一化之前旋转，都会破坏它。"""
    x = torch.randn(length, d, dtype=F64)
    w_q, w_k = torch.randn(2, d, d, dtype=F64) / math.sqrt(d)
    gain_q, gain_k = 0.5 + torch.rand(2, d, dtype=F64)

    def norm(y: Tensor, gain: Tensor) -> Tensor:
        return y / y.square().mean(-1, keepdim=True).sqrt() * gain

    def scores(p: Tensor) -> dict[str, Tensor]:
        q, k, at = x @ w_q, x @ w_k, rotate(x, p, base)
        return {"project, norm, rotate": rotate(norm(q, gain_q), p, base) @ rotate(norm(k, gain_k), p, base).T,
                "project, rotate, norm": norm(rotate(q, p, base), gain_q) @ norm(rotate(k, p, base), gain_k).T,
                "rotate, project": (at @ w_q) @ (at @ w_k).T}

    here, there = scores(torch.arange(length)), scores(torch.arange(length) + shift)
    change = {name: (there[name] - here[name]).abs().max() for name in here}
    show(table(("order", f"largest change of the scores when all move by {shift}"), list(change.items())))
    expect("change with rotation last", change["project, norm, rotate"], equals=0, within=1e-9)
    expect("change with the norm after rotation", change["project, rotate, norm"], at_least=0.1)
    expect("change with rotation before the projection", change["rotate, project"], at_least=0.1)


def claim_rotated_keys_can_be_cached(d=128, length=32, base=10000.0):
    """A key rotated once, when it is stored, serves every later query: decoding from the cache gives the full
    pass's output.

    key 在写入缓存时旋转一次，此后可供每个 query 使用：逐 token 解码与整段计算输出一致。"""
    q, k, v = torch.randn(3, length, d, dtype=F64)
    positions = torch.arange(length)
    full = attend(rotate(q, positions, base), rotate(k, positions, base), v)
    cache, decoded = torch.empty(0, d, dtype=F64), []
    for t in range(length):
        now = positions[t : t + 1]
        cache = torch.cat((cache, rotate(k[t : t + 1], now, base)))                  # rotated once, never again
        weights = (rotate(q[t : t + 1], now, base) @ cache.T / math.sqrt(d)).softmax(-1)
        decoded.append(weights @ v[: t + 1])
    difference = (torch.cat(decoded) - full).abs().amax(-1)
    show(lines("token", positions, {"difference": difference}, y_label="largest difference"))
    expect("output from the cache, less the full pass", difference, equals=0, within=1e-10, at=("token", positions))


if __name__ == "__main__":
    main()
