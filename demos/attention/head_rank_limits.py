r"""A small head bounds log P and the output, not the rank of P, and it does so with or without a
causal mask.

头太小，限制的是 log P 和输出，而不是 P 的秩；有无因果掩码都一样。

Cf. Bhojanapalli et al. 2020. Turn `of` to "P": the matrix of weights itself has full rank.
参见 Bhojanapalli 等（2020）。把 `of` 改为 "P"：权重矩阵本身是满秩的。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show, table

F64 = torch.float64


def weights(q: Tensor, k: Tensor, mask: str) -> Tensor:
    """softmax(q kᵀ/√d) by rows, (n, n)."""
    s = q @ k.T / q.shape[1] ** 0.5
    future = torch.ones(s.shape, dtype=torch.bool).triu(1)
    return (s.masked_fill(future, -torch.inf) if mask == "causal" else s).softmax(-1)


RANGES = {
    "tokens": between(64, 128, multiple_of=2),
    "head_sizes": each(between(2, 30), at_most=5, rising=True),
    "of": one_of("log P", "P", "PV"),
}


@breaks(of="P", en="exp is taken entry by entry and lifts the rank.", zh="exp 逐元素作用，会升秩。")
def claim_logits_have_rank_d_head(tokens=128, head_sizes=(2, 4, 8, 16, 30), of="log P"):
    """log P is the scores less a column of row constants, so its rank is at most d_head + 1, and so
    is that of the fully visible block of a causal matrix.

    log P 等于分数减去一列行常数，所以秩至多 d_head + 1；因果矩阵中完全可见的子块也一样。"""
    ranks: dict[str, list[Tensor]] = {"bidirectional": [], "causal, visible block": []}
    for d in head_sizes:
        q, k = torch.randn(2, tokens, d, dtype=F64)
        block = weights(q, k, "causal")[tokens // 2 :, : tokens // 2]  # later queries, earlier keys
        for name, p in (("bidirectional", weights(q, k, "none")), ("causal, visible block", block)):
            ranks[name].append(
                torch.linalg.matrix_rank(p.log() if of == "log P" else p, rtol=1e-12)
            )
    show(lines("d_head", head_sizes, {**ranks, "d_head + 1": [d + 1 for d in head_sizes]}, log="xy",
               y_label=f"rank of {of}"))
    for name, found in ranks.items():
        expect(f"rank of {of}, {name}", found, equals=[d + 1 for d in head_sizes],
               at=("d_head", head_sizes))


@breaks(of="P", en="P has rank n: the output cannot show it.", zh="P 的秩是 n，但在输出里看不出来。")
def claim_one_head_output_has_rank_d_head(tokens=128, head_sizes=(2, 4, 8, 16, 30), of="PV"):
    """The output PV of one head has rank d_head at most, causal or not.

    无论有无因果掩码，一个头的输出 PV 的秩都至多是 d_head。"""
    ranks: dict[str, list[Tensor]] = {"bidirectional": [], "causal": []}
    for d in head_sizes:
        q, k, v = torch.randn(3, tokens, d, dtype=F64)
        for name, mask in (("bidirectional", "none"), ("causal", "causal")):
            p = weights(q, k, mask)
            ranks[name].append(torch.linalg.matrix_rank(p @ v if of == "PV" else p))
    show(table({"d_head": head_sizes, **ranks}, title=f"numerical rank of {of}"))
    for name, found in ranks.items():
        expect(f"rank of {of}, {name}", found, equals=head_sizes, at=("d_head", head_sizes))


def claim_linear_attention_keeps_the_rank(tokens=128, head_sizes=(2, 4, 8, 16, 30)):
    """Without softmax the rank stays low: linear attention with a feature map of width d_head has a
    matrix of rank d_head.

    不用 softmax，秩就不会升：特征映射宽 d_head 的线性注意力，矩阵的秩是 d_head。"""
    ranks = []
    for d in head_sizes:
        q, k = F.elu(torch.randn(2, tokens, d, dtype=F64)) + 1           # positive features
        scores = q @ k.T
        ranks.append(torch.linalg.matrix_rank(scores / scores.sum(-1, keepdim=True)))
    show(lines("d_head", head_sizes, {"rank": ranks, "tokens": [tokens] * len(head_sizes)},
               log="xy"))
    expect("rank of linear attention", ranks, equals=head_sizes, at=("d_head", head_sizes))


ZH = {
    "bidirectional": "双向", "causal": "因果", "causal, visible block": "因果，可见子块",
    "rank of {}": "{} 的秩",
    "rank of {}, {}": "{} 的秩，{}", "numerical rank of {}": "{} 的数值秩", "rank": "秩",
    "rank of linear attention": "线性注意力的秩",
}

if __name__ == "__main__":
    main()
