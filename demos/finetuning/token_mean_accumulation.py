r"""Accumulated over micro-batches, the loss must be divided by the tokens of the whole step.

跨 micro-batch 累积时，损失必须除以整个优化步的 token 总数。

The bug that several libraries had until October 2024. Turn `divide` to "each": every micro-batch
takes its own mean, and a token of a short answer weighs more than one of a long answer.
直到 2024 年 10 月，好几个库都有这个错误。把 `divide` 改为 "each"：每个 micro-batch 各取平均，短答案里的一个 token 就比长答案里的
更重。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, main, one_of, show

F64 = torch.float64
Micro = tuple[Tensor, Tensor]


@exercise(claims=("accumulation_equals_one_large_batch",),
          wrong=("averages_the_means", "divides_by_the_last_count", "sums_only"))
def accumulated(head: Tensor, micro: list[Micro]) -> Tensor:
    """The gradient of the token-mean cross-entropy over all micro-batches, one backward pass each. head (width,
    vocabulary) requires grad; each micro-batch holds states (tokens, width) and targets (tokens,), as many as it has.

    对所有 micro-batch 的全部 token 取平均的交叉熵的梯度，每个 micro-batch 反向一次。head 为 (width, vocabulary)，需要梯度；每个
    micro-batch 含状态 (tokens, width) 与目标 (tokens,)，token 数各不相同。"""
    total = sum(len(targets) for _, targets in micro)                    # known before the first backward
    gradient = torch.zeros_like(head)
    for states, targets in micro:
        loss = F.cross_entropy(states @ head, targets, reduction="sum") / total
        gradient += torch.autograd.grad(loss, head)[0]
    return gradient


def averaged(head: Tensor, micro: list[Micro]) -> Tensor:
    """The wrong way: each micro-batch takes its mean, and the means are averaged."""
    return torch.stack([torch.autograd.grad(F.cross_entropy(x @ head, y), head)[0] for x, y in micro]).mean(0)


WAYS = {"the step": accumulated, "each": averaged}

RANGES = {
    "answers": each(between(1, 200), at_least=2, at_most=6),
    "width": between(2, 64), "vocabulary": between(3, 50), "divide": one_of("the step", "each"),
}


@breaks(divide="each", en="The mean of means is the token mean only for equal counts.",
        zh="只有各 micro-batch 的 token 数相等时，平均的平均才等于按 token 平均。")
def claim_accumulation_equals_one_large_batch(answers=(10, 90, 40), width=16, vocabulary=20, divide="the step"):
    """Summed token losses over the step's token count give the gradient of one large batch, however the step is cut
    into micro-batches.

    各 token 损失之和除以整步的 token 数，无论这一步怎样切成 micro-batch，梯度都与一个大 batch 的相同。"""
    head = torch.randn(width, vocabulary, dtype=F64, requires_grad=True)
    # unlike lengths go with unlike content, or the means would agree by chance
    micro = [(torch.randn(n, width, dtype=F64) + torch.randn(width, dtype=F64),
              torch.randint(vocabulary, (1,)).expand(n)) for n in answers]
    states, targets = (torch.cat(parts) for parts in zip(*micro, strict=True))
    (one,) = torch.autograd.grad(F.cross_entropy(states @ head, targets), head)
    gap = (WAYS[divide](head, micro) - one).abs().max() / one.abs().max()
    show(bars([f"{n} tokens" for n in answers], {
        "weight of a token, mean of means": [1 / (len(answers) * n) for n in answers],
        "weight of a token, token mean": [1 / sum(answers)] * len(answers)}))
    # float64: sums of at most 1200 terms, relative to the largest
    expect("gradient less that of one batch, relative", gap, equals=0, within=1e-10)


@breaks(answers=(50, 50), en="For equal counts both averages are the same.", zh="token 数相等时，两种平均相同。")
def claim_mean_of_means_overweights_short_answers(answers=(10, 90)):
    """In a mean of means a token of the 10-token micro-batch weighs nine times one of the 90-token micro-batch.

    在平均的平均里，10 个 token 的 micro-batch 中一个 token 的权重，是 90 个 token 的 micro-batch 中一个的九倍。"""
    losses = [torch.rand(n, dtype=F64, requires_grad=True) for n in answers]
    slopes = torch.autograd.grad(torch.stack([one.mean() for one in losses]).mean(), losses)
    weights = torch.stack([s[0] for s in slopes])
    show(bars([f"{n} tokens" for n in answers], {"weight of a token": weights}))
    heaviest = weights.max() / weights.min()
    expect("heaviest token over lightest, over the ratio of the counts", heaviest / (max(answers) / min(answers)), equals=1,
           within=1e-12)
    expect("heaviest token over lightest", heaviest, at_least=1.001)


def drill_batch_loss(rng) -> Drill:
    """The loss of a step from the means of two micro-batches."""
    a, b = rng.choice([(10, 90), (20, 80), (25, 75), (40, 160), (50, 150)])
    x, y = rng.choice([(2.0, 1.0), (3.0, 1.0), (1.0, 2.0), (4.0, 2.0)])
    value = (a * x + b * y) / (a + b)
    return Drill(
        en=f"Two accumulated micro-batches have {a} and {b} trained tokens and mean losses {x:g} and {y:g}. What is the "
           "loss of the step, averaged over tokens?",
        zh=f"累积的两个 micro-batch 各有 {a} 与 {b} 个计入损失的 token，平均损失为 {x:g} 与 {y:g}。这一步按 token 平均的损失是多少？",
        answer=value, within=0.005,
        steps=[(f"sums: {a} · {x:g} + {b} · {y:g} = {a * x + b * y:g}", f"求和：{a} · {x:g} + {b} · {y:g} = {a * x + b * y:g}"),
               (f"over {a + b} tokens: {value:g}; the mean of means would say {(x + y) / 2:g}",
                f"除以 {a + b} 个 token：{value:g}；平均的平均会得到 {(x + y) / 2:g}")],
        proved_by="accumulation_equals_one_large_batch")


ZH = {
    "{} tokens": "{} 个 token", "weight of a token, mean of means": "一个 token 的权重（平均的平均）",
    "weight of a token, token mean": "一个 token 的权重（按 token 平均）", "weight of a token": "一个 token 的权重",
    "gradient less that of one batch, relative": "与一个大 batch 的梯度的相对差",
    "heaviest token over lightest, over the ratio of the counts": "最重与最轻 token 的权重比，再除以 token 数之比",
    "heaviest token over lightest": "最重与最轻 token 的权重比",
}

if __name__ == "__main__":
    main()
