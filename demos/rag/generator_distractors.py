r"""Does a reader trained on gold passages alone learn to choose among passages? Only if a passage has several sentences.

只用标准段落训练的阅读器，学得会在多段中选择吗？只有段落里不止一句话时才会。

Turn `sentences` to 1: a softmax over one item has no gradient. 把 `sentences` 改为 1：对单个元素的 softmax 没有梯度。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, show

VALUES = 8


def answer_mass(match: Tensor, question: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Probability of each value: attention of the question over all sentences, added up by value. match (width, width), question
    (batch, width), keys (batch, n, width), values (batch, n); returns (batch, VALUES)."""
    weights = torch.einsum("bw,wv,bnv->bn", question, match, keys).softmax(1)
    return torch.zeros(len(values), VALUES).scatter_add(1, values, weights)


def examples(batch: int, n: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Questions with n sentences each; the first one is about the question's entity and holds the right value."""
    keys = torch.randn(batch, n, width)
    keys = keys / keys.norm(dim=2, keepdim=True)
    question = keys[:, 0] + 0.1 / width**0.5 * torch.randn(batch, width)
    values = torch.randint(VALUES, (batch, n))
    return question, keys, values, values[:, 0]


def gradient(match: Tensor, batch: int, n: int) -> Tensor:
    """Of the loss −log p(right value) with respect to the matching weights."""
    match = match.detach().requires_grad_()
    question, keys, values, right = examples(batch, n, len(match))
    loss = -answer_mass(match, question, keys, values).gather(1, right[:, None]).clamp_min(1e-9).log().mean()
    return torch.autograd.grad(loss, match)[0]


RANGES = {"sentences": between(1, 4), "width": between(14, 18), "batch": between(64, 128), "documents": between(3, 5)}


@breaks(sentences=2, en="With two sentences the softmax has something to choose.", zh="有两句话，softmax 就有得选。")
def claim_one_sentence_teaches_no_choice(width=16, batch=64, sentences=1):
    """Trained on gold passages of one sentence, the matching weights of a reader get a gradient of exactly zero.

    用只有一句话的标准段落训练，阅读器匹配权重的梯度恰为零。"""
    start = 0.1 * torch.randn(width, width)
    sizes = [gradient(start, batch, n).norm() for n in (1, 2, 4)]
    show(lines("sentences per passage", [1, 2, 4], {"norm of the gradient": sizes}))
    expect("norm of the gradient", gradient(start, batch, sentences).norm(), equals=0, within=1e-7)   # float32 rounding of p − p
    expect("norm of the gradient at two sentences", sizes[1], at_least=1e-3)


@breaks(sentences=1, en="Nothing was learnt, so that the reader averages over all passages.",
        zh="什么也没学到，阅读器只是对所有段落取平均。")
def claim_several_sentences_do(width=16, batch=64, documents=4, sentences=2):
    """Trained on gold passages of two sentences alone, without any distractor, a reader answers over 90% among four passages.

    只用两句话的标准段落训练、没有任何干扰段落，阅读器在四段之中也能答对 90% 以上。"""
    match = 0.1 * torch.randn(width, width)
    before = match
    for _ in range(200):
        slope = gradient(match, batch, sentences)
        match = match - 0.3 * slope / (slope.norm() + 1e-3)
    question, keys, values, right = examples(1000, documents * sentences, width)
    accuracy = [(answer_mass(m, question, keys, values).argmax(1) == right).double().mean() for m in (before, match)]
    show(bars(["before training", "after"], {"accuracy among the passages": accuracy}))
    expect("accuracy among the passages", accuracy[1], at_least=0.9)
    expect("accuracy before training", accuracy[0], at_most=0.7)


ZH = {
    "sentences per passage": "每段句数", "norm of the gradient": "梯度的模长", "norm of the gradient at two sentences": "两句时梯度的模长",
    "before training": "训练前", "after": "训练后", "accuracy among the passages": "在多段中的准确率",
    "accuracy before training": "训练前的准确率",
}

if __name__ == "__main__":
    main()
