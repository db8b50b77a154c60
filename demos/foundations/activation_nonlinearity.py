r"""Without a nonlinearity between them, linear layers of any number are one affine map.

线性层之间若没有非线性，无论多少层都只是一个仿射映射。

Minsky & Papert 1969: XOR. Goodfellow et al. 2016, §6.1 gives the two ReLU units. Turn `between` to "ReLU": XOR is
fitted without error. 把 `between` 改为 "ReLU"：XOR 便可零误差拟合。
"""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table

BETWEEN: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": lambda z: z, "ReLU": torch.relu, "leaky ReLU": F.leaky_relu, "tanh": torch.tanh, "GELU": F.gelu,
}
CORNERS = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
XOR = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)


def hidden(x: Tensor, weights: list[Tensor], between: str) -> Tensor:
    """x (points, inputs) through one linear layer after another, each (out, in + 1), its bias last; `between` after each."""
    for w in weights:
        x = BETWEEN[between](x @ w[:, :-1].T + w[:, -1])                # (points, out)
    return x


@exercise(claims=("two_relu_units_make_xor",), wrong=("makes_or", "makes_and", "without_the_bias"))
def xor(x: Tensor) -> Tensor:
    """XOR of two inputs by two ReLU units and one linear output; x is (points, 2) of zeros and ones, the result (points,).

    用两个 ReLU 单元加一个线性输出实现两个输入的异或；x 为 (points, 2)，元素是 0 或 1，结果为 (points,)。"""
    total = x.sum(-1)                                                   # 0, 1, 1, 2 at the corners
    return total.relu() - 2 * (total - 1).relu()                        # the second unit takes back what (1, 1) has too much


def affine(x: Tensor) -> Tensor:
    """The best linear output: least squares with a bias, at the four corners."""
    features = torch.cat((x, torch.ones(len(x), 1, dtype=x.dtype)), 1)
    return features @ (torch.linalg.pinv(features) @ XOR)


def layers(sizes: list[int]) -> list[Tensor]:
    """Random layers from each size to the next, biases among them, in float64."""
    return [torch.randn(b, a + 1, dtype=torch.float64) / a**0.5 for a, b in pairwise(sizes)]


def bend(f: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """f(x + y) − f(x) − f(y) + f(0): zero for all x, y exactly where f is affine."""
    return (f(x + y) - f(x) - f(y) + f(torch.zeros_like(x))).abs().max()


RANGES = {
    "depths": each(between(1, 8), at_least=2, rising=True), "width": between(4, 64), "between": one_of("nothing", "ReLU"),
    "after": one_of("ReLU", "leaky ReLU", "tanh", "GELU", "nothing"), "bias": one_of(-1, 0),
    "narrow": between(1, 8), "inside": one_of("nothing", "ReLU"), "mixing": one_of("softmax", "fixed weights"),
}  # fmt: skip


@breaks(between="ReLU", en="With a ReLU between the layers four units or more fit XOR without error.",
        zh="层间加上 ReLU，四个以上的单元就能零误差拟合 XOR。")
def claim_linear_layers_of_any_depth_leave_xor_at_a_quarter(depths=(1, 2, 4, 8), width=16, between="nothing"):
    """However many linear layers stand before it, the best linear output fits XOR with a mean squared error of 0.25: it says
    0.5 everywhere.

    前面叠多少线性层，最优的线性输出拟合 XOR 的均方误差都是 0.25：它处处输出 0.5。"""
    def errors(kind: str) -> list[Tensor]:
        return [(affine(hidden(CORNERS, layers([2] + [width] * n), kind)) - XOR).square().mean() for n in depths]

    found = {kind: errors(kind) for kind in dict.fromkeys((between, "ReLU"))}
    show(lines("linear layers before the output", depths, {f"{kind} between": e for kind, e in found.items()}, y_label="MSE on XOR"))
    # float64: least squares on features of rank 3 up to rounding, which pinv cuts at 1e-15 of the largest
    expect("MSE on XOR", found[between], equals=0.25, within=1e-9, at=("layers", depths))


@breaks(after="nothing", en="Without a nonlinearity the error stays at 0.25.", zh="没有非线性，误差停在 0.25。")
def claim_one_nonlinear_layer_is_enough(width=16, after="tanh"):
    """One hidden layer of random weights is enough for XOR with any of ReLU, leaky ReLU, tanh or GELU after it: the
    error is zero.

    随机权重的一个隐藏层，后面接 ReLU、leaky ReLU、tanh、GELU 中的任一个，都足以拟合 XOR：误差为零。"""
    kinds = tuple(dict.fromkeys((after, "ReLU", "leaky ReLU", "tanh", "GELU")))
    errors = []
    for kind in kinds:
        # ReLU: units silent at all corners leave fewer features; of five random layers the best fit counts
        fits = [affine(hidden(CORNERS, layers([2, width]), kind)) for _ in range(5)]
        errors.append(min((fit - XOR).square().mean() for fit in fits))
    show(table({"after the layer": kinds, "MSE on XOR": errors}))
    expect("MSE on XOR", errors, equals=0, within=1e-9, at=("activation", kinds))


@breaks(bias=0, en="Without the bias both units see the same, and (1, 1) is not taken back.",
        zh="没有偏置，两个单元看到的一样，(1, 1) 减不回去。")
def claim_two_relu_units_make_xor(bias=-1):
    """relu(x₁ + x₂) − 2·relu(x₁ + x₂ − 1) is XOR, exactly, at all four corners.

    relu(x₁ + x₂) − 2·relu(x₁ + x₂ − 1) 在四个角上恰好就是 XOR。"""
    units = torch.stack((CORNERS.sum(1).relu(), (CORNERS.sum(1) + bias).relu()), 1)
    truth = [int(a) ^ int(b) for a, b in CORNERS.tolist()]
    show(table({"x₁": CORNERS[:, 0], "x₂": CORNERS[:, 1], "first unit": units[:, 0], "second unit": units[:, 1], "xor": xor(CORNERS)}))
    expect("the two units, 1 and −2 of them", units @ torch.tensor([1.0, -2.0]).double(), equals=truth)
    expect("xor", xor(CORNERS), equals=truth)


@breaks(inside="ReLU", en="With a ReLU inside, the FFN bends.", zh="FFN 内部有 ReLU，就不再是仿射的。")
@breaks(mixing="fixed weights", en="With weights that do not depend on the input attention is linear, too.",
        zh="权重若不依赖输入，注意力也是线性的。")
def claim_a_transformer_stays_nonlinear_without_it(width=8, inside="nothing", mixing="softmax"):
    """Take the activation out of a Transformer: a plain FFN becomes one affine map, a gated one stays a product of two, and
    attention stays nonlinear.

    去掉 Transformer 里的激活函数：普通 FFN 退化成一个仿射映射，带门的仍是两个线性映射之积，注意力仍是非线性的。"""
    x, y = torch.randn(2, 6, width, dtype=torch.float64)                # two sequences of 6 tokens
    up_down, gate = (layers([width, 4 * width]), layers([4 * width, width])), layers([width, 4 * width])
    fixed = torch.rand(6, 6, dtype=torch.float64)

    def ffn(x: Tensor) -> Tensor:
        return hidden(hidden(x, up_down[0], inside), up_down[1], "nothing")

    def gated(x: Tensor) -> Tensor:
        return hidden(hidden(x, gate, "nothing") * hidden(x, up_down[0], "nothing"), up_down[1], "nothing")

    def attention(x: Tensor) -> Tensor:
        scores = F.scaled_dot_product_attention(x[None], x[None], x[None], scale=1 / width)[0]
        return scores if mixing == "softmax" else fixed @ x

    found = {"FFN": bend(ffn, x, y), "gated FFN": bend(gated, x, y), "attention": bend(attention, x, y)}
    show(table({"part": list(found), "f(x + y) − f(x) − f(y) + f(0)": list(found.values())}))
    expect("what the FFN bends", found["FFN"], equals=0, within=1e-11)   # float64 sums of 4·64 terms of size 10
    expect("what the gated FFN bends", found["gated FFN"], at_least=0.1)
    expect("what attention bends", found["attention"], at_least=0.1)


@breaks(inside="ReLU", en="A ReLU behind the wide layer raises the rank above that of the narrow one.",
        zh="宽层之后有 ReLU，秩就超过窄层的宽度。")
def claim_the_narrowest_layer_bounds_the_rank(width=12, narrow=3, inside="nothing"):
    """Linear layers from d₀ to d₁ to d₂ are one matrix whose rank is the smallest of the three.

    d₀ 到 d₁ 再到 d₂ 的线性层等于一个矩阵，秩是三者中最小的。"""
    x = torch.eye(width, dtype=torch.float64)                           # the map's columns: what it makes of each unit vector
    maps = [w * torch.tensor([1.0] * (w.shape[1] - 1) + [0.0]).double() for w in layers([width, narrow, 2 * width])]
    out = hidden(hidden(x, maps[:1], "nothing"), maps[1:], inside)      # (width, 2 · width), biases 0
    sizes = torch.linalg.svdvals(out)
    show(lines("singular value", range(1, width + 1), {"size": sizes}))
    expect("rank of the map", int((sizes > 1e-9 * sizes[0]).sum()), equals=min(narrow, width))


def drill_rank(rng) -> Drill:
    """The largest rank of linear layers without an activation."""
    d = [rng.choice((8, 16, 64, 256, 1024)) for _ in range(4)]
    return Drill(
        en=f"Three linear layers {d[0]} → {d[1]} → {d[2]} → {d[3]} without activations. What is the largest rank of the whole map?",
        zh=f"三个线性层 {d[0]} → {d[1]} → {d[2]} → {d[3]}，没有激活函数。整个映射的秩最大是多少？",
        answer=min(d), within=0.5,
        steps=[("the layers multiply to one matrix", "各层相乘成一个矩阵"),
               (f"its rank is at most the narrowest width: {min(d)}", f"秩不超过最窄的宽度：{min(d)}")],
        proved_by="the_narrowest_layer_bounds_the_rank",
    )


ZH = {
    "linear layers before the output": "输出之前的线性层数", "{} between": "层间：{}", "MSE on XOR": "XOR 的均方误差",
    "layers": "层数", "after the layer": "层后的激活", "activation": "激活", "leaky ReLU": "leaky ReLU",
    "nothing": "无", "first unit": "第一个单元", "second unit": "第二个单元", "xor": "异或",
    "the two units, 1 and −2 of them": "两个单元，系数 1 与 −2", "part": "部分",
    "what the FFN bends": "FFN 偏离仿射的量", "gated FFN": "带门的 FFN",
    "what the gated FFN bends": "带门的 FFN 偏离仿射的量", "what attention bends": "注意力偏离仿射的量",
    "singular value": "奇异值序号", "size": "大小", "rank of the map": "映射的秩",
}  # fmt: skip

if __name__ == "__main__":
    main()
