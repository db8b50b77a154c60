r"""A gated FFN multiplies two linear maps of its input, one of them through an activation.

门控 FFN 把输入的两个线性映射逐元素相乘，其中一个先过激活。

Shazeer 2020, §2: GLU (sigmoid), bilinear (none), ReGLU, GEGLU, SwiGLU. Turn `gate` to "constant":
the product is gone, and what is left is linear.
把 `gate` 改为 "constant"：没有了乘积，剩下的只是线性映射。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

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
    table,
)
from studyapp.evidence.tools import Adam

ACTIVATIONS = {"GLU": torch.sigmoid, "bilinear": lambda z: z, "ReGLU": torch.relu,
               "GEGLU": F.gelu, "SwiGLU": F.silu}


@exercise(
    claims=("swiglu_equals_a_loop", "fits_a_product_that_relu_cannot"),
    wrong=("gates_with_sigmoid", "activates_the_product", "activates_both", "adds_the_gate",
           "activates_up"),
)
def swiglu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """The SwiGLU feed-forward block without biases: the gate's path goes through SiLU. x and the output
    are (…, tokens, width); gate and up are (…, hidden, width), down is (…, width, hidden).

    无偏置的 SwiGLU 前馈块：gate 这一路过 SiLU。x 与输出为 (…, tokens, width)，gate、up 为 (…, hidden, width)，
    down 为 (…, width, hidden)。"""
    return (F.silu(x @ gate.mT) * (x @ up.mT)) @ down.mT


def gated(x: Tensor, gate: Tensor, up: Tensor, down: Tensor, kind: str) -> Tensor:
    """Any member of the family; "constant" is a gate that does not see the input."""
    if kind == "SwiGLU":
        return swiglu(x, gate, up, down)
    opened = torch.ones_like(x @ gate.mT) if kind == "constant" else ACTIVATIONS[kind](x @ gate.mT)
    return (opened * (x @ up.mT)) @ down.mT


def weights(width: int, hidden: int, out: int, restarts: int = 0) -> list[Tensor]:
    """gate, up and down at random: (hidden, width) twice, (out, hidden); all (restarts, …) if any."""
    lead = (restarts,) if restarts else ()
    shapes = ((hidden, width), (hidden, width), (out, hidden))
    return [torch.randn(*lead, *s) / s[-1] ** 0.5 for s in shapes]


RANGES = {
    "width": between(2, 32),
    "hidden": between(2, 64),
    "tokens": between(1, 32),
    "kind": one_of("SwiGLU", "GEGLU", "ReGLU", "GLU", "constant"),
    "gate": one_of("of the input", "constant"),
    "formula": one_of("SwiGLU", "GLU"),
    "restarts": between(5, 8),
    "held": one_of("the gate", "the sum"),
}


@breaks(formula="GLU", en="With a sigmoid instead of SiLU it is GLU, another function.",
        zh="把 SiLU 换成 sigmoid 就是 GLU，是另一个函数。")
def claim_swiglu_equals_a_loop(width=4, hidden=6, tokens=3, formula="SwiGLU"):
    """Unit by unit: g·σ(g) times u, with g and u dot products of the token with two rows; the outputs
    are sums of columns with these weights.

    逐单元计算：g·σ(g) 乘以 u，g、u 是 token 与两行权重的点积；输出是以此为系数的列之和。"""
    gate, up, down = (w.double() for w in weights(width, hidden, width))
    x = torch.randn(tokens, width, dtype=torch.float64)
    rows = []
    for token in x:
        total = torch.zeros(width, dtype=torch.float64)
        for i in range(hidden):
            g, u = float(token.dot(gate[i])), float(token.dot(up[i]))
            opened = 1 / (1 + torch.tensor(-g, dtype=torch.float64).exp())
            total += (g if formula == "SwiGLU" else 1) * opened * u * down[:, i]
        rows.append(total)
    gap = (swiglu(x, gate, up, down) - torch.stack(rows)).abs().amax(1)
    show(bars([f"token {t}" for t in range(tokens)], {"largest difference": gap}))
    # float64: sums of up to 64 terms of size up to about 100
    expect("SwiGLU less the loop", gap, equals=0, within=1e-11)


@breaks(held="the sum", en="Were the paths added, no gate value would shut the channel.",
        zh="若两路相加，门取任何值都关不上这个通道。")
def claim_the_gate_scales_the_value(held="the gate"):
    """In GLU the output's slope in the value is the gate, σ(g): from 0, shut, to 1, open; torch's F.glu
    is the same function.

    GLU 的输出对 value 的斜率就是门 σ(g)：从 0（关）到 1（开）；torch 的 F.glu 是同一个函数。"""
    g = torch.linspace(-20, 20, 41, dtype=torch.float64)
    v = torch.full_like(g, 3.0, requires_grad=True)
    y = g.sigmoid() * v if held == "the gate" else g.sigmoid() + v
    (slope,) = torch.autograd.grad(y.sum(), v)
    show(lines("gate's input", g, {"slope in the value": slope}))
    expect("slope in the value less σ(g)", slope - 1 / (1 + (-g).exp()), equals=0, within=1e-12)
    expect("output less torch's F.glu", y - F.glu(torch.cat((v, g)), 0), equals=0, within=1e-12)
    expect("slope at −20", slope[0], equals=0, within=1e-8)


@breaks(kind="GLU", en="σ(g) − σ(−g) is tanh(g/2), not g: GLU has no such part.",
        zh="σ(g) − σ(−g) 是 tanh(g/2) 而不是 g：GLU 没有这一部分。")
@breaks(kind="constant", en="A constant gate leaves an odd, linear map: its even part is 0.",
        zh="门为常数时只剩线性映射，是奇函数：偶部为 0。")
def claim_half_the_bilinear_form_is_in_each(width=8, hidden=32, tokens=16, kind="SwiGLU"):
    """SwiGLU, GEGLU and ReGLU all contain exactly half of the bilinear layer: f(x) + f(−x) is
    (Gx ⊙ Ux) through the last matrix, for each of them.

    SwiGLU、GEGLU、ReGLU 都恰好含有半个双线性层：三者的 f(x) + f(−x) 都等于 (Gx ⊙ Ux) 再过末一个矩阵。"""
    w = [one.double() for one in weights(width, hidden, width)]
    x = torch.randn(tokens, width, dtype=torch.float64)
    product = torch.einsum("oh,hi,hj,ti,tj->to", w[2], w[0], w[1], x, x)     # x twice: degree 2
    kinds = (kind, "GEGLU", "ReGLU")
    gaps = [(gated(x, *w, k) + gated(-x, *w, k) - product).abs().max() for k in kinds]
    show(table({"gate": kinds, "largest difference": gaps}))
    # float64: sums of up to 64 · 32 · 32 products of size 1
    expect("f(x) + f(−x) less the bilinear form", gaps, equals=0, within=1e-10, at=("gate", kinds))


@breaks(gate="constant", en="A gate that does not see the input leaves a linear map: error about 1.",
        zh="门看不到输入，就只剩线性映射：误差约为 1。")
def claim_fits_a_product_that_relu_cannot(restarts=5, gate="of the input"):
    """On a toy, y = x₁·x₂ of 8 inputs, SwiGLU with 4 units and 68 weights ends at a fifth or less of the
    error of a ReLU block with 8 units and 72, in the median.

    玩具任务 y = x₁·x₂（8 个输入）：4 个单元、68 个权重的 SwiGLU，误差的中位数不超过 8 个单元、72 个权重的 ReLU 块的五分之一。"""
    x, new = torch.randn(2, restarts, 192, 8)
    y, truth = (t[..., :1] * t[..., 1:2] for t in (x, new))
    three = [w.requires_grad_() for w in weights(8, 4, 1, restarts)]                # 8·4·2 + 4
    two = [w.requires_grad_() for w in weights(8, 8, 1, restarts)[1:]]              # 8·8 + 8
    two.append(torch.zeros(restarts, 1, 8, requires_grad=True))
    kind = "SwiGLU" if gate == "of the input" else "constant"
    errors = {}
    for name, parts in {"ReLU": two, kind: three}.items():
        def out(x: Tensor, name: str = name) -> Tensor:
            if name == "ReLU":
                return (x @ two[0].mT + two[2]).relu() @ two[1].mT
            return gated(x, *three, name)

        trained = parts[1:] if name == "constant" else parts
        optimizer = Adam(trained, lr=0.05)
        for _ in range(250):
            optimizer.step((out(x) - y).square().mean((1, 2)).sum())
        with torch.no_grad():
            errors[name] = float((out(new) - truth).square().mean((1, 2)).median())
    show(bars(list(errors), {"median test error": list(errors.values())}))
    expect("error of the gated block over the ReLU block's", errors[kind] / errors["ReLU"], at_most=0.2)


def drill_gated_scalar(rng) -> Drill:
    """One channel of GLU or ReGLU or bilinear."""
    g, v = rng.choice((-2, -1, 0, 1, 2)), rng.choice((-3, -2, 2, 3))
    kind = rng.choice(("ReGLU", "bilinear", "SwiGLU"))
    opened = float(ACTIVATIONS[kind](torch.tensor(float(g), dtype=torch.float64)))
    return Drill(
        en=f"One channel of a {kind} layer: the gate's path gives {g}, the value's path {v}. What is the product? "
           f"(σ(1) = 0.731, σ(2) = 0.881)",
        zh=f"{kind} 层的一个通道：门这一路为 {g}，value 这一路为 {v}。乘积是多少？（σ(1) = 0.731，σ(2) = 0.881）",
        answer=opened * v + 0.0, within=0.01,
        steps=[(f"the activation of {g} is {opened:.3f}", f"{g} 过激活得 {opened:.3f}"),
               (f"{opened:.3f} · {v} = {opened * v + 0.0:.3f}",) * 2],
        proved_by="the_gate_scales_the_value",
    )


ZH = {
    "token {}": "token {}",
    "largest difference": "最大差异",
    "SwiGLU less the loop": "SwiGLU 与循环之差",
    "gate's input": "门的输入",
    "slope in the value": "对 value 的斜率",
    "slope in the value less σ(g)": "对 value 的斜率与 σ(g) 之差",
    "output less torch's F.glu": "输出与 torch 的 F.glu 之差",
    "slope at −20": "−20 处的斜率",
    "gate": "门",
    "f(x) + f(−x) less the bilinear form": "f(x) + f(−x) 与双线性型之差",
    "constant": "常数",
    "median test error": "测试误差的中位数",
    "error of the gated block over the ReLU block's": "门控块与 ReLU 块的误差之比",
}

if __name__ == "__main__":
    main()
