r"""A larger batch wants a larger rate: in proportion under SGD, by the square root under Adam while noise rules.

batch 变大，学习率也要变大：SGD 成正比，Adam 在噪声占优时按平方根。

Goyal et al. 2017; Malladi et al. 2022. Turn `rule` to "square root": SGD falls behind the small steps. Turn `noise` to
0.01: Adam gains nothing. 把 `rule` 改为 "square root"：SGD 就跟不上小步了。把 `noise` 改为 0.01：Adam 没有收益。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("one_large_step_is_k_small_ones_to_first_order", "adams_mean_step_grows_as_the_root_of_the_batch"),
          wrong=("always_linear", "always_root", "divides"))
def scaled_rate(lr: float, old: int, new: int, optimizer: str) -> float:
    """The learning rate for batch `new` after one tuned at batch `old`: in proportion for "SGD", by the square root for "Adam".

    在 batch 为 old 时调好的学习率，换到 batch 为 new：SGD 成正比，Adam 按平方根。"""
    return lr * (new / old if optimizer == "SGD" else (new / old) ** 0.5)


def gradients(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of ½·mean (x·w − y)² over samples x (samples, width)."""
    return x.T @ (x @ w - y) / len(x)


def adam_mean_step(signal: float, noise: float, steps: int = 300, numbers: int = 2000) -> float:
    """Mean of Adam's update over the learning rate against a gradient of mean `signal` and noise of that deviation, late in a run."""
    m, v, total = torch.zeros(numbers), torch.zeros(numbers), 0.0
    for t in range(1, steps + 1):
        g = signal + noise * torch.randn(numbers)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        if t > steps // 2:
            total += (m / (v / (1 - 0.99**t)).sqrt()).mean().item()
    return total / (steps - steps // 2)


RANGES = {
    "k": between(2, 8), "lr": between(0.0005, 0.004), "rule": one_of("linear", "square root", "unchanged"), "factor": one_of(4, 16),
    "signal": one_of(1.0, 0.5), "noise": one_of(16.0, 32.0, 0.01),
}


@breaks(rule="square root", en="The square root falls short of the k small steps, to first order in the rate.",
        zh="平方根规则比 k 个小步走得少，差距是学习率的一阶量。")
@breaks(rule="unchanged", en="At the same rate one large step does a k-th of the work of k small ones.",
        zh="学习率不变，一大步只完成 k 个小步的 1/k。")
def claim_one_large_step_is_k_small_ones_to_first_order(k=4, lr=0.002, rule="linear"):
    """Under SGD one step at batch k·B with k times the rate ends where k steps at batch B end, up to a gap that falls fourfold
    when the rate is halved.

    SGD 下，用 k 倍学习率在 k·B 的 batch 上走一步，与在 B 上走 k 步的终点相同，只差学习率减半就缩到四分之一的一点。"""
    batch, width = 16, 8
    x, y = torch.randn(k, batch, width, dtype=torch.float64), torch.randn(k, batch, dtype=torch.float64)
    start = torch.ones(width, dtype=torch.float64)
    gaps, roots = [], []
    for rate in (lr, lr / 2, lr / 4):
        w = start
        for i in range(k):
            w = w - rate * gradients(w, x[i], y[i])
        new = {"linear": scaled_rate(rate, batch, k * batch, "SGD"), "square root": rate * k**0.5, "unchanged": rate}[rule]
        large = start - new * gradients(start, x.flatten(0, 1), y.flatten())
        gaps.append((large - w).norm().item())
        roots.append((start - rate * k**0.5 * gradients(start, x.flatten(0, 1), y.flatten()) - w).norm().item())
    show(lines("learning rate", (lr, lr / 2, lr / 4), {"gap between one large and k small steps": gaps}, log="xy"))
    # second order in the rate; what is of third order shifts the ratio by lr · k · λ, λ some units
    expect("gap over that at half the rate", [gaps[0] / gaps[1], gaps[1] / gaps[2]], equals=4, within=0.25)
    expect("square root: gap over that at half the rate", [roots[0] / roots[1], roots[1] / roots[2]], equals=2, within=0.25)


@breaks(noise=0.01, en="Where the signal rules, every step is about the learning rate, whatever the batch.",
        zh="信号占优时，每一步都约为一个学习率，与 batch 无关。")
def claim_adams_mean_step_grows_as_the_root_of_the_batch(factor=16, signal=1.0, noise=32.0):
    """Where noise rules Adam's mean step grows as the root of the batch, so per sample it stays if the rate grows as the root; where
    the gradient rules it does not grow.

    噪声占优时，Adam 的平均步长按 batch 的平方根增长，学习率也按平方根增大，每个样本的进展才不变；信号占优时则不增长。"""
    batches = (1, factor)
    steps = [adam_mean_step(signal, noise / b**0.5) for b in batches]
    law = [signal / (signal**2 + noise**2 / b) ** 0.5 for b in batches]
    show(lines("batch", batches, {"mean step over the learning rate": steps, "G/√(G² + σ²/B)": law}, log="xy"))
    # 150 steps of 2,000 numbers: a mean of noise of size 0.23 that lasts some ten steps, 0.002, beside 0.03
    expect("mean step less G/√(G² + σ²/B)", torch.tensor(steps) - torch.tensor(law), equals=0, within=0.02)
    growth, root = steps[1] / steps[0], factor**0.5
    expect("growth of the mean step over √factor", growth / root, equals=1, within=0.3)
    quiet = [adam_mean_step(signal, 0.01 / b**0.5, numbers=200) for b in batches]
    expect("where the gradient rules: growth of the mean step", quiet[1] / quiet[0], equals=1, within=0.01)
    per_sample = [scaled_rate(1.0, 1, b, "Adam") * step / b for b, step in zip(batches, steps, strict=True)]
    expect("progress per sample with the rate by the root, over that at batch 1", per_sample[1] / per_sample[0], equals=1, within=0.3)


def drill_rate(rng) -> Drill:
    """A learning rate carried to another batch."""
    lr, old, new, optimizer = rng.choice([(0.1, 256, 2048, "SGD"), (0.1, 256, 8192, "SGD"), (3e-4, 256, 1024, "Adam"),
                                          (1e-4, 64, 1024, "Adam"), (6e-4, 512, 128, "Adam"), (0.4, 1024, 256, "SGD")])
    value = scaled_rate(lr, old, new, optimizer)
    return Drill(
        en=f"{optimizer} was tuned to a learning rate of {lr:g} at batch {old:,}. Which rate does the usual rule give for batch "
           f"{new:,}, below the critical batch? In units of 1e-4.",
        zh=f"{optimizer} 在 batch {old:,} 下调好的学习率是 {lr:g}。按常用规则，batch {new:,}（仍低于临界 batch）用多少？以 1e-4 为单位。",
        answer=value * 1e4, within=0.01 * value * 1e4,
        steps=[(f"{'proportional' if optimizer == 'SGD' else 'square root'}: {lr:g} · {'' if optimizer == 'SGD' else '√'}({new:,}/{old:,})",
                f"{'成正比' if optimizer == 'SGD' else '平方根'}：{lr:g} · {'' if optimizer == 'SGD' else '√'}({new:,}/{old:,})"),
               (f"= {value * 1e4:g} · 1e-4",) * 2],
        proved_by="adams_mean_step_grows_as_the_root_of_the_batch",
    )


ZH = {
    "learning rate": "学习率", "gap between one large and k small steps": "一大步与 k 小步的差距",
    "gap over that at half the rate": "差距与学习率减半时之比",
    "square root: gap over that at half the rate": "平方根：差距与学习率减半时之比",
    "where the gradient rules: growth of the mean step": "信号占优时平均步长的增长",
    "batch": "batch", "mean step over the learning rate": "平均步长与学习率之比", "G/√(G² + σ²/B)": "G/√(G² + σ²/B)",
    "mean step less G/√(G² + σ²/B)": "平均步长减 G/√(G² + σ²/B)", "growth of the mean step over √factor": "平均步长的增长与 √倍数 之比",
    "progress per sample with the rate by the root, over that at batch 1": "学习率按平方根时每个样本的进展，与 batch 1 之比",
}

if __name__ == "__main__":
    main()
