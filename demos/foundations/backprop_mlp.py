r"""Backward of a linear layer is two products and a sum; a whole network is that, from the loss to the input, layer by layer.

线性层的反向就是两次矩阵乘和一次求和；整个网络就是从损失到输入，逐层这样做。

Rumelhart, Hinton & Williams 1986. Layers are y = x Wᵀ + b, W (out, in). Turn `over_samples` to "mean": the weight
gradient is too small by the number of samples. 把 `over_samples` 改为 "mean"：权重梯度小了「样本数」倍。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import finite_difference, operations

F64 = torch.float64


@exercise(claims=("a_linear_layer_is_autograds",), wrong=("mean_over_samples", "bias_of_the_first", "weight_instead_of_x"))
def linear_backward(dy: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """From dy (n, out), the gradient by y = x wᵀ + b, those by x (n, in), w (out, in) and b (out,), in this order.

    由 dy (n, out)（对 y = x wᵀ + b 的梯度）求对 x (n, in)、w (out, in)、b (out,) 的梯度，依次返回。"""
    dx = dy @ w                                                         # (n, out) (out, in)
    dw = dy.T @ x                                                       # (out, n) (n, in): the samples are summed
    return dx, dw, dy.sum(0)


@exercise(claims=("a_two_layer_network_is_autograds",), wrong=("no_mask", "no_mean", "mask_of_the_gradient"))
def mlp_backward(x: Tensor, target: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, ...]:
    """Gradients of the mean cross-entropy of relu(x w1ᵀ + b1) w2ᵀ + b2 by w1, b1, w2, b2; x is (n, in), target (n,)
    class numbers. `linear_backward` is given.

    relu(x w1ᵀ + b1) w2ᵀ + b2 的平均交叉熵对 w1、b1、w2、b2 的梯度；x 为 (n, in)，target (n,) 是类别编号。可用
    `linear_backward`。"""
    z = x @ w1.T + b1                                                   # (n, hidden), kept for the mask
    h = z.relu()
    p = (h @ w2.T + b2).softmax(-1)                                     # (n, classes)
    dlogits = (p - F.one_hot(target, p.shape[-1])) / len(x)             # softmax and cross-entropy together
    dh, dw2, db2 = linear_backward(dlogits, h, w2)
    _, dw1, db1 = linear_backward(dh * (z > 0), x, w1)
    return dw1, db1, dw2, db2


RANGES = {
    "n": between(2, 16), "width": between(2, 16), "hidden": between(2, 24), "classes": between(2, 8),
    "depths": each(between(1, 8), at_least=2, rising=True),
    "over_samples": one_of("sum", "mean"), "mask": one_of("of z", "none"),
    "inputs": one_of("data", "wanted too"), "uses": one_of("both", "last only"),
}  # fmt: skip


@breaks(over_samples="mean", en="The loss already says whether samples are averaged; a second mean divides by n again.",
        zh="样本要不要平均，损失里已经定了；再平均一次就多除了 n。")
def claim_a_linear_layer_is_autograds(n=6, width=5, hidden=4, over_samples="sum"):
    """For y = xWᵀ + b: dx = dy·W, dW = dyᵀ·x, which sums one outer product per sample, and db is dy summed over the
    samples.

    y = xWᵀ + b 时：dx = dy·W；dW = dyᵀ·x，即每个样本一个外积再求和；db 是 dy 对样本求和。"""
    x, w, b, dy = (torch.randn(*s, dtype=F64) for s in ((n, width), (hidden, width), (hidden,), (n, hidden)))
    dx, dw, db = linear_backward(dy, x, w)
    if over_samples == "mean":
        dw = dw / n
    slow = torch.zeros_like(w)
    for i in range(n):
        for o in range(hidden):
            for j in range(width):
                slow[o, j] += dy[i, o] * x[i, j]
    leaves = [t.clone().requires_grad_() for t in (x, w, b)]
    F.linear(*leaves).backward(dy)
    show(heatmap(dw, x_label="input", y_label="output", title="dW"))
    expect("dW less the loop over samples", dw - slow, equals=0, within=1e-12)
    for name, mine, leaf in zip(("x", "W", "b"), (dx, dw, db), leaves, strict=True):
        expect(f"gradient by {name} less autograd's", mine - leaf.grad, equals=0, within=1e-12)


@breaks(mask="none", en="Without the mask of z the hidden layer learns from units that passed nothing forward.",
        zh="没有 z 的掩码，隐藏层就会从没有向前传任何东西的单元学习。")
def claim_a_two_layer_network_is_autograds(n=6, width=5, hidden=8, classes=3, mask="of z"):
    """Two layers by hand, (p − y)/n at the logits, linear backward, mask z > 0, linear backward: autograd’s gradients,
    and those of finite differences.

    手写两层：logits 处 (p − y)/n，线性层反向，掩码 z > 0，再一次线性层反向；与 autograd 及有限差分一致。"""
    x, w1, b1, w2, b2 = (torch.randn(*s, dtype=F64) for s in ((n, width), (hidden, width), (hidden,), (classes, hidden), (classes,)))
    target = torch.randint(classes, (n,))

    def loss(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(F.linear(x, w1, b1).relu(), w2, b2), target)

    mine = mlp_backward(x, target, w1, b1, w2, b2)
    if mask == "none":
        logits = F.linear(F.linear(x, w1, b1).relu(), w2, b2)
        mine = (((logits.softmax(-1) - F.one_hot(target, classes)) / n @ w2).T @ x, *mine[1:])
    leaves = [t.clone().requires_grad_() for t in (w1, b1, w2, b2)]
    theirs = torch.autograd.grad(loss(*leaves), leaves)
    names = ("W₁", "b₁", "W₂", "b₂")
    show(bars(names, {"size of the gradient": [g.norm() for g in mine]}))
    for name, m, t in zip(names, mine, theirs, strict=True):
        expect(f"gradient by {name} less autograd's", m - t, equals=0, within=1e-12)
    moved = finite_difference(lambda v: loss(v, b1, w2, b2), w1)
    # a step of 1e-6 may cross a kink of a ReLU: it bends one term of the mean by at most 1e-6 of a slope near 1
    expect("gradient by W₁ less finite differences", mine[0] - moved, equals=0, within=1e-5)


@breaks(inputs="wanted too", en="Where the input's gradient is wanted, the first layer needs its second product.",
        zh="若还要对输入的梯度，首层就要做第二次乘法。")
def claim_backward_takes_two_products_per_layer(depths=(1, 2, 4, 8), n=8, width=8, inputs="data"):
    """A network of L linear layers runs L matrix products forward and 2L − 1 backward: two per layer, but none for the
    gradient of the data.

    L 个线性层的网络，前向 L 次矩阵乘，反向 2L − 1 次：每层两次，只是不必对数据求梯度。"""
    forward, backward = [], []
    for depth in depths:
        weights = [torch.randn(width, width, requires_grad=True) for _ in range(depth)]
        x = torch.randn(n, width, requires_grad=inputs != "data")
        with operations() as ran:
            h = x
            for w in weights:
                h = (h @ w.T).tanh()
            loss = h.square().mean()
        forward.append(ran.count("mm"))
        with operations() as ran:
            loss.backward()
        backward.append(ran.count("mm"))
    show(lines("layers", depths, {"products forward": forward, "products backward": backward}))
    expect("products forward", forward, equals=depths, at=("layers", depths))
    expect("products backward", backward, equals=[2 * d - 1 for d in depths], at=("layers", depths))


@breaks(uses="last only", en="The gradient of one use alone leaves out what the other changes.",
        zh="只算一次使用的梯度，漏掉另一次使用的影响。")
def claim_a_shared_weight_sums_its_gradients(n=6, width=5, uses="both"):
    """A weight that is used twice gets the sum of the gradients of its two uses: so it is with tied embeddings and with
    time steps of an RNN.

    用了两次的权重，梯度是两次使用的梯度之和：共享嵌入与 RNN 的各时间步都是如此。"""
    x, w = torch.randn(n, width, dtype=F64), torch.randn(width, width, dtype=F64)
    shared = w.clone().requires_grad_()
    (whole,) = torch.autograd.grad((x @ shared.T).tanh().matmul(shared.T).square().sum(), shared)
    h = (x @ w.T).tanh()
    dh, second, _ = linear_backward(2 * (h @ w.T), h, w)
    _, first, _ = linear_backward(dh * (1 - h**2), x, w)
    show(bars(["first use", "second use", "both"], {"size of the gradient": [first.norm(), second.norm(), whole.norm()]}))
    expect("gradient of the shared weight less autograd's", (first + second if uses == "both" else second) - whole, equals=0, within=1e-9)


def drill_weight_entry(rng) -> Drill:
    """One entry of dW for two samples."""
    x = rng.choice([((1, 2), (3, -1)), ((2, 0), (1, 4)), ((-1, 3), (2, 2))])
    dy = rng.choice([((1, -1), (2, 0)), ((3, 1), (-1, 2)), ((0, 2), (1, 1))])
    o, j = rng.randrange(2), rng.randrange(2)
    dw = linear_backward(torch.tensor(dy, dtype=F64), torch.tensor(x, dtype=F64), torch.zeros(2, 2, dtype=F64))[1]
    terms = " + ".join(f"({dy[i][o]})·({x[i][j]})" for i in range(2))
    return Drill(
        en=f"y = xWᵀ, two samples: x = {x[0]} and {x[1]}; gradients by y: {dy[0]} and {dy[1]}. "
           f"What is dW in row {o + 1}, column {j + 1} (counted from 1)?",
        zh=f"y = xWᵀ，两个样本：x = {x[0]} 与 {x[1]}；对 y 的梯度：{dy[0]} 与 {dy[1]}。dW 第 {o + 1} 行第 {j + 1} 列（从 1 数）是多少？",
        answer=dw[o, j].item(), within=0.01,
        steps=[("dW = dyᵀ·x: row by output, column by input, summed over samples", "dW = dyᵀ·x：行对应输出，列对应输入，对样本求和"),
               (f"{terms} = {dw[o, j].item():g}",) * 2],
        proved_by="a_linear_layer_is_autograds",
    )  # fmt: skip


def drill_flops(rng) -> Drill:
    """FLOPs of backward of an MLP."""
    width, layers, tokens = rng.choice([(1000, 4, 100), (1000, 10, 10), (100, 3, 1000), (1000, 2, 1000)])
    total = (2 * layers - 1) * 2 * tokens * width**2
    return Drill(
        en=f"{layers} linear layers {width} → {width}, {tokens} samples. How many GFLOP do the matrix products of backward take (a "
           "multiplication and an addition counted each; no gradient for the data)?",
        zh=f"{layers} 个 {width} → {width} 的线性层，{tokens} 个样本。反向的矩阵乘共多少 GFLOP（乘、加各算一次；不对数据求梯度）？",
        answer=total / 1e9,
        steps=[(f"one product: 2 · {tokens} · {width}² = {2 * tokens * width**2 / 1e9:g} GFLOP",) * 2,
               (f"2 · {layers} − 1 = {2 * layers - 1} products", f"2 · {layers} − 1 = {2 * layers - 1} 次乘法"),
               (f"together {total / 1e9:g} GFLOP", f"共 {total / 1e9:g} GFLOP")],
        proved_by="backward_takes_two_products_per_layer",
    )


ZH = {
    "input": "输入", "output": "输出", "dW": "dW", "dW less the loop over samples": "dW 与逐样本循环之差",
    "gradient by {} less autograd's": "对 {} 的梯度与 autograd 之差", "size of the gradient": "梯度大小",
    "gradient by W₁ less finite differences": "对 W₁ 的梯度与有限差分之差", "layers": "层数",
    "products forward": "前向乘法次数", "products backward": "反向乘法次数", "first use": "第一次使用",
    "second use": "第二次使用", "both": "两次",
    "gradient of the shared weight less autograd's": "共享权重的梯度与 autograd 之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
