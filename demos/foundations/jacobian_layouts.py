r"""The Jacobian's row i holds the derivatives of yᵢ; backward never builds it, but multiplies a row vector by it.

Jacobian 的第 i 行是 yᵢ 的各个导数；反向传播从不构造它，而是用一个行向量去乘它。

Numerator layout; Parr & Howard 2018 use it, too. Turn `answer` to "A": the transpose of the right one.
分子布局。把 `answer` 改为 "A"：正好是正确答案的转置。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("rows_are_outputs_and_columns_inputs",), wrong=("transposed", "only_the_sum", "one_row"))
def jacobian(f, x: Tensor) -> Tensor:
    """The Jacobian (m, n) of y = f(x), x (n,), y (m,): one backward pass per output. f takes x and records a graph.

    y = f(x) 的 Jacobian，形状 (m, n)；x 为 (n,)，y 为 (m,)：每个输出做一次反向。f 接收 x 并记录计算图。"""
    x = x.detach().clone().requires_grad_()
    y = f(x)
    rows = [torch.autograd.grad(one, x, retain_graph=True)[0] for one in y]   # one output, one row
    return torch.stack(rows)


@exercise(claims=("an_inner_product_has_two_terms",), wrong=("symmetric_rule", "one_factor", "transposed_factor"))
def quadratic_gradient(x: Tensor, a: Tensor) -> Tensor:
    """The gradient (n,) of xᵀ a x by x (n,), for any matrix a (n, n).

    xᵀ a x 对 x (n,) 的梯度 (n,)，a 为任意 (n, n) 矩阵。"""
    return a @ x + a.T @ x                                              # x stands in two places: a term for each


def slow_jacobian(f, x: Tensor, step: float = 1e-6) -> Tensor:
    """Entry by entry: move x_j, see how y_i moves."""
    columns = []
    for j in range(len(x)):
        e = torch.zeros_like(x)
        e[j] = step
        columns.append((f(x + e) - f(x - e)) / (2 * step))
    return torch.stack(columns, 1)                                      # column j: what x_j moves


def through(parts: list[Tensor], first: str) -> tuple[Tensor, int]:
    """The product of row · matrix · … · matrix, and how many multiplications it takes, from the loss's side or the input's."""
    order = parts if first == "loss" else parts[::-1]
    total, count = order[0], 0
    for part in order[1:]:
        a, b = (total, part) if first == "loss" else (part, total)
        total, count = a @ b, count + a.shape[0] * a.shape[1] * b.shape[1]
    return total, count


RANGES = {
    "outputs": between(2, 8), "layout": one_of("numerator", "denominator"), "n": between(2, 8),
    "answer": one_of("Aᵀ", "A"), "rule": one_of("both factors", "v held fixed"), "width": between(2, 64),
    "depths": each(between(2, 10), at_least=2, rising=True), "first": one_of("loss", "input"),
}  # fmt: skip


@breaks(layout="denominator", en="The denominator layout is the transpose: rows are inputs.",
        zh="分母布局是它的转置：行对应输入。")
def claim_rows_are_outputs_and_columns_inputs(n=3, outputs=2, layout="numerator"):
    """For y of m numbers and x of n the Jacobian is m × n: a row for a scalar y, a column for a scalar x. `.grad` is shaped
    like x all the same.

    y 有 m 个数、x 有 n 个数时，Jacobian 是 m × n：y 为标量则是一行，x 为标量则是一列。而 `.grad` 的形状总与 x 相同。"""
    x, w, square = torch.randn(n, dtype=F64), torch.randn(outputs, n, dtype=F64), torch.randn(n, n, dtype=F64)

    def f(x: Tensor, w: Tensor = w) -> Tensor:
        return (w @ x).tanh()

    j, same = jacobian(f, x), jacobian(lambda x: f(x, square), x)       # m × n, and n × n to tell the layouts apart
    show(heatmap(j, x_label="input", y_label="output", title="∂yᵢ / ∂xⱼ"))
    moved = slow_jacobian(lambda x: f(x, square), x)
    expect("Jacobian less what moving each input shows", (same if layout == "numerator" else same.T) - moved, equals=0, within=1e-8)
    expect("shape of the Jacobian", list(j.shape), equals=[outputs, n])
    expect("shape for a scalar y", list(jacobian(lambda x: f(x).sum()[None], x).shape), equals=[1, n])
    expect("shape for a scalar x", list(jacobian(lambda t: f(t * x), torch.ones(1, dtype=F64)).shape), equals=[outputs, 1])
    leaf = x.clone().requires_grad_()
    f(leaf, square).sum().backward()
    expect("shape of .grad", list(leaf.grad.shape), equals=[n])
    expect(".grad less the sum of the rows", leaf.grad - same.sum(0), equals=0, within=1e-12)


@breaks(answer="A", en="A is the denominator layout: entry (j, i) is ∂yᵢ/∂xⱼ.",
        zh="A 是分母布局：第 (j, i) 个元素是 ∂yᵢ/∂xⱼ。")
def claim_of_a_row_times_a_the_jacobian_is_a_transposed(n=4, answer="Aᵀ"):
    """For y = xᵀA the Jacobian ∂yᵢ/∂xⱼ = Aⱼᵢ is Aᵀ. Backward from g gives A·g; for a layer y = xWᵀ, where A is Wᵀ, that is
    gW.

    y = xᵀA 时 Jacobian ∂yᵢ/∂xⱼ = Aⱼᵢ，即 Aᵀ。由 g 做反向得到 A·g；层 y = xWᵀ 中 A 就是 Wᵀ，即 gW。"""
    x, g, a = torch.randn(n, dtype=F64), torch.randn(n, dtype=F64), torch.randn(n, n, dtype=F64)
    j = jacobian(lambda x: x @ a, x)
    show(heatmap(j - a, x_label="input", y_label="output", title="Jacobian less A"))
    expect("Jacobian less the answer", j - (a.T if answer == "Aᵀ" else a), equals=0, within=1e-12)
    leaf = x.clone().requires_grad_()
    (back,) = torch.autograd.grad(leaf @ a, leaf, g)
    expect("backward from g less A·g", back - a @ g, equals=0, within=1e-12)
    expect("backward from g less gW", back - g @ a.T, equals=0, within=1e-12)        # W = Aᵀ, (out, in)


@breaks(rule="v held fixed", en="With v held fixed half of the derivative is missing: 2Ax only where A is symmetric.",
        zh="把 v 当作不变就少了一半导数；只有 A 对称时才是 2Ax。")
def claim_an_inner_product_has_two_terms(n=4, rule="both factors"):
    """The derivative of ⟨u(x), v(x)⟩ is J_uᵀv + J_vᵀu, so xᵀAx gives (A + Aᵀ)x: 2Ax holds for symmetric A only.

    ⟨u(x), v(x)⟩ 的导数是 J_uᵀv + J_vᵀu，所以 xᵀAx 的梯度是 (A + Aᵀ)x：只有 A 对称时才等于 2Ax。"""
    x, (a, b) = torch.randn(n, dtype=F64), torch.randn(2, n, n, dtype=F64)

    def u(x: Tensor) -> Tensor:
        return (b @ x).tanh()

    def v(x: Tensor) -> Tensor:
        return a @ x

    leaf = x.clone().requires_grad_()
    (whole,) = torch.autograd.grad(u(leaf) @ v(leaf), leaf)
    terms = jacobian(u, x).T @ v(x), jacobian(v, x).T @ u(x)
    show(bars([f"x{j + 1}" for j in range(n)], {"J_uᵀv": terms[0], "J_vᵀu": terms[1], "gradient": whole}))
    expect("gradient less the two terms", whole - (sum(terms) if rule == "both factors" else terms[0]), equals=0, within=1e-12)
    (square,) = torch.autograd.grad(leaf @ a @ leaf, leaf)
    expect("gradient of xᵀAx less autograd's", quadratic_gradient(x, a) - square, equals=0, within=1e-12)
    expect("distance of 2Ax from it, over |(A − Aᵀ)x|", (2 * a @ x - square).norm() / ((a - a.T) @ x).norm(), equals=1, within=1e-9)


@breaks(first="input", en="From the input's side whole matrices are multiplied: d³ per layer.",
        zh="从输入一侧乘，是整个矩阵相乘：每层 d³。")
def claim_from_the_loss_a_layer_costs_a_vector_times_a_matrix(width=16, depths=(2, 4, 8), first="loss"):
    """Multiplied from the loss the chain of L Jacobians costs L·d² multiplications, a vector throughout; from the input
    (L − 1)·d³ + d². The result is the same.

    从损失一侧连乘 L 个 Jacobian 只需 L·d² 次乘法，始终是向量；从输入一侧则是 (L − 1)·d³ + d²。结果相同。"""
    counts: dict[str, list[int]] = {"loss": [], "input": []}
    gaps = []
    for depth in depths:
        parts = [torch.randn(1, width, dtype=F64), *(torch.randn(width, width, dtype=F64) / width**0.5 for _ in range(depth))]
        both = {side: through(parts, side) for side in counts}
        for side, (_, count) in both.items():
            counts[side].append(count)
        gaps.append((both["loss"][0] - both["input"][0]).abs().max())
    show(lines("layers", depths, {f"from the {side}": c for side, c in counts.items()}, log="y", y_label="multiplications"))
    expect("difference of the two", gaps, equals=0, within=1e-10)
    expect("multiplications", counts[first], equals=[d * width**2 for d in depths], at=("layers", depths))
    expect("multiplications from the input", counts["input"], equals=[(d - 1) * width**3 + width**2 for d in depths], at=("layers", depths))


def drill_quadratic(rng) -> Drill:
    """A component of the gradient of xᵀAx."""
    a = [[rng.randint(0, 4), rng.randint(1, 5)], [rng.randint(-3, 0), rng.randint(1, 4)]]
    x, i = [rng.randint(1, 3), rng.randint(1, 3)], rng.randrange(2)
    g = quadratic_gradient(torch.tensor(x, dtype=F64), torch.tensor(a, dtype=F64))[i].item()
    both = [a[i][j] + a[j][i] for j in range(2)]
    return Drill(
        en=f"x = ({x[0]}, {x[1]}) and A = [[{a[0][0]}, {a[0][1]}], [{a[1][0]}, {a[1][1]}]]. What is component {i + 1} of the "
           "gradient of xᵀAx?",
        zh=f"x = ({x[0]}, {x[1]})，A = [[{a[0][0]}, {a[0][1]}], [{a[1][0]}, {a[1][1]}]]。xᵀAx 的梯度的第 {i + 1} 个分量是多少？",
        answer=g, within=0.01,
        steps=[(f"row {i + 1} of A + Aᵀ: ({both[0]}, {both[1]})", f"A + Aᵀ 的第 {i + 1} 行：({both[0]}, {both[1]})"),
               (f"{both[0]} · {x[0]} + {both[1]} · {x[1]} = {g:g}",) * 2],
        proved_by="an_inner_product_has_two_terms",
    )  # fmt: skip


def drill_products(rng) -> Drill:
    """Multiplications of a chain of Jacobians."""
    width, depth = rng.choice(((10, 3), (100, 2), (100, 5), (1000, 4), (10, 6)))
    return Drill(
        en=f"A loss after {depth} layers, each with a {width} × {width} Jacobian. How many multiplications take the gradient from the "
           "loss back to the input?",
        zh=f"损失之前有 {depth} 层，每层的 Jacobian 为 {width} × {width}。把梯度从损失传回输入，需要多少次乘法？",
        answer=depth * width**2,
        steps=[("a row vector times a matrix at each layer", "每层是一个行向量乘矩阵"),
               (f"{depth} · {width}² = {depth * width**2:,}",) * 2],
        proved_by="from_the_loss_a_layer_costs_a_vector_times_a_matrix",
    )  # fmt: skip


ZH = {
    "input": "输入", "output": "输出", "shape of the Jacobian": "Jacobian 的形状",
    "shape for a scalar y": "y 为标量时的形状",
    "Jacobian less what moving each input shows": "Jacobian 与逐个移动输入所得之差",
    "shape for a scalar x": "x 为标量时的形状", "shape of .grad": ".grad 的形状",
    ".grad less the sum of the rows": ".grad 与各行之和的差", "Jacobian less A": "Jacobian 减 A",
    "Jacobian less the answer": "Jacobian 与答案之差", "backward from g less A·g": "由 g 反向的结果与 A·g 之差",
    "backward from g less gW": "由 g 反向的结果与 gW 之差", "gradient": "梯度",
    "gradient less the two terms": "梯度与两项之和的差",
    "gradient of xᵀAx less autograd's": "xᵀAx 的梯度与 autograd 之差",
    "distance of 2Ax from it, over |(A − Aᵀ)x|": "2Ax 与它的距离，除以 |(A − Aᵀ)x|", "layers": "层数",
    "multiplications": "乘法次数", "difference of the two": "两者之差",
    "multiplications from the input": "从输入一侧的乘法次数", "from the loss": "从损失一侧",
    "from the input": "从输入一侧", "J_uᵀv": "J_uᵀv", "J_vᵀu": "J_vᵀu", "x{}": "x{}",
}  # fmt: skip

if __name__ == "__main__":
    main()
