r"""Adding token, position and segment vectors is one lookup in a longer table, at a price.

token、位置、segment 向量相加，就是在一张更长的表里查一次；代价出现在得分里。

BERT (Devlin et al. 2018) adds three. Turn `joined` to "mean": each part is a third as large.
把 `joined` 改为 "mean"：取平均后，各部分只剩三分之一大小。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import (
    bars,
    between,
    breaks,
    each,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
)

F64 = torch.float64


def embed(ids: Tensor, tables: list[Tensor], joined: str) -> Tensor:
    """One row of each table, joined: ids (n, tables), each table (rows, d), result (n, d)."""
    rows = torch.stack([table[i] for table, i in zip(tables, ids.T, strict=True)])  # (tables, n, d)
    return rows.sum(0) if joined == "sum" else rows.mean(0)


RANGES = {
    "vocabulary": between(2, 5000), "positions": between(2, 512), "width": between(4, 256),
    "length": between(2, 256), "parts": each(between(1, 256), rising=True),
    "scale": between(0.1, 4.0),
    "joined": one_of("sum", "mean"), "layer": one_of("linear", "linear, GELU"),
    "weights": one_of("shared", "own, no mixed terms"),
}  # fmt: skip


@breaks(joined="mean", en="Averaged, each part is a third as large.", zh="取平均后，每部分只有三分之一大。")
def claim_sum_is_one_lookup_in_stacked_tables(
    vocabulary=2000, positions=256, width=64, length=128, joined="sum"
):
    """Adding three lookups is one linear map: the one-hots side by side, times the tables stacked,
    as torch's EmbeddingBag computes it.

    三次查表再相加就是一个线性映射：横向拼接的 one-hot 乘以纵向堆叠的表，torch 的 EmbeddingBag 正是这样算的。"""
    sizes = (vocabulary, positions, 2)
    tables = [torch.randn(n, width, dtype=F64) for n in sizes]
    ids = torch.stack([torch.randint(n, (length,)) for n in sizes], 1)                 # (length, 3)
    added = embed(ids, tables, joined)
    offset = torch.tensor([0, vocabulary, vocabulary + positions])         # where each table begins
    bag = F.embedding_bag(ids + offset, torch.cat(tables), mode="sum")
    small = F.one_hot(torch.tensor([[1, 5 + 2, 5 + 4 + 0]]), 11).sum(1)     # tables of 5, 4, 2 rows
    show(heatmap(small, title="token 1, position 2, segment 0: three ones in one row"))
    expect("added lookups less one lookup in the stacked table", added - bag, equals=0,
           within=1e-14)
    one_hot = F.one_hot(ids + offset, sum(sizes)).sum(1).to(F64)                # (length, all rows)
    expect("the same less the product with one-hots", added - one_hot @ torch.cat(tables), equals=0,
           within=1e-12)


@breaks(layer="linear, GELU", en="With a nonlinearity after it the layer is no sum of two tables.",
        zh="线性层之后再加非线性，就不再是两张表之和。")
def claim_concat_and_linear_is_a_sum_too(
    vocabulary=500, positions=128, width=64, parts=(8, 16, 32, 64), length=64, layer="linear"
):
    """Concatenation and a linear layer is a sum too, of projected tables, and their rank is at most
    the width of a part.

    拼接再过线性层同样是相加，加的是两张投影过的表，其秩至多为各部分的宽度。"""
    gaps, ranks = [], []
    for part in parts:
        token, place = (torch.randn(n, part, dtype=F64) for n in (vocabulary, positions))
        mix = nn.Linear(2 * part, width, bias=False, dtype=F64)
        ids = torch.stack([torch.randint(n, (length,)) for n in (vocabulary, positions)], 1)
        projected = [
            table @ w.T.detach()
            for table, w in zip((token, place), mix.weight.split(part, 1), strict=True)
        ]
        out = mix(torch.cat((token[ids[:, 0]], place[ids[:, 1]]), 1)).detach()
        out = F.gelu(out) if layer == "linear, GELU" else out
        gaps.append((out - embed(ids, projected, "sum")).abs().max())
        ranks.append(torch.linalg.matrix_rank(projected[0]))
    show(lines("width of a part", parts, {"rank of the token table": ranks}))
    expect("layer less the sum of projected tables", gaps, equals=0, within=1e-12,
           at=("width of a part", parts))
    expect("rank of the projected token table", ranks,
           equals=[min(part, vocabulary, width) for part in parts], at=("width of a part", parts))


@breaks(weights="own, no mixed terms",
        en="With weights of its own and no mixed terms (as in TUPE) half is gone.",
        zh="位置用单独的矩阵、去掉混合项（如 TUPE），就少了一半。")
def claim_score_splits_into_four_terms(width=64, length=128, scale=1.0, weights="shared"):
    """The score of two sums has four terms, content and position in all pairings; at equal sizes
    the two mixed ones hold half the variance.

    两个和的得分有四项，即内容与位置的全部配对；大小相当时，两个混合项占方差的一半。"""
    e, p = (s * torch.randn(length, width, dtype=F64) for s in (1, scale))
    w_q, w_k, u_q, u_k = torch.randn(4, width, width, dtype=F64) / width**0.5
    score = (e + p) @ w_q @ w_k.T @ (e + p).T / width**0.5                        # (length, length)
    if weights != "shared":
        score = (e @ w_q @ w_k.T @ e.T + p @ u_q @ u_k.T @ p.T) / width**0.5
    halves = {"content": e, "position": p}
    terms = {f"{a}–{b}": x @ w_q @ (y @ w_k).T / width**0.5
             for a, x in halves.items() for b, y in halves.items()}
    share = torch.stack([t.var() for t in terms.values()])
    share = share / share.sum()
    show(bars(list(terms), share, y_label="share of the variance"))
    expect("score less the sum of its four terms", score - sum(terms.values()), equals=0,
           within=1e-11 * (1 + scale) ** 2)
    # Each variance comes from about min(width, length) independent directions.
    expect("share of the two mixed terms", share[1] + share[2],
           equals=2 * scale**2 / (1 + scale**2) ** 2, within=1.5 / min(width, length) ** 0.5)


ZH = {
    "token 1, position 2, segment 0: three ones in one row": "token 1、位置 2、segment 0：一行里有三个 1",
    "added lookups less one lookup in the stacked table": "查表之和与在堆叠的表中一次查表之差",
    "the same less the product with one-hots": "同一结果与 one-hot 乘积之差",
    "width of a part": "各部分的宽度", "rank of the token table": "token 表的秩",
    "layer less the sum of projected tables": "该层与投影表之和的差",
    "rank of the projected token table": "投影后 token 表的秩",
    "content–content": "内容–内容", "content–position": "内容–位置", "position–content": "位置–内容",
    "position–position": "位置–位置", "share of the variance": "占方差的比例",
    "score less the sum of its four terms": "得分与四项之和的差",
    "share of the two mixed terms": "两个混合项所占的比例",
}

if __name__ == "__main__":
    main()
