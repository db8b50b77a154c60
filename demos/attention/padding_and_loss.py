r"""The attention mask does not reach the loss: padded positions still have logits, and count unless
they are left out.

注意力掩码管不到损失：补齐位置仍有 logits，不剔除就会计入。

F.cross_entropy leaves out labels of −100, its ignore_index. Turn `padding` to "counted": the model
is trained to predict padding. Turn it to "zeroed": the sum is right and divided by too many.
F.cross_entropy 会跳过标签 −100（ignore_index）。把 `padding` 改为 "counted"：模型就在学习预测补齐；改为
"zeroed"：和是对的，分母却大了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, main, one_of, show


@exercise(claims=("ignore_index_drops_pad_from_the_loss", "padded_logits_get_no_gradient"),
          wrong=("counts_padding", "divides_by_all_positions", "averages_each_sequence"))
def loss(logits: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """Mean cross-entropy over the real tokens of a batch; logits (B, n, V), labels (B, n),
    keep (B, n) True at real tokens.

    一个 batch 中真实 token 的平均交叉熵；logits (B, n, V)，labels (B, n)，keep (B, n) 在真实 token 处为 True。"""
    return F.cross_entropy(logits.transpose(1, 2), labels.masked_fill(~keep, -100))


def loss_by(padding: str, logits: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """`loss`, or a wrong way of it."""
    each_one = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")   # (B, n)
    return {"ignored": lambda: loss(logits, labels, keep), "counted": lambda: each_one.mean(),
            "zeroed": lambda: (each_one * keep).mean()}[padding]()


RANGES = {
    "batch": between(2, 8),
    "tokens": between(4, 64),
    "vocabulary": between(2, 64),
    "padding": one_of("ignored", "counted", "zeroed"),
}
COUNTED = breaks(padding="counted", en="Padded positions are predictions like any other then.",
                 zh="补齐位置就成了和别处一样的预测。")


def drawn(batch: int, tokens: int, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels (0 is the padding token) and which tokens are real: sequence b has
    tokens/(b+1)."""
    logits = torch.randn(batch, tokens, vocabulary, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([max(1, tokens // (b + 1)) for b in range(batch)])
    keep = torch.arange(tokens) < lengths[:, None]                       # (B, n)
    return logits, torch.randint(1, vocabulary, (batch, tokens)).masked_fill(~keep, 0), keep


@COUNTED
@breaks(padding="zeroed", en="Zeroed losses still stand in the denominator of the mean.",
        zh="清零的损失仍然留在平均的分母里。")
def claim_ignore_index_drops_pad_from_the_loss(batch=4, tokens=8, vocabulary=11, padding="ignored"):
    """With ignore_index the loss is the mean of −log p over real tokens, each once.

    用 ignore_index，损失就是真实 token 的 −log p 的平均，每个 token 各计一次。"""
    logits, labels, keep = drawn(batch, tokens, vocabulary)
    terms = [-logits[b, i].log_softmax(0)[labels[b, i]] for b, i in keep.nonzero().tolist()]
    values = {
        name: loss_by(name, logits, labels, keep) for name in ("ignored", "counted", "zeroed")
    }
    show(bars(list(values), {"loss": list(values.values())}))
    expect("loss less the mean over real tokens", values[padding] - sum(terms) / len(terms),
           equals=0,
           within=1e-12)


@COUNTED
def claim_padded_logits_get_no_gradient(batch=4, tokens=8, vocabulary=11, padding="ignored"):
    """Logits at padded positions get no gradient, so nothing is learnt there.

    补齐位置的 logits 没有梯度，那里什么也学不到。"""
    logits, labels, keep = drawn(batch, tokens, vocabulary)
    (gradient,) = torch.autograd.grad(loss_by(padding, logits, labels, keep), logits)
    show(bars(("real tokens", "padding"),
              {"|gradient|": [gradient[keep].norm(), gradient[~keep].norm()]}))
    expect("gradient of padded logits", gradient[~keep], equals=0)
    # Each real token's gradient is (p − one-hot) over their number.
    p = logits.detach().softmax(-1)[keep]
    expect("gradient of real logits", gradient[keep] * keep.sum(),
           equals=p - F.one_hot(labels[keep], vocabulary), within=1e-12)


ZH = {
    "ignored": "跳过", "counted": "计入", "zeroed": "清零",
    "loss less the mean over real tokens": "损失与真实 token 平均之差", "real tokens": "真实 token",
    "padding": "补齐", "|gradient|": "|梯度|", "gradient of padded logits": "补齐位置 logits 的梯度",
    "gradient of real logits": "真实 token 的 logits 的梯度",
}

if __name__ == "__main__":
    main()
