r"""Small runs predict a large one if the fit has a floor; the fit also says how to split a budget, and when not to.

拟合时带上下界，小实验就能预测大实验；同一个拟合还告诉你怎样分配算力，以及何时不必照办。

Hoffmann et al. 2022, §3.3. Turn `floor` to "zero": a straight line in log-log predicts a loss that is too low.
把 `floor` 改为 "zero"：双对数图上的直线会把损失预测得过低。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64
# E, A, B, α, β of L = E + A/N^α + B/D^β: printed in Hoffmann et al. 2022, App. D.2, and refitted by Besiroglu et al. 2024
FITS = {"refit": (1.8172, 482.01, 2085.43, 0.3478, 0.3658), "as printed": (1.69, 406.4, 410.7, 0.34, 0.28)}


@exercise(claims=("small_runs_predict_a_large_one",), wrong=("forces_the_floor_to_zero", "floor_is_the_last_loss"))
def fit_power_law(x: Tensor, loss: Tensor) -> tuple[float, float, float]:
    """E, B and β of loss ≈ E + B / x^β with the least squares, β among 0.05, 0.06, …, 1; x and loss are (runs,).

    用最小二乘求 loss ≈ E + B / x^β 的 E、B、β，β 取 0.05, 0.06, …, 1；x 与 loss 为 (runs,)。"""
    best, answer = math.inf, (0.0, 0.0, 0.0)
    for step in range(5, 101):                                                  # for each β the rest is linear
        beta = step / 100
        columns = torch.stack((torch.ones_like(x), x**-beta), 1)                # (runs, 2)
        found = torch.linalg.lstsq(columns, loss[:, None]).solution[:, 0]       # (2,): E and B
        error = (columns @ found - loss).square().sum().item()
        if error < best:
            best, answer = error, (found[0].item(), found[1].item(), beta)
    return answer


def straight_line(x: Tensor, loss: Tensor) -> tuple[float, float, float]:
    """The same without a floor: a line through the logarithms."""
    columns = torch.stack((torch.ones_like(x), -x.log()), 1)
    a, beta = torch.linalg.lstsq(columns, loss.log()[:, None]).solution[:, 0].tolist()
    return 0.0, math.exp(a), beta


def zipf() -> Tensor:
    """The shares of 50,000 contexts by Zipf's law, ∝ k^−1.5."""
    p = torch.arange(1, 50_001) ** -1.5
    return p / p.sum()


def run(tokens: int, p: Tensor) -> float:
    """The mean loss of 20 learners that remember every context they have met, of the shares p: a known one costs 1 nat
    (its continuation is uncertain), an unknown one ln 50."""
    missed = torch.rand(20, len(p)) < torch.exp(-tokens * p)                    # in none of `tokens` draws
    return 1.0 + (math.log(50) - 1.0) * (missed.float() @ p).mean().item()


def split(compute: float, fit: tuple) -> tuple[float, float]:
    """N and D that minimise E + A/N^α + B/D^β under 6ND = compute: Hoffmann et al. 2022, equation 4."""
    _, a, b, alpha, beta = fit
    g = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    n = g * (compute / 6) ** (beta / (alpha + beta))
    return n, compute / 6 / n


def loss_of(n: Tensor, d: Tensor, fit: tuple) -> Tensor:
    """E + A/N^α + B/D^β."""
    e, a, b, alpha, beta = fit
    return e + a / n**alpha + b / d**beta


RANGES = {
    "floor": one_of("fitted", "zero"), "larger": between(48, 256), "constants": one_of("refit", "as printed"), "served": one_of(2e12, 0.0),
}  # fmt: skip


@breaks(floor="zero", en="Without a floor the line goes on down below what the text's own entropy allows.",
        zh="没有下界，直线会一路降到文本自身的熵所不允许的地方。")
def claim_small_runs_predict_a_large_one(larger=64, floor="fitted"):
    """Runs of 300 to 30,000 tokens, fitted with a floor, predict the loss of a run 64 times longer within 3 %; a straight line
    in log-log is over 10 % too low.

    用 300 到 30,000 token 的小实验、带下界拟合，预测长 64 倍的实验，误差不到 3%；双对数直线低估 10% 以上。"""
    sizes = [300, 1000, 3000, 10_000, 30_000]
    x = torch.tensor(sizes, dtype=F64)
    p, target = zipf(), larger * sizes[-1]
    y = torch.tensor([run(size, p) for size in sizes], dtype=F64)
    middle, actual = run(target // 8, p), run(target, p)
    fits = {"fitted": fit_power_law(x, y), "zero": straight_line(x, y)}
    ahead = [*sizes, target // 8, target]
    curves = {name: [e + b / n**beta for n in ahead] for name, (e, b, beta) in fits.items()}
    show(lines("tokens", ahead, {"with a floor": curves["fitted"], "straight line": curves["zero"], "runs": [*y.tolist(), middle, actual]},
               log="x", y_label="nats"))
    expect("predicted over actual loss", curves[floor][-1] / actual, equals=1, within=0.03)
    expect("straight line over actual loss", curves["zero"][-1] / actual, at_most=0.9)


@breaks(constants="as printed", en="Rounded and not converged, the printed constants ask for over 90 tokens per parameter.",
        zh="论文所印的常数经过取整、也未收敛，会得出每参数 90 多个 token。")
def claim_the_refit_gives_chinchillas_ratio(constants="refit"):
    """At Chinchilla's budget the refitted constants ask for 18 tokens per parameter, near the model's own 20; those printed in
    the paper ask for 93.

    在 Chinchilla 的预算下，重新拟合的常数要求每参数 18 个 token，接近该模型实际的 20；论文所印的常数则要求 93 个。"""
    compute = 5.76e23
    ratios = {}
    for name, fit in FITS.items():
        n, d = split(compute, fit)
        ratios[name] = d / n
    n = torch.logspace(9.5, 12, 20_001, dtype=F64)
    searched = {name: n[loss_of(n, compute / 6 / n, fit).argmin()].item() for name, fit in FITS.items()}
    show(table({"constants": list(FITS), "parameters (B)": [round(split(compute, f)[0] / 1e9, 1) for f in FITS.values()],
                "tokens (T)": [round(split(compute, f)[1] / 1e12, 2) for f in FITS.values()],
                "tokens per parameter": [round(r, 1) for r in ratios.values()]}))
    expect("tokens per parameter", ratios[constants], equals=20, within=4)
    expect("tokens per parameter, refitted and as printed", list(ratios.values()), equals=[18, 93], within=0.5)
    # the grid's step is 0.03 %
    expect("searched optimum over the closed form", [searched[k] / split(compute, f)[0] for k, f in FITS.items()], equals=1,
           within=0.001)


@breaks(served=0.0, en="With nothing served, training alone counts, and the compute optimum is the cheapest.",
        zh="若不部署，只算训练，那么算力最优的就是最便宜的。")
def claim_serving_makes_the_model_smaller(served=2e12):
    """To reach the loss of Chinchilla's optimum and serve 2T tokens, compute is least with 30 % fewer parameters and 2.2 times
    the tokens for each; half the parameters cost 26 % more training.

    要达到 Chinchilla 最优点的损失、再服务两万亿 token，总计算量最低的模型参数少三成，每参数 token 数是 2.2 倍；参数减半，训练多花 26%。"""
    fit = FITS["refit"]
    best_n, best_d = split(5.76e23, fit)
    target = loss_of(torch.tensor(best_n), torch.tensor(best_d), fit).item()
    e, a, b, alpha, beta = fit
    n = best_n * torch.linspace(0.2, 2, 1801, dtype=F64)
    room = target - e - a / n**alpha                                            # what B/D^β may cost
    d = torch.where(room > 0, (b / room.clamp_min(1e-9)) ** (1 / beta), math.inf)
    total = 6 * n * d + 2 * n * served
    at = int(total.argmin())
    show(lines("share of the optimum's parameters", (n / best_n).tolist()[50::100],
               {"training": (6 * n * d / 5.76e23).tolist()[50::100], "training and serving": (total / 5.76e23).tolist()[50::100]},
               y_label="compute over Chinchilla's"))
    half = int((n / best_n - 0.5).abs().argmin())
    expect("training compute at half the optimum's parameters, over its own", (6 * n[half] * d[half] / 5.76e23).item(), equals=1.26,
           within=0.01)
    expect("parameters of the cheapest over the optimum's", (n[at] / best_n).item(), equals=0.7, within=0.02)
    expect("tokens per parameter over the optimum's", (d[at] / n[at] / (best_d / best_n)).item(), equals=2.2, within=0.05)
    saved = 1 - (total[at] / (5.76e23 + 2 * best_n * served)).item()
    expect("share of the total that the cheapest saves", saved, equals=0.065, within=0.005)


def drill_chinchilla(rng) -> Drill:
    """N and D of a budget at 20 tokens per parameter."""
    billions = rng.choice([1, 2, 5, 10, 70])
    compute = 120 * (billions * 1e9) ** 2
    return Drill(
        en=f"You may spend {compute:.3g} training FLOPs. By 6ND and 20 tokens per parameter, how many billion parameters?",
        zh=f"训练预算为 {compute:.3g} FLOPs。按 6ND 与每参数 20 个 token，应取多少十亿（B）参数？",
        answer=billions, unit="B", within=0.03 * billions,
        steps=[("C = 6 · N · 20N = 120 N²",) * 2, (f"N = √({compute:.3g} / 120) = {billions}e9",) * 2],
        proved_by="the_refit_gives_chinchillas_ratio",
    )


ZH = {
    "tokens": "token 数", "with a floor": "带下界", "straight line": "直线", "runs": "实验", "nats": "nats",
    "predicted over actual loss": "预测损失与实际之比", "straight line over actual loss": "直线预测与实际之比", "constants": "常数",
    "parameters (B)": "参数（B）", "tokens (T)": "token（T）", "tokens per parameter": "每参数 token 数",
    "tokens per parameter, refitted and as printed": "每参数 token 数：重新拟合、论文所印",
    "share of the total that the cheapest saves": "最便宜者省下的总计算量比例",
    "searched optimum over the closed form": "搜索到的最优与闭式之比", "share of the optimum's parameters": "参数量与最优之比",
    "training": "训练", "training and serving": "训练加服务", "compute over Chinchilla's": "计算量与 Chinchilla 之比",
    "parameters of the cheapest over the optimum's": "最便宜者的参数与最优之比",
    "tokens per parameter over the optimum's": "每参数 token 数与最优之比", "refit": "重新拟合", "as printed": "论文所印",
    "training compute at half the optimum's parameters, over its own": "参数减半时的训练计算与最优之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
