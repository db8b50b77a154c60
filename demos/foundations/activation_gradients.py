r"""Through an activation backward multiplies by its slope, and through the layer below by its weight: both count.

反向经过激活函数要乘它的斜率，经过前一层还要乘权重：两者都起作用。

Glorot & Bengio 2010; Bishop 2006, §5.3 for the outputs. Turn `weight` to 4: a chain of 20 sigmoid units loses nothing.
把 `weight` 改为 4：20 个 sigmoid 单元的链什么也不损失。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64
ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu, "GELU": F.gelu, "SiLU": F.silu}


@exercise(claims=("the_output_tells_the_slope",), wrong=("tanh_as_sigmoid", "relu_passes_all", "of_the_input"))
def slope_from_output(y: Tensor, kind: str) -> Tensor:
    """The derivative of "sigmoid", "tanh" or "ReLU" where its output is y; any shape, the result the same.

    "sigmoid"、"tanh" 或 "ReLU" 在输出为 y 处的导数；形状任意，结果形状相同。"""
    if kind == "sigmoid":
        return y * (1 - y)
    if kind == "tanh":
        return 1 - y**2
    return (y > 0).to(y.dtype)                                          # ReLU: at 0 frameworks take 0


def chain(x: Tensor, weight: float, depth: int, kind: str) -> Tensor:
    """One unit after another, weight · x − weight / 2 in each: a sigmoid that starts at 1/2 stays there, its input at 0."""
    for _ in range(depth):
        x = ACTIVATIONS[kind](weight * x - weight / 2)
    return x


def slope(f, x: Tensor) -> Tensor:
    """f′ at each x, by autograd."""
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


RANGES = {
    "steepness": between(0.5, 4.0), "depth": between(1, 40), "weight": between(0.1, 4.0),
    "unit": one_of("sigmoid", "tanh", "ReLU", "GELU"),
    "loss": one_of("its likelihood", "squared error"), "classes": between(2, 16),
}  # fmt: skip


@breaks(steepness=4.0, en="The quarter belongs to the standard sigmoid: σ(4x) has slope 1 at 0.",
        zh="四分之一只属于标准 sigmoid：σ(4x) 在 0 处斜率为 1。")
def claim_the_steepest_slopes(steepness=1.0):
    """The steepest slope is ¼ for sigmoid, 1 for tanh and ReLU, 1.129 for GELU at √2, 1.100 for SiLU at 2.40.

    最大斜率：sigmoid 为 1/4，tanh 与 ReLU 为 1，GELU 在 √2 处为 1.129，SiLU 在 2.40 处为 1.100。"""
    x = torch.linspace(-6, 6, 2401, dtype=F64)                          # steps of 0.005
    curves = {name: slope(lambda t, f=f: f(steepness * t), x) for name, f in ACTIVATIONS.items()}
    show(lines("input", x, curves, y_label="slope"))
    r = math.sqrt(2)
    gelu = 0.5 * math.erfc(-1) + r * math.exp(-1) / math.sqrt(2 * math.pi)   # Φ(√2) + √2·φ(√2): GELU″ = φ(x)(2 − x²)
    at = 2.0                                                                 # SiLU″ = 0 where x · tanh(x/2) = 2
    for _ in range(60):
        at = 2 / math.tanh(at / 2)
    s = 1 / (1 + math.exp(-at))
    peaks = [0.25, 1, 1, gelu, s * (1 + at * (1 - s))]
    names = list(ACTIVATIONS)
    # a grid point lies within 0.0025 of the peak, where the curve is flat: 0.0025² over 2
    expect("steepest slope", [curves[n].max() for n in names], equals=peaks, within=1e-5, at=("activation", names))
    expect("GELU's is at", x[curves["GELU"].argmax()], equals=r, within=0.006)
    expect("SiLU's is at", x[curves["SiLU"].argmax()], equals=at, within=0.006)


@breaks(weight=4.0, en="With weights of 4 each unit passes 4 · ¼ = 1: nothing vanishes.",
        zh="权重为 4 时，每个单元通过 4 · ¼ = 1：什么也不消失。")
@breaks(unit="tanh", en="tanh has slope 1 at 0: the bound of a quarter is sigmoid's.",
        zh="tanh 在 0 处斜率为 1：四分之一的上界是 sigmoid 的。")
def claim_a_sigmoid_chain_vanishes_where_weights_are_small(depth=20, weight=1.0, unit="sigmoid"):
    """A chain of sigmoid units at input 0 passes (w/4)^depth: with weights of 1 it is 10⁻¹² after 20 units, with weights of 4
    it is 1.

    输入为 0 的 sigmoid 链通过 (w/4)^深度：权重为 1 时 20 个单元后是 10⁻¹²，权重为 4 时是 1。"""
    start, counts = torch.tensor(0.5, dtype=F64), range(1, depth + 1)
    curves = {f"weight {w:g}": [slope(lambda x, w=w, n=n: chain(x, w, n, "sigmoid"), start) for n in counts]
              for w in dict.fromkeys((weight, 1.0, 4.0))}
    show(lines("units", counts, curves, log="y", y_label="gradient at the first"))
    x = start if unit == "sigmoid" else torch.tensor(0.0, dtype=F64)
    passed = slope(lambda x: (chain if unit == "sigmoid" else through)(x, weight, depth, unit), x)
    expect("gradient at weight 4", curves["weight 4"][-1], equals=1, within=1e-9)
    expect("gradient over (w/4)^depth", passed / (weight / 4) ** depth, equals=1, within=1e-9)
    expect("gradient", passed, at_most=0.25**depth * (1 + 1e-9))


def through(x: Tensor, weight: float, depth: int, kind: str) -> Tensor:
    """The chain without a bias: tanh stays at 0."""
    for _ in range(depth):
        x = ACTIVATIONS[kind](weight * x)
    return x


@breaks(unit="GELU", en="GELU falls and rises: one output belongs to two inputs with slopes of opposite sign.",
        zh="GELU 先降后升：同一个输出对应两个输入，斜率符号相反。")
def claim_the_output_tells_the_slope(unit="sigmoid"):
    """Sigmoid, tanh and ReLU: the slope follows from the output, y(1 − y), 1 − y², y > 0. GELU's does not, so its
    backward needs the input.

    sigmoid、tanh、ReLU 的斜率可由输出算出：y(1 − y)、1 − y²、y > 0；GELU 不行，反向需要输入。"""
    x = torch.linspace(-4, 4, 401, dtype=F64)
    names = tuple(dict.fromkeys((unit, "sigmoid", "tanh", "ReLU")))
    show(lines("input", x, {name: slope(ACTIVATIONS[name], x) for name in names}, y_label="slope"))
    for name in names:
        f = ACTIVATIONS[name]
        expect(f"slope of {name} from its output, less autograd's", slope_from_output(f(x), name) - slope(f, x),
               equals=0, within=1e-12)
    # GELU is −0.1 twice: by bisection on both sides of its minimum at −0.752
    left, right = (bisect(F.gelu, -0.1, a, b) for a, b in ((-4.0, -0.752), (0.0, -0.752)))
    two = torch.tensor([left, right], dtype=F64)
    expect("GELU at the two inputs", F.gelu(two), equals=-0.1, within=1e-9)
    expect("product of its slopes there", slope(F.gelu, two).prod(), at_most=-0.01)


def bisect(f, level: float, above: float, below: float) -> float:
    """Where f is `level`, between a point above it and one below."""
    for _ in range(60):
        middle = (above + below) / 2
        above, below = (middle, below) if f(torch.tensor(middle, dtype=F64)) > level else (above, middle)
    return above


@breaks(loss="squared error", en="With squared error the sigmoid's slope stays in the gradient.",
        zh="用平方误差，梯度里会留下 sigmoid 的斜率。")
def claim_with_its_likelihood_the_gradient_is_prediction_minus_target(classes=5, loss="its likelihood"):
    """Identity with a Gaussian of variance 1, sigmoid with a Bernoulli, softmax with a categorical likelihood: each time
    the gradient at the output's input is prediction minus target.

    恒等配方差为 1 的高斯、sigmoid 配伯努利、softmax 配类别分布：输出层输入处的梯度都是「预测减目标」。"""
    z, y = torch.randn(classes, dtype=F64), torch.rand(classes, dtype=F64).round()
    one_hot = F.one_hot(torch.tensor(1), classes).double()
    powers = [math.exp(v) for v in z.tolist()]
    cases = {
        "identity": (lambda z: ((z - y) ** 2 / 2).sum(), z - y),
        "sigmoid": (lambda z: (z.sigmoid() - y).square().sum() if loss == "squared error"
                    else F.binary_cross_entropy_with_logits(z, y, reduction="sum"), 1 / (1 + (-z).exp()) - y),
        "softmax": (lambda z: F.cross_entropy(z[None], torch.tensor([1])), torch.tensor(powers, dtype=F64) / sum(powers) - one_hot),
    }  # fmt: skip
    show(table({"output": list(cases), "gradient at the first input": [slope(nll, z)[0] for nll, _ in cases.values()],
                "prediction less target": [residual[0] for _, residual in cases.values()]}))
    for name, (nll, residual) in cases.items():
        expect(f"gradient under {name}, less prediction minus target", slope(nll, z) - residual, equals=0, within=1e-12)


def drill_chain(rng) -> Drill:
    """What a chain of units passes."""
    kind, w, depth = rng.choice([("sigmoid", 2, 4), ("sigmoid", 1, 3), ("sigmoid", 8, 5), ("tanh", 2, 5), ("tanh", 0.5, 6)])
    peak = 0.25 if kind == "sigmoid" else 1
    return Drill(
        en=f"A chain of {depth} {kind} units, each input w·x + b with w = {w:g}, all inputs at 0. What is the gradient of the "
           "last output by the first x?",
        zh=f"{depth} 个 {kind} 单元串成一条链，每个的输入为 w·x + b，w = {w:g}，且输入都在 0。末端输出对最初 x 的梯度是多少？",
        answer=(peak * w) ** depth,
        steps=[(f"the slope of {kind} at 0 is {peak:g}", f"{kind} 在 0 处的斜率为 {peak:g}"),
               (f"each unit passes {w:g} · {peak:g} = {w * peak:g}", f"每个单元通过 {w:g} · {peak:g} = {w * peak:g}"),
               (f"{w * peak:g}^{depth} = {(w * peak) ** depth:g}",) * 2],
        proved_by="a_sigmoid_chain_vanishes_where_weights_are_small",
    )


ZH = {
    "slope": "斜率", "input": "输入", "steepest slope": "最大斜率", "activation": "激活",
    "GELU's is at": "GELU 的最大斜率位于", "SiLU's is at": "SiLU 的最大斜率位于", "units": "单元数",
    "weight {}": "权重 {}", "gradient at the first": "传到起点的梯度", "gradient at weight 4": "权重为 4 时的梯度",
    "gradient over (w/4)^depth": "梯度与 (w/4)^深度 之比",
    "slope of {} from its output, less autograd's": "由输出算出的 {} 斜率与 autograd 之差",
    "GELU at the two inputs": "两个输入处的 GELU", "product of its slopes there": "两处斜率之积", "output": "输出",
    "identity": "恒等", "gradient at the first input": "首个输入处的梯度", "prediction less target": "预测减目标",
    "gradient under {}, less prediction minus target": "{} 下的梯度与「预测减目标」之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
