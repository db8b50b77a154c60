r"""Shared n-grams find copied test items, not changed ones; whether a closed model saw a test set shows in the order it prefers.

共有 n-gram 找得到照抄的测试题，找不到改动过的；封闭模型见没见过一个测试集，要看它偏爱题目的哪种次序。

The 13-gram rule of GPT-3 (Brown et al. 2020, App. C); the order test of Oren et al. 2023. Turn `leaked` to "shuffled": the
items were trained on, and the order test says nothing. 把 `leaked` 改为 "shuffled"：题目被训练过，次序检验却看不出来。
"""

import re

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

ITEM = ("A farmer sells 12 crates of apples on Monday, and twice as many on Tuesday. "
        "If each crate holds 30 apples: how many apples were sold altogether?")
COPY = ("a farmer sells 12 crates of apples on monday and twice as many on tuesday "
        "if each crate holds 30 apples how many apples were sold altogether")
VOCABULARY, ITEMS, LENGTH = 500, 30, 8


@exercise(claims=("a_changed_word_hides_an_item",), wrong=("keeps_case_and_marks", "asks_for_one_word"))
def contaminated(document: str, item: str, n: int) -> bool:
    """Whether a document shares a run of n words with an item: lower-cased words of letters and digits, nothing else.

    文档与题目是否有连续 n 个词相同：只看小写的词（字母与数字），其余忽略。"""
    grams = []
    for text in (document, item):
        words = re.findall(r"\w+", text.lower())
        grams.append({tuple(words[i : i + n]) for i in range(len(words) - n + 1)})
    return bool(grams[0] & grams[1])


@exercise(claims=("the_published_order_gives_a_leak_away", "without_a_leak_the_test_is_honest"),
          wrong=("counts_the_less_likely", "forgets_the_order_itself"))
def order_p_value(junction: Tensor, shuffles: Tensor) -> float:
    """The p-value of the published order 0, 1, 2, … of a test set: how many of the orders, itself included, the model finds
    at least as likely. junction[i, j] is the log-probability of item j right after item i, (items, items); shuffles are
    random orders (orders, items).

    测试集公布次序 0, 1, 2, … 的 p 值：连同它自己在内，有多大比例的次序在模型看来至少同样可能。junction[i, j] 是题目 j 紧跟在题目 i
    之后的对数概率，(items, items)；shuffles 是随机次序 (orders, items)。"""
    published = junction.diagonal(1).sum()
    shuffled = junction[shuffles[:, :-1], shuffles[:, 1:]].sum(1)         # (orders,)
    return (1 + int((shuffled >= published).sum())) / (1 + len(shuffles))


def zipf(vocabulary: int) -> Tensor:
    p = 1 / torch.arange(1, vocabulary + 1, dtype=torch.float64)
    return p / p.sum()


def bigram_model(leaked: str, items: Tensor) -> Tensor:
    """Log-probabilities (V, V) of the next word, from 20,000 words of other text and, if leaked, the items once."""
    words = torch.multinomial(zipf(VOCABULARY), 20_000, replacement=True)
    pairs = [torch.stack([words[:-1], words[1:]])]
    if leaked != "no":
        order = torch.arange(len(items)) if leaked == "as published" else torch.randperm(len(items))
        file = items[order].flatten()
        pairs.append(torch.stack([file[:-1], file[1:]]))
    before, after = torch.cat(pairs, 1)
    counts = torch.bincount(before * VOCABULARY + after, minlength=VOCABULARY**2).view(VOCABULARY, VOCABULARY) + 0.1
    return (counts / counts.sum(1, keepdim=True)).log()


def random_items() -> Tensor:
    return torch.multinomial(zipf(VOCABULARY), ITEMS * LENGTH, replacement=True).view(ITEMS, LENGTH)


def p_value(model: Tensor, items: Tensor, orders: int) -> float:
    junction = model[items[:, -1]][:, items[:, 0]]                        # the first word of j after the last of i
    return order_p_value(junction, torch.rand(orders, ITEMS).argsort(1))


RANGES = {
    "words": one_of(14, 20, 25, 27), "pairs": between(100, 140), "words_per_text": between(180, 240),
    "assumed": one_of("Zipf", "uniform"), "leaked": one_of("no", "as published", "shuffled"),
    "orders": between(99, 199), "trials": between(150, 200),
}
NO_LEAK = breaks(leaked="no", en="Without a leak all orders are equally likely to the model.", zh="没有泄漏时，各种次序对模型同样可能。")


@breaks(words=27, en="Of 27 words thirteen stand before the changed one: they are found.", zh="27 个词时，改动之前还有 13 个：找得到。")
def claim_a_changed_word_hides_an_item(words=25):
    """A copied item of 13 words or more shares a 13-gram whatever its case and punctuation; with its middle word changed it
    shares none up to 25 words.

    照抄的题目只要有 13 个词，不论大小写和标点都会共有 13-gram；改动正中间一个词，则 25 个词以内都找不到。"""
    item, copy = " ".join(ITEM.split()[:words]), COPY.split()[:words]
    changed = [*copy[: words // 2], "pears", *copy[words // 2 + 1 :]]
    found = {"copied": contaminated("Solved: " + " ".join(copy) + ".", item, 13),
             "one word changed": contaminated(" ".join(changed), item, 13),
             "unrelated": contaminated("the farmer has sold all of his apples on monday", item, 13)}
    show(table(["document", "shares a 13-gram"], [[k, str(v)] for k, v in found.items()]))
    expect("copy found", float(found["copied"]), equals=1.0)
    expect("changed copy found", float(found["one word changed"]), equals=0.0)
    expect("unrelated text found", float(found["unrelated"]), equals=0.0)
    longest = max(words // 2, words - 1 - words // 2)
    expect("unchanged run, found exactly from 13 on", float(longest >= 13), equals=float(found["one word changed"]))


@breaks(assumed="uniform", en="Words are not equally common: chance matches are far more frequent.",
        zh="词频并不均匀：偶然相同的机会大得多。")
def claim_chance_matches_fall_with_n(pairs=100, words_per_text=200, assumed="Zipf"):
    """Between independent texts each further word makes a chance match rarer by Σp², the probability that two words are equal:
    about 1/34 for 1,000 Zipf words.

    两篇独立文本之间，n 每加一个词，偶然相同的机会就乘以 Σp²（两个词相等的概率）：1000 个 Zipf 词约为 1/34。"""
    p = zipf(1000)
    texts = torch.multinomial(p, 2 * pairs * words_per_text, replacement=True).view(2, pairs, words_per_text)
    equal = texts[0][:, :, None] == texts[1][:, None, :]                  # (pairs, words, words)
    collision = (p * p).sum().item() if assumed == "Zipf" else 1 / 1000
    sizes, measured, expected, run = (1, 2, 3), [], [], equal
    for n in sizes:
        measured.append(int(run.count_nonzero()) / pairs)
        expected.append((words_per_text - n + 1) ** 2 * collision**n)
        run = run[:, :-1, :-1] & equal[:, n:, n:]                         # one word longer
    show(lines("n", sizes, {"shared n-grams": measured, "words² · (Σp²)^n": expected}, log="y"))
    # Means over `pairs` texts; matches come in clumps, so the room is wider than a Poisson count's.
    expect("shared n-grams over the formula", [m / e for m, e in zip(measured, expected, strict=True)], equals=1,
           within=[0.1, 0.2, 0.6], at=("n", sizes))


@NO_LEAK
@breaks(leaked="shuffled", en="The file was seen in another order, and the published one is nothing special.",
        zh="文件以别的次序被见过，公布的次序并不特别。")
def claim_the_published_order_gives_a_leak_away(leaked="as published", orders=99):
    """A model that saw a test file once in its published order finds that order likelier than 99 random ones: p = 0.01.

    模型按公布次序见过一次测试文件，就觉得这个次序比 99 个随机次序都更可能：p = 0.01。"""
    items = random_items()
    model = bigram_model(leaked, items)
    p = p_value(model, items, orders)
    show(bars(["published order"], {"p": [p]}))
    expect("p-value", p, equals=1 / (orders + 1), within=1e-12)           # no shuffled order is as likely


@breaks(leaked="as published", en="With the leak every test set is rejected.", zh="有泄漏时，每个测试集都被拒绝。")
def claim_without_a_leak_the_test_is_honest(leaked="no", orders=99, trials=150):
    """For a model that never saw the items p is uniform: one test set in ten falls below 0.1.

    模型没见过题目时 p 是均匀的：十个测试集里约有一个低于 0.1。"""
    found = []
    model = None
    for _ in range(trials):
        items = random_items()
        if model is None or leaked != "no":
            model = bigram_model(leaked, items)
        found.append(p_value(model, items, orders))
    p = torch.tensor(found, dtype=torch.float64)
    levels = (0.1, 0.3, 0.5, 0.9)
    share = [(p <= one + 1e-9).double().mean() for one in levels]
    show(lines("level", levels, {"share of test sets below": share, "uniform": levels}))
    expect("share below", share, equals=levels, within=[4 * (a * (1 - a) / trials) ** 0.5 for a in levels], at=("level", levels))
    expect("smallest p", p.min(), at_least=1 / (orders + 1) - 1e-12)


@NO_LEAK
def claim_a_shuffled_leak_lowers_the_loss_unseen(leaked="shuffled", orders=99):
    """Items seen in another order have a loss at least 0.3 nats below that of equal items never seen, and over ten test sets the
    order test rejects at most four at 0.05.

    以别的次序见过的题目，损失比没见过的同类题目至少低 0.3 nat；而次序检验在十个测试集里以 0.05 至多拒绝四个。"""
    gaps, rejected = [], 0
    for _ in range(10):
        items, twins = random_items(), random_items()
        model = bigram_model(leaked, items)
        losses = [-model[x[:, :-1], x[:, 1:]].mean().item() for x in (items, twins)]
        gaps.append(losses[1] - losses[0])
        rejected += p_value(model, items, orders) <= 0.05
    show(bars(range(1, 11), {"loss of unseen items less that of seen ones": gaps}, y_label="nats"))
    expect("difference of the losses", gaps, at_least=0.3)
    expect("test sets rejected", rejected, at_most=4)


def drill_grams_left(rng) -> Drill:
    """How many n-grams survive one changed word."""
    words, place, n = rng.choice([(30, 10, 13), (40, 20, 13), (20, 5, 8), (25, 13, 8), (50, 25, 13), (20, 10, 13)])
    left = max(0, place - 1 - n + 1) + max(0, words - place - n + 1)
    return Drill(
        en=f"In a copied item of {words} words the word number {place} is replaced. How many of its {n}-grams still match?",
        zh=f"照抄的题目有 {words} 个词，第 {place} 个词被换掉。还有多少个 {n}-gram 能匹配？",
        answer=left, within=0,
        steps=[(f"before: {place - 1} words give max(0, {place - 1} − {n} + 1) = {max(0, place - n)}",
                f"之前 {place - 1} 个词：max(0, {place - 1} − {n} + 1) = {max(0, place - n)}"),
               (f"after: {words - place} words give {max(0, words - place - n + 1)}; together {left}",
                f"之后 {words - place} 个词：{max(0, words - place - n + 1)}；合计 {left}")],
        proved_by="a_changed_word_hides_an_item",
    )


ZH = {
    "document": "文档", "copied": "照抄的", "one word changed": "改一个词", "unrelated": "无关的",
    "shares a 13-gram": "共有 13-gram", "copy found": "找到照抄的", "changed copy found": "找到改动的",
    "unrelated text found": "误报无关文本", "unchanged run, found exactly from 13 on": "未改动的最长一段，恰从 13 个词起可找到",
    "shared n-grams": "共有 n-gram 数", "words² · (Σp²)^n": "词数² · (Σp²)^n",
    "shared n-grams over the formula": "共有 n-gram 数与公式之比",
    "published order": "公布的次序", "p-value": "p 值", "level": "水平", "share of test sets below": "低于该水平的测试集比例",
    "uniform": "均匀",
    "share below": "低于的比例", "smallest p": "最小的 p", "loss of unseen items less that of seen ones": "没见过的题目的损失减去见过的",
    "nats": "nat", "difference of the losses": "损失之差", "test sets rejected": "被拒绝的测试集",
}

if __name__ == "__main__":
    main()
