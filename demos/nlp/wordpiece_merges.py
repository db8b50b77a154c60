r"""WordPiece as it is told: merge by frequency over the product of the parts, encode by longest match.

通常所说的 WordPiece：按“对的频次除以两部分频次之积”合并，编码时取最长匹配。

The score is the common reconstruction (Hugging Face course, chapter 6.6); the trainer behind BERT was not published.
Turn `ranked` to "score": it does not choose the merge that raises the likelihood of the text most.
把 `ranked` 改为 "score"：它选的并不是使语料似然提高最多的合并。
"""

import itertools
import math
import unicodedata
from collections import Counter

from studyapp.evidence import Drill, bars, breaks, exercise, expect, main, one_of, show, table

Pair = tuple[str, str]
WORDS = {("h", "##u", "##g"): 10, ("p", "##u", "##g"): 5, ("p", "##u", "##n"): 12, ("b", "##u", "##n"): 4,
         ("h", "##u", "##g", "##s"): 5}                              # the course's corpus
BERT = {"un", "happiness", "##ha", "##pp", "##iness"}                # pieces of bert-base-uncased; ##happiness is not
LETTERS = {mark + c for c in "abcdefghijklmnopqrstuvwxyz" for mark in ("", "##")}


def symbol_counts(words: dict[tuple[str, ...], int]) -> Counter[str]:
    return Counter({s: sum(n * w.count(s) for w, n in words.items()) for w in words for s in w})


def pair_counts(words: dict[tuple[str, ...], int]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in itertools.pairwise(word):
            counts[pair] += times
    return counts


@exercise(claims=("score_and_count_choose_differently",), wrong=("divides_by_the_sum", "counts_each_word_once"))
def scores(words: dict[tuple[str, ...], int]) -> dict[Pair, float]:
    """For each pair of neighbours: how often it occurs over the product of how often its two parts occur, words
    weighted by their counts.

    每个相邻对的得分：它的频次除以两部分频次之积；词按出现次数加权。"""
    single, double = symbol_counts(words), pair_counts(words)
    return {(a, b): n / (single[a] * single[b]) for (a, b), n in double.items()}


@exercise(claims=("longest_match_and_whole_words_unknown",),
          wrong=("gives_unk_for_the_piece", "takes_the_shortest", "forgets_the_marks"))
def encode(word: str, vocabulary: set[str]) -> list[str]:
    """Longest match from the left; pieces inside a word carry ##. Where nothing matches, the whole word is [UNK].

    从左做最长匹配；词内的片段带 ##。某处匹配不上时，整个词是 [UNK]。"""
    pieces: list[str] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        ends = (e for e in range(len(word), start, -1) if mark + word[start:e] in vocabulary)   # longest first
        end = next(ends, None)
        if end is None:
            return ["[UNK]"]                                         # not only the piece
        pieces.append(mark + word[start:end])
        start = end
    return pieces


def merged(words: dict[tuple[str, ...], int], pair: Pair) -> dict[tuple[str, ...], int]:
    """The words with a pair joined."""
    out = {}
    for word, times in words.items():
        symbols: list[str] = []
        for s in word:
            if symbols and (symbols[-1], s) == pair:
                symbols[-1] += s.removeprefix("##")
            else:
                symbols.append(s)
        out[tuple(symbols)] = times
    return out


def log_likelihood(words: dict[tuple[str, ...], int]) -> float:
    """Of the corpus under its own unigram frequencies: Σ n ln(n/N), in nats."""
    counts = symbol_counts(words)
    total = sum(counts.values())
    return sum(n * math.log(n / total) for n in counts.values())


def gain_by_formula(a: int, b: int, both: int, total: int) -> float:
    """The gain of a merge from four counts: only its parts, itself and the total change."""
    def f(x: int) -> float:
        return x * math.log(x) if x else 0.0

    return f(both) + f(a - both) + f(b - both) - f(a) - f(b) - f(total - both) + f(total)


def strip(text: str) -> str:
    """BERT uncased's normaliser: small letters, no accents, single spaces between words."""
    plain = unicodedata.normalize("NFD", text.lower())
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Mn").split())


RANGES = {
    "divided": one_of("by both", "not"), "ranked": one_of("count", "score"),
    "unknown": one_of("whole word", "character"), "texts": one_of("any", "plain"),
}


@breaks(divided="not", en="Undivided, the score is the count, and BPE's pair is first.",
        zh="不除以任何东西，得分就是频次，最先的是 BPE 的那一对。")
def claim_score_and_count_choose_differently(divided="by both"):
    """On hug ×10, pug ×5, pun ×12, bun ×4, hugs ×5 BPE joins u+g, seen 20 times; the WordPiece score joins g+s:
    5/(20·5) = 0.05 against 20/(36·20) = 0.028.

    在 hug ×10、pug ×5、pun ×12、bun ×4、hugs ×5 上，BPE 合并出现 20 次的 u+g；WordPiece 得分选的是 g+s：
    5/(20·5) = 0.05，而 u+g 是 20/(36·20) = 0.028。"""
    counts = pair_counts(WORDS)
    ranked = scores(WORDS) if divided == "by both" else dict(counts)
    names = [f"{a}+{b}".replace("##", "") for a, b in counts]
    show(table({"pair": names, "count": list(counts.values()), "score": [ranked[p] for p in counts]}))
    expect("pair of the largest count", "+".join(max(counts, key=counts.__getitem__)), equals="##u+##g")
    expect("pair of the largest score", "+".join(max(ranked, key=ranked.__getitem__)), equals="##g+##s")
    expect("scores of u+g and g+s", [ranked["##u", "##g"], ranked["##g", "##s"]], equals=[20 / 720, 0.05], within=1e-12)


@breaks(ranked="score", en="The score's first pair, g+s, has the smallest gain but one.",
        zh="得分排第一的 g+s，似然增益却是倒数第二。")
def claim_the_likelihood_gain_follows_the_count(ranked="count"):
    """The likelihood of the corpus, under its own unigram frequencies, rises most by BPE's merge: by 28.0 nats for
    u+g, by 9.2 for g+s. The score is no likelihood gain.

    在语料自身的 unigram 频率下，似然提高最多的是 BPE 的合并：u+g 提高 28.0 nat，g+s 只有 9.2。该得分并不是似然增益。"""
    before, single, counts = log_likelihood(WORDS), symbol_counts(WORDS), pair_counts(WORDS)
    gain = {p: log_likelihood(merged(WORDS, p)) - before for p in counts}
    formula = [gain_by_formula(single[a], single[b], n, sum(single.values())) for (a, b), n in counts.items()]
    names = [f"{a}+{b}".replace("##", "") for a, b in counts]
    show(bars(names, {"gain in nats": list(gain.values())}))
    order = dict(counts) if ranked == "count" else scores(WORDS)
    chosen = max(order, key=order.__getitem__)
    expect("gain of the chosen merge, less the largest gain", gain[chosen] - max(gain.values()), equals=0)
    expect("gain of u+g", gain["##u", "##g"], equals=28.0, within=0.05)
    expect("gain of g+s", gain["##g", "##s"], equals=9.2, within=0.05)
    # sums of seven terms of size 100
    expect("gain recounted, and by formula", list(gain.values()), equals=formula, within=1e-9)


@breaks(unknown="character", en="With [UNK] for the character alone the rest of the word would be kept.",
        zh="若只把那个字符换成 [UNK]，词的其余部分就还在。")
def claim_longest_match_and_whole_words_unknown(unknown="whole word"):
    """WordPiece takes the longest piece from the left, with BERT's pieces un|##ha|##pp|##iness; one character outside
    the vocabulary makes the whole word [UNK].

    WordPiece 从左取最长的片段，用 BERT 的片段得到 un|##ha|##pp|##iness；只要有一个字符不在词表里，整个词就是 [UNK]。"""
    found = [encode("unhappiness", BERT), encode("unhappiness", BERT | {"##happiness"})]
    show(table({"vocabulary": ["BERT", "BERT and ##happiness"], "unhappiness": ["|".join(f) for f in found]}))
    expect("unhappiness", ["|".join(f) for f in found], equals=["un|##ha|##pp|##iness", "un|##happiness"])
    words = ["happy😀", "naïve", "straße", "日本"]
    lost = []
    for word in words:
        pieces = encode(word, LETTERS)
        if unknown == "character":
            pieces = [p for c in word for p in encode(c, LETTERS)]
        lost.append(pieces == ["[UNK]"])
    expect("words that are [UNK] as a whole", lost, equals=True)


@breaks(texts="plain", en="Small letters without accents, one space between words: nothing is lost.",
        zh="全是小写、没有重音、词间只有一个空格：什么也没丢。")
def claim_uncased_bert_does_not_give_the_text_back(texts="any"):
    """BERT's uncased tokenizer is not reversible: its normaliser drops case, accents and repeated spaces before any
    piece is looked up.

    BERT uncased 的分词不可逆：查词表之前，规范化就丢掉了大小写、重音与重复的空格。"""
    chosen = {"any": ["café  A", "Straße", "résumé", "a\tb"], "plain": ["cafe a", "strasse", "resume", "a b"]}[texts]
    show(table({"text": [t.replace(" ", "_").replace("\t", "\\t") for t in chosen],
                "afterwards": [strip(t).replace(" ", "_") for t in chosen]}))
    expect("texts that come back", sum(strip(t) == t for t in chosen), equals=0)


def drill_score(rng) -> Drill:
    """A score from three counts."""
    both = rng.randint(2, 9)
    a, b = both * rng.randint(1, 4), both * rng.randint(2, 5)
    return Drill(
        en=f"WordPiece score as commonly told: freq(a) = {a}, freq(b) = {b}, freq(ab) = {both}. What is it?",
        zh=f"按通常的说法，WordPiece 得分：freq(a) = {a}，freq(b) = {b}，freq(ab) = {both}。得分是多少？",
        answer=both / (a * b), proved_by="score_and_count_choose_differently",
        steps=[(f"{both} / ({a} · {b}) = {both / (a * b):.4g}", f"{both} / ({a} · {b}) = {both / (a * b):.4g}")])


ZH = {
    "pair": "相邻对", "count": "频次", "score": "得分", "pair of the largest count": "频次最大的对", "{}+{}": "{}+{}",
    "pair of the largest score": "得分最大的对", "scores of u+g and g+s": "u+g 与 g+s 的得分", "##{}": "##{}",
    "gain in nats": "增益（nat）", "gain of the chosen merge, less the largest gain": "所选合并的增益减最大增益",
    "gain of u+g": "u+g 的增益", "gain of g+s": "g+s 的增益", "gain recounted, and by formula": "重新计数的增益与公式",
    "vocabulary": "词表", "BERT and ##happiness": "BERT 加 ##happiness", "unhappiness": "unhappiness",
    "words that are [UNK] as a whole": "整个成为 [UNK] 的词", "text": "文本", "afterwards": "规范化之后",
    "texts that come back": "能还原的文本数", "{}|{}": "{}|{}", "café__A": "café__A", "cafe_a": "cafe_a", "Straße": "Straße",
    "straße": "straße", "résumé": "résumé", "resume": "resume", "a\\tb": "a\\tb", "un": "un",
}

if __name__ == "__main__":
    main()
