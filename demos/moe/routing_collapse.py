r"""Left alone, a top-1 router trained with its experts leaves some of them idle; a balancing loss evens the
load, and too much of it costs the task.

top-1 路由器若任其自行训练，会让部分专家闲置；加上均衡损失，负载趋于均匀，但系数过大会损害任务本身。

A toy: eight linear experts, eight clusters of unequal size, 100 steps of Adam; coefficients of real models
are some hundred times smaller. Turn `strength` to 0: the busiest expert takes over 2.5 times its share.
玩具实验：8 个线性专家、8 个大小不等的簇、100 步 Adam；真实模型的系数小百倍左右。
把 `strength` 改为 0：最忙的专家分到的 token 超过其份额的 2.5 倍。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

EXPERTS, WIDTH, TOKENS, STEPS, RUNS = 8, 8, 128, 100, 5
SIZES = torch.tensor([8.0, 4, 2, 2, 1, 1, 1, 1])                               # of the clusters


def train(strengths: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Five runs for each coefficient of E·Σ f·P, side by side from the same starts: the busiest-first loads
    (strengths, experts) and the task loss (strengths,) on fresh data, both means over the runs."""
    many = len(strengths)

    def alike(*shape: int) -> Tensor:
        return torch.randn(RUNS, *shape).repeat(many, *[1] * len(shape))       # (many · runs, …)

    centre, target = 2 * alike(EXPERTS, WIDTH), alike(EXPERTS, WIDTH, WIDTH) / WIDTH**0.5
    router = (0.3 * alike(WIDTH, EXPERTS)).requires_grad_()
    experts = (alike(EXPERTS, WIDTH, WIDTH) / WIDTH**0.5).requires_grad_()
    weight, row = torch.tensor(strengths).repeat_interleave(RUNS), torch.arange(many * RUNS)[:, None]

    def losses(tokens: int) -> tuple[Tensor, Tensor, Tensor]:
        kind = torch.multinomial(SIZES, RUNS * tokens, replacement=True).view(RUNS, tokens).repeat(many, 1)
        x = centre[row, kind] + 0.5 * alike(tokens, WIDTH)                      # (rows, tokens, width)
        p = (x @ router).softmax(-1)
        gate, chosen = p.max(-1)
        f = torch.zeros(many * RUNS, EXPERTS).scatter_add_(1, chosen, torch.ones_like(gate)) / tokens
        every = torch.einsum("rtw,rewv->rtev", x, experts)                      # all experts, for speed
        y = gate[..., None] * every.gather(2, chosen[..., None, None].expand(-1, -1, 1, WIDTH))[:, :, 0]
        wanted = torch.einsum("rtw,rewv->rtev", x, target)
        wanted = wanted.gather(2, kind[..., None, None].expand(-1, -1, 1, WIDTH))[:, :, 0]
        return (y - wanted).square().mean((1, 2)), EXPERTS * (f * p.mean(1)).sum(1), f

    optimiser = Adam((router, experts), lr=0.02)
    for _ in range(STEPS):
        task, balance, _ = losses(TOKENS)
        optimiser.step((task + weight * balance).sum())
    with torch.no_grad():
        task, _, load = losses(1024)
    return load.sort(descending=True).values.view(many, RUNS, -1).mean(1), task.view(many, RUNS).mean(1)


RANGES = {"strength": one_of(0.0, 2.0, 4.0), "too_strong": one_of(0.0, 10.0, 30.0)}


@breaks(strength=0.0, en="Without the loss the busiest expert has over 2.5 times its share.",
        zh="没有这项损失，最忙的专家分到的超过其份额的 2.5 倍。")
def claim_balancing_evens_the_load(strength=2.0):
    """Left alone the busiest of eight experts takes over 2.5 times its share and the two least used
    under a fifth of theirs; with the loss, under twice and over a third (toy).

    任其自行训练，8 个专家中最忙的超过其份额的 2.5 倍，最闲的两个不到五分之一；加上损失后，前者不到两倍，后者超过三分之一（玩具实验）。"""
    load, _ = train((0.0, strength))
    share = load * EXPERTS
    show(bars([f"no. {e + 1}" for e in range(EXPERTS)], {"no loss": share[0], f"coefficient {strength:g}": share[1]}))
    expect("busiest expert over its share, no loss", share[0, 0], at_least=2.5)
    expect("two least used over their share, no loss", share[0, -2:].mean(), at_most=0.2)
    expect("busiest expert over its share", share[1, 0], at_most=2)
    expect("two least used over their share", share[1, -2:].mean(), at_least=1 / 3)


@breaks(too_strong=0.0, en="Without the loss there is nothing to pay.", zh="没有这项损失，也就没有代价。")
def claim_too_much_of_it_costs_the_task(too_strong=10.0):
    """Where the data is uneven, a heavy balancing loss raises the task loss by a quarter or more (toy).

    数据本身不均匀时，过重的均衡损失会使任务损失上升四分之一以上（玩具实验）。"""
    strengths = (0.0, 2.0, too_strong)
    load, task = train(strengths)
    show(lines("coefficient", strengths, {"task loss": task, "load of the busiest": load[:, 0]}))
    expect("task loss over that without balancing", task[-1] / task[0], at_least=1.25)


ZH = {
    "no. {}": "第 {}",
    "no loss": "无均衡损失",
    "coefficient {}": "系数 {}",
    "coefficient": "系数",
    "busiest expert over its share, no loss": "无损失时最忙专家与其份额之比",
    "two least used over their share, no loss": "无损失时最闲两个专家与其份额之比",
    "busiest expert over its share": "最忙专家与其份额之比",
    "two least used over their share": "最闲两个专家与其份额之比",
    "task loss": "任务损失",
    "load of the busiest": "最忙专家的负载",
    "task loss over that without balancing": "任务损失与不加均衡时之比",
}

if __name__ == "__main__":
    main()
