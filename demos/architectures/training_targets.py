r"""How many positions carry a loss: all but one, those after the prefix, or the masked ones.

有损失的位置有多少：只差一个的全部、前缀之后的，或被掩码的。

Wang et al. 2022, §2.2; BERT masks 15 %. Counted by the gradient that reaches the logits. Turn
`objective` to "masked": most positions of a causal model would be trained on nothing.
按传到 logits 的梯度来数。把 `objective` 改为 "masked"：大多数位置什么也学不到。
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
    lines,
    main,
    one_of,
    show,
)

IGNORE = -100                                                            # F.cross_entropy's default


@exercise(claims=("causal_trains_all_but_one", "a_prefix_trains_half_on_average"),
          wrong=("does_not_shift", "trains_on_the_prefix", "drops_the_first_answer"))
def next_token_labels(tokens: Tensor, prefix: int) -> Tensor:
    """The label of each position (n,): the token after it, or IGNORE at the last position and
    where that token still belongs to the first `prefix` tokens, which are given (0: none).

    每个位置的标签 (n,)：后一个 token；最后一个位置，以及后一个 token 仍属于给定的前 `prefix` 个 token 时（0 表示没有），
    为 IGNORE。"""
    labels = torch.cat((tokens[1:], torch.tensor([IGNORE])))             # (n,)
    labels[: max(prefix - 1, 0)] = IGNORE
    return labels


def masked_labels(tokens: Tensor, share: float) -> Tensor:
    """BERT's labels: the token itself at a random share of positions, elsewhere nothing."""
    return torch.where(torch.rand(len(tokens)) < share, tokens, IGNORE)  # (n,)


def trained(labels: Tensor, vocabulary: int = 8) -> Tensor:
    """(n,): whether the loss sends a gradient into the logits of each position."""
    logits = torch.zeros(len(labels), vocabulary, requires_grad=True)
    F.cross_entropy(logits, labels, reduction="sum").backward()
    return logits.grad.abs().sum(1) > 0


RANGES = {
    "tokens": between(16, 2048),
    "share": between(0.05, 0.5),
    "objective": one_of("causal", "masked"),
    "loss_on": one_of("answer", "everything"),
}


@breaks(objective="masked", en="Only the masked positions carry a loss then.",
        zh="那样只有被掩码的位置有损失。")
def claim_causal_trains_all_but_one(tokens=512, share=0.15, objective="causal"):
    """A causal model trains n − 1 predictions on n tokens in one pass, a masked one about 0.15 n.

    一次前向，因果模型在 n 个 token 上训练 n − 1 个预测，掩码模型约 0.15 n 个。"""
    x = torch.arange(tokens) % 8
    causal = trained(next_token_labels(x, 0) if objective == "causal" else masked_labels(x, share))
    masked = trained(masked_labels(x, share))
    show(bars(["as set", "masked"], {"positions with a loss": [causal.sum(), masked.sum()]}))
    expect("positions with a loss", causal.sum(), equals=tokens - 1)
    # Five standard deviations of a binomial.
    expect("share of masked positions", masked.float().mean(), equals=share,
           within=5 * (share * (1 - share) / tokens) ** 0.5)
    labels = next_token_labels(x, 0)[:-1]
    expect("labels that are not the next token", (labels != x[1:]).sum(), equals=0)


@breaks(loss_on="everything", en="The prefix sees its own targets: that loss would be a leak.",
        zh="前缀看得到自己的目标：那样的损失就是泄露。")
def claim_a_prefix_trains_half_on_average(tokens=64, loss_on="answer"):
    """With a prefix of p tokens n − p predictions are trained: half, averaged over the possible
    splits.

    前缀有 p 个 token 时训练 n − p 个预测；对所有切分位置平均，正好一半。"""
    x, splits = torch.arange(tokens) % 8, range(1, tokens)
    counted = [trained(next_token_labels(x, p if loss_on == "answer" else 0)).sum().item()
               for p in splits]
    show(lines("prefix", splits, {"positions with a loss": counted}))
    expect("positions with a loss", counted, equals=[tokens - p for p in splits],
           at=("prefix", splits))
    expect("their mean over n", sum(counted) / len(splits) / tokens, equals=0.5)


def drill_targets(rng) -> Drill:
    """Predictions trained per sequence, causal against masked."""
    n, share = rng.choice([128, 256, 512, 1024, 2048]), rng.choice([0.15, 0.3])
    ratio = (n - 1) / (share * n)
    return Drill(
        en=f"A sequence of {n} tokens. How many times as many predictions does a causal language "
           f"model train in one pass as a masked one with {share:.0%} masked?",
        zh=f"一条 {n} 个 token 的序列，因果语言模型一次前向训练的预测数，是掩码率 {share:.0%} 的掩码语言模型的多少倍？",
        answer=ratio, within=0.1,
        steps=[(f"causal {n} − 1 = {n - 1}, masked {share:g} · {n} = {share * n:g}",
                f"因果 {n} − 1 = {n - 1}，掩码 {share:g} · {n} = {share * n:g}"),
               (f"{n - 1} / {share * n:g} = {ratio:.1f}", f"{n - 1} / {share * n:g} = {ratio:.1f}")],
        proved_by="causal_trains_all_but_one")


ZH = {
    "as set": "按设定", "masked": "掩码", "positions with a loss": "有损失的位置数",
    "share of masked positions": "被掩码位置的比例",
    "labels that are not the next token": "不是下一个 token 的标签数",
    "prefix": "前缀", "their mean over n": "其平均值与 n 之比",
}

if __name__ == "__main__":
    main()
