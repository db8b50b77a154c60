r"""One mask for a whole span hides how many tokens are missing; a mask for each token tells it.

整个片段只用一个掩码，缺多少个 token 就看不出来；每个 token 一个掩码则一目了然。

Lewis et al. 2019 (BART), §2.2; BERT's input keeps its length. Turn `masks` to "each token": the
corrupted inputs of gaps of different lengths differ, and the length is given away.
把 `masks` 改为 "each token"：缺口长度不同，破坏后的输入就不同，长度也就泄露了。
"""

import re

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)

MASK = "[MASK]"


@exercise(claims=("it_equals_a_substitution", "gaps_of_any_length_look_alike"),
          wrong=("masks_each_token", "drops_empty_spans", "does_not_shift"))
def infill(tokens: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """Replace each span (start, length) of the tokens by one MASK; a span of length 0 inserts one.
    Spans are sorted and do not overlap.

    把 tokens 的每个片段 (起点, 长度) 换成一个 MASK；长度为 0 的片段则插入一个。片段已排序且不重叠。"""
    out, at = [], 0
    for start, length in spans:
        out += [*tokens[at:start], MASK]
        at = start + length
    return out + tokens[at:]


def mask_each(tokens: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """BERT's way: a mask for every token, so that the length stays."""
    hidden = {i for start, length in spans for i in range(start, start + length)}
    return [MASK if i in hidden else t for i, t in enumerate(tokens)]


WAYS = {"each span": infill, "each token": mask_each}

RANGES = {
    "before": between(1, 12),
    "after": between(1, 12),
    "lengths": each(between(0, 8), at_least=2, rising=True),
    "tokens": between(4, 40),
    "spans": each(between(0, 3), at_most=4),
    "masks": one_of("each span", "each token"),
}
EACH = breaks(masks="each token", en="As many masks as tokens: nothing about the length is hidden.",
              zh="掩码与 token 一样多：长度毫无隐藏。")


@EACH
def claim_gaps_of_any_length_look_alike(before=4, after=5, lengths=(0, 1, 2, 3, 4),
                                        masks="each span"):
    """Texts with a gap of 0 to 4 tokens at one place all give the same corrupted input, so the
    decoder must decide how many to write.

    同一处缺 0 到 4 个 token 的各个文本，破坏后的输入完全相同，所以写几个要由 decoder 决定。"""
    inputs = [tuple(WAYS[masks]([f"a{i}" for i in range(before)] + [f"gap{i}" for i in range(n)]
                                + [f"b{i}" for i in range(after)], [(before, n)]))
              for n in lengths]
    show(lines("missing tokens", lengths,
               {"each span": [before + 1 + after] * len(lengths),
                "each token": [before + n + after for n in lengths],
                "as set": [len(x) for x in inputs]}, y_label="length of the input"))
    expect("different inputs", len(set(inputs)), equals=1)
    expect("length of the input", [len(x) for x in inputs], equals=before + 1 + after,
           at=("missing tokens", lengths))


@EACH
def claim_it_equals_a_substitution(tokens=20, spans=(3, 0, 2, 1), masks="each span"):
    """The corrupted input is what a regular expression makes of the marked text; its length is
    n − Σ lengths + spans.

    破坏后的输入与在标记过的文本上做正则替换的结果相同；长度为 n − Σ 片段长度 + 片段数。"""
    words = [f"w{i}" for i in range(tokens)]
    at, chosen = 0, []
    for length in spans:                                                 # with a token between
        if at + length <= tokens:
            chosen.append((at, length))
        at += length + 1
    marked, end = "", 0
    for start, length in chosen:
        marked += "".join(w + " " for w in words[end:start])
        marked += "<" + "".join(w + " " for w in words[start : start + length]) + ">"
        end = start + length
    marked += "".join(w + " " for w in words[end:])
    by_hand = re.sub(r"<[^>]*>", MASK + " ", marked).split()
    got = WAYS[masks](words, chosen)
    show(table({"text": [" ".join(words[:8]), " ".join(got[:8]), " ".join(mask_each(words, chosen)[:8])],
                "way": ["original", "as set", "each token"]}))
    expect("places that differ from the substitution",
           sum(a != b for a, b in zip(got, by_hand, strict=False)) + abs(len(got) - len(by_hand)),
           equals=0)
    expect("length of the input", len(got),
           equals=tokens - sum(n for _, n in chosen) + len(chosen))


def drill_length(rng) -> Drill:
    """The length of the corrupted input, and how many tokens are trained on."""
    n, spans = rng.choice([20, 30, 50]), rng.choice([(3, 0, 2), (4, 1), (2, 2, 5), (0, 3)])
    starts = [6 * i for i in range(len(spans))]
    got = len(infill([str(i) for i in range(n)], list(zip(starts, spans, strict=True))))
    return Drill(
        en=f"BART infills spans of lengths {', '.join(map(str, spans))} in a text of {n} tokens. "
           "How many tokens does the encoder read?",
        zh=f"BART 在 {n} 个 token 的文本里对长 {'、'.join(map(str, spans))} 的片段做 infilling。encoder 读到多少个 token？",
        answer=got, within=0,
        steps=[(f"removed {sum(spans)}, inserted one mask per span: {len(spans)}",
                f"去掉 {sum(spans)} 个，每个片段放入一个掩码：{len(spans)} 个"),
               (f"{n} − {sum(spans)} + {len(spans)} = {got}; the decoder writes all {n}",
                f"{n} − {sum(spans)} + {len(spans)} = {got}；decoder 要写出全部 {n} 个")],
        proved_by="it_equals_a_substitution")


ZH = {
    "missing tokens": "缺失的 token 数", "each span": "每个片段一个", "each token": "每个 token 一个",
    "as set": "按设定", "length of the input": "输入长度", "different inputs": "不同的输入数",
    "text": "文本", "way": "方式", "original": "原文",
    "places that differ from the substitution": "与替换结果不同的位置数",
}

if __name__ == "__main__":
    main()
