r"""A padding mask takes padded keys out before the softmax: then the real tokens do not notice
them.

padding mask 在 softmax 之前去掉补齐的 key，于是真实 token 处的结果不受补齐影响。

BERT's attention_layer. Turn `mask` to "after", "times", "tiny" or "queries": four ways to write a
mask that runs without error and does not mask.
把 `mask` 改为 "after"、"times"、"tiny" 或 "queries"：四种能运行却没有遮住的写法。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("masked_output_equals_unpadded", "masked_keys_get_weight_zero"),
          wrong=("zeroes_after_softmax", "multiplies_the_scores", "masks_the_queries"))
def weights(q: Tensor, k: Tensor, keep: Tensor) -> Tensor:
    """Attention weights (B, H, n, n) of q and k (B, H, n, d); keep (B, n) is True at real tokens.

    q、k (B, H, n, d) 的注意力权重 (B, H, n, n)；keep (B, n) 在真实 token 处为 True。"""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5                # (B, H, n, n)
    return scores.masked_fill(~keep[:, None, None], -torch.inf).softmax(-1)


def weigh(q: Tensor, k: Tensor, keep: Tensor, mask: str) -> Tensor:
    """`weights`, or what a wrong way makes of them."""
    scores, keys = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, keep[:, None, None]
    return {
        "before": lambda: weights(q, k, keep),
        "after": lambda: scores.softmax(-1) * keys,
        "times": lambda: (scores * keys).softmax(-1),
        "tiny": lambda: (scores - 1e-9 * ~keys).softmax(-1),
        "queries": lambda: scores.masked_fill(~keys.transpose(-1, -2), -1e9).softmax(-1),
    }[mask]()


RANGES = {
    "real": between(2, 64),
    "pads": between(1, 64),
    "lengths": each(between(1, 64), at_least=2, at_most=8, rising=True),
    "heads": between(1, 8),
    "d_head": between(4, 64),
    "mask": one_of("before", "after", "times", "tiny", "queries"),
}
TIMES = breaks(mask="times", en="Times 0 the score is 0, an ordinary score, and not “none”.",
               zh="乘以 0 得到的分数是 0，这是一个普通的分数，并不是「没有」。")
TINY = breaks(mask="tiny", en="−1e-9 for −1e9: the score moves in its ninth decimal.",
              zh="把 −1e9 写成 −1e-9：分数只在第九位小数上变了。")
QUERIES = breaks(mask="queries",
                 en="Masking rows leaves the columns of the padding where they were.",
                 zh="遮的是行，补齐所在的列原封不动。")
AFTER = breaks(mask="after", en="What padding took in the denominator is lost to the row.",
               zh="分母里被补齐分走的部分，这一行再也拿不回来。")


def padded(real: int, pads: int, heads: int, d_head: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """q, k, v (1, H, n, d) of `real` tokens and then `pads` equal ones, and which are real (1,
    n)."""
    q, k, v = torch.randn(3, 1, heads, real + pads, d_head, dtype=F64)
    for t in (q, k, v):
        t[:, :, real:] = t[:, :, -1:].clone()
    return q, k, v, (torch.arange(real + pads) < real)[None]


@TIMES
@TINY
@QUERIES
def claim_masked_keys_get_weight_zero(real=5, pads=3, heads=2, d_head=16, mask="before"):
    """With −∞ on the padded keys their weights are exactly 0, for every query, and the others
    still sum to 1.

    补齐的 key 填 −∞，对每个 query 它们的权重都恰好为 0，其余权重之和仍为 1。"""
    q, k, _, keep = padded(real, pads, heads, d_head)
    p = weigh(q, k, keep, mask)
    show(heatmap(p[0, 0], x_label="key", y_label="query",
                 title=f"the last {pads} tokens are padding"))
    expect("weight on padded keys", p[..., ~keep[0]], equals=0)
    expect("sum over real keys", p[..., keep[0]].sum(-1), equals=1, within=1e-12)


@AFTER
@TIMES
@TINY
@QUERIES
def claim_masked_output_equals_unpadded(real=5, lengths=(1, 4, 16, 64), heads=2, d_head=16,
                                        mask="before"):
    """At real tokens the masked output is PyTorch's attention over the sequence without padding,
    however long the padding; unmasked, padding takes the more weight the longer it is.

    在真实 token 处，加掩码的输出就是 PyTorch 对不补齐序列的注意力，补多长都一样；不加掩码，补得越长，被分走的权重
    越多。"""
    q, k, v, keep = padded(real, max(lengths), heads, d_head)
    alone = F.scaled_dot_product_attention(*(t[:, :, :real] for t in (q, k, v)))
    gaps, taken = [], []
    for pads in lengths:
        n = real + pads
        p = weigh(q[:, :, :n], k[:, :, :n], keep[:, :n], mask)
        gaps.append(((p @ v[:, :, :n])[:, :, :real] - alone).abs().max())
        unmasked = weights(q[:, :, :n], k[:, :, :n], torch.ones(1, n, dtype=torch.bool))
        taken.append(unmasked[:, :, :real, real:].sum(-1).mean())
    show(lines("padding tokens", lengths, {"weight on padding, no mask": taken}, log="x"))
    # float64 keeps 1e-16 of outputs of size 1
    expect("masked output less the unpadded one", gaps, equals=0, within=1e-12,
           at=("padding tokens", lengths))
    expect("weight on padding less that at the next shorter length", torch.stack(taken).diff(),
           at_least=0, at=("padding tokens", lengths[1:]))


@breaks(mask="before", en="Before the softmax no row loses anything.",
        zh="在 softmax 之前遮，行和丝毫不少。")
def claim_zeroing_after_softmax_is_not_the_same(real=5, pads=3, heads=2, d_head=16, mask="after"):
    """Zeroed after the softmax, rows sum to less than 1, and the output is the right one times
    that sum; dividing by it repairs it.

    在 softmax 之后清零，各行之和小于 1，输出等于正确结果乘以这个和；除以它才能恢复。"""
    q, k, v, keep = padded(real, pads, heads, d_head)
    right = (weights(q, k, keep) @ v)[:, :, :real]
    zeroed = weigh(q, k, keep, mask)[:, :, :real]
    left = zeroed.sum(-1)                                                # (1, H, real)
    lost = 1 - weights(q, k, keep | True)[:, :, :real, :real].sum(-1)    # padding's share, unmasked
    show(bars([f"query {i}" for i in range(min(real, 12))],
              {"row sum after zeroing": left[0, 0, :12]}))
    expect("row sum plus the share of padding", left + lost, equals=1, within=1e-12)
    expect("output less the right one times the row sum", zeroed @ v - right * left[..., None],
           equals=0, within=1e-12)


ZH = {
    "the last {} tokens are padding": "最后 {} 个 token 是补齐", "weight on padded keys": "补齐的 key 的权重",
    "sum over real keys": "真实 key 的权重之和", "padding tokens": "补齐的 token 数",
    "weight on padding, no mask": "不加掩码时补齐的权重",
    "masked output less the unpadded one": "加掩码的输出与不补齐的输出之差",
    "weight on padding less that at the next shorter length": "补齐的权重与上一个较短长度时之差",
    "query {}": "query {}", "row sum after zeroing": "清零后的行和",
    "row sum plus the share of padding": "行和加上补齐所占的份额",
    "output less the right one times the row sum": "输出与「正确结果 × 行和」之差",
}

if __name__ == "__main__":
    main()
