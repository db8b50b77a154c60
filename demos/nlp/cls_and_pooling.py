r"""Masked language modelling never asks [CLS]: without a loss on whole texts its cosine says nothing.

掩码语言模型从不向 [CLS] 提问：没有针对整段文本的损失，它的余弦说明不了什么。

Texts have a topic and a style; both help to fill masks. Turn `sentence_loss` to "none": nothing says which of them cosine
should follow, and a single start may follow the topic or not.
文本有话题也有文体，都有助于填掩码。把 `sentence_loss` 改为 "none"：余弦该跟随哪一个，就没有任何约束，单个初值跟不跟随话题全看运气。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import Adam

LENGTH, WIDTH, STARTS = 12, 16, 4
WORDS, CLS, MASK = 32, 32, 33                                            # 2 topics of 8 words, 4 styles of 4 words


def texts(count: int) -> tuple[Tensor, Tensor]:
    """[CLS], then words of its topic and of its style in turn, some from another one: (count, 1 + LENGTH), and
    the topics (count,)."""
    topic, style = torch.randint(2, (count, 1)), torch.randint(4, (count, 1))
    shape = (count, LENGTH // 2)
    half = torch.where(torch.rand(shape) < 0.85, topic, 1 - topic)
    quarter = torch.where(torch.rand(shape) < 0.9, style, torch.randint(4, shape))
    words = torch.stack((torch.randint(8, shape) + 8 * half, 16 + torch.randint(4, shape) + 4 * quarter), 2)
    return torch.cat((torch.full((count, 1), CLS), words.flatten(1)), 1), topic[:, 0]


class Encoder:
    """Encoders side by side: embeddings, post-norm attention layers, the tied masked-LM head, and a topic head on [CLS].

    Each of the STARTS random starts is there twice: C = 2 · STARTS, the second half with a loss on whole texts."""

    def __init__(self, layers: int) -> None:
        sizes = [(WORDS + 2, WIDTH), (1 + LENGTH, WIDTH), (WIDTH, 2)] + [(WIDTH, WIDTH)] * 4 * layers
        starts = [torch.randn(STARTS, 1, rows, columns) / WIDTH**0.5 for rows, columns in sizes]
        self.weights = [w.repeat(2, 1, 1, 1).requires_grad_() for w in starts]           # (C, 1, rows, columns) each
        self.table, self.place, self.head = self.weights[:3]

    def states(self, ids: Tensor) -> list[Tensor]:
        """What enters each layer, and the final states: (C, B, 1 + LENGTH, WIDTH) each."""
        x = [F.layer_norm(self.table[:, 0, ids] + self.place, (WIDTH,))]
        for i in range(3, len(self.weights), 4):
            q, k, v, o = self.weights[i : i + 4]
            seen = ((x[-1] @ q) @ (x[-1] @ k).transpose(2, 3) / WIDTH**0.5).softmax(-1) @ (x[-1] @ v)
            x.append(F.layer_norm(x[-1] + seen @ o, (WIDTH,)))
        return x

    def loss(self, states: Tensor, ids: Tensor, chosen: Tensor, topic: Tensor, sentence_loss: str) -> Tensor:
        """Masked LM at the chosen places, and with "topic" a sentence-level loss on [CLS] in the second half: each encoder's
        mean, summed over encoders."""
        words = states[:, chosen] @ self.table[:, 0, :WORDS].transpose(1, 2)             # (C, chosen, WORDS)
        loss = len(states) * F.cross_entropy(words.flatten(0, 1), ids[chosen].repeat(len(states)))
        if sentence_loss == "topic":
            topics = states[STARTS:, :, 0] @ self.head[STARTS:, 0]                       # (STARTS, B, 2)
            loss = loss + STARTS * F.cross_entropy(topics.flatten(0, 1), topic.repeat(STARTS))
        return loss


def choose(ids: Tensor) -> Tensor:
    """A quarter of the words; never [CLS]."""
    return (torch.rand(ids.shape) < 0.25) & (ids != CLS)


def pairs(vectors: Tensor, topic: Tensor) -> float:
    """How often two texts on one topic are closer in cosine than two on different ones; ½ is chance."""
    unit = F.normalize(vectors, dim=1)
    cosines, same = unit @ unit.T, topic[:, None] == topic
    upper = torch.ones_like(same).triu(1)
    alike, apart = cosines[same & upper][:500], cosines[~same & upper][:500]
    return float((alike[:, None] > apart).float().mean())


RANGES = {
    "batch": between(60, 200),
    "steps": between(40, 80),
    "sentence_loss": one_of("none", "topic"),
}


@breaks(sentence_loss="topic", en="A loss on whole texts, as next-sentence prediction is one, is what [CLS] is for.",
        zh="针对整段文本的损失（下一句预测就是一种），正是 [CLS] 的用途。")
def claim_masked_lm_never_asks_cls(batch=60, sentence_loss="none"):
    """Every word's final state is asked in some texts, that of [CLS] in none: masked LM trains only what
    [CLS] gives to others.

    每个词的最终状态总在某些文本里被问到，[CLS] 的从不：掩码语言模型只训练 [CLS] 提供给别处的部分。"""
    model, (ids, topic) = Encoder(layers=2), texts(batch)
    chosen = choose(ids)
    states = model.states(ids.masked_fill(chosen, MASK))
    loss = model.loss(states[-1], ids, chosen, topic, sentence_loss)
    first, last = (g[-1] for g in torch.autograd.grad(loss, (states[-2], states[-1])))   # of the last encoder
    asked = (last.abs().sum(2) > 0).float().mean(0)                      # (1 + LENGTH,)
    show(bars(["[CLS]", *map(str, range(1, 1 + LENGTH))], {"asked in this share of texts": asked}))
    expect("share of texts that ask [CLS]", asked[0], equals=0)
    expect("share of texts that ask a word", asked[1:], at_least=0.01, at=("position", range(1, 1 + LENGTH)))
    # Texts of which by chance no word is chosen, 3 % of them, teach nothing.
    expect("share of texts whose [CLS] learns one layer below", (first[:, 0].abs().sum(1) > 0).float().mean(),
           at_least=0.5)


@breaks(sentence_loss="none", en="Both halves are the same then: nothing has ordered the vectors by topic.",
        zh="这样两组模型就一样了：没有什么让向量按话题排列。")
def claim_a_sentence_loss_makes_cosine_work(steps=40, sentence_loss="topic"):
    """After masked LM alone chance decides how far the cosine of [CLS] follows the topic; a loss on whole texts orders
    at least a tenth more of the pairs, over four starts.

    只做掩码语言模型时，[CLS] 的余弦跟随话题到什么程度全凭运气；加上针对整段文本的损失，四个初值平均至少多排对一成的文本对。"""
    model = Encoder(layers=1)
    optimiser = Adam(model.weights if sentence_loss == "topic" else [w for w in model.weights if w is not model.head], lr=0.02)
    for _ in range(steps):
        ids, topic = texts(32)
        chosen = choose(ids)
        states = model.states(ids.masked_fill(chosen, MASK))[-1]
        optimiser.step(model.loss(states, ids, chosen, topic, sentence_loss))
    test, topics = texts(200)
    with torch.no_grad():
        states = model.states(test)[-1]                                  # (C, 200, 1 + LENGTH, WIDTH)
    cls = torch.tensor([pairs(x[:, 0], topics) for x in states]).view(2, STARTS)
    mean = torch.tensor([pairs(x[:, 1:].mean(1), topics) for x in states]).view(2, STARTS)
    show(bars(["[CLS]", "mean"], {name: (cls[half].mean(), mean[half].mean()) for half, name in enumerate(("masked LM", "as set"))},
              title="pairs that cosine orders by topic; 0.5 is chance"))
    # Single starts range from 0.45 to 0.9, so the mean of four from 0.49 to 0.73 (16 seeds).
    expect("pairs ordered by [CLS] after masked LM", cls[0].mean(), at_most=0.8)
    expect("gain by a loss on whole texts", (cls[1] - cls[0]).mean(), at_least=0.1)


ZH = {
    "asked in this share of texts": "被问到的文本比例", "share of texts that ask [CLS]": "向 [CLS] 提问的文本比例",
    "share of texts that ask a word": "向某个词提问的文本比例", "position": "位置", "[CLS]": "[CLS]",
    "share of texts whose [CLS] learns one layer below": "[CLS] 在下一层得到梯度的文本比例",
    "mean": "均值", "masked LM": "掩码语言模型", "as set": "按设定",
    "pairs that cosine orders by topic; 0.5 is chance": "余弦按话题排对的文本对；0.5 为瞎猜",
    "pairs ordered by [CLS] after masked LM": "掩码语言模型之后，[CLS] 排对的比例",
    "gain by a loss on whole texts": "加上整段文本的损失后，排对比例的提高",
}

if __name__ == "__main__":
    main()
