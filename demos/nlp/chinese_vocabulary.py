r"""What Chinese costs in tokens is what the vocabulary covers: a character that has a piece is one token,
another is its UTF-8 bytes, and words bring the price below one.

中文要花多少 token，取决于词表覆盖了多少：有对应片段的字是一个 token，没有的退回 UTF-8 字节，词再把它压到一以下。

Turn `first` to "rarest": the same number of characters covers little of the text. Turn `merges` to 0: no
words, one token per character. 把 `first` 改为 "rarest"：同样多的字只覆盖很少的文本。把 `merges` 改为 0：没有词，每字一个 token。
"""

import itertools
from collections import Counter

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show

CHINESE = (
    "模型把文本切成词元，再把词元变成向量。",
    "词表越大，同一句话切出的词元越少，嵌入矩阵也越大。",
    "分词器先在语料上统计，再决定哪些片段值得进入词表。",
    "语料里中文越多，词表里的中文片段就越多，同样的文本就越短。",
    "扩充词表之后，新的词元还没有训练过，需要继续预训练。",
    "词元数减半，缓存和计算也大致减半，生成同样的文本就更快。",
    "如果一个字不在词表里，就退回到它的字节，一个汉字占三个字节。",
    "评价一个词表，要看每个字平均切成几个词元，也要看英文文本有没有变长。",
)
ENGLISH = (
    "the model cuts the text into tokens and turns the tokens into vectors",
    "the larger the vocabulary the fewer tokens the same text is cut into",
    "the tokenizer counts the text first and then decides which pieces enter the vocabulary",
    "the more of the text is english the more pieces of the vocabulary are english",
)
UNSEEN = ("中文模型的词表越大，同样的文本切出的词元越少。", "the more tokens the text is cut into the larger the model")


@exercise(claims=("tokens_follow_the_covered_share", "words_bring_it_below_one"),
          wrong=("one_unknown_each", "code_points", "two_bytes_each"))
def with_fallback(text: str, alphabet: set[str]) -> list[str]:
    """Characters of `alphabet` as they are, every other one as its UTF-8 bytes, written "<0xE4>".

    在 alphabet 里的字符原样保留，其余的换成它的 UTF-8 字节，写作 "<0xE4>"。"""
    pieces = []
    for character in text:
        pieces += [character] if character in alphabet else [f"<0x{byte:02X}>" for byte in character.encode()]
    return pieces


def joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    """The word with every neighbour pair made one piece, from the left."""
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def train(lines: dict[str, float], merges: int, alphabet: set[str]) -> list[tuple[str, str]]:
    """BPE's merges: the pair that weighs most becomes one piece, again and again. Lines are split at spaces and weighed."""
    words: Counter[tuple[str, ...]] = Counter()
    for line, weight in lines.items():
        for word in line.split():
            words[tuple(with_fallback(word, alphabet))] += weight
    learnt = []
    while len(learnt) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, weight in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += weight
        if not pairs or max(pairs.values()) <= 0:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))              # ties: the last by code point
        learnt.append(best)
        words = Counter({tuple(joined(list(word), best)): weight for word, weight in words.items()})
    return learnt


def tokens(text: str, merges: list[tuple[str, str]], alphabet: set[str]) -> int:
    """Tokens of a text: fallback, then every merge in the order learnt, within words."""
    count = 0
    for word in text.split():
        pieces = with_fallback(word, alphabet)
        for pair in merges:
            pieces = joined(pieces, pair)
        count += len(pieces)
    return count


RANGES = {
    "covered": between(51, 103), "first": one_of("most frequent", "rarest"), "merges": one_of(0, 60, 80),
    "shares": each(between(0.0, 1.0), at_most=4, rising=True), "mixed": one_of("by share", "evenly"),
}  # fmt: skip


@breaks(first="rarest", en="The rarest characters cover little of the text: it stays near 3.",
        zh="最罕见的字只覆盖一小部分文本：仍接近 3。")
def claim_tokens_follow_the_covered_share(covered=51, first="most frequent"):
    """Where pieces cover a share f of a Chinese text, a character costs f + 3(1 − f) tokens on average; the
    commoner half of the characters brings it under 1.5.

    片段覆盖文本的比例为 f 时，每字平均 f + 3(1 − f) 个 token；只收较常见的一半字，就降到 1.5 以下。"""
    text = "".join(CHINESE)
    often = [c for c, _ in Counter(text).most_common()]
    ranked = often if first == "most frequent" else often[::-1]
    sizes, prices, formula = range(0, len(often) + 1, 10), [], []
    for size in sizes:
        alphabet = set(ranked[:size])
        share = sum(c in alphabet for c in text) / len(text)
        prices.append(len(with_fallback(text, alphabet)) / len(text))
        formula.append(share + 3 * (1 - share))
    show(lines("characters in the vocabulary", sizes, {"tokens per character": prices}))
    expect("tokens per character, less f + 3(1 − f)", [a - b for a, b in zip(prices, formula, strict=True)], equals=0, within=1e-12)
    got = len(with_fallback(text, set(ranked[:covered]))) / len(text)
    expect("tokens per character, covered as asked", got, at_most=1.5)
    expect("tokens per character, nothing covered", prices[0], equals=3)


@breaks(merges=0, en="Without merges a character is a token.", zh="不合并时一个字就是一个 token。")
def claim_words_bring_it_below_one(merges=60):
    """With all characters covered, 60 merges learnt on eight Chinese sentences bring an unseen one
    on the same subject below 0.7 tokens per character.

    所有字都有片段时，在八句中文上学 60 次合并，同一主题的新句子就降到每字 0.7 个 token 以下。"""
    alphabet = set("".join(CHINESE) + UNSEEN[0])
    learnt = train(dict.fromkeys(CHINESE, 1.0), merges, alphabet)
    steps = range(0, len(learnt) + 1, 10)
    curve = [tokens(UNSEEN[0], learnt[:n], alphabet) / len(UNSEEN[0]) for n in steps]
    show(lines("merges", steps, {"unseen sentence": curve}, y_label="tokens per character"))
    expect("tokens per character without merges", curve[0], equals=1)
    expect("tokens per character with all merges", curve[-1], at_most=0.7)
    expect("a further merge adds at most", [b - a for a, b in itertools.pairwise(curve)] or [0.0], at_most=0)


@breaks(mixed="evenly", en="With the same mix every time nothing changes.", zh="每次配比都一样，结果就不会变。")
def claim_the_mix_decides_who_pays(shares=(0.25, 0.5, 0.75), mixed="by share"):
    """With as many merges, more Chinese in the tokenizer's corpus shortens Chinese and lengthens English: the mix decides
    who pays.

    合并次数相同时，分词器语料里的中文越多，中文越短、英文越长：配比决定谁多付 token。"""
    alphabet = set("".join(CHINESE + ENGLISH + UNSEEN))
    prices: dict[str, list[float]] = {"Chinese": [], "English": []}
    size = [sum(map(len, some)) for some in (CHINESE, ENGLISH)]
    shares = (0.0, *(share for share in shares if 0 < share < 1), 1.0)
    for share in shares:
        part = share if mixed == "by share" else 0.5
        corpus = dict.fromkeys(CHINESE, part / size[0]) | dict.fromkeys(ENGLISH, (1 - part) / size[1])
        learnt = train(corpus, 60, alphabet)
        for name, text in zip(prices, UNSEEN, strict=True):
            prices[name].append(tokens(text, learnt, alphabet) / len(text))
    show(lines("share of Chinese", shares, prices, y_label="tokens per character"))
    expect("Chinese shorter by", prices["Chinese"][0] - prices["Chinese"][-1], at_least=0.3)
    expect("English longer by", prices["English"][-1] - prices["English"][0], at_least=0.4)


def drill_tokens(rng) -> Drill:
    """Tokens of a Chinese text under byte fallback."""
    characters, percent = rng.choice([(1000, 80), (500, 60), (2000, 75), (400, 90), (1000, 50), (600, 0)])
    covered = characters * percent // 100
    text = "的" * covered + "龘" * (characters - covered)
    count = len(with_fallback(text, {"的"}))
    return Drill(
        en=f"A Chinese text has {characters:,} characters, each 3 bytes in UTF-8. A vocabulary has pieces for single characters that make "
           f"up {percent} % of the text, and falls back to bytes for the rest. How many tokens?",
        zh=f"一段中文有 {characters:,} 个字，UTF-8 下都是 3 字节。词表里的单字片段占文本的 {percent}%，其余退回字节。一共多少 token？",
        answer=count, within=0,
        steps=[(f"{covered} characters are one token each, {characters - covered} are three",
                f"{covered} 个字各一个 token，{characters - covered} 个字各三个"),
               (f"{covered} + 3 · {characters - covered} = {count:,}",) * 2],
        proved_by="tokens_follow_the_covered_share",
    )


def drill_window(rng) -> Drill:
    """Characters that fit a window."""
    window, percent = rng.choice([(4096, 100), (2048, 50), (4000, 80), (7000, 80), (8192, 50)])
    per = len(with_fallback("的" * percent + "龘" * (100 - percent), {"的"})) / 100
    return Drill(
        en=f"A vocabulary has pieces for single characters that make up {percent} % of Chinese text; the others fall back to 3 bytes each. "
           f"How many characters fit a window of {window:,} tokens?",
        zh=f"词表里的单字片段占中文文本的 {percent}%，其余每字退回 3 个字节。{window:,} 个 token 的窗口装得下多少字？",
        answer=window / per, within=1,
        steps=[(f"tokens per character: {percent / 100:g} + 3 · {1 - percent / 100:g} = {per:g}",
                f"每字 token 数：{percent / 100:g} + 3 · {1 - percent / 100:g} = {per:g}"),
               (f"{window:,} / {per:g} = {window / per:,.0f}",) * 2],
        proved_by="tokens_follow_the_covered_share",
    )


ZH = {
    "characters in the vocabulary": "词表里的字数",
    "tokens per character": "每字 token 数",
    "tokens per character, less f + 3(1 − f)": "每字 token 数减去 f + 3(1 − f)",
    "tokens per character, covered as asked": "按给定字数覆盖时的每字 token 数",
    "tokens per character, nothing covered": "一个字也不覆盖时的每字 token 数",
    "merges": "合并次数",
    "unseen sentence": "没见过的句子",
    "tokens per character without merges": "不合并时的每字 token 数",
    "tokens per character with all merges": "全部合并后的每字 token 数",
    "a further merge adds at most": "再多合并时至多增加",
    "share of Chinese": "中文占比",
    "Chinese": "中文",
    "English": "英文",
    "Chinese shorter by": "中文缩短",
    "English longer by": "英文变长",
}

if __name__ == "__main__":
    main()
