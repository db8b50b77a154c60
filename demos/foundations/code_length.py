r"""Cross-entropy is a length: the bits a text takes when it is coded with a model's probabilities.

交叉熵就是长度：用模型的概率给文本编码所需的比特数。

Shannon 1948. Turn `counted` to "entropy": that is the length with the text's own shares, not with another's.
把 `counted` 改为 "entropy"：那是用文本自身比例编码的长度，不是用别人的。
"""

import math
from collections import Counter
from fractions import Fraction

from studyapp.evidence import Drill, bars, breaks, exercise, expect, lines, main, one_of, show

TEXT = "the cat sat on the mat and the rat sat on the hat"
OTHER = "sphinx of black quartz judge my vow and pack my box with five dozen liquor jugs"
LETTERS = " abcdefghijklmnopqrstuvwxyz"


def shares(text: str) -> dict[str, Fraction]:
    """The share of every letter in a text, one occurrence added to each so that none is 0."""
    counts = Counter(text)
    return {c: Fraction(counts[c] + 1, len(text) + len(LETTERS)) for c in LETTERS}


@exercise(claims=("the_coder_needs_the_cross_entropy",), wrong=("nats", "bytes", "mean"))
def ideal_bits(text: str, p: dict) -> float:
    """The bits that a model pays for a whole text: −log₂ p of each character, summed; p[c] is the
    model's probability of character c.

    模型为整段文本付出的比特数：每个字符的 −log₂ p 之和；p[c] 是模型给字符 c 的概率。"""
    return -sum(math.log2(p[c]) for c in text)


def encode(text: str, p: dict) -> str:
    """Arithmetic coding: each character narrows the interval [low, low + width) by its probability; the
    bits are those of a number that marks an interval inside."""
    below = {c: sum((p[b] for b in LETTERS[:i]), Fraction(0)) for i, c in enumerate(LETTERS)}
    low, width = Fraction(0), Fraction(1)
    for c in text:
        low, width = low + width * below[c], width * p[c]
    bits = 1
    while Fraction(math.ceil(low * 2**bits) + 1, 2**bits) > low + width:  # not yet inside
        bits += 1
    return f"{math.ceil(low * 2**bits):0{bits}b}"


def decode(code: str, p: dict, length: int) -> str:
    """The text of so many characters behind a code."""
    at, text = Fraction(int(code, 2), 2 ** len(code)), ""
    for _ in range(length):
        low = Fraction(0)
        for c in LETTERS:                                                # whose share of the interval holds it?
            if at < low + p[c]:
                break
            low += p[c]
        text, at = text + c, (at - low) / p[c]
    return text


RANGES = {
    "counted": one_of("cross-entropy", "entropy"), "direction": one_of("KL(text‖model)", "KL(model‖text)"),
    "model": one_of("another text's letters", "its own letters", "all letters alike"),
    "joined": one_of("logarithms add", "code words in whole bits"),
}  # fmt: skip

MODELS = {"another text's letters": shares(OTHER), "its own letters": shares(TEXT),
          "all letters alike": dict.fromkeys(LETTERS, Fraction(1, len(LETTERS)))}


def entropy_bits() -> float:
    """The least bits per character that fixed letter probabilities can reach on the text."""
    n = len(TEXT)
    return -sum(k / n * math.log2(k / n) for k in Counter(TEXT).values())


@breaks(counted="entropy", model="another text's letters", en="Coded with another text's shares it takes more than its entropy.",
        zh="用另一段文本的比例编码，长度超过它自身的熵。")
def claim_the_coder_needs_the_cross_entropy(model="another text's letters", counted="cross-entropy"):
    """An arithmetic coder writes a text in its cross-entropy under the model, at most 2 bits more for the
    whole text, and the decoder reads it back.

    算术编码器写一段文本所用的比特数就是它在模型下的交叉熵，整段至多多 2 比特，并且能原样解码。"""
    lengths = {name: len(encode(TEXT, p)) for name, p in MODELS.items()}
    show(bars(list(MODELS), {"bits": list(lengths.values()), "−log₂ p, summed": [ideal_bits(TEXT, p) for p in MODELS.values()]}))
    p = MODELS[model]
    want = ideal_bits(TEXT, p) if counted == "cross-entropy" else len(TEXT) * entropy_bits()
    expect("bits beyond the ideal length", lengths[model] - want, at_least=0)
    expect("bits above the ideal length", lengths[model] - want, at_most=2)
    expect("characters decoded wrongly", sum(a != b for a, b in zip(decode(encode(TEXT, p), p, len(TEXT)), TEXT, strict=True)),
           equals=0)


@breaks(direction="KL(model‖text)", en="The text is coded, so the average is over its letters.",
        zh="被编码的是文本，所以平均要按文本的字母来取。")
def claim_the_extra_bits_are_the_kl(direction="KL(text‖model)"):
    """Coding with the model's shares q instead of the text's own p costs KL(p‖q) more bits per
    character: cross-entropy is entropy plus KL.

    不用文本自身的比例 p 而用模型的 q 编码，每个字符多花 KL(p‖q) 比特：交叉熵等于熵加 KL。"""
    n = len(TEXT)
    p = {c: k / n for c, k in Counter(TEXT).items()}
    q = {c: float(one) for c, one in MODELS["another text's letters"].items()}
    extra = ideal_bits(TEXT, q) / n - entropy_bits()
    inside = sum(q[c] for c in p)                                        # q on the letters that occur, made to sum to 1
    kl = {"KL(text‖model)": sum(p[c] * math.log2(p[c] / q[c]) for c in p),
          "KL(model‖text)": sum(q[c] / inside * math.log2(q[c] / inside / p[c]) for c in p)}
    show(bars(["entropy of the text", "KL(text‖model)", "cross-entropy"],
              {"bits per character": [entropy_bits(), kl["KL(text‖model)"], ideal_bits(TEXT, q) / n]}))
    expect("extra bits per character less the KL", extra - kl[direction], equals=0, within=1e-9)


@breaks(joined="code words in whole bits", en="A code word of whole bits rounds every likely letter up to one bit.",
        zh="码字按整数比特算，再可能的字符也要进到一个比特。")
def claim_a_sure_letter_costs_a_fraction_of_a_bit(joined="logarithms add"):
    """A letter of probability 0.99 costs 0.0145 bits: a hundred of them take 3 bits in one code, where a
    code word each would take 100.

    概率 0.99 的字符只花 0.0145 比特：100 个连起来编码用 3 比特，每个单独给码字则要 100 比特。"""
    rest = Fraction(1, 100) / (len(LETTERS) - 1)
    p = {c: Fraction(99, 100) if c == "a" else rest for c in LETTERS}
    counts = (1, 10, 50, 100)
    lengths = [len(encode("a" * n, p)) if joined == "logarithms add" else n for n in counts]
    show(lines("letters", counts, {"bits in one code": [len(encode("a" * n, p)) for n in counts], "a word each": counts}, log="xy"))
    expect("bits for a hundred", lengths[-1], at_most=3)
    expect("ideal bits of one letter", ideal_bits("a", p), equals=0.0145, within=5e-5)


def drill_bits(rng) -> Drill:
    """The bits of a short text under a model of powers of two."""
    text = rng.choice(["abac", "aabc", "aaab", "abcd", "aacb", "caab"])
    p = {"a": Fraction(1, 2), "b": Fraction(1, 4), "c": Fraction(1, 8), "d": Fraction(1, 8)}
    got = ideal_bits(text, p)
    costs = " + ".join(f"{-math.log2(p[c]):g}" for c in text)
    return Drill(
        en=f"A model gives a, b, c, d the probabilities 1/2, 1/4, 1/8, 1/8. How many bits does the text “{text}” take?",
        zh=f"模型给 a、b、c、d 的概率为 1/2、1/4、1/8、1/8。文本「{text}」需要多少比特？",
        answer=got, within=0.01,
        steps=[("−log₂ p is 1, 2, 3, 3 bits", "−log₂ p 分别为 1、2、3、3 比特"), (f"{costs} = {got:g}",) * 2],
        proved_by="the_coder_needs_the_cross_entropy",
    )


ZH = {
    "another text's letters": "另一段文本的字母比例", "its own letters": "自身的字母比例", "all letters alike": "所有字母一样",
    "bits": "比特", "−log₂ p, summed": "−log₂ p 之和", "bits beyond the ideal length": "超出理想长度的比特数（下界）",
    "bits above the ideal length": "超出理想长度的比特数（上界）", "characters decoded wrongly": "解码错的字符数",
    "entropy of the text": "文本的熵", "KL(text‖model)": "KL(文本‖模型)", "cross-entropy": "交叉熵",
    "bits per character": "每字符比特", "extra bits per character less the KL": "每字符多花的比特减 KL", "letters": "字符数",
    "bits in one code": "连起来编码的比特", "a word each": "每个单独码字", "bits for a hundred": "一百个字符的比特数",
    "ideal bits of one letter": "一个字符的理想比特数",
}  # fmt: skip

if __name__ == "__main__":
    main()
