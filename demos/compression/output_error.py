r"""What counts is the error of a layer's output: GPTQ and AWQ use the inputs to decide where rounding may err.

要紧的是层输出的误差：GPTQ 与 AWQ 用输入来决定舍入可以错在哪里。

Frantar et al. 2022 (GPTQ), Algorithm 1; Lin et al. 2023 (AWQ), §3. Turn `correlation` to 0: with inputs that have
nothing to do with each other one weight's error cannot be made good by another.
把 `correlation` 改为 0：输入互不相关时，一个权重的误差无法由另一个来弥补。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    bars,
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


def step_of(w: Tensor, bits: int) -> Tensor:
    """The step of each output's row of weights (outputs, inputs): (outputs, 1)."""
    return w.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)


def nearest(w: Tensor, step: Tensor, bits: int) -> Tensor:
    """Each weight to the nearest multiple of its row's step, within so many bits."""
    top = 2 ** (bits - 1) - 1
    return (w / step).round().clamp(-top, top) * step


@exercise(claims=("gptq_makes_errors_good_elsewhere",), wrong=("rounds_all_at_once", "forgets_the_inverse", "spreads_backwards"))
def gptq(w: Tensor, x: Tensor, bits: int) -> Tensor:
    """Quantise weights (outputs, inputs) input by input, each time shifting the inputs that are still to come so that
    they make the error good; x (tokens, inputs) are calibration inputs. With H = xᵀx (plus one percent of its mean
    diagonal) and U the upper Cholesky factor of H⁻¹: the error of input i over U_ii, times the rest of U's row i, is
    taken from the inputs behind it. Gives the weights, on the grid of the original rows.

    逐个输入量化权重 (outputs, inputs)，每次调整后面尚未量化的输入以弥补误差；x (tokens, inputs) 为校准输入。记
    H = xᵀx（加上其对角均值的百分之一），U 为 H⁻¹ 的上三角 Cholesky 因子：输入 i 的误差除以 U_ii，乘以 U 第 i 行其余部分，
    从它后面的输入中减去。返回位于原各行网格上的权重。"""
    step, w = step_of(w, bits), w.clone()
    h = x.T @ x
    h += 0.01 * h.diagonal().mean() * torch.eye(len(h), dtype=h.dtype)
    u = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    for i in range(w.shape[1]):
        rounded = nearest(w[:, i : i + 1], step, bits)
        error = (w[:, i : i + 1] - rounded) / u[i, i]
        w[:, i + 1 :] -= error * u[i, i + 1 :]
        w[:, i : i + 1] = rounded
    return w


def awq(w: Tensor, x: Tensor, bits: int) -> Tensor:
    """Scale inputs with large activations up before rounding and down after, by their size to a power that is searched:
    the weights' step is finer where it matters. Shapes as in gptq."""
    size = x.abs().mean(0)                                           # (inputs,)
    tried = []
    for power in torch.linspace(0, 1, 11, dtype=w.dtype):
        s = (size / size.mean()) ** power
        back = nearest(w * s, step_of(w * s, bits), bits) / s
        tried.append((output_error(w, back, x), back))
    return min(tried, key=lambda one: one[0])[1]


def output_error(w: Tensor, back: Tensor, x: Tensor) -> float:
    """Relative error of the layer's output on inputs x (tokens, inputs)."""
    return ((x @ (back - w).T).norm() / (x @ w.T).norm()).item()


def inputs(tokens: int, width: int, correlation: float, seed: int) -> Tensor:
    """Inputs whose neighbours are correlated like `correlation`^distance, (tokens, width), each of variance 1."""
    x = randn(tokens, width, seed=seed, dtype=torch.float64)
    for i in range(1, width):
        x[:, i] = correlation * x[:, i - 1] + (1 - correlation**2) ** 0.5 * x[:, i]
    return x


RANGES = {
    "bits": between(3, 4),
    "width": between(48, 128),
    "correlation": one_of(0.0, 0.8, 0.9, 0.95),
    "salient": one_of(1.0, 20.0, 40.0),
    "judged_by": one_of("output", "weights"),
}


@breaks(correlation=0.0, en="With unrelated inputs no other weight can make an error good: both are equal.",
        zh="输入互不相关时，别的权重无从弥补：两者相同。")
def claim_gptq_makes_errors_good_elsewhere(bits=3, width=96, correlation=0.9):
    """Where inputs are correlated, shifting the weights still to come by the inverse Hessian cuts the output error of
    3 bits to less than three quarters of rounding to the nearest; with unrelated inputs it gains nothing.

    输入相关时，用逆 Hessian 调整后面的权重，3 位的输出误差降到就近舍入的四分之三以下；输入互不相关则没有收益。"""
    w, x, fresh = (randn(64, width, seed=1, dtype=torch.float64), inputs(1000, width, correlation, 2), inputs(1000, width, correlation, 3))
    grid = (0.0, 0.5, 0.8, 0.9, 0.95)
    ratio = []
    for c in grid:
        a, b = inputs(1000, width, c, 2), inputs(1000, width, c, 3)
        ratio.append(output_error(w, gptq(w, a, bits), b) / output_error(w, nearest(w, step_of(w, bits), bits), b))
    show(lines("correlation of neighbouring inputs", grid, {"output error, GPTQ over nearest": ratio}))
    rounded = nearest(w, step_of(w, bits), bits)
    got = output_error(w, gptq(w, x, bits), fresh) / output_error(w, rounded, fresh)     # on inputs not calibrated with
    expect("output error, GPTQ over nearest", got, at_most=0.75)
    # the damping costs unrelated inputs two or three percent
    expect("the same for unrelated inputs", ratio[0], equals=1, within=0.1)
    codes = gptq(w, x, bits) / step_of(w, bits)
    expect("distance of GPTQ's weights from the grid, in steps", (codes - codes.round()).abs().max(), equals=0, within=1e-9)


@breaks(judged_by="weights", en="GPTQ's weights are further from the originals than rounded ones: it is the output that is nearer.",
        zh="GPTQ 的权重离原值反而更远：更近的是输出。")
def claim_nearest_weights_are_not_the_nearest_output(bits=3, width=96, correlation=0.9, judged_by="output"):
    """GPTQ's weights are further from the originals than those rounded to the nearest, and its output is nearer.

    GPTQ 的权重比就近舍入的离原值更远，输出却更近。"""
    w, x = randn(64, width, seed=1, dtype=torch.float64), inputs(1000, width, correlation or 0.8, 2)
    rounded, made = nearest(w, step_of(w, bits), bits), gptq(w, x, bits)
    weights = [((b - w).norm() / w.norm()).item() for b in (rounded, made)]
    outputs = [output_error(w, b, x) for b in (rounded, made)]
    show(bars(["nearest", "GPTQ"], {"error of the weights": weights, "error of the output": outputs}))
    expect("error of the weights, GPTQ over nearest", weights[1] / weights[0], at_least=1.05)
    judged = outputs if judged_by == "output" else weights
    expect("error, GPTQ over nearest", judged[1] / judged[0], at_most=0.9)


@breaks(salient=1.0, en="Where all inputs are of one size there is nothing to protect.", zh="输入大小都一样，就没有什么要保护。")
def claim_awq_protects_what_large_inputs_read(bits=3, width=96, salient=20.0):
    """Where a few inputs are twenty times as large, scaling their weights up before rounding cuts the output error to
    less than 70 % of rounding as they are.

    若少数输入大二十倍，舍入前放大它们的权重，输出误差降到直接舍入的 70% 以下。"""
    w, x = randn(64, width, seed=1, dtype=torch.float64), randn(1000, width, seed=2, dtype=torch.float64)
    sizes = (1, 2, 5, 10, 20, 40)
    curve = []
    for s in sizes:
        scaled = x.clone()
        scaled[:, ::24] *= s
        curve.append(output_error(w, awq(w, scaled, bits), scaled) / output_error(w, nearest(w, step_of(w, bits), bits), scaled))
    show(lines("size of every 24th input", sizes, {"output error, AWQ over nearest": curve}, log="x"))
    x[:, ::24] *= salient
    got = output_error(w, awq(w, x, bits), x) / output_error(w, nearest(w, step_of(w, bits), bits), x)
    expect("output error, AWQ over nearest", got, at_most=0.7)


ZH = {
    "correlation of neighbouring inputs": "相邻输入的相关系数",
    "output error, GPTQ over nearest": "输出误差，GPTQ 与就近舍入之比",
    "distance of GPTQ's weights from the grid, in steps": "GPTQ 权重与网格的距离，以步长计",
    "the same for unrelated inputs": "输入互不相关时的同一个比",
    "nearest": "就近舍入",
    "GPTQ": "GPTQ",
    "error of the weights": "权重的误差",
    "error of the output": "输出的误差",
    "error of the weights, GPTQ over nearest": "权重误差，GPTQ 与就近舍入之比",
    "error, GPTQ over nearest": "误差，GPTQ 与就近舍入之比",
    "size of every 24th input": "每 24 个输入中那一个的大小",
    "output error, AWQ over nearest": "输出误差，AWQ 与就近舍入之比",
}

if __name__ == "__main__":
    main()
