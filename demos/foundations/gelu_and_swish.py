r"""GELU and SiLU multiply x by the probability that a random number lies below x: normal for GELU, logistic for SiLU.

GELU 与 SiLU 都是 x 乘以「随机数小于 x 的概率」：GELU 用正态分布，SiLU 用逻辑斯谛分布。

Hendrycks & Gimpel 2016, §2; Ramachandran et al. 2017, §4. Turn `compared_with` to "the batch": x measured against the
other inputs is another function. 把 `compared_with` 改为 "the batch"：与其他输入相比，得到的是另一个函数。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("gelu_and_silu_are_means_of_a_random_gate",), wrong=("tanh_form", "erf_of_x", "probability_alone"))
def gelu(x: Tensor) -> Tensor:
    """GELU, exact, of x of any shape: x · Φ(x), with Φ the standard normal distribution function; torch.erf is given.

    对任意形状的 x 计算精确的 GELU：x · Φ(x)，Φ 为标准正态分布函数；可用 torch.erf。"""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))                  # Φ(x) = (1 + erf(x / √2)) / 2


def swish(x: Tensor, beta: float, place: str = "inside") -> Tensor:
    """x · σ(βx); β = 1 is SiLU. The wrong way has β in front."""
    return x * torch.sigmoid(beta * x) if place == "inside" else beta * x * torch.sigmoid(x)


@exercise(claims=("their_slopes_and_minima",), wrong=("gate_alone", "sigmoid_slope", "beta_left_out", "beta_in_the_wrong_term"))
def swish_slope(x: Tensor, beta: float) -> Tensor:
    """The derivative of x · σ(βx) by x; any shape.

    x · σ(βx) 对 x 的导数；形状任意。"""
    s = torch.sigmoid(beta * x)
    return s + beta * x * s * (1 - s)                                   # the gate, and what the gate itself changes


@exercise(claims=("swiglu_backward_is_autograds",), wrong=("gate_forgets_up", "silu_as_slope", "paths_exchanged"))
def swiglu_backward(dh: Tensor, g: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients by g and u of h = SiLU(g) · u, from dh, the one by h; all of one shape. `swish_slope` is given.

    由 dh（对 h = SiLU(g) · u 的梯度）求对 g、u 的梯度；形状都相同。可用 `swish_slope`。"""
    return dh * u * swish_slope(g, 1.0), dh * g * torch.sigmoid(g)


RANGES = {
    "compared_with": one_of("its distribution", "N(0, 4)", "the batch"), "draws": between(1000, 20000),
    "alpha": between(1.0, 2.0), "cubic": between(0.0, 0.1), "betas": each(between(0.5, 100.0)),
    "place": one_of("inside", "in front"), "rule": one_of("product rule", "gate alone"), "width": between(1, 64),
}  # fmt: skip


@breaks(compared_with="N(0, 4)", en="Against a wider normal the gate opens more slowly.",
        zh="与更宽的正态相比，门开得更慢。")
@breaks(compared_with="the batch", en="Against the other inputs of a batch the result depends on the batch: not GELU.",
        zh="与 batch 里其他输入相比，结果依赖 batch：不是 GELU。")
def claim_gelu_and_silu_are_means_of_a_random_gate(draws=10000, compared_with="its distribution"):
    """Keep x where a random number lies below it, else 0: on average this is GELU for a standard normal number and SiLU for a
    logistic one.

    随机数小于 x 时保留 x，否则置 0：随机数为标准正态时，平均值就是 GELU；为逻辑斯谛分布时，就是 SiLU。"""
    x = torch.linspace(-5, 5, 101, dtype=F64)
    share = (torch.arange(draws, dtype=F64) + 0.5) / draws              # evenly spread, in place of random
    normal, logistic = torch.special.ndtri(share), torch.log(share / (1 - share))
    against = {"its distribution": normal, "N(0, 4)": 2 * normal, "the batch": x}[compared_with]
    found = {name: x * (x[:, None] >= z).double().mean(1) for name, z in (("GELU", against), ("SiLU", logistic))}
    show(lines("input", x, {**{f"mean of the gated x: {n}": y for n, y in found.items()}, "ReLU": x.relu()}))
    # counting errs by one draw of `draws` times |x| ≤ 5
    expect("mean of the gated x less F.gelu", found["GELU"] - F.gelu(x), equals=0, within=5 / draws)
    expect("mean of the gated x less F.silu", found["SiLU"] - F.silu(x), equals=0, within=5 / draws)
    batch = x * (x[:, None] >= x).double().mean(1)
    expect("distance of F.gelu from x measured against the batch", (batch - F.gelu(x)).abs().max(), at_least=0.1)
    expect("gelu less F.gelu", gelu(x) - F.gelu(x), equals=0, within=1e-12)


@breaks(alpha=1.0, en="x·σ(x) is SiLU and off GELU by up to 0.19.", zh="x·σ(x) 就是 SiLU，与 GELU 最多相差 0.19。")
@breaks(cubic=0.0, en="Without the cubic term the tanh form is off by some hundredths.",
        zh="没有三次项，tanh 形式会差到百分之几。")
def claim_two_shortcuts_and_their_errors(alpha=1.702, cubic=0.044715):
    """The largest error of GELU's tanh form is 0.00047, at |x| = 2.70; that of x·σ(1.702x) is 0.0203, at |x| = 2.27.

    GELU 的 tanh 形式最大误差 0.00047，在 |x| = 2.70 处；x·σ(1.702x) 的最大误差 0.0203，在 |x| = 2.27 处。"""
    x = torch.linspace(-8, 8, 16001, dtype=F64)
    forms = {"tanh": 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + cubic * x**3))),
             "x·σ(1.702x)": x * torch.sigmoid(alpha * x)}
    errors = {name: (y - gelu(x)).abs() for name, y in forms.items()}
    show(lines("input", x[::40], {name: e[::40] for name, e in errors.items()}, log="y", y_label="distance from GELU"))
    expect("largest error", [e.max() for e in errors.values()], equals=[4.732e-4, 0.02033], within=5e-6, at=("form", list(errors)))
    expect("it stands at |x|", [x[e.argmax()].abs() for e in errors.values()], equals=[2.699, 2.270], within=0.002,
           at=("form", list(errors)))
    expect("tanh form less torch's", forms["tanh"] - F.gelu(x, approximate="tanh"), equals=0, within=1e-12)


@breaks(place="in front", en="β in front only scales SiLU: it comes no nearer to ReLU.",
        zh="β 放在前面只是缩放 SiLU，不会接近 ReLU。")
def claim_beta_leads_from_a_line_to_relu(betas=(1.0, 1.702, 10.0, 100.0), place="inside"):
    """Swish, x·σ(βx), is x/2 at β = 0 and tends to ReLU: its largest distance from it is 0.278/β.

    Swish 即 x·σ(βx)：β = 0 时是 x/2，β 增大时趋于 ReLU，与 ReLU 的最大距离为 0.278/β。"""
    w = math.exp(-1)
    for _ in range(50):                                                 # W(1/e), the w with w·eʷ = 1/e: Newton's steps
        w -= (w * math.exp(w) - math.exp(-1)) / (math.exp(w) * (1 + w))
    x = torch.linspace(-6, 6, 1201, dtype=F64)
    curves = {f"β = {b:g}": swish(x, b, place) for b in (0.0, *betas)}
    show(lines("input", x, {**curves, "ReLU": x.relu()}))
    gaps = []
    for b in betas:
        fine = torch.linspace(-6, 6, 12001, dtype=F64) / b              # the curve of β is that of 1, shrunk by β
        gaps.append((swish(fine, b, place) - fine.relu()).abs().max() * b)
    # a grid of 0.001 misses the flat peak by less than 1e-7
    expect("β times the largest distance from ReLU", gaps, equals=w, within=1e-6, at=("β", betas))
    expect("W(1/e)", w, equals=0.278465, within=1e-6)
    expect("Swish at β = 0 less x/2", swish(x, 0.0) - x / 2, equals=0)


@breaks(rule="gate alone", en="Without x times the gate's own slope nothing turns negative: no minimum.",
        zh="漏掉 x 乘门自身的斜率，导数就不会变负，也就没有最小值。")
def claim_their_slopes_and_minima(rule="product rule"):
    """GELU falls to −0.170 at −0.752, SiLU to −0.278 at −1.278, then rise to 0. At −10 GELU's slope is below 10⁻²⁰:
    a unit can still die.

    GELU 在 −0.752 处降到 −0.170，SiLU 在 −1.278 处降到 −0.278，再往左回升到 0。在 −10 处 GELU 的斜率不到 10⁻²⁰：单元仍可能死掉。"""
    x = torch.linspace(-6, 3, 9001, dtype=F64, requires_grad=True)
    density = (-x.detach() ** 2 / 2).exp() / math.sqrt(2 * math.pi)
    at = x.detach()
    gates = torch.special.ndtr(at), at.sigmoid()
    slopes = {"GELU": gates[0] + at * density, "SiLU": swish_slope(at, 1.0)}
    if rule == "gate alone":
        slopes = dict(zip(slopes, gates, strict=True))
    curves = {"GELU": F.gelu(at), "SiLU": F.silu(at), **{f"slope of {n}": s for n, s in slopes.items()}}
    show(lines("input", at[::20], {name: y[::20] for name, y in curves.items()}))
    minima = {"GELU": (F.gelu, -0.75179, -0.16997), "SiLU": (F.silu, -1.27846, -0.27846)}
    for name, (f, place, value) in minima.items():
        found = slopes[name]
        expect(f"slope of {name} less autograd's", found - torch.autograd.grad(f(x).sum(), x)[0], equals=0, within=1e-12)
        turn = at[1:][(found[:-1] < 0) & (found[1:] >= 0)]              # where the slope turns from − to +
        expect(f"{name} turns at", turn, equals=place, within=0.0011)
        expect(f"{name} is lowest there, with", f(at).min(), equals=value, within=1e-5)
    far = torch.tensor(-10.0, dtype=F64, requires_grad=True)
    both = torch.stack([f(torch.tensor(-30.0, dtype=F64)) for f in (F.gelu, F.silu)])
    expect("GELU and SiLU at −30", both, equals=0, within=1e-11)         # 30·σ(−30) is 3e-12
    expect("slope of GELU at −10", torch.autograd.grad(F.gelu(far), far)[0].abs(), at_most=1e-20)
    expect("slope of Swish at β = 2 less finite differences",
           swish_slope(at, 2.0) - (swish(at + 1e-6, 2.0) - swish(at - 1e-6, 2.0)) / 2e-6, equals=0, within=1e-8)
    f, s = swish(at, 2.0), (2 * at).sigmoid()                            # at x = 3 the other formula is off by σ(6)·(3 − 1)
    expect("distance of f + β·σ(βx)·(1 − f) from it", (f + 2 * s * (1 - f) - swish_slope(at, 2.0)).abs().max(), at_least=1.9)


@breaks(rule="gate alone", en="σ(g) is not SiLU's slope: the gate changes with g, too.",
        zh="σ(g) 不是 SiLU 的斜率：门也随 g 变。")
def claim_swiglu_backward_is_autograds(width=16, rule="product rule"):
    """For h = SiLU(g)·u: dg = dh·u·σ(g)(1 + g(1 − σ(g))) and du = dh·SiLU(g). A closed gate stops both.

    对 h = SiLU(g)·u：dg = dh·u·σ(g)(1 + g(1 − σ(g)))，du = dh·SiLU(g)。门关上，两路都没有梯度。"""
    dh, g, u = (3 * torch.randn(width, dtype=F64) for _ in range(3))
    leaves = g.clone().requires_grad_(), u.clone().requires_grad_()
    (F.silu(leaves[0]) * leaves[1]).backward(dh)
    dg, du = swiglu_backward(dh, g, u) if rule == "product rule" else (dh * u * g.sigmoid(), dh * F.silu(g))
    show(table({"g": g, "u": u, "dg": dg, "du": du}))
    expect("gradient by g less autograd's", dg - leaves[0].grad, equals=0, within=1e-11)
    expect("gradient by u less autograd's", du - leaves[1].grad, equals=0, within=1e-11)
    shut = swiglu_backward(torch.ones(1), torch.tensor([-30.0]), torch.ones(1))
    expect("gradients at g = −30", torch.cat(shut), equals=0, within=1e-10)


def drill_gelu(rng) -> Drill:
    """GELU from a table of Φ."""
    x, phi = rng.choice([(1.0, 0.8413), (2.0, 0.9772), (0.5, 0.6915), (1.5, 0.9332)])
    sign = rng.choice((1, -1))
    p = phi if sign > 0 else 1 - phi
    return Drill(
        en=f"Φ({x:g}) = {phi} for the standard normal distribution. What is GELU({sign * x:g})?",
        zh=f"标准正态分布的 Φ({x:g}) = {phi}。GELU({sign * x:g}) 是多少？",
        answer=gelu(torch.tensor(sign * x, dtype=F64)).item(), within=0.0005,
        steps=[(f"Φ({sign * x:g}) = {p:.4f}" + ("" if sign > 0 else ", since Φ(−x) = 1 − Φ(x)"),
                f"Φ({sign * x:g}) = {p:.4f}" + ("" if sign > 0 else "，因为 Φ(−x) = 1 − Φ(x)")),
               (f"x · Φ(x) = {sign * x * p:.4f}",) * 2],
        proved_by="gelu_and_silu_are_means_of_a_random_gate",
    )  # fmt: skip


def drill_gap(rng) -> Drill:
    """How far Swish is from ReLU."""
    beta = rng.choice((2, 4, 5, 10, 20))
    return Drill(
        en=f"SiLU is at most 0.278 away from ReLU. How far is Swish with β = {beta}, x·σ({beta}x), at most?",
        zh=f"SiLU 与 ReLU 最多相差 0.278。β = {beta} 的 Swish，即 x·σ({beta}x)，最多相差多少？",
        answer=0.278465 / beta,
        steps=[(f"x·σ({beta}x) is SiLU({beta}x) / {beta}", f"x·σ({beta}x) 等于 SiLU({beta}x) / {beta}"),
               (f"ReLU scales alike, so the distance is 0.278 / {beta} = {0.278465 / beta:.4f}",
                f"ReLU 也同样缩放，所以距离是 0.278 / {beta} = {0.278465 / beta:.4f}")],
        proved_by="beta_leads_from_a_line_to_relu",
    )


ZH = {
    "dg": "dg", "du": "du", "input": "输入", "mean of the gated x: {}": "门控后 x 的均值：{}",
    "mean of the gated x less F.gelu": "门控后 x 的均值与 F.gelu 之差",
    "mean of the gated x less F.silu": "门控后 x 的均值与 F.silu 之差",
    "distance of F.gelu from x measured against the batch": "F.gelu 与「同 batch 比较」的距离",
    "gelu less F.gelu": "gelu 与 F.gelu 之差", "distance from GELU": "与 GELU 的距离", "form": "形式",
    "largest error": "最大误差", "it stands at |x|": "出现在 |x|", "tanh form less torch's": "tanh 形式与 torch 之差",
    "β times the largest distance from ReLU": "β 乘以与 ReLU 的最大距离",
    "Swish at β = 0 less x/2": "β = 0 的 Swish 与 x/2 之差", "slope of {}": "{} 的斜率",
    "slope of {} less autograd's": "{} 的斜率与 autograd 之差", "{} turns at": "{} 的转折点",
    "{} is lowest there, with": "{} 在此处的最小值", "GELU and SiLU at −30": "GELU 与 SiLU 在 −30 处",
    "distance of f + β·σ(βx)·(1 − f) from it": "f + β·σ(βx)·(1 − f) 与它的距离", "slope of GELU at −10": "GELU 在 −10 处的斜率",
    "slope of Swish at β = 2 less finite differences": "β = 2 的 Swish 斜率与有限差分之差",
    "gradient by g less autograd's": "对 g 的梯度与 autograd 之差",
    "gradient by u less autograd's": "对 u 的梯度与 autograd 之差", "gradients at g = −30": "g = −30 处的梯度",
}  # fmt: skip

if __name__ == "__main__":
    main()
