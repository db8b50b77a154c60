r"""Freezing spares gradients and moments anywhere, activations and most of the backward pass only at the bottom.

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
    """Of the activations that full training of L blocks keeps, autograd keeps k/L if only the last k are
    trained, and more than half if only the first k are.

    与全部训练相比，只训练 L 块中最后 k 块，autograd 保存的激活是 k/L；只训练最前 k 块，则在一半以上。"""
    layers, x = stack(depth, width), torch.randn(16, width)
    full = saved_bytes(layers, x)
    freeze(layers, trained_slice(depth, count, frozen))
    part = saved_bytes(layers, x)
    freeze(layers, trained_slice(depth, count, "top"))
    top = saved_bytes(layers, x)
    show(bars(["all trained", f"{frozen} frozen", f"first {count} trained"], {"bytes kept for the backward pass": [full, part, top]}))
    expect("kept over full training, the last trained", part / full, equals=count / depth, within=1e-9)
    expect("kept over full training, the first trained", top / full, equals=(depth + count) / (2 * depth), within=1e-9)


@breaks(frozen="top", en="Through a frozen top every block still needs the gradient of its input.",
        zh="穿过冻结的顶部，每一块仍要算对输入的梯度。")
def claim_the_backward_pass_ends_at_the_lowest_trained_layer(depth=8, count=2, width=32, frozen="bottom"):
    """Full training takes 2L − 1 matrix products in the backward pass; with only the last k blocks trained
    it takes 2k − 1, with only the first k L + k − 1.

    全部训练时反向传播要 2L − 1 次矩阵乘；只训练最后 k 块是 2k − 1 次，只训练最前 k 块是 L + k − 1 次。"""
    layers, x = stack(depth, width), torch.randn(16, width)
    counts = []
    for trained in (slice(0, depth), trained_slice(depth, count, frozen), trained_slice(depth, count, "top")):
        weights = freeze(layers, trained)
        loss = layers(x).sum()
        with operations() as seen:
            torch.autograd.grad(loss, weights)
        counts.append(seen.count("mm"))
    show(bars(["all trained", f"{frozen} frozen", f"first {count} trained"], {"matrix products backwards": counts}))
    expect("matrix products backwards", counts, equals=[2 * depth - 1, 2 * count - 1, depth + count - 1])


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


def drill_backward_products(rng) -> Drill:
    """Matrix products of the backward pass with only the last or the first layers trained."""
    depth, count, end = rng.choice([12, 24, 32]), rng.choice([2, 4, 8]), rng.choice(["last", "first"])
    products = 2 * count - 1 if end == "last" else depth + count - 1
    zh = "最后" if end == "last" else "最前"
    weights, inputs = count, products - count
    below = "nothing below the lowest trained one" if end == "last" else "every layer above the first"
    below_zh = "最低训练层以下都不需要" if end == "last" else "第一层以上每层都需要"
    return Drill(
        en=f"A stack of {depth} linear layers with nonlinearities between them; only the {end} {count} are trained. How many matrix "
           "products does the backward pass take?",
        zh=f"{depth} 个线性层，中间有非线性；只训练{zh} {count} 层。反向传播要多少次矩阵乘？",
        answer=products, within=0,
        steps=[(f"one per trained weight: {weights}", f"每个被训练的权重一次：{weights}"),
               (f"one per input that needs a gradient ({below}): {inputs}", f"每个需要梯度的输入一次（{below_zh}）：{inputs}"),
               (f"{weights} + {inputs} = {products}",) * 2],
        proved_by="the_backward_pass_ends_at_the_lowest_trained_layer",
    )


ZH = {
    "all trained": "全部训练", "bottom frozen": "冻结底部", "top frozen": "冻结顶部", "{} frozen": "冻结 {}",
    "first {} trained": "训练最前 {} 块",
    "bytes kept for the backward pass": "为反向保存的字节",
    "kept over full training, the last trained": "保存量与全部训练之比，训练最后几块",
    "kept over full training, the first trained": "保存量与全部训练之比，训练最前几块",
    "matrix products backwards": "反向的矩阵乘次数", "step": "步", "weight that the loss does not use": "损失未用到的权重",
    "(1 − lr·decay)^t": "(1 − lr·decay)^t", "weight less (1 − lr·decay)^t": "权重减 (1 − lr·decay)^t",
    "largest change of a weight": "权重的最大变化", "change of the frozen layers": "冻结层的变化",
    "trained layers that moved": "有变化的训练层数",
}  # fmt: skip

if __name__ == "__main__":
    main()
