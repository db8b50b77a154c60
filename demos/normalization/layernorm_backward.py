r"""LayerNorm's backward pass takes two directions out of the gradient: the mean, and x̂ itself.

LayerNorm 的反向从梯度里去掉两个方向：均值方向与 x̂ 方向。

Ba, Kiros & Hinton 2016; Xu et al. 2019. Turn `way` to "constants": the mean and the variance are held
fixed in the backward pass, and both directions stay in. 把 `way` 改为 "constants"：反向时把均值与方差当作常数，
两个方向就都留在梯度里。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import finite_difference


@exercise(
    claims=("equals_autograd", "gradient_has_no_part_along_1_and_x_hat", "large_tokens_get_small_gradients"),
    wrong=("constants", "only_the_mean", "gain_afterwards", "forgets_the_deviation", "gain_gradient_per_token"),
)
def backward(dy: Tensor, x: Tensor, gain: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of a loss by x (tokens, width), gain (width,) and bias (width,) of LayerNorm
    gain · x̂ + bias, from dy (tokens, width), its gradient by the output.

    由损失对输出的梯度 dy (tokens, width)，求它对 LayerNorm（gain · x̂ + bias）的 x (tokens, width)、gain (width,)、
    bias (width,) 的梯度，依次返回。"""
    centred = x - x.mean(-1, keepdim=True)
    std = (centred.square().mean(-1, keepdim=True) + eps).sqrt()      # (tokens, 1)
    x_hat = centred / std
    g = gain * dy                                                     # the gradient by x̂
    dx = (g - g.mean(-1, keepdim=True) - x_hat * (g * x_hat).mean(-1, keepdim=True)) / std
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def statistics_as_constants(dy, x, gain, eps):
    """The wrong way: as if the mean and the deviation did not depend on x."""
    _, dgain, dbias = backward(dy, x, gain, eps)
    return gain * dy / (x.var(-1, correction=0, keepdim=True) + eps).sqrt(), dgain, dbias


def mean_only(dy, x, gain, eps):
    """The wrong way: the mean depends on x, the deviation does not."""
    dx, dgain, dbias = statistics_as_constants(dy, x, gain, eps)
    return dx - dx.mean(-1, keepdim=True), dgain, dbias


def undivided(dy, x, gain, eps):
    """The wrong way: both directions taken out, but σ forgotten."""
    dx, dgain, dbias = backward(dy, x, gain, eps)
    return dx * (x.var(-1, correction=0, keepdim=True) + eps).sqrt(), dgain, dbias


WAYS = {"right": backward, "constants": statistics_as_constants, "mean only": mean_only,
        "undivided": undivided}

RANGES = {
    "tokens": between(1, 16),
    "width": between(3, 32),
    "eps": between(1e-8, 1e-3),
    "sizes": each(between(0.1, 1000.0), at_least=2, rising=True),
    "way": one_of("right", "constants", "mean only", "undivided"),
}
CONSTANTS = breaks(
    way="constants", en="With the statistics held fixed, nothing is taken out of the gradient.",
    zh="把统计量当作常数，梯度里什么也没有去掉。",
)
MEAN_ONLY = breaks(
    way="mean only", en="The variance depends on x too: its term takes out the part along x̂.",
    zh="方差同样依赖 x：少了它那一项，x̂ 方向就留在梯度里。",
)


def inputs(tokens: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """dy, x with mean 1 and deviation 2, and a gain, in float64."""
    dy, x = torch.randn(2, tokens, width, dtype=torch.float64)
    return dy, 2 * x + 1, torch.rand(width, dtype=torch.float64) + 0.5


@CONSTANTS
@MEAN_ONLY
def claim_equals_autograd(tokens=5, width=12, eps=1e-5, way="right"):
    """dx = (g − mean(g) − x̂·mean(g·x̂))/σ with g = γ·dy is what autograd and finite differences give.

    dx = (g − mean(g) − x̂·mean(g·x̂))/σ，其中 g = γ·dy，与 autograd 和有限差分一致。"""
    dy, x, gain = inputs(tokens, width)
    bias = torch.zeros(width, dtype=torch.float64)
    leaves = [t.clone().requires_grad_() for t in (x, gain, bias)]
    F.layer_norm(leaves[0], (width,), leaves[1], leaves[2], eps).backward(dy)
    dx, dgain, dbias = WAYS[way](dy, x, gain, eps)
    moved = finite_difference(lambda row: (F.layer_norm(row, (width,), gain, bias, eps) * dy[0]).sum(), x[0])
    show(heatmap((dx - gain * dy / (x.var(-1, correction=0, keepdim=True) + eps).sqrt()).abs(),
                 x_label="feature", y_label="token", title="what the statistics change in dx"))
    for name, mine, leaf in zip(("x", "gain", "bias"), (dx, dgain, dbias), leaves, strict=True):
        expect(f"gradient by {name} less autograd's", mine - leaf.grad, equals=0, within=1e-11)
    # A step of 1e-6: second order 1e-12 and rounding 1e-16 / 1e-6, both times sizes near 10.
    expect("gradient by the first token less finite differences", dx[0] - moved, equals=0, within=1e-7)


@CONSTANTS
@MEAN_ONLY
def claim_gradient_has_no_part_along_1_and_x_hat(tokens=5, width=12, eps=1e-5, way="right"):
    """The gradient by x sums to 0 over the features, and along x̂ only ε is left of it, whatever γ:
    a shift and a scale of the token do not move the loss.

    对 x 的梯度在特征上之和为 0，沿 x̂ 的分量只剩与 ε 有关的一点，与 γ 无关：token 的平移与缩放不改变损失。"""
    dy, x, gain = inputs(tokens, width)
    dx, g = WAYS[way](dy, x, gain, eps)[0], gain * dy
    var = x.var(-1, correction=0)
    x_hat = F.layer_norm(x, (width,), eps=eps)
    left = (g * x_hat).sum(-1) * eps / (var + eps) ** 1.5               # closed form, 0 for ε = 0
    cosines = {name: [F.cosine_similarity(v, u, dim=-1).abs().mean() for u in (torch.ones_like(x), x_hat)]
               for name, v in (("γ·dy", g), ("dx", dx))}
    show(bars(["along 1", "along x̂"], cosines, y_label="mean |cosine|"))
    expect("sum of the gradient over the features", dx.sum(-1), equals=0, within=1e-12)
    expect("part along x̂ less what ε leaves", (dx * x_hat).sum(-1) - left, equals=0, within=1e-12)


@breaks(way="undivided", en="Without the division by σ a large token gets as large a gradient as a small one.",
        zh="不除以 σ，大的 token 得到的梯度就与小的一样大。")
def claim_large_tokens_get_small_gradients(width=12, sizes=(1.0, 10.0, 100.0), way="right"):
    """A token a times as large gets a gradient 1/a as large: taken by one step, its relative change
    falls with 1/a².

    token 放大到 a 倍，梯度降为 1/a；走一步，它的相对变化按 1/a² 下降。"""
    dy, x, gain = inputs(1, width)
    grads = [WAYS[way](dy, a * x, gain, 0.0)[0] for a in sizes]
    show(lines("size of the token", sizes,
               {"gradient": [d.norm() for d in grads],
                "gradient / size": [d.norm() / (a * x).norm() for d, a in zip(grads, sizes, strict=True)]},
               log="xy"))
    moved = finite_difference(lambda row: (F.layer_norm(row, (width,), gain, eps=0.0) * dy[0]).sum(),
                              sizes[-1] * x[0], step=1e-6 * sizes[-1])
    for a, d in zip(sizes, grads, strict=True):
        # The finite difference errs by 1e-10 of a slope near 1 / size.
        expect(f"gradient at size {a:g}, times the size, over that of finite differences",
               (d * a).norm() / (moved * sizes[-1]).norm(), equals=1, within=1e-6)


ZH = {
    "γ·dy": "γ·dy",
    "dx": "dx",
    "feature": "特征",
    "what the statistics change in dx": "统计量对 dx 的改变",
    "gradient by {} less autograd's": "对 {} 的梯度与 autograd 之差",
    "gradient by the first token less finite differences": "对首个 token 的梯度与有限差分之差",
    "along 1": "沿 1",
    "along x̂": "沿 x̂",
    "mean |cosine|": "平均 |余弦|",
    "sum of the gradient over the features": "梯度在特征上之和",
    "part along x̂ less what ε leaves": "沿 x̂ 的分量与 ε 剩余之差",
    "size of the token": "token 的大小",
    "gradient / size": "梯度 / 大小",
    "gradient at size {}, times the size, over that of finite differences": "大小为 {} 时梯度乘大小，与有限差分之比",
}

if __name__ == "__main__":
    main()
