r"""On the inputs of a linear model dropout is an L2 penalty on average: it helps where data are few, and costs where they are not.

在线性模型的输入上，dropout 平均而言就是一个 L2 惩罚：数据少时有用，数据多时有害。

Srivastava et al. 2014; Wager, Wang & Liang 2013. Turn `samples` to 2400: the same dropout then raises the error.
把 `samples` 改为 2400：同样的 dropout 反而使误差上升。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("mean_loss_is_the_loss_plus_a_weighted_penalty",), wrong=("plain_l2", "forgets_the_odds", "squares_the_sum"))
def penalty(x: Tensor, w: Tensor, p: float) -> Tensor:
    """What dropout with probability p on the inputs adds to the mean squared-error sum: p/(1 − p) times Σ w² of each feature
    times the sum of its squares. x (samples, features), w (features,).

    对输入做概率为 p 的 dropout，平方误差之和的平均多出多少：p/(1 − p) 乘以各特征的 w² 与其平方和之积的总和。
    x (samples, features)，w (features,)。"""
    return p / (1 - p) * (w**2 * x.square().sum(0)).sum()


def fit(x: Tensor, y: Tensor, p: float) -> Tensor:
    """The weights (…, features) that minimise squared error plus `penalty`, in closed form; x (…, samples, features)."""
    gram = x.mT @ x                                                      # (…, features, features)
    ridge = torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)) * p / (1 - p)
    return torch.linalg.solve(gram + ridge, (x.mT @ y[..., None]))[..., 0]


def errors(problems: int, samples: int, rates: tuple) -> list[float]:
    """Squared distance of the fitted from the true weights of 16 features, noise of variance 1, mean over problems; one per rate."""
    w = torch.randn(problems, 16) / 4
    x = torch.randn(problems, samples, 16)
    y = (x @ w[..., None])[..., 0] + torch.randn(problems, samples)
    return [(fit(x, y, rate) - w).square().sum(1).mean().item() for rate in rates]


RANGES = {
    "rows": between(1, 3), "features": between(2, 4), "p": between(0.2, 0.5), "added": one_of("weighted", "plain"),
    "samples": one_of(18, 24, 32, 2400), "problems": between(100, 400),
}


@breaks(added="plain", en="A plain p/(1 − p)·Σw² ignores how large each feature is.", zh="单纯的 p/(1 − p)·Σw² 不管每个特征有多大。")
def claim_mean_loss_is_the_loss_plus_a_weighted_penalty(rows=3, features=4, p=0.3, added="weighted"):
    """Averaged over all masks, the squared error under inverted dropout is the plain one plus p/(1 − p)·Σ w² · Σ x², feature by
    feature.

    对全部掩码求平均，inverted dropout 下的平方误差等于原来的加上 p/(1 − p)·Σ w² · Σ x²，逐特征相加。"""
    x, y = torch.randn(rows, features, dtype=torch.float64) * torch.arange(1, features + 1), torch.randn(rows, dtype=torch.float64)
    w, n = torch.randn(features, dtype=torch.float64), rows * features
    kept = (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).bool()   # all masks (2ⁿ, n)
    share = (kept.double() * (1 - p) + (~kept).double() * p).prod(1)
    losses = (y - (x * kept.view(-1, rows, features) / (1 - p)) @ w).square().sum(1)
    mean, plain = share @ losses, (y - x @ w).square().sum()
    extra = penalty(x, w, p) if added == "weighted" else p / (1 - p) * w.square().sum()
    show(table({"squared error": ["without dropout", "mean over all masks", "plus the penalty"], "value": [plain, mean, plain + extra]}))
    # float64: 4,096 terms of up to a few hundred
    expect("mean over all masks, less error plus penalty", mean - plain - extra, equals=0, within=1e-9)


@breaks(samples=2400, en="With a hundred samples per feature there is nothing to regularise: the shrinking only costs.",
        zh="每个特征有上百个样本，没有什么需要正则化：收缩只有代价。")
def claim_dropout_helps_where_samples_are_few(samples=24, p=0.3, problems=200):
    """With 24 samples for 16 noisy features, fitted to the end, dropout of 0.3 more than halves the error on new data; with
    2,400 it raises it.

    16 个有噪声的特征只有 24 个样本、拟合到底时，0.3 的 dropout 使新数据上的误差降到一半以下；2,400 个样本时反而升高。"""
    rates, many = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7), 2400
    few, ample = errors(problems, samples, (*rates, p)), errors(20, many, (*rates, p))
    show(lines("p", rates, {f"error beyond the noise, {samples} samples": few[:-1], f"error beyond the noise, {many} samples": ample[:-1]},
               log="y"))
    expect("error with dropout over that without", few[-1] / few[0], at_most=0.5)
    expect(f"error with dropout over that without, {many} samples", ample[-1] / ample[0], at_least=2)


ZH = {
    "squared error": "平方误差", "without dropout": "无 dropout", "mean over all masks": "全部掩码的平均", "plus the penalty": "加上惩罚项",
    "value": "值", "mean over all masks, less error plus penalty": "全部掩码的平均，减（误差加惩罚）", "p": "p",
    "error beyond the noise, {} samples": "噪声之外的误差，{} 个样本",
    "error with dropout over that without": "有 dropout 与没有的误差之比",
    "error with dropout over that without, {} samples": "有 dropout 与没有的误差之比，{} 个样本",
}

if __name__ == "__main__":
    main()
