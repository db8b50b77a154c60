r"""With few examples the start decides, and how far each start is from the target; with enough it no longer matters.

样本少时起点说了算，取决于各起点离目标多远；样本够多，起点就不再重要。

A linear toy: gradient descent from a base (zero) or from a chat model fits n examples of d unknowns. Turn `cosine`,
between the way base → chat and the way base → target, to −0.5: the chat model starts farther off, and the base wins.
线性玩具模型：从 base（零点）或 chat 模型出发，用梯度下降拟合 n 个样本、d 个未知数。`cosine` 是「base → chat」与「base → 目标」
两个方向的余弦；改为 −0.5，chat 起点更远，base 更好。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("one_minus_n_over_d_of_the_start_is_left", "gradient_descent_ends_at_the_nearest_fit"),
          wrong=("is_nearest_to_zero", "is_ridge", "returns_the_change"))
def nearest_fit(x: Tensor, y: Tensor, start: Tensor) -> Tensor:
    """Of all weights that fit the examples, those nearest to the start. x (examples, width), y (examples,), start and
    result (width,).

    在拟合全部样本的权重中，取离起点最近的。x 为 (examples, width)，y 为 (examples,)，start 与结果为 (width,)。"""
    return start + torch.linalg.pinv(x) @ (y - x @ start)


def left(examples: int, width: int, start: Tensor, target: Tensor, trials: int, nearest: str = "start") -> Tensor:
    """Mean squared distance to the target after fitting `examples` clean examples."""
    found = []
    for _ in range(trials):
        x = torch.randn(examples, width, dtype=F64)
        fit = nearest_fit(x, x @ target, start if nearest == "start" else torch.zeros_like(start))
        found.append((fit - target).square().sum())
    return torch.stack(found).mean()


def chat_and_target(width: int, moved: float, cosine: float) -> tuple[Tensor, Tensor]:
    """A chat model at distance `moved` from the base at zero, and a target at distance 1, at this cosine."""
    a, b = torch.linalg.qr(torch.randn(width, 2, dtype=F64))[0].T
    return moved * (cosine * a + (1 - cosine**2) ** 0.5 * b), a


RANGES = {
    "counts": each(between(4, 46), at_least=2, at_most=4, rising=True), "width": between(48, 60), "trials": between(40, 60),
    "moved": between(0.8, 1.0), "cosine": one_of(-0.5, 0.8, 0.9), "examples": between(8, 24), "enough": one_of(16, 70, 80),
    "nearest": one_of("start", "zero"), "start": one_of("near", "at zero"),
}


@breaks(nearest="zero", en="Fits nearest to zero have forgotten where they began.", zh="取离零点最近的解，就忘掉了起点。")
def claim_one_minus_n_over_d_of_the_start_is_left(counts=(6, 24, 42), width=48, trials=40, nearest="start"):
    """After n clean examples of d unknowns, 1 − n/d of the squared distance from start to target is left, whatever the
    start.

    d 个未知数、n 个无噪声样本之后，起点到目标的距离平方还剩 1 − n/d，与起点是哪一个无关。"""
    start, target = torch.randn(2, width, dtype=F64)
    shares = torch.stack([left(n, width, start, target, trials, nearest) for n in counts]) / (start - target).square().sum()
    formula = torch.tensor([1 - n / width for n in counts], dtype=F64)
    show(lines("examples", counts, {"share left": shares, "1 − n/d": formula}))
    # Each share is Beta(d − n, n)/2-distributed with deviation below 0.1; the mean of 40 trials below 0.016.
    expect("share left less 1 − n/d", shares - formula, equals=0, within=0.08, at=("examples", counts))


@breaks(cosine=-0.5, en="A chat model whose habits oppose the target starts farther off than the base.",
        zh="习惯与目标相反的 chat 模型，起点比 base 更远。")
def claim_the_nearer_start_wins(examples=16, width=48, trials=40, moved=1.0, cosine=0.8):
    """A chat model moved by c from the base, to a target at t, is the better start if cos θ > c/(2t): here it leaves under
    nine tenths of the base's error.

    chat 离 base 为 c，目标离 base 为 t，cos θ > c/(2t) 时 chat 是更好的起点：此处留下的误差不到 base 的九成。"""
    chat, target = chat_and_target(width, moved, cosine)
    base = torch.zeros(width, dtype=F64)
    counts = (4, examples, 32)
    curves = {"from the chat model": [left(n, width, chat, target, 10) for n in counts],
              "from the base": [left(n, width, base, target, 10) for n in counts]}
    show(lines("examples", counts, curves, y_label="squared distance to the target"))
    errors = [left(examples, width, one, target, trials) for one in (chat, base)]
    distance = (chat - target).square().sum()
    expect("the chat model's error over the base's", errors[0] / errors[1], at_most=0.9)
    expect("distance² of the chat start less 1 + c² − 2c·cos θ", distance - (1 + moved**2 - 2 * moved * cosine), equals=0,
           within=1e-12)


@breaks(enough=16, en="With fewer examples than unknowns the start is still in the result.",
        zh="样本少于未知数时，结果里仍留着起点。")
def claim_with_enough_examples_the_start_is_gone(enough=70, width=48):
    """With at least as many clean examples as unknowns every start ends at the target.

    无噪声样本不少于未知数时，从任何起点都到达目标。"""
    start, target = 3 * torch.randn(2, width, dtype=F64)
    found = [left(enough, width, one, target, 3) for one in (start, torch.zeros_like(start))]
    show(lines("start", (0, 1), {"squared distance to the target": found}))
    expect("squared distance to the target", torch.stack(found), equals=0, within=1e-15)   # float64, condition below 1e2


@breaks(start="at zero", en="From another start it ends elsewhere, as long as examples are few.",
        zh="只要样本少，换个起点就到别处。")
def claim_gradient_descent_ends_at_the_nearest_fit(examples=16, width=48, start="near"):
    """Gradient descent on the squared error ends at the fit nearest to where it began: few examples move few directions.

    平方误差上的梯度下降，终点是离出发点最近的解：样本少，移动的方向就少。"""
    examples = min(examples, 24)
    begun, target = torch.randn(2, width, dtype=F64)
    x = torch.randn(examples, width, dtype=F64)
    w = begun.clone() if start == "near" else torch.zeros_like(begun)
    rate, gaps = 1 / torch.linalg.matrix_norm(x, 2).square(), []
    goal = nearest_fit(x, x @ target, begun)
    for _ in range(1200):
        w = w - rate * x.T @ (x @ (w - target))
        gaps.append((w - goal).norm())
    show(lines("step", range(1, 1201, 50), {"distance to the nearest fit": gaps[::50]}, log="y"))
    expect("distance to the nearest fit at the end", gaps[-1], equals=0, within=1e-3)


def drill_left_of_the_start(rng) -> Drill:
    """Expected squared distance after fitting."""
    (d, n), far = rng.choice([(100, 10), (100, 40), (200, 50), (500, 100), (400, 300)]), rng.choice([2, 3, 4, 5])
    value = (1 - n / d) * far**2
    return Drill(
        en=f"A linear model with {d} unknowns starts at distance {far} from the target and is fitted to {n} clean random "
           "examples by gradient descent. What squared distance is left, in expectation?",
        zh=f"线性模型有 {d} 个未知数，起点离目标的距离为 {far}，用梯度下降拟合 {n} 个无噪声的随机样本。剩下的距离平方，期望是多少？",
        answer=value,
        steps=[(f"n/d = {n}/{d} of the squared distance is removed", f"距离平方被去掉 n/d = {n}/{d}"),
               (f"(1 − {n / d:g}) · {far}² = {value:g}",) * 2],
        proved_by="one_minus_n_over_d_of_the_start_is_left")


ZH = {
    "examples": "样本数", "share left": "剩下的比例", "share left less 1 − n/d": "剩下的比例与 1 − n/d 之差",
    "from the chat model": "从 chat 模型出发", "from the base": "从 base 出发", "squared distance to the target": "到目标的距离平方",
    "the chat model's error over the base's": "chat 起点与 base 起点的误差之比",
    "distance² of the chat start less 1 + c² − 2c·cos θ": "chat 起点的距离平方减 1 + c² − 2c·cos θ", "start": "起点", "step": "步",
    "distance to the nearest fit": "到最近解的距离", "distance to the nearest fit at the end": "最后到最近解的距离",
}

if __name__ == "__main__":
    main()
