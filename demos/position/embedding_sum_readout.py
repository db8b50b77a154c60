r"""A wide sum of token, position and segment vectors gives its parts back to a linear readout.

足够宽的 token、位置、segment 向量之和仍分得清各部分：线性读出就能找回它们。

The tables are random: nothing was trained to keep the parts apart. Turn `directions` to "eight": it
is directions, not coordinates, that keep the parts apart.
把 `directions` 改为 "eight"：让各部分分得开的是方向的个数，而不是坐标的个数。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("ids_are_read_back_from_a_wide_sum",), wrong=("dot_product", "cosine"))
def read(sums: Tensor, rows: Tensor) -> Tensor:
    """The row nearest to each sum, found by a linear classifier, that is as the greatest x·r + bias
    of the row. sums (n, d), rows (ids, d), result (n,).

    离每个和最近的行，用线性分类器找出，即取 x·r + 该行偏置 的最大者。sums 为 (n, d)，rows 为 (ids, d)，结果为
    (n,)。"""
    return (sums @ rows.T - rows.square().sum(1) / 2).argmax(1)


def table(ids: int, width: int) -> Tensor:
    """Random rows whose lengths differ by up to a factor of two, (ids, width)."""
    return torch.randn(ids, width) * (0.75 + 0.75 * torch.rand(ids, 1))


def drawn(samples: int, *tables: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Sums of one random row of each table, (samples, d), and the ids behind them."""
    ids = [torch.randint(len(rows), (samples,)) for rows in tables]
    return sum(rows[i] for rows, i in zip(tables, ids, strict=True)), ids


def share(found: Tensor, true: Tensor) -> Tensor:
    """The share of right answers."""
    return (found == true).double().mean()


RANGES = {
    "widths": each(between(8, 1024), at_least=2, rising=True), "width": between(768, 1024),
    "pairs": between(500, 4000), "vocabulary": between(1000, 3000), "positions": between(128, 512),
    "samples": between(200, 1000), "length": between(64, 256), "narrow": between(22, 96),
    "vectors": one_of("centred", "positive"), "directions": one_of("all", "eight"),
    "code": one_of("random", "one wave"),
}  # fmt: skip


@breaks(vectors="positive", en="Vectors with a common mean are far from orthogonal.",
        zh="有共同均值的向量远非正交。")
def claim_random_vectors_are_nearly_orthogonal(
    widths=(8, 16, 32, 64, 128, 256, 768), pairs=2000, vectors="centred"
):
    """The cosine of two random vectors has root mean square 1/√d, so 0.036 at d = 768: the wider,
    the nearer to orthogonal.

    两个随机向量夹角余弦的均方根是 1/√d，d = 768 时为 0.036：越宽越接近正交。"""
    found = []
    for d in widths:
        x, y = torch.randn(2, pairs, d)
        x, y = (x.abs(), y.abs()) if vectors == "positive" else (x, y)
        found.append(F.cosine_similarity(x, y).square().mean().sqrt())
    show(lines("d", widths, {"rms cosine": found, "1/√d": [d**-0.5 for d in widths]}, log="xy"))
    # a mean of `pairs` squares: five standard errors
    expect("rms cosine times √d", [f * d**0.5 for f, d in zip(found, widths, strict=True)],
           equals=1,
           within=5 / (2 * pairs) ** 0.5, at=("d", widths))


@breaks(directions="eight",
        en="Tables that share eight directions are read no better than at width 8.",
        zh="共用八个方向的表，再宽也不比宽 8 时读得更好。")
def claim_ids_are_read_back_from_a_wide_sum(
    width=768, vocabulary=2000, positions=256, samples=400, directions="all"
):
    """In a sum of random vectors of width 768 a linear classifier per table reads at least 99% of
    tokens, positions and segments; at width 8 it misses most tokens.

    宽 768 的随机向量之和，每张表一个线性分类器，读 token、位置、segment 的正确率至少 99%；宽 8 时多数 token 读错。"""
    curves: dict[str, list[Tensor]] = {"token": [], "position": [], "segment": []}
    widths = (8, 32, 128, width)
    for d in widths:
        tables = [table(n, d).double() for n in (vocabulary, positions, 2)]
        if directions == "eight":                              # the same eight for all three tables
            basis = torch.randn(8, d, dtype=torch.float64)
            tables = [rows[:, :8] @ basis for rows in tables]
        x, ids = drawn(samples, *tables)
        for name, rows, true in zip(curves, tables, ids, strict=True):
            curves[name].append(share(read(x, rows), true))
            expect(f"row read is the nearest, {name}, d = {d}",
                   share(read(x, rows), torch.cdist(x, rows).argmin(1)), equals=1)
    show(lines("d", widths, curves, log="x", y_label="share read back"))
    expect("share read back at the widest", [c[-1] for c in curves.values()], at_least=0.99,
           at=("part", list(curves)))
    expect("share of tokens read back at width 8", curves["token"][0], at_most=0.5)


@breaks(narrow=96, en="At this width distinct sums are readable too.",
        zh="到这样的宽度，互不相同的和也读得出来。")
def claim_distinct_sums_may_still_be_unreadable(
    narrow=24, vocabulary=2000, positions=256, samples=400
):
    """Counting codes proves too little: with random ±1 tables of width 24 over 95% of the sums are
    distinct, yet a linear classifier misreads over a tenth of the tokens; at 96 it reads them.

    只数编码个数还不够：随机 ±1 表在宽度 24 时 95% 以上的和互不相同，线性分类器却读错超过一成的 token；宽 96 时才读
    得对。"""
    widths, distinct, readable = (narrow, 2 * narrow, 4 * narrow), [], []
    for d in widths:
        tables = [torch.randint(2, (n, d)) * 2 - 1 for n in (vocabulary, positions)]
        mix = torch.randint(-(2**40), 2**40, (d,))        # a linear hash: of a sum it is the sum
        hashed = (tables[0] @ mix)[:, None] + tables[1] @ mix              # (vocabulary, positions)
        distinct.append(hashed.unique().numel() / hashed.numel())
        x, ids = drawn(samples, *(rows.float() for rows in tables))
        readable.append(share(read(x, tables[0].float()), ids[0]))
    show(lines("d", widths, {"distinct sums": distinct, "tokens read back": readable}))
    expect("share of distinct sums at the narrowest", distinct[0], at_least=0.95)
    expect("share of tokens read at the narrowest", readable[0], at_most=0.9)
    expect("share of tokens read at four times the width", readable[-1], at_least=0.97)


@breaks(code="one wave", en="Positions on one sine wave hold all their power in one band.",
        zh="位置若是一个正弦波，功率就全集中在一个频段。")
def claim_no_frequencies_keep_the_parts_apart(width=768, vocabulary=2000, length=128,
    code="random"):
    """Token and position parts fill the same frequencies along the text, and still each vector
    alone gives back both ids: no Fourier transform takes part.

    token 与位置两部分沿文本方向占据同样的频率，单凭一个向量仍能读回两个 id：与傅里叶变换无关。"""
    token, place = table(vocabulary, width), table(length, width)
    if code == "one wave":
        place = torch.sin(0.8 * torch.arange(length)[:, None] + 6.3 * torch.rand(width))
    ids, where = torch.randint(vocabulary, (length,)), torch.arange(length)
    power = {name: torch.fft.rfft(part, dim=0).abs().square().mean(1)[1:] / length     # (length/2,)
             for name, part in (("token", token[ids]), ("position", place))}
    show(lines("cycles per text", range(1, length // 2 + 1), power, y_label="power"))
    right = {"token": share(read(token[ids] + place, token), ids),
             "position": share(read(token[ids] + place, place), where)}
    for name, spectrum in power.items():
        bands = torch.stack([band.mean() for band in spectrum.tensor_split(4)])
        # rows of unequal length make the power of a band vary by some 1/√length
        expect(f"power of the {name} part in each quarter of the spectrum over its mean",
               bands / spectrum.mean(), equals=1, within=0.25)
        expect(f"share of each {name} read back", right[name], at_least=0.99)


ZH = {
    "rms cosine": "余弦的均方根", "rms cosine times √d": "余弦的均方根乘 √d", "position": "位置",
    "row read is the nearest, {}, d = {}": "读出的是最近的行，{}，d = {}", "segment": "segment",
    "share read back": "读回的比例", "share read back at the widest": "最宽处读回的比例", "part": "部分",
    "share of tokens read back at width 8": "宽 8 时读回 token 的比例",
    "distinct sums": "互不相同的和", "tokens read back": "读回的 token",
    "share of distinct sums at the narrowest": "最窄处互不相同的和的比例",
    "share of tokens read at the narrowest": "最窄处读对的 token 的比例",
    "share of tokens read at four times the width": "四倍宽处读对的 token 的比例",
    "cycles per text": "每段文本的周期数", "power": "功率",
    "power of the {} part in each quarter of the spectrum over its mean": "{} 部分在各四分之一频谱内的功率与平均之比",
    "share of each {} read back": "读回 {} 的比例",
}

if __name__ == "__main__":
    main()
