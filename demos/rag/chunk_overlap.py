r"""Cutting a text into chunks that overlap: how many there are, and how long a sentence may be to stand whole in one.

把文本切成有重叠的块：有多少块，多长的句子能完整落在某一块里。

Turn `length` to 52 with an overlap of 50: a span of two tokens more than the overlap is cut somewhere.
重叠为 50 时把 `length` 调到 52：比重叠多两个 token 的片段，会在某处被切断。
"""

import math
from itertools import pairwise

import torch

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_count_takes_the_overlap_off", "short_spans_stand_whole"),
          wrong=("steps_by_the_size", "loses_a_short_text", "ends_with_a_copy"))
def chunks(tokens: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Starts and ends (exclusive) of the chunks of a text of `tokens` tokens: each begins size − overlap after the one before, the last
    reaches the end, and none lies inside another. A text of at least one token has at least one chunk.

    长为 `tokens` 的文本各块的起点与终点（不含）：每块比前一块晚 size − overlap 个 token 开始，最后一块到达文末，没有一块落在另一块里面；
    只要有一个 token，就至少有一块。"""
    starts = range(0, max(tokens - overlap, 1), size - overlap)
    return [(start, min(start + size, tokens)) for start in starts]


def holders(start: int, length: int, pieces: list[tuple[int, int]]) -> int:
    """In how many chunks the span stands whole."""
    return sum(a <= start and start + length <= b for a, b in pieces)


RANGES = {
    "size": between(60, 300), "overlap": between(4, 40), "tokens": between(1200, 2000), "length": between(1, 60),
    "rule": one_of("with overlap", "without overlap"),
}


@breaks(rule="without overlap", en="Each chunk after the first brings size − overlap new tokens, not size.",
        zh="第一块之后，每块只带来 size − overlap 个新 token，不是 size 个。")
def claim_the_count_takes_the_overlap_off(size=200, overlap=25, rule="with overlap"):
    """A text of n tokens has ⌈(n − overlap) / (size − overlap)⌉ chunks, and one where it is no longer than the overlap.

    n 个 token 的文本有 ⌈(n − 重叠) / (块长 − 重叠)⌉ 块；不长于重叠时为一块。"""
    lengths = [1, overlap, overlap + 1, size - 1, size, size + 1, 3 * size, 5 * size + 7, 10 * size - 1]
    off = overlap if rule == "with overlap" else 0
    want = [max(1, math.ceil((n - off) / (size - off))) for n in lengths]
    got = [len(chunks(n, size, overlap)) for n in lengths]
    show(lines("tokens of the text", lengths, {"chunks": got, "formula": want}))
    expect("chunks", got, equals=want, at=("tokens of the text", lengths))
    ends = [chunks(n, size, overlap) for n in lengths]
    gaps = [b[0] + overlap - a[1] for c in ends for a, b in pairwise(c)]
    expect("overlap of neighbours less what was set", gaps, equals=0)
    expect("tokens after the last chunk", [n - c[-1][1] for n, c in zip(lengths, ends, strict=True) if c], equals=0)


@breaks(length=27, overlap=25, en="A span of overlap + 2 tokens fits into neither chunk at a boundary.",
        zh="长为重叠 + 2 的片段，在边界处哪一块都装不下。")
def claim_short_spans_stand_whole(tokens=1500, size=200, overlap=25, length=20):
    """Every span of at most overlap + 1 tokens stands whole in some chunk, wherever it begins; one token more and some are cut.

    不超过重叠 + 1 个 token 的片段，无论从哪里开始，总能完整落在某一块里；再长一个 token，就有被切断的。"""
    pieces = chunks(tokens, size, overlap)
    spans = sorted({length, overlap + 1, overlap + 2, overlap + (size - overlap) // 2})

    def whole(n):
        return torch.tensor([holders(start, n, pieces) > 0 for start in range(tokens - n + 1)])

    show(lines("tokens of the span", spans, {"share that stands whole": [whole(n).double().mean() for n in spans]}))
    expect("spans cut", (~whole(length)).sum(), equals=0)
    expect("spans of overlap + 1 tokens cut", (~whole(overlap + 1)).sum(), equals=0)
    # One start before every boundary: the span that begins just before the next chunk and ends just after this one.
    expect("spans of overlap + 2 tokens cut", (~whole(overlap + 2)).sum(), equals=len(pieces) - 1)


@breaks(overlap=40, size=60, length=5, en="Over half a chunk of overlap, and a third chunk reaches in.",
        zh="重叠超过半块，第三块也会伸进来。")
def claim_a_boundary_span_is_whole_once(tokens=1500, size=200, overlap=25, length=20):
    """With an overlap under half a chunk, a span of at most overlap + 1 tokens across the end of a chunk is whole in one chunk, not two.

    重叠小于半块时，跨过某块末尾、不超过重叠 + 1 的片段，只完整落在一块里，而不是两块。"""
    pieces = chunks(tokens, size, overlap)
    n = max(length, 2)                                                          # one token crosses no end
    crossing = [holders(start, m, pieces) for m in (n, overlap + 1) for _, end in pieces[:-1]
                for start in range(max(end - m + 1, 0), end) if start + m <= tokens]
    show(lines("start before the end of the first chunk", list(range(n - 1, 0, -1)), {"chunks that hold it": [
        holders(pieces[0][1] - back, n, pieces) for back in range(n - 1, 0, -1)]}))
    expect("chunks in which it is whole", crossing, equals=1)


def drill_chunk_count(rng) -> Drill:
    """Chunks of a text."""
    tokens, size, overlap = rng.choice([(1000, 200, 50), (5000, 500, 100), (2100, 300, 60), (10000, 512, 64)])
    answer = len(chunks(tokens, size, overlap))
    return Drill(
        en=f"A text of {tokens:,} tokens is cut into chunks of {size} with an overlap of {overlap}. How many chunks?",
        zh=f"{tokens:,} 个 token 的文本，块长 {size}、重叠 {overlap}，共切成多少块？",
        answer=answer, within=0,
        steps=[(f"after the first, each brings {size} − {overlap} = {size - overlap} new tokens",
                f"第一块之后，每块带来 {size} − {overlap} = {size - overlap} 个新 token"),
               (f"⌈({tokens} − {overlap}) / {size - overlap}⌉ = {answer}", f"⌈({tokens} − {overlap}) / {size - overlap}⌉ = {answer}")],
        proved_by="the_count_takes_the_overlap_off")


ZH = {
    "tokens of the text": "文本的 token 数",
    "chunks": "块数", "formula": "公式", "overlap of neighbours less what was set": "相邻块的重叠减设定值",
    "tokens after the last chunk": "最后一块之后的 token",
    "tokens of the span": "片段的 token 数", "share that stands whole": "完整落在一块里的比例",
    "spans cut": "被切断的片段",
    "spans of overlap + 1 tokens cut": "长为重叠 + 1 的片段中被切断的",
    "spans of overlap + 2 tokens cut": "长为重叠 + 2 的片段中被切断的",
    "start before the end of the first chunk": "起点在第一块末尾之前多少", "chunks that hold it": "完整含有它的块数",
    "chunks in which it is whole": "它完整落在几块里", "with overlap": "减去重叠", "without overlap": "不减重叠",
}

if __name__ == "__main__":
    main()
