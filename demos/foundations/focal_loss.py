r"""Focal loss turns down the examples that already go well, and gives up true probabilities for it.

focal loss 调低已经做对的样本的权重，代价是输出不再是真实概率。

Lin et al. 2017. Turn `weight` to "the hit": the opposite weighting, p instead of (1 − p)², is that of DFT.
把 `weight` 改为 "the hit"：反过来以 p 而不是 (1 − p)² 加权，就是 DFT。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("easy_examples_weigh_little", "the_weight_has_a_slope_too"), wrong=("weights_the_hit", "detached_weight"))
def focal_loss(z: Tensor, target: Tensor, gamma: float) -> Tensor:
    """−(1 − p)^gamma · ln p of each row, with p the softmax probability of its right class: z is (rows,
    classes), target (rows,) of class numbers, the result (rows,).

    每行的 −(1 − p)^gamma · ln p，p 为正确类别的 softmax 概率：z 为 (rows, classes)，target (rows,) 为类别编号，结果为 (rows,)。"""
    log_p = z.log_softmax(1).gather(1, target[:, None]).squeeze(1)       # (rows,)
    return -(1 - log_p.exp()) ** gamma * log_p


def weighted_by_the_hit(z: Tensor, target: Tensor, gamma: float) -> Tensor:
    """DFT's token loss: the cross-entropy times p, through which no gradient flows."""
    log_p = z.log_softmax(1).gather(1, target[:, None]).squeeze(1)
    return -log_p.exp().detach() * log_p


def rows_with(p: Tensor) -> tuple[Tensor, Tensor]:
    """Two-class logits whose right class, the first, has each probability p (rows,)."""
    return torch.stack((p.log(), (1 - p).log()), 1), torch.zeros(len(p), dtype=torch.long)


RANGES = {
    "gamma": between(0.5, 5.0), "weight": one_of("the miss", "the hit"), "slope": one_of("through the weight", "detached"),
    "share": between(0.6, 0.95), "loss": one_of("focal", "cross-entropy"), "stopped": one_of("yes", "no"),
}  # fmt: skip


@breaks(weight="the hit", en="Weighted by p the easy examples count most.", zh="以 p 加权，简单样本反而权重最大。")
def claim_easy_examples_weigh_little(gamma=2.0, weight="the miss"):
    """With γ = 2 an example at p = 0.9 has 1% of its cross-entropy, one at p = 0.1 81%: focal loss
    multiplies by (1 − p)^γ.

    γ = 2 时，p = 0.9 的样本只剩交叉熵的 1%，p = 0.1 的剩 81%：focal loss 乘上 (1 − p)^γ。"""
    p = torch.tensor([0.1, 0.5, 0.9, 0.99], dtype=F64)
    z, right = rows_with(p)
    ce = F.cross_entropy(z, right, reduction="none")
    got = (focal_loss if weight == "the miss" else weighted_by_the_hit)(z, right, gamma)
    show(table({"p": p, "cross-entropy": ce, "focal": focal_loss(z, right, gamma), "p · CE (DFT)": weighted_by_the_hit(z, right, 0)}))
    expect("loss over cross-entropy", got / ce, equals=[(1 - one) ** gamma for one in p.tolist()], within=1e-12, at=("p", p))
    plain = focal_loss(z, right, 0.0)
    expect("with γ = 0, less torch's cross-entropy", plain - ce, equals=0, within=1e-12)


@breaks(slope="detached", en="With the weight detached the pull falls to (1 − p)^γ exactly.",
        zh="把权重 detach，拉力才恰好降为 (1 − p)^γ。")
def claim_the_weight_has_a_slope_too(gamma=2.0, slope="through the weight"):
    """The pull on the right logit is (1 − p)^γ · [(1 − p) − γ p ln p]: at p = 0.9 and γ = 2 it is 2.9% of
    cross-entropy's, not 1%.

    对正确 logit 的拉力是 (1 − p)^γ · [(1 − p) − γ p ln p]：p = 0.9、γ = 2 时为交叉熵的 2.9%，不是 1%。"""
    p = torch.linspace(0.05, 0.95, 19, dtype=F64)
    z, right = rows_with(p)
    z.requires_grad_()
    log_p = z.log_softmax(1)[:, 0]
    loss = focal_loss(z, right, gamma) if slope == "through the weight" else -(1 - log_p.exp()).detach() ** gamma * log_p
    pull = -torch.autograd.grad(loss.sum(), z)[0][:, 0]
    by_hand = (1 - p) ** gamma * ((1 - p) - gamma * p * p.log())
    show(lines("p", p, {"focal": pull, "cross-entropy": 1 - p, "(1 − p)^γ of it": (1 - p) ** (gamma + 1)}, y_label="pull"))
    expect("pull less the formula", pull - by_hand, equals=0, within=1e-12, at=("p", p))
    if gamma == 2.0:
        expect("pull at p = 0.9 over cross-entropy's", pull[17] / (1 - p[17]), equals=0.029, within=5e-4)


@breaks(loss="cross-entropy", en="Cross-entropy is least at the share itself.", zh="交叉熵恰好在比例处最小。")
def claim_its_optimum_is_not_the_probability(share=0.9, gamma=2.0, loss="focal"):
    """Where the label is 1 in 90% of the cases the expected focal loss, γ = 2, is least at q = 0.69: its
    outputs are too timid to be read as probabilities.

    标签有 90% 为 1 时，期望的 focal loss（γ = 2）在 q = 0.69 处最小：输出偏保守，不能当概率读。"""
    q = torch.linspace(0.001, 0.999, 999, dtype=F64)
    one, other = rows_with(q)[0], rows_with(1 - q)[0]
    right = torch.zeros(len(q), dtype=torch.long)
    curves = {name: share * focal_loss(one, right, g) + (1 - share) * focal_loss(other, right, g)
              for name, g in (("focal", gamma), ("cross-entropy", 0.0))}
    best = q[curves[loss].argmin()]
    show(lines("q", q[9::30], {name: c[9::30] for name, c in curves.items()}, y_label="expected loss"))
    expect("share less the best q", share - best, at_least=0.01)
    expect("best q of cross-entropy", q[curves["cross-entropy"].argmin()], equals=share, within=6e-4)
    if share == 0.9 and gamma == 2.0:
        expect("best q", best, equals=0.69, within=0.005)


@breaks(stopped="no", en="If the weight is differentiated too, the gradient is −(1 + ln p)∇p.",
        zh="若权重也参与求导，梯度就成了 −(1 + ln p)∇p。")
def claim_weighting_by_the_hit_maximises_p(stopped="yes"):
    """Cross-entropy times p, the weight detached, has exactly the gradient of −p: DFT maximises the mean
    probability of the tokens and lets the unlikely ones go.

    交叉熵乘以 p（权重 detach）的梯度恰好是 −p 的梯度：DFT 最大化 token 概率的平均，放弃那些不可能的 token。"""
    z = (2 * torch.randn(12, 6, dtype=F64)).requires_grad_()
    right = torch.randint(6, (12,))
    log_p = z.log_softmax(1).gather(1, right[:, None]).squeeze(1)
    loss = weighted_by_the_hit(z, right, 0) if stopped == "yes" else -log_p.exp() * log_p
    (got,) = torch.autograd.grad(loss.sum(), z, retain_graph=True)
    (of_minus_p,) = torch.autograd.grad(-log_p.exp().sum(), z)
    ce = F.cross_entropy(z, right, reduction="none")
    order = ce.argsort()
    show(lines("loss of the token", ce[order], {"pull": got.abs().sum(1)[order], "cross-entropy's": 2 * (1 - log_p.exp())[order]}))
    expect("gradient less that of −p", got - of_minus_p, equals=0, within=1e-12)


def drill_weights(rng) -> Drill:
    """The weights of focal loss and of DFT."""
    p, which = rng.choice([0.9, 0.8, 0.5, 0.1, 0.2]), rng.choice(["focal", "DFT"])
    z, right = rows_with(torch.tensor([p], dtype=F64))
    loss = focal_loss(z, right, 2.0) if which == "focal" else weighted_by_the_hit(z, right, 0)
    got = (loss / F.cross_entropy(z, right)).item()
    name = {"focal": "focal loss with γ = 2", "DFT": "DFT (weight p)"}[which]
    zh = {"focal": "γ = 2 的 focal loss", "DFT": "DFT（权重为 p）"}[which]
    return Drill(
        en=f"The right class has probability {p:g}. By what is its cross-entropy multiplied in {name}?",
        zh=f"正确类别的概率是 {p:g}。{zh}把它的交叉熵乘以多少？",
        answer=got, within=0.002,
        steps=[(f"(1 − {p:g})² = {got:.4g}" if which == "focal" else f"p = {p:g}",) * 2],
        proved_by="easy_examples_weigh_little",
    )


ZH = {
    "p": "p", "cross-entropy": "交叉熵", "focal": "focal", "p · CE (DFT)": "p · CE（DFT）", "loss over cross-entropy": "损失与交叉熵之比",
    "with γ = 0, less torch's cross-entropy": "γ = 0 时与 torch 交叉熵之差", "(1 − p)^γ of it": "它的 (1 − p)^γ", "pull": "拉力",
    "pull less the formula": "拉力减公式", "pull at p = 0.9 over cross-entropy's": "p = 0.9 处拉力与交叉熵之比", "q": "q",
    "expected loss": "期望损失", "share less the best q": "比例减最优的 q", "best q of cross-entropy": "交叉熵最优的 q",
    "best q": "最优的 q",
    "loss of the token": "token 的损失", "cross-entropy's": "交叉熵的", "gradient less that of −p": "梯度减 −p 的梯度",
}  # fmt: skip

if __name__ == "__main__":
    main()
