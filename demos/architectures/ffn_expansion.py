r"""Hidden units are what an FFN computes with: each bends its function once; without ReLU none does.

隐藏单元是 FFN 真正的计算单元：每个单元让函数弯折一次；没有 ReLU，一次也没有。

Why the block goes up before it comes down. Toy sizes; the factor 4 is a choice that no claim here
derives. Turn `activation` to "none": every width is one and the same linear map.
把 `activation` 改为 "none"：无论多宽，都只是同一个线性映射。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import Adam

ACTIVATIONS = {"relu": torch.relu, "none": lambda z: z}


def ffn(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, activation: str = "relu") -> Tensor:
    """x (…, tokens, width), w1 (…, width, hidden), b1 (…, 1, hidden), w2 (…, hidden, out)."""
    return ACTIVATIONS[activation](x @ w1 + b1) @ w2                     # (…, tokens, out)


@exercise(claims=("four_units_compute_parity",),
          wrong=("bends_twice_only", "has_no_activation", "forgets_the_line"))
def parity(x: Tensor) -> Tensor:
    """The product of four signs, by four ReLUs of their sum and nothing else that is not linear; x is
    (…, 4) of ±1, the result (…).

    四个 ±1 之积，只许对它们之和用四个 ReLU，其余皆为线性；x 为 (…, 4)，结果为 (…)。"""
    s = x.sum(-1)                                                        # −4, −2, 0, 2 or 4
    return 1 - (s + 4).relu() + 2 * (s + 2).relu() - 2 * s.relu() + 2 * (s - 2).relu()


def fitted(hidden: int, steps: int, width: int, restarts: int, activation: str) -> Tensor:
    """Test error, over the target's variance, of FFNs trained on x₁x₂ + x₃x₄ + …; (restarts,)."""
    def target(x: Tensor) -> Tensor:
        return (x[..., 0::2] * x[..., 1::2]).sum(-1, keepdim=True)

    w1 = (torch.randn(restarts, width, hidden) / width**0.5).requires_grad_()
    b1 = torch.zeros(restarts, 1, hidden, requires_grad=True)
    w2 = (torch.randn(restarts, hidden, 1) / hidden**0.5).requires_grad_()
    x, new = torch.randn(2, restarts, 256, width)
    optimizer = Adam((w1, b1, w2), lr=0.03)
    for _ in range(steps):
        loss = (ffn(x, w1, b1, w2, activation) - target(x)).square().mean((1, 2)).sum()
        optimizer.step(loss)
    with torch.no_grad():
        error = (ffn(new, w1, b1, w2, activation) - target(new)).square().mean((1, 2))
        return error / target(new).var((1, 2))


RANGES = {
    "activation": one_of("relu", "none"),
    "width": between(2, 64),
    "hidden": between(1, 128),
    "tokens": between(1, 64),
    "between_them": one_of("nothing", "relu"),
    "restarts": between(4, 8),
}
NO_ACTIVATION = breaks(activation="none", en="Without ReLU nothing bends, however wide the layer.",
                       zh="没有 ReLU，层再宽也不会弯折。")


@breaks(between_them="relu", en="With ReLU between them no single matrix does the same.",
        zh="中间有 ReLU 时，没有哪一个矩阵能与之相同。")
def claim_without_activation_it_is_one_matrix(width=8, hidden=32, tokens=16, between_them="nothing"):
    """Two matrices with nothing between them are one matrix: going up to 4d and back then buys
    parameters and no function.

    两个矩阵之间没有激活，就等于一个矩阵：升到 4d 再降回来，只多了参数，没有多出任何函数。"""
    x = torch.randn(tokens, width, dtype=torch.float64)
    w1, w2 = torch.randn(width, hidden).double(), torch.randn(hidden, width).double()
    out = ffn(x, w1, torch.zeros(1, hidden).double(), w2, "none" if between_them == "nothing" else "relu")
    gap = (out - x @ (w1 @ w2)).abs().amax(1)
    show(bars([str(t) for t in range(tokens)], {"largest difference": gap}, y_label="by token"))
    # float64: two orders of summing 64 · 128 terms whose sum is below about 1e3
    expect("two matrices less their product", gap, equals=0, within=1e-10)


@NO_ACTIVATION
def claim_each_unit_bends_once(width=8, hidden=32, activation="relu"):
    """Along a line through the inputs the output bends once per hidden unit, by as much as its two weights
    say; these bends are all that changes its slope from end to end.

    沿输入空间的一条直线，每个隐藏单元使输出弯折一次，大小由它的两个权重决定；从一端到另一端，斜率的变化全在这些弯折里。"""
    w1, b1, w2 = (torch.randn(*s, dtype=torch.float64) for s in ((width, hidden), (1, hidden), (hidden, 1)))
    start, way = torch.randn(2, width, dtype=torch.float64)

    def slope(t: Tensor) -> Tensor:
        t = t.detach().requires_grad_()
        y = ffn(start + t[:, None] * way, w1, b1, w2, activation)
        return torch.autograd.grad(y.sum(), t)[0]                        # (hidden,)

    steep = way @ w1                                                     # (hidden,)
    bends = -(start @ w1 + b1[0]) / steep                                # where each unit is 0
    near = (bends[:, None] - bends).abs().fill_diagonal_(torch.inf).amin(1).clamp(max=1) / 3
    found = slope(bends + near) - slope(bends - near)
    show(table({"unit": range(min(hidden, 8)), "at": bends[:8], "slope changes by": found[:8]}))
    ends = slope(torch.stack((bends.min() - 1, bends.max() + 1)))
    told = w2[:, 0] * steep.abs()
    # float64: slopes are sums of up to 128 terms of size up to 100
    expect("change of slope less w₂·|w₁·direction|", found - told, equals=0, within=1e-10)
    expect("slope at the far ends, less all bends", ends[1] - ends[0] - told.sum(), equals=0, within=1e-10)


@NO_ACTIVATION
def claim_four_units_compute_parity(activation="relu"):
    """The product of four signs: the best linear map gets nothing of it, four ReLUs of their sum
    compute it exactly.

    四个符号之积：最好的线性映射一点也拟合不了，对其和用四个 ReLU 就能精确算出。"""
    x = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4)      # (16, 4)
    y = x.prod(1)
    padded = torch.cat((x, torch.ones(16, 1, dtype=torch.float64)), 1)
    line = padded @ torch.linalg.lstsq(padded, y[:, None]).solution
    out = parity(x) if activation == "relu" else line[:, 0]
    errors = [(line[:, 0] - y).square().mean(), (out - y).square().mean()]
    show(bars(["best linear map", "four ReLUs"], {"mean squared error": errors}))
    expect("error of the best linear map", errors[0], equals=1, within=1e-12)     # y has variance 1
    expect("four ReLUs less the product", out - y, equals=0)


@NO_ACTIVATION
def claim_wider_fits_better_at_equal_flops(restarts=4, activation="relu"):
    """On a toy with pairwise products 4d hidden units reach half the error of d or less, at equal
    training FLOPs.

    在由两两乘积构成的玩具任务上，训练 FLOPs 相同时，4d 个隐藏单元的误差不到 d 个的一半。"""
    expansions, width = (1, 4), 8
    errors = [fitted(k * width, 400 // k, width, restarts, activation).median() for k in expansions]
    show(lines("hidden units over width", expansions, {"test error over the variance": errors}))
    expect("error of the narrowest over that of the widest", errors[0] / errors[-1], at_least=2)


def drill_bends(rng) -> Drill:
    """Bends of a function of one input."""
    width, k = rng.choice((64, 256, 512, 768)), rng.choice((2, 4, 8))
    return Drill(
        en=f"An FFN with ReLU has width {width} and expansion {k}. At most how many bends does its output have along "
           f"a straight line through the inputs?",
        zh=f"用 ReLU 的 FFN，宽 {width}，升维 {k} 倍。沿输入空间的一条直线，输出最多有多少个弯折？",
        answer=k * width, within=0.5,
        steps=[("one bend per hidden unit", "每个隐藏单元一个弯折"), (f"{k} · {width} = {k * width}",) * 2],
        proved_by="each_unit_bends_once",
    )


ZH = {
    "largest difference": "最大差异",
    "by token": "逐 token",
    "two matrices less their product": "两个矩阵与其乘积之差",
    "unit": "单元",
    "at": "位置",
    "slope changes by": "斜率改变",
    "change of slope less w₂·|w₁·direction|": "斜率改变与 w₂·|w₁·方向| 之差",
    "slope at the far ends, less all bends": "两端斜率之差减去全部弯折",
    "best linear map": "最好的线性映射",
    "four ReLUs": "四个 ReLU",
    "mean squared error": "均方误差",
    "error of the best linear map": "最好的线性映射的误差",
    "four ReLUs less the product": "四个 ReLU 与乘积之差",
    "hidden units over width": "隐藏单元数与宽度之比",
    "test error over the variance": "测试误差与方差之比",
    "error of the narrowest over that of the widest": "最窄与最宽的误差之比",
}

if __name__ == "__main__":
    main()
