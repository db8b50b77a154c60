r"""L2 goes through the gradient, decoupled decay does not: under SGD they are one, under Adam the root of v divides L2 away.

L2 经过梯度，解耦的权重衰减不经过：SGD 下两者相同，Adam 下 L2 被 √v 除掉。

Loshchilov & Hutter 2019. Turn `optimizer` to "Adam": L2 and decay part. Turn `style` to "L2": weights with large gradients hardly shrink.
把 `optimizer` 改为 "Adam"：L2 与衰减不再相同。把 `style` 改为 "L2"：梯度大的权重几乎不缩小。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("it_is_what_torch_computes",), wrong=("puts_decay_into_the_gradient", "forgets_the_rate", "decays_in_the_moments"))
def adamw_step(w: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int, lr: float, decay: float) -> tuple:
    """Step t = 1, 2, … of AdamW with β = 0.9, 0.999 and eps = 1e-8: w first shrinks by the factor 1 − lr · decay, then takes
    Adam's step, which the decay does not enter. w, g, m, v have one shape; returns the new w, m, v.

    AdamW 的第 t 步（β = 0.9、0.999，eps = 1e-8）：w 先乘 1 − lr · decay，再走 Adam 的一步，衰减不进入这一步。
    w、g、m、v 形状相同；返回新的 w、m、v。"""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    step = m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return w * (1 - lr * decay) - lr * step, m, v


def run(w: Tensor, gradients: Tensor, lr: float, decay: float, style: str, optimizer: str) -> Tensor:
    """w after each of the given gradients, (steps + 1, …); style "L2" adds decay · w to the gradient, "decoupled" shrinks w."""
    m, v, path = torch.zeros_like(w), torch.zeros_like(w), [w]
    for t, g in enumerate(gradients, 1):
        if style == "L2":
            g = g + decay * w
        if optimizer == "Adam":
            w, m, v = adamw_step(w, g, m, v, t, lr, 0.0 if style == "L2" else decay)
        else:
            w = w - lr * g if style == "L2" else w * (1 - lr * decay) - lr * g
        path.append(w)
    return torch.stack(path)


def fitted(pull: Tensor, strength: float, penalty: str) -> Tensor:
    """The w that minimises ½(w − pull)² plus strength · |w| (L1) or ½ · strength · w² (L2), number by number."""
    if penalty == "L2":
        return pull / (1 + strength)
    return pull.sign() * (pull.abs() - strength).clamp(min=0)


RANGES = {
    "steps": between(20, 300), "lr": between(0.01, 0.05), "decay": between(0.1, 0.2), "optimizer": one_of("SGD", "Adam"),
    "sizes": each(between(0.1, 100.0), at_least=2, at_most=6, rising=True), "style": one_of("decoupled", "L2"),
    "strength": between(0.2, 1.5), "penalty": one_of("L1", "L2"), "shrink": one_of("on", "off"),
}


@breaks(optimizer="Adam", en="Adam divides the gradient and the L2 term in it by √v.", zh="Adam 把梯度连同其中的 L2 项一起除以 √v。")
def claim_under_sgd_l2_is_decay(steps=100, lr=0.01, decay=0.1, optimizer="SGD"):
    """Under plain SGD the penalty ½λ‖w‖² and decoupled decay with λ give the same path.

    普通 SGD 下，惩罚项 ½λ‖w‖² 与系数为 λ 的解耦衰减轨迹相同。"""
    w, noise = torch.linspace(0.5, 2, 8, dtype=torch.float64), torch.randn(steps, 8, dtype=torch.float64)
    l2, decoupled = (run(w, noise, lr, decay, style, optimizer) for style in ("L2", "decoupled"))
    show(lines("step", range(steps + 1), {"L2": l2[:, 0], "decoupled": decoupled[:, 0]}, y_label="w"))
    expect("L2 less decoupled", l2 - decoupled, equals=0, within=1e-10)  # float64, some hundred steps of order 1
    apart = run(w, noise, lr, decay, "L2", "Adam") - run(w, noise, lr, decay, "decoupled", "Adam")
    expect("Adam: largest difference between L2 and decoupled", apart.abs().max(), at_least=1e-4)


@breaks(style="L2", en="With L2 under Adam the pull is divided by √v: a hundredfold gradient shrinks the weight a hundredth as much.",
        zh="Adam 下的 L2，拉力被 √v 除：梯度大一百倍，收缩就只有百分之一。")
def claim_adamw_shrinks_all_weights_alike(sizes=(0.1, 1.0, 10.0, 100.0), decay=0.1, style="decoupled"):
    """Under AdamW the mean weight decays as (1 − lr·λ)^t whatever the size of its gradients; under Adam with L2 the decay is
    weaker the larger they are.

    AdamW 下权重的平均按 (1 − lr·λ)^t 衰减，与梯度大小无关；Adam 加 L2 时，梯度越大衰减越弱。"""
    steps, copies, lr = 300, 200, 0.001
    half = torch.randn(steps, copies, 1, dtype=torch.float64) * torch.tensor(sizes, dtype=torch.float64)
    noise = torch.cat([half, -half], 1)                                  # mirrored, so that the noise's own walk cancels in the mean
    w = torch.ones(2 * copies, len(sizes), dtype=torch.float64)
    left = {name: run(w, noise, lr, decay, name, "Adam").mean(1) for name in ("decoupled", "L2")}
    law = (1 - lr * decay) ** steps
    show(lines("gradient size", sizes, {"AdamW: lost": 1 - left["decoupled"][-1], "Adam with L2: lost": 1 - left["L2"][-1]}, log="xy"))
    # decoupled decay does not touch the moments: mirrored noise cancels to rounding
    expect("weight lost over 1 − (1 − lr·λ)^t", (1 - left[style][-1]) / (1 - law), equals=1, within=1e-6, at=("gradient size", sizes))
    # to first order L2 takes lr · λ/size per step; where it is no longer small beside the gradient it takes less
    expect("L2: weight lost at the largest gradients over that at the smallest", (1 - left["L2"][-1][-1]) / (1 - left["L2"][-1][0]),
           at_most=2 * sizes[0] / sizes[-1])


@breaks(penalty="L2", en="L2 divides by 1 + λ and sets nothing to zero.", zh="L2 除以 1 + λ，不会把任何数变成零。")
def claim_l1_makes_zeros(strength=0.5, penalty="L1"):
    """L1 moves each fitted number towards 0 by λ and stops there, so all below λ become exactly 0; L2 divides all by 1 + λ and
    zeroes none.

    L1 让每个拟合值朝 0 移动 λ，到 0 为止，所以小于 λ 的全部恰好为 0；L2 把所有数除以 1 + λ，不产生零。"""
    pull = torch.linspace(-2, 2, 41, dtype=torch.float64) + 0.013
    grid = torch.linspace(-3, 3, 24001, dtype=torch.float64)
    costs = {"L1": strength * grid.abs(), "L2": strength * grid**2 / 2}
    searched = {k: grid[((grid - pull[:, None]) ** 2 / 2 + cost).argmin(1)] for k, cost in costs.items()}
    by = {k: fitted(pull, strength, k) for k in costs}
    show(lines("without penalty", pull, {f"with {k}": w for k, w in by.items()}, y_label="fitted w"))
    for k in costs:
        expect(f"{k}: formula less search on a grid", by[k] - searched[k], equals=0, within=2.5e-4)   # the grid's step
    expect("L2: numbers that are exactly 0", (by["L2"] == 0).sum(), equals=0)
    expect("numbers that are exactly 0", (by[penalty] == 0).sum(), equals=(pull.abs() < strength).sum())


@breaks(shrink="off", en="Without decay the weights walk at random and grow as √steps.", zh="没有衰减，权重随机游走，按 √步数 增长。")
def claim_decay_sets_the_size_of_the_weights(lr=0.05, decay=0.2, shrink="on"):
    """On noisy gradients AdamW's weights settle at a root mean square of √(lr/2λ), from whatever start, within some 1/(lr·λ)
    steps.

    在带噪声的梯度上，AdamW 的权重不论初值如何，经过若干个 1/(lr·λ) 步，均方根都停在 √(lr/2λ)。"""
    wait = round(1 / (lr * decay))
    steps = 6 * wait
    noise = torch.randn(steps, 1, 2000)
    start = torch.cat([torch.zeros(1, 2000), 4 * torch.full((1, 2000), (lr / 2 / decay) ** 0.5)])
    sizes = run(start, noise.expand(-1, 2, -1), lr, decay if shrink == "on" else 0.0, "decoupled", "Adam").square().mean(2).sqrt()
    law = (lr / 2 / decay) ** 0.5
    every = range(0, steps + 1, wait // 4)
    show(lines("step", every, {"from 0": sizes[every, 0], "from a large start": sizes[every, 1]}, y_label="RMS of the weights"))
    # 4·e⁻⁶ of the start is left; momentum's memory of 10 steps of at least 100 takes 5%, and scatter of 1/√4000 adds 8
    expect("size over √(lr/2λ)", sizes[-1] / law, equals=1, within=0.15)


def drill_half(rng) -> Drill:
    """How fast decoupled decay forgets."""
    lr, decay = rng.choice([(1e-3, 0.1), (2e-4, 0.1), (1e-3, 0.5), (5e-4, 0.1), (3e-4, 0.1)])
    value = 1 / (lr * decay)
    return Drill(
        en=f"PyTorch’s AdamW runs at learning rate {lr:g} with weight decay {decay:g}. After how many steps, in thousands, has a "
           "weight without gradient shrunk to 1/e (37%)?",
        zh=f"PyTorch 的 AdamW，学习率 {lr:g}，权重衰减 {decay:g}。没有梯度的权重经过多少步缩小到 1/e（37%）？以千步为单位。",
        answer=value / 1000, within=0.02 * value / 1000,
        steps=[(f"factor per step: 1 − lr·λ = 1 − {lr * decay:g}", f"每步的因子：1 − lr·λ = 1 − {lr * decay:g}"),
               (f"1/(lr·λ) = {value:,.0f}",) * 2],
        proved_by="adamw_shrinks_all_weights_alike",
    )


def drill_l1_l2(rng) -> Drill:
    """One fitted number under a penalty."""
    pull, strength, penalty = rng.choice([(1.2, 0.5, "L1"), (1.2, 0.5, "L2"), (0.3, 0.5, "L1"), (-2.0, 0.25, "L1"), (-2.0, 0.25, "L2")])
    value = fitted(torch.tensor(pull, dtype=torch.float64), strength, penalty).item()
    term = "λ·|w|" if penalty == "L1" else "½·λ·w²"
    return Drill(
        en=f"Which w minimises ½·(w − {pull:g})² + {term} with λ = {strength:g}?".replace("(w − -2)", "(w + 2)"),
        zh=f"λ = {strength:g} 时，哪个 w 使 ½·(w − {pull:g})² + {term} 最小？".replace("(w − -2)", "(w + 2)"),
        answer=value, within=0.01,
        steps=[("L1: towards 0 by λ, not beyond; L2: divide by 1 + λ", "L1：朝 0 移动 λ，不越过 0；L2：除以 1 + λ"),
               (f"w = {value:.3g}",) * 2],
        proved_by="l1_makes_zeros",
    )


@breaks(style="L2", en="torch's Adam with weight_decay adds it to the gradient: another path.",
        zh="torch 的 Adam 把 weight_decay 加进梯度，轨迹不同。")
def claim_it_is_what_torch_computes(steps=20, lr=0.01, decay=0.1, style="decoupled"):
    """The step by hand is torch's AdamW, whose decay is multiplied by the learning rate: a schedule scales both.

    手写的一步就是 torch 的 AdamW，其中衰减要乘学习率：学习率调度同时缩放两者。"""
    w = torch.randn(50, dtype=torch.float64)
    noise = torch.randn(steps, 50, dtype=torch.float64)
    ours, theirs = run(w, noise, lr, decay, style, "Adam"), [w]
    x, m, v, count = w.clone(), torch.zeros_like(w), torch.zeros_like(w), torch.zeros(())
    for g in noise:
        count += 1
        torch._fused_adamw_([x], [g], [m], [v], [], [count], lr=lr, beta1=0.9, beta2=0.999, weight_decay=decay, eps=1e-8,
                            amsgrad=False, maximize=False)
        theirs.append(x.clone())
    show(lines("step", range(steps + 1), {"by hand": ours[:, 0], "torch": torch.stack(theirs)[:, 0]}, y_label="w"))
    expect("by hand less torch's", ours - torch.stack(theirs), equals=0, within=1e-9)   # float64, some tens of steps


ZH = {
    "step": "步", "L2": "L2", "decoupled": "解耦", "w": "w", "L2 less decoupled": "L2 减解耦", "gradient size": "梯度大小",
    "AdamW: lost": "AdamW：损失的份额", "Adam with L2: lost": "Adam 加 L2：损失的份额",
    "weight lost over 1 − (1 − lr·λ)^t": "权重的减少量与 1 − (1 − lr·λ)^t 之比",
    "L2: weight lost at the largest gradients over that at the smallest": "L2：最大梯度处与最小梯度处权重减少量之比",
    "without penalty": "无惩罚", "with {}": "加 {}", "fitted w": "拟合的 w", "{}: formula less search on a grid": "{}：公式减网格搜索",
    "Adam: largest difference between L2 and decoupled": "Adam：L2 与解耦的最大差",
    "L2: numbers that are exactly 0": "L2：恰好为 0 的个数", "numbers that are exactly 0": "恰好为 0 的个数",
    "from 0": "从 0 开始", "from a large start": "从较大的初值开始",
    "RMS of the weights": "权重的均方根", "size over √(lr/2λ)": "大小与 √(lr/2λ) 之比", "by hand": "手写", "torch": "torch",
    "by hand less torch's": "手写减 torch",
}

if __name__ == "__main__":
    main()
