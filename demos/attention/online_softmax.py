r"""A softmax over blocks is exact if the sums so far are rescaled whenever the running maximum moves.

分块计算 softmax 也可以精确：只要运行最大值变大时，把已有的累加量按比例缩小。

Milakov & Gimelshein 2018; FlashAttention (Dao et al. 2022, §3.1; Dao 2023, §3.1.1).
Turn `block_sizes` and `largest_logit`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


def stream(scores: Tensor, v: Tensor, block: int, rescale: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """softmax(scores) @ v, seeing `block` columns at a time; returns the output and each row's final m and l."""
    m = torch.full((scores.shape[0], 1), -torch.inf)          # (n, 1) running maximum
    l = torch.zeros(scores.shape[0], 1)                       # (n, 1) running sum of exp(s - m)  # noqa: E741
    acc = torch.zeros(scores.shape[0], v.shape[1])            # (n, d) running sum of exp(s - m) v
    for s, v_block in zip(scores.split(block, dim=1), v.split(block), strict=True):
        m_new = torch.maximum(m, s.amax(1, keepdim=True))
        shrink = torch.exp(m - m_new) if rescale else torch.ones_like(m)     # exp(-inf) = 0 on the first block
        p = torch.exp(s - m_new)                              # (n, block)
        l = shrink * l + p.sum(1, keepdim=True)               # noqa: E741
        acc = shrink * acc + p @ v_block
        m = m_new
    return acc / l, m, l


def merge(a: tuple[Tensor, Tensor, Tensor], b: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The result over two disjoint sets of keys from the (output, m, l) of each."""
    (o_a, m_a, l_a), (o_b, m_b, l_b) = a, b
    m = torch.maximum(m_a, m_b)
    w_a, w_b = torch.exp(m_a - m) * l_a, torch.exp(m_b - m) * l_b
    return (w_a * o_a + w_b * o_b) / (w_a + w_b), m, w_a + w_b


def attention_inputs(n: int, d: int, largest: float) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v with the scores q kᵀ/√d scaled so that the largest magnitude among them is `largest`."""
    q, k, v = torch.randn(3, n, d)
    q = q * (largest / (q @ k.T / d**0.5).abs().max())
    return q, k, v


def claim_running_statistics_equal_logsumexp(n=256, d=32, block=48, largest_logit=10.0):
    """After the last block m + log l is the row's log-sum-exp: two numbers per row stand for the whole row.

    看完最后一块后，m + log l 就是这一行的 log-sum-exp：每行两个数即可代表整行。"""
    q, k, v = attention_inputs(n, d, largest_logit)
    scores = q @ k.T / d**0.5                                 # (n, n)
    seen, running, one_shot = [], [], []
    for end in range(block, n + block, block):
        _, m, l = stream(scores[:, :end], v[:end], block)     # noqa: E741
        seen.append(min(end, n))
        running.append((m + l.log())[0, 0])
        one_shot.append(scores[0, :end].logsumexp(0))
    curves = {"m + log l": torch.stack(running), "logsumexp": torch.stack(one_shot)}
    show(lines("keys seen", seen, curves, title="row 0"))
    gap = (m + l.log())[:, 0] - scores.logsumexp(1)
    expect("m + log l − logsumexp", gap, equals=0, within=1e-6 * max(10.0, largest_logit))


def claim_streamed_output_equals_sdpa(n=256, d=32, block=48, largest_logits=(10.0, 80.0, 100.0, 1000.0)):
    """The streamed output is PyTorch's attention to rounding error, for scores up to 1000.

    流式结果与 PyTorch 的注意力只差舍入误差，分数大到 1000 也成立。"""
    gaps, bounds = [], []
    for largest in largest_logits:
        q, k, v = attention_inputs(n, d, largest)
        out, _, _ = stream(q @ k.T / d**0.5, v, block)
        gaps.append((out - F.scaled_dot_product_attention(q[None], k[None], v[None])[0]).abs().max())
        bounds.append(2e-6 * max(largest, 1.0))               # a score's own rounding error grows with its size
    show(table({"largest |score|": largest_logits, "max |difference|": gaps, "allowed": bounds}))
    expect("max |streamed − SDPA|", gaps, at_most=bounds, at=("largest score", largest_logits))


def claim_block_size_does_not_matter(n=256, d=32, block_sizes=(1, 7, 64, 256), largest_logit=10.0):
    """Blocks of 1, 7, 64 or all keys, and the keys in any order, give the same output to rounding error.

    每块 1、7、64 个 key 或一次全取，乃至打乱 key 的顺序，输出都只差舍入误差。"""
    q, k, v = attention_inputs(n, d, largest_logit)
    scores = (q @ k.T / d**0.5).double()
    exact = scores.softmax(1) @ v.double()
    order = torch.randperm(n)
    gaps = [(stream(scores.float(), v, b)[0] - exact).abs().max() for b in block_sizes]
    shuffled = [(stream(scores.float()[:, order], v[order], b)[0] - exact).abs().max() for b in block_sizes]
    show(table({"block": block_sizes, "error": gaps, "error, keys shuffled": shuffled}))
    expect("max error against float64", gaps, at_most=5e-6, at=("block", block_sizes))
    expect("max error against float64, keys shuffled", shuffled, at_most=5e-6, at=("block", block_sizes))


def claim_dropping_the_rescale_is_wrong(n=256, d=32, block_sizes=(1, 7, 64, 256), largest_logit=10.0):
    """Without exp(m_old − m_new) earlier blocks weigh too much; with a single block the mistake stays hidden.

    去掉 exp(m_old − m_new)，先前各块的权重就偏大；整行只有一块时看不出这个错。"""
    q, k, v = attention_inputs(n, d, largest_logit)
    scores = q @ k.T / d**0.5
    exact = scores.softmax(1) @ v
    wrong = [(stream(scores, v, b, rescale=False)[0] - exact).abs().max() for b in block_sizes]
    right = [(stream(scores, v, b)[0] - exact).abs().max() for b in block_sizes]
    show(table({"block": block_sizes, "error with the factor": right, "error without it": wrong}))
    split = [w for b, w in zip(block_sizes, wrong, strict=True) if b < n]
    expect("max error without the rescale", split, at_least=0.01, at=("block", [b for b in block_sizes if b < n]))
    expect("max error with the rescale", right, at_most=5e-6, at=("block", block_sizes))


def claim_partial_results_merge(n=256, d=32, parts=(2, 4, 8), largest_logit=10.0):
    """Partial results (output, m, l) of separate key ranges merge exactly, in any order.

    各段 key 分别算出的（输出、m、l）可以精确合并，顺序任意。"""
    q, k, v = attention_inputs(n, d, largest_logit)
    scores = q @ k.T / d**0.5
    exact = (scores.double().softmax(1) @ v.double())
    gaps, averaged = [], []
    for count in parts:
        partial = [stream(s, x, s.shape[1]) for s, x in zip(scores.chunk(count, 1), v.chunk(count), strict=True)]
        merged = partial[-1]
        for piece in reversed(partial[:-1]):                  # last range first: the order is free
            merged = merge(merged, piece)
        gaps.append((merged[0] - exact).abs().max())
        averaged.append((sum(o for o, _, _ in partial) / count - exact).abs().max())
    show(table({"key ranges": parts, "error, merged by m and l": gaps, "error, plain average": averaged}))
    expect("max error of the merged output", gaps, at_most=5e-6, at=("key ranges", parts))
    expect("max error of a plain average", averaged, at_least=0.01, at=("key ranges", parts))


def claim_naive_exp_overflows(n=256, d=32, block=48, largest_logits=(10.0, 80.0, 100.0, 1000.0)):
    """exp(s) of float32 is infinite above 88.7, and inf/inf makes the row NaN; the streamed form stays finite.

    float32 的 exp(s) 在 s 超过 88.7 时溢出为无穷，inf/inf 使该行成为 NaN；流式写法始终有限。"""
    naive, streamed = [], []
    for largest in largest_logits:
        scores = torch.randn(n, n)
        scores = scores * (largest / scores.max())            # the largest score is positive: exp must face it
        v, e = torch.randn(n, d), scores.exp()
        naive.append((e @ v / e.sum(1, keepdim=True)).isnan().any(1).sum())
        streamed.append(stream(scores, v, block)[0].isfinite().all(1).sum())
    limit = torch.log(torch.tensor(torch.finfo(torch.float32).max))
    show(table({"largest score": largest_logits, "rows NaN, naive": naive, "rows finite, streamed": streamed}))
    over = [x for x in largest_logits if x > limit]
    safe = [x for x in largest_logits if x < limit - 8]       # 8: room for the sum of a row
    rows = dict(zip(largest_logits, naive, strict=True))
    expect("rows that become NaN above the limit", [rows[x] for x in over], at_least=1, at=("score", over))
    expect("rows that become NaN below it", [rows[x] for x in safe], equals=0, at=("score", safe))
    expect("finite rows, streamed", streamed, equals=n, at=("score", largest_logits))
    expect("log of the largest float32", limit, equals=88.72, within=0.01)


if __name__ == "__main__":
    main()
