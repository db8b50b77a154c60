r"""A ReLU passes the gradient of the samples on which it is active, and of no others: a unit active on none is dead.

ReLU 只传回它处于激活状态的那些样本的梯度：在所有样本上都不激活的单元就「死」了。

Nair & Hinton 2010; Maas et al. 2013 for the leaky form. Turn `rate` down to 0.1: no unit dies.
把 `rate` 降到 0.1：没有单元死掉。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("only_active_samples_teach_a_unit",), wrong=("passes_all", "passes_the_output", "averages"))
def weight_gradient(dy: Tensor, x: Tensor, w: Tensor, b: float) -> Tensor:
    """The gradient by w (inputs,) of one unit relu(w·x + b), summed over the samples: x is (samples, inputs), dy (samples,) the
    gradient by its output.

    单个单元 relu(w·x + b) 对 w (inputs,) 的梯度，对样本求和：x 为 (samples, inputs)，dy (samples,) 是对其输出的梯度。"""
    active = x @ w + b > 0                                              # (samples,): who passed anything forward
    return dy[active] @ x[active]                                       # (inputs,)


RANGES = {
    "samples": between(8, 64), "inputs": between(2, 16), "bias": between(-100.0, 0.5), "weights": each(between(0.25, 3.0)),
    "depth": between(1, 30), "start": between(-1.0, 2.0), "rate": between(0.001, 10.0), "units": between(16, 64),
    "activation": one_of("ReLU", "leaky ReLU"), "std": between(0.5, 3.0),
}  # fmt: skip
FUNCTIONS = {"ReLU": torch.relu, "leaky ReLU": F.leaky_relu, "GELU": F.gelu, "SiLU": F.silu, "tanh": torch.tanh}


@breaks(bias=-100.0, en="Below zero on every sample the unit gets no gradient at all.",
        zh="在每个样本上都小于零，单元就完全没有梯度。")
def claim_only_active_samples_teach_a_unit(samples=32, inputs=6, bias=0.0):
    """A unit that is negative on one sample still learns from those on which it is positive: its gradient is their sum.

    单元在某个样本上为负，仍从为正的样本中学习：它的梯度就是这些样本之和。"""
    x, (dy, w) = torch.randn(samples, inputs, dtype=F64), (torch.randn(n, dtype=F64) for n in (samples, inputs))
    x[0], x[1] = w, -w                                                  # one sample on each side
    by_sample = [dy[i] * x[i] if x[i] @ w + bias > 0 else torch.zeros(inputs, dtype=F64) for i in range(samples)]
    found = weight_gradient(dy, x, w, bias)
    leaf = w.clone().requires_grad_()
    (taught,) = torch.autograd.grad((dy * torch.relu(x @ leaf + bias)).sum(), leaf)
    moved = finite_difference(lambda v: (dy * torch.relu(x @ v + bias)).sum(), w)
    show(bars([f"sample {i}" for i in range(samples)], {"size of its share": [g.norm() for g in by_sample]}))
    expect("gradient less the sum over samples", found - sum(by_sample), equals=0, within=1e-12)
    expect("gradient less autograd's", found - taught, equals=0, within=1e-12)
    expect("gradient less finite differences", found - moved, equals=0, within=1e-5)
    expect("size of the gradient", found.norm(), at_least=1e-3)


@breaks(start=-1.0, en="Inactive, the chain passes nothing.", zh="不激活时，链什么也不传。")
def claim_an_active_chain_passes_the_product_of_its_weights(weights=(0.5, 1.0, 2.0), depth=20, start=1.0):
    """Through 20 ReLU units, all active, the gradient is w²⁰: 10⁻⁶ for w = ½, 1 for w = 1, 10⁶ for w = 2. A slope of 1
    does not keep it.

    经过 20 个全部激活的 ReLU，梯度是 w²⁰：w = 1/2 时 10⁻⁶，w = 1 时 1，w = 2 时 10⁶。斜率为 1 保不住它。"""
    curves = {}
    for w in weights:
        curve = []
        for units in range(1, depth + 1):
            first = x = torch.tensor(start, dtype=F64, requires_grad=True)
            for _ in range(units):
                x = torch.relu(w * x)
            curve.append(torch.autograd.grad(x, first)[0])
        curves[f"w = {w:g}"] = curve
    show(lines("units", range(1, depth + 1), curves, log="y", y_label="gradient at the first"))
    ends = [curve[-1] / w**depth for w, curve in zip(weights, curves.values(), strict=True)]
    expect("gradient over w^depth", ends, equals=1, within=1e-9, at=("w", weights))


@breaks(rate=0.1, en="At a hundredth of the learning rate no unit dies.", zh="学习率降为百分之一，没有单元死掉。")
@breaks(activation="leaky ReLU", en="A leaky ReLU has a slope below zero: no unit is without a gradient.",
        zh="leaky ReLU 在零以下也有斜率：没有单元失去梯度。")
def claim_a_large_rate_kills_units(rate=10.0, units=64, activation="ReLU"):
    """Trained for 25 steps at a learning rate of 10, a quarter or more of the ReLU units are zero on all the data and get
    no gradient.

    以学习率 10 训练 25 步，四分之一以上的 ReLU 单元在全部数据上输出零，不再有梯度。"""
    x = torch.randn(128, 8)
    target = (x @ torch.randn(8, 4)).argmax(1)
    start = torch.randn(units, 8) / 2, torch.zeros(units), torch.randn(4, units) / units**0.5
    dead = {}
    for lr in dict.fromkeys((rate, 0.1)):
        w, b, out = (t.clone().requires_grad_() for t in start)
        dead[lr] = []
        for _ in range(26):
            z = x @ w.T + b                                             # (samples, units)
            loss = F.cross_entropy(FUNCTIONS[activation](z) @ out.T, target)
            grads = torch.autograd.grad(loss, (w, b, out))
            dead[lr].append(int((grads[0].abs().amax(1) == 0).sum()))
            with torch.no_grad():
                for t, g in zip((w, b, out), grads, strict=True):
                    t -= lr * g
    show(lines("step", range(26), {f"learning rate {lr:g}": counts for lr, counts in dead.items()}, y_label="units without gradient"))
    expect("share of units without gradient", dead[rate][-1] / units, at_least=0.25)
    expect("units without gradient at a rate of 0.1", dead[0.1][-1], equals=0)


@breaks(std=2.0, en="At twice the deviation the mean of ReLU is twice as large.",
        zh="标准差加倍，ReLU 的均值也加倍。")
def claim_the_mean_of_the_output_is_not_zero(std=1.0):
    """For a standard normal input ReLU is zero half of the time, with mean 0.399 and mean square ½. GELU and SiLU are not
    centred either: 0.282 and 0.207.

    输入为标准正态时，ReLU 一半为零，均值 0.399，平方的均值 1/2。GELU 与 SiLU 也不以零为中心：0.282 与 0.207。"""
    z = torch.linspace(-12, 12, 24001, dtype=F64)                       # midpoint sums of the density
    density = (-(z**2) / 2).exp() / math.sqrt(2 * math.pi) * 0.001
    mean = {name: (f(std * z) * density).sum() for name, f in FUNCTIONS.items()}
    show(table({"activation": list(mean), "mean output": list(mean.values())}))
    # Stein: E[z·σ(z)] = E[σ′(z)], so SiLU's mean is that of the sigmoid's slope
    silu = (z.sigmoid() * (1 - z.sigmoid()) * density).sum()
    names = ("ReLU", "GELU", "SiLU", "tanh")
    expect("mean output", [mean[n] for n in names], equals=[1 / math.sqrt(2 * math.pi), 1 / (2 * math.sqrt(math.pi)), silu, 0],
           within=1e-6, at=("activation", names))  # fmt: skip
    expect("mean square of ReLU", (torch.relu(std * z) ** 2 * density).sum(), equals=0.5, within=1e-6)
    expect("SiLU's mean", silu, equals=0.207, within=0.001)


def drill_active(rng) -> Drill:
    """The gradient of one unit over four samples."""
    rows = rng.choice([((2, 1), (-1, 3), (1, -2), (-2, -1)), ((1, 1), (3, -1), (-1, -1), (0, -2)), ((-1, 2), (2, 2), (-3, 1), (1, 0))])
    dy = rng.choice([(1, 2, -1, 3), (2, -1, 1, 1), (1, 1, 2, -2)])
    w = torch.tensor([1.0, 1.0])
    x = torch.tensor(rows, dtype=torch.float32)
    active = [i + 1 for i, row in enumerate(rows) if sum(row) > 0]
    terms = " + ".join(f"({dy[i - 1]})·({rows[i - 1][0]})" for i in active)
    return Drill(
        en=f"A unit relu(w·x) with w = (1, 1) sees the samples {', '.join(map(str, rows))}; the gradients by its outputs are {dy}. "
           "What is the first component of its weight gradient, summed over the samples?",
        zh=f"单元 relu(w·x)，w = (1, 1)，样本为 {', '.join(map(str, rows))}；对其输出的梯度为 {dy}。对样本求和，权重梯度的首个分量是多少？",
        answer=weight_gradient(torch.tensor(dy, dtype=torch.float32), x, w, 0.0)[0].item(), within=0.01,
        steps=[(f"w·x > 0 for the samples {active}", f"w·x > 0 的样本：{active}"),
               (f"sum of dy · x₁ over them: {terms}", f"对它们求 dy · x₁ 之和：{terms}")],
        proved_by="only_active_samples_teach_a_unit",
    )


ZH = {
    "sample {}": "样本 {}", "size of its share": "该样本的份额大小",
    "gradient less the sum over samples": "梯度与逐样本之和的差", "gradient less autograd's": "梯度与 autograd 之差",
    "gradient less finite differences": "梯度与有限差分之差", "size of the gradient": "梯度的大小", "units": "单元数",
    "gradient at the first": "传到起点的梯度", "gradient over w^depth": "梯度与 w^深度 之比", "step": "步",
    "learning rate {}": "学习率 {}", "units without gradient": "没有梯度的单元数",
    "share of units without gradient": "没有梯度的单元占比",
    "units without gradient at a rate of 0.1": "学习率 0.1 时没有梯度的单元数", "activation": "激活",
    "mean output": "输出均值", "mean square of ReLU": "ReLU 平方的均值", "SiLU's mean": "SiLU 的均值",
    "leaky ReLU": "leaky ReLU",
}  # fmt: skip

if __name__ == "__main__":
    main()
