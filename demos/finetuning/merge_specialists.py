r"""Specialists merge by teaching one student, each on its own prompts; averaging their weights loses both.

合并专家模型的办法是让它们共同教一个学生，各管各的 prompt；直接平均权重则两边都丢。

A toy: one base, two specialists tuned from it on tasks it cannot do. Turn `teacher` to "mean of all": on
every prompt an ignorant teacher blurs the answer. 把 `teacher` 改为 "mean of all"：每个 prompt 上都有一位外行教师把答案搅浑。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    breaks,
    exercise,
    expect,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import Adam

CLASSES, CASES, ROWS, WIDTH, HIDDEN, TASKS = 8, 4, 40, 8, 32, 2


@exercise(claims=("the_two_directions_are_torchs",), wrong=("swaps_the_directions", "averages_over_classes"))
def distillation_loss(student: Tensor, teacher: Tensor, direction: str) -> Tensor:
    """The mean KL over positions, in nats, over the full vocabulary: "forward" is KL(teacher‖student), "reverse"
    KL(student‖teacher). Both are log-probabilities (…, vocabulary).

    对各位置取平均、在整个词表上求和的 KL，单位 nat："forward" 是 KL(教师‖学生)，"reverse" 是 KL(学生‖教师)。
    两者都是对数概率 (…, vocabulary)。"""
    p, q = (teacher, student) if direction == "forward" else (student, teacher)
    return (p.exp() * (p - q)).sum(-1).mean()


def network(weights: list, x: Tensor) -> Tensor:
    """Log-probabilities (…, cases, rows, classes) of CASES two-layer networks at once."""
    return (F.gelu(x @ weights[0] + weights[1]) @ weights[2] + weights[3]).log_softmax(-1)


def fit(start: list, loss, steps: int = 90) -> list:
    """The weights after some steps of Adam on loss(weights)."""
    weights = [w.clone().requires_grad_() for w in start]
    adam = Adam(weights, lr=0.01)
    for _ in range(steps):
        adam.step(CASES * loss(weights))
    return [w.detach() for w in weights]


def family() -> tuple[list, list[list], list[Tensor], list[Tensor]]:
    """A base trained on a task of its own; a specialist for each of TASKS others; their prompts and labels."""
    y = torch.arange(ROWS) % CLASSES
    labels = [y, y.flip(0), (3 * y + 1) % CLASSES]
    centres = torch.randn(TASKS + 1, CASES, CLASSES, WIDTH)
    prompts = list(centres[:, :, y] + 0.3 * torch.randn(TASKS + 1, CASES, ROWS, WIDTH))
    start = [torch.randn(CASES, WIDTH, HIDDEN) / WIDTH**0.5, torch.zeros(CASES, 1, HIDDEN),
             torch.randn(CASES, HIDDEN, CLASSES) / HIDDEN**0.5, torch.zeros(CASES, 1, CLASSES)]

    def on(tasks: range):
        x, at = torch.stack([prompts[i] for i in tasks]), torch.stack([labels[i] for i in tasks])[:, None, :, None]
        return lambda w: -network(w, x).gather(-1, at.expand(-1, CASES, -1, -1)).mean((1, 2, 3)).sum()

    base = fit(start, on(range(1)), 60)
    side_by_side = fit([w.repeat(TASKS, 1, 1, 1) for w in base], on(range(1, TASKS + 1)))
    return base, [list(w) for w in zip(*side_by_side, strict=True)], prompts[1:], labels[1:]


def accuracy(weights: list, prompts: list[Tensor], labels: list[Tensor]) -> list[float]:
    """Of each task, mean of CASES networks."""
    return [(network(weights, x).argmax(-1) == y).float().mean().item() for x, y in zip(prompts, labels, strict=True)]


def distil(start: list, teachers: list[list], prompts: list[Tensor], teacher: str, direction: str) -> list:
    """One student, taught on each task's prompts by that task's specialist, or by the mean of all."""
    answers = []
    for i, x in enumerate(prompts):
        seen = torch.stack([network(t, x) for t in teachers])                 # (teachers, cases, rows, classes)
        answers.append(seen[i] if teacher == "the specialist" else seen.exp().mean(0).log())
    x, wanted = torch.stack(prompts), torch.stack(answers)                     # (tasks, cases, rows, …)
    return fit(start, lambda w: TASKS * distillation_loss(network(w, x), wanted, direction))


RANGES = {
    "teacher": one_of("the specialist", "mean of all"), "start": one_of("base", "average"),
    "direction": one_of("as named", "swapped"),
}  # fmt: skip


@breaks(direction="swapped", en="KL is not symmetric: the other direction is another number.", zh="KL 不对称：换个方向就是另一个数。")
def claim_the_two_directions_are_torchs(direction="as named"):
    """Forward KL is torch's kl_div with the teacher as target, reverse KL the same with the roles changed.

    前向 KL 就是 torch 的 kl_div，以教师为目标；反向 KL 是两者角色对调。"""
    student, teacher = torch.randn(2, 5, CLASSES, dtype=torch.float64).log_softmax(-1)
    torchs = {"forward": F.kl_div(student, teacher, reduction="batchmean", log_target=True),
              "reverse": F.kl_div(teacher, student, reduction="batchmean", log_target=True)}
    names = list(torchs) if direction == "as named" else list(torchs)[::-1]
    ours = [distillation_loss(student, teacher, name) for name in names]
    show(bars(list(torchs), {"ours": ours, "torch": list(torchs.values())}, y_label="nats"))
    expect("KL less torch's", torch.stack(ours) - torch.stack(list(torchs.values())), equals=0, within=1e-12)


@breaks(teacher="mean of all", en="Taught by the mean of all teachers, the student learns the ignorant ones' answers as well.",
        zh="用所有教师的平均来教，学生连外行的答案也一起学了。")
def claim_routed_teachers_keep_every_task(teacher="the specialist"):
    """A student taught on each task's prompts by its own specialist reaches over 95% on both, as each specialist
    does on one; the average of their weights stays below 85%.

    学生在各任务的 prompt 上由该任务的专家来教，两个任务都超过 95%，与专家在自己任务上一样；直接平均两位专家的权重则低于 85%。"""
    base, specialists, prompts, labels = family()
    average = [torch.stack(w).mean(0) for w in zip(*specialists, strict=True)]
    merged = distil(base, specialists, prompts, teacher, "forward")
    got = {"specialist 1": specialists[0], "specialist 2": specialists[1], "average of weights": average, "student": merged}
    got = {name: accuracy(w, prompts, labels) for name, w in got.items()}
    show(bars(list(got), {f"task {i + 1}": [a[i] for a in got.values()] for i in range(TASKS)}, y_label="accuracy"))
    own = [got[f"specialist {i + 1}"][i] for i in range(TASKS)]
    expect("each specialist, its own task", own, at_least=0.95)
    expect("student, each task", got["student"], at_least=0.95)
    expect("average of weights, each task", got["average of weights"], at_most=0.85)


@breaks(start="average", en="From a start that already gives the right answers some mass, the reverse KL gets there too.",
        zh="起点若已给正确答案一定概率，反向 KL 同样能学会。")
def claim_reverse_kl_needs_a_start_that_covers(start="base"):
    """From a base that knows neither task, 90 steps of forward KL reach over 95% on both, as many of reverse
    KL under 92%: it learns little where the student has no mass.

    base 两个任务都不会时，前向 KL 训练 90 步使两者都超过 95%，同样步数的反向 KL 不到 92%：学生没有概率的地方，它学得很慢。"""
    base, specialists, prompts, labels = family()
    average = [torch.stack(w).mean(0) for w in zip(*specialists, strict=True)]
    begin = base if start == "base" else average
    got = {d: accuracy(distil(begin, specialists, prompts, "the specialist", d), prompts, labels) for d in ("forward", "reverse")}
    show(bars(["start", *got], {f"task {i + 1}": [accuracy(begin, prompts, labels)[i], *(a[i] for a in got.values())]
                                for i in range(TASKS)}, y_label="accuracy"))
    expect("forward KL, each task", got["forward"], at_least=0.95)
    expect("reverse KL, mean of the tasks", sum(got["reverse"]) / TASKS, at_most=0.92)


def drill_direction(rng) -> Drill:
    """The KL of one position in one direction."""
    student, direction = rng.choice([(0.75, 0.25), (0.9, 0.1), (0.8, 0.2)]), rng.choice(["forward", "reverse"])
    logs = [torch.tensor(p, dtype=torch.float64).log() for p in (student, (0.5, 0.5))]
    value = distillation_loss(*logs, direction).item()
    p, q = ((0.5, 0.5), student) if direction == "forward" else (student, (0.5, 0.5))
    work = " + ".join(f"{a:g} · ln({a:g}/{b:g})" for a, b in zip(p, q, strict=True))
    zh = "前向 KL(教师‖学生)" if direction == "forward" else "反向 KL(学生‖教师)"
    return Drill(
        en=f"At one position the teacher gives two tokens 0.5 each, the student {student[0]:g} and {student[1]:g}. What is the "
           f"{direction} KL of distillation, in nats?",
        zh=f"在某个位置上，教师给两个 token 各 0.5，学生给 {student[0]:g} 和 {student[1]:g}。蒸馏的{zh}是多少 nat？",
        answer=value, within=0.01,
        steps=[(work, work), (f"= {value:.3f}",) * 2],
        proved_by="the_two_directions_are_torchs",
    )


ZH = {
    "ours": "本函数", "torch": "torch", "forward": "前向", "reverse": "反向", "nats": "nats", "KL less torch's": "KL 减 torch 的结果",
    "specialist {}": "专家 {}", "average of weights": "权重平均", "student": "学生", "task {}": "任务 {}", "accuracy": "准确率",
    "each specialist, its own task": "各专家，自己的任务",
    "student, each task": "学生，各任务", "average of weights, each task": "权重平均，各任务", "start": "起点",
    "forward KL, each task": "前向 KL，各任务", "reverse KL, mean of the tasks": "反向 KL，任务平均",
}  # fmt: skip

if __name__ == "__main__":
    main()
