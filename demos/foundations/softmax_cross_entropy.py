r"""Cross-entropy from logits is log-sum-exp minus the true logit, and its gradient p − y.

由 logit 计算的交叉熵等于 log-sum-exp 减去正确类别的 logit，梯度是 p − y。

Turn `written` to "as the log of a softmax": the loss is infinite where a probability rounds to 0.
把 `written` 改为 "as the log of a softmax"：概率舍入成 0 时，损失成为无穷大。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show


@exercise(claims=("hand_ce_equals_torch", "ce_gradient_is_p_minus_y"),
          wrong=("log_of_softmax", "without_the_maximum", "forgets_the_target"))
def cross_entropy(z: Tensor, target: Tensor) -> Tensor:
    """The loss of each row from logits z (rows, classes) and the right classes, target (rows,): log Σ exp(z) − z[target].

    由 logit z（rows, classes）与正确类别 target（rows,）求每行的损失：log Σ exp(z) − z[target]。"""
    top = z.amax(-1, keepdim=True)                                       # (rows, 1)
    log_sum = top + (z - top).exp().sum(-1, keepdim=True).log()
    return (log_sum - z.gather(-1, target[:, None])).squeeze(-1)         # (rows,)


def log_of_a_softmax(z: Tensor, target: Tensor) -> Tensor:
    """The wrong way: a probability first, its logarithm after."""
    return -z.softmax(-1).gather(-1, target[:, None]).squeeze(-1).log()


RANGES = {
    "classes": between(2, 1000),
    "rows": between(8, 256),
    "written": one_of("with log-sum-exp", "as the log of a softmax"),
    "tried": each(between(2, 200000), at_least=1, rising=True),
    "respect_to": one_of("logits", "probabilities"),
    "lead": one_of(0.0, 1.0),
    "given": one_of("probabilities", "logits"),
}


@breaks(written="as the log of a softmax", en="Where p rounds to 0 its logarithm is infinite.",
        zh="p 舍入成 0 时，对数是负无穷。")
def claim_hand_ce_equals_torch(classes=10, rows=64, written="with log-sum-exp"):
    """Cross-entropy is log-sum-exp minus the true logit: it equals torch's, at large logits too.

    交叉熵是 log-sum-exp 减去正确类别的 logit：与 torch 一致，logit 很大时也对。"""
    z, target = 200 * torch.randn(rows, classes), torch.randint(classes, (rows,))
    z[0, 0], z[0, 1], target[0] = -500.0, 500.0, 0                       # one row whose p is 0 in fp32
    loss = cross_entropy if written == "with log-sum-exp" else log_of_a_softmax
    mine, theirs = loss(z, target), F.cross_entropy(z, target, reduction="none")
    show(lines("row", range(rows), {"by hand": mine, "torch": theirs}, y_label="loss"))
    # Logits of up to about 1000 in fp32: a few times 1000 · 6e-8.
    expect("cross-entropy less torch's", mine - theirs, equals=0, within=1e-3)


@breaks(respect_to="probabilities", en="In the probabilities the gradient is −y/p: only the logits turn it into p − y.",
        zh="对概率求导得 −y/p；对 logit 求导才是 p − y。")
def claim_ce_gradient_is_p_minus_y(classes=10, rows=8, respect_to="logits"):
    """The gradient in the logits is softmax(z) − onehot; each row sums to 0.

    对 logit 的梯度为 softmax(z) − onehot，每一行之和为 0。"""
    z = torch.randn(rows, classes, dtype=torch.float64, requires_grad=True)
    target = torch.randint(classes, (rows,))
    y = F.one_hot(target, classes).double()
    p = z.softmax(-1).detach().requires_grad_()
    loss, at = ((cross_entropy(z, target), z) if respect_to == "logits" else (-(p.log() * y).sum(-1), p))
    (got,) = torch.autograd.grad(loss.sum(), at)
    show(heatmap(got[:8, :16], x_label="class", y_label="row", title="∂CE/∂z"))
    expect("∂CE/∂z less (p − y)", got - (z.softmax(-1) - y), equals=0, within=1e-12)
    expect("sum of ∂CE/∂z over the classes", got.sum(-1), equals=0, within=1e-12)


@breaks(lead=1.0, en="Logits that differ do not cost ln K.", zh="logit 不全相等，损失就不是 ln K。")
def claim_uniform_logits_cost_ln_classes(tried=(2, 10, 1000, 50257), lead=0.0):
    """A model that knows nothing pays ln K: 2.303 for 10 classes, 10.82 for 50257 tokens.

    一无所知的模型损失为 ln K：10 类为 2.303，50257 个 token 为 10.82。"""
    losses = []
    for k in tried:
        z = torch.zeros(1, k)
        z[0, 0] = lead
        losses.append(cross_entropy(z, torch.zeros(1, dtype=torch.long)))
    losses = torch.cat(losses)
    want = [math.log(k) for k in tried]
    show(lines("K", tried, {"loss at equal logits": losses, "ln K": want}, log="x") if len(tried) > 1
         else heatmap([losses.tolist()], x_label="K", title="loss at equal logits"))
    expect("loss at equal logits", losses, equals=want, within=1e-4, at=("K", tried))


@breaks(given="logits", en="From logits a sure and right prediction costs nothing.", zh="直接给 logit，又准又自信的预测损失为 0。")
def claim_softmax_before_ce_floors_the_loss(classes=2, given="probabilities"):
    """Softmax before F.cross_entropy applies it twice: the loss cannot fall below ln(1 + (K − 1)/e), 0.313 for K = 2.

    在 F.cross_entropy 前再做 softmax 等于做两次：损失降不到 ln(1 + (K − 1)/e) 以下，K = 2 时为 0.313。"""
    true = torch.tensor([0.0, 1, 2, 5, 20, 1000])
    z = torch.zeros(len(true), classes)
    z[:, 0] = true
    target = torch.zeros(len(true), dtype=torch.long)
    once, twice = (F.cross_entropy(x, target, reduction="none") for x in (z, z.softmax(-1)))
    floor = math.log(1 + (classes - 1) / math.e)
    got = twice if given == "probabilities" else once
    show(
        lines(
            "logit of the true class",
            true[:5],
            {"from logits": once[:5], "softmax first": twice[:5], "ln(1 + (K − 1)/e)": [floor] * 5},
            y_label="loss",
        )
    )
    expect("loss", got, at_least=floor - 1e-5)
    expect("loss of a perfect prediction", got[-1], equals=floor, within=1e-5)


def drill_uniform(rng) -> Drill:
    """The loss before training, ln K."""
    k, parts = rng.choice([(1000, "1000 = 10³, ln 10 ≈ 2.303"), (32000, "32000 = 2⁵ · 10³, ln 2 ≈ 0.693, ln 10 ≈ 2.303"),
                           (128000, "128000 = 2⁷ · 10³, ln 2 ≈ 0.693, ln 10 ≈ 2.303"), (64, "64 = 2⁶, ln 2 ≈ 0.693")])
    loss = cross_entropy(torch.zeros(1, k), torch.zeros(1, dtype=torch.long)).item()
    return Drill(
        en=f"A language model has a vocabulary of {k:,}. Which loss, in nats per token, do you expect before training?",
        zh=f"语言模型的词表大小为 {k:,}。训练前，每个 token 的损失应为多少 nat？",
        answer=loss, within=0.05,
        steps=[("all logits about equal: loss = ln K", "logit 大致相等：损失 = ln K"), (f"{parts}; ln K = {loss:.2f}",) * 2],
        proved_by="uniform_logits_cost_ln_classes",
    )


def drill_two_logits(rng) -> Drill:
    """Cross-entropy of a row whose exponentials are whole numbers."""
    odds = rng.choice([(1, 3), (2, 2, 4), (1, 1, 2), (1, 4), (5, 3, 2)])
    loss = cross_entropy(torch.tensor([odds], dtype=torch.float64).log(), torch.tensor([0])).item()
    row = ", ".join(f"ln {x}" for x in odds)
    return Drill(
        en=f"The logits of a row are ({row}), and the first class is right. How large is the cross-entropy, in nats?",
        zh=f"一行的 logit 为 ({row})，正确类别是第一个。交叉熵是多少 nat？",
        answer=loss, within=0.01,
        steps=[(f"Σ exp = {sum(odds)}, p = {odds[0]}/{sum(odds)}",) * 2,
               (f"−ln p = ln {sum(odds) / odds[0]:g} = {loss:.3f}",) * 2],
        proved_by="hand_ce_equals_torch",
    )


ZH = {
    "ln K": "ln K", "K": "K", "row": "行", "by hand": "手写", "torch": "torch", "loss": "损失",
    "cross-entropy less torch's": "交叉熵与 torch 之差", "class": "类别", "∂CE/∂z": "∂CE/∂z",
    "∂CE/∂z less (p − y)": "∂CE/∂z 减 (p − y)",
    "sum of ∂CE/∂z over the classes": "∂CE/∂z 对各类求和", "loss at equal logits": "logit 全等时的损失",
    "logit of the true class": "正确类别的 logit", "from logits": "直接给 logit", "softmax first": "先做 softmax",
    "ln(1 + (K − 1)/e)": "ln(1 + (K − 1)/e)", "loss of a perfect prediction": "完美预测的损失",
}

if __name__ == "__main__":
    main()
