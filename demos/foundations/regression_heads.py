r"""Regression or classification: the last layer looks alike, target and loss make the difference.

回归还是分类：最后一层看上去一样，区别在目标与损失。

Turn `peaks` to 1: with one peak a number says as much as bins do.
把 `peaks` 改为 1：只有一个峰时，一个数与一组 bin 说的一样多。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("both_slopes_are_prediction_minus_target",), wrong=("forgets_the_rows", "forgets_the_softmax"))
def output_gradients(out: Tensor, values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two gradients in the outputs `out` (rows, outputs), each of a mean over rows: of half the squared
    distance from `values` (rows, outputs), and of softmax cross-entropy with `labels` (rows,).

    对输出 `out`（rows, outputs）的两个梯度，损失都对各行取平均：一是与 `values`（rows, outputs）距离平方的一半，二是
    以 `labels`（rows,）为类别的 softmax 交叉熵。"""
    onehot = F.one_hot(labels, out.shape[1])
    return (out - values) / len(out), (out.softmax(1) - onehot) / len(out)


RANGES = {
    "rows": between(8, 64), "outputs": between(2, 6), "width": between(2, 5),
    "trained": one_of("squared error", "squared norm"), "noise": one_of("Gaussian", "Laplace"),
    "halved": one_of("yes", "no"), "peaks": one_of(2, 1),
}  # fmt: skip


@breaks(trained="squared norm", en="The plain norm couples the outputs: an error in one weighs down the others.",
        zh="不平方的范数把各输出耦合起来：一个输出的误差会压低其余输出的权重。")
def claim_several_outputs_are_several_regressions(rows=40, width=3, outputs=3, trained="squared error"):
    """Regression may have any number of outputs: under squared error gradient descent on three at
    once ends where least squares of each alone does.

    回归可以有任意多个输出：平方误差下，三个输出一起做梯度下降，终点与各自单独做最小二乘相同。"""
    x = torch.linalg.qr(torch.randn(rows, width, dtype=F64))[0] * rows**0.5  # columns of unit mean square
    y = x @ torch.randn(width, outputs, dtype=F64) + torch.randn(rows, outputs, dtype=F64).exp()
    w = torch.zeros(width, outputs, dtype=F64, requires_grad=True)
    for _ in range(60):
        error = (x @ w - y).square().sum(1)
        loss = (error / 2 if trained == "squared error" else (error + 1e-6).sqrt()).mean()
        (slope,) = torch.autograd.grad(loss, w)
        w = (w - 0.5 * slope).detach().requires_grad_()
    alone = torch.cat([torch.linalg.lstsq(x, y[:, k : k + 1]).solution for k in range(outputs)], 1)
    show(heatmap((w - alone).detach(), x_label="output", y_label="input",
                 title="weights trained together less each alone"))
    # The Hessian is the identity, so half of the error goes with every step: 2⁻⁶⁰ is left
    expect("weights trained together less each alone", w.detach() - alone, equals=0, within=1e-9)


@breaks(noise="Laplace", en="Laplace noise costs |error|: that is absolute error.", zh="Laplace 噪声的代价是 |误差|，那是绝对误差。")
def claim_each_loss_is_a_likelihood(rows=16, outputs=4, noise="Gaussian"):
    """Up to a constant, half the squared error is the negative log-likelihood of unit Gaussian noise, absolute
    error of Laplace noise, and cross-entropy of a category.

    除去常数，平方误差的一半是单位高斯噪声的负对数似然，绝对误差是 Laplace 噪声的，交叉熵是类别分布的。"""
    out, values = 3 * torch.randn(2, rows, outputs, dtype=F64)
    labels = torch.randint(outputs, (rows,))
    of_noise = {"Gaussian": torch.distributions.Normal, "Laplace": torch.distributions.Laplace}
    surprise = {name: -one(out, torch.ones_like(out)).log_prob(values) for name, one in of_noise.items()}   # (rows, outputs)
    error = (out - values).flatten()
    at = error.argsort()
    show(lines("error", error[at], {f"{name} noise": one.flatten()[at] for name, one in surprise.items()}, y_label="−ln likelihood"))
    squared = surprise[noise] - (out - values) ** 2 / 2
    expect("−ln likelihood of the noise less half the squared error, from its mean", squared - squared.mean(), equals=0, within=1e-12)
    absolute = surprise["Laplace"] - (out - values).abs()
    expect("−ln likelihood of Laplace noise less |error|, from its mean", absolute - absolute.mean(), equals=0, within=1e-12)
    category = -torch.distributions.Categorical(logits=out).log_prob(labels)
    expect("−ln likelihood of the category less cross-entropy", category - F.cross_entropy(out, labels, reduction="none"), equals=0,
           within=1e-12)


@breaks(halved="no", en="Without the ½ the squared error pulls twice as hard.", zh="没有 ½，平方误差的拉力是两倍。")
def claim_both_slopes_are_prediction_minus_target(rows=16, outputs=4, halved="yes"):
    """Both losses send back prediction minus target: ŷ − y under half the squared error, p − y in the
    logits under softmax and cross-entropy, each over the rows.

    两种损失传回的都是「预测减目标」：平方误差的一半为 ŷ − y，softmax 加交叉熵对 logits 为 p − y，都除以行数。"""
    out, values = torch.randn(2, rows, outputs, dtype=F64)
    labels = torch.randint(outputs, (rows,))
    factor = 0.5 if halved == "yes" else 1.0
    measured = (finite_difference(lambda o: factor * (o - values).square().sum(1).mean(), out),
                finite_difference(lambda o: F.cross_entropy(o, labels), out))
    by_hand = output_gradients(out, values, labels)
    show(bars(range(outputs), {"squared error": by_hand[0][0], "cross-entropy": by_hand[1][0]},
              y_label="gradient in the outputs of one row"))
    for name, a, b in zip(("squared error", "cross-entropy"), measured, by_hand, strict=True):
        # central differences at 1e-6: 1e-16 / 1e-6 of rounding, times a few
        expect(f"measured gradient less by hand, {name}", a - b, equals=0, within=1e-8)


@breaks(peaks=1, en="With one peak the mean is a likely value, and bins add little.",
        zh="只有一个峰时，均值就是很可能出现的值，分 bin 没有多少好处。")
def claim_bins_keep_what_the_mean_hides(rows=64, peaks=2):
    """Targets near −1 or near 1: squared error answers 0, where no target lies; a softmax over eight
    bins keeps both peaks, and its mean is the same 0.

    目标在 −1 或 1 附近：平方误差的答案是 0，而那里没有任何目标；八个 bin 上的 softmax 保留两个峰，其均值同样是 0。"""
    side = torch.tensor([-1.0, 1.0], dtype=F64).repeat((rows + 1) // 2)
    y = (side if peaks == 2 else 0 * side) + torch.empty_like(side).uniform_(-0.3, 0.3)
    edges = torch.linspace(-1.6, 1.6, 9, dtype=F64)                      # eight bins of width 0.4
    labels = torch.bucketize(y, edges[1:-1])
    z = torch.zeros(8, dtype=F64, requires_grad=True)
    for _ in range(150):                                                 # descend on the cross-entropy
        (slope,) = torch.autograd.grad(F.cross_entropy(z.expand(len(y), 8), labels), z)
        z = (z - 4 * slope).detach().requires_grad_()
    p, centres = z.detach().softmax(0), (edges[1:] + edges[:-1]) / 2
    show(bars([f"{c:.1f}" for c in centres], {"probability of the bin": p}, title=f"mean of the targets {y.mean():.2f}"))
    expect("mean of the bins less mean of the targets", (p * centres).sum() - y.mean(), equals=0, within=0.2 + 0.02)
    near = (y - y.mean()).abs().min()
    expect("distance of the mean from the nearest target", near, at_least=0.5)
    expect("probability of the four middle bins", p[2:6].sum(), at_most=0.35)


ZH = {
    "output": "输出", "input": "输入", "weights trained together less each alone": "一起训练的权重减各自单独的",
    "squared error": "平方误差", "cross-entropy": "交叉熵", "gradient in the outputs of one row": "某一行对输出的梯度",
    "measured gradient less by hand, {}": "测得的梯度减手推的：{}", "probability of the bin": "bin 的概率",
    "error": "误差", "{} noise": "{} 噪声", "−ln likelihood": "负对数似然",
    "−ln likelihood of the noise less half the squared error, from its mean": "噪声的负对数似然减平方误差的一半（减去均值）",
    "−ln likelihood of Laplace noise less |error|, from its mean": "Laplace 噪声的负对数似然减 |误差|（减去均值）",
    "−ln likelihood of the category less cross-entropy": "类别分布的负对数似然减交叉熵",
    "mean of the targets {}": "目标的均值 {}", "mean of the bins less mean of the targets": "bin 的均值减目标的均值",
    "distance of the mean from the nearest target": "均值到最近目标的距离",
    "probability of the four middle bins": "中间四个 bin 的概率",
}  # fmt: skip

if __name__ == "__main__":
    main()
