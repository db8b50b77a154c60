r"""Of all policies that solve a new task, the one nearest the base in KL forgets least.

在所有能解决新任务的策略中，KL 上离 base 最近的那个遗忘最少。

The parity toy of Shenfeld et al. 2025, shrunk: a new task that many label maps solve. Turn `labels` to
"nearest": SFT on the base's own right answers forgets far less than on an arbitrary map.
把 `labels` 改为 "nearest"：用 base 自己的正确回答做 SFT，遗忘远少于任意一套标签。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import Adam

CLASSES, CASES, ROWS, WIDTH, HIDDEN = 10, 6, 60, 8, 32
RIGHT = (torch.arange(CLASSES) % 2 == torch.arange(ROWS)[:, None] % 2).float()     # (rows, classes): parity
Y = torch.arange(ROWS) % CLASSES


@exercise(claims=("the_nearest_solution_rescales_the_base",), wrong=("spreads_evenly", "takes_the_best"))
def nearest(base: Tensor, right: Tensor, mass: float) -> Tensor:
    """Of all distributions with this mass on the right answers, the one with the least KL to the base, from
    either side; base is (…, classes), right is 0 or 1.

    在正确答案上总概率为 mass 的所有分布中，与 base 的 KL（两个方向都是）最小的那个；base 为 (…, classes)，
    right 为 0 或 1。"""
    on, off = base * right, base * (1 - right)
    return mass * on / on.sum(-1, keepdim=True) + (1 - mass) * off / off.sum(-1, keepdim=True)


def network(weights: list, x: Tensor) -> Tensor:
    """Log-probabilities (cases, rows, classes) of CASES two-layer networks at once."""
    return (F.gelu(x @ weights[0] + weights[1]) @ weights[2] + weights[3]).log_softmax(-1)


def pretrained() -> tuple:
    """A base that knows an old task, and gives the right parity on the new one 3 times in 4."""
    centres = torch.randn(2, CASES, CLASSES, WIDTH)
    old, new = centres[:, :, Y] + 0.3 * torch.randn(2, CASES, ROWS, WIDTH)
    truth = F.one_hot(Y, CLASSES).float()
    weights = [torch.randn(CASES, WIDTH, HIDDEN) / WIDTH**0.5, torch.zeros(CASES, 1, HIDDEN),
               torch.randn(CASES, HIDDEN, CLASSES) / HIDDEN**0.5, torch.zeros(CASES, 1, CLASSES)]
    weights = [w.requires_grad_() for w in weights]
    adam = Adam(weights, lr=0.03)
    for _ in range(40):
        adam.step(-(truth * network(weights, old) + (truth / 2 + 0.5 / CLASSES) * network(weights, new)).sum())
    return [w.detach() for w in weights], old, new


def tune(base: list, new: Tensor, taught: list, goal: float = 0.95) -> tuple[list, Tensor]:
    """Each run until the new task is right with probability `goal`: SFT on target probabilities (cases, rows,
    classes), or REINFORCE with one sample per row where they are None. Gives the weights (runs, cases, …) and the
    steps that each run took."""
    weights = [w.repeat(len(taught), 1, 1, 1).requires_grad_() for w in base]
    rewarded = torch.tensor([t is None for t in taught])[:, None, None, None]
    target = torch.stack([torch.zeros(CASES, ROWS, CLASSES) if t is None else t for t in taught])
    adam, ended = Adam(weights, lr=0.006), [w.detach().clone() for w in weights]
    running, taken = torch.ones(len(taught), dtype=torch.bool), torch.zeros(len(taught))
    for _ in range(200):
        log_p = network(weights, new)                                       # (runs, cases, rows, classes)
        p = log_p.detach().exp()
        done = running & ((p * RIGHT).sum(-1).mean((1, 2)) >= goal)
        ended = [torch.where(done[:, None, None, None], w.detach(), e) for w, e in zip(weights, ended, strict=True)]
        running = running & ~done
        if not running.any():
            break
        action = p.flatten(0, 2).multinomial(1).view(*p.shape[:3], 1)
        reward = RIGHT.expand_as(p).gather(-1, action)
        push = torch.zeros_like(p).scatter(-1, action, reward - reward.mean((2, 3), keepdim=True))
        adam.step(-(torch.where(rewarded, push, target) * log_p).sum())
        taken += running
    return ended, taken


def measure(base: list, tuned: list, old: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """KL(base‖tuned) on the new task, and the rise of the old task's loss, of each run in nats."""
    before, after = network(base, new), network(tuned, new)
    at = (..., torch.arange(ROWS), Y)
    return ((before.exp() * (before - after)).sum(-1).mean((1, 2)),
            (network(base, old)[at] - network(tuned, old)[at]).mean((1, 2)))


def targets(p: Tensor, arbitrary: float) -> Tensor:
    """Labels for SFT: a share of them from a map drawn once per cluster among the five right answers, the
    rest from the base's own right answers."""
    picked = 2 * torch.randint(CLASSES // 2, (CASES, CLASSES)) + torch.arange(CLASSES) % 2
    drawn = F.one_hot(picked[:, Y], CLASSES).float()
    return arbitrary * drawn + (1 - arbitrary) * nearest(p, RIGHT, 1.0)


RANGES = {
    "classes": between(3, 32), "mass": between(0.6, 0.99), "solution": one_of("nearest", "even"),
    "labels": one_of("arbitrary", "nearest"), "predictor": one_of("KL", "steps"),
}  # fmt: skip


@breaks(solution="even", en="Spread evenly over the right answers, the policy leaves the base for nothing.",
        zh="把概率均分给所有正确答案，就白白离开了 base。")
def claim_the_nearest_solution_rescales_the_base(classes=8, mass=0.95, solution="nearest"):
    """Of all policies right with probability m, the one nearest the base in KL keeps the base's ratios among
    right answers and among wrong ones.

    在正确率为 m 的所有策略中，KL 上离 base 最近的那个，在正确答案之间、错误答案之间都保持 base 的比例。"""
    base = torch.randn(classes, dtype=torch.float64).softmax(0)
    right = (torch.arange(classes) < (classes + 1) // 2).double()
    even = mass * right / right.sum() + (1 - mass) * (1 - right) / (1 - right).sum()
    policy = nearest(base, right, mass) if solution == "nearest" else even
    z = torch.randn(2, classes, dtype=torch.float64).requires_grad_()       # found by descent, from a random start
    adam = Adam([z], lr=0.2)
    for _ in range(150):
        inside, outside = ((z + r.log()).softmax(1) for r in (right, 1 - right))
        p = mass * inside + (1 - mass) * outside
        adam.step((p[0] * (p[0] / base).log()).sum() + (base * (base / p[1]).log()).sum())
    show(bars(range(classes), {"base": base, "formula": policy, "by descent": p[0].detach()}, y_label="probability"))
    kls = [(policy * (policy / base).log()).sum(), (base * (base / policy).log()).sum()]
    found = [(p[0] * (p[0] / base).log()).sum(), (base * (base / p[1]).log()).sum()]
    # Descent of 150 steps ends within 1e-4 of the least, from above
    for name, a, b in zip(("KL(π‖base)", "KL(base‖π)"), kls, found, strict=True):
        expect(f"{name} of the formula less the least found", a - b.detach(), equals=0, within=1e-3)


@breaks(labels="nearest", en="On the base's own right answers SFT forgets far less than on an arbitrary map.",
        zh="用 base 自己的正确回答做 SFT，遗忘远少于任意一套标签。")
def claim_sft_on_an_arbitrary_map_forgets_more(labels="arbitrary"):
    """At equal new-task accuracy SFT on an arbitrary right map raises the old loss over three times as much as
    REINFORCE without a KL term, and over twice as much as SFT on the base's own right answers.

    新任务正确率相同时，用任意一套正确标签做 SFT，旧损失的上升是不带 KL 项的 REINFORCE 的三倍以上，
    是用 base 自己的正确回答做 SFT 的两倍以上。"""
    base, old, new = pretrained()
    p = network(base, new).exp()
    runs = {"SFT": targets(p, 1.0 if labels == "arbitrary" else 0.0), "SFT on own answers": targets(p, 0.0), "REINFORCE": None}
    tuned, _ = tune(base, new, list(runs.values()))
    kl, rise = measure(base, tuned, old, new)
    show(bars(list(runs), {"KL(base‖tuned) on the new task": kl, "rise of the old loss": rise}, y_label="nats"))
    # Each run ends at its first step at or above 0.95, and one step gains less than 0.01
    expect("accuracy on the new task", (network(tuned, new).exp() * RIGHT).sum(-1).mean((1, 2)), equals=0.95, within=0.01)
    expect("rise of the old loss, SFT over REINFORCE", rise[0] / rise[2], at_least=3)
    expect("rise of the old loss, SFT over SFT on own answers", rise[0] / rise[1], at_least=2)


@breaks(predictor="steps", en="The number of steps does not tell who forgets: a shorter run can forget more.",
        zh="步数说明不了谁忘得多：更短的训练也可能忘得更多。")
def claim_kl_on_the_new_task_predicts_forgetting(predictor="KL"):
    """Over runs of equal new-task accuracy, forgetting correlates over 0.8 with KL(base‖tuned) on the new
    task, which needs no old data.

    在新任务正确率相同的多次训练之间，遗忘与新任务上的 KL(base‖tuned) 相关系数超过 0.8，而测量它不需要旧数据。"""
    base, old, new = pretrained()
    p = network(base, new).exp()
    tuned, steps = tune(base, new, [*(targets(p, share) for share in (1.0, 0.75, 0.5, 0.0)), None])
    kl, rise = measure(base, tuned, old, new)
    x = kl if predictor == "KL" else steps
    order = x.argsort()
    show(lines(predictor, x[order], {"rise of the old loss": rise[order]}, y_label="nats"))
    before, after = network(base, new), network(tuned, new)                # torch's kl_div: target first, KL(base‖tuned)
    torchs = F.kl_div(after, before.expand_as(after), reduction="none", log_target=True).sum(-1).mean((1, 2))
    expect("KL(base‖tuned) less torch's", kl - torchs, equals=0, within=1e-5)                  # float32, KLs up to 5
    expect("correlation with the rise of the old loss", torch.corrcoef(torch.stack((x, rise)))[0, 1], at_least=0.8)


def drill_distance(rng) -> Drill:
    """The least KL at which a task can be solved."""
    share = rng.choice([0.5, 0.25, 0.8, 0.1])
    base = torch.tensor([share * 0.75, share * 0.25, 1 - share], dtype=torch.float64)
    p = nearest(base, torch.tensor([1.0, 1, 0], dtype=torch.float64), 1.0)
    kl = torch.xlogy(p, p / base).sum().item()
    return Drill(
        en=f"A base model answers right with probability {share:g}. Over all policies that are always right, what is the least "
           f"KL(π‖base), in nats?",
        zh=f"base 模型答对的概率为 {share:g}。在所有必定答对的策略中，KL(π‖base) 最小是多少 nat？",
        answer=kl, within=0.01,
        steps=[("the nearest is the base restricted to right answers: every ratio π/base is 1/" + f"{share:g}",
                f"最近的是限制在正确答案上的 base：每个比值 π/base 都是 1/{share:g}"),
               (f"KL = ln(1/{share:g}) = {kl:.3f}",) * 2],
        proved_by="the_nearest_solution_rescales_the_base",
    )


ZH = {
    "base": "base", "formula": "公式", "by descent": "梯度下降所得", "probability": "概率",
    "{} of the formula less the least found": "公式的 {} 减去找到的最小值",
    "KL(base‖tuned) on the new task": "新任务上的 KL(base‖tuned)", "rise of the old loss": "旧损失的上升", "nats": "nats",
    "accuracy on the new task": "新任务的正确率", "SFT on own answers": "自己的回答上的 SFT",
    "rise of the old loss, SFT over REINFORCE": "旧损失的上升，SFT 与 REINFORCE 之比",
    "rise of the old loss, SFT over SFT on own answers": "旧损失的上升，SFT 与自己的回答上的 SFT 之比",
    "KL(base‖tuned) less torch's": "KL(base‖tuned) 减 torch 的结果",
    "steps": "步数", "correlation with the rise of the old loss": "与旧损失上升的相关系数",
}  # fmt: skip

if __name__ == "__main__":
    main()
