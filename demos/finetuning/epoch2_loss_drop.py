r"""The loss steps down at the second epoch because each batch has been seen once: a memory, not a lesson.

第二轮开始时损失台阶式下降，因为每个 batch 都已见过一次：这是记忆，不是学会。

Howard & Whitaker 2023 saw it in LLMs; here in linear models. Turn `replacement` to True: repeats come at any
time, and the step becomes a slope. 把 `replacement` 改为 True：重复随时出现，台阶变成斜坡。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)

EPOCHS, BATCH, CLASSES = 3, 16, 8


@exercise(claims=("orthogonal_items_give_exact_stairs", "wide_models_step_at_the_boundary"),
          wrong=("draws_at_random", "drops_the_last_epoch"))
def batches(items: int, epochs: int, batch: int) -> Tensor:
    """The items of each step, (epochs · items / batch, batch): every item once an epoch, in an order drawn
    anew for each; items is a multiple of batch.

    每一步所用的样本，(epochs·items/batch, batch)：每轮每个样本恰好一次，每轮重新打乱；items 是 batch 的倍数。"""
    return torch.cat([torch.randperm(items) for _ in range(epochs)]).view(-1, batch)


def steps(items: int, replacement: bool) -> Tensor:
    """As `batches`, or drawn with replacement."""
    if replacement:
        return torch.randint(items, (EPOCHS * items // BATCH, BATCH))
    return batches(items, EPOCHS, BATCH)


def train(x: Tensor, y: Tensor, lr: float, order: Tensor, unseen: tuple | None = None) -> tuple[Tensor, Tensor]:
    """Loss of each batch before its step of SGD on a linear softmax from zero, and of unseen items then."""
    w, losses, held = torch.zeros(x.shape[1], CLASSES), [], []
    for at in order:
        z = x[at] @ w                                                                  # (batch, classes)
        losses.append(F.cross_entropy(z, y[at]))
        if unseen:
            held.append(F.cross_entropy(unseen[0] @ w, unseen[1]))
        p = z.softmax(1)
        p[torch.arange(len(at)), y[at]] -= 1
        w -= lr / len(at) * x[at].T @ p
    return torch.stack(losses), torch.stack(held) if held else torch.empty(0)


def around(losses: Tensor, epoch: int, near: int = 6) -> tuple[float, float]:
    """Means of the last batches before an epoch and of the first ones in it."""
    at = epoch * len(losses) // EPOCHS
    return losses[at - near : at].mean().item(), losses[at : at + near].mean().item()


RANGES = {
    "items": between(128, 512, multiple_of=16), "rate": between(0.1, 0.9),
    "width": one_of(2048, 16), "lr": one_of(100.0, 1.0), "memory": one_of(1.0, 0.0),
}  # fmt: skip
REPLACED = breaks(replacement=True, en="Drawn with replacement an item may repeat at once or never: a slope, no step.",
                  zh="有放回抽样时，样本可能马上重复，也可能一直不出现：是斜坡，不是台阶。")


@REPLACED
def claim_orthogonal_items_give_exact_stairs(items=256, rate=0.5, replacement=False):
    """For orthonormal inputs and squared loss each visit multiplies an item's error by 1 − rate: flat within
    an epoch, and down by (1 − rate)² at each new one.

    输入标准正交、平方损失时，每见一次，该样本的误差乘以 1 − rate：一轮之内持平，每到新的一轮降为 (1 − rate)² 倍。"""
    x = torch.linalg.qr(torch.randn(items, items, dtype=torch.float64))[0]              # orthonormal rows
    y, w, losses = torch.randn(items, dtype=torch.float64).sign(), torch.zeros(items, dtype=torch.float64), []
    for at in steps(items, replacement):
        error = x[at] @ w - y[at]
        losses.append((0.5 * error.square()).mean().item())
        w -= rate * x[at].T @ error
    epoch = torch.arange(len(losses)) * BATCH // items
    formula = 0.5 * (1 - rate) ** (2 * epoch.double())
    show(lines("step", range(len(losses)), {"loss": losses, "½(1 − rate)^(2·epoch)": formula}))
    expect("loss less the formula", torch.tensor(losses, dtype=torch.float64) - formula, equals=0, within=1e-9,
           at=("step", range(len(losses))))


@REPLACED
@breaks(lr=1.0, en="At a small rate one visit leaves little behind, in a wide model as in a narrow one.",
        zh="学习率小时，见一次留不下多少痕迹，模型宽窄都一样。")
@breaks(width=16, en="A narrow model at the same rate has no room for 512 items: later ones overwrite the earlier.",
        zh="同样的学习率下，窄模型装不下 512 个样本：后来的覆盖先前的。")
def claim_wide_models_step_at_the_boundary(width=2048, lr=100.0, replacement=False):
    """512 items with random labels: in the last batches of epoch one the loss is above ln 8, in the first of
    epoch two, each item seen once, under a quarter of that.

    512 个随机标签的样本：第一轮最后几批的损失高于 ln 8；第二轮最初几批，每个样本只见过一次，就不到它的四分之一。"""
    x, y = torch.randn(512, width) / width**0.5, torch.randint(CLASSES, (512,))
    losses, _ = train(x, y, lr, steps(512, replacement))
    before, after = around(losses, 1)
    show(lines("step", range(len(losses)), {"loss of the batch": losses}, y_label="nats"))
    expect("last batches of epoch one", before, at_least=math.log(CLASSES))
    expect("first batches of epoch two over last of epoch one", after / before, at_most=0.25)


@breaks(memory=0.0, en="Without features of its own an item cannot be told from others, and nothing steps.",
        zh="样本没有各自的特征就无法彼此区分，也就没有台阶。")
def claim_unseen_items_do_not_step(memory=1.0):
    """Where a rule can be learnt as well, unseen items share what the rule gives; at the boundary the
    training loss falls by over half, theirs by less than a tenth.

    若同时还有规律可学，未见过的样本也分享规律带来的下降；而在两轮交界处，训练损失降去一半以上，它们的损失下降不到一成。"""
    kind = torch.randint(CLASSES, (768,))
    y = torch.where(torch.rand(768) < 0.7, kind, torch.randint(CLASSES, (768,)))       # the rule is right 7 times in 10
    own = memory * torch.randn(768, 2048) / 2048**0.5
    x = torch.cat((0.5 * F.one_hot(kind, CLASSES).float(), own), 1)                    # (items, 8 + 2048)
    losses, held = train(x[:512], y[:512], 45.0, steps(512, False), (x[512:], y[512:]))
    (before, after), (old, new) = around(losses, 1), around(held, 1)
    show(lines("step", range(len(losses)), {"loss of the batch": losses, "unseen items": held}, y_label="nats"))
    expect("training loss, epoch two over epoch one", after / before, at_most=0.5)
    expect("loss of unseen items, epoch two over epoch one", new / old, at_least=0.9)
    expect("loss of unseen items, before the boundary", old, at_most=2.0)              # ln 8 = 2.08: the rule is learnt


def drill_stair(rng) -> Drill:
    """The loss in an epoch of the stairs."""
    rate, epoch, start = rng.choice([0.5, 0.2, 0.1, 0.3]), rng.choice([2, 3]), rng.choice([1.0, 2.0])
    value = start * (1 - rate) ** (2 * (epoch - 1))
    return Drill(
        en=f"Orthonormal inputs, ½·squared loss summed over a batch, sampling without replacement, rate {rate:g}. The loss is "
           f"{start:g} all through the first epoch. What is it in epoch {epoch}?",
        zh=f"输入标准正交，½·平方损失对一批求和，无放回抽样，学习率 {rate:g}。第一轮损失一直是 {start:g}。第 {epoch} 轮是多少？",
        answer=value, within=0.01 * value,
        steps=[(f"each visit multiplies the error by {1 - rate:g} and the loss by {(1 - rate) ** 2:g}",
                f"每见一次，误差乘 {1 - rate:g}，损失乘 {(1 - rate) ** 2:g}"),
               (f"{start:g} · {(1 - rate) ** 2:g}^{epoch - 1} = {value:.4g}",) * 2],
        proved_by="orthogonal_items_give_exact_stairs",
    )


ZH = {
    "step": "步", "loss": "损失", "½(1 − rate)^(2·epoch)": "½(1 − rate)^(2·epoch)", "loss less the formula": "损失减公式",
    "loss of the batch": "该批的损失", "nats": "nats", "last batches of epoch one": "第一轮最后几批",
    "first batches of epoch two over last of epoch one": "第二轮最初几批与第一轮最后几批之比", "unseen items": "未见过的样本",
    "training loss, epoch two over epoch one": "训练损失，第二轮与第一轮之比",
    "loss of unseen items, epoch two over epoch one": "未见样本的损失，第二轮与第一轮之比",
    "loss of unseen items, before the boundary": "未见样本的损失，交界之前",
}  # fmt: skip

if __name__ == "__main__":
    main()
