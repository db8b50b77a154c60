r"""Muon replaces a matrix gradient UΣVᵀ by UVᵀ, nearly: all its directions move alike, and Newton–Schulz finds it without an SVD.

Muon 把矩阵的梯度 UΣVᵀ 近似换成 UVᵀ：所有方向走得一样多；Newton–Schulz 不用 SVD 就能求出它。

Jordan et al. 2024; Liu et al. 2025. Turn `coefficients` to "cubic": small singular values stay small. Turn `update` to "sign": Adam's
kind of step depends on the axes. 把 `coefficients` 改为 "cubic"：小奇异值仍然小。把 `update` 改为 "sign"：Adam 式的一步依赖坐标轴。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table

COEFFICIENTS = {"quintic": (3.4445, -4.7750, 2.0315), "cubic": (1.5, -0.5, 0.0)}


@exercise(claims=("five_steps_lift_small_singular_values", "the_step_turns_with_the_axes"),
          wrong=("forgets_to_scale", "multiplies_entries", "forgets_tall_matrices"))
def newton_schulz(g: Tensor, a: float, b: float, c: float, steps: int) -> Tensor:
    """Muon's iteration: X = g over its Frobenius norm, then steps times X = aX + (bA + cA²)X with A = XXᵀ on the shorter side. g and
    the result are (rows, columns), either of them longer.

    Muon 的迭代：X = g 除以自身的 Frobenius 范数，然后做 steps 次 X = aX + (bA + cA²)X，其中 A = XXᵀ 取短的一边。
    g 与结果都是 (rows, columns)，哪边长都可以。"""
    x = g / g.norm()                                                     # singular values at most 1
    tall = len(x) > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        square = x @ x.T                                                 # (shorter, shorter)
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def polar(g: Tensor) -> Tensor:
    """UVᵀ of g = UΣVᵀ, by SVD."""
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    return u @ v


def on_values(s: Tensor, a: float, b: float, c: float, steps: int) -> Tensor:
    """What the iteration does to singular values that are at most 1."""
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return s


UPDATES = {"orthogonal": polar, "gradient": lambda g: g / torch.linalg.matrix_norm(g, 2), "sign": lambda g: g.sign()}

RANGES = {
    "rows": between(4, 24), "columns": between(4, 24), "update": one_of("orthogonal", "gradient", "sign"),
    "coefficients": one_of("quintic", "cubic"), "values": each(between(0.01, 1.0), at_least=1, at_most=8, rising=True),
    "scale": one_of("matched", "none"), "frequencies": each(between(0.001, 1.0), at_least=2, at_most=6),
}


@breaks(update="gradient", en="The gradient, scaled to spectral norm 1, moves far only along its largest direction.",
        zh="缩放到谱范数 1 的梯度，只在最大的方向上走得远。")
@breaks(update="sign", en="Signs, scaled to spectral norm 1, gain less: they bound single numbers, not directions.",
        zh="缩放到谱范数 1 的符号矩阵收益更小：它限制的是单个数，不是方向。")
def claim_it_is_the_steepest_step_of_bounded_spectral_norm(rows=8, columns=12, update="orthogonal"):
    """Of all matrices of spectral norm 1, UVᵀ lowers a linear loss most: by the sum of the gradient's singular values.

    在所有谱范数为 1 的矩阵中，UVᵀ 使线性损失下降最多：等于梯度奇异值之和。"""
    g = torch.randn(rows, columns, dtype=torch.float64)
    gains = {}
    for name, f in UPDATES.items():
        step = f(g)
        gains[name] = (g * step / torch.linalg.matrix_norm(step, 2)).sum().item()
    others = torch.stack([polar(torch.randn_like(g)) for _ in range(50)])
    best_other = (g * others).sum((1, 2)).max().item()
    show(table({"step of spectral norm 1": [*gains, "best of 50 random"], "gain": [*gains.values(), best_other]}))
    nuclear = torch.linalg.svdvals(g).sum().item()
    expect("gain over the sum of singular values", gains[update] / nuclear, equals=1, within=1e-9)
    expect("best random one over the sum of singular values", best_other / nuclear, at_most=1)


@breaks(coefficients="cubic", en="The cubic 1.5x − 0.5x³ is exact in the end, but grows small values by 1.5 per step: 7.6-fold in five.",
        zh="三次多项式 1.5x − 0.5x³ 最终精确，但小奇异值每步只乘 1.5：五步 7.6 倍。")
def claim_five_steps_lift_small_singular_values(values=(0.01, 0.03, 0.1, 0.3, 1.0), coefficients="quintic"):
    """Five quintic steps bring singular values from 0.01 to 1 between 0.65 and 1.25, by products of matrices alone; the cubic leaves 0.01
    at 0.08.

    五步五次多项式，只用矩阵乘法就把 0.01 到 1 的奇异值都带到 0.65 与 1.25 之间；三次多项式只把 0.01 提到 0.08。"""
    s = torch.tensor(values, dtype=torch.float64)
    n = len(values)
    u, v = (polar(torch.randn(n + 2, n, dtype=torch.float64)) for _ in range(2))
    after = {k: on_values(s / s.norm(), *COEFFICIENTS[k], 5) for k in COEFFICIENTS}
    x = newton_schulz(u * s @ v.T, *COEFFICIENTS[coefficients], 5)       # (n + 2, n + 2), of rank n
    grid = torch.logspace(-2, 0, 60, dtype=torch.float64)
    curves = {k: on_values(grid, *COEFFICIENTS[k], 5) for k in COEFFICIENTS}
    show(lines("singular value before", grid, curves, log="x", y_label="after five steps"))
    # float64: a dozen products of order 1
    expect("matrix less U·p(Σ)·Vᵀ", x - u * after[coefficients] @ v.T, equals=0, within=1e-9)
    expect("smallest value of the curve", curves[coefficients].min(), at_least=0.65)
    expect("largest value of the curve", curves[coefficients].max(), at_most=1.25)
    expect("cubic: 0.01 after five steps", curves["cubic"][0], equals=0.076, within=0.001)


@breaks(update="sign", en="The sign of each number depends on the coordinates it is written in.", zh="每个数的符号取决于用什么坐标来写。")
def claim_the_step_turns_with_the_axes(rows=8, columns=12, update="orthogonal"):
    """If inputs and outputs are turned, Muon's step turns with them; an elementwise step such as Adam's does not.

    输入、输出的坐标转动时，Muon 的一步跟着转；Adam 那样逐元素的一步则不然。"""
    g = torch.randn(rows, columns, dtype=torch.float64)
    p, q = polar(torch.randn(rows, rows, dtype=torch.float64)), polar(torch.randn(columns, columns, dtype=torch.float64))
    f = UPDATES["sign"] if update == "sign" else (lambda x: newton_schulz(x, *COEFFICIENTS["quintic"], 5))
    turned, straight = p.T @ f(p @ g @ q) @ q.T, f(g)
    show(table({"step": ["Muon", "sign"], "difference over its size": [
        ((p.T @ h(p @ g @ q) @ q.T - h(g)).norm() / h(g).norm()).item()
        for h in (lambda x: newton_schulz(x, *COEFFICIENTS["quintic"], 5), UPDATES["sign"])]}))
    expect("turned back less straight", turned - straight, equals=0, within=1e-9)
    by_sign = (p.T @ (p @ g @ q).sign() @ q.T - g.sign()).norm() / g.sign().norm()
    expect("sign: turned back less straight, over its size", by_sign, at_least=0.1)
    wide, tall = newton_schulz(g, *COEFFICIENTS["quintic"], 5), newton_schulz(g.T, *COEFFICIENTS["quintic"], 5)
    expect("transposed gradient: step less the transposed step", tall - wide.T, equals=0, within=1e-9)


@breaks(update="gradient", en="Along the gradient each association moves in proportion to its frequency.",
        zh="沿梯度走，每个关联的移动与其频率成正比。")
@breaks(update="sign", en="In turned axes the sign step mixes associations: they move unevenly.",
        zh="坐标轴转过之后，符号步把各个关联混在一起，移动不均。")
def claim_rare_associations_move_as_far(frequencies=(0.5, 0.2, 0.1, 0.02), update="orthogonal"):
    """In a linear memory of orthonormal keys and values Muon's step moves every association as far, however rare it is, in
    whatever axes.

    在键与值都正交归一的线性记忆中，Muon 的一步让每个关联移动同样远，无论多少见、坐标轴怎么转。"""
    n = len(frequencies)
    keys, targets = (polar(torch.randn(n + 4, n, dtype=torch.float64)) for _ in range(2))
    g = targets * torch.tensor(frequencies, dtype=torch.float64) @ keys.T                 # Σ frequency · value · keyᵀ
    moves = {name: (targets.T @ f(g) @ keys).diagonal() for name, f in UPDATES.items()}   # of each value along its key
    show(lines("association", range(1, n + 1), {k: m / m[0] for k, m in moves.items()}, y_label="move over that of the first"))
    expect("move of each association over that of the first", moves[update] / moves[update][0], equals=1, within=1e-9)
    share = torch.tensor(frequencies, dtype=torch.float64) / frequencies[0]
    expect("gradient: move over that of the first, less the frequencies' ratio", moves["gradient"] / moves["gradient"][0] - share, equals=0,
           within=1e-9)


@breaks(scale="none", en="Unscaled, the step's root mean square falls with the longer side.", zh="不缩放时，更新的均方根随长边减小。")
def claim_the_step_is_scaled_to_adams_size(rows=8, columns=24, scale="matched"):
    """UVᵀ has a root mean square of 1/√max(rows, columns); times 0.2·√max it is 0.2, about AdamW’s, for any shape.

    UVᵀ 的均方根是 1/√max(行, 列)；乘 0.2·√max 之后对任何形状都是 0.2，与 AdamW 相近。"""
    shapes = [(rows, columns), (columns, rows), (rows, rows), (2 * columns, rows)]
    plain = [polar(torch.randn(*shape, dtype=torch.float64)).square().mean().sqrt().item() for shape in shapes]
    factor = [0.2 * max(shape) ** 0.5 if scale == "matched" else 1.0 for shape in shapes]
    show(table({"shape": [f"{a} × {b}" for a, b in shapes], "RMS of UVᵀ": plain, "1/√max": [max(s) ** -0.5 for s in shapes]}))
    expect("RMS of UVᵀ times √max(rows, columns)", [p * max(s) ** 0.5 for p, s in zip(plain, shapes, strict=True)], equals=1, within=1e-9)
    expect("RMS of the scaled step", [p * f for p, f in zip(plain, factor, strict=True)], equals=0.2, within=1e-9)


def drill_one_step(rng) -> Drill:
    """One Newton–Schulz step on a singular value."""
    name, s = rng.choice([("cubic", 0.4), ("cubic", 0.8), ("quintic", 0.1), ("quintic", 0.5), ("quintic", 1.0), ("cubic", 0.2)])
    a, b, c = COEFFICIENTS[name]
    value = on_values(torch.tensor(s, dtype=torch.float64), a, b, c, 1).item()
    form = f"{a:g}x − {-b:g}x³" + (f" + {c:g}x⁵" if c else "")
    return Drill(
        en=f"One Newton–Schulz step applies {form} to every singular value. What becomes of {s:g}?",
        zh=f"一步 Newton–Schulz 对每个奇异值做 {form}。{s:g} 变成多少？",
        answer=value, within=0.01,
        steps=[(f"{a:g}·{s:g} − {-b:g}·{s**3:.4g}" + (f" + {c:g}·{s**5:.4g}" if c else ""),) * 2, (f"= {value:.3f}",) * 2],
        proved_by="five_steps_lift_small_singular_values",
    )


def drill_overhead(rng) -> Drill:
    """FLOPs of Newton–Schulz beside those of training."""
    width, batch = rng.choice([(4, 1), (8, 4), (2, 0.5), (8, 64), (4, 16)])                 # thousands, millions of tokens
    value = 100 * 5 * 6 * width * 1e3 / (6 * batch * 1e6)
    return Drill(
        en=f"A {width},000 × {width},000 matrix is trained on batches of {batch:g} million tokens, 6·n² FLOPs per token. Five "
           "Newton–Schulz steps cost 6·n³ each. How many per cent are they of a step's training FLOPs?",
        zh=f"{width},000 × {width},000 的矩阵，每步 batch 为 {batch:g} 百万 token，每个 token 训练 6·n² FLOP。"
           "五步 Newton–Schulz 每步 6·n³。它们占这一步训练 FLOP 的百分之几？",
        answer=value, within=0.01 * value,
        steps=[(f"5·6·n³ / (6·n²·B) = 5·n/B = 5 · {width},000 / {batch:g}·10⁶",) * 2, (f"= {value:.3g}%",) * 2],
        proved_by="five_steps_lift_small_singular_values",
    )


ZH = {
    "step of spectral norm 1": "谱范数为 1 的一步", "orthogonal": "正交化", "gradient": "梯度", "sign": "符号",
    "best of 50 random": "50 个随机中最好的", "gain": "收益", "gain over the sum of singular values": "收益与奇异值之和的比",
    "best random one over the sum of singular values": "最好的随机矩阵与奇异值之和的比", "singular value before": "之前的奇异值",
    "quintic": "五次", "cubic": "三次", "after five steps": "五步之后", "matrix less U·p(Σ)·Vᵀ": "矩阵减 U·p(Σ)·Vᵀ",
    "smallest value of the curve": "曲线的最小值", "largest value of the curve": "曲线的最大值",
    "cubic: 0.01 after five steps": "三次：0.01 五步之后", "step": "步", "Muon": "Muon", "difference over its size": "差与自身大小之比",
    "turned back less straight": "转回来减未转", "transposed gradient: step less the transposed step": "转置的梯度：其步减原步的转置",
    "association": "关联", "move over that of the first": "移动与第一个之比",
    "sign: turned back less straight, over its size": "符号：转回来减未转，与自身大小之比",
    "gradient: move over that of the first, less the frequencies' ratio": "梯度：移动与第一个之比，减频率之比",
    "move of each association over that of the first": "各关联的移动与第一个之比", "shape": "形状", "RMS of UVᵀ": "UVᵀ 的均方根",
    "1/√max": "1/√max",
    "RMS of UVᵀ times √max(rows, columns)": "UVᵀ 的均方根乘 √max(行, 列)", "RMS of the scaled step": "缩放后一步的均方根",
    "{} × {}": "{} × {}",
}

if __name__ == "__main__":
    main()
