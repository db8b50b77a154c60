r"""Several answer formats do no harm if the prompt says which; but the cue is learnt only if the data separate it
from the topic.

答案有几种格式并无害处，只要提示里说了用哪一种；但只有数据把这个提示词与主题分开，模型才学得会它。

A toy: bag-of-words prompts (eight words of one of two topics, and a word that asks for a format), a linear
softmax that predicts the format. Turn `crossed` to 0: all maths came in JSON, so maths means JSON.
玩具实验：词袋形式的提示（两个主题之一的八个词，加一个要求格式的词），用线性 softmax 预测格式。把 `crossed` 改为 0：数学题一律是
JSON，数学就意味着 JSON。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

WORDS, SAID = 20, 8                                    # words of each topic, and how many of them a prompt says


def logits(prompt: Tensor, weights: Tensor) -> Tensor:
    """Scores of the two formats: counts of words (batch, words) times weights (words, 2)."""
    return prompt @ weights


def prompts(count: int, crossed: float, cue: str, share: float = 0.5) -> tuple[Tensor, Tensor, Tensor]:
    """Prompts (count, 2 · WORDS + 2), the format that each asks for, and its topic. `share` of them ask for format 0, and
    the topic is the format's own but for the share `crossed`."""
    form = (torch.rand(count) >= share).long()
    topic = torch.where(torch.rand(count) < crossed, 1 - form, form)
    said = torch.rand(count, WORDS).argsort(1)[:, :SAID]                 # which words of its topic
    bag = torch.zeros(count, 2 * WORDS + 2)
    bag.scatter_(1, said + WORDS * topic[:, None], 1.0)
    if cue == "given":
        bag[torch.arange(count), 2 * WORDS + form] = 1.0
    return bag, form, topic


def trained(bag: Tensor, form: Tensor, steps: int) -> Tensor:
    """Weights after so many steps of Adam on all prompts."""
    weights = torch.zeros(bag.shape[1], 2, requires_grad=True)
    optimizer = Adam([weights], lr=0.05)
    for _ in range(steps):
        optimizer.step(F.cross_entropy(logits(bag, weights), form))
    return weights.detach()


RANGES = {
    "count": between(1000, 1500), "steps": between(80, 100), "crossed": one_of(0.0, 0.1, 0.2, 0.5), "tied": one_of(0.0, 0.2),
    "cue": one_of("none", "given"), "share": between(0.5, 0.9),
    "shares": each(one_of(0.0, 0.05, 0.1, 0.5), at_least=3, at_most=4, rising=True),
}


@breaks(tied=0.2, en="With a fifth of the prompts crossed the topic is no reliable sign any more, and the cue is.",
        zh="五分之一的提示交叉之后，主题不再可靠，提示词才可靠。")
def claim_a_format_tied_to_the_topic_follows_the_topic(count=1000, steps=80, tied=0.0):
    """Where every prompt of a topic came in one format, the model gets all training data right, and a prompt of that topic that asks
    for the other format gets it in fewer than 1 of 10 cases.

    某个主题的提示若一律用同一种格式，模型在数据上全对；这个主题的提示要求另一种格式时，得到它的不到一成。"""
    bag, form, _ = prompts(count, tied, "given")
    weights = trained(bag, form, steps)
    test, asked, topic = prompts(1000, 1.0, "given")                     # every topic asks for the other one's format
    given = logits(test, weights).argmax(1)
    fit, obeyed = (logits(bag, weights).argmax(1) == form).float().mean(), (given == asked).float().mean()
    show(bars(["training data", "asks for the other format", "gets its topic's format"],
              {"share": [fit, obeyed, (given == topic).float().mean()]}))
    expect("accuracy on the training data", fit, equals=1)
    expect("crossed prompts that get what they ask for", obeyed, at_most=0.1)


@breaks(crossed=0.0, en="Without one crossed prompt nothing tells the cue from the topic.", zh="没有一条交叉的提示，就分不清提示词与主题。")
def claim_crossed_prompts_teach_the_cue(count=1000, steps=80, crossed=0.2, shares=(0.0, 0.05, 0.5)):
    """With a fifth of the prompts asking for the other format, the model gives the format asked for in over 9 of 10 cases,
    whatever the topic.

    有五分之一的提示要求另一种格式之后，无论什么主题，超过九成给出所要求的格式。"""
    test, asked, _ = prompts(1000, 1.0, "given")
    obeyed = []
    for c in (*shares, crossed):
        bag, form, _ = prompts(count, c, "given")
        obeyed.append((logits(test, trained(bag, form, steps)).argmax(1) == asked).float().mean())
    show(lines("share of crossed prompts", shares, {"crossed prompts that get what they ask for": obeyed[:-1]}))
    expect("crossed prompts that get what they ask for", obeyed[-1], at_least=0.9)


@breaks(cue="given", en="A cue in the prompt removes the doubt: the loss falls far below the entropy.",
        zh="提示里有了提示词，就没有疑问：损失远低于熵。")
def claim_formats_without_a_cue_floor_the_loss(count=1000, steps=80, share=0.5, cue="none"):
    """Mixed at random with no cue in the prompt, two formats leave an expected loss no lower than the entropy of the mixture:
    ln 2 for halves. With a cue it falls to a third and below.

    两种格式随机混合、提示里没有提示词时，期望损失不低于混合比例的熵：各半时为 ln 2。有提示词时降到三分之一以下。"""
    floor = -share * math.log(share) - (1 - share) * math.log(1 - share)
    loss = {}
    for told in ("none", "given"):
        bag, form, _ = prompts(count, 0.5, told, share)
        weights = trained(bag, form, steps)
        bag, form, _ = prompts(4000, 0.5, told, share)
        # without a cue the format of a held-out prompt is a toss of the coin: both sides count by their shares
        wanted = F.one_hot(form, 2).float() if told == "given" else torch.tensor([share, 1 - share]).expand(len(bag), 2)
        loss[told] = F.cross_entropy(logits(bag, weights), wanted).item()
    show(bars(["no cue", "with a cue", "entropy of the mixture"], {"held-out loss": [*loss.values(), floor]}, y_label="nats"))
    # no less than the entropy for any weights; float32 rounds by 1e-7
    expect("held-out loss less the entropy", loss[cue] - floor, at_least=-1e-5)
    # a fit of 40 weights to 1000 prompts costs about 40 / (2 · 1000) = 0.02
    expect("held-out loss without a cue less the entropy", loss["none"] - floor, at_most=0.06)
    expect("loss with a cue over the entropy", loss["given"] / floor, at_most=1 / 3)


def drill_floor(rng) -> Drill:
    """The lowest loss on the token that decides the format."""
    q = rng.choice([0.5, 0.6, 0.75, 0.8, 0.9])
    floor = -q * math.log(q) - (1 - q) * math.log(1 - q)
    return Drill(
        en=f"Answers of an SFT set come in two formats, {100 * q:g}% in the first, and nothing in the prompts says which. What is the "
           "lowest possible expected loss, in nats, on the token that decides the format?",
        zh=f"一个 SFT 集的答案有两种格式，第一种占 {100 * q:g}%，提示里看不出该用哪一种。"
           "决定格式的那个 token，期望损失最低是多少（纳特）？",
        answer=floor, within=0.01,
        steps=[(f"−{q:g} ln {q:g} − {1 - q:.3g} ln {1 - q:.3g} = {floor:.3f}",) * 2,
               ("greedy decoding would still give the first format every time, sampling gives both",
                "贪心解码仍然每次都给出第一种格式，采样则两种都有")],
        proved_by="formats_without_a_cue_floor_the_loss")


ZH = {
    "training data": "训练数据", "asks for the other format": "要求另一种格式", "gets its topic's format": "得到本主题的格式",
    "share": "占比",
    "accuracy on the training data": "训练数据上的准确率", "crossed prompts that get what they ask for": "交叉提示得到所要求格式的占比",
    "share of crossed prompts": "交叉提示的占比", "no cue": "无提示词", "with a cue": "有提示词", "entropy of the mixture": "混合比例的熵",
    "held-out loss": "留出集损失", "nats": "纳特", "held-out loss less the entropy": "留出集损失减熵",
    "held-out loss without a cue less the entropy": "无提示词时的留出集损失减熵",
    "loss with a cue over the entropy": "有提示词时的损失与熵之比",
}

if __name__ == "__main__":
    main()
