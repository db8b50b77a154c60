r"""Labels of words, given to word pieces: the first piece carries it, the others are left out of the loss.

词的标签怎样给到子词：由第一片携带，其余各片不计入损失。

Devlin et al. 2018, §5.3 use the first piece. Turn `given_to` to "every piece": long words count more, and a B- tag begins an
entity at each piece.
BERT（§5.3）取第一片。把 `given_to` 改为 "every piece"：长词的分量更重，而且每一片都成了 B-，各开一个实体。
"""

import torch
import torch.nn.functional as F

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table

IGNORE = -100
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
WORDS = ("Henry", "visited", "Czechoslovakia", "and", "New", "York", "unaccompanied", ".")
LABELS = ("B-PER", "O", "B-LOC", "O", "B-LOC", "I-LOC", "O", "O")
PIECES = (("Henry",), ("visit", "##ed"), ("Czech", "##os", "##lov", "##aki", "##a"), ("and",), ("New",), ("York",),
          ("un", "##ac", "##company", "##ied"), (".",))


@exercise(claims=("each_word_has_one_label", "each_word_counts_once"), wrong=("labels_every_piece", "labels_the_last_piece", "forgets_cls"))
def align(word_ids: list[int | None], labels: list[int]) -> list[int]:
    """The label of each position: that of its word at the word's first piece, IGNORE elsewhere. word_ids holds the
    word of each position, None at [CLS], [SEP] and padding; labels holds one tag per word.

    每个位置的标签：在词的第一片处为该词的标签，其余为 IGNORE。word_ids 给出每个位置属于第几个词，[CLS]、[SEP] 和补齐处为
    None；labels 每个词一个。"""
    aligned, before = [], None
    for word in word_ids:
        aligned.append(IGNORE if word is None or word == before else labels[word])
        before = word
    return aligned


def everywhere(word_ids: list[int | None], labels: list[int]) -> list[int]:
    """A usual shortcut: every piece gets the label of its word."""
    return [IGNORE if word is None else labels[word] for word in word_ids]


GIVEN = {"first piece": align, "every piece": everywhere}

RANGES = {
    "given_to": one_of("first piece", "every piece"),
    "tags": between(2, 30),
}


def sentence() -> tuple[list[str], list[int | None], list[int]]:
    """Pieces between [CLS] and [SEP], the word of each, and the tags of the words."""
    pieces, words = ["[CLS]"], [None]
    for word, parts in enumerate(PIECES):
        pieces += parts
        words += [word] * len(parts)
    return [*pieces, "[SEP]"], [*words, None], [TAGS.index(label) for label in LABELS]


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """(kind, first, last) of each entity in BIO tags: B- begins one, I- of its kind goes on."""
    found: list[tuple[str, int, int]] = []
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append((tag[2:], i, i))
        elif tag.startswith("I-") and found and found[-1][2] == i - 1 and found[-1][0] == tag[2:]:
            found[-1] = (tag[2:], found[-1][1], i)
    return found


@breaks(given_to="every piece", en="Czech ##os ##lov ##aki ##a is five B-LOC: five places for one.",
        zh="Czech ##os ##lov ##aki ##a 成了五个 B-LOC：一个地名变成五个。")
def claim_each_word_has_one_label(given_to="first piece"):
    """Read at first pieces, 8 words cut into 16 pieces have 8 labels and the sentence its three entities.

    只在第一片读取时，切成 16 片的 8 个词有 8 个标签，句子里正好三个实体。"""
    pieces, words, labels = sentence()
    aligned = GIVEN[given_to](words, labels)
    show(table({"piece": pieces, "label": ["–" if a == IGNORE else TAGS[a] for a in aligned]}))
    read = [TAGS[a] for a in aligned if a != IGNORE]
    expect("labels", len(read), equals=len(WORDS))
    expect("labels at [CLS] and [SEP]", sum(aligned[i] != IGNORE for i in (0, -1)), equals=0)
    expect("entities", len(entities(read)), equals=len(entities(list(LABELS))))
    by_hand = [IGNORE if p.startswith(("##", "[")) else None for p in pieces]    # what can be seen from the pieces
    expect("first pieces left out, or later ones labelled",
           sum((h == IGNORE) != (a == IGNORE) for h, a in zip(by_hand, aligned, strict=True)), equals=0)


@breaks(given_to="every piece", en="A word in five pieces weighs five times as much as one in one.",
        zh="切成五片的词，分量是一片的五倍。")
def claim_each_word_counts_once(tags=5, given_to="first piece"):
    """The mean loss over labelled pieces is the mean over words, each once, however many pieces it is cut into.

    对有标签的各片取平均损失，就是对词取平均，每个词各计一次，不论切成几片。"""
    _, words, labels = sentence()
    labels = [label % tags for label in labels]
    logits = torch.randn(len(words), tags, dtype=torch.float64, requires_grad=True)
    aligned = torch.tensor(GIVEN[given_to](words, labels))
    loss = F.cross_entropy(logits, aligned)                              # leaves −100 out
    first = [words.index(w) for w in range(len(WORDS))]
    by_word = torch.stack([-logits[i].log_softmax(0)[labels[w]] for w, i in enumerate(first)]).mean()
    (slope,) = torch.autograd.grad(loss, logits)
    pull = torch.zeros(len(WORDS), dtype=torch.float64)
    for i, word in enumerate(words):
        if word is not None:
            pull[word] += (aligned[i] != IGNORE).double()
    show(bars(WORDS, {"positions with a label": pull}))
    expect("loss less the mean over words", loss - by_word, equals=0, within=1e-12)
    shortcut = [w for w, label in zip(words, everywhere(words, labels), strict=True) if label != IGNORE]
    expect("labels of the word in five pieces, if every piece has one", shortcut.count(2), equals=5)
    expect("positions with a gradient", (slope.abs().sum(1) > 0).sum(), equals=len(WORDS))


def drill_head(rng) -> Drill:
    """The parameters that a task adds to the encoder."""
    width, classes = rng.choice((768, 1024)), rng.choice((2, 3, 5, 9, 20))
    kind, kind_zh = rng.choice((("classify a text into", "把文本分成"), ("tag each word with one of", "给每个词打上标签，共")))
    answer = (width + 1) * classes
    return Drill(
        en=f"An encoder of width {width} is fine-tuned to {kind} {classes} classes, with one linear layer on its states. How many "
           "parameters does the layer have, biases included?",
        zh=f"宽 {width} 的编码器微调后{kind_zh} {classes} 类，只在状态上加一个线性层。这层有多少参数（含偏置）？",
        answer=answer, within=0.5,
        steps=[(f"{width} · {classes} weights and {classes} biases", f"{width} · {classes} 个权重，加 {classes} 个偏置"),
               (f"{width * classes} + {classes} = {answer}", f"{width * classes} + {classes} = {answer}")],
        proved_by="each_word_counts_once")


ZH = {                                                                   # pieces of the sentence stay as they are
    "visit": "visit", "##ed": "##ed", "Czech": "Czech", "##os": "##os", "##lov": "##lov", "##aki": "##aki", "##a": "##a",
    "un": "un", "##ac": "##ac", "##company": "##company", "##ied": "##ied", "Henry": "Henry", "and": "and", "New": "New",
    "York": "York", "visited": "visited", "Czechoslovakia": "Czechoslovakia", "unaccompanied": "unaccompanied",
    "piece": "子词", "label": "标签", "labels": "标签数", "labels at [CLS] and [SEP]": "[CLS] 与 [SEP] 处的标签数", "entities": "实体数",
    "first pieces left out, or later ones labelled": "漏掉的第一片，或有标签的后续片",
    "positions with a label": "有标签的位置数", "loss less the mean over words": "损失与按词平均之差",
    "positions with a gradient": "有梯度的位置数",
    "labels of the word in five pieces, if every piece has one": "每片都标时，切成五片的词的标签数",
}

if __name__ == "__main__":
    main()
