r"""Adam divides each number's averaged gradient by its own recent size: steps depend on signs and agreement, not on scale.

Adam 把每个数的平均梯度除以它自己近来的大小：步长取决于符号与一致性，与尺度无关。

Kingma & Ba 2015, Algorithm 1. Turn `optimizer` to "SGD": the rarer a token, the slower it is learnt.
把 `optimizer` 改为 "SGD"：越少见的 token 学得越慢。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("the_first_step_is_the_rate_times_the_sign", "it_is_what_torch_computes"),
          wrong=("forgets_the_correction", "squares_the_mean", "divides_by_the_square"))
def adam_step(w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, beta1: float, beta2: float, eps: float) -> tuple:
    """Step t = 1, 2, … of Adam: w less lr · m̂ / (√v̂ + eps). w, g, m, v have one shape; returns the new w, m, v.

    Adam 的第 t 步（t = 1, 2, …）：w 减去 lr · m̂ / (√v̂ + eps)。w、g、m、v 形状相同；返回新的 w、m、v。"""
    m = beta1 * m + (1 - beta1) * g                                      # mean of gradients
    v = beta2 * v + (1 - beta2) * g * g                                  # mean of their squares
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)                # both began at 0
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


def descend(gradient, w: Tensor, steps: int, lr: float, optimizer: str, eps: float = 0.0) -> Tensor:
    """w after 0, 1, …, steps steps, (steps + 1, …); `gradient` maps w to its gradient. Adam with 0.9 and 0.999."""
    m, v, path = torch.zeros_like(w), torch.zeros_like(w), [w]
    for t in range(1, steps + 1):
        g = gradient(w)
        if optimizer == "Adam":
            w, m, v = adam_step(w, g, m, v, t, lr, 0.9, 0.999, eps)
        else:
            w = w - lr * g
        path.append(w)
    return torch.stack(path)


RANGES = {
    "scales": each(between(1e-3, 1e3), at_least=1, rising=True), "correction": one_of("on", "off"), "lr": between(1e-4, 0.1),
    "steps": between(5, 100), "loss_scale": one_of(1000.0, 0.001, 1e-9), "optimizer": one_of("Adam", "SGD"),
    "frequencies": each(between(0.001, 0.4), at_least=2, at_most=6), "axes": one_of("diagonal", "turned"),
    "numbers": between(10, 1000), "beta2": between(0.9, 0.9999),
}


@breaks(correction="off", en="Uncorrected, the first step is (1 − β₁)/√(1 − β₂) = 3.2 times the rate.",
        zh="不做偏差校正，第一步是学习率的 (1 − β₁)/√(1 − β₂) = 3.2 倍。")
def claim_the_first_step_is_the_rate_times_the_sign(scales=(1e-3, 1.0, 1e3), lr=0.01, correction="on"):
    """Adam's first step moves every number by the learning rate against the sign of its gradient, whatever the gradient's size.

    Adam 的第一步让每个数逆着梯度的符号移动一个学习率，与梯度大小无关。"""
    g = torch.tensor(scales, dtype=torch.float64)
    zero = torch.zeros_like(g)
    # at step t = 10⁶ both corrections are 1 to float64's precision
    moved, _, _ = adam_step(zero, g, zero, zero, 1 if correction == "on" else 10**6, lr, 0.9, 0.999, 1e-8)
    show(table({"gradient": scales, "first step of Adam": -moved, "first step of SGD": lr * g}))
    expect("first step over the learning rate", -moved / lr, equals=1, within=2e-8 / min(scales),        # eps / |g|
           at=("gradient", scales))


@breaks(loss_scale=1e-9, en="Gradients near eps = 1e-8 are no longer divided by their own size.",
        zh="梯度接近 eps = 1e-8 时，就不再除以自身的大小了。")
def claim_the_loss_may_be_scaled(loss_scale=1000.0, steps=50, lr=0.019):
    """Scaled by 1,000 a loss gives Adam the same path; SGD at the same rate diverges, since its step grows with the gradient.

    损失乘以 1000，Adam 的轨迹不变；同样学习率的 SGD 则发散，因为它的步长随梯度变大。"""
    curvature = torch.tensor([100.0, 1.0], dtype=torch.float64)
    start = torch.ones(2, dtype=torch.float64)
    plain = descend(lambda w: curvature * w, start, steps, lr, "Adam", 1e-8)
    scaled = descend(lambda w: loss_scale * curvature * w, start, steps, lr, "Adam", 1e-8)
    sgd = descend(lambda w: curvature * w, start, steps, lr, "SGD")
    show(lines("step", range(steps + 1), {"Adam": plain[:, 1], "Adam, loss scaled": scaled[:, 1], "SGD": sgd[:, 1]}, y_label="w"))
    # eps over the smallest gradient that is met, some 1e-3
    expect("largest difference of Adam's paths", (scaled - plain).abs().max(), equals=0, within=1e-3)
    by_hand = torch.tensor([[(1 - lr * h) ** t for h in (100, 1)] for t in range(steps + 1)], dtype=torch.float64)
    expect("SGD less (1 − lr·h)^t", sgd - by_hand, equals=0, within=1e-9)
    large = descend(lambda w: loss_scale * curvature * w, start, 1, lr, "SGD")
    expect("SGD: step at the scaled loss over its step", (large[1] - start) / (sgd[1] - start) / loss_scale, equals=1, within=1e-9)
    expect("factor of SGD per step at a loss 1,000 times as large", abs(1 - lr * 1000 * 100), at_least=2)


@breaks(optimizer="SGD", en="SGD's step on a token's column is proportional to how often the token comes.",
        zh="SGD 在某个 token 那一列上的步长，与该 token 出现的频率成正比。")
def claim_rare_tokens_learn_as_fast(frequencies=(0.4, 0.1, 0.02, 0.004), steps=40, lr=0.1, optimizer="Adam"):
    """Full-batch Adam lowers the loss of a rare token, with a column of its own, as fast as that of a frequent one; SGD is
    slower in proportion to the frequency.

    全批量的 Adam 使少见 token（各有自己的一列）的损失下降得与常见 token 一样快；SGD 的速度则与频率成正比。"""
    f = torch.tensor(frequencies, dtype=torch.float64)
    classes = len(frequencies)

    def gradient(w: Tensor) -> Tensor:                                   # input c is the unit vector of c: its logits are column c
        return (w.softmax(0) - torch.eye(classes, dtype=w.dtype)) * f    # (classes, classes)

    start = torch.zeros(classes, classes, dtype=torch.float64)
    losses = {name: -descend(gradient, start, steps, lr, name).log_softmax(1).diagonal(dim1=1, dim2=2) for name in ("Adam", "SGD")}
    show(lines("step", range(steps + 1), {f"{name}, frequency {frequencies[i]:g}": loss[:, i] for name, loss in losses.items()
                                         for i in (0, -1)}, y_label="loss of the token"))
    final = losses[optimizer][-1]
    expect("loss of each token over that of the first", final / final[0], equals=1, within=1e-6, at=("frequency", frequencies))
    small = losses["SGD"][0] - losses["SGD"][1]                          # one step, to first order, is lr · f · |p − y|²
    expect("SGD's first gain over the frequency, over that of the first", small / f / (small / f)[0], equals=1, within=lr,
           at=("frequency", frequencies))


@breaks(axes="turned", en="Turned by 45°, each coordinate mixes steep and flat directions, and Adam's path is another.",
        zh="坐标轴转 45° 后，每个坐标都混合了陡与缓的方向，Adam 的轨迹就变了。")
def claim_adam_depends_on_the_axes(steps=50, lr=0.01, axes="diagonal"):
    """On a quadratic whose axes are the coordinates Adam moves steep and flat ones alike; turned by 45° it does not, while
    SGD's path only turns.

    二次函数的主轴与坐标轴一致时，Adam 在陡、缓两个方向走得一样；转 45° 就不再如此，而 SGD 的轨迹只是跟着转。"""
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    curvature = torch.tensor([100.0, 1.0], dtype=torch.float64)
    start = torch.ones(2, dtype=torch.float64)
    turned = {name: descend(lambda w: turn @ (curvature * (turn.T @ w)), turn @ start, steps, lr, name) @ turn for name in ("Adam", "SGD")}
    straight = {name: descend(lambda w: curvature * w, start, steps, lr, name) for name in ("Adam", "SGD")}
    path = straight["Adam"] if axes == "diagonal" else turned["Adam"]
    show(lines("step", range(steps + 1), {"Adam, steep": path[:, 0], "Adam, flat": path[:, 1], "SGD, flat": straight["SGD"][:, 1]},
               y_label="w"))
    expect("Adam: steep less flat", path[:, 0] - path[:, 1], equals=0, within=1e-9)
    equal = descend(lambda w: 100 * w, start, 1, 1 / 100, "SGD")[-1]
    expect("SGD at equal curvature h, one step at rate 1/h", equal, equals=0, within=1e-12)
    expect("SGD: turned less straight", turned["SGD"] - straight["SGD"], equals=0, within=1e-9)


@breaks(correction="off", en="Without bias correction the paths part from the first step on.", zh="不做偏差校正，从第一步起就不同。")
def claim_it_is_what_torch_computes(numbers=100, steps=20, lr=0.01, beta2=0.999, correction="on"):
    """The step by hand is torch's fused Adam, and needs two numbers per weight besides it; momentum needs one, plain SGD none.

    手写的一步就是 torch 的融合 Adam；每个权重另需两个数，动量 SGD 需一个，普通 SGD 不需要。"""
    w = torch.randn(numbers, dtype=torch.float64)
    theirs, m, v, count = w.clone(), torch.zeros_like(w), torch.zeros_like(w), torch.zeros(())
    ours, m1, v1 = w.clone(), torch.zeros_like(w), torch.zeros_like(w)
    plain, pushed, velocity, total = w.clone(), w.clone(), torch.zeros_like(w), torch.zeros_like(w)
    for t in range(1, steps + 1):
        g = torch.randn(numbers, dtype=torch.float64)
        total += g
        for x, momentum, kept in ((plain, 0.0, []), (pushed, 0.9, [velocity])):
            torch._fused_sgd_([x], [g], kept, weight_decay=0.0, momentum=momentum, lr=lr, dampening=0.0, nesterov=False, maximize=False,
                              is_first_step=t == 1)
        count += 1
        torch._fused_adam_([theirs], [g], [m], [v], [], [count], lr=lr, beta1=0.9, beta2=beta2, weight_decay=0.0, eps=1e-8,
                           amsgrad=False, maximize=False)
        ours, m1, v1 = adam_step(ours, g, m1, v1, t if correction == "on" else 10**6, lr, 0.9, beta2, 1e-8)
    show(table({"": ["w", "m", "v"], "by hand": [x[0].item() for x in (ours, m1, v1)], "torch": [x[0].item() for x in (theirs, m, v)]}))
    # the fused kernel keeps its scalars in double: rounding of order 1 over some steps
    expect("by hand less torch's", ours - theirs, equals=0, within=1e-9)
    expect("torch's SGD with nothing kept, less w − lr · Σg", plain - (w - lr * total), equals=0, within=1e-9)
    # what a gradient has still to move is its velocity over 1 − 0.9
    expect("torch's momentum with one number kept, less its sum", pushed - (w - lr * 10 * (total - 0.9 * velocity)), equals=0, within=1e-9)
    expect("numbers kept per weight", (m1.numel() + v1.numel()) / numbers, equals=2)


def drill_half_life(rng) -> Drill:
    """β₂ whose half-life in tokens stays when the batch changes."""
    beta2, factor, way = rng.choice([(0.95, 2, "smaller"), (0.98, 4, "larger"), (0.99, 8, "larger"), (0.95, 5, "smaller"),
                                     (0.9, 4, "smaller")])
    power = 1 / factor if way == "smaller" else factor
    value = beta2**power
    return Drill(
        en=f"A run uses β₂ = {beta2:g}. The batch becomes {factor} times as {'small' if way == 'smaller' else 'large'}. Which β₂ keeps the "
           "half-life of the second moment the same number of tokens?",
        zh=f"某次训练 β₂ = {beta2:g}。batch {'缩小为原来的 1/' + str(factor) if way == 'smaller' else '扩大为 ' + str(factor) + ' 倍'}，"
           "要使二阶矩的半衰期（以 token 计）不变，β₂ 取多少？",
        answer=value, within=0.003,
        steps=[(f"the same tokens take {factor if way == 'smaller' else f'1/{factor}'} times as many steps",
                f"同样的 token 数，步数变为 {factor if way == 'smaller' else f'1/{factor}'} 倍"),
               (f"{beta2:g}^{f'(1/{factor})' if way == 'smaller' else factor} = {value:.3f}",) * 2],
        proved_by="it_is_what_torch_computes",
    )


def drill_sgd_quadratic(rng) -> Drill:
    """Gradient descent on a parabola."""
    h, lr, steps = rng.choice([(10, 0.05, 3), (4, 0.4, 2), (100, 0.019, 2), (2, 0.25, 4), (5, 0.3, 3)])
    value = (1 - lr * h) ** steps
    return Drill(
        en=f"SGD with learning rate {lr:g} runs on f(w) = {h}·w²/2 from w = 1, without noise. Where is w after {steps} steps?",
        zh=f"学习率 {lr:g} 的 SGD（无噪声）在 f(w) = {h}·w²/2 上从 w = 1 出发，{steps} 步之后 w 是多少？",
        answer=value, within=max(0.002, 0.01 * abs(value)),
        steps=[(f"factor per step: 1 − lr·h = {1 - lr * h:g}", f"每步的因子：1 − lr·h = {1 - lr * h:g}"),
               (f"({1 - lr * h:g})^{steps} = {value:.4g}",) * 2],
        proved_by="the_loss_may_be_scaled",
    )


ZH = {
    "gradient": "梯度", "first step of Adam": "Adam 的第一步", "first step of SGD": "SGD 的第一步",
    "first step over the learning rate": "第一步与学习率之比", "step": "步", "Adam": "Adam",
    "Adam, loss scaled": "Adam，损失放大", "SGD": "SGD",
    "w": "w", "largest difference of Adam's paths": "Adam 两条轨迹的最大差",
    "SGD less (1 − lr·h)^t": "SGD 减 (1 − lr·h)^t",
    "factor of SGD per step at a loss 1,000 times as large": "损失大 1000 倍时 SGD 每步的因子",
    "Adam, frequency {}": "Adam，频率 {}", "SGD, frequency {}": "SGD，频率 {}", "loss of the token": "该 token 的损失",
    "loss of each token over that of the first": "各 token 的损失与第一个之比", "frequency": "频率",
    "SGD's first gain over the frequency, over that of the first": "SGD 第一步的收益除以频率，与第一个之比",
    "Adam, steep": "Adam，陡", "Adam, flat": "Adam，缓", "SGD, flat": "SGD，缓", "Adam: steep less flat": "Adam：陡减缓",
    "SGD: step at the scaled loss over its step": "SGD：损失放大后的一步与原来之比，再除以放大倍数",
    "SGD at equal curvature h, one step at rate 1/h": "曲率都为 h 的 SGD，学习率 1/h 的一步",
    "SGD: turned less straight": "SGD：转后减未转", "": "", "m": "m", "v": "v", "by hand": "手写", "torch": "torch",
    "by hand less torch's": "手写减 torch", "numbers kept per weight": "每个权重另存的数",
    "torch's SGD with nothing kept, less w − lr · Σg": "torch 的 SGD（什么都不存）减 w − lr · Σg",
    "torch's momentum with one number kept, less its sum": "torch 的动量 SGD（存一个数）减其累加",
}

if __name__ == "__main__":
    main()
