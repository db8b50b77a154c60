r"""RoPE in its three layouts: complex numbers, interleaved pairs, and halves as in transformers.

RoPE 的三种写法：复数、相邻配对，以及 transformers 中的前后半分。

Su et al. 2021 (RoFormer), §3.4.2; modeling_llama.py of transformers. Turn `permuted` off: the same
coordinates in another pairing are another rotation. 关掉 `permuted`：坐标不换而配对不同，就是另一种旋转。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, exercise, expect, lines, main, show

F64 = torch.float64


def interleaved(x: Tensor, angle: Tensor) -> Tensor:
    """Pairs (x_0, x_1), (x_2, x_3), …; x (n, d), angle (n, d/2)."""
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


@exercise(
    claims=("complex_form_agrees",), wrong=("turns_backwards", "repeats_each_angle",
                                            "swaps_without_sign"),
)
def halves(x: Tensor, angle: Tensor) -> Tensor:
    """RoPE in the layout of transformers: coordinate i is paired with i + d/2, and the pair turns
    by angle i from the first towards the second. x (n, d), angle (n, d/2), result (n, d).

    transformers 的 RoPE 布局：第 i 维与第 i + d/2 维成对，按第 i 个角由前者转向后者。x 为 (n, d)，angle 为
    (n, d/2)，结果为 (n, d)。"""
    first, second = x.chunk(2, -1)
    both = angle.repeat(1, 2)                                             # (n, d)
    return x * both.cos() + torch.cat((-second, first), -1) * both.sin()


def as_complex(x: Tensor, angle: Tensor) -> Tensor:
    """Pairs as complex numbers times e^(i·angle)."""
    turn = torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(-2)


RANGES = {
    "d_head": between(4, 256, multiple_of=2),
    "length": between(2, 256),
    "base": between(2.0, 1e8),
}


@breaks(permuted=False, en="The same coordinates in another pairing are another rotation.",
        zh="坐标不换而配对不同，就是另一种旋转。")
def claim_complex_form_agrees(d_head=128, length=32, base=10000.0, permuted=True):
    """Rotating pairs is multiplication by e^(imθ) in complex numbers; the half-split layout of
    Llama in transformers is the same up to a permutation of the coordinates, and not without it.

    成对旋转就是复数乘 e^(imθ)；transformers 中 Llama 的前后半分布局只差一个维度置换，不置换则不同。"""
    x, positions = torch.randn(length, d_head, dtype=F64), torch.arange(length, dtype=F64)
    theta = base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)
    angle = positions[:, None] * theta                                    # (length, d/2)
    order = torch.arange(d_head)
    if permuted:                                                          # even coordinates first
        order = order.view(-1, 2).T.flatten()
    gaps = {"complex": as_complex(x, angle) - interleaved(x, angle),
            "half-split": halves(x[:, order], angle) - interleaved(x, angle)[:, order]}
    show(lines("position", positions, {name: gap.abs().amax(1) for name, gap in gaps.items()},
               y_label="largest difference from interleaved pairs"))
    for name, gap in gaps.items():  # of numbers of size 5, in float64
        expect(f"{name} form less interleaved pairs", gap, equals=0, within=1e-14)


ZH = {
    "position": "位置",
    "complex": "复数",
    "half-split": "前后半分",
    "largest difference from interleaved pairs": "与相邻配对的最大差异",
    "{} form less interleaved pairs": "{}形式与相邻配对之差",
}

if __name__ == "__main__":
    main()
