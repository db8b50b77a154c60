r"""BPE joins the most frequent pair of neighbours, again and again; encoding replays the merges.

BPE 反复合并最频繁的相邻对；编码时按学到的次序重放这些合并。

Sennrich et al. 2016, §3.2: the four words are their example; · marks the end of a word. Turn `base`
to "corpus": letters that the corpus lacks become unknown, and the words cannot be restored.
把 `base` 改为 "corpus"：语料中没有的字母成为未知符号，词也无法还原。
"""

import itertools
from collections.abc import Iterable

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

Pair = tuple[str, str]
Word = tuple[str, ...]
CORPUS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
LETTERS = "abcdefghijklmnopqrstuvwxyz·"
BY_HAND = ["e+s", "es+t", "est+·", "l+o", "lo+w", "n+e", "ne+w", "new+est·", "low+·", "w+i"]
UNSEEN = ("lowest", "newer", "wider", "slow", "nest", "west", "tokenizer", "unhappiness", "jazz")


@exercise(claims=("merges_as_counted_by_hand", "replay_equals_lowest_rank_first"),
          wrong=("joins_once", "overlaps"))
def join(word: Word, pair: Pair) -> Word:
    """The symbols of a word with each occurrence of a pair joined, from left to right.

    把词的符号序列中出现的该相邻对从左到右逐个合并。"""
    out, i = [], 0
    while i < len(word):
        two = word[i : i + 2] == pair                        # the pair stands here
        out.append(word[i] + word[i + 1] if two else word[i])
        i += 2 if two else 1                                 # a joined symbol is not used again
    return tuple(out)


@exercise(claims=("merges_as_counted_by_hand",), wrong=("counts_types", "takes_the_last_of_equals"))
def merge_step(words: dict[Word, int]) -> tuple[Pair, int, dict[Word, int]]:
    """One step of training. `words`: how often each word occurs, as a row of symbols. Gives the most
    frequent pair of neighbours (of equals the one met first), its count, and the words joined.

    训练的一步。`words` 给出每个词（符号序列）出现的次数。返回最频繁的相邻对（并列时取先遇到的）、
    它的次数，以及合并之后的词。"""
    counts: dict[Pair, int] = {}
    for word, times in words.items():
        for pair in itertools.pairwise(word):       # neighbours inside the word
            counts[pair] = counts.get(pair, 0) + times       # a frequent word counts more
    best = max(counts, key=counts.__getitem__)               # max keeps the first of equals
    return best, counts[best], {join(word, best): times for word, times in words.items()}


def train(corpus: dict[str, int], merges: int, mark: str = "·") -> list[tuple[Pair, int]]:
    """The merges in the order they are learnt, each with its count; fewer where nothing is left."""
    words, learnt = {tuple(word + mark): times for word, times in corpus.items()}, []
    while len(learnt) < merges and any(len(word) > 1 for word in words):
        pair, count, words = merge_step(words)
        learnt.append((pair, count))
    return learnt


@exercise(claims=("replay_equals_lowest_rank_first", "unseen_words_are_composed"),
          wrong=("replays_backwards", "takes_the_longest_piece"))
def encode(word: Word, merges: list[Pair]) -> Word:
    """The tokens of a word, given as characters: every merge is replayed in the order learnt.

    词（以字符给出）的 token：按学到的次序重放每一次合并。"""
    for pair in merges:
        word = join(word, pair)
    return word


def encode_by_rank(word: Word, merges: list[Pair]) -> Word:
    """The fast form: join the pair of lowest rank that the word has, until it has none."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while known := [p for p in itertools.pairwise(word) if p in ranks]:
        word = join(word, min(known, key=ranks.__getitem__))
    return word


def longest_piece(word: Word, merges: list[Pair]) -> Word:
    """The wrong way: the longest known piece from the left, as WordPiece encodes."""
    known, text, out = {a + b for a, b in merges}, "".join(word), []
    while text:
        size = max((n for n in range(2, len(text) + 1) if text[:n] in known), default=1)
        out.append(text[:size])
        text = text[size:]
    return tuple(out)


ENCODERS = {"replay": encode, "backwards": lambda w, m: encode(w, m[::-1]),
            "longest piece": longest_piece}
RANGES = {
    "merges": between(1, 10), "counted": one_of("words", "types"), "base": one_of("letters", "corpus"),
    "order": one_of("replay", "backwards", "longest piece"), "trials": between(50, 400),
    "limit": one_of("none", "ten merges"),
}


def pieces(tokens: Iterable[str]) -> str:
    return "|".join(tokens)


@breaks(counted="types", en="Each word counted once, l+o is first: the frequent endings lose.",
        zh="每个词只算一次时，最先合并的是 l+o：高频词尾失去了优势。")
def claim_merges_as_counted_by_hand(merges=10, counted="words"):
    """On low ×5, lower ×2, newest ×6, widest ×3 BPE first joins e+s, seen 9 times, then es+t and
    est+·, then l+o.

    在 low ×5、lower ×2、newest ×6、widest ×3 上，BPE 最先合并出现 9 次的 e+s，再合并 es+t 与 est+·，
    然后是 l+o。"""
    learnt = train({w: n if counted == "words" else 1 for w, n in CORPUS.items()}, merges)
    names, counts = [f"{a}+{b}" for (a, b), _ in learnt], [count for _, count in learnt]
    show(bars(names, {"times": counts}))
    expect("merge", names, equals=BY_HAND[:merges])
    expect("times", counts, equals=[9, 9, 9, 7, 7, 6, 6, 6, 5, 3][:merges])
    symbols = {c for word in CORPUS for c in word + "·"} | {a + b for (a, b), _ in learnt}
    expect("tokens: 11 characters and the merges", len(symbols), equals=11 + merges)


@breaks(base="corpus", en="The corpus has no a, h, j, k, p, u or z: they become unknown.",
        zh="语料里没有 a、h、j、k、p、u、z，它们成为未知符号。")
def claim_unseen_words_are_composed(merges=10, base="letters"):
    """Words never seen are composed of known pieces: with all letters in the base there is no
    unknown symbol, and the pieces join back to the word.

    没见过的词由已知的片段拼成：基础符号含全部字母时没有未知符号，片段也能拼回原词。"""
    known = set(LETTERS) if base == "letters" else {c for word in CORPUS for c in word + "·"}
    learnt = [pair for pair, _ in train(CORPUS, merges)]
    rows = [encode(tuple(c if c in known else "?" for c in word + "·"), learnt) for word in UNSEEN]
    show(table({"BPE": [pieces(row) for row in rows], "tokens": [len(row) for row in rows]}))
    expect("unknown symbols", [row.count("?") for row in rows], equals=0)
    expect("joined", ["".join(row) for row in rows], equals=[word + "·" for word in UNSEEN])


@breaks(order="longest piece", en="The longest piece takes “ne” of “nest·”, the replay has “est·”.",
        zh="最长匹配在 “nest·” 中先取 “ne”，重放得到的是 “est·”。")
@breaks(order="backwards", en="Backwards, a merge comes before those that make its parts.",
        zh="倒着重放时，一个合并排在生成其两半的合并之前。")
def claim_replay_equals_lowest_rank_first(trials=200, order="replay"):
    """Replaying all merges in order gives the same tokens as always joining the pair of lowest rank;
    taking the longest piece from the left does not.

    按次序重放全部合并，与每次合并排名最前的相邻对，得到的 token 相同；从左取最长片段则不然。"""
    learnt = [pair for pair, _ in train(CORPUS, 10)]
    drawn = [[LETTERS[c] for c in (3, 4, 8, 11, 13, 14, 17, 18, 19, 22)][int(i)] for i in
             torch.randint(10, (trials * 8,))]                # letters of the corpus
    words = [tuple("nest·"), tuple("newnew·"),
             *((*drawn[i : i + 8], "·") for i in range(0, len(drawn), 8))]
    found = [pieces(ENCODERS[order](word, learnt)) for word in words]
    fast = [pieces(encode_by_rank(word, learnt)) for word in words]
    show(table({"replay": found[:6], "lowest rank first": fast[:6]}))
    expect("tokens", found, equals=fast)


@breaks(limit="ten merges", en="Ten merges leave low· and newest· whole, and the others in pieces.",
        zh="只做十次合并时，low· 与 newest· 成为整词，其余仍是片段。")
def claim_without_a_limit_words_are_memorised(limit="none"):
    """Nothing converges: without a limit BPE goes on until every word of the training text is one
    token.

    并没有什么收敛：不设上限，BPE 会一直合并，直到训练语料的每个词都成为一个 token。"""
    learnt = [pair for pair, _ in train(CORPUS, 10**6 if limit == "none" else 10)]
    lengths = [[len(encode(tuple(w + "·"), learnt[:k])) for k in range(len(learnt) + 1)]
               for w in CORPUS]
    show(lines("merges", range(len(learnt) + 1), dict(zip(CORPUS, lengths, strict=True)),
               y_label="tokens"))
    expect("tokens at the end", [n[-1] for n in lengths], equals=1)


def drill_first_merge(rng) -> Drill:
    """Count the most frequent pair of a tiny corpus."""
    corpus = dict(zip(("low", "lower", "newest", "widest"), rng.sample(range(2, 12), 4), strict=True))
    (a, b), count, _ = merge_step({tuple(w + "·"): n for w, n in corpus.items()})
    text = ", ".join(f"{w} ×{n}" for w, n in corpus.items())
    hold = [f"{w} {n}" for w, n in corpus.items() if a + b in w]
    return Drill(
        en=f"BPE on {text}; characters are the base symbols, · ends each word. How often does the "
           "most frequent pair of neighbours occur?",
        zh=f"BPE 语料：{text}；基础符号是字符，每个词以 · 结尾。最频繁的相邻对出现多少次？",
        answer=count, within=0, proved_by="merges_as_counted_by_hand",
        steps=[(f"pairs are counted with the words' counts; {a}+{b} is in {', '.join(hold)}",
                f"相邻对按词频计数；{a}+{b} 出现在 {'、'.join(hold)}"),
               (f"together {count}", f"合计 {count}")])


def drill_tokens_of_a_word(rng) -> Drill:
    """Replay five merges on a word."""
    merges = [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w"), ("n", "e")]
    word = rng.choice(["lowest", "slowest", "newest", "lowness", "oneness", "nestles", "lonelowest"])
    tokens = encode(tuple(word), merges)
    order = ", ".join(f"{a}+{b}" for a, b in merges)
    return Drill(
        en=f"Merges in the order learnt: {order}. No end mark. How many tokens is “{word}”?",
        zh=f"按学到的次序，合并为：{order}。不加词尾标记。“{word}” 是多少个 token？",
        answer=len(tokens), within=0, proved_by="replay_equals_lowest_rank_first",
        steps=[(f"each merge in turn, everywhere: {pieces(tokens)}",
                f"依次在整个词上做每个合并：{pieces(tokens)}")])


ZH = {
    "{}+{}": "{}+{}", "{}|{}": "{}|{}", "{}·": "{}·", "times": "次数", "merge": "合并", "merges": "合并次数",
    "tokens: 11 characters and the merges": "token 数：11 个字符加合并数",
    "unknown symbols": "未知符号数", "joined": "拼回的词", "replay": "按次序重放",
    "lowest rank first": "每次取排名最前的", "tokens at the end": "最后的 token 数",
    "low": "low", "lower": "lower", "newest": "newest", "widest": "widest",
}

if __name__ == "__main__":
    main()
