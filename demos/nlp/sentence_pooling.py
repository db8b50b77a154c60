r"""A text's vector from its tokens' states: padding must not count, whatever is pooled.

由各 token 的状态得到文本向量：无论怎样池化，补齐都不能算进去。

Turn `counted` to "all positions": the vector of a text then depends on its neighbours in the batch.
把 `counted` 改为 "all positions"：一条文本的向量就取决于同一 batch 里的其他文本。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("pooled_alone_or_in_a_batch_is_the_same",),
          wrong=("divides_by_the_length", "fills_the_maximum_with_zero", "takes_the_last_index"))
def pool(states: Tensor, keep: Tensor, how: str) -> Tensor:
    """The text vectors (B, d) of states (B, n, d); keep (B, n) is True at real tokens, on whichever side the
    padding is; `how` is "mean", "max" or "last", the last real token.

    由 states (B, n, d) 得到文本向量 (B, d)；keep (B, n) 在真实 token 处为 True，补齐可在任一侧；`how` 取 "mean"、"max" 或
    "last"（最后一个真实 token）。"""
    if how == "mean":
        kept = keep[..., None].to(states.dtype)                          # (B, n, 1)
        return (states * kept).sum(1) / kept.sum(1)
    if how == "max":
        return states.masked_fill(~keep[..., None], -torch.inf).amax(1)
    last = (torch.arange(keep.shape[1]) * keep).argmax(1)                # (B,): the greatest real index
    return states[torch.arange(len(states)), last]


RANGES = {
    "width": between(4, 64),
    "lengths": each(between(2, 40), at_least=3, at_most=8, rising=True),
    "counted": one_of("real tokens", "all positions"),
    "padding": one_of("states", "zeros"),
    "side": one_of("left", "right"),
}


def batch(lengths: tuple[int, ...], width: int, side: str) -> tuple[Tensor, Tensor]:
    """Random states (B, n, width) of texts of these lengths, padding included, and which are real (B, n)."""
    n = max(lengths)
    place = torch.arange(n)
    keep = torch.stack([place < one if side == "right" else place >= n - one for one in lengths])
    return torch.randn(len(lengths), n, width, dtype=torch.float64), keep


@breaks(counted="all positions", en="States at padding are no part of the text, and which there are depends on the batch.",
        zh="补齐处的状态不属于这段文本，有多少又取决于同一 batch 的其他文本。")
def claim_pooled_alone_or_in_a_batch_is_the_same(lengths=(3, 7, 12), width=8, counted="real tokens"):
    """With padding left out, mean, maximum and last token are those of the text by itself, padded left or
    right.

    剔除补齐后，均值、最大值、最后一个 token 都与这段文本单独算时相同，补在左边还是右边都一样。"""
    gaps = []
    for side in ("left", "right"):
        states, keep = batch(lengths, width, side)
        for row, one in enumerate(lengths):
            text = [s for s, real in zip(states[row], keep[row].tolist(), strict=True) if real]
            by_hand = {"mean": sum(text) / one, "max": torch.stack(text).amax(0), "last": text[-1]}
            used = keep if counted == "real tokens" else torch.ones_like(keep)
            gaps += [(pool(states, used, how)[row] - value).abs().max() for how, value in by_hand.items()]
    show(bars([f"{side}, {how}" for side in ("left", "right") for how in ("mean", "max", "last")],
              {"largest difference": torch.stack(gaps).view(2, len(lengths), 3).amax(1).flatten()}))
    expect("pooled in the batch less alone", gaps, equals=0, within=1e-12)  # sums of up to 40 numbers


@breaks(padding="zeros", en="Zeros shorten the mean, by n over the padded length, and leave its direction.",
        zh="零只把均值缩短为 n/补齐后长度，方向不变。")
def claim_padding_states_turn_the_mean(lengths=(4, 8, 16, 32), width=32, padding="states"):
    """Counted in, the states at padding turn the mean of every padded text; zeros there would only shorten it,
    which cosine does not notice.

    若把补齐处的状态算进去，凡有补齐的文本，均值方向都会变；若那里是零，则只会变短，余弦察觉不到。"""
    states, keep = batch(lengths, width, "right")
    if padding == "zeros":
        states = states * keep[..., None]
    right = pool(states, keep, "mean")
    counted = states.mean(1)
    cosines = F.cosine_similarity(right, counted)                        # (B,)
    show(lines("real tokens", lengths, {"cosine with the right mean": cosines,
                                        "length over the right one": counted.norm(dim=1) / right.norm(dim=1)}))
    expect("cosine of the longest text, which has no padding", cosines[-1], equals=1, within=1e-12)
    expect("cosine of the texts with padding", cosines[:-1], at_most=0.999, at=("real tokens", lengths[:-1]))


@breaks(side="right", en="The last index is padding in every text but the longest.",
        zh="除最长的文本外，最后一个下标都落在补齐上。")
def claim_the_last_index_wants_left_padding(lengths=(3, 7, 12), width=8, side="left"):
    """Index −1 is the last real token of every text only when the padding is on the left.

    只有补在左边时，下标 −1 才是每段文本的最后一个真实 token。"""
    states, keep = batch(lengths, width, side)
    right = torch.stack([[s for s, real in zip(states[b], keep[b].tolist(), strict=True) if real][-1]
                         for b in range(len(lengths))])
    gaps = (states[:, -1] - right).abs().amax(1)
    show(bars([f"{one} tokens" for one in lengths], {"index −1 less the last real token": gaps}))
    expect("index −1 less the last real token", gaps, equals=0)
    right_side, kept = batch(lengths, width, "right")
    last = pool(right_side, kept, "last")
    expect("the same with padding on the right, all but the longest", (right_side[:, -1] - last).abs().amax(1)[:-1],
           at_least=1e-3, at=("real tokens", lengths[:-1]))


ZH = {
    "left, {}": "左，{}", "right, {}": "右，{}", "largest difference": "最大差异",
    "pooled in the batch less alone": "batch 中池化与单独池化之差", "real tokens": "真实 token 数",
    "cosine with the right mean": "与正确均值的余弦", "length over the right one": "长度与正确均值之比",
    "cosine of the longest text, which has no padding": "最长文本（没有补齐）的余弦",
    "cosine of the texts with padding": "有补齐的文本的余弦", "{} tokens": "{} 个 token",
    "index −1 less the last real token": "下标 −1 与最后一个真实 token 之差",
    "the same with padding on the right, all but the longest": "补在右边时的同一差（最长文本除外）",
}

if __name__ == "__main__":
    main()
