r"""Documents fill blocks of fixed length: cutting the stream wastes nothing and splits documents; best fit pads a little instead.

文档要填进定长的块：把拼接流直接切块，不浪费但会切断文档；最佳适配（best fit）不切断，只多一点填充。

Best-fit packing after Ding et al. 2024, §3. Turn `packing` to "concatenate": no padding, and three in ten documents in
pieces. 把 `packing` 改为 "concatenate"：没有填充，但三成的文档被切断。
"""

from bisect import bisect_left, insort

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("best_fit_cuts_nothing_and_hardly_pads",), wrong=("fills_the_last_row_only", "lets_rows_overflow"))
def best_fit(lengths: list[int], block: int) -> list[list[int]]:
    """Best-fit decreasing: documents from the longest to the shortest, each into the row whose free space it fits most
    tightly, or into a new row. Lengths are at most `block`; returned are rows of document numbers.

    递减的最佳适配：文档从长到短，依次放进剩余空间与它最贴合的行，放不下就开新行。长度都不超过 `block`；返回每行的文档编号。"""
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []                              # (free tokens, row), sorted
    for document in sorted(range(len(lengths)), key=lambda d: -lengths[d]):
        place = bisect_left(free, (lengths[document], -1))        # the tightest row that is large enough
        if place == len(free):
            rows.append([])
            space, row = block, len(rows) - 1
        else:
            space, row = free.pop(place)
        rows[row].append(document)
        insort(free, (space - lengths[document], row))
    return rows


@exercise(claims=("long_documents_are_cut_most", "best_fit_cuts_nothing_and_hardly_pads"), wrong=("cuts_each_document_alone",))
def concatenate(lengths: list[int], block: int) -> list[list[tuple[int, int]]]:
    """Concatenate and cut: the stream of all documents in blocks of `block` tokens, the last one possibly shorter. Returned
    are rows of (document, tokens of it in this row).

    拼接后切块：把全部文档连成一条流，每 `block` 个 token 切一块，最后一块可能不满。返回每行的（文档编号，它在该行的 token 数）。"""
    rows: list[list[tuple[int, int]]] = [[]]
    free = block
    for document, left in enumerate(lengths):
        while left:
            if free == 0:
                rows.append([])
                free = block
            piece = min(left, free)
            rows[-1].append((document, piece))
            left, free = left - piece, free - piece
    return rows


def packed(lengths: list[int], block: int, packing: str) -> list[list[tuple[int, int]]]:
    """Rows of (document, tokens) under one of the three packings."""
    if packing == "concatenate":
        return concatenate(lengths, block)
    rows = best_fit(lengths, block) if packing == "best fit" else [[d] for d in range(len(lengths))]
    return [[(d, lengths[d]) for d in row] for row in rows]


def padded_and_cut(lengths: list[int], block: int, packing: str) -> tuple[float, float, int]:
    """The share of pad tokens, the share of documents in more than one row, and the longest row."""
    rows = packed(lengths, block, packing)
    pieces = [0] * len(lengths)
    for row in rows:
        for document, _ in row:
            pieces[document] += 1
    used = [sum(tokens for _, tokens in row) for row in rows]
    return 1 - sum(used) / (len(rows) * block), sum(p > 1 for p in pieces) / len(pieces), max(used)


def lengths_of(documents: int, block: int) -> list[int]:
    """Log-normal lengths, cut to a block: the median is a fifth of it."""
    return (torch.randn(documents).exp() * 0.2 * block).clamp(1, block).int().tolist()


def linear_attention(q: Tensor, k: Tensor, v: Tensor, decay: float, starts: Tensor) -> Tensor:
    """One layer with a recurrent state, S ← decay·S + k vᵀ, output Sᵀq; the state is emptied where `starts` is True. q, k, v
    and the output (tokens, width)."""
    state, outputs = torch.zeros(q.shape[1], v.shape[1], dtype=q.dtype), []
    for t in range(len(q)):
        state = torch.outer(k[t], v[t]) + (0 if starts[t] else decay * state)                   # (width, width)
        outputs.append(state.T @ q[t])
    return torch.stack(outputs)


RANGES = {
    "documents": between(1000, 3000), "block": between(256, 4096), "width": between(2, 16),
    "lengths": each(between(2, 12), at_least=2, at_most=5), "decay": between(0.3, 0.99),
    "packing": one_of("best fit", "concatenate", "one per row"),
    "state": one_of("emptied", "carried"),
}


@breaks(packing="concatenate", en="The cut stream splits three in ten documents.", zh="切流会切断三成的文档。")
@breaks(packing="one per row", en="One document per row is mostly padding.", zh="一行一篇，大部分是填充。")
def claim_best_fit_cuts_nothing_and_hardly_pads(documents=2000, block=2048, packing="best fit"):
    """Best-fit decreasing splits no document that fits into a block and pads under 2% of the tokens, where one document per
    row pads more than half.

    递减的最佳适配不切断任何放得进一块的文档，填充不到 2%；一行一篇则填充一半以上。"""
    lengths = lengths_of(documents, block)
    names = ("concatenate", "best fit", "one per row")
    found = {name: padded_and_cut(lengths, block, name) for name in names}
    show(bars(names, {"padding": [found[n][0] for n in names], "documents cut": [found[n][1] for n in names]}, y_label="share"))
    padding, cut, longest = found[packing]
    seen = sorted(d for row in packed(lengths, block, packing) for d, _ in row)
    expect("documents cut", cut, equals=0)
    expect("padding", padding, at_most=0.02)
    expect("longest row", longest, at_most=block)
    expect("documents packed, once each", float(seen == list(range(documents))), equals=1.0)
    expect("padding, one per row", found["one per row"][0], at_least=0.5)
    expect("padding, one per row, over the mean of 1 − length / block",
           found["one per row"][0] / (1 - sum(lengths) / len(lengths) / block), equals=1, within=1e-9)


@breaks(packing="best fit", en="Best fit cuts no document, long or short.", zh="最佳适配不论长短都不切断。")
def claim_long_documents_are_cut_most(documents=3000, block=2048, packing="concatenate"):
    """A cut stream splits a document of n ≤ B tokens with probability (n − 1)/B: few of the short ones, three quarters of
    those that fill three quarters of a block.

    把流切块时，n ≤ B 个 token 的文档被切断的概率是 (n − 1)/B：短的很少，占四分之三块的则有四分之三。"""
    lengths = lengths_of(documents, block)
    pieces = [0] * documents
    for row in packed(lengths, block, packing):
        for document, _ in row:
            pieces[document] += 1
    bins = [(lo / 5 * block, (lo + 1) / 5 * block) for lo in range(5)]
    chosen = [[d for d in range(documents) if lo < lengths[d] <= hi] for lo, hi in bins]
    cut = [sum(pieces[d] > 1 for d in group) / len(group) for group in chosen]
    formula = [sum((lengths[d] - 1) / block for d in group) / len(group) for group in chosen]
    show(lines("length over the block", [0.1, 0.3, 0.5, 0.7, 0.9], {"cut": cut, "(n − 1) / B": formula}))
    # Four standard errors of a share of independent documents; cuts of neighbours are a little dependent, and 0.02 for that.
    expect("share cut", cut, equals=formula, at=("length over the block", [0.1, 0.3, 0.5, 0.7, 0.9]),
           within=[4 * (max(p * (1 - p), 0.01) / len(g)) ** 0.5 + 0.02 for p, g in zip(formula, chosen, strict=True)])


@breaks(state="carried", en="A carried state brings the documents before into the output.", zh="状态延续下去，前面的文档就进入了输出。")
def claim_a_recurrent_state_must_be_emptied(lengths=(7, 5, 9), width=8, decay=0.9, state="emptied"):
    """A linear-attention layer has no mask to forbid anything: a packed row equals its documents run alone only if the state
    is emptied at each start.

    线性注意力层没有可以「禁止读取」的掩码：只有在每篇开头清空状态，打包的一行才与各文档单独运行相同。"""
    total = sum(lengths)
    q, k, v = (torch.randn(total, width, dtype=F64) for _ in range(3))
    first = torch.cat([torch.arange(n) == 0 for n in lengths])
    together = linear_attention(q, k, v, decay, first if state == "emptied" else torch.arange(total) == 0)
    alone = []
    for rows in zip(*(x.split(list(lengths)) for x in (q, k, v)), strict=True):
        n = len(rows[0])
        ages = torch.arange(n, dtype=F64)[:, None] - torch.arange(n)             # closed form: Σ_s decay^(t−s) (q·k_s) v_s, s ≤ t
        alone.append(((rows[0] @ rows[1].T) * (decay ** ages.clamp(min=0)).tril()) @ rows[2])
    gap = (together - torch.cat(alone)).abs().amax(1)
    show(table(["document", "largest difference to running alone"],
               [[i + 1, f"{part.max():.1e}"] for i, part in enumerate(gap.split(list(lengths)))]))
    expect("packed less alone", gap, equals=0, within=1e-10, at=("token", range(total)))


def drill_blocks(rng) -> Drill:
    """Blocks of a concatenated corpus."""
    lengths = rng.choice([(300, 120, 210), (100, 500, 60, 90), (40, 75, 130), (250, 250, 260), (500, 20, 333)])
    block = rng.choice([64, 128, 256])
    total = sum(lengths) + len(lengths)
    listed = ", ".join(map(str, lengths))
    return Drill(
        en=f"Documents of {listed} tokens each get one end-of-document token, are concatenated and cut into blocks of {block}. How "
           "many tokens are left over in the last, incomplete block?",
        zh=f"{listed} 个 token 的几篇文档，每篇后加一个文档结束符，拼接后切成 {block} 的块。最后不满的一块里剩多少 token？",
        answer=total % block, within=0,
        steps=[(f"stream: {sum(lengths)} + {len(lengths)} = {total}", f"流长：{sum(lengths)} + {len(lengths)} = {total}"),
               (f"{total} = {total // block} · {block} + {total % block}", f"{total} = {total // block} · {block} + {total % block}")],
        proved_by="long_documents_are_cut_most",
    )


def drill_cut(rng) -> Drill:
    """How likely concatenate-and-cut splits a document."""
    n, block = rng.choice([(513, 2048), (1025, 4096), (2049, 8192), (3073, 4096), (201, 1000), (6145, 8192)])
    p = (n - 1) / block
    return Drill(
        en=f"A long stream of documents is cut into blocks of {block:,} tokens. How likely is a document of {n:,} tokens split?",
        zh=f"一条很长的文档流被切成 {block:,} 个 token 的块。一篇 {n:,} 个 token 的文档被切断的概率是多少？",
        answer=p, within=0.005,
        steps=[(f"a cut can fall into {n - 1:,} of {block:,} gaps", f"切口可能落在 {block:,} 个间隙中的 {n - 1:,} 个"),
               (f"{n - 1:,} / {block:,} = {p:.3f}", f"{n - 1:,} / {block:,} = {p:.3f}")],
        proved_by="long_documents_are_cut_most",
    )


ZH = {
    "concatenate": "拼接切块", "best fit": "最佳适配", "one per row": "一行一篇", "padding": "填充", "documents cut": "被切断的文档",
    "share": "比例", "longest row": "最长的行", "documents packed, once each": "每篇文档恰好装入一次",
    "padding, one per row": "一行一篇的填充",
    "padding, one per row, over the mean of 1 − length / block": "一行一篇的填充与 1 − 长度/块长 的平均之比",
    "length over the block": "长度与块长之比", "cut": "被切断", "share cut": "被切断的比例", "document": "文档",
    "largest difference to running alone": "与单独运行的最大差异", "packed less alone": "打包减去单独运行",
}

if __name__ == "__main__":
    main()
