r"""GPT's factors multiply to a distribution over texts; BERT's masked conditionals do not.

GPT 的各个因子相乘就是文本上的概率分布；BERT 的掩码条件概率相乘则不是。

Wang & Cho 2019; Salazar et al. 2020. Two tokens, the second copying the first with noise. Turn
`at_once` to 1: filled one after the other, masked conditionals do give the joint distribution.
两个 token，第二个带噪声地复制第一个。把 `at_once` 改为 1：逐个填写时，掩码条件概率也给出联合分布。
"""

import itertools
import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import Adam

F64 = torch.float64


def left_to_right(first: Tensor, following: Tensor) -> Tensor:
    """p(a) · p(b | a) for every pair; first (words,), following (a, b) with rows that sum to 1."""
    return first[:, None] * following                                    # (a, b)


def masked(a_given_b: Tensor, b_given_a: Tensor) -> Tensor:
    """p(a | b) · p(b | a), each token masked in its turn: the pseudo-likelihood; both (a, b)."""
    return a_given_b * b_given_a                                         # (a, b)


def copied(words: int, noise: float) -> Tensor:
    """The joint (a, b): a is uniform, b is a, or with probability `noise` another word."""
    other = noise / (words - 1)
    rows = torch.full((words, words), other, dtype=F64).fill_diagonal_(1 - noise)
    return rows / words


RANGES = {
    "words": between(2, 20),
    "factors": one_of("left to right", "masked"),
    "noises": each(between(0.0, 0.3), rising=True),
    "noise": between(0.01, 0.2),
    "pair": one_of("copied", "independent"),
    "at_once": between(1, 2),
    "steps": between(120, 300),
}


@breaks(factors="masked", en="Nothing normalises the product of masked conditionals.",
        zh="掩码条件概率之积没有任何归一化。")
def claim_left_to_right_factors_sum_to_one(words=5, factors="left to right"):
    """Whatever the weights, p(a)·p(b|a) sums to 1 over all texts; p(a|b)·p(b|a) does not.

    无论权重是什么，p(a)·p(b|a) 对全部文本求和都是 1；p(a|b)·p(b|a) 则不是。"""
    logits = torch.randn(3, words, words, dtype=F64)                     # an untrained model
    b_given_a, a_given_b = logits[0].softmax(1), logits[1].softmax(0)
    product = (left_to_right(logits[2, 0].softmax(0), b_given_a) if factors == "left to right"
               else masked(a_given_b, b_given_a))
    show(heatmap(product, x_label="second token", y_label="first token", title="product"))
    expect("sum over all texts", product.sum(), equals=1, within=1e-12)


@breaks(pair="independent", en="For independent tokens the conditionals are the marginals.",
        zh="token 相互独立时，条件概率就是边缘概率。")
def claim_masked_product_is_no_distribution(words=2, noises=(0.0, 0.1, 0.25), pair="copied"):
    """For two words and flip noise ε, true masked conditionals multiply to a sum of 2(1−ε)² + 2ε²:
    over 1.

    两个词、翻转噪声 ε 时，真实的掩码条件概率之积求和为 2(1−ε)² + 2ε²，大于 1。"""
    sums = []
    for noise in noises:
        joint = copied(words, noise)
        if pair == "independent":
            joint = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
        sums.append(masked(joint / joint.sum(0, keepdim=True), joint / joint.sum(1, keepdim=True)).sum())
    formula = [words * (1 - e) ** 2 + words * e * e / (words - 1) for e in noises]
    show(lines("noise", noises, {"sum of p(a|b)·p(b|a)": sums, "formula": formula}))
    expect("sum of p(a|b)·p(b|a)", sums, equals=formula, within=1e-12, at=("noise", noises))
    expect("sum of p(a|b)·p(b|a) less 1", torch.stack(sums) - 1, at_least=0.1)


@breaks(at_once=2, en="Two tokens filled at once do not see each other.",
        zh="一次填两个，它们互相看不见。")
def claim_any_order_gives_the_joint(words=3, at_once=1):
    """Filled one at a time, in any of the six orders of three tokens, masked conditionals give the
    joint exactly.

    三个 token 逐个填写，六种次序中的任何一种，掩码条件概率都精确给出联合分布。"""
    joint = torch.rand((words,) * 3, dtype=F64)
    joint /= joint.sum()
    gaps = []
    for order in itertools.permutations(range(3)):
        product, known = torch.ones_like(joint), set()
        groups = [order[:at_once], order[at_once:]] if at_once == 2 else [(p,) for p in order]
        for group in groups:
            for p in group:                                              # each given `known` alone
                seen = known | {p}
                hidden, others = [q for q in range(3) if q not in seen], [q for q in range(3) if q not in known]
                product = product * (joint.sum(hidden, keepdim=True) if hidden else joint)
                product = product / joint.sum(others, keepdim=True)
            known |= set(group)
        gaps.append((product - joint).abs().max())
    names = ["".join(map(str, o)) for o in itertools.permutations((1, 2, 3))]
    show(table({"order": names, "largest difference": gaps}))
    expect("filled probabilities less the joint", torch.stack(gaps), equals=0, within=1e-12,
           at=("order", names))


@breaks(at_once=1, en="The second token sees the first, and nothing is lost.",
        zh="第二个 token 看得到第一个，就没有损失。")
def claim_one_pass_costs_the_mutual_information(words=10, noise=0.05, at_once=2, steps=200):
    """Trained to fill two masks in one pass, the best loss is above the entropy of the pair by their
    mutual information, and most pairs drawn are impossible.

    训练成一次填两个掩码，最好的损失也比这一对的熵高出两者的互信息，而且抽出的多半是不可能的组合。"""
    joint, curves = copied(words, noise), {}
    for name, together in (("as set", at_once == 2), ("one after the other", False)):
        a, b = torch.zeros(words, dtype=F64), torch.zeros(words, words, dtype=F64)
        a.requires_grad_(), b.requires_grad_()
        optimiser, losses = Adam([a, b], lr=0.2), []
        for _ in range(steps):
            second = b[:1].expand(words, words) if together else b       # (a, b)
            log_p = a.log_softmax(0)[:, None] + second.log_softmax(1)
            loss = -(joint * log_p).sum()
            optimiser.step(loss)
            losses.append(loss.detach())
        curves[name] = (torch.stack(losses), log_p.detach().exp())
    entropy = -(joint * joint.log()).sum()
    information = 2 * math.log(words) - entropy                          # both marginals are uniform
    show(lines("step", range(1, steps + 1), {name: c for name, (c, _) in curves.items()},
               y_label="nats per pair"))
    # Adam settles to within a few thousandths of the floor in 120 steps.
    expect("loss above the entropy, over the mutual information",
           (curves["as set"][0][-1] - entropy) / information, equals=1, within=0.02)
    expect("probability of two different words", 1 - curves["as set"][1].diagonal().sum(),
           equals=1 - 1 / words, within=0.02)


def drill_masked_sum(rng) -> Drill:
    """The sum of the masked product for a noisy copy."""
    e = rng.choice([0.0, 0.1, 0.2, 0.25, 0.5])
    joint = copied(2, e)
    total = masked(joint / joint.sum(0, keepdim=True), joint / joint.sum(1, keepdim=True)).sum().item()
    return Drill(
        en=f"Two binary tokens, each uniform, differ with probability {e:g}. To what does "
           "p(a|b)·p(b|a) sum over the four texts?",
        zh=f"两个二值 token 各自均匀，不同的概率为 {e:g}。p(a|b)·p(b|a) 对四种文本求和是多少？",
        answer=total, within=0.005,
        steps=[(f"equal: two texts of {1 - e:g}², different: two of {e:g}²",
                f"相同：两种文本，各 {1 - e:g}²；不同：两种，各 {e:g}²"),
               (f"2 · {(1 - e) ** 2:g} + 2 · {e * e:g} = {total:g}",
                f"2 · {(1 - e) ** 2:g} + 2 · {e * e:g} = {total:g}")],
        proved_by="masked_product_is_no_distribution")


ZH = {
    "second token": "第二个 token", "first token": "第一个 token", "product": "乘积",
    "sum over all texts": "对全部文本求和", "noise": "噪声",
    "sum of p(a|b)·p(b|a)": "p(a|b)·p(b|a) 之和", "formula": "公式",
    "sum of p(a|b)·p(b|a) less 1": "p(a|b)·p(b|a) 之和减 1",
    "order": "次序", "largest difference": "最大差异",
    "filled probabilities less the joint": "填写所得概率与联合分布之差",
    "as set": "按设定", "one after the other": "逐个填写", "step": "步", "nats per pair": "每对的纳特数",
    "loss above the entropy, over the mutual information": "损失高出熵的部分与互信息之比",
    "probability of two different words": "两词不同的概率",
}

if __name__ == "__main__":
    main()
