r"""Softmax, cross-entropy and binary cross-entropy from logits: one gradient, p − y, for all of them.

由 logit 计算 softmax、交叉熵与二元交叉熵：它们的梯度都是 p − y。

Lin et al. 2017 for the focal loss. Turn `classes`, `logits`, `gamma`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


def cross_entropy(z: Tensor, target: Tensor) -> Tensor:
    """log Σ exp(z) − z[target], by row of z (N, K)."""
    top = z.amax(-1, keepdim=True)
    return (top + (z - top).exp().sum(-1, keepdim=True).log()).squeeze(-1) - z.gather(-1, target[:, None]).squeeze(-1)


def binary_cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """softplus(z) − y·z: −[y ln σ(z) + (1 − y) ln(1 − σ(z))] without the logarithm of a rounded 0."""
    return z.clamp(min=0) + (-z.abs()).exp().log1p() - y * z


def focal(z: Tensor, target: Tensor, gamma: float) -> Tensor:
    loss = cross_entropy(z, target)
    return (1 - (-loss).exp()) ** gamma * loss


def claim_hand_ce_and_bce_equal_torch(classes=10, rows=64, scale=200.0):
    """Cross-entropy is log-sum-exp minus the true logit, BCE is softplus(z) − y·z: both equal torch's, at large logits too.

    交叉熵是 log-sum-exp 减去正确类别的 logit，BCE 是 softplus(z) − y·z：与 torch 一致，logit 很大时也对。"""
    z, target = scale * torch.randn(rows, classes), torch.randint(classes, (rows,))
    y = torch.randint(2, (rows, classes)).float()
    theirs = F.cross_entropy(z, target, reduction="none"), F.binary_cross_entropy_with_logits(z, y, reduction="none")
    gaps = [(cross_entropy(z, target) - theirs[0]).abs().max(), (binary_cross_entropy(z, y) - theirs[1]).abs().max()]
    show(table({"loss": ["cross-entropy", "binary"], "largest difference from torch": gaps}))
    expect("difference from torch", gaps, equals=0, within=1e-6 * 8 * scale)
    unshifted = z.exp().sum(-1).log()                                        # what log-sum-exp guards against
    expect("log of the unshifted sum, largest", unshifted.max(), equals=math.inf)


def claim_ce_gradient_is_p_minus_y(classes=10, rows=8):
    """The gradient in the logits is softmax(z) − onehot for cross-entropy and σ(z) − y for BCE; each CE row sums to 0.

    对 logit 的梯度：交叉熵为 softmax(z) − onehot，BCE 为 σ(z) − y；交叉熵的每一行之和为 0。"""
    z = torch.randn(rows, classes, dtype=torch.float64, requires_grad=True)
    target = torch.randint(classes, (rows,))
    y = F.one_hot(target, classes).double()
    (by_ce,) = torch.autograd.grad(cross_entropy(z, target).sum(), z)
    (by_bce,) = torch.autograd.grad(binary_cross_entropy(z, y).sum(), z)
    show(table({"class": range(classes), "∂CE/∂z": by_ce[0], "∂BCE/∂z": by_bce[0], "y": y[0]}))
    expect("∂CE/∂z", by_ce, equals=z.softmax(-1) - y, within=1e-12)
    expect("∂BCE/∂z", by_bce, equals=z.sigmoid() - y, within=1e-12)
    expect("sum of ∂CE/∂z over the classes", by_ce.sum(-1), equals=0, within=1e-12)


def claim_bce_is_two_class_ce(logits=(-3.0, 0.0, 1.3, 5.0)):
    """BCE at logit z is cross-entropy over two classes with logits 0 and z: 0.241 for z = 1.3, y = 1 both ways.

    logit 为 z 的 BCE 就是 logit 为 (0, z) 的二分类交叉熵：z = 1.3、y = 1 时两者都是 0.241。"""
    z = torch.tensor(logits)
    binary = binary_cross_entropy(z, torch.ones_like(z))
    two = F.cross_entropy(torch.stack([torch.zeros_like(z), z], -1), torch.ones(len(z), dtype=torch.long), reduction="none")
    show(table({"z": logits, "BCE(z, 1)": binary, "CE((0, z), 1)": two}))
    expect("BCE", binary, equals=two, within=1e-5, at=("z", logits))


def claim_uniform_logits_cost_ln_classes(classes_tried=(2, 10, 1000, 50257)):
    """A model that knows nothing pays ln K: 2.303 for 10 classes, 10.82 for 50257 tokens.

    一无所知的模型损失为 ln K：10 类为 2.303，50257 个 token 为 10.82。"""
    losses = [cross_entropy(torch.zeros(1, k), torch.zeros(1, dtype=torch.long)).item() for k in classes_tried]
    show(lines("K", classes_tried, {"loss at equal logits": losses}, log="x"))
    expect("loss at equal logits", losses, equals=[math.log(k) for k in classes_tried], within=1e-4, at=("K", classes_tried))


def claim_focal_loss_downweights_easy_examples(gamma=2.0, confidences=(0.1, 0.5, 0.9, 0.99)):
    """Focal loss multiplies cross-entropy by (1 − p)^γ: at p = 0.9 and γ = 2 by 0.01; γ = 0 is cross-entropy.

    focal loss 给交叉熵乘上 (1 − p)^γ：p = 0.9、γ = 2 时乘 0.01；γ = 0 就是交叉熵。"""
    p = torch.tensor(confidences, dtype=torch.float64)
    z, target = torch.stack([1 - p, p], -1).log(), torch.ones(len(p), dtype=torch.long)
    plain = cross_entropy(z, target)
    share = focal(z, target, gamma) / plain
    show(table({"p of the true class": confidences, "cross-entropy": plain, "focal / cross-entropy": share}))
    expect("focal over cross-entropy", share, equals=(1 - p) ** gamma, within=1e-9, at=("p", confidences))
    expect("focal with γ = 0", focal(z, target, 0.0), equals=plain, within=1e-12)


def claim_softmax_before_ce_floors_the_loss(classes=2):
    """Softmax before F.cross_entropy applies it twice: the loss cannot fall below ln(1 + (K − 1)/e), 0.313 for K = 2.

    在 F.cross_entropy 前再做 softmax 等于做两次：损失降不到 ln(1 + (K − 1)/e) 以下，K = 2 时为 0.313。"""
    z = torch.zeros(6, classes)
    z[:, 0] = torch.tensor([0.0, 1, 2, 5, 20, 1000])
    target = torch.zeros(6, dtype=torch.long)
    once, twice = (F.cross_entropy(x, target, reduction="none") for x in (z, z.softmax(-1)))
    floor = math.log(1 + (classes - 1) / math.e)
    show(table({"logit of the true class": z[:, 0], "from logits": once, "softmax first": twice}))
    expect("loss with softmax first", twice, at_least=floor, within=1e-6)
    expect("loss with softmax first, perfect prediction", twice[-1], equals=floor, within=1e-6)
    expect("loss from logits, perfect prediction", once[-1], equals=0, within=1e-6)


if __name__ == "__main__":
    main()
