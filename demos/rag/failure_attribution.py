r"""A RAG answer is wrong: was the passage missing, or was it there and misread? Asking again with the gold passage tells.

RAG 答错了：是没检索到，还是检索到了却读错？换成标准段落再问一次就知道。

Turn `second_recall` to 0.6: the two systems are the same one. 把 `second_recall` 调到 0.6：两个系统就是同一个。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("every_error_has_one_place", "equal_accuracy_hides_the_place"), wrong=("blames_what_was_not_found", "counts_right_ones",
        "forgets_distraction"))
def attribute(found: Tensor, right: Tensor, right_with_gold: Tensor) -> Tensor:
    """How many wrong answers are due to retrieval (not found, right with the gold passage), to distraction (found, right with the gold
    passage alone), to reading (wrong even with the gold passage). All (questions,) of bool, returns (3,).

    答错的题各归何处：检索（没找到，给标准段落就答对）、干扰（找到了，只给标准段落就答对）、阅读（给了标准段落仍答错）。
    输入都是 (questions,) 的布尔张量，返回 (3,)。"""
    wrong = ~right
    return torch.stack([(wrong & ~found & right_with_gold).sum(), (wrong & found & right_with_gold).sum(),
        (wrong & ~right_with_gold).sum()])


def system(questions: int, recall: float, reading: float, memory: float = 0.0, distraction: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Found, right, and right with the gold passage, for a system with these rates; without the passage it is right with `memory`."""
    found = torch.rand(questions) < recall
    with_gold = torch.rand(questions) < reading
    undisturbed = torch.rand(questions) >= distraction
    by_heart = torch.rand(questions) < memory
    return found, torch.where(found, with_gold & undisturbed, by_heart), with_gold


def blame_the_search(found: Tensor, right: Tensor, right_with_gold: Tensor) -> Tensor:
    """The wrong way: all that was not found is the search's fault, the rest the reader's."""
    return torch.stack([(~right & ~found).sum(), torch.tensor(0), (~right & found).sum()])


RANGES = {"questions": between(4000, 8000), "recall": between(0.55, 0.65), "reading": between(0.85, 0.95), "second_recall": between(0.6,
    0.95),
          "memory": between(0.0, 0.5), "rule": one_of("gold passage", "found or not")}


@breaks(rule="found or not", en="A question that fails with the gold passage too is no fault of the search alone.",
        zh="给了标准段落也答错的题，不能只怪检索。")
def claim_every_error_has_one_place(questions=5000, recall=0.6, reading=0.9, rule="gold passage"):
    """Three counts, of retrieval, distraction and reading, sum to all wrong answers, and agree with a case by case walk.

    检索、干扰、阅读三项之和等于全部错误，且与逐题判断一致。"""
    found, right, with_gold = system(questions, recall, reading, memory=0.2, distraction=0.1)
    got = (attribute if rule == "gold passage" else blame_the_search)(found, right, with_gold)
    walk = [0, 0, 0]
    for f, r, g in zip(found.tolist(), right.tolist(), with_gold.tolist(), strict=True):
        if not r:
            walk[2 if not g else 1 if f else 0] += 1
    show(bars(["retrieval", "distraction", "reading"], {"wrong answers": got, "case by case": walk}))
    expect("wrong answers by place", got, equals=walk)
    expect("sum of the places", got.sum(), equals=int((~right).sum()))


@breaks(second_recall=0.6, en="With the same recall the two systems fail in the same place.", zh="召回率相同，两个系统错在同一处。")
def claim_equal_accuracy_hides_the_place(questions=5000, recall=0.6, reading=0.9, second_recall=0.9):
    """Two systems with equal end-to-end accuracy fail in opposite places: given the gold passage one gains over 25 points, the other few.

    两个系统端到端准确率相同，出错的地方相反：给标准段落后，一个提高 25 个百分点以上，另一个只提高一点。"""
    second_reading = recall * reading / second_recall
    systems = [system(questions, recall, reading), system(questions, second_recall, second_reading)]
    ends = torch.stack([right.double().mean() for _, right, _ in systems])
    golds = torch.stack([gold.double().mean() for _, _, gold in systems])
    places = torch.stack([attribute(*s).double() / questions for s in systems])
    show(bars(["weak search", "weak reader"], {"accuracy": ends, "with the gold passage": golds, "errors of retrieval": places[:, 0]}))
    error = 5 * (2 * 0.25 / questions) ** 0.5                                   # five standard errors of a difference of two shares
    expect("difference of the accuracies", ends[0] - ends[1], equals=0, within=error)
    expect("gain by the gold passage, first less second system", (golds - ends)[0] - (golds - ends)[1], at_least=0.15)
    expect("gain by the gold passage, first system", (golds - ends)[0], at_least=0.25)


@breaks(memory=0.0, en="A model that knows nothing by heart is right only where the passage was found.",
        zh="什么都不记得的模型，只有找到段落才答对。")
def claim_memory_flatters_the_search(questions=5000, recall=0.6, reading=0.9, memory=0.4):
    """Where the model knows answers by heart, accuracy exceeds recall × reading by (1 − recall) × memory: ask closed-book as well.

    模型凭记忆就知道答案时，准确率比 召回率 × 阅读率 高出 (1 − 召回率) × 记忆率：所以还要测闭卷。"""
    memories = [0.0, memory / 2, memory]
    accuracy = [system(questions, recall, reading, m)[1].double().mean() for m in memories]
    want = [recall * reading + (1 - recall) * m for m in memories]
    show(lines("known by heart", memories, {"accuracy": accuracy, "recall · reading + (1 − recall) · memory": want}))
    expect("accuracy", accuracy, equals=want, within=5 * (0.25 / questions) ** 0.5, at=("known by heart",
        memories))   # five standard errors
    expect("accuracy beyond recall · reading", accuracy[-1] - recall * reading, at_least=0.05)


def drill_accuracy(rng) -> Drill:
    """Accuracy from recall, reading and memory."""
    recall, reading, memory = rng.choice([(0.8, 0.9, 0.2), (0.6, 0.9, 0.3), (0.7, 0.8, 0.1), (0.9, 0.7, 0.4)])
    value = recall * reading + (1 - recall) * memory
    return Drill(
        en=f"The passage is found for {recall:.0%} of the questions. "
           f"With it the model is right in {reading:.0%}, without it in {memory:.0%}. Accuracy?",
        zh=f"{recall:.0%} 的问题检索到了段落。有段落时答对 {reading:.0%}，没有时答对 {memory:.0%}。准确率是多少？",
        answer=value, within=0.005,
        steps=[(f"{recall:g} · {reading:g} + {1 - recall:g} · {memory:g}", f"{recall:g} · {reading:g} + {1 - recall:g} · {memory:g}"),
               (f"= {value:.3f}", f"= {value:.3f}")],
        proved_by="memory_flatters_the_search")


ZH = {
    "retrieval": "检索", "distraction": "干扰", "reading": "阅读", "wrong answers": "答错数", "case by case": "逐题判断",
    "wrong answers by place": "各处的答错数", "sum of the places": "各处之和", "weak search": "检索弱", "weak reader": "阅读弱",
    "accuracy": "准确率",
    "with the gold passage": "给标准段落", "errors of retrieval": "检索造成的错误", "difference of the accuracies": "准确率之差",
    "gain by the gold passage, first less second system": "标准段落带来的提高：前者减后者",
    "gain by the gold passage, first system": "标准段落给第一个系统的提高",
    "known by heart": "凭记忆知道的比例", "recall · reading + (1 − recall) · memory": "召回 · 阅读 + (1 − 召回) · 记忆",
    "accuracy beyond recall · reading": "准确率超出 召回 · 阅读 的部分", "gold passage": "标准段落", "found or not": "找到与否",
}

if __name__ == "__main__":
    main()
