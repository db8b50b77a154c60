r"""Larger tokens make a text shorter and the vocabulary larger; subwords stand between characters and words.

token 越大，序列越短，词表越大；子词介于字符与词之间。

One text, cut in two: tokenizers are trained on the first half and used on the second. Turn `believed` to "r squared":
with 1/r of the tokens a layer does not cost 1/r², only its attention scores do.
把 `believed` 改为 "r squared"：token 少到 1/r，一层的开销并不会降为 1/r²，只有注意力分数那部分才会。
"""

import itertools
import math
from collections import Counter

import torch
from torch.overrides import TorchFunctionMode

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show

TRAIN = ("a reader of a long text does not see letters he sees words and parts of words that he has seen before when a word "
         "is new to him he takes it apart and looks for a part that he knows a model that reads a text does the same the "
         "words that it has often seen are single tokens and a word that is rare is made of parts the parts of a word are "
         "learnt from counts and not from meaning the more parts the model knows the shorter is the text that it reads")
HELD_OUT = ("a longer text of rarer words is read in smaller parts the reader of such a text sees letters again and he reads "
            "more slowly a model that knows only words cannot read a word that is newer than its training text it sees a "
            "mark in place of the word and the meaning is lost parts of words are the known way between letters and words")


def join(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


def train(text: str, merges: int, joined: str = "most frequent") -> list[tuple[str, str]]:
    """Plain BPE on words with a space in front; the wrong way joins the rarest pair."""
    words = Counter(tuple(" " + word) for word in text.split())
    learnt: list[tuple[str, str]] = []
    for _ in range(merges):
        counts: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in itertools.pairwise(word):
                counts[pair] += n
        choose = max if joined == "most frequent" else min
        learnt.append(choose(counts, key=counts.__getitem__))
        words = Counter({join(word, learnt[-1]): n for word, n in words.items()})
    return learnt


def encode(text: str, merges: list[tuple[str, str]]) -> list[str]:
    out: list[str] = []
    for word in text.split():
        symbols = tuple(" " + word)
        for pair in merges:
            symbols = join(symbols, pair)
        out += symbols
    return out


@exercise(claims=("bits_per_byte_do_not_depend_on_the_tokens",), wrong=("forgets_the_natural_logarithm", "divides_by_tokens"))
def bits_per_byte(nats_per_token: float, tokens: int, size: int) -> float:
    """A loss in nats per token as bits per byte of the text: `tokens` tokens spell `size` bytes.

    把每 token 的损失（nat）换算成每字节的比特数：`tokens` 个 token 拼出 `size` 个字节。"""
    nats = nats_per_token * tokens                                # of the whole text
    return nats / math.log(2) / size


class Products(TorchFunctionMode):
    """Counts the FLOPs of the matrix products that run: 2·m·k·n for (m, k) times (k, n)."""

    flops = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func.__name__.strip("_") == "matmul":
            self.flops += 2 * args[0].numel() * args[1].shape[-1]
        return func(*args, **(kwargs or {}))


def layer(tokens: int, width: int) -> int:
    """FLOPs of one Transformer layer, FFN 4 times as wide, full attention; the tensors hold no memory."""
    x, up = torch.empty(tokens, width, device="meta"), torch.empty(width, 4 * width, device="meta")
    weight = torch.empty(width, width, device="meta")
    with Products() as counter:
        q, k, v = x @ weight, x @ weight, x @ weight
        out = ((q @ k.mT).softmax(-1) @ v) @ weight               # n² scores
        (out @ up) @ up.mT
    return counter.flops


RANGES = {
    "merges": each(between(0, 120), at_least=3, at_most=6, rising=True), "joined": one_of("most frequent", "rarest"),
    "vocabulary": one_of("training words", "all words"), "tokens": between(256, 65536, multiple_of=64),
    "width": between(64, 8192, multiple_of=64), "ratio": one_of(2, 4, 8), "believed": one_of("formula", "r squared"),
    "learnt": between(0, 120), "compared": one_of("bits per byte", "nats per token"),
}


@breaks(joined="rarest", en="Joining the rarest pairs makes tokens that the other text does not use.",
        zh="合并最少见的对，造出的 token 在别的文本里用不上。")
def claim_merges_shorten_a_new_text(merges=(0, 30, 60, 120), joined="most frequent"):
    """Each merge adds one token to the vocabulary and none makes a text longer; here 120 merges halve a text that the
    tokenizer has not seen.

    每次合并使词表增加一个 token，任何合并都不会使文本变长；这里 120 次合并使没见过的文本减半。"""
    learnt = train(TRAIN, merges[-1], joined)
    counts = [len(encode(HELD_OUT, learnt[:k])) for k in merges]
    words = len(HELD_OUT.split())
    show(lines("merges", merges, {"tokens": counts, "words": [words] * len(merges)}))
    expect("new tokens in the vocabulary", len({a + b for a, b in learnt}), equals=merges[-1])
    expect("tokens more than before", [b - a for a, b in itertools.pairwise(counts)], at_most=0)
    expect("tokens over words, from 1 on", [c / words for c in counts], at_least=1)
    # of 4.9 characters a word each merge saves a share that falls; 120 leave less than half
    expect("tokens over characters", counts[-1] / counts[0], at_most=1 - 0.5 * min(merges[-1] - merges[0], 120) / 120)


@breaks(vocabulary="all words", en="Only a vocabulary that holds the words of the other text has no unknown ones.",
        zh="只有把另一段文本的词也收进词表，才没有未知词。")
def claim_word_vocabularies_meet_unknown_words(learnt=60, vocabulary="training words"):
    """A quarter or more of the second half's words do not occur in the first: a word vocabulary makes them one unknown
    symbol; characters and BPE spell all.

    后半段的词有四分之一以上没在前半段出现过：词级词表把它们变成同一个未知符号；字符与 BPE 都拼得出来。"""
    known = set((TRAIN if vocabulary == "training words" else TRAIN + " " + HELD_OUT).split())
    words = HELD_OUT.split()
    merges, letters = train(TRAIN, learnt), set("abcdefghijklmnopqrstuvwxyz ")
    base = letters | {a + b for a, b in merges}
    share = {"words": sum(w not in known for w in words) / len(words),
             "BPE": sum(t not in base for t in encode(HELD_OUT, merges)) / len(words),
             "characters": sum(c not in letters for c in HELD_OUT) / len(HELD_OUT)}
    show(bars(list(share), {"share unknown": list(share.values())}))
    expect("unknown words", share["words"], at_least=0.25)
    expect("unknown tokens of BPE and characters", [share["BPE"], share["characters"]], equals=0)


@breaks(believed="r squared", en="At width 4096 and 2,048 characters the layer still costs 0.236 of it, not 1/16.",
        zh="宽 4096、2048 个字符时，一层仍要原来的 0.236，而不是 1/16。")
def claim_a_layer_saves_less_than_r_squared(tokens=2048, width=4096, ratio=4, believed="formula"):
    """With n/r tokens for n a layer needs (6d + n/r)/(r·(6d + n)) of the FLOPs (full attention): near 1/r while n is
    far below 6d; 1/r² holds for the scores alone.

    token 从 n 减到 n/r，一层（全注意力）只需原来 FLOPs 的 (6d + n/r)/(r·(6d + n))：n 远小于 6d 时接近 1/r；1/r² 只对注意力
    分数成立。"""
    shorter = tokens // ratio
    counted = layer(shorter, width) / layer(tokens, width)
    formula = (6 * width + shorter) / (ratio * (6 * width + tokens)) if believed == "formula" else ratio**-2
    lengths = [2**k for k in range(8, 19)]
    share = [(6 * width + n / ratio) / (ratio * (6 * width + n)) for n in lengths]
    show(lines("characters", lengths, {"share of the FLOPs": share, "1/r": [1 / ratio] * 11, "1/r²": [ratio**-2] * 11}, log="x"))
    expect("share of the FLOPs", counted, equals=formula, within=1e-9 * formula)


@breaks(compared="nats per token", en="Per token the loss of longer tokens is larger, though the model is the same.",
        zh="按 token 算，token 越长损失越大，尽管模型是同一个。")
def claim_bits_per_byte_do_not_depend_on_the_tokens(learnt=60, compared="bits per byte"):
    """The same probabilities give another loss per token with other tokens, and the same bits per byte: losses of models
    with different tokenizers are compared per byte.

    同样的概率分布，换一套 token，每 token 的损失就变，每字节比特数不变：分词器不同的模型，损失要按字节比。"""
    text = "".join(" " + word for word in HELD_OUT.split())
    counts = Counter(itertools.pairwise(" " + TRAIN))
    first = Counter(a for a, _ in counts.elements())
    letters = len(set(TRAIN))

    def nats(piece: str, before: str) -> float:                   # of a piece after a character, by a character bigram
        return -sum(math.log((counts[a, b] + 1) / (first[a] + letters)) for a, b in itertools.pairwise(before + piece))

    losses, values = [], []
    for tokens in (list(text), encode(HELD_OUT, train(TRAIN, learnt))):
        ends = [".", *tokens]                                     # what stands before each token
        mean = sum(nats(token, "." if i == 0 else ends[i][-1]) for i, token in enumerate(tokens)) / len(tokens)
        losses.append(mean)
        values.append(bits_per_byte(mean, len(tokens), len(text.encode())))
    show(bars(["characters", "BPE"], {"nats per token": losses, "bits per byte": values}))
    exact = nats(text, ".") / math.log(2) / len(text.encode())    # the whole text as one piece
    # sums of 400 terms in another order
    expect(compared, values if compared == "bits per byte" else losses, equals=exact, within=1e-9)


def drill_layer_cost(rng) -> Drill:
    """What does a layer cost with r times fewer tokens?"""
    width, tokens, r = rng.choice([1024, 2048, 4096]), rng.choice([2048, 4096, 8192, 16384]), rng.choice([2, 4])
    share = (6 * width + tokens // r) / (r * (6 * width + tokens))
    terms = f"({6 * width} + {tokens // r}) / ({r} · ({6 * width} + {tokens})) = {share:.3g}"
    return Drill(
        en=f"A layer of width {width} (FFN 4 times as wide) costs 24nd² + 4n²d FLOPs for n tokens, full attention. A text of "
           f"{tokens} characters becomes {tokens // r} tokens. Which share of the FLOPs remains?",
        zh=f"宽 {width} 的一层（FFN 宽 4 倍）对 n 个 token 需 24nd² + 4n²d FLOPs（全注意力）。{tokens} 个字符的文本变成 "
           f"{tokens // r} 个 token，FLOPs 还剩原来的几分之几（小数）？",
        answer=share, within=0.02 * share, proved_by="a_layer_saves_less_than_r_squared",
        steps=[(f"(6d + n/r) / (r·(6d + n)) = {terms}", f"(6d + n/r) / (r·(6d + n)) = {terms}")])


def drill_bits_per_byte(rng) -> Drill:
    """Nats per token as bits per byte."""
    nats, size = rng.choice([1.8, 2.0, 2.2, 2.5, 2.8]), rng.choice([3.2, 4.0, 4.4, 4.6])
    value = bits_per_byte(nats, 10, round(10 * size))
    return Drill(
        en=f"A model's loss is {nats:g} nats per token, and a token is {size:g} bytes on average. How many bits per byte?",
        zh=f"模型的损失是每 token {nats:g} nat，平均每 token {size:g} 字节。每字节多少比特？",
        answer=value, within=0.01, proved_by="bits_per_byte_do_not_depend_on_the_tokens",
        steps=[(f"{nats:g} / ln 2 / {size:g} = {nats / math.log(2):.3g} / {size:g} = {value:.3g}",
                f"{nats:g} / ln 2 / {size:g} = {nats / math.log(2):.3g} / {size:g} = {value:.3g}")])


ZH = {
    "merges": "合并次数", "words": "词", "tokens more than before": "比之前多的 token 数",
    "new tokens in the vocabulary": "词表里的新 token 数", "characters": "字符",
    "tokens over words, from 1 on": "token 数与词数之比，不小于 1", "tokens over characters": "token 数与字符数之比",
    "share unknown": "未知占比", "unknown words": "未知词占比", "share of the FLOPs": "FLOPs 占比",
    "unknown tokens of BPE and characters": "BPE 与字符的未知 token 占比",
    "nats per token": "每 token 的 nat 数",
    "bits per byte": "每字节比特数",
}

if __name__ == "__main__":
    main()
