r"""Freezing saves gradients and moments anywhere, activations and most of the backward pass only at the bottom.

冻结哪一层都省梯度和动量；只有冻结底部，才省激活和大部分反向计算。

Turn `frozen` to "top": the gradient must still pass through the frozen layers to the trained ones below.
把 `frozen` 改为 "top"：梯度仍要穿过冻结层，才能到达下面被训练的层。
"""

import torch
from torch import Tensor, nn

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
from studyapp.evidence.tools import operations


@exercise(claims=("frozen_weights_stay_where_they_are",), wrong=("leaves_the_gradient", "zeroes_the_gradient"))
def freeze(layers: nn.Sequential, trained: slice) -> list[Tensor]:
    """Freeze every parameter outside layers[trained], so that an optimizer built earlier over all of them
    leaves it alone whatever it holds; return the trained parameters.

    冻结 layers[trained] 以外的所有参数，使此前在全部参数上建立的优化器无论保存了什么都不再改动它们；返回被训练的参数。"""
    kept = {id(p) for p in layers[trained].parameters()}
    for p in layers.parameters():
        p.requires_grad_(id(p) in kept)
        if id(p) not in kept:
            p.grad = None                              # a gradient of an earlier step would still be applied
    return [p for p in layers.parameters() if p.requires_grad]


def stack(depth: int, width: int) -> nn.Sequential:
    """Blocks of a linear layer without bias and a GELU."""
    return nn.Sequential(*(nn.Sequential(nn.Linear(width, width, bias=False), nn.GELU()) for _ in range(depth)))


def trained_slice(depth: int, count: int, frozen: str) -> slice:
    """The layers that stay trained: the last `count` where the bottom is frozen, else the first."""
    return slice(depth - count, depth) if frozen == "bottom" else slice(0, count)


def saved_bytes(layers: nn.Sequential, x: Tensor) -> int:
    """Bytes of the activations that autograd keeps for the backward pass, parameters left out."""
    kept, own = {}, {p.untyped_storage()._cdata for p in layers.parameters()}

    def pack(t: Tensor) -> Tensor:
        if t.untyped_storage()._cdata not in own:
            kept[t.untyped_storage()._cdata] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        layers(x).sum()
    return sum(kept.values())


RANGES = {
    "depth": between(4, 12), "count": between(1, 3), "width": between(8, 64), "frozen": one_of("bottom", "top"),
    "steps": between(1, 50), "lr": between(0.01, 0.2), "decay": between(0.05, 0.5), "gradient": one_of("zeros", "none"),
    "cleared": one_of("yes", "no"),
}  # fmt: skip


@breaks(frozen="top", en="Under a frozen top each GELU above still keeps its input: the gradient passes through it.",
        zh="冻结顶部时，上面每个 GELU 仍要保存输入，因为梯度要从中穿过。")
def claim_a_frozen_bottom_keeps_no_activations(depth=8, count=2, width=32, frozen="bottom"):
    """With all but the last k of L blocks frozen, autograd keeps the activations of those k alone: k/L of
    what full training keeps.

    只训练 L 块中最后 k 块，autograd 只保存这 k 块的激活：是全量训练的 k/L。"""
    layers, x = stack(depth, width), torch.randn(16, width)
    full = saved_bytes(layers, x)
    freeze(layers, trained_slice(depth, count, frozen))
    part = saved_bytes(layers, x)
    show(bars(["all trained", f"{frozen} frozen"], {"bytes kept for the backward pass": [full, part]}))
    expect("kept over full training", part / full, equals=count / depth, within=1e-9)


@breaks(frozen="top", en="Through a frozen top every block still needs the gradient of its input.",
        zh="穿过冻结的顶部，每一块仍要算对输入的梯度。")
def claim_the_backward_pass_ends_at_the_lowest_trained_layer(depth=8, count=2, width=32, frozen="bottom"):
    """Full training takes 2L − 1 matrix products in the backward pass; with only the last k blocks trained
    it takes 2k − 1.

    全量训练的反向传播要 2L − 1 次矩阵乘；只训练最后 k 块时只要 2k − 1 次。"""
    layers, x = stack(depth, width), torch.randn(16, width)
    counts = []
    for trained in (slice(0, depth), trained_slice(depth, count, frozen)):
        weights = freeze(layers, trained)
        loss = layers(x).sum()
        with operations() as seen:
            torch.autograd.grad(loss, weights)
        counts.append(seen.count("mm"))
    show(bars(["all trained", f"{frozen} frozen"], {"matrix products backwards": counts}))
    expect("matrix products backwards", counts, equals=[2 * depth - 1, 2 * count - 1])


@breaks(gradient="none", en="Without a gradient (None) AdamW skips the parameter, decay included.",
        zh="梯度为 None 时，AdamW 整个跳过该参数，连衰减也不做。")
def claim_a_zero_gradient_still_decays(steps=10, lr=0.1, decay=0.1, gradient="zeros"):
    """A gradient of zeros is no freeze: AdamW still shrinks the weight by (1 − lr · decay) a step; only a
    gradient of None leaves it alone.

    梯度为零不等于冻结：AdamW 每步仍把权重缩小为 (1 − lr·decay) 倍；只有梯度为 None 才不动它。"""
    unused, used = (nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(2))
    adamw, path = torch.optim.AdamW([unused, used], lr=lr, weight_decay=decay), []
    for _ in range(steps):
        adamw.zero_grad()                                                    # sets gradients to None
        (used + (0 * unused if gradient == "zeros" else unused.detach())).square().sum().backward()
        adamw.step()
        path.append(unused.item())
    formula = [(1 - lr * decay) ** t for t in range(1, steps + 1)]
    show(lines("step", range(1, steps + 1), {"weight that the loss does not use": path, "(1 − lr·decay)^t": formula}))
    expect("weight less (1 − lr·decay)^t", torch.tensor(path, dtype=torch.float64)
           - torch.tensor(formula, dtype=torch.float64), equals=0, within=1e-12, at=("step", range(1, steps + 1)))


@breaks(cleared="no", en="requires_grad_(False) leaves .grad in place, and the next step applies it once more.",
        zh="requires_grad_(False) 并不清掉 .grad，下一步会再用它一次。")
def claim_frozen_weights_stay_where_they_are(depth=4, count=1, width=16, cleared="yes"):
    """Frozen in the middle of training, weights stay bit for bit only if their gradients are cleared too:
    an optimizer over all parameters applies what it finds in .grad.

    训练中途冻结，只有同时清掉梯度，权重才逐位不变：建立在全部参数上的优化器见到 .grad 就会使用。"""
    layers, x = stack(depth, width), torch.randn(16, width)
    sgd = torch.optim.SGD(layers.parameters(), lr=0.1)
    layers(x).square().sum().backward()
    sgd.step()
    if cleared == "yes":
        trained = freeze(layers, trained_slice(depth, count, "bottom"))
        for p in trained:
            p.grad = None
    else:
        for p in layers[: depth - count].parameters():
            p.requires_grad_(False)
    before = [p.detach().clone() for p in layers.parameters()]
    layers(x).square().sum().backward()
    sgd.step()
    moved = [(p - b).abs().max().item() for p, b in zip(layers.parameters(), before, strict=True)]
    show(bars(range(1, depth + 1), {"largest change of a weight": moved}))
    expect("change of the frozen layers", moved[: depth - count], equals=0)
    expect("trained layers that moved", sum(m > 0 for m in moved[depth - count :]), equals=count)


def drill_frozen_states(rng) -> Drill:
    """Gigabytes of model states with a share of the parameters frozen."""
    billions, percent = rng.choice([(1, 50), (7, 90), (7, 50), (8, 75), (14, 90), (70, 99)])
    share = percent / 100
    total = billions * (2 * share + 16 * (1 - share))
    return Drill(
        en=f"{percent}% of a {billions}B model's parameters are frozen in bf16; the rest are trained with AdamW in mixed precision. How "
           "many GB (1e9 bytes) of model states?",
        zh=f"{billions}B 模型有 {percent}% 的参数以 bf16 冻结，其余用混合精度 AdamW 训练。模型状态共多少 GB（1e9 字节）？",
        answer=total, within=0.01 * total,
        steps=[(f"frozen: {billions} · {share:g} · 2 = {2 * billions * share:g} GB",
                f"冻结：{billions} · {share:g} · 2 = {2 * billions * share:g} GB"),
               (f"trained: {billions} · {1 - share:g} · 16 = {16 * billions * (1 - share):g} GB",
                f"训练：{billions} · {1 - share:g} · 16 = {16 * billions * (1 - share):g} GB")],
        proved_by="frozen_weights_stay_where_they_are",
    )


ZH = {
    "all trained": "全部训练", "bottom frozen": "冻结底部", "top frozen": "冻结顶部", "{} frozen": "冻结 {}",
    "bytes kept for the backward pass": "为反向保存的字节", "kept over full training": "保存量与全量训练之比",
    "matrix products backwards": "反向的矩阵乘次数", "step": "步", "weight that the loss does not use": "损失未用到的权重",
    "(1 − lr·decay)^t": "(1 − lr·decay)^t", "weight less (1 − lr·decay)^t": "权重减 (1 − lr·decay)^t",
    "largest change of a weight": "权重的最大变化", "change of the frozen layers": "冻结层的变化",
    "trained layers that moved": "有变化的训练层数",
}  # fmt: skip

if __name__ == "__main__":
    main()
