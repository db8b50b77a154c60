r"""Warm-up lets training reach a larger learning rate: while the rate rises, training moves to flatter ground.

预热让训练用得上更大的学习率：学习率上升的过程中，训练走到了更平坦的地方。

Kalra & Barkeshli 2024. Turn `warmup` to 1: training leaves for infinity. Turn `beta1` to 0: Adam's steps on noise do not shrink.
把 `warmup` 改为 1：训练跑向无穷。把 `beta1` 改为 0：噪声上 Adam 的步长不再变小。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("warmup_reaches_a_rate_that_diverges_at_the_start",), wrong=("starts_at_the_target", "never_stops", "ends_at_the_start"))
def warmed_up(step: int, target: float, warmup: int) -> float:
    """The learning rate at step 1, 2, …: rises linearly, reaches target at step `warmup`, stays there.

    第 step 步（从 1 起）的学习率：线性上升，在第 warmup 步达到 target，之后不变。"""
    return target * min(1.0, step / warmup)


def two_factor_descent(a: float, b: float, rates: list[float]) -> tuple[list[float], list[float]]:
    """Gradient descent on ½(a·b − y)², y = 1 ± 0.1 by chance: losses at y = 1 and sharpness (largest eigenvalue of the Hessian)
    before each step and at the end; 1e12 from where it has left for infinity."""
    noise = (torch.rand(len(rates) + 1) < 0.5).tolist()
    losses, sharp = [], []
    for rate, up in zip([*rates, 0.0], noise, strict=True):
        cross = 2 * a * b - 1                                            # ∂²/∂a∂b; ∂²/∂a² = b², ∂²/∂b² = a²
        losses.append((a * b - 1) ** 2 / 2)
        sharp.append((a * a + b * b + math.hypot(a * a - b * b, 2 * cross)) / 2)
        off = a * b - (1.1 if up else 0.9)
        a, b = a - rate * off * b, b - rate * off * a
        if abs(a) + abs(b) > 1e6:
            gone = [1e12] * (len(rates) + 1 - len(losses))
            return losses + gone, sharp + gone
    return losses, sharp


def adam_on_noise(steps: int, numbers: int, beta1: float, beta2: float) -> list[float]:
    """Root mean square of Adam's update over the learning rate, after steps 1, 2, …: gradients are standard normal noise."""
    m, v, sizes = torch.zeros(numbers), torch.zeros(numbers), []
    for t in range(1, steps + 1):
        g = torch.randn(numbers)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        u = m / (1 - beta1**t) / (v / (1 - beta2**t)).sqrt()
        sizes.append(u.square().mean().sqrt().item())
    return sizes


def averaged_noise(steps: int, beta1: float) -> Tensor:
    """Root mean square of the bias-corrected mean of t noisy gradients of variance 1, t = 1, 2, …, in closed form."""
    power = torch.tensor([beta1**t for t in range(1, steps + 1)])
    return ((1 - beta1) * (1 + power) / ((1 + beta1) * (1 - power))).sqrt()


def growth(products: Tensor, beta1: float) -> Tensor:
    """By how much one step of m = β₁·m + (1 − β₁)·λ·w, w = w − lr·m multiplies the worst (w, m), per lr·λ: the larger eigenvalue."""
    matrices = torch.stack([torch.stack([1 - (1 - beta1) * products, torch.full_like(products, -beta1)], -1),
                            torch.stack([(1 - beta1) * products, torch.full_like(products, beta1)], -1)], -2)  # on (w, lr·m)
    return torch.linalg.eigvals(matrices).abs().amax(-1)


RANGES = {
    "target": between(0.55, 0.7), "warmup": one_of(1, 100, 150, 200), "start": between(3.0, 4.0),
    "updates": between(40, 200), "beta1": one_of(0.9, 0.95, 0.0), "beta2": between(0.99, 0.999), "excess": between(0.005, 0.05),
    "beta2s": each(between(0.9, 0.9999), at_least=1, rising=True), "memory": one_of("2/(1 − β₂)", "1/(1 − β₂)"),
}


@breaks(warmup=1, en="At the target from the first step, above 4 over the sharpness, descent leaves for infinity.",
        zh="第一步就用目标学习率，它大于 4 除以曲率，训练跑向无穷。")
def claim_warmup_reaches_a_rate_that_diverges_at_the_start(target=0.6, warmup=150, start=3.0):
    """From a steep start noisy descent on ½(a·b − 1)² diverges at a rate that warm-up reaches: on the way the sharpness falls
    below 2 over the rate.

    在 ½(a·b − 1)² 上带噪声地下降，从陡峭处直接用某个学习率会发散，预热却能达到它：途中曲率降到「2 除以学习率」以下。"""
    steps = 300
    rates = [warmed_up(t, target, warmup) for t in range(1, steps + 1)]
    losses, sharp = two_factor_descent(start, 0.1, rates)
    at_once, _ = two_factor_descent(start, 0.1, [target] * steps)
    show(lines("step", range(1, steps + 1), {"sharpness": [min(s, 1e3) for s in sharp[1:]],
                                             "2 over the learning rate": [2 / max(r, 1e-3) for r in rates]}, log="y"))
    expect("loss without warm-up", at_once[-1], at_least=1e6)
    # the labels' noise of 0.1 keeps the loss near 0.01
    expect("loss at the end, mean of 50 steps", sum(losses[-50:]) / 50, at_most=0.1)
    expect("target times the sharpness at the start, over 4", target * sharp[0] / 4, at_least=1)
    expect("target times the sharpness over 2, mean of the last 50 steps", target * sum(sharp[-50:]) / 50 / 2, at_most=1)
    expect("learning rate after warm-up over the target", [warmed_up(t, target, warmup) / target for t in (warmup, steps)], equals=1)


@breaks(beta1=0.0, en="Without momentum the size is 1.00 at every step: nothing is averaged, and √v is no better early or late.",
        zh="没有动量时，每一步的大小都是 1.00：没有平均，√v 前后也没有好坏之分。")
def claim_early_updates_on_noise_are_large_because_of_momentum(updates=100, beta1=0.9, beta2=0.999):
    """On pure noise the size of Adam's update falls from 1 to √((1 − β₁)/(1 + β₁)), 0.23 for 0.9: momentum averages more
    gradients, the second moment changes nothing.

    在纯噪声上，Adam 更新的大小从 1 降到 √((1 − β₁)/(1 + β₁))，β₁ = 0.9 时为 0.23：这是动量在平均更多梯度，与二阶矩无关。"""
    numbers = 20000
    seen, without = adam_on_noise(updates, numbers, beta1, beta2), adam_on_noise(updates, numbers, 0.0, beta2)
    law = averaged_noise(updates, beta1)
    show(lines("step", range(1, updates + 1), {f"β₁ = {beta1:g}": seen, "β₁ = 0": without, "averaged noise": law},
               y_label="RMS of the update over the rate"))
    # numbers scatter by 1/√(2·numbers); weights of m that differ from those of v's few gradients add under 2 per cent
    expect("size of the update less that of averaged noise", torch.tensor(seen) - law, equals=0, within=0.03)
    expect("size without momentum", without, equals=1, within=0.03)
    expect("last size over the first", seen[-1] / seen[0], at_most=0.3)


@breaks(beta1=0.0, en="Without momentum the threshold is 2.", zh="没有动量时，阈值是 2。")
def claim_averaging_momentum_is_stable_up_to_38(beta1=0.9, excess=0.01):
    """With averaging momentum β₁ descent is stable while learning rate times sharpness is below 2(1 + β₁)/(1 − β₁): 38 for 0.9;
    plain descent has 2.

    带系数 β₁ 的平均动量时，学习率乘曲率小于 2(1 + β₁)/(1 − β₁) 就稳定：β₁ = 0.9 时是 38，普通梯度下降是 2。"""
    threshold = 2 * (1 + beta1) / (1 - beta1)
    products = torch.linspace(0.1, 1.5 * threshold, 60, dtype=torch.float64)
    factors = growth(products, beta1)
    show(lines("learning rate times sharpness", products, {f"growth per step, β₁ = {beta1:g}": factors}))
    near = growth(torch.tensor([1 - excess, 1.0, 1 + excess], dtype=torch.float64) * threshold, beta1)
    expect("growth per step just below", near[0], at_most=1)
    expect("growth per step at the threshold", near[1], equals=1, within=1e-7)           # float64, a root of two equal parts
    expect("growth per step just above", near[2], at_least=1 + excess / 50)
    expect("threshold over that of plain descent", threshold / 2, at_least=19, within=1e-9)


@breaks(memory="1/(1 − β₂)", en="After 1/(1 − β₂) steps over a third of the weight is still missing.",
        zh="1/(1 − β₂) 步之后，还缺三分之一以上的权重。")
def claim_the_second_moment_fills_in_two_over_one_minus_beta2(beta2s=(0.95, 0.99, 0.999), memory="2/(1 − β₂)"):
    """After 2/(1 − β₂) steps 86% of the second moment's final weight is there: 40 steps for β₂ = 0.95, 2,000 for 0.999.

    2/(1 − β₂) 步之后，二阶矩的权重已到最终的 86%：β₂ = 0.95 时 40 步，0.999 时 2000 步。"""
    counts = [round((2 if memory.startswith("2") else 1) / (1 - beta)) for beta in beta2s]
    filled = [sum((1 - beta) * beta**k for k in range(n)) for beta, n in zip(beta2s, counts, strict=True)]
    at = (0.5, 1, 1.5, 2, 3)
    show(lines("steps over 1/(1 − β₂)", at, {f"β₂ = {beta:g}": [1 - beta ** (k / (1 - beta)) for k in at] for beta in beta2s},
               y_label="share of the weight"))
    # (1 − x)^(2/x) lies below e⁻² by up to 0.014 at β₂ = 0.9, and half a step of rounding adds as much
    expect("share of the weight that is there", filled, equals=1 - math.exp(-2), within=0.03, at=("β₂", beta2s))


def drill_warmup_then_decay(rng) -> Drill:
    """The rate of a linear warm-up and a linear decay."""
    peak, warmup, total, step = rng.choice([(1e-4, 10000, 1000000, 5000), (1e-4, 10000, 1000000, 505000), (3e-4, 2000, 100000, 500),
                                            (2e-4, 1000, 10000, 5500), (6e-4, 500, 5500, 3000)])
    value = warmed_up(step, peak, warmup) if step <= warmup else peak * (total - step) / (total - warmup)
    return Drill(
        en=f"The learning rate rises linearly to {peak:g} over {warmup:,} steps, then falls linearly to 0 at step {total:,}. "
           f"What is it at step {step:,}, in units of 1e-4?",
        zh=f"学习率在前 {warmup:,} 步线性升到 {peak:g}，再线性降到第 {total:,} 步的 0。"
           f"第 {step:,} 步时是多少（以 1e-4 为单位）？",
        answer=value * 1e4, within=0.01 * value * 1e4,
        steps=[(f"{peak:g} · {step:,}/{warmup:,}" if step <= warmup
                else f"{peak:g} · ({total:,} − {step:,})/({total:,} − {warmup:,})",) * 2,
               (f"= {value * 1e4:.3g} · 1e-4",) * 2],
        proved_by="warmup_reaches_a_rate_that_diverges_at_the_start",
    )


def drill_stable_rate(rng) -> Drill:
    """The largest stable rate of gradient descent."""
    sharpness = rng.choice([10, 50, 200, 400, 1000])
    return Drill(
        en=f"The largest eigenvalue of the Hessian is {sharpness}. Above which learning rate does plain gradient descent diverge on the "
           "quadratic?",
        zh=f"Hessian 的最大特征值是 {sharpness}。在这个二次函数上，普通梯度下降的学习率超过多少就发散？",
        answer=2 / sharpness, within=0.01 * 2 / sharpness,
        steps=[("|1 − lr·λ| < 1",) * 2, (f"2/{sharpness} = {2 / sharpness:g}",) * 2],
        proved_by="warmup_reaches_a_rate_that_diverges_at_the_start",
    )


ZH = {
    "learning rate times sharpness": "学习率乘曲率", "growth per step, β₁ = {}": "每步的增长，β₁ = {}",
    "growth per step just below": "略低于阈值时每步的增长", "growth per step at the threshold": "阈值处每步的增长",
    "growth per step just above": "略高于阈值时每步的增长", "threshold over that of plain descent": "阈值与普通梯度下降之比",
    "step": "步", "sharpness": "曲率", "2 over the learning rate": "2 除以学习率", "loss without warm-up": "不预热的损失",
    "loss at the end, mean of 50 steps": "最后 50 步的平均损失",
    "target times the sharpness at the start, over 4": "目标学习率乘起点曲率，除以 4",
    "target times the sharpness over 2, mean of the last 50 steps": "目标学习率乘曲率除以 2，最后 50 步平均",
    "learning rate after warm-up over the target": "预热之后的学习率与目标之比",
    "β₁ = {}": "β₁ = {}", "averaged noise": "平均后的噪声", "RMS of the update over the rate": "更新的均方根与学习率之比",
    "size of the update less that of averaged noise": "更新的大小减平均后的噪声", "size without momentum": "无动量时的大小",
    "last size over the first": "最后的大小与最初之比", "steps over 1/(1 − β₂)": "步数除以 1/(1 − β₂)", "β₂ = {}": "β₂ = {}",
    "share of the weight": "权重的份额", "share of the weight that is there": "已有的权重份额", "β₂": "β₂",
}

if __name__ == "__main__":
    main()
