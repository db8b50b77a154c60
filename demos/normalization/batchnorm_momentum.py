r"""BatchNorm's momentum sets how fast stored statistics follow the batches; training itself never uses them.

BatchNorm 的 momentum 决定存下的统计量跟随 batch 的快慢；训练本身从不使用它们。

torch.nn.BatchNorm1d. Guess first what 0.1 does to one batch of mean 10. Turn `convention` to "keras": there momentum is the
weight of the old value, and the same 0.1 means nine times as fast.
先猜 0.1 碰到一个均值为 10 的 batch 会怎样。把 `convention` 改为 "keras"：那里的 momentum 是旧值的权重，同样的 0.1 快九倍。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("small_momentum_is_slow_in_pytorch",),
          wrong=("keras_convention", "biased_variance", "one_pair_for_all_features"))
def update_running(mean: Tensor, variance: Tensor, x: Tensor, momentum: float) -> tuple[Tensor, Tensor]:
    """The stored mean and variance (features,) after a training batch x (batch, features), as PyTorch's BatchNorm1d updates
    them: momentum is the weight of the new batch, and the variance that is stored is divided by batch − 1.

    训练一个 batch x (batch, features) 之后存下的均值与方差 (features,)，与 PyTorch 的 BatchNorm1d 相同：momentum 是新 batch
    的权重，存下的方差除以 batch − 1。"""
    new_mean, new_variance = x.mean(0), x.var(0, correction=1)              # (features,)
    return mean + momentum * (new_mean - mean), variance + momentum * (new_variance - variance)


def as_keras(mean: Tensor, variance: Tensor, x: Tensor, momentum: float) -> tuple[Tensor, Tensor]:
    """The other convention: momentum is the weight of the old value (Keras's default is 0.99)."""
    return update_running(mean, variance, x, 1 - momentum)


CONVENTIONS = {"pytorch": update_running, "keras": as_keras}


def run(batches: int, batch: int, momentum: float, convention: str, features: int = 1000) -> Tensor:
    """The stored mean after each batch of N(3, 1), from 0: (batches + 1, features)."""
    mean, variance = torch.zeros(features), torch.ones(features)
    means = [mean]
    for _ in range(batches):
        mean, variance = CONVENTIONS[convention](mean, variance, 3 + torch.randn(batch, features), momentum)
        means.append(mean)
    return torch.stack(means)


RANGES = {
    "batch": between(8, 64),
    "momenta": each(between(0.05, 0.3), at_least=1, at_most=4, rising=True),
    "momentum": between(0.01, 0.4),
    "batches": between(100, 120),
    "micro": between(2, 8),
    "convention": one_of("pytorch", "keras"),
    "mode": one_of("train", "eval"),
    "counted": one_of("micro-batches", "steps"),
}
KERAS = breaks(convention="keras", en="With 0.1 as the weight of the old value the stored mean follows almost every batch.",
               zh="若 0.1 是旧值的权重，存下的均值几乎跟着每个 batch 走。")


@KERAS
def claim_small_momentum_is_slow_in_pytorch(batch=16, momentum=0.1, convention="pytorch"):
    """PyTorch's momentum weighs the new batch: with 0.1, from 0, a batch of mean 10 moves the stored mean to 1; Keras's weighs
    the old value, and would give 9. The stored variance is the unbiased one.

    PyTorch 的 momentum 是新 batch 的权重：取 0.1，从 0 出发，均值为 10 的 batch 把存下的均值移到 1；Keras 的是旧值的权重，会得到
    9。存下的是无偏方差。"""
    module = torch.nn.BatchNorm1d(4, momentum=momentum, dtype=torch.float64)
    mean, variance = module.running_mean.clone(), module.running_var.clone()
    path = []
    for _ in range(6):
        x = 10 + torch.arange(1.0, 5.0) * torch.randn(batch, 4, dtype=torch.float64)
        module(x)
        mean, variance = CONVENTIONS[convention](mean, variance, x, momentum)
        path.append(((mean - module.running_mean).abs().max() + (variance - module.running_var).abs().max()).item())
    t = torch.arange(7)
    show(lines("batches of mean 10", t, {"PyTorch": 10 * (1 - (1 - momentum) ** t), "Keras": 10 * (1 - momentum**t)},
               y_label="stored mean"))
    expect("stored mean and variance, less nn.BatchNorm1d's", path, equals=0, within=1e-9)
    one = CONVENTIONS[convention](torch.zeros(1), torch.ones(1), torch.tensor([[9.0], [10.0], [10.0], [11.0]]), 0.1)
    expect("one batch (9, 10, 10, 11): stored mean", one[0], equals=1, within=1e-6)
    expect("one batch (9, 10, 10, 11): stored variance", one[1], equals=0.9 + 0.1 * 2 / 3, within=1e-6)


@KERAS
def claim_slow_is_biased_and_fast_is_noisy(batch=16, momenta=(0.05, 0.1, 0.3), batches=100, convention="pytorch"):
    """With weight α of the new batch the stored mean lacks (1 − α)^t of the truth after t batches and scatters by
    √(α/(2 − α)) of the noise of one batch, σ/√B, in the end.

    新 batch 的权重为 α 时，t 个 batch 之后存下的均值还差真值的 (1 − α)^t；最终的波动是单个 batch 噪声 σ/√B 的 √(α/(2 − α))。"""
    paths = {a: run(batches, batch, a, convention) for a in momenta}
    t = torch.arange(batches + 1)
    show(lines("batches", t, {f"momentum {a:g}": p[:, 0] for a, p in paths.items()}, y_label="stored mean of a feature"))
    for a, path in paths.items():
        # Over 1000 features the mean scatters by 1/√(1000·B) at most, the deviation by 1/√2000: six of each.
        expect(f"stored mean, momentum {a:g}", path.mean(1), equals=3 * (1 - (1 - a) ** t), within=6 / (1000 * batch) ** 0.5)
        still = (1 - (1 - a) ** (2 * batches)) ** 0.5
        expect(f"scatter in the end over √(α/(2 − α))·σ/√B, momentum {a:g}",
               path[-1].std() / (a / (2 - a) / batch) ** 0.5 / still, equals=1, within=6 / 2000**0.5)


@breaks(mode="eval", en="In eval the stored numbers are all that is used: they differ, and so do the outputs.",
        zh="eval 模式只用存下的数：它们不同，输出就不同。")
def claim_training_does_not_depend_on_it(batch=16, momenta=(0.05, 0.3), mode="train"):
    """In training mode outputs and gradients are the same to the last bit for any momentum: a slow one does not underfit, it
    leaves stale numbers for eval.

    训练模式下，任何 momentum 的输出与梯度都逐位相同：momentum 太慢不是欠拟合，只是给推理留下了过时的数。"""
    x = (3 + torch.randn(batch, 8)).requires_grad_()
    found = []
    for a in (0.01, *momenta):
        module = torch.nn.BatchNorm1d(8, momentum=a)
        module(x)
        if mode == "eval":
            module.eval()
        y = module(x)
        slopes = torch.autograd.grad(y.square().sum() + y.pow(3).sum(), [x, module.weight, module.bias])
        slope = torch.cat([s.flatten() for s in slopes])
        module.eval()
        found.append((y.detach(), slope, module(x).detach()))
    show(lines("feature", range(8), {f"momentum {a:g}, eval": f[2].mean(0) for a, f in zip((0.01, *momenta), found, strict=True)},
               y_label="mean of the output"))
    expect("outputs less those of momentum 0.01", torch.stack([y - found[0][0] for y, _, _ in found]), equals=0)
    expect("gradients by x, γ, β less those of momentum 0.01", torch.stack([g - found[0][1] for _, g, _ in found]), equals=0)


@breaks(counted="steps", en="Counted by optimizer steps the statistics would be far staler than they are.",
        zh="若按优化器步数算，统计量会比实际旧得多。")
def claim_accumulation_updates_once_per_micro_batch(batch=16, micro=4, momentum=0.1, counted="micro-batches"):
    """Under gradient accumulation BatchNorm normalises by each micro-batch and updates its statistics at each: k
    micro-batches a step leave (1 − α)^k of the old value.

    梯度累积时，BatchNorm 按每个 micro-batch 归一化，并逐个更新统计量：每步 k 个 micro-batch，旧值只剩 (1 − α)^k。"""
    module = torch.nn.BatchNorm1d(4, momentum=momentum, dtype=torch.float64)
    x = 10 + torch.randn(micro * batch, 4, dtype=torch.float64)
    x = x - x.view(micro, batch, 4).mean(1).repeat_interleave(batch, 0) + 10    # each micro-batch has mean 10
    for part in x.chunk(micro):
        module(part)
    updates = micro if counted == "micro-batches" else 1
    k = torch.arange(micro + 1)
    show(lines("micro-batches", k, {"old value left": (1 - momentum) ** k}))
    expect("share of the old mean that is left", 1 - module.running_mean / 10, equals=(1 - momentum) ** updates, within=1e-9)


def drill_after_t_batches(rng) -> Drill:
    """The stored mean on its way."""
    a, t, mean = rng.choice([(0.1, 7, 3), (0.1, 22, 3), (0.5, 3, 8), (0.2, 3, 5), (0.5, 2, 12), (0.1, 2, 10)])
    stored, variance = torch.zeros(1), torch.ones(1)
    for _ in range(t):
        stored, variance = update_running(stored, variance, torch.full((2, 1), float(mean)), a)
    value = stored.item()
    return Drill(
        en=f"nn.BatchNorm1d(momentum={a}) starts at running mean 0; every batch has mean {mean}. Where does it stand after {t} batches?",
        zh=f"nn.BatchNorm1d(momentum={a}) 的 running mean 从 0 出发，每个 batch 的均值都是 {mean}。{t} 个 batch 之后是多少？",
        answer=value, within=0.01 * value,
        steps=[(f"each batch leaves 1 − {a} = {1 - a:g} of the gap", f"每个 batch 使差距剩 1 − {a} = {1 - a:g}"),
               (f"{mean}·(1 − {1 - a:g}^{t}) = {value:.3g}", f"{mean}·(1 − {1 - a:g}^{t}) = {value:.3g}")],
        proved_by="slow_is_biased_and_fast_is_noisy",
    )


ZH = {
    "batches of mean 10": "均值为 10 的 batch 数",
    "stored mean": "存下的均值",
    "stored mean and variance, less nn.BatchNorm1d's": "存下的均值与方差，与 nn.BatchNorm1d 之差",
    "one batch (9, 10, 10, 11): stored mean": "一个 batch (9, 10, 10, 11)：存下的均值",
    "one batch (9, 10, 10, 11): stored variance": "一个 batch (9, 10, 10, 11)：存下的方差",
    "batches": "batch 数",
    "momentum {}": "momentum {}",
    "stored mean of a feature": "某个特征存下的均值",
    "stored mean, momentum {}": "存下的均值，momentum {}",
    "scatter in the end over √(α/(2 − α))·σ/√B, momentum {}": "最终波动与 √(α/(2 − α))·σ/√B 之比，momentum {}",
    "feature": "特征",
    "momentum {}, eval": "momentum {}，推理",
    "mean of the output": "输出的均值",
    "outputs less those of momentum 0.01": "输出与 momentum 0.01 时之差",
    "gradients by x, γ, β less those of momentum 0.01": "对 x、γ、β 的梯度与 momentum 0.01 时之差",
    "micro-batches": "micro-batch 数",
    "old value left": "旧值剩余",
    "share of the old mean that is left": "旧均值剩余的份额",
}

if __name__ == "__main__":
    main()
