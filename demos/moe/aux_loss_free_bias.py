r"""A bias per expert, moved against the last batch's load, balances experts without a loss term.

每个专家一个偏置，按上一批的负载反向调整，无需损失项就能均衡负载。

Wang et al. 2024, Algorithm 1; DeepSeek-AI 2024, §2.1.2. The bias enters the choice alone. Turn
`sign` to −1: the busy get busier. Turn `speed` to 1: loads swing from step to step.
偏置只参与选择。把 `sign` 改为 −1：忙的更忙；把 `speed` 改为 1：负载逐步来回摆动。
"""

import torch
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
from studyapp.evidence.tools import Adam


@exercise(claims=("two_experts_meet_at_the_median", "a_skewed_router_is_balanced"),
          wrong=("pushes_towards_the_busy", "moves_by_the_count"))
def update(bias: Tensor, loads: Tensor, speed: float) -> Tensor:
    """The biases after a batch: up by `speed` for experts below the mean load, down for those above;
    bias and loads (tokens per expert) are (…, experts).

    一批之后的偏置：负载低于平均的专家加 `speed`，高于平均的减 `speed`；bias 与 loads（各专家的 token 数）均为
    (…, experts)。"""
    return bias + speed * torch.sign(loads.mean(-1, keepdim=True) - loads)


def loads_of(scores: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The chosen experts (…, tokens, k) and the tokens per expert (…, experts)."""
    chosen = (scores + bias[..., None, :]).topk(k).indices
    return chosen, torch.zeros_like(scores).scatter(-1, chosen, 1.0).sum(-2)


def violation(loads: Tensor) -> Tensor:
    """MaxVio: the largest load over the mean load, less 1; 0 is perfect balance."""
    return loads.amax(-1) / loads.mean(-1) - 1


def settle(scores: Tensor, k: int, steps: int, speed: float, sign: float) -> tuple[Tensor, list]:
    """The bias after `steps` updates on the same scores, and MaxVio at each."""
    bias, seen = torch.zeros(scores.shape[-1]), []
    for _ in range(steps):
        loads = loads_of(scores, bias, k)[1]
        seen.append(float(violation(loads)))
        bias = update(bias, loads, sign * speed)
    return bias, seen


def train(balance: str, speed: float, seed: int, steps: int = 60, copies: int = 6,
          tokens: int = 128, width: int = 8, experts: int = 8) -> tuple[Tensor, Tensor]:
    """Task loss and MaxVio per step, each of `copies` models' mean: linear experts, top-2, on 16
    clusters of tokens, cluster c as frequent as 1/c, each with a linear map of its own. The same
    seed gives the same weights and tokens, whatever balances."""
    torch.manual_seed(seed)
    frequency = 1 / torch.arange(1, 17.0)
    centre, target = torch.randn(copies, 16, width), torch.randn(copies, 16, width, width) / width**0.5
    router = (0.3 * torch.randn(copies, width, experts)).requires_grad_()
    w = (torch.randn(copies, width, experts * width) / width**0.5).requires_grad_()
    adam, bias, losses, seen = Adam([router, w], lr=0.03), torch.zeros(copies, experts), [], []
    for _ in range(steps):
        c = torch.multinomial(frequency, copies * tokens, True).view(copies, tokens)
        at = (torch.arange(copies)[:, None], c)
        x = centre[at] + 0.5 * torch.randn(copies, tokens, width)           # (copies, tokens, width)
        y = (target[at] @ x[..., None])[..., 0]
        scores = (x @ router).sigmoid()                                     # (copies, tokens, experts)
        chosen, loads = loads_of(scores, bias, 2)
        gate = torch.zeros_like(scores).scatter(-1, chosen, 1.0) * scores   # unbiased
        gate = gate / gate.sum(-1, keepdim=True)
        out = ((x @ w).unflatten(-1, (experts, width)) * gate[..., None]).sum(-2)
        task = (out - y).square().mean((1, 2))                              # (copies,)
        share = (scores / scores.sum(-1, keepdim=True)).mean(1)             # P of the balance loss
        penalty = experts * (loads / (2 * tokens) * share).sum(-1)
        adam.step((task + (penalty if balance == "loss" else 0)).sum())
        if balance == "bias":
            bias = update(bias, loads, speed)
        losses.append(float(task.detach().mean()))
        seen.append(float(violation(loads).mean()))
    return torch.tensor(losses), torch.tensor(seen)


RANGES = {
    "tokens": between(256, 4096),
    "experts": between(4, 32),
    "k": between(1, 3),
    "apart": between(-0.5, 0.5),
    "speed": between(0.01, 1.0),
    "sign": one_of(1.0, -1.0),
}
REVERSED = breaks(sign=-1.0, en="Raised instead of lowered, a busy expert's bias draws still more tokens.",
                  zh="忙的专家偏置不降反升，引来更多 token。")
SWINGS = breaks(speed=1.0, en="A step as large as the scores throws all tokens from one half of the experts to the other.",
                zh="步长与分数一样大，所有 token 在两半专家之间来回甩。")


@REVERSED
def claim_two_experts_meet_at_the_median(tokens=1001, apart=0.3, speed=0.01, sign=1.0):
    """Of two experts with top-1, the biases end where their difference is the median difference of
    the scores, within two steps.

    两个专家、top-1 时，两偏置之差最终等于两者分数之差的中位数，误差在两步以内。"""
    scores = torch.rand(tokens, 2) + torch.tensor([apart, 0.0])
    bias, seen = settle(scores, 1, int(1.0 / speed) + 10, speed, sign)
    median = (scores[:, 0] - scores[:, 1]).median()
    show(lines("step", range(len(seen)), {"MaxVio": seen}))
    # Each step moves the difference by 2·speed, and passes the median by as much; float32 beside it
    expect("bias of 2 less bias of 1, less the median", bias[1] - bias[0] - median, equals=0,
           within=2 * speed + 1e-4)


@REVERSED
@SWINGS
def claim_a_skewed_router_is_balanced(tokens=2048, experts=16, k=2, speed=0.01, sign=1.0):
    """On a fixed skewed router 150 updates of 0.01 take the largest load from over twice the mean to
    near the mean.

    对一个固定的偏斜路由器，150 次步长 0.01 的更新，就把最大负载从平均的两倍以上降到平均附近。"""
    skew = torch.linspace(-1, 1, experts)
    scores = (torch.randn(tokens, experts) + skew).sigmoid()
    _, seen = settle(scores, k, 150, speed, sign)
    show(lines("step", range(len(seen)), {"MaxVio": seen}))
    first = loads_of(scores, torch.zeros(experts), k)[1]
    moved = update(torch.zeros(experts), first, sign * speed)
    expect("first step of the busiest and the idlest, over the speed",
           moved[[int(first.argmax()), int(first.argmin())]] / speed, equals=[-1, 1], within=1e-6)
    expect("MaxVio before", seen[0], at_least=1 if experts >= 8 else 0)
    # One step of the bias moves at most the tokens whose score lies within two steps of the cut: a
    # density of scores up to 4 (at 0 or 1 of a sigmoid), times experts / k of the mean load.
    expect("MaxVio at the end", max(seen[-10:]), at_most=min(0.5, 8 * speed * experts / k))


@SWINGS
def claim_training_pays_less_than_for_a_loss(speed=0.02):
    """In this toy the bias balances at no cost in task loss; a balance loss strong enough to balance
    as well costs over 3%.

    在这个玩具任务里，偏置均衡负载而任务损失不升；平衡损失要均衡到同样程度，任务损失升高 3% 以上。"""
    seed = int(torch.randint(1 << 30, ()))
    runs = {name: train(name, speed, seed) for name in ("none", "bias", "loss")}  # some 0.6 s
    steps = range(len(runs["none"][0]))
    show(lines("step", steps, {n: loss for n, (loss, _) in runs.items()}, log="y", y_label="task loss"))
    show(lines("step", steps, {n: seen for n, (_, seen) in runs.items()}, y_label="MaxVio"))
    loss, seen = ({n: run[i][-20:].mean() for n, run in runs.items()} for i in (0, 1))
    expect("MaxVio without balancing", seen["none"], at_least=0.6)
    expect("MaxVio with the bias", seen["bias"], at_most=0.5)
    expect("MaxVio with the balance loss over with the bias", seen["loss"] / seen["bias"],
           at_least=0.8)                                        # it balances no better
    expect("task loss with the bias over without", loss["bias"] / loss["none"], at_most=1.05)
    expect("task loss with the balance loss over with the bias", loss["loss"] / loss["bias"],
           at_least=1.03)


def drill_step(rng) -> Drill:
    """One expert's bias after a batch."""
    loads = rng.choice([(90, 30, 60, 20), (10, 40, 25, 45), (64, 16, 32, 48), (7, 12, 3, 10)])
    which, speed = rng.randrange(4), rng.choice([0.001, 0.01])
    start = rng.choice([0.0, 0.02, -0.01])
    after = update(torch.full((4,), start), torch.tensor(loads, dtype=torch.float32), speed)[which]
    mean = sum(loads) / 4
    return Drill(
        en=f"Four experts got {', '.join(map(str, loads))} tokens in a batch. Expert {which + 1}'s bias was {start:g} and the "
           f"update speed is {speed:g}. What is its bias now?",
        zh=f"一批中四个专家各得 {'、'.join(map(str, loads))} 个 token。专家 {which + 1} 的偏置原为 {start:g}，更新步长 {speed:g}。"
           "现在它的偏置是多少？",
        answer=round(after.item(), 6), within=1e-6,
        steps=[(f"the mean load is {mean:g}, expert {which + 1} has {loads[which]}",
                f"平均负载 {mean:g}，专家 {which + 1} 为 {loads[which]}"),
               (("above: lower it" if loads[which] > mean else "below: raise it") + f" by {speed:g}, to {after:g}",
                ("高于平均：减" if loads[which] > mean else "低于平均：加") + f" {speed:g}，得 {after:g}")],
        proved_by="a_skewed_router_is_balanced",
    )


ZH = {
    "step": "步",
    "bias of 2 less bias of 1, less the median": "偏置之差减去分数差的中位数",
    "first step of the busiest and the idlest, over the speed": "最忙与最闲专家的第一步，除以步长",
    "MaxVio before": "之前的 MaxVio",
    "MaxVio at the end": "最后的 MaxVio",
    "none": "不均衡",
    "bias": "偏置",
    "loss": "平衡损失",
    "task loss": "任务损失",
    "MaxVio without balancing": "不均衡时的 MaxVio",
    "MaxVio with the bias": "用偏置时的 MaxVio",
    "MaxVio with the balance loss over with the bias": "用平衡损失与用偏置的 MaxVio 之比",
    "task loss with the bias over without": "用偏置与不均衡的任务损失之比",
    "task loss with the balance loss over with the bias": "用平衡损失与用偏置的任务损失之比",
}

if __name__ == "__main__":
    main()
