r"""BERT chooses 15 % of the tokens; 80 % of them become [MASK], 10 % a random token, 10 % stay.

BERT 选出 15% 的 token，其中 80% 换成 [MASK]，10% 换成随机 token，10% 保持原样。

Devlin et al. 2018, §3.1 and Appendix A.1. Turn `rule` to "80/20/0": without random tokens a shown
token is always right, and copying it is the best answer.
把 `rule` 改为 "80/20/0"：没有随机 token，看得见的 token 总是对的，照抄就是最好的答案。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    main,
    one_of,
    show,
)

IGNORE = -100                                                            # F.cross_entropy's default


@exercise(claims=("the_shares_are_those_of_the_rule", "unchanged_tokens_are_trained_too"),
          wrong=("always_masks", "labels_only_what_changed", "labels_everything"))
def corrupt(ids: Tensor, mask: int, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """What BERT reads, and what it must predict, for ids (n,) from 0 … mask − 1; `mask` is the id of
    [MASK]. Returns inputs (n,) and labels (n,), IGNORE where nothing is asked.

    由 ids (n,)（取值 0 … mask − 1，`mask` 是 [MASK] 的 id）得到 BERT 读到的 inputs (n,) 和要预测的 labels (n,)；不要求预测处为
    IGNORE。"""
    inputs, labels = ids.clone(), torch.full_like(ids, IGNORE)
    for i in (torch.rand(len(ids)) < share).nonzero().flatten().tolist():  # one token in seven
        labels[i] = ids[i]                                               # asked, whatever is shown
        die = torch.rand(()).item()
        if die < 0.8:
            inputs[i] = mask
        elif die < 0.9:
            inputs[i] = torch.randint(mask, ())                          # may hit the token itself
    return inputs, labels


def by(rule: str, ids: Tensor, mask: int) -> tuple[Tensor, Tensor]:
    """`corrupt`, or a rule that differs in one thing."""
    inputs, labels = corrupt(ids, mask)
    if rule == "only [MASK]":
        inputs = torch.where(labels == IGNORE, ids, mask)
    if rule == "80/20/0":
        inputs = torch.where(inputs == mask, mask, ids)
    if rule == "loss on changes":
        labels = torch.where(inputs == ids, IGNORE, labels)
    return inputs, labels


RANGES = {
    "tokens": between(4000, 40000),
    "vocabulary": between(2, 1000),
    "rule": one_of("80/10/10", "80/20/0", "only [MASK]", "loss on changes"),
    "randoms": one_of("one in ten", "none"),
}
ALWAYS = breaks(rule="only [MASK]", en="Every chosen token is hidden then: 15 % of all, not 12 %.",
                zh="这样所有选中的 token 都被遮住：占全部的 15%，而不是 12%。")


def spread(share: float, tokens: float) -> float:
    """Five standard deviations of a share of `tokens` draws."""
    return 5 * (share * (1 - share) / tokens) ** 0.5


@ALWAYS
@breaks(rule="80/20/0", en="No token is random, and twice as many stay as they are.",
        zh="没有随机 token，保持原样的多一倍。")
def claim_the_shares_are_those_of_the_rule(tokens=10000, vocabulary=50, rule="80/10/10"):
    """Of all tokens 12 % become [MASK], 1.5 % a random token, 1.5 % are asked as they are; 85 % are not
    asked.

    全部 token 中，12% 变成 [MASK]，1.5% 换成随机 token，1.5% 原样保留但要预测；85% 不要求预测。"""
    ids = torch.randint(vocabulary, (tokens,))
    inputs, labels = by(rule, ids, vocabulary)
    chosen = labels != IGNORE
    other = 0.015 * (1 - 1 / vocabulary)                                 # a random token may be the same
    counted = {"[MASK]": inputs == vocabulary, "another token": chosen & (inputs != ids) & (inputs != vocabulary),
               "unchanged": chosen & (inputs == ids), "not asked": ~chosen}
    rates = [0.12, other, 0.03 - other, 0.85]
    found = torch.stack([c.double().mean() for c in counted.values()])
    show(bars(list(counted), {"counted": found, "by the rule": rates}, log="y"))
    expect("deviation from the rule, in five standard deviations",
           [abs(f - r) / spread(r, tokens) for f, r in zip(found.tolist(), rates, strict=True)],
           at_most=1, at=("kind", list(counted)))
    expect("inputs changed where nothing is asked", (inputs != ids)[~chosen].sum(), equals=0)


@breaks(rule="loss on changes", en="An unchanged token then carries no loss, and showing it teaches nothing.",
        zh="那样未改动的 token 没有损失，把它留着就毫无作用。")
def claim_unchanged_tokens_are_trained_too(tokens=10000, vocabulary=50, rule="80/10/10"):
    """The loss reaches the 15 % chosen positions and no other; of these 10 %, and one in V of the random
    ones, show their own answer.

    损失只到达选中的 15% 的位置；其中 10%，再加上随机替换中的 1/V，显示的就是答案本身。"""
    ids = torch.randint(vocabulary, (tokens,))
    inputs, labels = by(rule, ids, vocabulary)
    logits = torch.zeros(tokens, 2, requires_grad=True)                  # two classes are enough to see
    F.cross_entropy(logits, labels.clamp(max=1)).backward()
    trained = logits.grad.abs().sum(1) > 0                               # (n,)
    share = 0.1 + 0.1 / vocabulary
    shown = (inputs == ids)[trained].double().mean()
    show(bars(["trained, of all", "shown its answer, of these"], {"share": [trained.double().mean(), shown]}))
    expect("share of positions with a gradient", trained.double().mean(), equals=0.15, within=spread(0.15, tokens))
    expect("share of them that show their answer", shown, equals=share,
           within=spread(share, 0.15 * tokens) * 1.2)                    # some 15 % of them, not just so


@breaks(randoms="none", en="A token that is never random can be copied without reading anything else.",
        zh="从不随机的 token 可以照抄，不必看任何别的内容。")
def claim_a_shown_token_is_half_to_be_trusted(tokens=40000, vocabulary=50, randoms="one in ten"):
    """A chosen position that shows a token is right with probability (1 + 1/V)/2, so the model must
    weigh it against the context, and cannot copy.

    选中且显示着某个 token 的位置，显示正确的概率是 (1 + 1/V)/2；所以模型不能照抄，必须拿它与上下文权衡。"""
    ids = torch.randint(vocabulary, (tokens,))
    inputs, labels = by("80/10/10" if randoms == "one in ten" else "80/20/0", ids, vocabulary)
    shown = (labels != IGNORE) & (inputs < vocabulary)
    right = (inputs == ids)[shown].double().mean()
    everywhere = (inputs == ids)[inputs < vocabulary].double().mean()
    show(bars(["where asked", "of all tokens seen"], {"shown token is right": [right, everywhere]}))
    half = (1 + 1 / vocabulary) / 2
    expect("shown token is right, where asked", right, equals=half, within=spread(half, int(shown.sum())))
    # Of 88 % of all tokens that are seen, 1.5 % are random, one in V of these right all the same.
    expect("shown token is right, of all seen", everywhere, equals=1 - 0.015 * (1 - 1 / vocabulary) / 0.88,
           within=spread(0.017, 0.88 * tokens))


def drill_counts(rng) -> Drill:
    """Expected numbers in a sequence."""
    n = rng.choice((200, 400, 512, 1000, 10000))
    kind, kind_zh, share = rng.choice((("become [MASK]", "变成 [MASK]", 0.8), ("are replaced by a random token", "换成随机 token", 0.1),
                                       ("are asked though they stay unchanged", "保持原样但要预测", 0.1)))
    answer = 0.15 * share * n
    return Drill(
        en=f"BERT's rule on {n} tokens: how many of them {kind}, in expectation?",
        zh=f"按 BERT 的规则处理 {n} 个 token，期望有多少个{kind_zh}？",
        answer=answer, within=0.02 * answer,
        steps=[(f"chosen: 0.15 · {n} = {0.15 * n:g}", f"选中：0.15 · {n} = {0.15 * n:g}"),
               (f"of these {share:.0%}: {answer:g}", f"其中 {share:.0%}：{answer:g}")],
        proved_by="the_shares_are_those_of_the_rule")


ZH = {
    "another token": "换成别的 token", "unchanged": "原样", "not asked": "不要求预测", "counted": "数得",
    "by the rule": "按规则", "deviation from the rule, in five standard deviations": "与规则的偏差（以五倍标准差为单位）",
    "kind": "种类", "inputs changed where nothing is asked": "不要求预测处被改动的输入数",
    "trained, of all": "有损失的，占全部", "shown its answer, of these": "其中显示答案的", "share": "比例",
    "share of positions with a gradient": "有梯度的位置所占比例", "share of them that show their answer": "其中显示答案的比例",
    "where asked": "要求预测处", "of all tokens seen": "看得见的全部 token", "shown token is right": "显示的 token 是对的",
    "shown token is right, where asked": "要求预测处，显示的 token 正确的比例",
    "shown token is right, of all seen": "看得见的 token 中正确的比例",
}

if __name__ == "__main__":
    main()
