r"""Character coverage decides which characters get a piece: the commonest, until they make up that share of
the corpus. What is left over falls back to bytes.

字符覆盖率决定哪些字有自己的片段：从最常见的取起，直到占语料的这个比例；剩下的退回字节。

SentencePiece's `character_coverage`, 0.98 to 1 there (doc/options.md). Turn `coverage` to 1: no character is left over, so no
byte piece is ever seen in training. 把 `coverage` 改为 1：没有字剩下，训练时就见不到任何字节片段。
"""

import itertools
from collections import Counter

from studyapp.evidence import Drill, breaks, exercise, expect, lines, main, one_of, show

CORPUS = (
    "分词器先在语料上统计，再决定哪些字和词进入词表。",
    "语料里常见的字自己成为一个片段，罕见的字退回到字节。",
    "覆盖率越高，词表里的字越多，留给词的位置就越少。",
    "覆盖率取到一，字节片段在训练里一次也不会出现。",
    "没有在训练里出现过的片段，它的向量也没有训练过。",
    "从词表里看不出哪些片段训练过，只能回头数语料。",
)


@exercise(claims=("it_is_the_smallest_alphabet_that_covers", "full_coverage_leaves_the_bytes_unseen"),
          wrong=("share_of_distinct_characters", "stops_one_early", "rarest_first"))
def alphabet(text: str, coverage: float) -> set[str]:
    """The characters that get a piece: the most frequent ones, until they make up at least `coverage` of the text.

    有自己片段的字符：从最常见的取起，直到至少占文本的 coverage。"""
    kept, seen = set(), 0
    for character, count in Counter(text).most_common():
        if seen >= coverage * len(text):                                 # enough: the rarer ones are left over
            break
        kept.add(character)
        seen += count
    return kept


def by_code_point(text: str, coverage: float) -> set[str]:
    """The wrong way: the characters in the order of Unicode until they cover enough."""
    counts, kept, seen = Counter(text), set(), 0
    for character in sorted(counts):
        if seen >= coverage * len(text):
            break
        kept.add(character)
        seen += counts[character]
    return kept


def byte_pieces(text: str, kept: set[str]) -> Counter:
    """How often each byte piece occurs when every other character falls back to UTF-8."""
    return Counter(byte for character in text if character not in kept for byte in character.encode())


RANGES = {"coverage": one_of(0.8, 0.9, 0.98, 1.0), "order": one_of("frequency", "code point")}


@breaks(order="code point", en="In another order it takes more characters to cover as much.", zh="换一种次序，覆盖同样多要用更多字符。")
def claim_it_is_the_smallest_alphabet_that_covers(coverage=0.98, order="frequency"):
    """Taking the commonest characters first covers a given share of the text with the fewest pieces.

    从最常见的字取起，能用最少的片段覆盖文本的给定比例。"""
    text = "".join(CORPUS)
    kept = alphabet(text, coverage) if order == "frequency" else by_code_point(text, coverage)
    counts = sorted(Counter(text).values(), reverse=True)
    best = next(n for n, total in enumerate(itertools.accumulate([0, *counts])) if total >= coverage * len(text))
    show(lines("pieces", range(len(counts) + 1), {"share of the text": [t / len(text) for t in itertools.accumulate([0, *counts])]}))
    expect("share of the text covered", sum(c in kept for c in text) / len(text), at_least=coverage)
    expect("characters with a piece", len(kept), equals=best)
    expect("characters of 'aaab' with a piece at 0.75", len(alphabet("aaab", 0.75)), equals=1)          # reached exactly: enough


@breaks(coverage=1.0, en="At coverage 1 nothing is left over: no byte occurs.",
        zh="覆盖率为 1 时没有剩下的字：一个字节也不出现。")
def claim_full_coverage_leaves_the_bytes_unseen(coverage=0.98):
    """Byte pieces occur in the tokenizer's corpus only where coverage leaves characters over; at coverage 1 there is none.

    覆盖率留下了没有片段的字，语料里才会出现字节片段；覆盖率为 1 时一个也没有。"""
    text = "".join(CORPUS)
    shares = (0.7, 0.8, 0.9, 0.94, 0.96, 0.98, 1.0)
    seen = [len(byte_pieces(text, alphabet(text, share))) for share in shares]
    show(lines("coverage", shares, {"byte pieces that occur": seen}))
    expect("byte pieces that occur", len(byte_pieces(text, alphabet(text, coverage))), at_least=1)
    expect("byte pieces that occur at coverage 1", seen[-1], equals=0)


def drill_alphabet(rng) -> Drill:
    """How many characters get a piece."""
    counts, percent = rng.choice([((50, 30, 10, 5, 5), 85), ((40, 20, 20, 10, 5, 5), 95), ((60, 20, 10, 6, 4), 90),
                                  ((70, 10, 10, 5, 5), 75), ((40, 30, 20, 6, 4), 96), ((50, 25, 15, 5, 5), 95)])
    text = "".join(c * n for c, n in zip("abcdef", counts, strict=False))
    size = len(alphabet(text, percent / 100))
    sums = list(itertools.accumulate(counts))
    return Drill(
        en=f"A corpus of 100 characters holds {len(counts)} different ones, {', '.join(map(str, counts))} times. How many get a piece at a "
           f"character coverage of {percent / 100:g}?",
        zh=f"语料共 100 个字符，有 {len(counts)} 种，分别出现 {'、'.join(map(str, counts))} 次。"
           f"字符覆盖率为 {percent / 100:g} 时，几种有自己的片段？",
        answer=size, within=0,
        steps=[("add up from the commonest: " + ", ".join(map(str, sums)), "从最常见的累加：" + "、".join(map(str, sums))),
               (f"the first sum of at least {percent} is {sums[size - 1]}, after {size}",
                f"首个不小于 {percent} 的和是 {sums[size - 1]}，即前 {size} 种")],
        proved_by="it_is_the_smallest_alphabet_that_covers",
    )


ZH = {
    "pieces": "片段数",
    "share of the text": "占文本的比例",
    "share of the text covered": "覆盖的文本比例",
    "characters with a piece": "有片段的字符数",
    "characters of 'aaab' with a piece at 0.75": "'aaab' 在 0.75 时有片段的字符数",
    "coverage": "覆盖率",
    "byte pieces that occur": "出现过的字节片段",
    "byte pieces that occur at coverage 1": "覆盖率为 1 时出现的字节片段",
}

if __name__ == "__main__":
    main()
