r"""Online softmax need not follow its maximum at once: any reference near it gives the same ratio.

online softmax 不必每次都跟上最大值：只要基准离最大值不太远，比值就不变。

FlashAttention-4 (Zadouri et al. 2026, §3.1.4) moves the reference only where the maximum has
outgrown it by more than 8 in log₂. Turn `threshold` to 200: exp overflows float32, and the output
is nan. 把 `threshold` 改为 200：exp 在 float32 中上溢，输出成为 nan。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, show


def lazy(s: Tensor, v: Tensor, block: int, threshold: float) -> tuple[Tensor, list[int], float]:
    """softmax(s) @ v with a reference c that moves where the maximum has passed it by more than
    `threshold` in log₂; how many rows moved in each block after the first, and the largest exp(s −
    c) seen."""
    blocks = zip(s.split(block, 1), v.split(block), strict=True)
    c, moved, largest = s[:, :block].amax(1, keepdim=True), [], 0.0      # (rows, 1)
    l, acc = s.new_zeros(len(s), 1), s.new_zeros(len(s), v.shape[1])     # noqa: E741
    for s_j, v_j in blocks:
        top = torch.maximum(c, s_j.amax(1, keepdim=True))
        move = (top - c) / torch.log(torch.tensor(2.0)) > threshold      # (rows, 1)
        new = top.where(move, c)
        shrink, p = torch.exp(c - new), torch.exp(s_j - new)             # 1 where c stays
        l, acc, c = shrink * l + p.sum(1, keepdim=True), shrink * acc + p @ v_j, new  # noqa: E741
        moved.append(int(move.sum()))
        largest = max(largest, p.max().item())
    return acc / l, moved, largest              # the same c above and below


RANGES = {
    "tokens": between(16, 512),
    "d_head": between(8, 128),
    "block": between(8, 64),
    "threshold": between(0.0, 200.0),
    "scale": between(0.1, 100.0),
}


@breaks(threshold=200.0, scale=100.0,
        en="A reference 200 powers of two behind lets exp overflow float32.",
        zh="基准落后 2 的 200 次方，exp 就超出 float32 的范围。")
def claim_a_late_reference_gives_the_same_output(
    tokens=128, d_head=32, block=16, threshold=8.0, scale=3.0
):
    """The reference may lag behind the maximum by a factor of 256: it cancels in the final
    division.

    基准可以比最大值落后到 256 倍：最后一除，它就约掉了。"""
    q, k, v = torch.randn(3, tokens, d_head)
    k = k[(q[0] @ k.T).argsort()]                                        # rising scores for query 0
    out, _, largest = lazy(scale * q @ k.T / d_head**0.5, v, block, threshold)
    exact = F.scaled_dot_product_attention(scale * q[None], k[None], v[None])[0]
    # float32: scores of 5 · scale, each off by 1e-7 of itself
    right = (out - exact).abs() < 1e-5 * max(1.0, scale) * d_head**0.5
    show(lines("row", range(tokens), {"late reference": out[:, 0], "SDPA": exact[:, 0]},
               y_label="output"))
    expect("rows equal to SDPA's", int(right.all(1).sum()), equals=tokens)
    expect("largest exp(s − c)", largest, at_most=2.0**threshold,
           within=1e-4 * 2.0 ** min(threshold, 120.0))


@breaks(threshold=0.0, en="At 0 every new maximum moves the reference.",
        zh="阈值为 0 时，每个新的最大值都要移动基准。")
def claim_few_rows_still_rescale(tokens=256, d_head=64, block=16, threshold=8.0):
    """For scores of standard deviation 1, a threshold of 8 leaves no rescaling after the first
    block.

    分数的标准差为 1 时，阈值取 8，第一块之后就不再需要缩放。"""
    q, k, v = torch.randn(3, tokens, d_head)
    s = F.normalize(q, dim=1) @ k.T                       # each row of scores is N(0, 1)
    counts = {f"threshold {t:g}": lazy(s, v, block, t)[1] for t in {0.0, threshold}}
    show(lines("block", range(1, len(counts[f"threshold {threshold:g}"]) + 1), counts,
               y_label="rows that rescale"))
    expect("rows that rescale after the first block", sum(counts[f"threshold {threshold:g}"][1:]),
           equals=0)


ZH = {
    "late reference": "滞后的基准",
    "row": "行",
    "output": "输出",
    "rows equal to SDPA's": "与 SDPA 相同的行数",
    "largest exp(s − c)": "最大的 exp(s − c)",
    "threshold {}": "阈值 {}",
    "block": "块",
    "rows that rescale": "需要缩放的行数",
    "rows that rescale after the first block": "第一块之后需要缩放的行数",
}

if __name__ == "__main__":
    main()
