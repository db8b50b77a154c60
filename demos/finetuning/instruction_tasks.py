r"""Tuned on enough instructions, a model carries out unseen ones; tuned on one task, it ignores them.

指令种类足够多，微调后的模型能执行没见过的指令；只用一个任务微调，它就不理会指令。

A toy: an instruction names one of 3 inputs and one of 4 operations, so there are 12 tasks. An attention over
the inputs picks, an MLP computes: the parts can be recombined. Turn `instruction` to "shuffled": nothing is learnt.
玩具实验：一条指令指定 3 个输入之一与 4 种运算之一，共 12 个任务。对输入的注意力负责挑选，MLP 负责运算，两部分可以重新组合。把
`instruction` 改为 "shuffled"：什么也学不到。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

OPERATIONS, INPUTS, VALUES, WIDTH, HIDDEN = 4, 3, 6, 32, 96
Weights = dict[str, Tensor]


def follow(x: Tensor, task: Tensor, w: Weights) -> Tensor:
    """Logits of the answer, (batch, VALUES); x (batch, INPUTS) holds values, task (batch, 2) an operation and an input."""
    scores = w["which"][task[:, 1]] @ w["place"].T / WIDTH**0.5          # (batch, INPUTS)
    picked = (scores.softmax(-1)[..., None] * w["value"][x]).sum(1)      # (batch, WIDTH)
    return ((picked + w["operation"][task[:, 0]]) @ w["in"] + w["bias"]).relu() @ w["out"]


def tuned(seen: int, instruction: str, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Accuracy on the tasks seen, on the other ones, and how often the answer to an unseen instruction is that of the
    first task seen. The first tasks are drawn so that operations and inputs come round as evenly as they can."""
    answer = torch.stack([torch.randperm(VALUES) for _ in range(OPERATIONS)])      # one permutation for each operation
    order = torch.arange(12)
    tasks = torch.stack((order % OPERATIONS, order % INPUTS), 1)         # all 12, as 4 and 3 have no common factor
    tasks = torch.stack((torch.randperm(OPERATIONS)[tasks[:, 0]], torch.randperm(INPUTS)[tasks[:, 1]]), 1)

    def truth(x: Tensor, task: Tensor) -> Tensor:
        return answer[task[:, 0], x.gather(1, task[:, 1:])[:, 0]]

    w = {name: (scale * torch.randn(*shape)).requires_grad_() for name, scale, shape in (
        ("value", 0.5, (VALUES, WIDTH)), ("place", 0.5, (INPUTS, WIDTH)), ("which", 0.5, (INPUTS, WIDTH)),
        ("operation", 0.5, (OPERATIONS, WIDTH)), ("in", WIDTH**-0.5, (WIDTH, HIDDEN)), ("bias", 0.0, (HIDDEN,)),
        ("out", HIDDEN**-0.5, (HIDDEN, VALUES)))}
    optimizer = Adam(w.values(), lr=1e-2)
    for _ in range(steps):
        x, task = torch.randint(VALUES, (128, INPUTS)), tasks[torch.randint(seen, (128,))]
        shown = task if instruction == "true" else task[torch.randperm(128)]
        optimizer.step(F.cross_entropy(follow(x, shown, w), truth(x, task)))
    with torch.no_grad():
        x = torch.randint(VALUES, (768, INPUTS))
        known, other = (part[torch.randint(len(part), (768,))] for part in (tasks[:seen], tasks[seen:]))
        given = follow(x, other, w).argmax(1)
        return ((follow(x, known, w).argmax(1) == truth(x, known)).float().mean(), (given == truth(x, other)).float().mean(),
                (given == truth(x, tasks[:1].expand(768, 2))).float().mean())


RANGES = {
    "seen": one_of(1, 3, 9, 10), "counts": each(one_of(1, 3, 5, 7, 9, 11), at_least=3, rising=True), "steps": between(140, 180),
    "instruction": one_of("true", "shuffled"),
}
SHUFFLED = breaks(instruction="shuffled", en="If instructions do not belong to their examples there is nothing to follow.",
                  zh="指令与样本对不上号，就没有什么可遵循。")


@SHUFFLED
@breaks(seen=3, en="Three tasks tie each operation to one input: there is no telling which of the two was meant.",
        zh="只有三个任务时，每种运算都只与一个输入同时出现，分不清指的是哪一个。")
def claim_many_instructions_generalise_to_unseen_ones(seen=9, steps=150, instruction="true"):
    """Tuned on 9 of 12 tasks, the model carries out the 3 unseen ones in at least 8 of 10 cases; chance is below 2.

    用 12 个任务中的 9 个微调，没见过的 3 个也至少八成做对；瞎猜不到两成。"""
    known, other, _ = tuned(seen, instruction, steps)
    show(bars(["tasks seen", "unseen tasks"], {"accuracy": [known, other]}))
    expect("accuracy on tasks seen", known, at_least=0.95)
    expect("accuracy on unseen tasks", other, at_least=0.8)


@SHUFFLED
def claim_more_tasks_generalise_better(counts=(1, 5, 9), steps=150, instruction="true"):
    """The accuracy on unseen tasks rises with the number of tasks tuned on, by at least 40 points from the fewest to the
    most.

    对没见过的任务，准确率随微调任务数上升，从最少到最多至少提高 40 个百分点。"""
    found = [tuned(n, instruction, steps)[1] for n in counts]
    show(lines("tasks tuned on", counts, {"accuracy on unseen tasks": found}))
    expect("accuracy with the most tasks less that with the fewest", found[-1] - found[0], at_least=0.4)


@breaks(seen=9, en="With nine tasks the instruction decides.", zh="有九个任务时，由指令决定。")
def claim_one_task_does_not_teach_to_follow(seen=1, steps=150):
    """Tuned on one task alone, the model gives that task's answer to other instructions in over 4 of 10 cases, more
    often than theirs: good at the task, deaf to the instruction.

    只用一个任务微调，遇到别的指令，超过四成仍给出该任务的答案，多于所问任务的答案：任务做得好，却不听指令。"""
    known, other, first = tuned(seen, "true", steps)
    show(bars(["of the task asked", "of the task tuned on"], {"share of answers": [other, first]}))
    expect("accuracy on the task", known, at_least=0.95)
    expect("answers of the task tuned on", first, at_least=0.4)
    expect("answers of the task tuned on over those of the task asked", first / other.clamp(min=0.01), at_least=1.2)


ZH = {
    "tasks seen": "见过的任务", "unseen tasks": "没见过的任务", "accuracy": "准确率", "accuracy on tasks seen": "见过的任务的准确率",
    "accuracy on unseen tasks": "没见过的任务的准确率", "tasks tuned on": "微调所用任务数",
    "accuracy with the most tasks less that with the fewest": "任务最多与最少时的准确率之差", "of the task asked": "所问任务的",
    "of the task tuned on": "所训任务的", "share of answers": "答案占比", "accuracy on the task": "该任务的准确率",
    "answers of the task tuned on": "给出所训任务的答案",
    "answers of the task tuned on over those of the task asked": "所训任务的答案与所问任务的答案之比",
}

if __name__ == "__main__":
    main()
