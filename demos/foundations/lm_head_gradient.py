r"""At the output layer of a language model the gradient is p − y: known as soon as the logits are.

语言模型输出层上的梯度就是 p − y：logits 一算出来，它就已知。

Turn `behind` to "another FFN": only what stands between softmax and loss spoils p − y, not what lies below.
把 `behind` 改为 "another FFN"：破坏 p − y 的是 softmax 与损失之间的层，而不是下面的层。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("layers_below_change_nothing",), wrong=("forgets_the_mean", "of_the_logits", "transposed"))
def head_gradients(h: Tensor, head: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of the mean cross-entropy in h (tokens, width) and in head (vocabulary, width), where
    the logits are h @ head.T and labels (tokens,) are the next tokens.

    logits 为 h @ head.T、labels (tokens,) 为下一个 token 时，平均交叉熵对 h (tokens, width) 与 head (vocabulary, width) 的梯度。"""
    p = (h @ head.T).softmax(1)                                          # (tokens, vocabulary)
    g = (p - F.one_hot(labels, len(head))) / len(h)                      # p − y
    return g @ head, g.T @ h


def ffn(x: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """A residual feed-forward block: x (tokens, width)."""
    return x + (x @ up).relu() @ down


RANGES = {
    "tokens": between(4, 64), "vocabulary": between(24, 200), "layers": between(0, 6),
    "behind": one_of("the loss", "another FFN"), "temperatures": each(between(0.1, 10.0), at_least=2, rising=True),
    "divided": one_of("yes", "no"), "table": one_of("output", "input"),
}  # fmt: skip


@breaks(behind="another FFN", en="With layers between softmax and loss, what comes back is no longer p − y.",
        zh="softmax 与损失之间若还有层，传回来的就不再是 p − y。")
def claim_layers_below_change_nothing(tokens=12, vocabulary=24, layers=3, behind="the loss"):
    """However many FFN layers lie below the output layer, cross-entropy sends p − y into the logits, so
    (p − y)W into the states and (p − y)ᵀh into W.

    输出层下面无论有多少层 FFN，交叉熵传给 logits 的都是 p − y，于是传给状态的是 (p − y)W，传给 W 的是 (p − y)ᵀh。"""
    x = torch.randn(tokens, 8, dtype=F64)
    head = torch.randn(vocabulary, 8, dtype=F64, requires_grad=True)
    for _ in range(layers):
        x = ffn(x, torch.randn(8, 16, dtype=F64) / 3, torch.randn(16, 8, dtype=F64) / 4)
    h = x.detach().requires_grad_()
    labels = torch.randint(vocabulary, (tokens,))
    logits = h @ head.T
    if behind == "another FFN":
        logits = ffn(logits.softmax(1), *torch.randn(2, vocabulary, vocabulary, dtype=F64))
    loss = F.cross_entropy(logits, labels)
    by_autograd = torch.autograd.grad(loss, (h, head))
    by_hand = head_gradients(h.detach(), head.detach(), labels)
    show(heatmap(by_hand[0][:8], x_label="width", y_label="token", title="(p − y)W / tokens"))
    for name, a, b in zip(("h", "head"), by_autograd, by_hand, strict=True):
        expect(f"autograd's gradient in {name} less by hand", a - b, equals=0, within=1e-12)


@breaks(divided="no", en="The chain rule leaves a factor 1/τ.", zh="链式法则会留下因子 1/τ。")
def claim_a_temperature_divides_the_pull(temperatures=(0.5, 1.0, 2.0, 4.0), divided="yes"):
    """With logits divided by τ the gradient is (p − y)/τ, p taken at τ; its entries sum to 0 and their
    sizes to 2(1 − p_right)/τ.

    logits 除以 τ 时，梯度为 (p − y)/τ，p 取 τ 下的概率；各项之和为 0，绝对值之和为 2(1 − p_正确)/τ。"""
    z = 2 * torch.randn(10, dtype=F64)
    y = F.one_hot(torch.tensor(3), 10)
    pulls, sizes = [], []
    for t in temperatures:
        leaf = z.clone().requires_grad_()
        (got,) = torch.autograd.grad(F.cross_entropy(leaf[None] / t, torch.tensor([3])), leaf)
        p = (z / t).softmax(0)
        factor = 1 / t if divided == "yes" else 1.0
        expect(f"gradient less (p − y)/τ at τ = {t:g}", got - factor * (p - y), equals=0, within=1e-12)
        pulls.append(got.abs().sum())
        sizes.append(2 * (1 - p[3]) / t)
    show(lines("temperature", temperatures, {"Σ |gradient|": pulls, "2(1 − p)/τ": sizes}, log="x"))
    expect("Σ |gradient| less 2(1 − p_right)/τ", [a - b for a, b in zip(pulls, sizes, strict=True)], equals=0, within=1e-12)


@breaks(table="input", en="Of the input table only the rows of tokens that occur are moved.",
        zh="输入嵌入表中，只有出现过的 token 那些行被更新。")
def claim_every_row_of_the_output_layer_moves(tokens=12, vocabulary=50, table="output"):
    """Every token's row of the output layer gets a gradient at every step, since every p is positive; of
    the input table only the rows that occur do.

    每一步，输出层中每个 token 的那一行都有梯度，因为每个 p 都为正；输入嵌入表中只有出现过的行有。"""
    inputs, labels = torch.randint(min(vocabulary, 10), (2, tokens))
    embedding, head = (torch.randn(vocabulary, 8, dtype=F64, requires_grad=True) for _ in range(2))
    F.cross_entropy(embedding[inputs].tanh() @ head.T, labels).backward()
    moved = {"input": (embedding.grad != 0).any(1), "output": (head.grad != 0).any(1)}
    show(bars(list(moved), {"rows with a gradient": [int(m.sum()) for m in moved.values()]}))
    expect("rows of the table with a gradient", int(moved[table].sum()), equals=vocabulary)
    expect("rows of the input table with a gradient", int(moved["input"].sum()), equals=len(inputs.unique()))


ZH = {
    "width": "宽度", "token": "token", "(p − y)W / tokens": "(p − y)W / token 数",
    "autograd's gradient in {} less by hand": "autograd 对 {} 的梯度减手推的",
    "gradient less (p − y)/τ at τ = {}": "τ = {} 时：梯度减 (p − y)/τ", "temperature": "温度", "Σ |gradient|": "Σ |梯度|",
    "2(1 − p)/τ": "2(1 − p)/τ", "Σ |gradient| less 2(1 − p_right)/τ": "Σ |梯度| 减 2(1 − p_正确)/τ",
    "input": "输入", "output": "输出", "rows with a gradient": "有梯度的行数",
    "rows of the table with a gradient": "表中有梯度的行数", "rows of the input table with a gradient": "输入表中有梯度的行数",
}  # fmt: skip

if __name__ == "__main__":
    main()
