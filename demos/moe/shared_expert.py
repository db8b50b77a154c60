r"""An expert that every token uses takes up what is common, so that the routed ones need not repeat it.

一个人人都用的共享专家承担共性，路由专家就不必各自重复一遍。

Dai et al. 2024, §3.2, whose hypothesis this shows on linear experts. Turn `shared` to "none": all
routed experts hold the common map, and resemble each other.
在线性专家上演示该论文的设想。把 `shared` 改为 "none"：每个路由专家都含有那份共性，彼此相像。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, expect, lines, main, one_of, show


def train(targets: Tensor, shared: str, steps: int = 400) -> tuple[Tensor, Tensor]:
    """Maps (experts, width, width) of the routed experts, and of the shared one (width, width), after
    descent from 0 on |routed + shared − target|², each expert's tokens white."""
    routed, common = torch.zeros_like(targets), torch.zeros_like(targets[0])
    rate = 0.9 / (1 + (len(targets) if shared == "one" else 0))
    for _ in range(steps):
        gap = routed + common - targets                              # (experts, width, width)
        routed = routed - rate * gap
        if shared == "one":
            common = common - rate * gap.sum(0)
    return routed, common


def likeness(maps: Tensor) -> Tensor:
    """The mean cosine between two different experts' maps."""
    flat = torch.nn.functional.normalize(maps.flatten(1), dim=1)
    return ((flat @ flat.T).sum() - len(flat)) / (len(flat) * (len(flat) - 1))


def tasks(experts: int, width: int, common: float) -> tuple[Tensor, Tensor]:
    """What each expert's tokens need, a common map and one of their own: the sum, and the common."""
    own = torch.randn(experts, width, width, dtype=torch.float64)
    own = own - own.mean(0)                                          # nothing in common is left
    both = common * torch.randn(width, width, dtype=torch.float64)
    return own + both, both


RANGES = {
    "counts": each(between(2, 64), at_least=2, at_most=6, rising=True),
    "experts": between(2, 32),
    "width": between(4, 24),
    "common": between(0.5, 3.0),
    "shared": one_of("one", "none"),
}
NONE = breaks(shared="none", en="Without it, each routed expert must hold the common map itself.",
              zh="没有共享专家，每个路由专家都得自己存一份共性。")


@NONE
def claim_the_common_part_moves(counts=(2, 4, 8, 16, 32), width=12, common=1.0, shared="one"):
    """Trained by descent from zero beside a shared expert, each of n routed experts keeps 1/(n + 1) of
    the common map; the shared one takes the rest.

    与一个共享专家一起从零做梯度下降，n 个路由专家各只留下共性的 1/(n + 1)，其余归共享专家。"""
    kept = []
    for n in counts:
        targets, both = tasks(n, width, common)
        routed, _ = train(targets, shared)
        kept.append((routed.mean(0) * both).sum() / both.square().sum())
    show(lines("routed experts", counts, {"share of the common map in each": kept,
                                         "1/(n + 1)": [1 / (n + 1) for n in counts]}, log="x"))
    # The least-norm solution, reached to (1 − rate)^400
    expect("share of the common map, times n + 1", [k * (n + 1) for k, n in zip(kept, counts, strict=True)],
           equals=1, within=1e-6, at=("routed experts", counts))


@NONE
def claim_routed_experts_resemble_less(experts=8, width=12, common=1.0, shared="one"):
    """Both layers fit the same tokens; beside a shared expert the routed ones resemble each other less,
    by the common part that left them.

    两种层拟合得一样好；有共享专家时，路由专家之间更不相像，少的正是移走的那份共性。"""
    targets, both = tasks(experts, width, common)
    ways = {"no shared expert": train(targets, "none"), "one": train(targets, shared)}
    alike = {n: likeness(r) for n, (r, _) in ways.items()}
    left = {n: (r + c - targets).abs().max() for n, (r, c) in ways.items()}
    show(bars(list(ways), {"mean cosine of two routed experts": list(alike.values())}))
    expect("misfit, largest", list(left.values()), equals=0, within=1e-6)
    own = targets - both
    expect("cosine beside a shared expert, less that of what is left to them", alike["one"] - likeness(
        own + both / (experts + 1)), equals=0, within=1e-6)
    expect("cosine gone", alike["no shared expert"] - alike["one"], at_least=0.05)


ZH = {
    "routed experts": "路由专家数",
    "share of the common map in each": "各专家所含共性的份额",
    "share of the common map, times n + 1": "共性份额乘以 n + 1",
    "no shared expert": "无共享专家",
    "one": "一个",
    "mean cosine of two routed experts": "两个路由专家的平均余弦",
    "misfit, largest": "最大拟合误差",
    "cosine beside a shared expert, less that of what is left to them": "有共享专家时的余弦与应剩部分的余弦之差",
    "cosine gone": "减少的余弦",
}

if __name__ == "__main__":
    main()
