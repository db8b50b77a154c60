r"""Where two tasks pull against each other, projecting gradients keeps either from going backwards, and no more.

两个任务的梯度相互冲突时，投影能使谁都不倒退，但也仅此而已。

Yu et al. 2020 (PCGrad). Turn `combined` to "summed": the larger gradient pushes the smaller task back.
把 `combined` 改为 "summed"：大的梯度会把小任务往回推。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("no_task_is_pushed_back",), wrong=("always_projects", "onto_the_other", "forgets_the_length"))
def project(g: Tensor, other: Tensor) -> Tensor:
    """PCGrad's version of a task's gradient g (width,): where it points against the gradient of another
    task (width,), the part along that one is taken off; else it stays.

    PCGrad 对任务梯度 g (width,) 的处理：若与另一任务的梯度 (width,) 方向相反，就去掉沿后者的分量；否则不变。"""
    dot = g @ other
    return g - dot / (other @ other) * other if dot < 0 else g


def pcgrad(first: Tensor, second: Tensor) -> Tensor:
    """The step direction of two tasks: each gradient freed of the other, then added."""
    return project(first, second) + project(second, first)


RANGES = {
    "width": between(2, 64), "larger": between(5.0, 1000.0), "combined": one_of("projected", "summed"),
    "method": one_of("projected", "summed"), "parameters": one_of("shared", "one each"),
    "starts": each(between(-0.9, 0.9), at_least=2, rising=True),
}  # fmt: skip


@breaks(combined="summed", en="The sum points where the larger gradient does, against the smaller.",
        zh="求和的方向由大梯度决定，与小梯度相反。")
def claim_no_task_is_pushed_back(width=8, larger=10.0, combined="projected"):
    """After projection the common step goes against neither gradient, however much larger one is; the plain
    sum goes against the smaller where they conflict.

    投影之后，合成的一步不违背任何一个梯度，无论其中一个大多少；直接求和在冲突时会违背小的那个。"""
    first, second = torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([-0.5, 1.0], dtype=F64)
    expect("(1, 0) freed of (−0.5, 1)", project(first, second), equals=[0.8, 0.4], within=1e-12)
    dots, against = [], 0
    for _ in range(20):
        g = torch.randn(width, dtype=F64)
        h = torch.randn(width, dtype=F64)
        h = larger * (h - (1.5 * (h @ g).abs() + 0.6 * h.norm() * g.norm()) / (g @ g) * g)   # turned against g
        step = pcgrad(g, h) if combined == "projected" else g + h
        against += int((g + h) @ g < 0)
        dots.append(((step @ g) / g.norm() / step.norm(), (step @ h) / h.norm() / step.norm()))
    show(bars(range(8), {"with the small gradient": [a for a, _ in dots[:8]], "with the large one": [b for _, b in dots[:8]]},
              y_label="cosine of the step"))
    expect("cosine of the step with each gradient", torch.tensor(dots), at_least=-1e-9)
    expect("of twenty pairs, those whose plain sum goes against the small gradient", against, at_least=10)
    agreeing = first + torch.tensor([0.2, 0.3], dtype=F64)
    expect("gradients that agree, changed by", project(first, agreeing) - first, equals=0, within=0)


@breaks(method="summed", en="The sum of the two losses has its least value at the middle, and goes there.",
        zh="两个损失之和在中点最小，梯度下降会走到那里。")
@breaks(parameters="one each", en="With a parameter for each task both reach their optimum.", zh="每个任务各有一个参数，两者都到达最优。")
def claim_between_two_optima_it_stands_still(starts=(-0.8, -0.2, 0.5, 0.9), method="projected", parameters="shared"):
    """One shared parameter, one task wanting +1 and one −1: anywhere between, the projected step is zero.
    PCGrad finds no compromise; separate parameters end the conflict.

    只有一个共享参数，一个任务要 +1，一个要 −1：在两者之间的任何位置，投影后的步长都是零。PCGrad 不会找折中；各有参数才能消除冲突。"""
    ends, worst = [], []
    for start in starts:
        w = torch.full((2,), start, dtype=F64)                           # the value that each task sees
        for _ in range(60):
            g = 2 * (w - torch.tensor([1.0, -1.0], dtype=F64))
            shared = pcgrad(g[:1], g[1:]) if method == "projected" else g.sum()
            w = w - 0.1 * (g if parameters == "one each" else shared)
        ends.append(w[0].item())
        worst.append((w - torch.tensor([1.0, -1.0], dtype=F64)).square().max().item())
    show(lines("start", starts, {"end": ends, "larger loss at the end": worst}))
    apart = torch.tensor(starts, dtype=F64)[:, None].repeat(1, 2)           # a parameter for each task
    for _ in range(60):
        apart = apart - 0.2 * (apart - torch.tensor([1.0, -1.0], dtype=F64))
    # 0.8⁶⁰ = 1.5e-6 of a distance below 2 is left
    expect("with a parameter each: distance from the optimum", apart - torch.tensor([1.0, -1.0], dtype=F64), equals=0, within=4e-6)
    expect("distance from the start", [a - b for a, b in zip(ends, starts, strict=True)], equals=0, within=1e-12)
    expect("larger loss at the end", worst, at_least=1)


def drill_projection(rng) -> Drill:
    """The first component after projection."""
    g, h = rng.choice([((1, 0), (-0.5, 1)), ((2, 0), (-1, 1)), ((0, 1), (1, -1)), ((3, 1), (-1, 0)), ((1, 1), (0, -2)), ((1, 2), (1, 0))])
    got = project(torch.tensor(g, dtype=F64), torch.tensor(h, dtype=F64))[0].item()
    dot, square = sum(a * b for a, b in zip(g, h, strict=True)), sum(b * b for b in h)
    step = (f"{g[0]:g} − ({dot:g}/{square:g})·({h[0]:g}) = {got:g}" if dot < 0 else f"{g[0]:g}")
    return Drill(
        en=f"PCGrad: task gradients g = ({g[0]:g}, {g[1]:g}) and h = ({h[0]:g}, {h[1]:g}). What is the first component of g after "
           "projection against h?",
        zh=f"PCGrad：任务梯度 g = ({g[0]:g}, {g[1]:g})，h = ({h[0]:g}, {h[1]:g})。g 相对 h 投影之后的第一个分量是多少？",
        answer=got, within=0.01,
        steps=[(f"g·h = {dot:g}: " + ("conflict" if dot < 0 else "no conflict, nothing changes"),
                f"g·h = {dot:g}：" + ("冲突" if dot < 0 else "不冲突，不变")), (step,) * 2],
        proved_by="no_task_is_pushed_back",
    )


ZH = {
    "(1, 0) freed of (−0.5, 1)": "(1, 0) 去掉沿 (−0.5, 1) 的分量", "with the small gradient": "与小梯度",
    "with the large one": "与大梯度",
    "cosine of the step": "步的余弦", "cosine of the step with each gradient": "步与各梯度的余弦",
    "of twenty pairs, those whose plain sum goes against the small gradient": "二十对中，直接求和违背小梯度的对数",
    "with a parameter each: distance from the optimum": "各有一个参数时与最优点的距离",
    "gradients that agree, changed by": "方向一致时的改变量", "start": "起点", "end": "终点",
    "larger loss at the end": "终点处较大的损失", "distance from the start": "与起点的距离",
}  # fmt: skip

if __name__ == "__main__":
    main()
