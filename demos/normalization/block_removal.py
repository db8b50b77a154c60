r"""In a trained pre-norm net the deep blocks matter least; in a post-norm net of the same loss they matter as much as any.

训练好的 pre-norm 网络里，深层的块最不重要；损失相同的 post-norm 网络里，它们与别的块同样重要。

Sun et al. 2025 (The Curse of Depth) remove layers of real LLMs. Guess first which block may go. Turn `place` to "post".
(Training two nets takes half a second: the exception to a tenth.)
Sun 等 2025 在真实 LLM 上删层。先猜哪个块可以删。把 `place` 改为 "post"。（要训练两个网络，约半秒，是个例外。）
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


def norm(h: Tensor) -> Tensor:
    """LayerNorm without gain."""
    return F.layer_norm(h, h.shape[-1:])


def forward(x: Tensor, ws: list[Tensor], place: str, removed: int = -1, updates: list | None = None) -> Tensor:
    """A residual stack of ReLU blocks, W₂ relu(W₁ ·), for several runs at once, without the removed one;
    x (rows, width), each of ws (runs, 2, width, width). Collects each block's update over its stream."""
    h = x.expand(len(ws[0]), *x.shape)                                     # (runs, rows, width)
    for i, w in enumerate(ws):
        if i == removed:
            continue
        update = ((norm(h) if place == "pre" else h) @ w[:, 0]).relu() @ w[:, 1]
        if updates is not None:
            updates.append((update.square().mean() / h.square().mean()).sqrt().item())
        h = h + update if place == "pre" else norm(h + update)
    return norm(h) if place == "pre" else h


def task(blocks: int, width: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Weights at half of He scale, rows, and targets of a random tanh net: the same for both placements."""
    x, up, down = torch.randn(4 * width, width), torch.randn(width, 4 * width), torch.randn(4 * width, width)
    ws = [torch.randn(2, 2, width, width) / (2 * width) ** 0.5 for _ in range(blocks)]
    return ws, x, norm((x @ up / width**0.5).tanh() @ down)


def trained(place: str, start: list[Tensor], x: Tensor, target: Tensor, steps: int) -> list[Tensor]:
    """The weights after so many steps of Adam."""
    ws = [w.clone().requires_grad_() for w in start]
    adam = Adam(ws, lr=0.01)
    for _ in range(steps):
        adam.step((forward(x, ws, place) - target).square().mean((1, 2)).sum())
    return [w.detach() for w in ws]


def by_thirds(values: list[float] | Tensor) -> float:
    """Mean of the last third over that of the first."""
    values = torch.as_tensor(values)
    third = len(values) // 3
    return (values[-third:].mean() / values[:third].mean()).item()


RANGES = {
    "blocks": between(10, 13),
    "width": between(14, 18),
    "steps": between(36, 48),
    "place": one_of("pre", "post"),
}
POST = breaks(place="post", en="With a norm after each addition no block finds a larger stream than the others do.",
              zh="每次相加之后都归一化，各块面对的残差流一样大。")


@POST
def claim_deep_blocks_of_pre_norm_can_go(blocks=12, width=16, steps=40, place="pre"):
    """In a trained 12-block pre-norm net, removing a block of the last third costs less than 0.65 of removing one of the
    first; in a post-norm net of the same loss, within a quarter, it costs at least 0.65, and more in loss than pre-norm's.

    训练好的 12 块 pre-norm 网络，删掉后三分之一的一块，代价不到删前三分之一的 0.65；损失相当（相差四分之一以内）的 post-norm
    网络，这个比不低于 0.65，损失的增加也比 pre-norm 大。"""
    cost, loss = {}, {}
    start, x, target = task(blocks, width)
    for name in ("pre", "post"):
        ws = trained(name, start, x, target, steps)
        loss[name] = (forward(x, ws, name) - target).square().mean()
        cost[name] = torch.stack([(forward(x, ws, name, i) - target).square().mean() for i in range(blocks)]) - loss[name]
    show(lines("removed block", range(1, blocks + 1), {f"{name}-norm": cost[name] for name in ("pre", "post")},
               y_label="loss added"))
    expect("loss added by a block of the last third, over the first", by_thirds(cost[place]), at_most=0.65)
    expect("the same in post-norm", by_thirds(cost["post"]), at_least=0.65)
    expect("loss of post-norm over that of pre-norm", loss["post"] / loss["pre"], equals=1, within=0.25)
    third = blocks // 3
    expect("loss added by the last third, post over pre", cost["post"][-third:].mean() / cost["pre"][-third:].mean(),
           at_least=1.3)


@POST
def claim_deep_updates_of_pre_norm_are_small(blocks=12, width=16, steps=40, place="pre"):
    """After training, a block of the last third of a pre-norm net changes the stream by less than 0.7 of what one of the
    first third does: the stream has grown, the updates have not.

    训练之后，pre-norm 网络后三分之一的块对残差流的相对改变，不到前三分之一的 0.7：残差流变大了，更新却没有。"""
    sizes = {}
    start, x, target = task(blocks, width)
    for name in ("pre", "post"):
        ws = trained(name, start, x, target, steps)
        sizes[name] = []
        forward(x, ws, name, updates=sizes[name])
    show(lines("block", range(1, blocks + 1), {f"{name}-norm": v for name, v in sizes.items()},
               y_label="update over stream"))
    expect("update over stream, last third over first", by_thirds(sizes[place]), at_most=0.7)
    expect("the same in post-norm", by_thirds(sizes["post"]), at_least=0.7)


ZH = {
    "removed block": "删掉的块",
    "pre-norm": "pre-norm",
    "post-norm": "post-norm",
    "loss added": "损失的增加",
    "loss added by a block of the last third, over the first": "删后三分之一的块与删前三分之一的代价之比",
    "the same in post-norm": "post-norm 的同一个比",
    "loss of post-norm over that of pre-norm": "post-norm 与 pre-norm 的损失之比",
    "loss added by the last third, post over pre": "删后三分之一的代价，post 与 pre 之比",
    "block": "块",
    "update over stream": "更新与残差流之比",
    "update over stream, last third over first": "更新与残差流之比，后三分之一与前三分之一",
}

if __name__ == "__main__":
    main()
