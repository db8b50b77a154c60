r"""With the lowest adapters dropped, several tasks share one frozen trunk, and backward stops above
it.

去掉最低几层的 adapter，多个任务就共用一段冻结的主干，反向传播也止于主干之上。

Rücklé et al. 2021. Turn `dropped` to "the top": as many adapters go, but the tasks part at the first
layer and share nothing. 把 `dropped` 改为 "the top"：去掉的一样多，但各任务从第一层就分开，什么也共享不了。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import operations

Adapters = list[tuple[Tensor, Tensor] | None]


def layer(x: Tensor, w: Tensor, adapter: tuple[Tensor, Tensor] | None) -> Tensor:
    """One frozen residual layer on x (rows, width), with its adapter where there is one."""
    y = torch.tanh(x @ w)                                                     # (rows, width)
    if adapter:
        y = y + torch.relu(y @ adapter[0]) @ adapter[1]
    return x + y


def run(x: Tensor, frozen: list[Tensor], tasks: list[Adapters]) -> tuple[list[Tensor], int]:
    """The outputs of all tasks and the number of layers evaluated: layers below the first adapter
    of any task are computed once."""
    shared = next((i for i in range(len(frozen)) if any(t[i] for t in tasks)), len(frozen))
    for w in frozen[:shared]:
        x = layer(x, w, None)
    outputs = []
    for adapters in tasks:
        y = x
        for w, adapter in zip(frozen[shared:], adapters[shared:], strict=True):
            y = layer(y, w, adapter)
        outputs.append(y)
    return outputs, shared + len(tasks) * (len(frozen) - shared)


def made(layers: int, tasks: int, gone: int, dropped: str, width: int = 16) -> tuple[list[Tensor], list[Adapters]]:
    """Frozen weights, and each task's adapters with `gone` of them dropped."""
    frozen = [torch.randn(width, width, dtype=torch.float64) / width**0.5 for _ in range(layers)]
    kept = range(gone, layers) if dropped == "the lowest" else range(layers - gone)

    def adapter() -> tuple[Tensor, Tensor]:
        down = torch.randn(width, 4, dtype=torch.float64) / 4
        return down.requires_grad_(), torch.randn(4, width, dtype=torch.float64).requires_grad_()

    return frozen, [[adapter() if i in kept else None for i in range(layers)] for _ in range(tasks)]


RANGES = {
    "layers": between(2, 24),
    "tasks": between(2, 12),
    "gone": each(between(0, "layers"), rising=True),
    "dropped": one_of("the lowest", "the top"),
}
TOP = breaks(dropped="the top", en="The lowest adapters stay, so the tasks part at the first layer.",
             zh="最低层的 adapter 还在，各任务从第一层就分开。")


@TOP
def claim_tasks_share_the_trunk(layers=12, tasks=8, gone=(0, 5, 12), dropped="the lowest"):
    """T tasks over L layers take n + T·(L − n) layer evaluations with the lowest n adapters dropped,
    and the outputs are those of each task run alone.

    T 个任务、L 层，去掉最低 n 层的 adapter 后只需计算 n + T·(L − n) 个层，输出与每个任务单独运行相同。"""
    evaluated, gaps = [], []
    for n in gone:
        frozen, adapters = made(layers, tasks, n, dropped)
        x = torch.randn(8, frozen[0].shape[0], dtype=torch.float64)
        with operations() as ran:
            together, _ = run(x, frozen, adapters)
        evaluated.append(ran.count("tanh"))                       # one in each layer evaluated
        alone = [run(x, frozen, [one])[0][0] for one in adapters]
        gaps.append(max((a - b).abs().max() for a, b in zip(together, alone, strict=True)))
    formula = [n + tasks * (layers - n) for n in gone]
    frozen, adapters = made(layers, tasks, layers - 1, "the top")                # the lowest adapter alone is left
    with operations() as ran:
        run(torch.randn(8, frozen[0].shape[0], dtype=torch.float64), frozen, adapters)
    show(lines("adapters dropped", gone, {"layers evaluated": evaluated, "n + T·(L − n)": formula}))
    expect("layers evaluated", evaluated, equals=formula, at=("n", gone))
    expect("layers evaluated with all but the lowest adapters dropped", ran.count("tanh"), equals=tasks * layers)
    expect("difference from each task alone", gaps, equals=0, within=1e-12)


@TOP
def claim_backward_stops_above_the_trunk(layers=12, gone=(0, 5, 11), dropped="the lowest"):
    """With the lowest n adapters dropped, backward passes through L − n of the L layers: nothing
    below asks for a gradient.

    去掉最低 n 层的 adapter，反向只经过 L 层中的 L − n 层：再往下没有需要梯度的东西。"""
    passed = []
    for n in gone:
        frozen, adapters = made(layers, 1, n, dropped)
        out = run(torch.randn(8, frozen[0].shape[0], dtype=torch.float64), frozen, adapters)[0][0].square().sum()
        with operations() as ran:
            if out.requires_grad:                                 # n = L: the frozen model
                out.backward()
        passed.append(ran.count("tanh_backward") + (n < layers))  # the first adapter's own tanh needs none
    show(lines("adapters dropped", gone, {"layers that backward reaches": passed}))
    expect("layers that backward reaches", passed, equals=[layers - n for n in gone], at=("n", gone))


def drill_layers(rng) -> Drill:
    """Layer evaluations for several tasks."""
    layers, tasks, n = rng.choice([(12, 8, 5), (24, 4, 8), (12, 3, 6), (32, 10, 12), (24, 16, 20)])
    evaluated = n + tasks * (layers - n)
    return Drill(
        en=f"{tasks} tasks with adapters on one frozen model of {layers} layers; the adapters of the lowest {n} layers are dropped. "
           "How many layer evaluations does one input for all tasks take?",
        zh=f"一个 {layers} 层的冻结模型上有 {tasks} 个任务的 adapter，去掉最低 {n} 层的。同一个输入跑完全部任务，要计算多少个层？",
        answer=evaluated, within=0.5,
        steps=[(f"the trunk once: {n}", f"主干一次：{n}"),
               (f"above it each task: {tasks} · ({layers} − {n}) = {tasks * (layers - n)}; together {evaluated}, not {tasks * layers}",
                f"其上每个任务各算：{tasks} · ({layers} − {n}) = {tasks * (layers - n)}；合计 {evaluated}，原为 {tasks * layers}")],
        proved_by="tasks_share_the_trunk",
    )


ZH = {
    "adapters dropped": "去掉的 adapter 层数",
    "layers evaluated": "计算的层数",
    "layers evaluated with all but the lowest adapters dropped": "只留最低层的 adapter 时计算的层数",
    "n + T·(L − n)": "n + T·(L − n)",
    "difference from each task alone": "与各任务单独运行之差",
    "layers that backward reaches": "反向到达的层数",
}

if __name__ == "__main__":
    main()
