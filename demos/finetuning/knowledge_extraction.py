r"""A fact that a model can recite is not yet one that it can be asked for: that takes varied statements.

模型背得出的事实，不等于问得出的事实：后者需要多样的陈述。

A toy after Allen-Zhu & Li 2023 (Physics of Language Models 3.1): people with six facts each, an MLP over
the sum of a name, a tag and all values stated before. Turn `orders` to 0: every biography has the
same order, and the facts behind the first cannot be asked for, whatever SFT follows.
仿 Allen-Zhu 与 Li 2023 的玩具实验：每人六条事实，模型是一个 MLP，输入为名字、标签与此前各值的嵌入之和。把 `orders` 改为 0：
每篇传记次序都相同，排在后面的事实无论怎样 SFT 都问不出来。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

VALUES, WIDTH, HIDDEN = 10, 64, 128


def predict(context: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Logits over all values from the summed embeddings of the context; (…, WIDTH) to (…, facts · VALUES)."""
    return (context @ weights["in"] + weights["bias"]).relu() @ weights["out"]


def orderings(orders: int, people: int, facts: int) -> Tensor:
    """In which order each person's facts are stated, (texts, people, facts): one and the same for all if 0."""
    if orders == 0:
        return torch.arange(facts).expand(1, people, facts)
    return torch.rand(orders, people, facts).argsort(-1)


def learned(orders: int, people: int, facts: int, steps: int) -> dict[str, Tensor | float]:
    """Pre-train on biographies, then SFT on questions about half of the people; accuracies of recital and of answers."""
    def new(*shape: int, scale: float = 0.5) -> Tensor:
        return (scale * torch.randn(*shape)).requires_grad_()

    w = {"name": new(people, WIDTH), "tag": new(facts, WIDTH), "question": new(facts, WIDTH),
         "value": new(facts * VALUES, WIDTH), "in": new(WIDTH, HIDDEN, scale=WIDTH**-0.5), "bias": new(HIDDEN, scale=0.0),
         "out": new(HIDDEN, facts * VALUES, scale=HIDDEN**-0.5)}
    truth = torch.randint(VALUES, (people, facts)) + VALUES * torch.arange(facts)
    texts, half = orderings(orders, people, facts), torch.arange(people) < people // 2

    def recite(order: Tensor) -> tuple[Tensor, Tensor]:
        stated = truth.gather(1, order)                                  # (people, facts)
        value = w["value"][stated]
        before = value.cumsum(1) - value                                 # all values stated so far
        return predict(w["name"][:, None] + w["tag"][order] + before, w), stated

    def answer(who: Tensor) -> tuple[Tensor, Tensor]:
        return predict(w["name"][who, None] + w["question"], w), truth[who]      # the name and the question alone

    def loss(pair: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(pair[0].flatten(0, 1), pair[1].flatten())

    def right(pair: tuple[Tensor, Tensor]) -> Tensor:
        return (pair[0].argmax(-1) == pair[1]).float().mean(0)           # (facts,)

    optimizer = Adam([one for key, one in w.items() if key != "question"], lr=3e-3)
    for step in range(steps):
        optimizer.step(loss(recite(texts[step % len(texts)])))
    with torch.no_grad():
        recital = torch.stack([right(recite(text)).mean() for text in texts]).mean()
    optimizer = Adam([w[key] for key in ("name", "question", "in", "bias", "out")], lr=3e-3)
    for _ in range(50):
        optimizer.step(loss(answer(half)))
    with torch.no_grad():
        return {"recital": recital, "trained": right(answer(half)).mean(), "held out": right(answer(~half))}


RANGES = {"orders": one_of(0, 24), "people": between(95, 120), "facts": one_of(1, 6, 7), "steps": between(120, 160)}
ONE_ORDER = breaks(orders=0, en="In one fixed order a later value hangs on the values before it, not on the name alone.",
                   zh="次序固定时，后面的值依附于前面的值，而不只依附于名字。")
SINGLE = breaks(facts=1, en="A single fact has nothing before it but the name.", zh="只有一条事实时，前面除了名字什么也没有。")


@ONE_ORDER
def claim_varied_orders_make_facts_extractable(orders=24, people=100, facts=6, steps=120):
    """Stated in 24 orders per person, facts of people whose questions were never trained are answered after SFT
    on the others: at least 7 of 10, where guessing gives 1.

    每人的事实以 24 种次序陈述过，对另一半人做 SFT 之后，从未问过的人也答得出：至少十有七，瞎猜只有一。"""
    outcome = learned(orders, people, facts, steps)
    show(lines("place of the fact in the list", range(1, facts + 1), {"answered, held-out people": outcome["held out"]},
               y_label="accuracy"))
    expect("recited in context", outcome["recital"], at_least=0.98)
    expect("answered, mean over the facts", outcome["held out"].mean(), at_least=0.7)


@breaks(orders=24, en="Stated in many orders, every fact also stood behind the name alone.",
        zh="以多种次序陈述时，每条事实都曾直接跟在名字后面。")
@SINGLE
def claim_facts_in_one_order_are_stored_but_not_extractable(orders=0, people=100, facts=6, steps=120):
    """In one fixed order every fact is recited and every trained question answered, yet the last fact of held-out
    people is answered in at most 1 of 2, the first in at least 8 of 10.

    次序固定时，每条事实都背得出，训练过的问题也都答对；但对没问过的人，最后一条事实至多答对一半，第一条至少八成。"""
    outcome = learned(orders, people, facts, steps)
    show(lines("place of the fact in the list", range(1, facts + 1), {"answered, held-out people": outcome["held out"]},
               y_label="accuracy"))
    expect("recited in context", outcome["recital"], at_least=0.98)
    expect("trained questions answered", outcome["trained"], at_least=0.98)
    expect("last fact of held-out people", outcome["held out"][-1], at_most=0.5)
    expect("first fact of held-out people", outcome["held out"][0], at_least=0.8)


@ONE_ORDER
@SINGLE
def claim_one_text_per_person_is_not_enough(orders=24, people=100, facts=6, steps=120):
    """One text per person, even with its own order, leaves at least 15 points to 24 texts: the variation has to be within
    the person.

    每人只有一篇，即使各人次序不同，也比每人 24 篇至少低 15 个百分点：变化要发生在同一个人身上。"""
    found = [learned(o, people, facts, steps)["held out"].mean() for o in (1, orders)]
    show(lines("texts per person", (1, max(orders, 2)), {"answered, held-out people": found}, y_label="accuracy"))
    expect("accuracy with all texts less that with one", found[1] - found[0], at_least=0.15)


ZH = {
    "place of the fact in the list": "事实在列表中的位置", "answered, held-out people": "没问过的人：答对", "accuracy": "准确率",
    "recited in context": "在文中背出", "answered, mean over the facts": "各事实平均答对", "trained questions answered": "训练过的问题答对",
    "last fact of held-out people": "没问过的人的最后一条事实", "first fact of held-out people": "没问过的人的第一条事实",
    "texts per person": "每人的文本数", "accuracy with all texts less that with one": "全部文本与一篇文本的准确率之差",
}

if __name__ == "__main__":
    main()
