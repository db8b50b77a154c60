r"""What BPE may merge is decided before it: by how the text is cut into pre-tokens.

BPE 能合并什么，在它之前就定了：取决于文本怎样切成 pre-token。

The pattern is GPT-2's for ASCII text (Radford et al. 2019, §2.2); the second stage across spaces is that of
SuperBPE (Liu et al. 2025). Turn `cut` to "spaces": “dog.”, “dog!” and “dog?” become tokens of their own.
把 `cut` 改为 "spaces"：“dog.”“dog!”“dog?” 会各自成为一个 token。
"""

import itertools
import re
from collections import Counter

from studyapp.evidence import bars, between, breaks, exercise, expect, lines, main, one_of, show, table

GPT2 = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
TEXT = ("A dog! The dog? My dog. A dog, a cat and a bird. The cat! By the way, the dog saw a cat. A bird? By the way, "
        "the bird saw the dog. One of the dogs saw one of the cats. By the way, one of the birds sang. Is it a dog? "
        "It is a dog! Is it a cat? It is a cat! It's the dog's bird. The dog's cat isn't the cat's dog. " * 2)
Merges = list[tuple[str, str]]


@exercise(claims=("no_token_mixes_letters_and_punctuation", "merging_across_spaces_shortens"),
          wrong=("splits_at_spaces", "drops_the_spaces"))
def pretokens(text: str) -> list[str]:
    """Cut a text as GPT-2 does (ASCII): runs of letters, of digits or of other marks, each with one space before
    it where there is one; 's, 't and the like apart. Joined, the pieces are the text.

    按 GPT-2 的方式切分（ASCII）：连续的字母、数字或其他符号各成一段，前面若有空格则带一个；'s、't 等单独成段。
    各段拼起来就是原文。"""
    return GPT2.findall(text)


def cut_at_spaces(text: str) -> list[str]:
    """The wrong way: a piece runs from one space to the next."""
    return re.findall(r" ?\S+|\s+", text)


def join(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


def train(pieces: list[str], merges: int, before: Merges | None = None) -> Merges:
    """Plain BPE on pieces; `before` are merges done already. Of equals the pair met first."""
    learnt = list(before or [])
    words = {encode(piece, learnt): n for piece, n in Counter(pieces).items()}
    for _ in range(merges):
        counts: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in itertools.pairwise(word):
                counts[pair] += n
        if not counts:
            break
        learnt.append(max(counts, key=counts.__getitem__))
        words = {join(word, learnt[-1]): n for word, n in words.items()}
    return learnt


def encode(piece: str, merges: Merges) -> tuple[str, ...]:
    word = tuple(piece)
    for pair in merges:
        word = join(word, pair)
    return word


CUTS = {"GPT-2": pretokens, "spaces": cut_at_spaces}
RANGES = {
    "cut": one_of("GPT-2", "spaces"), "merges": between(35, 50), "prefix": one_of("none", "added"),
    "second": one_of("across spaces", "inside words"), "more": between(10, 30), "order": one_of("own", "other"),
}


def mixes(token: str) -> bool:
    """Whether a token holds a letter and a punctuation mark, the apostrophe of 's apart."""
    body = token.strip().replace("'", "")
    return any(c.isalpha() for c in body) and any(not c.isalnum() for c in body)


@breaks(cut="spaces", en="Cut at spaces only, “dog.”, “dog!” and “cat!” become tokens beside “dog” and “cat”.",
        zh="只按空格切，“dog.”“dog!”“cat!” 会在 “dog”“cat” 之外再占 token。")
def claim_no_token_mixes_letters_and_punctuation(merges=40, cut="GPT-2"):
    """Cut by GPT-2's pattern no token mixes letters with punctuation, contractions such as 's apart; cut at spaces
    only, frequent words also fill slots with their punctuation.

    按 GPT-2 的规则切分，没有 token 混合字母与标点（'s 之类的缩写除外）；只按空格切，常见词会连同标点再占去词表位置。"""
    learnt = train(CUTS[cut](TEXT), merges)
    tokens = [a + b for a, b in learnt]
    mixed = [token for token in tokens if mixes(token)]
    show(table({"last merges": [t.replace(" ", "_") for t in tokens[-10:]]}))
    expect("tokens that mix letters and punctuation", len(mixed), equals=0)
    expect("pieces joined", "".join(CUTS[cut](TEXT)) == TEXT, equals=True)


@breaks(prefix="added", en="With a space put before every text, as Llama 2's tokenizer does, the two agree.",
        zh="若像 Llama 2 的分词器那样给每段文本前面补一个空格，两者就相同。")
def claim_a_word_is_another_token_after_a_space(merges=40, prefix="none"):
    """The space belongs to the token that follows it: “dog” at the start of a text and “ dog” inside it are different
    tokens.

    空格归后面的 token：文本开头的 “dog” 与句中的 “ dog” 是不同的 token。"""
    learnt = train(pretokens(TEXT), merges)
    words = ["dog", "cat", "bird", "the", "way", "one"]
    start = [encode((" " if prefix == "added" else "") + word, learnt) for word in words]
    inside = [encode(" " + word, learnt) for word in words]
    show(table({"start": ["|".join(t).replace(" ", "_") for t in start],
                "inside": ["|".join(t).replace(" ", "_") for t in inside]}))
    expect("tokens in common", [len(set(a) & set(b)) == 0 for a, b in zip(start, inside, strict=True)], equals=True)


@breaks(second="inside words", en="Inside words the further merges find only rare pairs.",
        zh="在词内继续合并，只能找到少见的相邻对。")
def claim_merging_across_spaces_shortens(merges=40, more=20, second="across spaces"):
    """Once words are whole, merging across spaces saves more than merging on inside words: on this text a vocabulary of
    the same size needs at least a tenth fewer tokens.

    词都成整词之后，跨空格继续合并比在词内合并省得多：在这段文本上，词表同样大，token 至少少一成。"""
    pieces = pretokens(TEXT)
    words = train(pieces, merges)
    sentences = re.findall(r" ?[^.!?]+[.!?]", TEXT)                  # the second stage may join all in one sentence
    learnt = train(sentences if second == "across spaces" else pieces, more, before=words)
    usual = train(pieces, merges + more)
    texts = sentences if second == "across spaces" else pieces
    counts = range(merges, merges + more + 1)                        # beyond its last merge a curve stays flat
    apart = [sum(len(encode(p, usual[:k])) for p in pieces) for k in counts]
    across = [sum(len(encode(s, learnt[:k])) for s in texts) for k in counts]
    show(lines("merges", counts, {"inside words": apart, "across spaces": across}, y_label="tokens"))
    expect("tokens over those of merges inside words", across[-1] / apart[-1], at_most=0.9)


@breaks(order="own", en="Read with its own tokenizer every text comes back.",
        zh="用自己的分词器来读，每段文本都能还原。")
def claim_ids_mean_nothing_to_another_tokenizer(merges=40, order="other"):
    """Token ids are row numbers: read by a tokenizer trained on other text, even with the same alphabet, none of six
    sentences comes back.

    token id 只是行号：用在别的文本上训练的分词器来读，哪怕字符表相同，六个句子没有一个能还原。"""
    halves = TEXT[: len(TEXT) // 2], " the cats sang. One bird, two dogs? It is the way of the birds! " * 6
    alphabet = sorted(set("".join(halves)))
    rows = [alphabet + [a + b for a, b in train(pretokens(half), merges)] for half in halves]
    tokens = [a + b for a, b in train(pretokens(halves[0]), merges)]
    learnt = train(pretokens(halves[0]), merges)
    back, share = [], []
    for sentence in (" ".join(TEXT.split()[i : i + 8]) for i in range(0, 48, 8)):
        ids = [rows[0].index(t) for piece in pretokens(sentence) for t in encode(piece, learnt)]
        reader = rows[1] if order == "other" else rows[0]
        read = [reader[i] if i < len(reader) else "?" for i in ids]
        back.append("".join(read) == sentence)
        share.append(sum(r == rows[0][i] for r, i in zip(read, ids, strict=True)) / len(ids))
    show(bars([f"{i + 1}" for i in range(6)], {"ids read as the same text": share}))
    expect("sentences that come back", sum(back), equals=0)
    expect("ids are row numbers below the vocabulary size", max(ids), at_most=len(alphabet) + len(tokens) - 1)


ZH = {
    "last merges": "最后的合并", "tokens that mix letters and punctuation": "混合字母与标点的 token 数",
    "pieces joined": "拼回原文", "start": "开头", "inside": "句中", "tokens in common": "没有相同的 token",
    "merges": "合并次数", "inside words": "只在词内", "across spaces": "跨空格",
    "tokens over those of merges inside words": "token 数与只在词内合并之比",
    "ids read as the same text": "读出相同文本的 id 占比", "sentences that come back": "能还原的句子数",
    "ids are row numbers below the vocabulary size": "id 是小于词表大小的行号", "{}|{}": "{}|{}", "_{}": "_{}",
    "dog": "dog", "cat": "cat", "bird": "bird", "the": "the", "way": "way", "one": "one",
}

if __name__ == "__main__":
    main()
