r"""RoPE rotates q and k by their own positions, and the score sees only the difference.

RoPE 按各自的位置旋转 q 与 k，而得分只看得到位置之差。

Su et al. 2021 (RoFormer), §3.2. Everything runs in float64, so that what is left is rounding. Turn
`code` to "add": a vector for each position is added instead, and absolute position shows.
把 `code` 改为 "add"：改为给每个位置加上一个向量，绝对位置就会显现。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(
    claims=("score_depends_on_offset_only", "rotation_is_not_an_addition"),
    wrong=("turns_backwards", "pairs_the_halves", "turns_all_pairs_alike", "halves_the_exponent",
           "adds_the_angle"),
)
def rotate(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """RoPE on the interleaved pairs (x_0, x_1), (x_2, x_3), …: at position m pair i turns by m·θ_i
    towards its second axis, θ_i = base^(−2i/d). x and the result are (..., n, d), positions (n,).

    RoPE，作用于相邻维度对 (x_0, x_1)、(x_2, x_3)、……：位置 m 处第 i 对向其第二轴转 m·θ_i，
    θ_i = base^(−2i/d)。x 与结果为 (..., n, d)，positions 为 (n,)。"""
    theta = base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])  # (d/2,)
    angle = positions[:, None].to(F64) * theta                                   # (n, d/2)
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def add(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """The additive code of 2017, shaped alike: sin and cos of the same angles."""
    theta = base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    angle = positions[:, None].to(F64) * theta
    return x + torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def none(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """No position at all."""
    return x


CODES = {"rotate": rotate, "add": add, "none": none}
RANGES = {
    "d_head": between(2, 256, multiple_of=2), "length": between(2, 64),
    "shift": between(1, 100_000), "base": between(2.0, 1e8), "m": between(0, 1000),
    "n": between(0, 1000),
    "code": one_of("rotate", "add", "none"),
}  # fmt: skip
ADD = breaks(code="add", en="Added, the position is seen on its own and not as a difference.",
             zh="若是相加，位置单独就看得见，而不只是差。")


@ADD
@breaks(code="none", en="Without a code the score knows no position at all.",
        zh="不加位置编码，得分就完全不知道位置。")
def claim_score_depends_on_offset_only(
    d_head=128, length=32, shift=1000, base=10000.0, code="rotate"
):
    """Rotated q and k give a score that depends on the offset n − m alone: moving both by the same
    amount changes nothing, whereas with added sinusoids it does.

    旋转后的 q、k 的得分只取决于位置差 n − m：两者同时平移毫无影响；若是加上正弦编码则不然。"""
    q, k = torch.randn(2, d_head, dtype=F64)                        # one of each, at every position
    q_all, k_all = q.expand(length, d_head), k.expand(length, d_head)
    here = torch.arange(length)
    at, moved = (CODES[code](q_all, p, base) @ CODES[code](k_all, p, base).T
                 for p in (here, here + shift))                       # (m, n)
    pairs = torch.view_as_complex(q.view(-1, 2)).conj() * torch.view_as_complex(k.view(-1, 2))
    theta = base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)
    offsets = here[None] - here[:, None]                              # n − m
    closed = (pairs * torch.polar(torch.ones(()).to(F64), offsets[..., None] * theta)).real.sum(-1)
    show(heatmap(at, x_label="n (key)", y_label="m (query)",
                 title="q·k: constant along each diagonal"))
    # an angle of (length + shift) radians is rounded by 1e-16 of itself, times |q||k| of about d
    slack = 1e-15 * (length + shift) * d_head
    expect("change of the score when both move", moved - at, equals=0, within=slack)
    expect("score less its closed form in n − m", at - closed, equals=0, within=slack)
    added = [add(q_all, p, base) @ add(k_all, p, base).T for p in (here, here + shift)]
    expect("change with an added code over the rounding allowed",
           (added[1] - added[0]).abs().max() / slack, at_least=1e4)
    expect("score at m = n less the plain q·k", at.diagonal() - q @ k, equals=0, within=slack)


@ADD
def claim_rotation_preserves_norms(d_head=128, length=32, base=10000.0, code="rotate"):
    """Rotating q leaves its norm as it was at every position; adding a position vector does not.

    旋转 q 在任何位置都不改变其范数；加上位置向量则会改变。"""
    q, positions = torch.randn(1, d_head, dtype=F64).expand(length, d_head), torch.arange(length)
    coded = {name: CODES[name](q, positions, base).norm(dim=-1) for name in ("rotate", "add", code)}
    show(lines("position", positions, {f"norm of q, {c}": y for c, y in coded.items()}))
    expect("norm after over norm before", coded[code] / q.norm(dim=-1), equals=1, within=1e-14,
           at=("position", positions))
    expect("change of the norm by an added code over the rounding allowed",
           (coded["add"] / q.norm(dim=-1) - 1).abs().max() / 1e-14, at_least=1e4)


@ADD
def claim_rotation_is_not_an_addition(d_head=16, m=5, n=12, base=10000.0, code="rotate"):
    """RoPE multiplies by an orthogonal matrix, R_m = exp(m·A): R_mᵀR_n = R_(n−m) and R_m 0 = 0.

    RoPE 乘以一个正交矩阵 R_m = exp(m·A)：R_mᵀR_n = R_(n−m)，且 R_m 0 = 0。"""
    def matrix(position: int) -> Tensor:
        at = torch.full((d_head,), position)
        return CODES[code](torch.eye(d_head, dtype=F64), at, base).T          # images of the basis

    theta = base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)
    generator = torch.block_diag(*(t * torch.tensor(((0, -1), (1, 0)), dtype=F64) for t in theta))
    show(heatmap(matrix(m), title=f"R at position {m}: a block-diagonal matrix of 2×2 rotations"))
    # matrix_exp scales and squares: its error grows with the angle
    expect("R_m less exp(m·A)", matrix(m) - torch.matrix_exp(m * generator), equals=0,
           within=1e-14 * (m + 10))
    expect("R_mᵀR_n less R_(n−m)", matrix(m).T @ matrix(n) - matrix(n - m), equals=0,
           within=1e-15 * (m + n + 10))
    zero = CODES[code](torch.zeros(1, d_head, dtype=F64), torch.tensor([m]), base)
    expect("R_m applied to zero", zero, equals=0)


ZH = {
    "n (key)": "n（key）",
    "m (query)": "m（query）",
    "q·k: constant along each diagonal": "q·k：沿每条对角线不变",
    "change of the score when both move": "两者同时平移时得分的变化",
    "score less its closed form in n − m": "得分与其关于 n − m 的闭式之差",
    "score at m = n less the plain q·k": "m = n 处的得分与原来的 q·k 之差",
    "change with an added code over the rounding allowed": "相加时的变化与容许的舍入之比",
    "change of the norm by an added code over the rounding allowed": "相加时范数的变化与容许的舍入之比",
    "position": "位置",
    "norm of q, {}": "q 的范数，{}",
    "rotate": "旋转",
    "add": "相加",
    "none": "不编码",
    "norm after over norm before": "旋转后与旋转前的范数之比",
    "R at position {}: a block-diagonal matrix of 2×2 rotations": "位置 {} 处的 R：由 2×2 旋转组成的分块对角矩阵",
    "R_m less exp(m·A)": "R_m 与 exp(m·A) 之差",
    "R_mᵀR_n less R_(n−m)": "R_mᵀR_n 与 R_(n−m) 之差",
    "R_m applied to zero": "R_m 作用于零",
}

if __name__ == "__main__":
    main()
