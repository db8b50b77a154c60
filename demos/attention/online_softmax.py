r"""A softmax over blocks is exact if the sums so far shrink whenever the running maximum rises.

分块计算 softmax 也可以精确：当前最大值一旦变大，就把已有的累加量按比例缩小。

Milakov & Gimelshein 2018; Dao et al. 2022, §3.1; Dao 2023, §3.1.1. Turn `way` to "no rescale":
early blocks weigh too much. Turn it to "no guard": a row whose first block is masked is nan for
good. 把 `way` 改为 "no rescale"：先前的块权重过大；改为 "no guard"：首块全被掩码的行从此都是 nan。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show


@exercise(
    claims=("streamed_output_equals_sdpa", "running_statistics_equal_logsumexp",
            "a_masked_first_block_gives_no_nan"),
    wrong=("adds_without_rescaling", "forgets_the_output", "takes_the_maximum_of_the_block",
           "subtracts_minus_infinity"),
)
def update(
    m: Tensor, l: Tensor, acc: Tensor, s: Tensor, v: Tensor  # noqa: E741
) -> tuple[Tensor, Tensor, Tensor]:
    """Take one more block of keys into the running maximum m (rows, 1), the sum l (rows, 1) of
    exp(s − m) and acc (rows, d), the sum of exp(s − m)·v; s is (rows, keys), v (keys, d). m starts
    at −inf, l and acc at 0; a score of −inf is masked, and a whole block may be.

    把一块新的 key 并入当前最大值 m (rows, 1)、exp(s − m) 之和 l (rows, 1) 与 exp(s − m)·v 之和 acc (rows, d)；
    s 为 (rows, keys)，v 为 (keys, d)。初值 m = −inf，l 与 acc 为 0；分数 −inf 表示被掩码，整块都可能如此。"""
    top = torch.maximum(m, s.amax(1, keepdim=True))             # (rows, 1)
    ref = top.where(top > -torch.inf, 0.0)                      # −inf − (−inf) is nan
    p, shrink = torch.exp(s - ref), torch.exp(m - ref)          # (rows, keys), (rows, 1)
    return top, shrink * l + p.sum(1, keepdim=True), shrink * acc + p @ v


def without_rescale(m, l, acc, s, v):                           # noqa: E741
    """The wrong way: what is there stays as it is when the maximum rises."""
    top, l_new, acc_new = update(m, torch.zeros_like(l), torch.zeros_like(acc), s, v)
    return top, l + l_new, acc + acc_new


def without_guard(m, l, acc, s, v):                             # noqa: E741
    """The wrong way: subtract the maximum even where it is −inf."""
    top = torch.maximum(m, s.amax(1, keepdim=True))
    p, shrink = torch.exp(s - top), torch.exp(m - top)
    return top, shrink * l + p.sum(1, keepdim=True), shrink * acc + p @ v


WAYS = {"right": update, "no rescale": without_rescale, "no guard": without_guard}


def stream(s: Tensor, v: Tensor, block: int, way: str) -> tuple[Tensor, Tensor, Tensor]:
    """softmax(s) @ v, `block` keys at a time; the output, 0 in a row without keys, and the last m
    and l."""
    state = (s.new_full((len(s), 1), -torch.inf), s.new_zeros(len(s), 1),
             s.new_zeros(len(s), v.shape[1]))
    for s_j, v_j in zip(s.split(block, 1), v.split(block), strict=True):
        state = WAYS[way](*state, s_j, v_j)
    m, l, acc = state                                           # noqa: E741
    return acc / l.where(l != 0, 1.0), m, l


def inputs(tokens: int, d_head: int, largest: float) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v in float64, the largest |q·k/√d| made `largest`; in order of rising scores for query
    0."""
    q, k, v = torch.randn(3, tokens, d_head, dtype=torch.float64)
    k = k[(q[0] @ k.T).argsort()]                               # the maximum keeps rising
    return q * (largest / (q @ k.T / d_head**0.5).abs().max()), k, v


RANGES = {
    "tokens": between(2, 128),
    "d_head": between(1, 128),
    "block": between(1, 512),
    "blocks": each(between(1, 512)),
    "largest": between(1.0, 5000.0),
    "pads": between(0, "tokens"),
    "way": one_of("right", "no rescale", "no guard"),
}
NO_RESCALE = breaks(
    way="no rescale",
    en="What was summed against a smaller maximum is too large, and earlier blocks weigh too much.",
    zh="先前各项以较小的最大值为基准，累加量偏大，先前的块权重过大。",
)


@NO_RESCALE
def claim_streamed_output_equals_sdpa(tokens=128, d_head=32, blocks=(1, 7, 64), largest=1000.0,
                                      way="right"):
    """Streamed in blocks of 1, 7 or 64 keys, in any order, attention equals PyTorch's to rounding,
    for scores up to 1000.

    每块 1、7 或 64 个 key，次序任意，分数大到 1000，流式计算的注意力与 PyTorch 的都只差舍入。"""
    q, k, v = inputs(tokens, d_head, largest)
    exact = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    orders = {"rising": torch.arange(tokens), "shuffled": torch.randperm(tokens)}
    s = q @ k.T / d_head**0.5
    gaps = {name: [(stream(s[:, order], v[order], b, way)[0] - exact).abs().max() for b in blocks]
            for name, order in orders.items()}
    show(lines("block", blocks, gaps, log="x", y_label="largest difference"))
    # A score of size s, a sum of d terms in another order, is off by s·d·1e-16, a weight by as much.
    for name, gap in gaps.items():
        expect(f"difference from SDPA, keys {name}", gap, equals=0, at=("block", blocks),
               within=1e-14 * d_head * largest + 1e-13 * tokens)


@NO_RESCALE
def claim_running_statistics_equal_logsumexp(tokens=128, d_head=32, block=16, largest=10.0,
                                             way="right"):
    """After every block m + log l is the log-sum-exp of the keys seen: two numbers per row stand
    for the row.

    每看完一块，m + log l 就是已见 key 的 log-sum-exp：每行两个数就代表整行。"""
    q, k, v = inputs(tokens, d_head, largest)
    s = q @ k.T / d_head**0.5
    ends = [min(e, tokens) for e in range(block, tokens + block, block)]
    found = [stream(s[:, :e], v[:e], block, way) for e in ends]
    running = torch.stack([(m + total.log())[:, 0] for _, m, total in found])   # (blocks, tokens)
    exact = torch.stack([s[:, :e].logsumexp(1) for e in ends])
    show(lines("keys seen", ends, {"m + log l": running[:, 0], "logsumexp": exact[:, 0]},
               y_label="query 0"))
    expect("m + log l less logsumexp", running - exact, equals=0, within=1e-13 * (1 + largest))


@breaks(way="no guard", en="−inf less −inf is nan, and a nan never leaves the sums.",
        zh="−inf 减 −inf 得 nan，而 nan 一旦进入累加量就出不去了。")
def claim_a_masked_first_block_gives_no_nan(tokens=24, d_head=8, block=4, pads=6, way="right"):
    """Left padding masks a row's first block: the maximum stays −inf there, and must not be
    subtracted.

    左侧 padding 会掩掉一行的首块：此时最大值仍为 −inf，不能拿去相减。"""
    q, k, v = inputs(tokens, d_head, 10.0)
    allowed = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    allowed[:, :pads] = False
    out, _, _ = stream((q @ k.T / d_head**0.5).masked_fill(~allowed, -torch.inf), v, block, way)
    exact = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=allowed)[0]
    show(heatmap(allowed.int(), x_label="key", y_label="query",
                 title="1: the query may see the key"))
    expect("rows with a nan", int(out.isnan().any(1).sum()), equals=0)
    expect("rows equal to SDPA's under the mask", int(((out - exact).abs() < 1e-11).all(1).sum()),
           equals=tokens)


def drill_running_sum(rng) -> Drill:
    """The sum l after two blocks, from scores that are logarithms of small numbers."""
    a, b, c = rng.choice([(1, 2, 4), (2, 1, 5), (3, 1, 8), (1, 3, 10), (4, 2, 8), (2, 3, 20)])
    s = torch.tensor([[a, b, c]], dtype=torch.float64).log()
    first, l = max(a, b), stream(s, torch.eye(3, dtype=torch.float64), 2,  # noqa: E741
                                 "right")[2].item()
    return Drill(
        en=f"Online softmax sees the scores ln {a} and ln {b} in its first block, ln {c} in its second. "
           "What is l, the sum of exp(s − m), at the end?",
        zh=f"online softmax 的第一块是 ln {a} 与 ln {b}，第二块是 ln {c}。最后的 l（exp(s − m) 之和）是多少？",
        answer=l, within=0.005,
        steps=[
            (f"first block: m = ln {first}, l = ({a} + {b})/{first} = {(a + b) / first:g}",
             f"第一块：m = ln {first}，l = ({a} + {b})/{first} = {(a + b) / first:g}"),
            (f"the maximum rises to ln {c}: l shrinks by {first}/{c}, to {(a + b) / c:g}",
             f"最大值升为 ln {c}：l 乘以 {first}/{c}，变为 {(a + b) / c:g}"),
            (f"add exp(ln {c} − ln {c}) = 1: l = {math.fsum((a, b, c)) / c:g}",
             f"再加 exp(ln {c} − ln {c}) = 1：l = {math.fsum((a, b, c)) / c:g}"),
        ],
        proved_by="running_statistics_equal_logsumexp",
    )


ZH = {
    "block": "块的大小",
    "rising": "分数递增",
    "shuffled": "打乱",
    "largest difference": "最大差异",
    "difference from SDPA, keys rising": "与 SDPA 之差，分数递增",
    "difference from SDPA, keys shuffled": "与 SDPA 之差，key 打乱",
    "keys seen": "已见的 key 数",
    "logsumexp": "logsumexp",
    "m + log l less logsumexp": "m + log l 与 logsumexp 之差",
    "1: the query may see the key": "1：该 query 可见该 key",
    "rows with a nan": "含 nan 的行数",
    "rows equal to SDPA's under the mask": "与 SDPA（同一掩码）相同的行数",
}

if __name__ == "__main__":
    main()
