r"""A norm after a weight makes the loss blind to the weight's scale; the scale then sets the learning rate.

权重之后接归一化，损失就与权重的尺度无关；尺度转而决定有效学习率。

van Laarhoven 2017; Kosson et al. 2023. Turn `norm` to "none": the loss sees the scale, and decay shrinks the
function itself. 把 `norm` 改为 "none"：损失就看得到尺度，权重衰减直接缩小函数本身。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show


def layer(x: Tensor, w: Tensor, norm: str, eps: float = 0.0) -> Tensor:
    """x w with a norm after it: over the batch, or over the width of each sample with or without its mean;
    x (batch, inputs), w (…, inputs, width)."""
    y = x @ w                                                              # (…, batch, width)
    over = -2 if norm == "batch" else -1
    if norm in ("batch", "layer"):
        y = y - y.mean(over, keepdim=True)
    return y if norm == "none" else y / (y.square().mean(over, keepdim=True) + eps).sqrt()


def loss_and_gradient(x: Tensor, target: Tensor, w: Tensor, norm: str, eps: float = 0.0) -> tuple[Tensor, Tensor]:
    """Mean squared error of the layer, and its gradient by w."""
    w = w.detach().requires_grad_()
    loss = (layer(x, w, norm, eps) - target).square().mean((-1, -2))       # (…)
    return loss.detach(), torch.autograd.grad(loss.sum(), w)[0]


RANGES = {
    "batch": between(8, 64),
    "width": between(8, 32),
    "scales": each(between(0.1, 100.0), at_least=2, rising=True),
    "eps": between(0.0, 1.0),
    "rate": between(0.2, 0.4),
    "decay": between(0.1, 0.2),
    "steps": between(240, 400),
    "norm": one_of("batch", "layer", "rms", "none"),
}
NONE = breaks(norm="none", en="Without a norm the output, the loss and the gradient grow with the weight.",
              zh="没有归一化，输出、损失、梯度都随权重变大。")


def inputs(batch: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """x, a target and a weight, in float64."""
    return tuple(torch.randn(n, width, dtype=torch.float64) for n in (batch, batch, width))


@NONE
@breaks(eps=0.1, en="ε is not scaled along: once the outputs are near √ε, the scale shows.",
        zh="ε 不随之缩放：输出小到 √ε 附近，尺度就显现出来。")
def claim_loss_ignores_the_scale(batch=32, width=8, scales=(0.1, 1.0, 10.0), norm="batch", eps=0.0):
    """With ε = 0 the loss after a norm is the same for w and for any positive multiple of it, with BatchNorm,
    LayerNorm or RMSNorm.

    ε = 0 时，归一化之后的损失对 w 与它的任意正倍数相同，BatchNorm、LayerNorm、RMSNorm 都如此。"""
    x, target, w = inputs(batch, width)
    found = {n: torch.stack([loss_and_gradient(x, target, a * w, n, eps)[0] for a in scales])
             for n in {"none", "batch", "layer", "rms", norm}}
    show(lines("scale of the weight", scales, {n: found[n] for n in ("none", "batch", "layer", "rms")}, log="xy",
               y_label="loss"))
    y, least = x @ w, max(eps, 1e-12)                                      # torch's BatchNorm wants a positive ε
    by_torch = {"batch": F.batch_norm(y, None, None, training=True, eps=least),
                "layer": F.layer_norm(y, (width,), eps=least), "rms": F.rms_norm(y, (width,), eps=least)}
    for name, theirs in by_torch.items():
        expect(f"{name} norm less torch's", layer(x, w, name, eps) - theirs, equals=0, within=1e-9)
    for name in (("batch", "layer", "rms") if norm != "none" else ("none",)):
        expect(f"loss over its mean over the scales, {name}", found[name] / found[name].mean(), equals=1,
               within=1e-11, at=("scale", scales))


@NONE
def claim_gradient_is_orthogonal_and_falls_with_the_scale(batch=32, width=8, scales=(0.1, 1.0, 10.0), norm="layer"):
    """Then the gradient has no part along w, and at a·w it is 1/a of that at w: a step turns the weight by an
    angle that falls with 1/‖w‖².

    于是梯度没有沿 w 的分量，在 a·w 处是 w 处的 1/a：走一步转过的角度按 1/‖w‖² 下降。"""
    x, target, w = inputs(batch, width)
    grads = [loss_and_gradient(x, target, a * w, norm)[1] for a in scales]
    unit = loss_and_gradient(x, target, w, norm)[1]
    show(lines("scale of the weight", scales,
               {"gradient": [g.norm() for g in grads],
                "angle of a step": [g.norm() / (a * w).norm() for g, a in zip(grads, scales, strict=True)]},
               log="xy"))
    expect("cosine of gradient and weight", [(g * w).sum() / g.norm() / w.norm() for g in grads], equals=0,
           within=1e-9, at=("scale", scales))
    expect("gradient times the scale, less that of scale 1",
           torch.stack([g * a - unit for g, a in zip(grads, scales, strict=True)]), equals=0, within=1e-10)


@NONE
def claim_decay_sets_the_angle_of_a_step(batch=8, width=8, rate=0.2, decay=0.1, steps=240, norm="layer"):
    """Under SGD with weight decay λ and random targets the weight settles where each step turns it by about
    √(2ηλ), whatever its size at the start: decay sets the effective learning rate.

    带权重衰减 λ 的 SGD，目标随机时，无论权重起初多大，都会稳定到每步转过约 √(2ηλ) 的状态：衰减决定有效学习率。"""
    x = torch.randn(steps, batch, width)
    targets, w0 = torch.randn(steps, batch, width), F.normalize(torch.randn(width, width), dim=(0, 1))
    w, angles = torch.stack((w0 / 2, 4 * w0)), []                          # (starts, width, width)
    for t in range(steps):
        new = w - rate * (loss_and_gradient(x[t], targets[t], w, norm)[1] + decay * w)
        angles.append(torch.acos(F.cosine_similarity(new.flatten(1), w.flatten(1)).clamp(max=1)))
        w = new
    angle = torch.stack(angles)                                            # (steps, starts)
    show(lines("step", range(0, steps, 4), {"length 0.5": angle[::4, 0], "length 4": angle[::4, 1]}, log="y",
               y_label="radians per step"))
    # The length wanders about its equilibrium: within 0.15 in a hundred draws from the ranges.
    expect("angle per step over √(2ηλ), last quarter",
           angle[-(steps // 4):].square().mean(0).sqrt() / (2 * rate * decay) ** 0.5, equals=1, within=0.2,
           at=("length", (0.5, 4)))


def drill_effective_rate(rng) -> Drill:
    """How a larger weight slows a normalised layer."""
    grown, unit = rng.choice([(2, 0.12), (3, 0.09), (5, 0.5), (10, 0.2), (4, 0.16)])
    x, target, w = torch.randn(16, 4).double(), torch.randn(16, 4).double(), torch.randn(4, 4).double()
    slope = [loss_and_gradient(x, target, a * w, "layer")[1].norm() / a for a in (1.0, float(grown))]
    angle = unit * (slope[1] / slope[0]).item()
    return Drill(
        en=f"A weight before a LayerNorm turns by {unit} rad in one SGD step. By how much would it turn in the same "
           f"step if it were {grown} times as large (ε = 0, no decay, small angles)?",
        zh=f"LayerNorm 之前的权重走一步 SGD 转过 {unit} 弧度。若它放大到 {grown} 倍，同样一步转过多少（ε = 0，无衰减，小角度）？",
        answer=angle, within=0.03 * angle,
        steps=[
            (f"the gradient is 1/{grown} as large", f"梯度是原来的 1/{grown}"),
            (f"it is compared with a weight {grown} times as long", f"而权重长度是 {grown} 倍"),
            (f"{unit} / {grown}² = {angle:.4g}", f"{unit} / {grown}² = {angle:.4g}"),
        ],
        proved_by="gradient_is_orthogonal_and_falls_with_the_scale",
    )


ZH = {
    "scale of the weight": "权重的尺度",
    "scale": "尺度",
    "batch": "BatchNorm",
    "layer": "LayerNorm",
    "rms": "RMSNorm",
    "none": "无归一化",
    "loss over its mean over the scales, {}": "损失与各尺度均值之比，{}",
    "batch norm less torch's": "batch norm 与 torch 之差",
    "layer norm less torch's": "layer norm 与 torch 之差",
    "rms norm less torch's": "rms norm 与 torch 之差",
    "angle of a step": "一步转过的角度",
    "cosine of gradient and weight": "梯度与权重的余弦",
    "gradient times the scale, less that of scale 1": "梯度乘尺度，与尺度 1 处之差",
    "step": "步",
    "radians per step": "每步弧度",
    "length {}": "长度 {}",
    "length": "长度",
    "angle per step over √(2ηλ), last quarter": "后四分之一每步角度与 √(2ηλ) 之比",
}

if __name__ == "__main__":
    main()
