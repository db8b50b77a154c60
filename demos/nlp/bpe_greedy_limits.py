r"""BPE merges greedily: its tokens are neither the fewest possible nor robust to a typo.

BPE 贪心合并：token 数不一定最少，也经不起一个拼写错误。

Turn `first` to "ab": with other counts the same merges come in another order, and the word abcd
gets its shortest segmentation. BPE-dropout: Provilkov et al. 2020.
把 `first` 改为 "ab"：计数不同，同样三个合并的次序就不同，abcd 恰好得到最短切分。
"""

import itertools
import math
from collections import Counter

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

Pair = tuple[str, str]
TEXT = ("the lower the price the newer the wider the market the newest and the lowest of the new "
        "and wide lower lowest newer newest wider widest market marker price prices priced "
        "station nation national stationary motion notion the and of to in a lower price")


def join(word: list[str], pair: Pair) -> list[str]:
    """The symbols with each occurrence of the pair joined, from left to right."""
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] = out[-1] + symbol
        else:
            out.append(symbol)
    return out


def train(corpus: dict[str, int], merges: int) -> list[Pair]:
    """Plain BPE; of equals the pair met first."""
    words, learnt = [(list(word), times) for word, times in corpus.items()], []
    while len(learnt) < merges and any(len(word) > 1 for word, _ in words):
        counts: Counter[Pair] = Counter()
        for word, times in words:
            for pair in itertools.pairwise(word):
                counts[pair] += times
        learnt.append(max(counts, key=counts.__getitem__))
        words = [(join(word, learnt[-1]), times) for word, times in words]
    return learnt


def encode(text: str, merges: list[Pair]) -> list[str]:
    word = list(text)
    for pair in merges:
        word = join(word, pair)
    return word


@exercise(claims=("greedy_is_not_shortest",), wrong=("takes_the_longest", "counts_characters"))
def fewest(text: str, vocabulary: set[str]) -> int:
    """The least number of tokens that spell a text; every single character is a token too.

    拼出一段文本最少要几个 token；每个单字符也都是 token。"""
    best = [0] + [math.inf] * len(text)                          # best[i]: for the first i characters
    for end in range(1, len(text) + 1):
        for start in range(end):
            if end - start == 1 or text[start:end] in vocabulary:
                best[end] = min(best[end], best[start] + 1)      # one token more than up to its start
    return int(best[-1])


@exercise(claims=("dropout_gives_several_segmentations",), wrong=("tries_again", "keeps"))
def encode_with_dropout(word: list[str], merges: list[Pair], p: float) -> list[str]:
    """BPE-dropout: at each step every merge that is possible is dropped with probability p, and of
    the rest the earliest learnt is done, at its first place; it ends when none is left.

    BPE-dropout：每一步把每个可行的合并以概率 p 丢弃，对剩下的做最早学到的那个（取第一处）；没有剩下的就结束。"""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        places = [(ranks[pair], i) for i, pair in enumerate(itertools.pairwise(word)) if pair in ranks]
        kept = [place for place in places if torch.rand(()) >= p]          # a fresh draw at each step
        if not kept:
            return word
        i = min(kept)[1]
        word = [*word[:i], word[i] + word[i + 1], *word[i + 2 :]]


def segmentations(text: str) -> list[list[str]]:
    """All 2^(n−1) ways to cut a text."""
    return [[text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
            for r in range(len(text)) for cuts in itertools.combinations(range(1, len(text)), r)]


RANGES = {
    "first": one_of("bc", "ab"), "merges": one_of(0, 60, 80, 100), "encoder": one_of("replay", "longest"),
    "p": between(0.05, 0.3), "samples": between(200, 1000), "dropped": one_of("merges", "none"),
}


@breaks(first="ab", en="Counted ab 20, bc 10, cd 8, ab comes first, and greedy is shortest here.",
        zh="若计数为 ab 20、bc 10、cd 8，ab 先合并，贪心在这里就是最短。")
def claim_greedy_is_not_shortest(first="bc"):
    """From bc ×20, ab ×10, cd ×8 BPE learns three merges and encodes abcd in three tokens, a|bc|d;
    the same vocabulary spells it in two, ab|cd.

    由 bc ×20、ab ×10、cd ×8，BPE 学到三个合并，把 abcd 编成 a|bc|d 三个 token；同一词表两个就够：ab|cd。"""
    counts = {"bc": 20, "ab": 10, "cd": 8} if first == "bc" else {"ab": 20, "bc": 10, "cd": 8}
    merges = train(counts, 3)
    known = {a + b for a, b in merges}
    texts = ["".join(t) for n in range(1, 6) for t in itertools.product("abcd", repeat=n)]
    greedy, least = [len(encode(t, merges)) for t in texts], [fewest(t, known) for t in texts]
    short, two = texts[:340], [known, {"ab", "bcd"}]             # up to four letters
    brute = [min(len(s) for s in segmentations(t) if all(len(x) == 1 or x in v for x in s))
             for v in two for t in short]
    longer = [100 * sum(g > b for g, b, t in zip(greedy, least, texts, strict=True) if len(t) == n)
              / 4**n for n in range(1, 6)]
    show(lines("length", range(1, 6), {"% of texts with more tokens than needed": longer}))
    at = texts.index("abcd")
    expect("tokens of abcd by BPE", greedy[at], equals=3)
    expect("tokens of abcd at least", least[at], equals=2)
    expect("fewest tokens, all cuts tried", [fewest(t, v) for v in two for t in short], equals=brute)


@breaks(merges=0, en="Without merges there are only characters, and a swap moves one.",
        zh="没有合并时只有字符，交换只是换了位置。")
def claim_a_typo_multiplies_tokens(merges=80):
    """With 80 merges learnt on a short text its words are at most 1.5 tokens each on average; two
    neighbouring letters swapped, they are at least three times as many.

    在一段短文本上学 80 个合并后，其中的词平均至多 1.5 个 token；交换两个相邻字母，token 数至少变为三倍。"""
    learnt = train(Counter(word + "·" for word in TEXT.split()), merges)
    right, wrong = [], []
    for word in sorted(set(TEXT.split())):
        swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
        if swaps := sorted(swaps - set(TEXT.split())):
            right.append(len(encode(word + "·", learnt)))
            wrong.append(sum(len(encode(s + "·", learnt)) for s in swaps) / len(swaps))
    words = sorted(w for w in set(TEXT.split()) if len(w) > 1)
    show(bars(words[:8], {"right": right[:8], "two letters swapped": wrong[:8]}, y_label="tokens"))
    expect("tokens per word", sum(right) / len(right), at_most=1.5)
    expect("swapped over right", sum(wrong) / sum(right), at_least=3)


@breaks(encoder="longest", en="Longest match looks a token up as it is and needs no path to it.",
        zh="最长匹配直接查整个 token，不需要中间步骤。")
def claim_stepping_stones_fill_the_vocabulary(encoder="replay"):
    """Of ten merges on low, lower, newest, widest five make tokens that no training word ends up
    with, yet without any one of them the words take more tokens.

    在 low、lower、newest、widest 上的前十个合并里，有五个生成的 token 最终不出现在任何训练词中；但少了其中任一个，
    词就要更多 token。"""
    corpus = {"low·": 5, "lower·": 2, "newest·": 6, "widest·": 3}
    merges = train(corpus, 10)

    def tokens(word: str, using: list[Pair]) -> list[str]:
        if encoder == "replay":
            return encode(word, using)
        known, out = {a + b for a, b in using}, []
        while word:
            n = max((k for k in range(2, len(word) + 1) if word[:k] in known), default=1)
            out, word = [*out, word[:n]], word[n:]
        return out

    used = {token for word in corpus for token in tokens(word, merges)}
    unused = [pair for pair in merges if "".join(pair) not in used]
    whole = sum(n * len(tokens(w, merges)) for w, n in corpus.items())
    longer = [sum(n * len(tokens(w, [m for m in merges if m != pair])) for w, n in corpus.items())
              - whole for pair in unused]
    show(bars(["".join(pair) for pair in unused], {"tokens more without it": longer}))
    expect("tokens that no training word ends up with", len(unused), equals=5)
    expect("tokens more without it", longer, at_least=1)


@breaks(dropped="none", en="Nothing dropped: always the same, one segmentation.",
        zh="什么也不丢：每次都是同一种切分。")
def claim_dropout_gives_several_segmentations(p=0.1, samples=500, dropped="merges"):
    """BPE gives a word one segmentation; BPE-dropout several: a word that three merges build one
    after the other stays whole with probability (1 − p)³.

    BPE 对一个词只有一种切分；BPE-dropout 有多种：由三个合并依次构成的词，以 (1 − p)³ 的概率保持完整。"""
    merges = [("a", "b"), ("ab", "c"), ("abc", "d")]
    used = p if dropped == "merges" else 0.0
    drawn = Counter("|".join(encode_with_dropout(list("abcd"), merges, used)) for _ in range(samples))
    names = ["a|b|c|d", "ab|c|d", "abc|d", "abcd"]
    share = [drawn[name] / samples for name in names]
    exact = [p, p * (1 - p), p * (1 - p) ** 2, (1 - p) ** 3]     # it stops at the k-th drop
    show(bars(names, {"drawn": share, "exact": exact}))
    # five standard errors of a share
    expect("share", share, equals=exact, within=[5 * (e * (1 - e) / samples) ** 0.5 for e in exact],
           at=("segmentation", names))


def drill_greedy_and_fewest(rng) -> Drill:
    """How many tokens does greedy BPE waste on a word?"""
    merges = [("b", "c"), ("a", "b"), ("c", "d")]
    word = "".join(rng.choice(["abcd", "bcd", "abc", "ab", "cd"]) for _ in range(3))
    greedy, least = len(encode(word, merges)), fewest(word, {"bc", "ab", "cd"})
    return Drill(
        en=f"Merges in the order learnt: b+c, a+b, c+d. How many tokens more than necessary does BPE "
           f"use for “{word}”? The single letters are tokens as well.",
        zh=f"按学到的次序，合并为 b+c、a+b、c+d；单个字母也是 token。对 “{word}”，BPE 比最少所需多用几个 token？",
        answer=greedy - least, within=0, proved_by="greedy_is_not_shortest",
        steps=[(f"BPE: {'|'.join(encode(word, merges))}, {greedy} tokens",
                f"BPE：{'|'.join(encode(word, merges))}，{greedy} 个 token"),
               (f"at least {least} are needed: {greedy} − {least} = {greedy - least}",
                f"最少 {least} 个：{greedy} − {least} = {greedy - least}")])


ZH = {
    "% of texts with more tokens than needed": "token 多于所需的文本占比（%）", "length": "长度",
    "tokens of abcd by BPE": "BPE 对 abcd 的 token 数", "tokens of abcd at least": "abcd 最少的 token 数",
    "fewest tokens, all cuts tried": "穷举所有切分的最少 token 数", "right": "正确拼写",
    "two letters swapped": "交换两个字母", "tokens per word": "每词 token 数",
    "swapped over right": "交换后与正确之比", "tokens more without it": "去掉它多出的 token",
    "tokens that no training word ends up with": "不出现在任何训练词中的 token 数", "drawn": "抽样",
    "exact": "精确值", "share": "占比", "segmentation": "切分", "{}|{}": "{}|{}", "abcd": "abcd",
    "es": "es", "est": "est", "lo": "lo", "ne": "ne", "new": "new", "low": "low", "{}·": "{}·",
    "and": "and", "in": "in", "lower": "lower", "lowest": "lowest", "marker": "marker",
    "market": "market", "motion": "motion", "nation": "nation",
}

if __name__ == "__main__":
    main()
