r"""Splitting into heads is a view and a transpose: the order of the two axes is where programs go
wrong.

分头是一次 view 加一次转置；两个轴的次序最容易写错。

Vaswani et al. 2017, §3.2.2. B sequences of T tokens, H heads of size d_head. Turn `layout` to
"view": the shape is the same, and each head holds T/H of the tokens, cut into pieces.
把 `layout` 改为 "view"：形状相同，但每个头装的是被切碎的 T/H 个 token。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show, table
from studyapp.evidence.tools import operations

F64 = torch.float64
COPIES = ("clone", "copy_", "_to_copy")


@exercise(claims=("one_projection_is_h_small_ones", "view_without_transpose_mixes_tokens"),
          wrong=("views_without_transpose", "takes_every_h_th_column"))
def split(x: Tensor, heads: int) -> Tensor:
    """Cut x (B, T, H·d) into heads: (B, H, T, d). Head i owns columns i·d to (i + 1)·d − 1.

    把 x (B, T, H·d) 分成各个头：(B, H, T, d)。第 i 个头占第 i·d 到 (i + 1)·d − 1 列。"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def viewed(x: Tensor, heads: int) -> Tensor:
    """The wrong way: the same shape without the transpose."""
    return x.contiguous().view(x.shape[0], heads, x.shape[1], -1)


def merge(x: Tensor) -> Tensor:
    """The heads (B, H, T, d) side by side again: (B, T, H·d)."""
    return x.transpose(1, 2).flatten(2)


WAYS = {"transpose": split, "view": viewed}

RANGES = {
    "batch": between(1, 8),
    "batches": each(between(1, 8), at_most=4),
    "tokens": between(2, 64),
    "width": between(1, 128),
    "heads": between(2, 8),
    "d_head": between(2, 64),
    "lengths": each(between(2, 512), at_most=6, rising=True),
    "sources": each(between(1, 64), at_most=4),
    "layout": one_of("transpose", "view"),
    "stored": one_of("as a view", "contiguous"),
    "first": one_of("scores", "state"),
    "over": one_of("keys", "queries"),
}
VIEW = breaks(layout="view",
              en="Memory runs token by token, so a head then holds whole runs of tokens.",
              zh="内存按 token 排列，这样每个头装下的是连续若干个 token。")


@VIEW
def claim_one_projection_is_h_small_ones(batch=2, tokens=8, width=32, heads=4, d_head=6,
                                         layout="transpose"):
    """One W_Q with H·d_head columns and a split is H separate matrices: head i owns d_head adjacent
    columns.

    一个 H·d_head 列的 W_Q 加分头，等同于 H 个独立的小矩阵：第 i 个头占相邻的 d_head 列。"""
    x, w = torch.randn(batch, tokens, width, dtype=F64), torch.randn(width, heads * d_head, dtype=F64)
    together = WAYS[layout](x @ w, heads)                                # (B, H, T, d)
    apart = torch.stack([x @ w[:, i * d_head : (i + 1) * d_head] for i in range(heads)], 1)
    owner = torch.arange(heads).repeat_interleave(d_head)[None].expand(2, -1)
    show(heatmap(owner, x_label="column of W_Q", y_label="", title="head that owns it"))
    # Sums of `width` products in float64: 1e-16 each, of size √width.
    expect("split projection less separate ones", together - apart, equals=0, within=1e-12)
    expect("merged again, less the projection", merge(together) - x @ w, equals=0, within=1e-12)


@VIEW
def claim_view_without_transpose_mixes_tokens(tokens=8, heads=4, d_head=6, layout="transpose"):
    """Split by view and transpose a head holds all T tokens; a view alone has the same shape, and
    a head then sees T/H of them.

    view 之后再转置，每个头都有全部 T 个 token；只用 view，形状相同，每个头却只看得到 T/H 个。"""
    number = torch.arange(tokens)[None, :, None].expand(
        1, tokens, heads * d_head
    )  # each names its token
    cut, wrong = WAYS[layout](number, heads), viewed(number, heads)
    for title, x in (("view, then transpose", split(number, heads)), ("view alone", wrong)):
        show(heatmap(x[0, :, :, 0], x_label="row of the head", y_label="head", title=title))
    expect("shape of the view alone", tuple(wrong.shape), equals=tuple(cut.shape))
    expect("tokens that a head sees", [len(head.unique()) for head in cut[0]], equals=tokens,
           at=("head", range(heads)))
    # A head's T·d numbers are T/H tokens of H·d; one that ends amid a token shares it.
    expect("tokens that a head sees after a view alone", [len(head.unique()) for head in wrong[0]],
           at_most=-(-tokens // heads) + (tokens % heads > 0), at=("head", range(heads)))


@breaks(stored="contiguous", en="Made contiguous, the split itself copies q, k and v.",
        zh="若要求连续存放，分头这一步就要复制 q、k、v。")
def claim_splitting_is_free_and_matmul_copies(batches=(1, 2), tokens=8, heads=4, d_head=6,
                                              stored="as a view"):
    """Splitting copies nothing. With B > 1 eager matmul copies q, k and v once each, and merging
    copies the output; PyTorch's fused CPU kernel needs neither.

    分头不复制数据。B > 1 时 eager 的 matmul 把 q、k、v 各复制一次，合并又复制输出；PyTorch 的 CPU 融合 kernel
    两者都不需要。"""
    rows = []
    for batch in batches:
        x = torch.randn(3, batch, tokens, heads * d_head)
        with operations() as splitting:
            q, k, v = (split(t, heads) if stored == "as a view" else split(t, heads).contiguous() for t in x)
        with operations() as multiplying:
            out = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        with operations() as merging:
            merge(out)
        with operations() as fused:
            merge(F.scaled_dot_product_attention(q, k, v))
        rows.append([sum(row.written for row in done.rows if row.name in COPIES) / x[0].nbytes
                     for done in (splitting, multiplying, merging, fused)])
    show(table(("B", "split", "two matmuls", "merge", "SDPA and merge"),
               [(b, *r) for b, r in zip(batches, rows, strict=True)],
               title="bytes copied, in sizes of q"))
    expect("copies", rows, equals=[[0, 3 * (b > 1), 1, 0] for b in batches])


@breaks(first="state", en="Without the softmax kᵀv may come first: d_head × d_head, whatever T is.",
        zh="没有 softmax 就可以先算 kᵀv：无论 T 多大都是 d_head × d_head。")
def claim_scores_outgrow_q_by_t_over_d_head(lengths=(32, 128, 512), heads=4, d_head=32, first="scores"):
    """The scores (B, H, T, T) hold T/d_head times as many numbers as q.

    分数 (B, H, T, T) 的元素个数是 q 的 T/d_head 倍。"""
    q = [split(torch.randn(1, n, heads * d_head), heads) for n in lengths]
    scores = [(t @ t.mT if first == "scores" else t.mT @ t).numel() for t in q]
    show(lines("T", lengths, {"q": [t.numel() for t in q], "scores": scores}, log="xy",
               y_label="numbers"))
    expect("scores over q", [s / t.numel() for s, t in zip(scores, q, strict=True)],
           equals=[n / d_head for n in lengths], at=("T", lengths))


@breaks(over="queries", en="Normalised over the queries the shapes are the same and the numbers wrong.",
        zh="沿 query 方向归一化，形状相同，数值却是错的。")
def claim_attention_sums_away_keys_and_d_head(tokens=3, sources=(1, 7, 50), heads=4, d_head=8,
                                              width=5, over="keys"):
    """Weights are (B, H, n_q, n_k) and the output (B, H, n_q, d_v): n_k and d_k are summed away,
    so cross-attention and d_v ≠ d_k are free.

    权重是 (B, H, n_q, n_k)，输出是 (B, H, n_q, d_v)：n_k 与 d_k 被求和消去，所以交叉注意力以及 d_v ≠ d_k
    都可以。"""
    q = split(torch.randn(1, tokens, heads * d_head), heads)
    kv = [(split(torch.randn(1, n, heads * d_head), heads),
           split(torch.randn(1, n, heads * width), heads)) for n in sources]
    weights = [(q @ k.transpose(-1, -2)).softmax(-1 if over == "keys" else -2) for k, _ in kv]
    outs = [p @ v for p, (_, v) in zip(weights, kv, strict=True)]
    show(table({"n_k": sources, "weights": [tuple(p.shape) for p in weights],
                "output": [tuple(o.shape) for o in outs]}))
    expect("shape of the weights", [p.shape for p in weights],
           equals=[(1, heads, tokens, n) for n in sources])
    expect("shape of the output", [o.shape for o in outs],
           equals=[(1, heads, tokens, width)] * len(sources))
    sdpa = [F.scaled_dot_product_attention(q, k, v, scale=1.0) for k, v in kv]
    # float32 keeps 1e-7 of numbers below 5
    expect("less F.scaled_dot_product_attention",
           [(o - s).abs().max() for o, s in zip(outs, sdpa, strict=True)],
           equals=0, within=1e-5, at=("n_k", sources))


def drill_score_memory(rng) -> Drill:
    """The memory that written-out scores take in one layer."""
    batch, heads, tokens = rng.choice([1, 2, 4]), rng.choice([8, 16, 32]), rng.choice([1024, 2048, 4096])
    q = split(torch.empty(batch, tokens, heads * 2, device="meta"), heads)
    numbers = (q @ q.transpose(-1, -2)).numel()
    gib = numbers * 2 / 2**30
    return Drill(
        en=f"{batch} sequences of {tokens} tokens, {heads} query heads, bf16. How many GiB do the scores "
           "QKᵀ of one layer take if they are stored?",
        zh=f"{batch} 条序列，每条 {tokens} 个 token，{heads} 个 query 头，bf16。若把一层的分数 QKᵀ 存下来，占多少 GiB？",
        answer=gib, unit="GiB",
        steps=[(f"B · H · T² = {batch} · {heads} · {tokens}² = {numbers:,} scores",
                f"B · H · T² = {batch} · {heads} · {tokens}² = {numbers:,} 个分数"),
               (f"2 bytes each: {gib:g} GiB", f"每个 2 字节：{gib:g} GiB")],
        proved_by="scores_outgrow_q_by_t_over_d_head",
    )


ZH = {
    "column of W_Q": "W_Q 的列", "head that owns it": "所属的头",
    "split projection less separate ones": "分头所得与各自投影之差",
    "merged again, less the projection": "合并回去与投影之差",
    "row of the head": "头内的行", "view, then transpose": "先 view 再转置", "view alone": "只用 view",
    "shape of the view alone": "只用 view 时的形状", "tokens that a head sees": "一个头看得到的 token 数",
    "tokens that a head sees after a view alone": "只用 view 时一个头看得到的 token 数",
    "split": "分头", "two matmuls": "两次 matmul", "merge": "合并", "SDPA and merge": "SDPA 加合并",
    "bytes copied, in sizes of q": "复制的字节（以 q 的大小为单位）", "copies": "复制量", "numbers": "元素个数",
    "scores": "分数", "scores over q": "分数与 q 之比", "weights": "权重", "output": "输出",
    "shape of the weights": "权重的形状", "shape of the output": "输出的形状",
    "less F.scaled_dot_product_attention": "与 F.scaled_dot_product_attention 之差",
}

if __name__ == "__main__":
    main()
