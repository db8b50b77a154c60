r"""A prompt asks the language model with words it knows, so it needs no labels; a new head begins
at chance.

提示用模型认识的词来提问，所以不需要标注；新加的分类头要从随机猜测开始。

Schick & Schütze 2021; Le Scao & Rush 2021; Zhao et al. 2021. A toy: two topics, a bag-of-words model.
Turn `verbaliser` to "same topic": words that do not tell the classes apart answer nothing.
玩具实验：两个主题，词袋语言模型。把 `verbaliser` 改为 "same topic"：分不开类别的词什么也答不出。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

WORDS = 6                                           # per topic; word 0 of a topic is `common` times as frequent


def answer(log_p: Tensor, pair: tuple[int, int], empty: Tensor | None = None) -> Tensor:
    """The class (texts,) whose word is more likely next; log_p is (texts, vocabulary). With `empty`,
    the log-probabilities without a text, each word is divided by how likely it is anyway."""
    score = log_p[:, list(pair)]                                                # (texts, 2)
    if empty is not None:
        score = score - empty[list(pair)]
    return score.argmax(1)


def texts(count: int, common: float, purity: float = 0.75, length: int = 5) -> tuple[Tensor, Tensor]:
    """Word ids (count, length) and topics (count,): each word is of the topic with probability
    `purity`."""
    topic = torch.randint(2, (count,))
    of = topic[:, None] ^ (torch.rand(count, length) > purity).long()
    weight = torch.ones(WORDS)
    weight[0] = common
    return of * WORDS + torch.multinomial(weight, count * length, replacement=True).view(count, length), topic


class Model:
    """A language model that predicts the next word from the bag of up to four before it; it has seen empty texts too."""

    def __init__(self, common: float, width: int = 4, steps: int = 60) -> None:
        words, _ = texts(4096, common)
        self.parts = [torch.randn(2 * WORDS, width) / width**0.5, torch.randn(width, 2 * WORDS) / width**0.5, torch.zeros(2 * WORDS)]
        for p in self.parts:
            p.requires_grad_()
        seen = torch.arange(4) < torch.randint(5, (len(words), 1))              # (texts, 4): the first 0 to 4 words
        bags = (F.one_hot(words[:, :4], 2 * WORDS) * seen[..., None]).float().sum(1)                # (texts, vocabulary)
        adam = Adam(self.parts, lr=0.1)
        for _ in range(steps):
            adam.step(F.cross_entropy(bags @ self.parts[0] @ self.parts[1] + self.parts[2], words[:, 4]))
        self.parts = [p.detach() for p in self.parts]

    def features(self, words: Tensor) -> Tensor:
        """The hidden state (texts, width) after the words (texts, length)."""
        return F.one_hot(words, 2 * WORDS).float().sum(1) @ self.parts[0]

    def __call__(self, words: Tensor) -> Tensor:
        """Log-probabilities (texts, 12) of the next word."""
        return (self.features(words) @ self.parts[1] + self.parts[2]).log_softmax(-1)


def head_accuracy(model: Model, labels: int) -> float:
    """The accuracy of a ridge head on the frozen features, trained on `labels` texts; the mean of
    many draws, more where each scatters more."""
    draws = max(40, 800 // labels)
    words, topic = texts(2000 + draws * labels, 1.0)
    x, y = model.features(words[:, :4]), 2.0 * topic - 1
    x = torch.cat((x / x.std(), torch.ones(len(x), 1)), 1)
    test_x, test_y, x, y = x[:2000], y[:2000], x[2000:].view(draws, labels, -1), y[2000:].view(draws, labels, 1)
    w = torch.linalg.solve(x.mT @ x + torch.eye(x.shape[-1]), x.mT @ y)         # (draws, width + 1, 1)
    return ((test_x @ w)[..., 0].sign() == test_y).float().mean().item()


PAIRS = {"one a topic": (3, WORDS + 3), "same topic": (3, 4)}

RANGES = {
    "labels": each(between(2, 256), at_least=2, rising=True),
    "common": between(6.0, 9.0),
    "verbaliser": one_of("one a topic", "same topic"),
    "calibrated": one_of("yes", "no"),
}
SAME = breaks(verbaliser="same topic", en="Both words belong to one topic, so which is likelier says nothing of the class.",
              zh="两个词属于同一主题，哪个更可能都说明不了类别。")


@SAME
def claim_a_prompt_reaches_bayes_without_labels(verbaliser="one a topic"):
    """In the toy, asking which of two topic words comes next classifies without any label within
    0.03 of Bayes, 0.844.

    玩具实验里，只问两个主题词哪个更可能出现，一个标注也不用，准确率与贝叶斯最优 0.844 相差不到 0.03。"""
    model = Model(1.0)
    words, topic = texts(8000, 1.0)
    right = (answer(model(words[:, :4]), PAIRS[verbaliser]) == topic).float()
    votes = F.one_hot(words[:, :4] // WORDS, 2).sum(1)[:, 1]                    # words of topic 1
    show(lines("words of topic 1", range(5), {"answers topic 1": [
        (answer(model(words[:, :4]), PAIRS[verbaliser]).float()[votes == v]).mean() for v in range(5)]}, y_label="share"))
    bayes = sum(math.comb(4, k) * 0.75**k * 0.25 ** (4 - k) * (0.5 if k == 2 else 1) for k in (2, 3, 4))
    # The share of 8000 texts has a standard deviation of 0.004; the rest is what the model has not learnt.
    expect("accuracy without labels", right.mean(), equals=bayes, within=0.03)


@SAME
def claim_a_new_head_needs_labels(labels=(2, 8, 32, 256), verbaliser="one a topic"):
    """In the toy, a new head on the same frozen features trails the prompt by over 0.05 with two
    labels, and draws level with 256.

    玩具实验里，在同样的冻结特征上新加分类头，两个标注时比提示低 0.05 以上，256 个标注时追平。"""
    model = Model(1.0)
    words, topic = texts(4000, 1.0)
    prompt = (answer(model(words[:, :4]), PAIRS[verbaliser]) == topic).float().mean().item()
    heads = {n: head_accuracy(model, n) for n in sorted({2, 256, *labels})}
    curves = {"new head": [heads[n] for n in labels], "prompt, no label": [prompt] * len(labels)}
    show(lines("labels", labels, curves, log="x", y_label="accuracy"))
    expect("prompt less head with 2 labels", prompt - heads[2], at_least=0.05)
    expect("head with 256 labels less prompt", heads[256] - prompt, equals=0, within=0.05)


@breaks(calibrated="no", en="The commoner word wins whatever the text says.", zh="更常见的词总是胜出，与文本无关。")
def claim_dividing_by_the_prior_removes_label_bias(common=8.0, calibrated="yes"):
    """Where one label word is far more common, answers tip towards it; dividing by its probability
    without a text brings the toy back to within 0.05 of Bayes.

    若一个标签词常见得多，答案就偏向它；除以它在没有文本时的概率，玩具模型就回到与贝叶斯最优相差不到 0.05。"""
    model = Model(common)
    words, topic = texts(8000, common)
    pair = (0, WORDS + 3)                                           # the common word of topic 0, a rare one of topic 1
    log_p = model(words[:, :4])
    empty = model(words[:1, :0])[0]                                 # after no words at all
    plain, divided = answer(log_p, pair), answer(log_p, pair, empty)
    said = divided if calibrated == "yes" else plain
    show(bars(["as asked", "divided by the prior"], {"says topic 0": [(a == 0).float().mean() for a in (plain, divided)],
                                                      "accuracy": [(a == topic).float().mean() for a in (plain, divided)]}))
    expect("share of answers for topic 0 as asked", (plain == 0).float().mean(), at_least=0.9)
    expect("accuracy", (said == topic).float().mean(), equals=0.84375, within=0.05)
    # Texts with two words of either topic, 21 % of all, may go to one side: half of that, and as much for other near ties.
    expect("share of answers for topic 0", (said == 0).float().mean(), equals=0.5, within=0.2)


def drill_calibrate(rng) -> Drill:
    """Two label words, calibrated by hand."""
    a, b, pa, pb = rng.choice([(0.30, 0.10, 0.40, 0.05), (0.24, 0.12, 0.30, 0.10), (0.20, 0.10, 0.10, 0.08), (0.45, 0.15, 0.60, 0.12)])
    good, bad = a / pa, b / pb
    share = bad / (good + bad)
    return Drill(
        en=f"After a prompt “good” has probability {a:g} and “bad” {b:g}; with an empty text {pa:g} and {pb:g}. Divide each by its "
           "probability with the empty text and normalise over the two: what is the share of “bad”?",
        zh=f"提示之后，“good”的概率为 {a:g}，“bad”为 {b:g}；文本为空时分别为 {pa:g} 与 {pb:g}。"
           "各自除以空文本时的概率，再在两者间归一化，“bad”占多少？",
        answer=share, within=0.005,
        steps=[(f"good {a:g}/{pa:g} = {good:.3g}, bad {b:g}/{pb:g} = {bad:.3g}",
                f"good {a:g}/{pa:g} = {good:.3g}，bad {b:g}/{pb:g} = {bad:.3g}"),
               (f"{bad:.3g} / ({good:.3g} + {bad:.3g}) = {share:.2f}", f"{bad:.3g} / ({good:.3g} + {bad:.3g}) = {share:.2f}")],
        proved_by="dividing_by_the_prior_removes_label_bias",
    )


ZH = {
    "words of topic 1": "主题 1 的词数",
    "answers topic 1": "答主题 1",
    "share": "比例",
    "accuracy without labels": "无标注时的准确率",
    "labels": "标注数",
    "new head": "新分类头",
    "prompt, no label": "提示，无标注",
    "accuracy": "准确率",
    "prompt less head with 2 labels": "提示与两个标注的分类头之差",
    "head with 256 labels less prompt": "256 个标注的分类头与提示之差",
    "as asked": "直接问",
    "divided by the prior": "除以先验",
    "says topic 0": "答主题 0",
    "share of answers for topic 0 as asked": "直接问时答主题 0 的比例",
    "share of answers for topic 0": "答主题 0 的比例",
}

if __name__ == "__main__":
    main()
