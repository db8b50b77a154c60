r"""Splitting into heads is a view; the order of the two axes and the copies are where programs go wrong.

分头只是换一种视图；容易出错的是两个轴的次序，以及何时发生复制。

B sequences, T tokens, H heads of size d_head: (B, T, H·d_head) becomes (B, H, T, d_head). Turn `tokens` and `batches`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from studyapp.evidence import expect, heatmap, lines, main, show, table


def split(x: Tensor, heads: int) -> Tensor:
    """(B, T, H·d) to (B, H, T, d): name the heads first, then swap the axes."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge(x: Tensor) -> Tensor:
    """(B, H, T, d) back to (B, T, H·d)."""
    return x.transpose(1, 2).flatten(2)


class Copies(TorchDispatchMode):
    """Counts the bytes that torch copies only to bring a tensor into another order."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **(kwargs or {}))
        if op.overloadpacket.__name__ in {"clone", "copy_", "_to_copy"}:
            self.bytes += sum(t.nbytes for t in tree_leaves(out))
        return out


def claim_one_projection_is_h_small_ones(batch=2, tokens=8, width=32, heads=4, d_head=6):
    """One W_Q of H·d_head columns and a split is the same as H separate matrices: head i owns d_head columns in a row.

    一个 H·d_head 列的 W_Q 加分头，等同于 H 个独立的小矩阵：第 i 个头占相邻的 d_head 列。"""
    x, w = torch.randn(batch, tokens, width, dtype=torch.float64), torch.randn(width, heads * d_head, dtype=torch.float64)
    together = split(x @ w, heads)  # (B, H, T, d)
    apart = torch.stack([x @ w[:, i * d_head : (i + 1) * d_head] for i in range(heads)], 1)
    strided = torch.stack([x @ w[:, i::heads] for i in range(heads)], 1)  # every H-th column: another model
    gaps = [(together - other).abs().max() for other in (apart, strided)]
    show(table({"head i owns": ("columns i·d to (i+1)·d", "every H-th column"), "less the split": gaps}))
    expect("adjacent columns less the split", gaps[0], equals=0, within=1e-12)
    if heads > 1:
        expect("every H-th column less the split", gaps[1], at_least=1e-3)


def claim_view_without_transpose_mixes_tokens(tokens=8, heads=4, d_head=6):
    """view(B, H, T, d) without the transpose has the right shape and the wrong content: a head sees only T/H of the tokens.

    不转置而直接 view(B, H, T, d)，形状对，内容错：每个头只看得到 T/H 个 token。"""
    number = torch.arange(tokens)[None, :, None].expand(1, tokens, heads * d_head).contiguous()  # each entry names its token
    right, wrong = split(number, heads), number.view(1, heads, tokens, d_head)
    for title, cut in (("view, then transpose", right), ("view alone", wrong)):
        show(heatmap(cut[0, :, :, 0], x_label="row of the head", y_label="head", title=f"token found there: {title}"))
    seen = [[len(head.unique()) for head in cut[0]] for cut in (right, wrong)]
    show(table({"head": range(heads), "tokens seen, with transpose": seen[0], "without": seen[1]}))
    expect("shape without the transpose", tuple(wrong.shape), equals=tuple(right.shape))
    expect("tokens a head sees with the transpose", seen[0], equals=tokens, at=("head", range(heads)))
    most = tokens // heads if tokens % heads == 0 else tokens // heads + 2  # heads that end amid a token share it
    expect("tokens a head sees without", seen[1], at_most=most, at=("head", range(heads)))


def claim_splitting_is_free_and_matmul_copies(batches=(1, 2), tokens=8, heads=4, d_head=6):
    """Splitting copies nothing. With B > 1 matmul then copies q, k and v once each, and merging copies the output;
    PyTorch's fused CPU kernel needs neither.

    分头不复制任何数据。B > 1 时 matmul 会把 q、k、v 各复制一次，合并又复制输出；PyTorch 的 CPU 融合 kernel 两者都不需要。"""
    rows, refused = [], []
    for batch in batches:
        x = torch.randn(3, batch, tokens, heads * d_head)
        with Copies() as splitting:
            q, k, v = (split(t, heads) for t in x)
        with Copies() as multiplying:
            out = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        with Copies() as merging:
            merge(out)
        with Copies() as fused:
            merge(F.scaled_dot_product_attention(q, k, v))
        rows.append([counted.bytes / x[0].nbytes for counted in (splitting, multiplying, merging, fused)])
        try:
            out.transpose(1, 2).view(batch, tokens, -1)
            refused.append(False)
        except RuntimeError:
            refused.append(True)
    show(table(("B", "split", "two matmuls", "merge", "SDPA and merge"), [(b, *r) for b, r in zip(batches, rows, strict=True)],
               title="bytes copied, in sizes of q"))
    expect("copies", rows, equals=[[0, 3 * (b > 1 < heads), int(heads > 1), 0] for b in batches])
    expect("view refuses to merge", refused, equals=heads > 1, at=("B", batches))


def claim_scores_outgrow_q_by_t_over_d_head(lengths=(32, 128, 512), heads=4, d_head=32):
    """The scores (B, H, T, T) are T/d_head times the size of q: past T = d_head they fill the memory of an unfused
    implementation.

    分数张量 (B, H, T, T) 是 q 的 T/d_head 倍：T 超过 d_head 后，未融合的实现里占内存的是它。"""
    q = [split(torch.randn(1, n, heads * d_head), heads) for n in lengths]
    scores = [(t @ t.transpose(-1, -2)).nbytes for t in q]
    sizes = [t.nbytes for t in q]
    show(lines("T", lengths, {"q": sizes, "scores": scores}, log="xy", y_label="bytes"))
    expect("scores over q", [s / t for s, t in zip(scores, sizes, strict=True)], equals=[n / d_head for n in lengths], at=("T", lengths))


if __name__ == "__main__":
    main()
