r"""A new term's output row as the mean of its old pieces: it starts as likely as their geometric mean allows,
where the mean of all rows stays below 1/V.

新术语的输出行取其旧子词的均值：起步概率由这些子词的几何平均决定；取所有行的均值则低于 1/V。

Hewitt 2021 bounds the mean of all rows. Turn `mean_of` to "its pieces": where the context expects those pieces, the
bound 1/V breaks. 把 `mean_of` 改为 "its pieces"：上下文正等着这些子词时，1/V 的界就被突破。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_new_logit_is_the_mean_of_the_pieces", "it_takes_no_more_than_its_pieces_have"),
          wrong=("sums_the_rows", "mean_of_all", "unit_length"))
def term_row(rows: Tensor, pieces: list[int]) -> Tensor:
    """A row for a term that was written with `pieces`: the mean of their rows; rows (vocabulary, width), the result (width,).

    由 pieces 拼成的术语的新行：这些子词各行的均值；rows 为 (vocabulary, width)，结果为 (width,)。"""
    return rows[pieces].mean(0)


def model(vocabulary: int, width: int, spread: float) -> tuple[Tensor, Tensor]:
    """Hidden states (128, width) and head rows (vocabulary, width), logits of about `spread`."""
    head = torch.randn(vocabulary, width, dtype=torch.float64)
    return spread / width**0.5 * torch.randn(128, width, dtype=torch.float64), head


RANGES = {
    "vocabulary": between(400, 2000), "width": between(16, 64), "spread": between(3.0, 4.0), "pieces": between(2, 5),
    "start": one_of("its pieces", "their sum"), "mean_of": one_of("all rows", "its pieces"), "read": one_of("logits", "probabilities"),
}  # fmt: skip


def started(head: Tensor, pieces: list[int], start: str) -> Tensor:
    """The new row: the mean of the pieces' rows, of all rows, or the pieces' sum."""
    return {"its pieces": term_row(head, pieces), "all rows": head.mean(0), "their sum": head[pieces].sum(0)}[start]


@breaks(read="probabilities", en="Probabilities are no linear function of rows.", zh="概率不是行的线性函数。")
def claim_the_new_logit_is_the_mean_of_the_pieces(vocabulary=500, width=32, spread=3.0, pieces=2, read="logits"):
    """With its output row the mean of its pieces' rows, a term's logit is in every context the mean of theirs, so its
    weight beside them is their geometric mean.

    输出行取子词各行的均值时，术语的 logit 在任何上下文里都是子词 logits 的平均，与它们相比的权重就是几何平均。"""
    hidden, head = model(vocabulary, width, spread)
    ids = torch.randperm(vocabulary)[:pieces].tolist()
    z = torch.cat((hidden @ head.T, hidden @ term_row(head, ids)[:, None]), 1)           # (128, vocabulary + 1)
    p = z.softmax(1)
    geometric = p[:, ids].log().mean(1).exp()
    got = p[:, -1] if read == "logits" else p[:, ids].mean(1)
    show(lines("context", range(128), {"the term": p[:, -1].sort().values, "mean of its pieces": p[:, ids].mean(1).sort().values}, log="y"))
    expect("probability of the term over the pieces' geometric mean", got / geometric, equals=1, within=1e-9)


@breaks(start="their sum", en="A sum of rows sums the logits, which may exceed every one of them.",
        zh="行相加，logits 也相加，可以超过其中任何一个。")
def claim_it_takes_no_more_than_its_pieces_have(vocabulary=500, width=32, spread=3.0, pieces=2, start="its pieces"):
    """The mean of its pieces' rows takes at most the mean of their old probabilities, in every context: the old tokens lose
    at most ln(1 + that).

    取子词均值的行，在任何上下文里占的概率都不超过这些子词原有概率的平均，旧 token 的损失至多增加 ln(1 + 该值)。"""
    hidden, head = model(vocabulary, width, spread)
    ids = torch.randperm(vocabulary)[:pieces].tolist()
    z = hidden @ head.T
    rise = torch.logaddexp(z.logsumexp(1), hidden @ started(head, ids, start)) - z.logsumexp(1)
    bound = z.softmax(1)[:, ids].mean(1).log1p()
    curves = {"rise of the old loss": rise.sort().values, "ln(1 + mean of its pieces)": bound.sort().values}
    show(lines("context", range(128), curves, log="y"))
    expect("rise of the old tokens' loss, less its bound", rise - bound, at_most=0, within=1e-12)


@breaks(mean_of="its pieces", en="Where the context expects the pieces, their mean is far more likely than 1/V.",
        zh="上下文正等着这些子词时，它们的均值远比 1/V 可能。")
def claim_only_the_mean_of_all_stays_below_one_in_v(vocabulary=500, width=32, spread=3.0, mean_of="all rows"):
    """The bound ln(1 + 1/V) holds for the mean of all rows; for the mean of two pieces that a context expects it is
    exceeded more than tenfold.

    ln(1 + 1/V) 的界只适用于全部行的均值；取上下文正期待的两个子词的均值，会超出十倍以上。"""
    hidden, head = model(vocabulary, width, spread)
    z = hidden @ head.T
    bound, rises = math.log1p(1 / vocabulary), {}
    ids = z[0].topk(2).indices.tolist()                                   # the two likeliest in the first context
    for name in ("all rows", "its pieces"):
        rises[name] = torch.logaddexp(z.logsumexp(1), hidden @ started(head, ids, name)) - z.logsumexp(1)
    show(bars(["all rows", "its pieces"], {"rise in the first context": [r[0] for r in rises.values()], "ln(1 + 1/V)": [bound] * 2}))
    expect("largest rise of the old loss over ln(1 + 1/V)", rises[mean_of].max() / bound, at_most=1)
    expect("rise with its pieces, in the first context", rises["its pieces"][0] / bound, at_least=10)


def drill_start(rng) -> Drill:
    """The weight a term starts with beside its pieces."""
    first, second = rng.choice([(0.9, 0.001), (0.4, 0.1), (0.25, 0.01), (0.5, 0.02), (0.8, 0.0002), (0.16, 0.01)])
    rows = torch.tensor([[math.log(first)], [math.log(second)]], dtype=torch.float64)
    weight = term_row(rows, [0, 1]).exp().item()
    return Drill(
        en=f"A term was written as two pieces, with probabilities {first:g} and {second:g} in some context. The term's new output row is "
           "the mean of their rows. What is its weight, on the scale of these probabilities and before normalising again?",
        zh=f"一个术语原由两个子词拼成，在某上下文里它们的概率是 {first:g} 和 {second:g}。新输出行取两行的均值。"
           "以这两个概率为尺度、重新归一化之前，它的权重是多少？",
        answer=weight, within=0.02 * weight,
        steps=[("the logit is the mean of two logits, so the weight is the geometric mean", "logit 取平均，权重就是几何平均"),
               (f"√({first:g} · {second:g}) = {weight:.3g}",) * 2],
        proved_by="the_new_logit_is_the_mean_of_the_pieces",
    )


ZH = {
    "context": "上下文",
    "the term": "术语",
    "mean of its pieces": "子词的平均",
    "probability of the term over the pieces' geometric mean": "术语的概率与子词几何平均之比",
    "rise of the old loss": "旧损失的增加",
    "ln(1 + mean of its pieces)": "ln(1 + 子词平均)",
    "rise of the old tokens' loss, less its bound": "旧 token 损失的增加减去其界",
    "all rows": "全部行",
    "its pieces": "它的子词",
    "rise in the first context": "第一个上下文中的增加",
    "ln(1 + 1/V)": "ln(1 + 1/V)",
    "largest rise of the old loss over ln(1 + 1/V)": "旧损失的最大增加与 ln(1 + 1/V) 之比",
    "rise with its pieces, in the first context": "第一个上下文中取子词均值的增加",
}

if __name__ == "__main__":
    main()
