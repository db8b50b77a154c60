r"""Token, position and segment vectors may be added: the sum is one lookup in a longer table, and a wide sum gives its parts back.

token、位置、segment 向量可以相加：相加等于在一张更长的表里查一次，而且足够宽的和还能把各部分还回来。

BERT (Devlin et al. 2018) feeds its first layer the sum of three embeddings. The tables here are random: nothing has been
trained to make the parts separable. Turn `widths`, `vocabulary`, and `scale`, the size of position vectors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, lines, main, show, table

F64 = torch.float64


def read(sums: Tensor, rows: Tensor) -> Tensor:
    """The row of a table that a linear classifier finds in each sum: the greatest x·r − |r|²/2."""
    return (sums @ rows.T - rows.square().sum(1) / 2).argmax(1)


def draw(samples: int, *tables: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Sums of one random row of each table, (samples, d), and the ids behind them."""
    ids = [torch.randint(len(rows), (samples,)) for rows in tables]
    return sum(rows[i] for rows, i in zip(tables, ids, strict=True)), ids


def rate(found: Tensor, true: Tensor) -> float:
    """The share of right answers."""
    return (found == true).double().mean().item()


def claim_sum_is_one_matmul_of_stacked_tables(vocabulary=2000, positions=256, d=64, length=128):
    """Adding three lookups is one matrix product: the three one-hots side by side, times the tables stacked.

    三次查表再相加就是一次矩阵乘法：三个 one-hot 横向拼接，乘以纵向堆叠的表。"""
    token, place, segment = (nn.Embedding(n, d) for n in (vocabulary, positions, 2))
    ids = torch.randint(vocabulary, (length,)), torch.arange(length), (torch.arange(length) >= length // 2).long()
    added = token(ids[0]) + place(ids[1]) + segment(ids[2])
    one_hot = torch.cat([F.one_hot(i, n) for i, n in zip(ids, (vocabulary, positions, 2), strict=True)], 1).float()
    product = one_hot @ torch.cat((token.weight, place.weight, segment.weight))  # (length, V + P + 2) @ (V + P + 2, d)
    show(table(("quantity", "value"), [("shape of the one-hots", str(tuple(one_hot.shape))),
                                       ("ones in each row", one_hot.sum(1).max()),
                                       ("largest difference", (added - product).abs().max())]))
    expect("added lookups less the product", added - product, equals=0, within=1e-5)
    expect("ones in each row", one_hot.sum(1), equals=3)


def claim_concat_and_linear_is_a_sum_too(vocabulary=2000, positions=256, d=64, parts=(8, 16, 32, 64), length=128):
    """Concatenation followed by a linear layer is also a sum, of two projected tables; parts narrower than d leave each
    of low rank, and only parts as wide as d reach what adding has from the start.

    拼接再过线性层也是相加，加的是两张投影过的表；各部分窄于 d 时投影表的秩受限，宽到 d 才达到直接相加本来就有的秩。"""
    gaps, ranks, weights = [], [], []
    for part in parts:
        token, place = torch.randn(vocabulary, part, dtype=F64), torch.randn(positions, part, dtype=F64)
        mix = nn.Linear(2 * part, d, bias=False, dtype=F64)
        i, p = torch.randint(vocabulary, (length,)), torch.arange(length)
        w_token, w_place = mix.weight.T.detach().split(part)  # each (part, d)
        projected = token @ w_token, place @ w_place
        gaps.append((mix(torch.cat((token[i], place[p]), 1)) - (projected[0][i] + projected[1][p])).abs().max())
        ranks.append(torch.linalg.matrix_rank(projected[0]))
        weights.append(sum(w.numel() for w in (token, place, *mix.parameters())))
    free = torch.linalg.matrix_rank(torch.randn(vocabulary, d, dtype=F64))
    show(table({"width of a part": (*parts, "added"), "weights": (*weights, (vocabulary + positions) * d),
                "rank of the token table": (*ranks, free), "concat + linear less the sum": (*gaps, 0.0)}))
    at = ("width of a part", parts)
    expect("concat + linear less the sum of projected tables", gaps, equals=0, within=1e-12 * d, at=at)
    expect("rank of the projected token table", ranks, equals=[min(part, vocabulary, d) for part in parts], at=at)
    expect("rank of a table of full width", free, equals=min(vocabulary, d))


def claim_random_vectors_are_nearly_orthogonal(widths=(8, 16, 32, 64, 128, 256, 768), pairs=2000):
    """The cosine between two random vectors has root mean square 1/√d, 0.036 at d = 768: the wider, the nearer to orthogonal.

    两个随机向量夹角余弦的均方根是 1/√d，d = 768 时为 0.036：越宽越接近正交。"""
    found = [F.cosine_similarity(*torch.randn(2, pairs, d)).square().mean().sqrt() for d in widths]
    theory = [d**-0.5 for d in widths]
    show(lines("d", widths, {"rms cosine": found, "1/√d": theory}, log="xy"))
    expect("rms cosine times √d", [f / t for f, t in zip(found, theory, strict=True)], equals=1,
           within=6 * (1 / (2 * pairs)) ** 0.5, at=("d", widths))


def claim_ids_are_read_back_from_a_wide_sum(widths=(8, 16, 32, 64, 128, 256, 768), vocabulary=2000, positions=256,
                                            samples=400):
    """A linear classifier for each table reads token, position and segment from the sum without an error at width 768,
    after LayerNorm too, and misses most tokens at width 8.

    宽度 768 时，每张表各用一个线性分类器就能从和里无误地读出 token、位置与 segment，经过 LayerNorm 也一样；宽度只有 8
    时多数 token 会读错。"""
    curves = {name: [] for name in ("token", "position", "segment", "token, after LayerNorm")}
    for d in widths:
        tables = [torch.randn(n, d) for n in (vocabulary, positions, 2)]
        x, ids = draw(samples, *tables)
        for name, rows, true in zip(curves, tables, ids, strict=False):
            curves[name].append(rate(read(x, rows), true))
        normed = F.layer_norm(x, (d,)) * len(tables) ** 0.5  # the variances of the three parts add up
        curves["token, after LayerNorm"].append(rate(read(normed, tables[0]), ids[0]))
    show(lines("d", widths, curves, log="x", y_label="share read back"))
    for name, got in curves.items():
        expect(f"share read back at the widest: {name}", got[-1], at_least=0.99)
    expect("share of tokens read back at the narrowest", curves["token"][0], at_most=0.3)


def claim_distinct_sums_may_still_be_unreadable(signs=(8, 16, 24, 48, 128), vocabulary=2000, positions=256, samples=400):
    """Counting codes proves too little: with random ±1 tables of width 24 nearly all sums are distinct, yet a linear
    classifier misreads many tokens; that takes a few times the width.

    只数编码个数还不够：随机 ±1 表在宽度 24 时几乎所有的和都互不相同，线性分类器却仍读错许多 token，还要再宽几倍。"""
    distinct, readable = [], []
    for d in signs:
        tables = [torch.randint(2, (n, d)) * 2 - 1 for n in (vocabulary, positions)]
        mix = torch.randint(-(2**40), 2**40, (d,))  # a linear hash: the hash of a sum is the sum of the hashes
        hashed = (tables[0] @ mix)[:, None] + tables[1] @ mix  # (vocabulary, positions)
        distinct.append(hashed.unique().numel() / hashed.numel())
        x, ids = draw(samples, *(rows.float() for rows in tables))
        readable.append(rate(read(x, tables[0].float()), ids[0]))
    show(lines("d", signs, {"distinct sums": distinct, "tokens read by a linear classifier": readable}, log="x"))
    lag = [(u, r) for u, r in zip(distinct, readable, strict=True) if u >= 0.99 and r <= 0.9]
    expect("widths where 99% of the sums are distinct and over a tenth of the tokens misread", len(lag), at_least=1)
    expect("share of tokens read at the widest", readable[-1], at_least=0.99)


def claim_score_splits_into_four_terms(d=64, length=128, scale=1.0):
    """The score of two sums is four terms: content–content, content–position, position–content, position–position. With
    vectors of equal size the two mixed terms hold half the variance, and all four share one W_Q and W_K.

    两个和的得分分成四项：内容–内容、内容–位置、位置–内容、位置–位置。两类向量大小相当时，两个混合项占方差
    的一半；四项共用同一对 W_Q、W_K。"""
    e, p = torch.randn(length, d, dtype=F64), scale * torch.randn(length, d, dtype=F64)
    w_q, w_k = torch.randn(2, d, d, dtype=F64) / d**0.5
    score = ((e + p) @ w_q) @ ((e + p) @ w_k).T / d**0.5  # (length, length)
    terms = {f"{a}–{b}": (x @ w_q) @ (y @ w_k).T / d**0.5
             for a, x in (("content", e), ("position", p)) for b, y in (("content", e), ("position", p))}
    share = torch.stack([t.var() for t in terms.values()])
    share = share / share.sum()
    show(bars(list(terms), share, y_label="share of the variance", title="terms: query–key"))
    expect("score less the sum of its four terms", score - sum(terms.values()), equals=0, within=1e-11 * (1 + scale) ** 2)
    expect("share of the two mixed terms", share[1] + share[2], equals=2 * scale**2 / (1 + scale**2) ** 2,
           within=1 / min(d, length) ** 0.5)


def claim_no_frequencies_keep_the_parts_apart(width=768, vocabulary=2000, length=128):
    """Token and position parts fill the same frequencies along the text, evenly, and still each vector by itself gives
    both ids back: no Fourier transform over the text takes part.

    token 部分与位置部分沿文本方向占据同样的频率，而且都是平的；尽管如此，单凭一个向量就能读回两个 id：这里没有沿文本的傅里叶变换。"""
    token, place = torch.randn(vocabulary, width), torch.randn(length, width)
    ids, where = torch.randint(vocabulary, (length,)), torch.arange(length)
    power = {name: torch.fft.rfft(part, dim=0).abs().square().mean(1)[1:] / length  # without the mean, (length/2,)
             for name, part in (("token part", token[ids]), ("position part", place))}
    order = torch.randperm(length)  # read the vectors in any order: each stands for itself
    x = (token[ids] + place)[order]
    show(lines("cycles per text", range(1, length // 2 + 1), power, y_label="power"))
    right = {"token": rate(read(x, token), ids[order]), "position": rate(read(x, place), where[order])}
    show(table(("id", "share read back from single vectors"), list(right.items())))
    for name, spectrum in power.items():
        bands = torch.stack([band.mean() for band in spectrum.tensor_split(8)])
        expect(f"power of the {name} in a band over its mean", bands / spectrum.mean(), equals=1,
               within=8 * (16 / (length * width)) ** 0.5, at=("band", range(8)))
    expect("share read back", list(right.values()), at_least=0.99, at=("id", list(right)))


if __name__ == "__main__":
    main()
