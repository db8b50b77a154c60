r"""A temperature softens teacher and student alike; their gradient shrinks by T², which the loss makes good.

温度同时软化教师与学生；梯度因此缩小 T² 倍，损失再把它乘回来。

Hinton et al. 2015, §2. Turn `softened` to "teacher only": the student is pulled towards logits T times too small,
and at its own temperature of 1 it says something else than the teacher.
把 `softened` 改为 "teacher only"：学生被拉向小了 T 倍的 logits，用自己的温度 1 说出的就与教师不同。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import Adam, finite_difference, randn


@exercise(claims=("the_gradient_is_the_difference_of_softened_probabilities", "a_student_reaches_the_teacher"),
          wrong=("softens_the_teacher_only", "forgets_t_squared", "turns_the_divergence_round"))
def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ student), both softened by T: logits are (examples, classes); the mean over the examples.

    T² · KL(教师 ‖ 学生)，两者都用 T 软化：logits 为 (examples, classes)；对样本取平均。"""
    p = (teacher / temperature).softmax(-1)
    log_q = (student / temperature).log_softmax(-1)
    return temperature**2 * (p * (p.log() - log_q)).sum(-1).mean()


def teacher_only(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The wrong way: the student's logits are not divided."""
    p = (teacher / temperature).softmax(-1)
    return (p * (p.log() - student.log_softmax(-1))).sum(-1).mean()


LOSSES = {"both": distillation_loss, "teacher only": teacher_only}

RANGES = {
    "classes": between(3, 20),
    "temperatures": each(between(1.0, 50.0), at_least=3, rising=True),
    "temperature": between(2.0, 8.0),
    "softened": one_of("both", "teacher only"),
    "factor": one_of("T squared", "one"),
    "targets": one_of("soft", "hard"),
}
ONE_SIDED = breaks(softened="teacher only", en="Only the teacher is softened: the student is taught another distribution.",
                   zh="只软化教师：学生学到的是另一个分布。")


@ONE_SIDED
def claim_the_gradient_is_the_difference_of_softened_probabilities(classes=6, temperature=4.0, softened="both"):
    """The gradient by a student logit is T · (q_T − p_T): softened student less softened teacher.

    对学生 logit 的梯度是 T · (q_T − p_T)：软化后的学生减去软化后的教师。"""
    student, teacher = randn(1, classes, seed=1, dtype=torch.float64), 3 * randn(1, classes, seed=2, dtype=torch.float64)
    slope = finite_difference(lambda z: LOSSES[softened](z, teacher, temperature), student)
    q, p = (student / temperature).softmax(-1), (teacher / temperature).softmax(-1)
    show(lines("class", range(classes), {"gradient": slope[0], "T · (q_T − p_T)": temperature * (q - p)[0]}))
    # central differences of step 1e-6: about 1e-10 by rounding, and room
    expect("gradient less T · (q_T − p_T)", slope - temperature * (q - p), equals=0, within=1e-7)


@breaks(factor="one", en="Without T² the soft term fades as 1/T² and the hard labels decide alone.",
        zh="没有 T²，软目标一项按 1/T² 消退，只剩硬标签起作用。")
def claim_t_squared_keeps_the_gradient(temperatures=(1.0, 2.0, 5.0, 10.0, 20.0, 50.0), classes=6, factor="T squared"):
    """At high T the gradient of the softened KL falls as 1/T², and times T² it tends to (centred student logits less
    centred teacher logits) over the number of classes.

    T 很大时，软化 KL 的梯度按 1/T² 下降，乘以 T² 后趋于（学生与教师的中心化 logits 之差）除以类别数。"""
    student, teacher = randn(1, classes, seed=1, dtype=torch.float64), 3 * randn(1, classes, seed=2, dtype=torch.float64)
    sizes = []
    for t in temperatures:
        z = student.clone().requires_grad_()
        (distillation_loss(z, teacher, t) / (1 if factor == "T squared" else t**2)).backward()
        sizes.append(z.grad.norm().item())
    gap = student - teacher
    limit = ((gap - gap.mean()) / classes).norm().item()
    show(lines("T", temperatures, {"size of the gradient": sizes, "matching the logits": [limit] * len(sizes)}, log="xy"))
    last = temperatures[-1]
    # the next term of the softmax is of relative size (logits / T): 10 / T, and room
    expect("gradient at the highest T over that of matching logits", sizes[-1] / limit, equals=1, within=10 / last)


@ONE_SIDED
def claim_a_student_reaches_the_teacher(classes=6, temperature=4.0, softened="both"):
    """Trained with both softened, a student's own distribution, at T = 1, becomes the teacher's.

    两者都软化来训练，学生自己的分布（T = 1）就成为教师的分布。"""
    teacher = 2 * randn(32, classes, seed=2, dtype=torch.float64)
    student = torch.zeros(32, classes, dtype=torch.float64, requires_grad=True)
    adam, curve = Adam([student], lr=0.1), []
    for _ in range(300):
        adam.step(LOSSES[softened](student, teacher, temperature))
        curve.append(F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean").item())
    show(lines("step", range(0, 300, 10), {"KL(teacher ‖ student) at T = 1": curve[::10]}, log="y", y_label="nats"))
    expect("KL at the end over KL at the start", curve[-1] / curve[0], at_most=0.02)


@breaks(targets="hard", en="Hard labels say which class won, and nothing about the others.", zh="硬标签只说哪一类赢了，其余一无所知。")
def claim_soft_targets_carry_the_likeness_of_classes(targets="soft"):
    """From (0.7, 0.2, 0.1) a student learns that the second class is twice as likely as the third; from the hard
    label it learns nothing about the two.

    从 (0.7, 0.2, 0.1)，学生能学到第二类的可能性是第三类的两倍；从硬标签则学不到两者的差别。"""
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    target = p if targets == "soft" else F.one_hot(p.argmax(), 3).double()
    z = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    ratios = []
    for _ in range(200):
        (grad,) = torch.autograd.grad(-(target * z.log_softmax(0)).sum(), z)
        z = (z - 0.5 * grad).detach().requires_grad_()
        q = z.softmax(0)
        ratios.append((q[1] / q[2]).item())
    temperatures = (1.0, 2.0, 4.0)
    soft = {f"T = {t:g}": (p.log() / t).softmax(0) for t in temperatures}
    show(lines("step", range(0, 200, 10), {"second class over third": ratios[::10]}), lines("class", (1, 2, 3), soft))
    expect("second class over third, at the end", ratios[-1], equals=2, within=0.05)


def drill_softened(rng) -> Drill:
    """A softened probability."""
    p, t = rng.choice([((0.8, 0.2), 2), ((0.9, 0.1), 2), ((0.7, 0.2, 0.1), 2), ((0.6, 0.3, 0.1), 2), ((0.64, 0.36), 2)])
    soft = (torch.tensor(p, dtype=torch.float64).log() / t).softmax(0)
    roots = [x ** (1 / t) for x in p]
    return Drill(
        en=f"A teacher says {', '.join(map(str, p))} at temperature 1. What is the first probability at T = {t}?",
        zh=f"教师在温度 1 时给出 {'、'.join(map(str, p))}。T = {t} 时第一个概率是多少？",
        answer=soft[0].item(),
        within=0.005,
        steps=[(f"each to the power 1/{t}: {', '.join(f'{r:.3f}' for r in roots)}",
                f"各取 1/{t} 次方：{'、'.join(f'{r:.3f}' for r in roots)}"),
               (f"{roots[0]:.3f} / {sum(roots):.3f} = {soft[0]:.3f}", f"{roots[0]:.3f} / {sum(roots):.3f} = {soft[0]:.3f}")],
        proved_by="soft_targets_carry_the_likeness_of_classes",
    )


ZH = {
    "class": "类别",
    "gradient": "梯度",
    "gradient less T · (q_T − p_T)": "梯度减去 T · (q_T − p_T)",
    "size of the gradient": "梯度的大小",
    "matching the logits": "直接匹配 logits",
    "gradient at the highest T over that of matching logits": "最高 T 的梯度与匹配 logits 的梯度之比",
    "step": "步",
    "KL(teacher ‖ student) at T = 1": "T = 1 的 KL(教师 ‖ 学生)",
    "nats": "纳特",
    "KL at the end over KL at the start": "结束与开始的 KL 之比",
    "second class over third": "第二类与第三类之比",
    "second class over third, at the end": "最终第二类与第三类之比",
}

if __name__ == "__main__":
    main()
