r"""Attention over separate ranges of keys merges exactly: each part weighs by exp of its
log-sum-exp.

对各段 key 分别做的注意力可以精确合并：每一部分按 exp(log-sum-exp) 加权。

Dao et al. 2022, §3.1. Split-KV decoding and ring attention join partial results so. Turn `weights`
to "equal": a part with small scores counts as much as one with large ones.
把 `weights` 改为 "equal"：分数小的一段与分数大的一段占同样的权重，结果就错了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("partial_results_merge", "the_order_is_free"),
          wrong=("averages", "weighs_by_the_log", "forgets_the_log_sum_exp"))
def merge(o_a: Tensor, lse_a: Tensor, o_b: Tensor, lse_b: Tensor) -> tuple[Tensor, Tensor]:
    """Output (rows, d) and log-sum-exp (rows, 1) over two disjoint ranges of keys, from those of
    each. No exponential may overflow.

    由两段互不相交的 key 各自的输出 (rows, d) 与 log-sum-exp (rows, 1)，得到合在一起的输出与 log-sum-exp。
    任何指数都不得上溢。"""
    lse = torch.logaddexp(lse_a, lse_b)                                  # (rows, 1)
    return torch.exp(lse_a - lse) * o_a + torch.exp(lse_b - lse) * o_b, lse


def average(o_a: Tensor, lse_a: Tensor, o_b: Tensor, lse_b: Tensor) -> tuple[Tensor, Tensor]:
    """The wrong way: every part counts the same."""
    return (o_a + o_b) / 2, torch.logaddexp(lse_a, lse_b)


WAYS = {"log-sum-exp": merge, "equal": average}


def partial(s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Output and log-sum-exp of one range of keys: what one worker has."""
    return s.softmax(1) @ v, s.logsumexp(1, keepdim=True)


RANGES = {
    "tokens": between(16, 512),
    "d_head": between(1, 128),
    "parts": each(between(2, 8)),
    "scale": between(1.0, 100.0),
    "weights": one_of("log-sum-exp", "equal"),
}
EQUAL = breaks(weights="equal",
               en="A part whose scores are small has little to say in the whole softmax.",
               zh="分数小的一段，在整个 softmax 里本来只占很小的份额。")


def drawn(tokens: int, d_head: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Random q, k, v in float64 with scores of standard deviation `scale`."""
    q, k, v = torch.randn(3, tokens, d_head, dtype=torch.float64)
    return q * scale, k, v


@EQUAL
def claim_partial_results_merge(tokens=128, d_head=32, parts=(2, 4, 8), scale=3.0,
                                weights="log-sum-exp"):
    """The output and log-sum-exp of separate key ranges merge into PyTorch's attention, to
    rounding.

    各段 key 的输出与 log-sum-exp 合并后，就是 PyTorch 的注意力，只差舍入。"""
    q, k, v = drawn(tokens, d_head, scale)
    s = q @ k.T / d_head**0.5
    exact = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    gaps = []
    for count in parts:
        done = [
            partial(*range_)
            for range_ in zip(s.tensor_split(count, 1), v.tensor_split(count), strict=True)
        ]
        joined = done[0]
        for one in done[1:]:
            joined = WAYS[weights](*joined, *one)
        gaps.append((joined[0] - exact).abs().max())
    show(bars([f"{p} ranges" for p in parts], {"largest error": gaps}))
    # Scores of 5 · scale, off by d · 1e-16 of their size, move weights and outputs by as much.
    expect("error of the merged output", gaps, equals=0, within=1e-13 * d_head * scale,
           at=("ranges", parts))


@EQUAL
def claim_the_order_is_free(tokens=128, d_head=32, scale=3.0, weights="log-sum-exp"):
    """Merged last range first, or two by two, the result is the same: the merge is associative and
    commutative.

    从最后一段开始合并，或两两合并，结果都一样：合并满足交换律与结合律。"""
    q, k, v = drawn(tokens, d_head, scale)
    s = q @ k.T / d_head**0.5
    a, b, c, d = (partial(*r) for r in zip(s.tensor_split(4, 1), v.tensor_split(4), strict=True))
    join = WAYS[weights]
    forward = join(*join(*join(*a, *b), *c), *d)[0]
    others = {"backward": join(*join(*join(*d, *c), *b), *a)[0],
              "in pairs": join(*join(*a, *c), *join(*b, *d))[0]}
    show(lines("row", range(tokens), {"forward": forward[:, 0],
                                      **{n: o[:, 0] for n, o in others.items()}},
               y_label="output"))
    for name, output in others.items():
        expect(f"merged {name} less merged forward", (output - forward).abs().max(), equals=0,
               within=1e-12)


ZH = {
    "{} ranges": "{} 段",
    "ranges": "段数",
    "largest error": "最大误差",
    "error of the merged output": "合并所得输出的误差",
    "backward": "逆序",
    "in pairs": "两两",
    "forward": "顺序",
    "row": "行",
    "output": "输出",
    "merged backward less merged forward": "逆序合并与顺序合并之差",
    "merged in pairs less merged forward": "两两合并与顺序合并之差",
}

if __name__ == "__main__":
    main()
