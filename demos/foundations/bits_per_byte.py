r"""Bits per byte compares models on one text whatever their tokens are; perplexity does not.

bits per byte 能在同一文本上比较 token 不同的模型，困惑度不能。

Turn `measure` to "perplexity": the same probabilities, read in tokens of two letters, square it.
把 `measure` 改为 "perplexity"：同样的概率，改成两个字母一个 token，困惑度就变成平方。
"""

import math
from collections import Counter

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show

TEXT = "the cat sat on the mat; the rat sat on the cat; the mat is flat. "
CHINESE = "猫坐在垫子上"


def bits_per_byte(nats: float, text: str) -> float:
    """Bits per byte of UTF-8 for a text on which a model's summed loss, −Σ ln p over its tokens, is `nats`."""
    return nats / math.log(2) / len(text.encode())


@exercise(claims=("perplexity_counts_even_choices", "long_texts_weigh_more"), wrong=("base_two", "of_the_sum"))
def perplexity(losses) -> float:
    """The perplexity of a sequence of token losses in nats: the inverse of the geometric mean probability.

    由一串 token 损失（nats）求困惑度：概率几何平均的倒数。"""
    return math.exp(sum(losses) / len(losses))


def letter_losses(text: str) -> list[float]:
    """−ln p of each character given the one before, by the counts of the text itself plus ½."""
    pairs, alphabet = Counter(zip(text[-1] + text, text, strict=False)), sorted(set(text))
    before = Counter(text[-1] + text[:-1])
    return [-math.log((pairs[a, b] + 0.5) / (before[a] + 0.5 * len(alphabet)))
            for a, b in zip(text[-1] + text, text, strict=False)]


RANGES = {
    "sizes": each(between(1, 8), at_least=2, at_most=5, rising=True), "measure": one_of("bits per byte", "perplexity"),
    "choices": each(between(2, 1000), at_least=2, rising=True), "base": one_of("e", "2"),
    "averaged": one_of("tokens", "texts"), "per": one_of("byte", "character"),
}  # fmt: skip


@breaks(measure="perplexity", en="Perplexity is per token: tokens of two letters square it.",
        zh="困惑度按 token 计：两个字母一个 token，它就变成平方。")
def claim_bits_per_byte_is_the_same_for_every_token_size(sizes=(1, 2, 4), measure="bits per byte"):
    """Read in tokens of 1, 2 or 4 letters, one model of a text has one and the same bits per byte, while
    its perplexity is 4.3, 18 and 275.

    同一个文本模型，按 1、2、4 个字母一个 token 来读，bits per byte 完全相同，而困惑度分别是 4.3、18 与 275。"""
    losses = letter_losses(TEXT)
    byte, per_token = [], []
    for size in sizes:
        tokens = [sum(losses[i : i + size]) for i in range(0, len(losses), size)]  # chain rule: −ln p adds up
        byte.append(bits_per_byte(sum(tokens), TEXT))
        per_token.append(perplexity(tokens))
    show(lines("letters per token", sizes, {"perplexity": per_token, "bits per byte": byte}, log="y"))
    got = byte if measure == "bits per byte" else per_token
    want = sum(losses) / math.log(2) / len(TEXT)                         # every letter here is one byte
    expect(f"{measure} less the bits per letter", [one - want for one in got], equals=0, within=1e-9, at=("size", sizes))
    if tuple(sizes) == (1, 2, 4):
        expect("perplexity in tokens of 1, 2 and 4 letters", per_token, equals=[4.35, 18.1, 275], within=[0.05, 0.1, 1])


@breaks(base="2", en="A loss in nats wants e: 2 to the nats is too small.", zh="以 nats 计的损失要用 e 为底；用 2 会偏小。")
def claim_perplexity_counts_even_choices(choices=(2, 10, 100, 1000), base="e"):
    """A model undecided among V equally likely tokens has perplexity V; for shares 1/2, 1/4, 1/4 it is
    2.83, between two and three choices.

    在 V 个同样可能的 token 之间犹豫的模型，困惑度就是 V；概率为 1/2、1/4、1/4 时是 2.83，介于两个与三个选择之间。"""
    got = [perplexity([math.log(v)] * 5) if base == "e" else 2 ** math.log(v) for v in choices]
    show(lines("equal choices", choices, {"perplexity": got}, log="xy"))
    expect("perplexity over the number of choices", [a / b for a, b in zip(got, choices, strict=True)], equals=1, within=1e-9,
           at=("choices", choices))
    # of eight draws four, two and two; the geometric mean of their probabilities, inverted
    eight = [math.log(2)] * 4 + [math.log(4)] * 4
    expect("perplexity of shares 1/2, 1/4, 1/4", perplexity(eight), equals=(2**4 * 4**4) ** (1 / 8), within=1e-9)


@breaks(averaged="texts", en="A mean of perplexities lets one short, hard text decide.",
        zh="对困惑度取平均，一段又短又难的文本就能左右结果。")
def claim_long_texts_weigh_more(averaged="tokens"):
    """The perplexity of a corpus is e to the mean over all its tokens: 90 tokens at perplexity 10 and 10
    at 1000 make 15.8, not the mean 505.

    语料的困惑度是对所有 token 取平均再取指数：90 个 token 困惑度 10、10 个 token 困惑度 1000，合起来是 15.8，而不是平均的 505。"""
    texts = [[math.log(10)] * 90, [math.log(1000)] * 10]
    whole = perplexity([one for text in texts for one in text])
    mean = sum(perplexity(text) for text in texts) / 2
    show(bars(["over all tokens", "mean of the texts' perplexities"], {"perplexity": [whole, mean]}, log="y"))
    product = 10**90 * 1000**10                                          # 1 / probability of everything
    expect("perplexity", whole if averaged == "tokens" else mean, equals=10**1.2, within=1e-6)  # 120 powers of ten in 100 tokens
    expect("powers of ten in the inverse probability of all", math.log10(product), equals=120, within=1e-9)


@breaks(per="character", en="Per character Chinese looks worse than it is per byte.",
        zh="按字符计，中文看起来比按字节计差得多。")
def claim_a_han_character_has_three_bytes(per="byte"):
    """An even choice among 4,096 Han characters costs 12 bits each: 4 bits per byte, since UTF-8 writes
    each of them in three bytes.

    在 4,096 个汉字中均匀选择，每字 12 比特：每字节 4 比特，因为 UTF-8 每个汉字占三个字节。"""
    nats = len(CHINESE) * math.log(4096)
    got = bits_per_byte(nats, CHINESE)
    per_character = nats / math.log(2) / len(CHINESE)
    show(bars(["per character", "per byte"], {"bits": [per_character, got]}, title=CHINESE))
    expect(f"bits per {per}", got if per == "byte" else per_character, equals=4, within=1e-9)
    expect("bytes of the six characters", len(CHINESE.encode()), equals=18)


def drill_perplexity(rng) -> Drill:
    """Perplexity of a few tokens."""
    inverse = rng.choice([(2, 8), (4, 9), (2, 4, 8), (1, 100), (2, 2, 2, 128), (5, 20)])
    got = perplexity([math.log(one) for one in inverse])
    product, n = math.prod(inverse), len(inverse)
    shares = ", ".join(f"1/{one}" for one in inverse)
    return Drill(
        en=f"A model gave the right tokens of a text the probabilities {shares}. What is its perplexity?",
        zh=f"模型给一段文本中各个正确 token 的概率是 {shares}。困惑度是多少？",
        answer=got, within=0.02,
        steps=[(f"probability of all: 1/{product}", f"全部的概率：1/{product}"),
               (f"inverse geometric mean: {product}^(1/{n}) = {got:.3g}", f"几何平均的倒数：{product}^(1/{n}) = {got:.3g}")],
        proved_by="perplexity_counts_even_choices",
    )


ZH = {
    "letters per token": "每 token 的字母数", "perplexity": "困惑度", "bits per byte": "每字节比特", "size": "字母数",
    "{} less the bits per letter": "{} 减每字母比特数",
    "perplexity in tokens of 1, 2 and 4 letters": "按 1、2、4 个字母一个 token 的困惑度",
    "equal choices": "同样可能的选择数",
    "perplexity over the number of choices": "困惑度与选择数之比", "choices": "选择数",
    "perplexity of shares 1/2, 1/4, 1/4": "概率 1/2、1/4、1/4 的困惑度", "over all tokens": "对所有 token",
    "mean of the texts' perplexities": "各文本困惑度的平均", "powers of ten in the inverse probability of all": "总概率倒数中 10 的幂次",
    "per character": "每字符", "per byte": "每字节", "bits": "比特", "bits per {}": "每 {} 的比特数",
    "byte": "字节", "character": "字符", "bytes of the six characters": "六个字的字节数",
}  # fmt: skip

if __name__ == "__main__":
    main()
