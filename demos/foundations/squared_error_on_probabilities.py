r"""Squared error on probabilities is a fair score, but its gradient dies where the model is surely wrong.

对概率做平方误差是适当的评分规则，但在「自信地错」的地方，梯度消失。

Turn `output` to "raw": squared error on the raw output pulls the harder, the farther it is off.
把 `output` 改为 "raw"：直接对原始输出做平方误差，错得越远，拉力越大。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("softmax_couples_the_classes",), wrong=("as_for_a_sigmoid", "forgets_the_chain", "without_the_two"))
def brier_gradient(z: Tensor, y: Tensor) -> Tensor:
    """The gradient in the logits z (classes,) of Σ(p − y)², with p = softmax(z) and y a one-hot label
    of the same shape.

    Σ(p − y)² 对 logits z (classes,) 的梯度，其中 p = softmax(z)，y 为同形状的 one-hot 标签。"""
    p = z.softmax(0)
    slope = 2 * (p - y)                                                  # of the score in p
    return p * (slope - (p * slope).sum())                               # through softmax: diag(p) − ppᵀ


def sigmoid_gradient(z: Tensor, y: Tensor) -> Tensor:
    """The gradient of (σ(z) − y)², each logit for itself."""
    p = z.sigmoid()
    return 2 * (p - y) * p * (1 - p)


def cross_entropy_gradient(z: Tensor, y: Tensor) -> Tensor:
    """The gradient of binary cross-entropy."""
    return z.sigmoid() - y


RANGES = {
    "logits": each(between(-15.0, -2.0), at_least=2, rising=True), "output": one_of("sigmoid", "raw"),
    "loss": one_of("squared error", "cross-entropy"), "formula": one_of("softmax's", "the sigmoid's"),
    "share": between(0.05, 0.45), "score": one_of("squared", "absolute"),
}  # fmt: skip


@breaks(output="raw", en="On the raw output the pull is 2(z − 1), and grows with the error.",
        zh="对原始输出，拉力是 2(z − 1)，随误差增大。")
def claim_a_confident_mistake_gets_no_gradient(logits=(-10.0, -8.0, -6.0, -4.0, -2.0), output="sigmoid"):
    """For label 1 at logit −10 cross-entropy pulls with −0.99995 and squared error with −0.00009: the
    ratio is 2p(1 − p).

    标签为 1、logit 为 −10 时，交叉熵的梯度是 −0.99995，平方误差是 −0.00009：两者之比为 2p(1 − p)。"""
    z = torch.tensor(logits, dtype=F64, requires_grad=True)
    loss = (z.sigmoid() - 1).square() if output == "sigmoid" else (z - 1).square()
    (squared,) = torch.autograd.grad(loss.sum(), z)
    ce = torch.autograd.grad(F.binary_cross_entropy_with_logits(z, torch.ones_like(z), reduction="sum"), z)[0]
    p = z.detach().sigmoid()
    show(lines("logit", logits, {"cross-entropy": ce.abs(), "squared error": squared.abs()}, log="y", y_label="|gradient|"))
    expect("gradients, squared error over cross-entropy, less 2p(1 − p)", squared / ce - 2 * p * (1 - p), equals=0,
           within=1e-12, at=("logit", logits))
    expect("cross-entropy's |gradient|", ce.abs(), at_least=0.88)
    ten = torch.tensor(-10.0, dtype=F64)
    expect("at −10, cross-entropy and squared error", [cross_entropy_gradient(ten, 1), sigmoid_gradient(ten, 1)],
           equals=[-0.99995, -9.08e-5], within=[1e-5, 1e-7])


@breaks(loss="cross-entropy", en="Cross-entropy starts with a full pull and is out in eleven steps.",
        zh="交叉熵一开始就全力拉，十几步就出来了。")
def claim_the_escape_takes_thousands_of_steps(loss="squared error"):
    """From logit −10 with label 1, steps of 1 bring cross-entropy to an even chance in 11 steps;
    squared error needs over 10,000.

    从 logit −10（标签为 1）出发，学习率取 1，交叉熵 11 步就到五五开；平方误差要一万步以上。"""
    steps = {}
    for name, pull in (("cross-entropy", lambda p: p - 1), ("squared error", lambda p: 2 * (p - 1) * p * (1 - p))):
        z, n = -10.0, 0
        while z < 0:
            z, n = z - pull(1 / (1 + math.exp(-z))), n + 1
        steps[name] = n
    show(bars(list(steps), {"steps": list(steps.values())}, log="y"))
    expect(f"steps of {loss}", steps[loss], at_least=10_000)             # ∫ dz / 2e^z from −10: about e¹⁰/2 = 11,013
    expect("steps of cross-entropy", steps["cross-entropy"], equals=11)


@breaks(loss="cross-entropy", en="Cross-entropy's curvature is p(1 − p), positive everywhere.",
        zh="交叉熵的曲率是 p(1 − p)，处处为正。")
def claim_squared_error_is_not_convex_in_the_logit(loss="squared error"):
    """(1 − σ(z))² curves downwards below z = −ln 2, where p = 1/3, and upwards above; cross-entropy in
    the logit is convex.

    (1 − σ(z))² 在 z = −ln 2（p = 1/3）以下向下弯，以上向上弯；交叉熵对 logit 是凸的。"""
    z = torch.linspace(-6, 4, 401, dtype=F64)
    bend = {}
    for name, f in (("squared error", lambda x: (1 - x.sigmoid()).square()), ("cross-entropy", lambda x: F.softplus(-x))):
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(f(leaf).sum(), leaf, create_graph=True)
        (bend[name],) = torch.autograd.grad(slope.sum(), leaf)
    show(lines("logit", z[::10], {name: one[::10] for name, one in bend.items()}, y_label="second derivative"))
    flip = -math.log(2)
    expect("second derivative below −ln 2", bend[loss][z < flip - 0.02], at_most=-1e-12)
    expect("second derivative above −ln 2", bend[loss][z > flip + 0.02], at_least=1e-12)
    expect("second derivative of cross-entropy less p(1 − p)",
           bend["cross-entropy"] - z.sigmoid() * (1 - z.sigmoid()), equals=0, within=1e-12)


@breaks(formula="the sigmoid's", en="2(p − y)p(1 − p) holds for a sigmoid; here one entry has the wrong sign.",
        zh="2(p − y)p(1 − p) 只对 sigmoid 成立；这里有一项连符号都错。")
def claim_softmax_couples_the_classes(formula="softmax's"):
    """Behind a softmax the squared error's gradient is 2p_j[(p_j − y_j) − Σ p_k(p_k − y_k)]; the
    sigmoid's formula can even have the wrong sign.

    softmax 之后，平方误差的梯度是 2p_j[(p_j − y_j) − Σ p_k(p_k − y_k)]；套用 sigmoid 的公式，符号都可能是错的。"""
    z = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=F64)
    y = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=F64)
    p = z.softmax(0)
    measured = finite_difference(lambda x: (x.softmax(0) - y).square().sum(), z)
    by = {"softmax's": brier_gradient(z, y), "the sigmoid's": 2 * (p - y) * p * (1 - p)}
    show(bars(range(4), {"measured": measured, **by}, y_label="gradient in the logit"))
    expect("formula less the measured gradient", by[formula] - measured, equals=0, within=1e-8)
    expect("entries where the two formulas differ in sign", int((by["softmax's"] * by["the sigmoid's"] < 0).sum()), at_least=1)


@breaks(score="absolute", en="Absolute error is least at q = 0 for every share below a half.",
        zh="比例低于一半时，绝对误差总在 q = 0 处最小。")
def claim_squared_error_is_a_proper_score(share=0.3, score="squared"):
    """If the label is 1 with probability 0.3, the expected squared error (q − Y)² is least at q = 0.3:
    it does compare distributions.

    标签以概率 0.3 取 1 时，(q − Y)² 的期望在 q = 0.3 处最小：平方误差是能比较分布的。"""
    q = torch.linspace(0, 1, 1001, dtype=F64)
    expected = {name: share * f(q - 1) + (1 - share) * f(q) for name, f in (("squared", torch.square), ("absolute", torch.abs))}
    show(lines("q", q[::20], {name: one[::20] for name, one in expected.items()}, y_label="expected score"))
    expect("best q", q[expected[score].argmin()], equals=share, within=5.1e-4)   # half a step of the grid
    expect("best q of absolute error", q[expected["absolute"].argmin()], equals=0)


def drill_pulls(rng) -> Drill:
    """How many times harder cross-entropy pulls."""
    odds = rng.choice([4, 9, 19, 99])
    z = -torch.tensor(float(odds), dtype=F64).log()
    ratio = (cross_entropy_gradient(z, 1) / sigmoid_gradient(z, 1)).item()
    p = 1 / (1 + odds)
    return Drill(
        en=f"The label is 1 and a sigmoid gives p = {p:g}. How many times larger is the gradient of cross-entropy in the logit "
           "than that of (p − 1)²?",
        zh=f"标签为 1，sigmoid 给出 p = {p:g}。对 logit 的梯度，交叉熵是 (p − 1)² 的多少倍？",
        answer=ratio, within=0.01 * ratio,
        steps=[("p − y against 2(p − y)p(1 − p): the ratio is 1/(2p(1 − p))", "p − y 对 2(p − y)p(1 − p)：比值为 1/(2p(1 − p))"),
               (f"1/(2 · {p:g} · {1 - p:g}) = {ratio:.3g}",) * 2],
        proved_by="a_confident_mistake_gets_no_gradient",
    )


ZH = {
    "logit": "logit", "cross-entropy": "交叉熵", "squared error": "平方误差", "|gradient|": "|梯度|",
    "gradients, squared error over cross-entropy, less 2p(1 − p)": "平方误差与交叉熵的梯度之比减 2p(1 − p)",
    "cross-entropy's |gradient|": "交叉熵的 |梯度|", "at −10, cross-entropy and squared error": "−10 处：交叉熵与平方误差",
    "steps": "步数", "steps of {}": "步数：{}", "steps of cross-entropy": "交叉熵的步数", "second derivative": "二阶导数",
    "second derivative below −ln 2": "−ln 2 以下的二阶导数", "second derivative above −ln 2": "−ln 2 以上的二阶导数",
    "second derivative of cross-entropy less p(1 − p)": "交叉熵的二阶导数减 p(1 − p)", "measured": "测得",
    "softmax's": "softmax 的公式", "the sigmoid's": "sigmoid 的公式", "gradient in the logit": "对 logit 的梯度",
    "formula less the measured gradient": "公式减测得的梯度",
    "entries where the two formulas differ in sign": "两个公式符号不同的项数", "q": "q", "squared": "平方", "absolute": "绝对值",
    "expected score": "期望得分", "best q": "最优的 q", "best q of absolute error": "绝对误差的最优 q",
}  # fmt: skip

if __name__ == "__main__":
    main()
