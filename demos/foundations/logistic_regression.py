r"""Logistic regression makes the log-odds linear in x, and fits it with the gradient Xᵀ(p − y)/n.

逻辑回归让对数几率是 x 的线性函数，并用梯度 Xᵀ(p − y)/n 拟合。

Turn `labels` to "one flipped": the classes overlap, and the weights stop at a finite place.
把 `labels` 改为 "one flipped"：两类有重叠，权重停在有限处。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("the_gradient_is_error_times_input",), wrong=("turned_round", "with_the_slope_of_sigmoid", "summed"))
def gradient(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """The gradient in w (width,) of the mean binary cross-entropy of σ(x·w) with labels y (rows,) of 0
    and 1; x is (rows, width), with a column of ones if there is an intercept.

    σ(x·w) 与标签 y（rows,，取 0 或 1）的平均二元交叉熵对 w (width,) 的梯度；x 为 (rows, width)，若有截距则含一列 1。"""
    error = (x @ w).sigmoid() - y                                        # (rows,): p − y
    return x.T @ error / len(y)


def fit(x: Tensor, y: Tensor, l2: float = 0.0) -> Tensor:
    """The optimum by Newton's method, with l2/2·|w|² added to the mean loss."""
    w = torch.zeros(x.shape[1], dtype=F64)
    for _ in range(12):
        p = (x @ w).sigmoid()
        hessian = (x.T * (p * (1 - p))) @ x / len(y) + l2 * torch.eye(len(w), dtype=F64)
        w = w - torch.linalg.solve(hessian, gradient(x, y, w) + l2 * w)
    return w


def two_classes(rows: int, covariance: str) -> tuple[Tensor, Tensor, Tensor]:
    """Two Gaussian classes in the plane, a quarter of them 1s, and the weights that Bayes' rule gives
    for a shared covariance: x (rows, 3) with a column of ones, y (rows,), weights (3,)."""
    mean = torch.tensor([[0.0, 0.0], [1.0, 1.5]], dtype=F64)
    root = torch.tensor([[1.0, 0.0], [0.5, 1.0]], dtype=F64)             # shared covariance root·rootᵀ
    y = (torch.arange(rows) % 4 == 0).double()
    noise = torch.randn(rows, 2, dtype=F64) @ root.T
    if covariance == "each its own":
        noise = noise * (1 + y[:, None])
    x = torch.cat([mean[y.long()] + noise, torch.ones(rows, 1, dtype=F64)], 1)
    precision = torch.linalg.inv(root @ root.T)
    w = precision @ (mean[1] - mean[0])
    b = (mean[0] @ precision @ mean[0] - mean[1] @ precision @ mean[1]) / 2 + math.log(1 / 3)
    return x, y, torch.cat([w, b[None]])


RANGES = {
    "rows": between(2000, 20000), "covariance": one_of("shared", "each its own"),
    "loss": one_of("cross-entropy", "squared error"),
    "intercept": one_of("free", "none", "penalised"), "labels": one_of("separable", "one flipped"),
}  # fmt: skip


@breaks(loss="squared error", en="Squared error multiplies each row by 2p(1 − p).", zh="平方误差会给每一行再乘上 2p(1 − p)。")
def claim_the_gradient_is_error_times_input(loss="cross-entropy"):
    """The gradient of the mean cross-entropy is the average over rows of (p − y)·x: each example pulls
    along its own input, in proportion to its error.

    平均交叉熵的梯度是各行 (p − y)·x 的平均：每个样本沿自己的输入方向拉，力度与误差成正比。"""
    x, y = torch.randn(40, 3, dtype=F64), (torch.rand(40) < 0.4).double()
    w = torch.tensor([0.5, -1.0, 2.0], dtype=F64)
    by_hand = [0.0, 0.0, 0.0]
    for row, label in zip(x.tolist(), y.tolist(), strict=True):
        p = 1 / (1 + math.exp(-sum(a * b for a, b in zip(row, w.tolist(), strict=True))))
        by_hand = [g + (p - label) * one / 40 for g, one in zip(by_hand, row, strict=True)]
    objective = {"cross-entropy": lambda v: F.binary_cross_entropy_with_logits(x @ v, y),
                 "squared error": lambda v: ((x @ v).sigmoid() - y).square().mean()}[loss]
    measured = finite_difference(objective, w)
    show(table({"weight": range(3), "measured": measured, "loop": by_hand, "Xᵀ(p − y)/n": gradient(x, y, w)}))
    expect("gradient less the loop's", gradient(x, y, w), equals=by_hand, within=1e-12)
    expect("gradient less the measured slope", gradient(x, y, w) - measured, equals=0, within=1e-8)


@breaks(covariance="each its own", en="With two covariances the log-odds are quadratic in x.",
        zh="协方差不同时，对数几率是 x 的二次函数。")
def claim_it_finds_the_weights_of_bayes_rule(rows=8000, covariance="shared"):
    """For Gaussian classes with one covariance Σ the fit approaches Bayes' rule: w = Σ⁻¹(μ₁ − μ₀), and
    an intercept that holds the log of the class ratio.

    两类为协方差相同的高斯时，拟合结果趋近 Bayes 公式：w = Σ⁻¹(μ₁ − μ₀)，截距里含两类比例的对数。"""
    x, y, bayes = two_classes(rows, covariance)
    w = fit(x, y)
    p = (x @ w).sigmoid()
    deviation = torch.linalg.inv((x.T * (p * (1 - p))) @ x).diagonal().sqrt()  # of w, by Fisher's information
    show(bars(["w₁", "w₂", "b"], {"fitted": w, "Bayes": bayes}))
    expect("weights less Bayes', in standard errors", (w - bayes) / deviation, equals=0, within=5)


@breaks(intercept="none", en="Without an intercept nothing forces the mean.", zh="没有截距，均值就不受约束。")
@breaks(intercept="penalised", en="A penalty on the intercept pulls the mean towards one half.",
        zh="对截距加惩罚，均值会被拉向二分之一。")
def claim_the_mean_probability_is_the_base_rate(rows=2000, intercept="free"):
    """With a free intercept the fitted probabilities average exactly to the share of 1s, right or
    wrong the model: the slope of the loss in the intercept is their difference.

    截距不受约束时，拟合概率的平均恰好等于 1 的比例，无论模型对不对：损失对截距的斜率正是两者之差。"""
    x, y, _ = two_classes(rows, "each its own")                          # the linear model is wrong here
    x = x + torch.tensor([1.0, 1.0, 0.0], dtype=F64)                     # not centred
    w = fit(x[:, :2] if intercept == "none" else x, y, l2=0.1 if intercept == "penalised" else 0.0)
    p = (x[:, : len(w)] @ w).sigmoid()
    show(bars(["mean probability", "share of 1s"], {"": [p.mean(), y.mean()]}))
    expect("mean probability less the share of 1s", p.mean() - y.mean(), equals=0, within=1e-9)


@breaks(labels="one flipped", en="With overlap the loss has a least value, at finite weights.",
        zh="有重叠时损失存在最小值，权重有限。")
def claim_separable_data_has_no_finite_optimum(labels="separable"):
    """On separable data the loss falls to 0 only as the weights grow for ever, by ln(1/loss) over the
    margin, along the direction of the widest margin.

    数据线性可分时，只有权重无限增大，损失才趋于 0：长度约为 ln(1/损失) 除以间隔，方向趋于最大间隔方向。"""
    # signed points y·x: the nearest point to the origin of their hull is (0.4, 0.8), at distance 0.894
    points = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 2.0]], dtype=F64)
    if labels == "one flipped":
        points = torch.cat([points, -points[:1] / 2])
    w, norms, losses = torch.zeros(2, dtype=F64), [], []
    for _ in range(400):
        m = points @ w
        loss = F.softplus(-m).mean()
        slope = -(points * (-m).sigmoid()[:, None]).mean(0)
        w = w - 0.1 * slope / loss                    # plain steps would need e times longer for each +1 of ln(1/loss)
        norms.append(w.norm().item())
        losses.append(loss.item())
    show(lines("ln(1/loss)", [-math.log(one) for one in losses[::20]], {"length of w": norms[::20]}))
    expect("loss after 400 steps", losses[-1], at_most=1e-6)
    grown = (norms[-1] - norms[150]) * math.sqrt(0.8) / max(math.log(losses[150] / losses[-1]), 1e-9)
    # the offset between the two support points still moves a little: of order 1/ln(1/loss)
    expect("growth of |w| over ln(1/loss)/margin, after step 150", grown, equals=1, within=0.1)
    cosine = F.cosine_similarity(w, torch.tensor([0.4, 0.8], dtype=F64), dim=0)
    expect("cosine of w with the widest margin's direction", cosine, at_least=0.99)


def drill_pull(rng) -> Drill:
    """The gradient of one example."""
    odds, y = rng.choice([(3, 0), (3, 1), (4, 0), (4, 1), (9, 0), (1, 1)])
    first, second = rng.choice([(2, -4), (4, 8), (-8, 2), (10, 20)])
    p = odds / (1 + odds)
    x = torch.tensor([[first, second]], dtype=F64)
    w = torch.linalg.lstsq(x, torch.tensor([math.log(odds)], dtype=F64)).solution   # any w with w·x = ln odds
    got = gradient(x, torch.tensor([float(y)], dtype=F64), w)[0].item()
    return Drill(
        en=f"Logistic regression, one example x = ({first}, {second}) with label {y}; now w·x = ln {odds}. What is the first "
           "component of the gradient of its loss in w?",
        zh=f"逻辑回归，一个样本 x = ({first}, {second})，标签 {y}；现在 w·x = ln {odds}。损失对 w 的梯度的第一个分量是多少？",
        answer=got, within=0.01,
        steps=[(f"p = {odds}/{odds + 1} = {p:.4g}, error p − y = {p - y:.4g}",
                f"p = {odds}/{odds + 1} = {p:.4g}，误差 p − y = {p - y:.4g}"),
               (f"{p - y:.4g} · {first} = {got:.4g}",) * 2],
        proved_by="the_gradient_is_error_times_input",
    )


ZH = {
    "weight": "权重", "measured": "测得", "loop": "循环", "Xᵀ(p − y)/n": "Xᵀ(p − y)/n",
    "gradient less the loop's": "梯度减循环的", "gradient less the measured slope": "梯度减测得的斜率",
    "w₁": "w₁", "w₂": "w₂", "b": "b", "fitted": "拟合", "Bayes": "Bayes",
    "weights less Bayes', in standard errors": "权重减 Bayes 公式的值（以标准误计）",
    "mean probability": "平均概率", "share of 1s": "1 的比例", "": "",
    "mean probability less the share of 1s": "平均概率减 1 的比例", "ln(1/loss)": "ln(1/损失)", "length of w": "w 的长度",
    "loss after 400 steps": "400 步后的损失",
    "growth of |w| over ln(1/loss)/margin, after step 150": "150 步之后 |w| 的增长与 ln(1/损失)/间隔 之比",
    "cosine of w with the widest margin's direction": "w 与最大间隔方向的余弦",
}  # fmt: skip

if __name__ == "__main__":
    main()
