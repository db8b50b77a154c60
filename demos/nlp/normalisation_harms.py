r"""NFKC, SentencePiece's default, makes one string of several that mean different things: x² becomes x2.

NFKC（SentencePiece 的默认规范化）会把含义不同的字符串变成同一个：x² 变成 x2。

Unicode Standard Annex 15. Turn `form` to "NFC": only what is the same character spelt twice is joined.
把 `form` 改为 "NFC"：只合并同一字符的不同编码。
"""

import unicodedata

from studyapp.evidence import Drill, bars, breaks, exercise, expect, main, one_of, show, table

MEANT_APART = (("x²", "x2"), ("10⁹", "109"), ("H₂", "H2"), ("½", "1⁄2"), ("①", "1"), ("ℝ", "R"), ("𝐱", "x"), ("Ⅳ", "IV"),
               ("Ａ１", "A1"), ("ﬁ", "fi"))
SPELT_TWICE = (("\u00e9", "e\u0301"), ("\u212b", "\u00c5"), ("\ud55c", "\u1112\u1161\u11ab"), ("\u03a9", "\u2126"))
SENTENCE = "他问：“分词器（tokenizer）是什么？”答：先切分，再编号；很简单！"


def normal(text: str, form: str) -> str:
    return text if form == "none" else unicodedata.normalize(form, text)


@exercise(claims=("nfkc_makes_one_of_what_is_meant_apart", "nfc_makes_one_of_what_is_spelt_twice"),
          wrong=("counts_all", "against_the_first", "ignores_case"))
def collisions(texts: list[str], form: str) -> list[list[str]]:
    """The groups of different texts that normalisation makes one, in the order they come; use normal(text, form).

    被规范化成同一个字符串的不同文本，按出现次序分组；请用 normal(text, form)。"""
    groups: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):                                    # each text once
        groups.setdefault(normal(text, form), []).append(text)
    return [group for group in groups.values() if len(group) > 1]


RANGES = {"form": one_of("NFKC", "NFC", "none"), "served": one_of("raw", "NFKC"), "against": one_of("NFC", "NFKC")}


@breaks(form="NFC", en="NFC leaves compatibility characters as they are.", zh="NFC 不动兼容字符。")
@breaks(form="none", en="Without normalisation different texts stay different.", zh="不做规范化，不同的文本就仍然不同。")
def claim_nfkc_makes_one_of_what_is_meant_apart(form="NFKC"):
    """NFKC makes x² and x2, 10⁹ and 109, ℝ and R the same text; NFC keeps all ten such pairs apart.

    NFKC 使 x² 与 x2、10⁹ 与 109、ℝ 与 R 成为同一文本；NFC 下这十对都保持不同。"""
    flat = [text for pair in MEANT_APART for text in pair]
    show(table(["text", "meant apart from", "NFKC", "NFC"], [[a, b, normal(a, "NFKC"), normal(a, "NFC")] for a, b in MEANT_APART]))
    expect("pairs that become one", len(collisions(flat, form)), equals=len(MEANT_APART))
    expect("pairs that become one under NFC", len(collisions(flat, "NFC")), equals=0)
    expect("pairs in which the first becomes the second", sum(normal(a, form) == b for a, b in MEANT_APART), equals=len(MEANT_APART))


@breaks(form="none", en="Bytes as they come round-trip, and two spellings stay two.", zh="字节原样保留，可以还原，两种拼法仍是两种。")
def claim_nfc_makes_one_of_what_is_spelt_twice(form="NFC"):
    """NFC joins two encodings of one character, é as one code point or two: a tokenizer with NFC does not give back the bytes
    it was given.

    NFC 合并同一字符的两种编码，例如一个或两个码位的 é：带 NFC 的分词器还原不出原来的字节。"""
    flat = [text for pair in SPELT_TWICE for text in (*pair, *pair)]
    lost = [sum(normal(text, form).encode() != text.encode() for text in pair) for pair in SPELT_TWICE]
    show(bars([normal(a, "NFC") for a, _ in SPELT_TWICE], {"bytes before, first spelling": [len(a.encode()) for a, _ in SPELT_TWICE],
                                                          "bytes before, second spelling": [len(b.encode()) for _, b in SPELT_TWICE]}))
    expect("characters whose two spellings become one", len(collisions(flat, form)), equals=len(SPELT_TWICE))
    expect("spellings of each that do not come back", lost, equals=1)


@breaks(against="NFKC", en="Compared with itself NFKC changes no more.", zh="与自己相比当然不会更多。")
def claim_nfkc_changes_far_more_characters(against="NFC"):
    """Of all Unicode characters NFKC changes every one that NFC changes, and over three times as many.

    在全部 Unicode 字符中，凡 NFC 改动的 NFKC 都改，而且改动的字符是三倍以上。"""
    characters = [chr(i) for i in range(0x30000) if not 0xD800 <= i < 0xE000]      # surrogates are no characters
    moved = {form: {c for c in characters if normal(c, form) != c} for form in ("NFC", "NFKC")}
    show(bars(list(moved), {"characters changed": [len(some) for some in moved.values()]}))
    expect("changed by NFC and not by NFKC", len(moved["NFC"] - moved["NFKC"]), equals=0)
    expect("times as many", len(moved["NFKC"]) / len(moved[against]), at_least=3)


@breaks(served="NFKC", en="Normalised alike, nothing is unknown.", zh="用同样的规范化，就没有未知字符。")
def claim_training_and_serving_must_normalise_alike(served="raw"):
    """A vocabulary made from text under NFKC holds no “，” or “（”, since they became ASCII: served raw, each is three bytes or
    unknown.

    在 NFKC 文本上做的词表里没有“，”“（”，它们都成了 ASCII：使用时不做规范化，每个就成了三个字节或未知符。"""
    alphabet = set(normal(SENTENCE, "NFKC"))
    text = SENTENCE if served == "raw" else normal(SENTENCE, "NFKC")
    unknown = [c for c in text if c not in alphabet]
    kept = [c for c in "。、《》“”" if normal(c, "NFKC") == c]
    show(table(["mark", "under NFKC"], [[c, normal(c, "NFKC")] for c in "，：；！？（）。、《》“”"]))
    expect("marks that the vocabulary lacks", len(unknown), equals=sum(map(SENTENCE.count, "，：；！？（）")))
    expect("bytes of each", [len(c.encode()) for c in unknown] or [0], equals=3)
    expect("marks that NFKC leaves", len(kept), equals=6)


def drill_changed(rng) -> Drill:
    """Which of six texts NFKC changes."""
    pool = [a for a, _ in MEANT_APART] + ["，", "（", "。", "、", "α", "中", "naïve", "x_2", "→", "≤", "a^2", "“"]
    texts = rng.sample(pool, 6)
    moved = [t for t in texts if normal(t, "NFKC") != t]
    listed = ", ".join(moved) or "none"
    return Drill(
        en=f"How many of these texts does NFKC change?  {'   '.join(texts)}",
        zh=f"下列文本中，NFKC 会改变几个？  {'   '.join(texts)}",
        answer=len(moved), within=0,
        steps=[("NFKC replaces compatibility forms: powers, indices, full width, circled, ligatures, letters of another font",
                "NFKC 替换兼容字符：上下标、全角、带圈、连字、其他字体的字母"),
               (f"changed: {listed}", f"改变的：{listed if moved else '没有'}")],
        proved_by="nfkc_makes_one_of_what_is_meant_apart",
    )


ZH = {
    "fi": "fi",
    "text": "文本",
    "meant apart from": "本应不同于",
    "pairs that become one": "变成同一个的对数",
    "pairs that become one under NFC": "NFC 下变成同一个的对数",
    "pairs in which the first becomes the second": "前者正好变成后者的对数",
    "bytes before, first spelling": "第一种编码的字节数",
    "bytes before, second spelling": "第二种编码的字节数",
    "characters whose two spellings become one": "两种编码合为一种的字符",
    "spellings of each that do not come back": "每个字符中还原不了的编码数",
    "characters changed": "改动的字符数",
    "changed by NFC and not by NFKC": "NFC 改而 NFKC 不改的字符",
    "times as many": "倍数",
    "mark": "标点",
    "under NFKC": "NFKC 之后",
    "marks that the vocabulary lacks": "词表里没有的标点",
    "bytes of each": "每个的字节数",
    "marks that NFKC leaves": "NFKC 不动的标点",
}

if __name__ == "__main__":
    main()
