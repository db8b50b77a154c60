r"""p − y is the gradient of softmax under cross-entropy, and under nothing else.

p − y 是 softmax 后接交叉熵时的梯度，换成别的就不是。

Turn `behind` to "values": inside attention no choice of label makes p − y a row of dS.
把 `behind` 改为 "values"：在注意力内部，把哪个 key 当作标签，p − y 都变不成 dS 的一行。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, heatmap, main, one_of, show

F64 = torch.float64


@exercise(claims=("cross_entropy_gives_p_minus_y",),
          wrong=("forgets_the_mean", "forgets_the_label", "of_the_probabilities"))
def logit_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """The gradient of F.cross_entropy(logits, labels), the mean over rows, in the logits: logits
    (rows, classes), labels (rows,) of class numbers; the result is (rows, classes).

    求 F.cross_entropy(logits, labels)（对各行取平均）对 logits 的梯度：logits (rows, classes)，labels (rows,)
    为类别编号；结果为 (rows, classes)。"""
    p = logits.softmax(-1)
    return (p - F.one_hot(labels, logits.shape[-1])) / len(logits)


def softmax_backward(p: Tensor, dp: Tensor) -> Tensor:
    """dS of any loss behind softmax, from P and dP (rows, classes)."""
    return p * (dp - (dp * p).sum(-1, keepdim=True))


RANGES = {
    "rows": between(2, 64), "classes": between(3, 32), "tokens": between(8, 24),
    "d_head": between(8, 32), "loss": one_of("cross-entropy", "squared error"),
    "behind": one_of("cross-entropy", "values"),
}  # fmt: skip


@breaks(loss="squared error", en="Under a squared error dP is 2(p − y), and softmax shrinks it.",
        zh="平方误差下 dP 是 2(p − y)，还要再经 softmax 缩小。")
def claim_cross_entropy_gives_p_minus_y(rows=16, classes=12, loss="cross-entropy"):
    """Under cross-entropy dP is −y/p, and P ∘ (dP − rowsum(dP ∘ P)) collapses to p − y, over N for
    a mean of N rows.

    交叉熵下 dP 为 −y/p，P ∘ (dP − rowsum(dP ∘ P)) 化简为 p − y；对 N 行取平均则再除以 N。"""
    z = 3 * torch.randn(rows, classes, dtype=F64)
    labels = torch.randint(classes, (rows,))
    leaf = z.clone().requires_grad_()
    y = F.one_hot(labels, classes).double()
    made = (F.cross_entropy(leaf, labels) if loss == "cross-entropy"
            else (leaf.softmax(1) - y).square().sum(1).mean())
    (by_autograd,) = torch.autograd.grad(made, leaf)
    got = logit_gradient(z, labels)
    show(heatmap(got, x_label="class", y_label="row", title="(p − y)/N"))
    expect("(p − y)/N less autograd's gradient", got - by_autograd, equals=0, within=1e-12)
    p = z.softmax(1)
    expect("the general formula less autograd's, cross-entropy",
           softmax_backward(p, -y / p / rows) - got, equals=0, within=1e-12)


@breaks(behind="cross-entropy", en="Behind cross-entropy the label is there and nothing is left.",
        zh="后面接交叉熵时，标签就在那里，什么也不剩。")
def claim_p_minus_y_is_wrong_inside_attention(tokens=16, d_head=8, behind="values"):
    """Inside attention there is no label: for an arbitrary dO no key as “y”, and no factor, turns
    p − y into a row of dS; in the median the best try leaves over 30 %.

    注意力内部没有标签：对任意给定的 dO，无论把哪个 key 当作 y、再乘什么系数，p − y 都变不成 dS 的一行；最好的
    尝试也还剩 30 % 以上（中位数）。"""
    left = []
    for _ in range(8):
        q, k, v, do = torch.randn(4, tokens, d_head, dtype=F64)
        p = (q @ k.T / d_head**0.5).softmax(1)
        y = F.one_hot(torch.randint(tokens, (tokens,)), tokens)
        ds = softmax_backward(p, do @ v.T if behind == "values" else -y / p)
        tries = p[:, None] - torch.eye(tokens, dtype=F64)                # (row, label, key)
        cosine = F.cosine_similarity(tries, ds[:, None], dim=2)          # (row, label)
        left.append((1 - cosine.square()).clamp(min=0).sqrt().amin(1))   # of the best label
    left = torch.cat(left)
    show(bars(["0–25%", "25–50%", "50–75%", "75–100%"], {"rows": torch.histc(left, 4, 0, 1)},
              title="share of |dS| that the best label and factor leave over"))
    expect("median share of |dS| left over", left.median(), at_least=0.3)


ZH = {
    "(p − y)/N": "(p − y)/N", "class": "类别", "row": "行",
    "(p − y)/N less autograd's gradient": "(p − y)/N 与 autograd 的梯度之差",
    "the general formula less autograd's, cross-entropy": "一般公式与 autograd 之差，交叉熵",
    "rows": "行数", "share of |dS| that the best label and factor leave over": "最佳标签与系数仍剩下的 |dS| 份额",
    "median share of |dS| left over": "剩下的 |dS| 份额的中位数",
}  # fmt: skip

if __name__ == "__main__":
    main()
