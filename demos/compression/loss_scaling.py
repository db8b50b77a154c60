r"""Loss scaling lifts small gradients into fp16's range; it makes overflow likelier, so the scale must give way.

损失缩放把小梯度抬进 fp16 的范围；它使上溢更容易发生，所以尺度要能退让。

Micikevicius et al. 2017, §3.2; torch.amp.GradScaler. Turn `scale` to 1: most gradients of this layer are 0 in
fp16.
把 `scale` 改为 1：这一层的大部分梯度在 fp16 里都是 0。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import randn


@exercise(claims=("the_scale_gives_way_and_grows_again",),
          wrong=("steps_all_the_same", "never_grows_again", "forgets_to_unscale"))
def scaled_step(weight: Tensor, grad: Tensor, scale: float, good: int, interval: int) -> tuple[Tensor, float, int]:
    """One step of SGD (rate 1) with dynamic loss scaling: weight (n,); grad (n,) is of the scaled loss and may hold
    inf; `good` steps have passed since the scale last changed. Unscale and step, or skip and halve the scale; after
    `interval` good steps double it. Gives weight, scale and good.

    带动态损失缩放的一步 SGD（学习率 1）：weight (n,)；grad (n,) 是放大后的损失的梯度，可能含 inf；`good` 是上次改变尺度
    以来的正常步数。还原后更新，或者跳过并把尺度减半；每 `interval` 个正常步翻倍。返回 weight、scale 与 good。"""
    if not grad.isfinite().all():
        return weight, scale / 2, 0                                  # nothing of this step is kept
    good += 1
    return weight - grad / scale, scale * 2 if good == interval else scale, good % interval


def gradients(count: int) -> Tensor:
    """Gradients of a deep layer, float64: sizes spread over many powers of ten, most far below 1e-7."""
    sizes = 10 ** (randn(count, seed=3, dtype=torch.float64) * 1.5 - 8.5)
    return sizes * randn(count, seed=4, dtype=torch.float64).sign()


RANGES = {
    "count": between(1000, 20_000),
    "scale": one_of(1.0, 1024.0, 8192.0, 65536.0),
    "start": one_of(65536.0, 16777216.0),
    "interval": between(2, 8),
    "unscaled": one_of("before the step", "never"),
    "peak": between(10.0, 100.0),
}


@breaks(scale=1.0, en="Unscaled, gradients below 3e-8 become 0 in fp16: here most of them.",
        zh="不缩放时，小于 3e-8 的梯度在 fp16 里变为 0：这里占大多数。")
def claim_scaling_saves_small_gradients(count=20_000, scale=65536.0):
    """Scaled by a thousand or more before they are cast to fp16 and unscaled after, gradients of 1e-8 survive;
    without it most of this layer's are 0.

    转换为 fp16 之前放大一千倍以上、之后再还原，1e-8 的梯度就能保住；不放大时，这一层的大部分变为 0。"""
    g = gradients(count)
    scales = [2.0**n for n in range(0, 17, 2)]
    lost = [((g * s).half() == 0).double().mean().item() for s in scales]
    show(lines("loss scale", scales, {"share of gradients that become 0": lost}, log="x"))
    least = 2.0**-25                                                 # below half of fp16's smallest number all is 0
    here = ((g * scale).half() == 0).double().mean().item()
    expect("share that becomes 0, less the share below 2⁻²⁵ / scale", here - (g.abs() <= least / scale).double().mean().item(),
           equals=0, within=1e-9)
    expect("share that becomes 0", here, at_most=0.35)


@breaks(scale=1.0, en="At scale 1 nothing overflows: the danger grows with the scale.", zh="尺度为 1 时不会上溢：危险随尺度增大。")
def claim_scaling_makes_overflow_likelier(scale=65536.0, peak=10.0):
    """Scaling protects from underflow only: a gradient above 65,504 over the scale overflows, 1.0 at a scale of
    65,536.

    缩放只防下溢：超过 65,504 ÷ 尺度 的梯度会上溢，尺度 65,536 时就是 1.0。"""
    g = torch.logspace(-6, float(torch.tensor(peak).log10()), 60, dtype=torch.float64)
    scales = [2.0**n for n in range(0, 21)]
    largest = [g[(g * s).half().isfinite()].amax().item() for s in scales]
    show(lines("loss scale", scales, {"largest gradient that survives": largest,
                                      "65,504 over the scale": [65504 / s for s in scales]}, log="xy"))
    kept = (g * scale).half().isfinite()
    expect("gradients that overflow", (~kept).sum(), at_least=1)
    expect("largest that survives, over 65,504 / scale", g[kept].amax() * scale / 65504, at_most=1.001)


@breaks(unscaled="never", en="Never unscaled, the step is as many thousand times too long as the scale.",
        zh="不还原，步长就放大了尺度那么多倍。")
def claim_the_scale_gives_way_and_grows_again(start=65536.0, interval=4, unscaled="before the step"):
    """After an overflow the step is skipped and the scale halved; after enough good steps it doubles: as
    torch.amp.GradScaler does.

    上溢后跳过这一步并把尺度减半；连续若干步正常后翻倍：与 torch.amp.GradScaler 一致。"""
    made = [1e-3] * 3 + [10.0] + [1e-3] * 12 + [10.0, 1e-3, 1e-3]    # gradients of the unscaled loss
    weight, scale, good, ours = torch.zeros(1), start, 0, []
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=start, growth_interval=interval)
    theirs = []
    for g in made:
        grad = (torch.tensor([g]) * scale).half().float()            # the backward pass ran in fp16
        before = weight
        weight, scale, good = scaled_step(weight, grad, scale, good, interval)
        if unscaled == "never" and good:
            weight = before - grad
        ours.append((weight.item(), scale))
        optimizer.zero_grad()
        factor = scaler.get_scale()
        scaler.scale(torch.zeros(()))                                # starts the scaler, as a first loss would
        parameter.grad = (torch.tensor([g]) * factor).half().float()
        scaler.step(optimizer)
        scaler.update()
        theirs.append((parameter.item(), scaler.get_scale()))
    show(
        lines(
            "step",
            range(1, len(made) + 1),
            {"scale": [s for _, s in ours], "scale of torch's GradScaler": [s for _, s in theirs]},
            log="y",
        )
    )
    expect("scale over torch's", [a[1] / b[1] for a, b in zip(ours, theirs, strict=True)], equals=1)
    # fp16 rounds a scaled gradient by at most 2⁻¹¹ of it, in both alike; float32 adds up at most 19 steps
    expect("weight less torch's", [a[0] - b[0] for a, b in zip(ours, theirs, strict=True)], equals=0, within=1e-6)


ZH = {
    "loss scale": "损失尺度",
    "share of gradients that become 0": "变为 0 的梯度比例",
    "share that becomes 0, less the share below 2⁻²⁵ / scale": "变为 0 的比例减去小于 2⁻²⁵/尺度 的比例",
    "share that becomes 0": "变为 0 的比例",
    "largest gradient that survives": "不上溢的最大梯度",
    "65,504 over the scale": "65,504 除以尺度",
    "gradients that overflow": "上溢的梯度个数",
    "largest that survives, over 65,504 / scale": "不上溢的最大梯度与 65,504/尺度 之比",
    "step": "步",
    "scale": "尺度",
    "scale of torch's GradScaler": "torch 的 GradScaler 的尺度",
    "scale over torch's": "尺度与 torch 之比",
    "weight less torch's": "权重减去 torch 的",
}

if __name__ == "__main__":
    main()
