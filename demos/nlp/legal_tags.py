r"""The best legal sequence of tags: Viterbi decoding under rules, against the best tag of each word.

最好的合法标签序列：带约束的 Viterbi 解码，对比逐词取最大。

I-PER may follow B-PER or I-PER only. Turn `decoding` to "each word": the sequence scores higher and is no legal tagging.
I-PER 只能跟在 B-PER 或 I-PER 之后。把 `decoding` 改为 "each word"：分数更高，却不是合法的标注。
"""

import itertools
import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def may_follow(before: str, tag: str) -> bool:
    """BIO: an inside tag wants a tag of its own kind before it."""
    return not tag.startswith("I-") or before[2:] == tag[2:]


@exercise(claims=("it_is_the_best_of_all_legal_sequences", "every_tag_may_follow_its_neighbour"),
          wrong=("takes_each_word", "is_greedy", "forgets_the_start"))
def viterbi(scores: Tensor, allowed: Tensor, start: Tensor) -> list[int]:
    """The sequence of tags with the greatest sum of scores (n, K) in which each pair of neighbours is allowed (K, K),
    [before, after], and the first tag may start (K,).

    分数 scores (n, K) 之和最大的标签序列，其中相邻两个标签须满足 allowed (K, K)（[前, 后]），第一个标签须满足 start (K,)。"""
    best = scores[0].masked_fill(~start, -torch.inf)                     # (K,): best sum that ends in each tag
    back = []
    for row in scores[1:]:
        sums = best[:, None].masked_fill(~allowed, -torch.inf)           # (before, after)
        best, came_from = sums.max(0)
        best = best + row
        back.append(came_from)
    path = [int(best.argmax())]
    for came_from in reversed(back):                                     # walk back from the best end
        path.append(int(came_from[path[-1]]))
    return path[::-1]


RULES = torch.tensor([[may_follow(a, b) for b in TAGS] for a in TAGS])
START = torch.tensor([not tag.startswith("I-") for tag in TAGS])

RANGES = {
    "words": between(3, 6),
    "sentences": between(10, 40),
    "decoding": one_of("Viterbi", "each word"),
}
ALONE = breaks(decoding="each word", en="Chosen word by word, an I- tag lands behind O or another kind.",
               zh="逐词选取时，I- 会落在 O 或别的类型之后。")


def decode(decoding: str, scores: Tensor) -> list[int]:
    """By Viterbi, or the best tag of each word by itself."""
    return viterbi(scores, RULES, START) if decoding == "Viterbi" else scores.argmax(1).tolist()


def legal(path: list[int]) -> bool:
    """Whether a sequence of tags keeps the rules."""
    return TAGS[path[0]][0] != "I" and all(may_follow(TAGS[a], TAGS[b]) for a, b in itertools.pairwise(path))


@ALONE
def claim_every_tag_may_follow_its_neighbour(words=6, sentences=40, decoding="Viterbi"):
    """Decoded by Viterbi every sequence of tags is legal; chosen word by word, many are not.

    用 Viterbi 解码，每个标签序列都合法；逐词选取则有许多不合法。"""
    scores = torch.randn(sentences, words, len(TAGS), dtype=F64)
    paths = [decode(decoding, one) for one in scores]
    alone = [decode("each word", one) for one in scores]
    show(heatmap(RULES.float(), x_label="tag", y_label="tag before", x=TAGS, y=TAGS, title="allowed"))
    expect("share of legal sequences", sum(map(legal, paths)) / sentences, equals=1)
    expect("share of legal sequences, each word alone", sum(map(legal, alone)) / sentences, at_most=0.95)


@ALONE
def claim_it_is_the_best_of_all_legal_sequences(words=4, decoding="Viterbi"):
    """Its score is the greatest of all legal sequences, listed one by one; (n − 1)·K² sums find what Kⁿ sequences
    hold.

    它的分数是逐一列出的所有合法序列中最大的；(n − 1)·K² 个和就找到 Kⁿ 个序列中的最优。"""
    every = [p for p in itertools.product(range(len(TAGS)), repeat=min(words, 5)) if legal(list(p))]
    gaps, by_loop, places = [], [], torch.arange(min(words, 5))
    for scores in torch.randn(8, min(words, 5), len(TAGS), dtype=F64):
        path = decode(decoding, scores)
        gaps.append(scores[places, path].sum() - max(sum(scores[i, t] for i, t in enumerate(p)) for p in every))
        best, sums = [s if ok else -math.inf for s, ok in zip(scores[0].tolist(), START.tolist(), strict=True)], 0
        for row in scores[1:].tolist():                                  # on paper: each tag from each tag before it
            ends = []
            for tag in range(len(TAGS)):
                ways = [best[old] + (row[tag] if RULES[old, tag] else -math.inf) for old in range(len(TAGS))]
                ends.append(max(ways))
                sums += len(ways)
            best = ends
        by_loop.append((scores[places, path].sum() - max(best), sums))
    sizes = range(2, 11)
    show(lines("words", sizes, {"sequences": [len(TAGS) ** n for n in sizes], "sums of Viterbi": [25 * (n - 1) for n in sizes]}, log="y"))
    expect("its score less the best legal one", gaps, equals=0, within=1e-12)
    expect("its score less that of the loop on paper", [gap for gap, _ in by_loop], equals=0, within=1e-12)
    expect("sums in the loop, over (n − 1)·K²", [n / (len(places) - 1) / len(TAGS) ** 2 for _, n in by_loop], equals=1)


def drill_steps(rng) -> Drill:
    """How many sums Viterbi looks at."""
    n, tags = rng.choice((10, 20, 50, 100)), rng.choice((3, 5, 9))
    answer = (n - 1) * tags * tags
    return Drill(
        en=f"Viterbi decoding of {n} words with {tags} tags: how many sums does it compute, one per pair of "
           "neighbouring tags at each step?",
        zh=f"对 {n} 个词、{tags} 种标签做 Viterbi 解码，要算多少个和（每一步、每对相邻标签一个）？",
        answer=answer, within=0.5,
        steps=[(f"{tags}² = {tags * tags} pairs at each of {n - 1} steps", f"{n - 1} 步，每步 {tags}² = {tags * tags} 对"),
               (f"{n - 1} · {tags * tags} = {answer}", f"{n - 1} · {tags * tags} = {answer}")],
        proved_by="it_is_the_best_of_all_legal_sequences")


ZH = {
    "tag": "标签", "tag before": "前一个标签", "allowed": "允许", "share of legal sequences": "合法序列的比例",
    "share of legal sequences, each word alone": "逐词选取时合法序列的比例", "words": "词数", "sequences": "序列数",
    "sums of Viterbi": "Viterbi 的求和次数",
    "its score less that of the loop on paper": "其分数与逐步循环之差",
    "sums in the loop, over (n − 1)·K²": "循环中的求和次数与 (n − 1)·K² 之比",
    "its score less the best legal one": "其分数与最优合法序列之差",
}

if __name__ == "__main__":
    main()
