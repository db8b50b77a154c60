r"""Label smoothing gives the logits a finite optimum: the right one leads by ln(1 + C(1 − ε)/ε).

标签平滑使 logits 有了有限的最优：正确类别领先 ln(1 + C(1 − ε)/ε)。

Szegedy et al. 2015. Turn `target` to "one-hot": the loss falls for ever, and so the gap grows for ever.
把 `target` 改为 "one-hot"：损失一直下降，差距也就一直增大。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("equals_torch", "the_gap_stops"), wrong=("nothing_for_the_right_class", "smooths_the_prediction"))
def smoothed_cross_entropy(z: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of each row against (1 − smoothing)·onehot + smoothing/classes: z is (rows, classes),
    target (rows,) of class numbers, the result (rows,).

    每行对目标 (1 − smoothing)·onehot + smoothing/classes 的交叉熵：z 为 (rows, classes)，target (rows,) 为类别编号，
    结果为 (rows,)。"""
    log_p = z - z.logsumexp(1, keepdim=True)                             # (rows, classes)
    right = log_p.gather(1, target[:, None]).squeeze(1)
    return -(1 - smoothing) * right - smoothing * log_p.mean(1)


def best_gap(smoothing: float, classes: int) -> float:
    """How far the right logit leads the others, all equal, where the smoothed loss is least."""
    return math.log(1 + classes * (1 - smoothing) / smoothing)


RANGES = {
    "rows": between(4, 64), "classes": between(2, 1000), "smoothing": between(0.02, 0.5),
    "target": one_of("smoothed", "one-hot"),
}  # fmt: skip

ONE_HOT = breaks(target="one-hot", en="Against a one-hot label a larger lead is always better.",
                 zh="对 one-hot 标签，领先越多总是越好。")


def loss_of_gaps(gaps: Tensor, classes: int, smoothing: float) -> Tensor:
    """The smoothed loss where the right logit leads by each of gaps (n,) -> (n,)."""
    z = F.pad(gaps[:, None], (0, classes - 1))                           # (n, classes)
    return smoothed_cross_entropy(z, torch.zeros(len(gaps), dtype=torch.long), smoothing)


@ONE_HOT
def claim_equals_torch(rows=16, classes=10, smoothing=0.1, target="smoothed"):
    """The smoothed loss is 1 − ε of the ordinary one and ε of the mean of −log p over all classes, as
    torch's label_smoothing computes it.

    平滑后的损失是普通损失的 1 − ε 倍，加上 −log p 对所有类别平均值的 ε 倍，与 torch 的 label_smoothing 一致。"""
    z, labels = 3 * torch.randn(rows, classes, dtype=F64), torch.randint(classes, (rows,))
    got = smoothed_cross_entropy(z, labels, smoothing)
    torchs = F.cross_entropy(z, labels, label_smoothing=smoothing if target == "smoothed" else 0.0, reduction="none")
    show(lines("row", range(rows), {"by hand": got, "torch": torchs}, y_label="loss"))
    expect("loss less torch's", got - torchs, equals=0, within=1e-12)


@ONE_HOT
def claim_the_gap_stops(classes=10, smoothing=0.1, target="smoothed"):
    """The smoothed loss is least where the right logit leads by ln(1 + C(1 − ε)/ε): 4.51 for ten classes
    and ε = 0.1; with one-hot labels no gap is best.

    平滑后的损失在正确 logit 领先 ln(1 + C(1 − ε)/ε) 处最小：十类、ε = 0.1 时为 4.51；one-hot 标签则没有最优差距。"""
    gaps = torch.linspace(0, 14, 1401, dtype=F64)
    curves = {"smoothed": loss_of_gaps(gaps, classes, smoothing), "one-hot": loss_of_gaps(gaps, classes, 0.0)}
    show(lines("lead of the right logit", gaps[::20], {k: v[::20] for k, v in curves.items()}, y_label="loss"))
    expect("one-hot: drop of the loss from each lead to the next", -curves["one-hot"].diff(), at_least=1e-10)
    expect("best lead", gaps[curves[target].argmin()], equals=best_gap(smoothing, classes), within=0.006)


@ONE_HOT
def claim_the_loss_no_longer_reaches_zero(classes=10, smoothing=0.1, target="smoothed"):
    """The least smoothed loss is the entropy of the smoothed target, 0.50 nats for ten classes and ε =
    0.1, and not 0.

    平滑后的最小损失是平滑目标的熵，十类、ε = 0.1 时为 0.50 nats，而不是 0。"""
    q = torch.full((classes,), smoothing / classes, dtype=F64)
    q[0] += 1 - smoothing
    entropy = -(q * q.log()).sum()
    gap = torch.tensor([best_gap(smoothing, classes)], dtype=F64)
    least = loss_of_gaps(gap, classes, smoothing if target == "smoothed" else 0.0)
    gaps = torch.linspace(0, 12, 61, dtype=F64)
    show(lines("lead of the right logit", gaps, {"loss": loss_of_gaps(gaps, classes, smoothing),
                                                 "entropy of the target": [entropy] * 61}))
    expect("loss at the best lead less the entropy of the target", least - entropy, equals=0, within=1e-12)


def drill_gap(rng) -> Drill:
    """The optimal lead of the right logit."""
    classes, smoothing, ln = rng.choice([(10, 0.1, "ln 91 ≈ 4.51"), (10, 0.5, "ln 11 ≈ 2.40"), (2, 0.1, "ln 19 ≈ 2.94"),
                                         (100, 0.1, "ln 901 ≈ 6.80"), (5, 0.2, "ln 21 ≈ 3.04")])
    got = best_gap(smoothing, classes)
    return Drill(
        en=f"{classes} classes, label smoothing ε = {smoothing:g} spread evenly over all of them. By how much does the right "
           f"logit lead the others at the optimum? ({ln})",
        zh=f"{classes} 个类别，标签平滑 ε = {smoothing:g} 均摊到所有类别。最优时正确类别的 logit 领先其余多少？（{ln}）",
        answer=got, within=0.02,
        steps=[(f"target of the right class {1 - smoothing + smoothing / classes:g}, of each other {smoothing / classes:g}",
                f"正确类别的目标为 {1 - smoothing + smoothing / classes:g}，其余各为 {smoothing / classes:g}"),
               (f"the lead is the log of their ratio: ln {1 + classes * (1 - smoothing) / smoothing:g} = {got:.2f}",
                f"领先量是两者之比的对数：ln {1 + classes * (1 - smoothing) / smoothing:g} = {got:.2f}")],
        proved_by="the_gap_stops",
    )


ZH = {
    "row": "行", "by hand": "手写", "torch": "torch", "loss": "损失", "loss less torch's": "损失与 torch 之差",
    "smoothed": "平滑", "one-hot": "one-hot", "lead of the right logit": "正确 logit 的领先量", "best lead": "最优领先量",
    "one-hot: drop of the loss from each lead to the next": "one-hot：领先量每增一格，损失的下降",
    "entropy of the target": "目标的熵", "loss at the best lead less the entropy of the target": "最优领先量处的损失减目标的熵",
}  # fmt: skip

if __name__ == "__main__":
    main()
