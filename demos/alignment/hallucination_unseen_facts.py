r"""A model that learnt arbitrary facts answers about names it never saw, confidently and at chance.

模型学会一些任意事实后，对从未见过的人名也自信作答，而正确率只有随机水平。

Kalai et al. 2025, §3.3.1. A toy of 5,000 parameters; an unseen name is a new pair of two tokens seen
before. Turn `tokens` to "unseen": embeddings that were never trained leave it unsure.
把 `tokens` 改为 "unseen"：从未训练过的嵌入使模型不再有把握。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import Adam

NAMES, WIDTH = 16, 32


def learn(first: Tensor, last: Tensor, answer: Tensor, answers: int) -> list[Tensor]:
    """Train embeddings of first and last names and a small network on facts (facts,) until they are
    known by heart; answer `answers` is “I don't know”."""
    weights = [0.02 * torch.randn(2 * NAMES, WIDTH), 0.02 * torch.randn(2 * NAMES, WIDTH),
               torch.randn(2 * WIDTH, 64) / (2 * WIDTH) ** 0.5, torch.randn(64, answers + 1) / 80]
    optimiser = Adam([w.requires_grad_() for w in weights], lr=0.02)
    for _ in range(120):
        optimiser.step(F.cross_entropy(logits(weights, first, last), answer))
    return [w.detach() for w in weights]


def logits(weights: list[Tensor], first: Tensor, last: Tensor) -> Tensor:
    """Scores of all answers for names (names,): (names, answers + 1)."""
    firsts, lasts, w_in, w_out = weights
    return F.gelu(torch.cat((firsts[first], lasts[last]), 1) @ w_in) @ w_out


RANGES = {
    "known": between(60, 120), "answers": between(6, 16), "tokens": one_of("seen", "unseen"),
    "unsure": between(10, 40), "mark": one_of("none", "a token"),
}  # fmt: skip


@breaks(tokens="unseen", en="With embeddings still at their small initial values the answers are spread out.",
        zh="嵌入还是很小的初始值时，各答案的概率是分散的。")
def claim_unseen_names_get_confident_answers(known=80, answers=12, tokens="seen"):
    """Asked about new pairs of known first and last names, the toy gives its answer more than 0.8 on
    average, and is right no more often than chance.

    问到由已知的名与姓组成的新人名，玩具模型平均给自己的答案 0.8 以上的概率，正确率却不超过随机水平。"""
    pairs = torch.randperm(NAMES**2)
    first, last = pairs // NAMES, pairs % NAMES
    answer = torch.randint(0, answers, (NAMES**2,))                        # an arbitrary fact each
    weights = learn(first[:known], last[:known], answer[:known], answers)
    new = NAMES if tokens == "unseen" else 0                               # rows never trained
    p = logits(weights, first[known:] + new, last[known:] + new).softmax(1)
    p_known = logits(weights, first[:known], last[:known]).softmax(1)
    right_known = p_known.gather(1, answer[:known, None]).mean()
    top, said = p[:, :answers].max(1)
    accuracy = (said == answer[known:]).float().mean()
    show(bars(["known: P(right)", "new: largest P", "new: right", "chance"],
              [right_known, top.mean(), accuracy, 1 / answers], y_label="mean"))
    expect("P(right) for known names", right_known, at_least=0.95)
    expect("largest probability for new names", top.mean(), at_least=0.8)
    # four standard errors of a share, and of the names' reuse of the same few tokens
    expect("share right less chance", accuracy - 1 / answers, equals=0,
           within=5 * (answers - 1) ** 0.5 / answers / (NAMES**2 - known) ** 0.5)


@breaks(mark="a token", en="A token that marks the unknown can be learnt: then the toy abstains on nearly all.",
        zh="若有一个 token 标出未知的名字，就学得会：几乎全部弃答。")
def claim_dont_know_does_not_carry_over_by_itself(known=80, unsure=20, answers=12, mark="none"):
    """Taught “I don't know” for some unseen names, the toy abstains on fewer than half of the others:
    nothing about a new pair says that it is unknown.

    对一部分没见过的名字教会“我不知道”后，玩具模型在其余没见过的名字上弃答不到一半：新的组合本身看不出它是未知的。"""
    pairs = torch.randperm(NAMES**2)
    first, last = pairs // NAMES, pairs % NAMES
    answer = torch.randint(0, answers, (NAMES**2,))
    if mark == "a token":
        first[known:] = NAMES                                              # one first name for all
    taught = known + unsure
    answer[known:taught] = answers                                         # “I don't know”
    weights = learn(first[:taught], last[:taught], answer[:taught], answers)
    shares = [(logits(weights, first[part], last[part]).argmax(1) == answers).float().mean()
              for part in (slice(known), slice(known, taught), slice(taught, None))]
    show(bars(["known names", "names taught", "other new names"], shares,
              y_label="answers “I don't know”"))
    expect("abstentions on known names", shares[0], at_most=0.05)
    expect("abstentions on the names taught", shares[1], at_least=0.9)
    expect("abstentions on other new names", shares[2], at_most=0.5)


ZH = {
    "known: P(right)": "已知：P(正确)", "new: largest P": "新：最大概率", "new: right": "新：正确率",
    "chance": "随机", "mean": "平均", "P(right) for known names": "已知名字的 P(正确)",
    "largest probability for new names": "新名字的最大概率", "share right less chance": "正确率与随机水平之差",
    "known names": "已知名字", "names taught": "教过的名字", "other new names": "其余新名字", "answers “I don't know”": "回答“我不知道”",
    "abstentions on known names": "已知名字的弃答", "abstentions on the names taught": "教过的名字的弃答",
    "abstentions on other new names": "其余新名字的弃答",
}

if __name__ == "__main__":
    main()
