r"""Fine-tuning forgets because the new loss has no term for the old task; a share of old data is that term.

微调之所以遗忘，是因为新任务的损失里没有旧任务那一项；混入一份旧数据就补上了这一项。

One step down the new gradient changes the old loss by −rate · (old gradient · new gradient), good or
bad. Turn `share` above 0: the old task pulls too, and the curve of pure fine-tuning no longer holds.
把 `share` 调到 0 以上：旧任务也在拉，纯微调的曲线就不再成立。
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
from studyapp.evidence.tools import Adam

F64, CLASSES, CASES = torch.float64, 8, 4


@exercise(claims=("the_old_loss_follows_the_closed_form", "old_and_new_gradients_decide"),
          wrong=("adds_the_old_loss", "swaps_the_weights"))
def mixed_loss(old: Tensor, new: Tensor, share: float) -> Tensor:
    """The loss of fine-tuning where a share of the examples is replayed from the old task; old and new are
    the mean losses of the two tasks, scalars.

    微调时的损失，其中占比 share 的样本是从旧任务回放的；old 与 new 是两个任务各自的平均损失，标量。"""
    return share * old + (1 - share) * new


def halves(w: Tensor, optimum: Tensor, x: Tensor) -> Tensor:
    """Mean of ½(x·w − x·optimum)² over rows of x (rows, width)."""
    return 0.5 * (x @ (w - optimum)).square().mean()


def whitened(rows: int, width: int) -> Tensor:
    """Inputs whose second moment is the identity: curvature 1 in every direction."""
    return torch.linalg.qr(torch.randn(rows, width, dtype=F64))[0] * rows**0.5


def run(share: float, old: tuple, new: tuple, w: Tensor, rate: float, steps: int) -> list[float]:
    """The old task's loss before each step of gradient descent and after the last."""
    path = []
    for _ in range(steps):
        w = w.detach().requires_grad_()
        a = halves(w, *old)
        (slope,) = torch.autograd.grad(mixed_loss(a, halves(w, *new), share), w)
        path.append(a.item())
        w = w - rate * slope
    return [*path, halves(w.detach(), *old).item()]


def network(weights: list, x: Tensor) -> Tensor:
    """Log-probabilities (cases, rows, classes) of CASES two-layer networks at once."""
    return (F.gelu(x @ weights[0] + weights[1]) @ weights[2] + weights[3]).log_softmax(-1)


def tune(shares: tuple, replayed: str, rows: int = 64, width: int = 8, hidden: int = 48) -> list:
    """(accuracy on the old, on the new task) after 90 steps with each share of replay, mean of CASES
    networks. The tasks are two sets of 8 clusters with labels of their own: one network can hold both."""
    centres, y = torch.randn(2, CASES, CLASSES, width), torch.arange(rows) % CLASSES
    old, new = centres[:, :, y] + 0.3 * torch.randn(2, CASES, rows, width)
    taught = y if replayed == "old labels" else y[torch.randperm(rows)]
    labels = (y.flip(0)[None].expand(CASES, -1), y.expand(CASES, -1), taught.expand(CASES, -1))
    start = [torch.randn(CASES, width, hidden) / width**0.5, torch.zeros(CASES, 1, hidden),
             torch.randn(CASES, hidden, CLASSES) / hidden**0.5, torch.zeros(CASES, 1, CLASSES)]

    def fit(weights: list, shares: tuple, steps: int, second: Tensor) -> list:
        weights = [w.detach().expand(len(shares), *w.shape[-3:]).clone().requires_grad_() for w in weights]
        mix, adam = torch.tensor(shares), Adam(weights, lr=0.01)                         # (shares,): trained side by side
        for _ in range(steps):
            a, b = (-network(weights, x).gather(-1, t.expand(len(shares), -1, -1)[..., None]).mean((1, 2, 3))
                    for x, t in ((old, second), (new, labels[0])))
            adam.step(CASES * mixed_loss(a, b, mix).sum())
        return [w.detach() for w in weights]

    tuned = fit(fit(start, (1.0,), 60, labels[1]), shares, 90, labels[2])
    right = [(network(tuned, x).argmax(-1) == t).float().mean((1, 2)).tolist() for x, t in ((old, labels[1]), (new, labels[0]))]
    return list(zip(*right, strict=True))


RANGES = {
    "width": between(2, 32), "rate": between(0.01, 0.5), "steps": between(2, 100), "share": between(0.0, 0.9),
    "shares": each(between(0.0, 0.9), at_least=3, rising=True), "replayed": one_of("old labels", "shuffled labels"),
}  # fmt: skip


@breaks(share=0.25, en="A quarter of old data pulls back: the old loss stays below the closed form.",
        zh="四分之一的旧数据把模型往回拉：旧损失低于该公式。")
def claim_the_old_loss_follows_the_closed_form(width=8, rate=0.1, steps=40, share=0.0):
    """With curvature 1 and optima a distance D apart, t steps on the new task alone raise the old loss
    to ½D²(1 − (1 − rate)^t)².

    曲率为 1、两个最优点相距 D 时，只在新任务上走 t 步，旧损失升到 ½D²(1 − (1 − rate)^t)²。"""
    a, b = torch.randn(2, width, dtype=F64)
    x = whitened(8 * width, width)
    path = run(share, (a, x), (b, x), a, rate, steps)
    t = torch.arange(steps + 1, dtype=F64)
    formula = 0.5 * (a - b).square().sum() * (1 - (1 - rate) ** t) ** 2
    show(lines("step", range(steps + 1), {"old loss": path, "½D²(1 − (1 − rate)^t)²": formula}))
    expect("old loss less the formula", torch.tensor(path, dtype=F64) - formula, equals=0, within=1e-9,
           at=("step", range(steps + 1)))                # rounding of float64 over 100 steps of size 10


@breaks(share=0.75, en="With three quarters of old data the step follows the old gradient instead.",
        zh="旧数据占四分之三时，这一步主要由旧任务的梯度决定。")
def claim_old_and_new_gradients_decide(width=8, share=0.0):
    """The first small step on the new task changes the old loss by −rate · (old gradient · new
    gradient): it forgets where they oppose, and helps where they agree.

    在新任务上走一小步，旧损失的变化是 −rate ×（旧梯度 · 新梯度）：方向相反就遗忘，相同则受益。"""
    rate, x = 1e-6, torch.randn(2, 8 * width, width, dtype=F64)
    w, a, b = torch.randn(3, width, dtype=F64)
    slopes = [z.T @ (z @ (w - to)) / len(z) for z, to in ((x[0], a), (x[1], b))]          # by hand
    change = []
    for to, g in ((b, slopes[1]), (2 * w - b, -slopes[1])):               # the second task is turned round
        path = run(share, (a, x[0]), (to, x[1]), w, rate, 1)
        change.append((path[1] - path[0]) / rate / (slopes[0] @ g).abs())
    signs = [-torch.sign(slopes[0] @ g).item() for g in (slopes[1], -slopes[1])]
    show(lines("task", [1, 2], {"change of the old loss over |rate · old · new|": change}))
    # Second order of the step: rate · |g|² · curvature over |old · new|, which two random vectors leave above 1e-4
    expect("change of the old loss over rate · |old · new|", change, equals=signs, within=0.02)


@breaks(replayed="shuffled labels", en="Old inputs with wrong labels are no replay: they teach the old task away.",
        zh="旧输入配上错误标签不是回放：反而把旧任务教坏了。")
def claim_a_little_replay_keeps_both(shares=(0.0, 0.02, 0.1, 0.5), replayed="old labels"):
    """A network with room for both tasks falls below 80% on the old one when tuned on the new alone;
    with a tenth replayed it keeps over 90% of both.

    容得下两个任务的网络，只在新任务上微调，旧任务准确率跌到 80% 以下；回放一成旧数据，两者都在 90% 以上。"""
    old, new = zip(*tune(shares, replayed), strict=True)
    show(lines("share of old data", shares, {"old task": old, "new task": new}, y_label="accuracy"))
    expect("old task without replay", [o for o, s in zip(old, shares, strict=True) if s == 0] or 0, at_most=0.8)
    for name, side in (("old", old), ("new", new)):
        enough = [v for v, s in zip(side, shares, strict=True) if 0.1 <= s <= 0.5]
        expect(f"{name} task with a tenth to a half of old data", enough or 1.0, at_least=0.9)


def drill_forgotten(rng) -> Drill:
    """The share of D² that the old loss has reached after t steps."""
    rate, steps = rng.choice([(0.5, 1), (0.5, 2), (0.5, 3), (0.2, 2), (0.1, 2)])
    d = rng.choice([2, 4, 6])
    x = whitened(8, 1)
    end = run(0.0, (torch.zeros(1, dtype=F64), x), (torch.full((1,), float(d), dtype=F64), x),
              torch.zeros(1, dtype=F64), rate, steps)[-1]
    moved = 1 - (1 - rate) ** steps
    return Drill(
        en=f"Old and new optimum are {d} apart, both losses are ½·distance². Fine-tuning on the new task alone takes {steps} "
           f"step(s) of rate {rate:g} from the old optimum. What is the old loss?",
        zh=f"新旧最优点相距 {d}，损失都是 ½·距离²。从旧最优点出发，只在新任务上以学习率 {rate:g} 走 {steps} 步。旧任务的损失是多少？",
        answer=end, within=0.01 * end,
        steps=[(f"distance moved: {d}·(1 − (1 − {rate:g})^{steps}) = {d * moved:g}",
                f"移动的距离：{d}·(1 − (1 − {rate:g})^{steps}) = {d * moved:g}"),
               (f"½·{d * moved:g}² = {end:g}",) * 2],
        proved_by="the_old_loss_follows_the_closed_form",
    )


ZH = {
    "step": "步", "old loss": "旧损失", "old loss less the formula": "旧损失减公式",
    "½D²(1 − (1 − rate)^t)²": "½D²(1 − (1 − rate)^t)²", "task": "任务",
    "change of the old loss over |rate · old · new|": "旧损失的变化与 |rate·旧·新| 之比",
    "change of the old loss over rate · |old · new|": "旧损失的变化与 rate·|旧·新| 之比",
    "share of old data": "旧数据占比", "old task": "旧任务", "new task": "新任务", "accuracy": "准确率",
    "old task without replay": "不回放时的旧任务", "old task with a tenth to a half of old data": "旧数据占一成到一半时的旧任务",
    "new task with a tenth to a half of old data": "旧数据占一成到一半时的新任务",
}  # fmt: skip

if __name__ == "__main__":
    main()
