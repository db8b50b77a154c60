r"""With the factor α/r one learning rate suits every rank, and it lies well above that of full tuning.

有了因子 α/r，一个学习率适合所有的秩，而且明显高于全参数微调的学习率。

Schulman et al. 2025; Kalajdzievski 2023 for α/√r. Turn `scaling` to "alpha": every doubling of the
rank then doubles the first step. 把 `scaling` 改为 "alpha"：秩每翻一倍，第一步就大一倍。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("the_first_step_ignores_the_rank", "the_first_step_is_a_fraction_of_full_tunings"),
          wrong=("steps_by_the_gradient", "forgets_the_outer_scale"))
def first_change(g: Tensor, a: Tensor, lr: float, scale: float) -> Tensor:
    """What Adam's first step does to W + scale · B A, when B starts at zero: every number of B moves by
    lr against the sign of its gradient, A has none. g = ∂loss/∂W (d_out, d_in), a (r, d_in); returns
    the change of the weight, (d_out, d_in).

    B 从零开始时，Adam 的第一步使 W + scale · B A 改变多少：B 的每个数逆着梯度的符号移动 lr，A 没有梯度。
    g = ∂loss/∂W (d_out, d_in)，a (r, d_in)；返回权重的改变 (d_out, d_in)。"""
    b = -lr * (scale * g @ a.T).sign()                                     # (d_out, r)
    return scale * b @ a                                                   # (d_out, d_in)


SCALINGS = {"alpha/r": 1.0, "alpha/sqrt(r)": 0.5, "alpha": 0.0}           # the power of r that divides α


def factor_a(r: int, d: int, drawn: str = "uniform") -> Tensor:
    """A (r, d) at the start, float64: uniform in ±1/√d, or normal with standard deviation 1/r."""
    return (torch.rand(r, d).double() * 2 - 1) / d**0.5 if drawn == "uniform" else torch.randn(r, d).double() / r


def gradient(d: int, inputs: str = "spread") -> Tensor:
    """∂loss/∂W (d, d) of a linear layer from 256 tokens, float64; with four channels 60 times as large if asked."""
    x = torch.randn(256, d).double()
    if inputs == "outliers":
        x[:, :4] *= 60
    return torch.randn(d, 256).double() @ x


def lowered(g: Tensor, a: Tensor, scale: float) -> tuple[float, float]:
    """By how much the first step lowers the loss, over what it does with every weight free, at one learning rate and to
    first order; and how far the change by hand is from that of a step of Adam, a share."""
    b = torch.zeros(g.shape[0], len(a)).double().requires_grad_()
    Adam([b], 1.0).step((scale * b @ a * g).sum())
    change = first_change(g, a, 1.0, scale)
    gap = (change - scale * b.detach() @ a).norm() / change.norm()
    return (-(g * change).sum() / g.abs().sum()).item(), gap.item()        # with every weight free Adam gives −sign(g)


def train(start: list[Tensor], scale: float, rates: list[Tensor], steps: int) -> Tensor:
    """Relative error of the weight after each step, (steps + 1, rates): Adam on batches of 32 with noise towards
    a change of rank 4. `start` holds W (rates, d, d) alone, or B (rates, d, r) and A (rates, r, d)."""
    d, chance = start[0].shape[1], torch.Generator().manual_seed(torch.initial_seed())

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance, dtype=start[0].dtype)

    wanted, parts = randn(d, 4) @ randn(4, d) / d / 2, [p.clone() for p in start]
    means, squares, errors = [torch.zeros_like(p) for p in parts], [torch.zeros_like(p) for p in parts], []
    for t in range(1, steps + 2):
        parts = [p.requires_grad_() for p in parts]
        off = (parts[0] if len(parts) == 1 else scale * parts[0] @ parts[1]) - wanted        # (rates, d, d)
        errors.append(off.detach().square().sum((1, 2)) / wanted.square().sum())
        loss = (off @ randn(d, 32) - 0.5 * randn(d, 32)).square().mean((1, 2)).sum()
        for i, g in enumerate(torch.autograd.grad(loss, parts)):
            means[i] = 0.9 * means[i] + 0.1 * g
            squares[i] = 0.999 * squares[i] + 0.001 * g * g
            step = means[i] / (1 - 0.9**t) / ((squares[i] / (1 - 0.999**t)).sqrt() + 1e-30)
            parts[i] = parts[i].detach() - rates[i] * step
    return torch.stack(errors)


RANGES = {
    "ranks": each(between(1, 512), at_least=2, at_most=6, rising=True),
    "widths": each(between(128, 1024), at_least=1, at_most=3, rising=True),
    "alpha": between(1.0, 64.0),
    "scaling": one_of("alpha/r", "alpha/sqrt(r)", "alpha"),
    "drawn": one_of("uniform", "normal 1/r"),
    "inputs": one_of("spread", "outliers"),
    "compensated": one_of("B", "both", "no"),
    "q": one_of(0.25, 4.0, 16.0),
}
UNSCALED = breaks(scaling="alpha", en="With α alone the first step grows in proportion to the rank.",
                  zh="只乘 α，第一步与秩成正比地变大。")
BY_ROOT = breaks(scaling="alpha/sqrt(r)", en="With α/√r (rsLoRA) it grows as the root of the rank.",
                 zh="用 α/√r（rsLoRA），它按秩的平方根变大。")


@UNSCALED
@BY_ROOT
def claim_the_first_step_ignores_the_rank(ranks=(1, 4, 16, 64, 256), alpha=32.0, scaling="alpha/r"):
    """With α/r the first step of Adam lowers the loss by as much at rank 1 as at rank 256; with α/√r it
    grows sixteenfold over that range, with α alone 256-fold.

    用 α/r 时，Adam 的第一步在秩 1 和秩 256 下使损失下降一样多；用 α/√r 在这一范围内大 16 倍，只用 α 则大 256 倍。"""
    g = gradient(256)
    found = {name: [lowered(g, factor_a(r, 256), alpha / r**p) for r in ranks] for name, p in SCALINGS.items()}
    by = {name: [share for share, _ in pairs] for name, pairs in found.items()}
    show(lines("rank", ranks, by, log="xy", y_label="first step over full tuning's"))
    # one draw of 256 outputs scatters by 5 % (0.75 / √256): five sigma of the ratio of two
    expect("first step over the one at the first rank", torch.tensor(by[scaling]) / by["alpha/r"][0], equals=1, within=0.35,
           at=("rank", ranks))
    for name, p in (("alpha/sqrt(r)", 0.5), ("alpha", 0.0)):
        growth = (torch.tensor(ranks) / ranks[0]) ** (1 - p)
        expect(f"first step over r^{1 - p:g} times the one at the first rank, factor {name}",
               torch.tensor(by[name]) / by[name][0] / growth, equals=1, within=0.35, at=("rank", ranks))
    # Adam adds 1e-8 to each |gradient|; the smallest of 1e5 is some 1e-4 of their size, which is 0.1 and more
    expect("change by hand less Adam's, over its size", [gap for _, gap in found[scaling]], equals=0, within=1e-3, at=("rank", ranks))


@breaks(inputs="outliers", en="With outlier channels a step on all weights wastes itself on the small ones: LoRA does better than the law.",
        zh="有离群通道时，直接改全部权重的一步多半花在小通道上：LoRA 比公式给出的好。")
@breaks(drawn="normal 1/r", en="Drawn with standard deviation 1/r, A brings the rank and the width back in.",
        zh="若按标准差 1/r 抽取 A，秩和宽度又回来了。")
def claim_the_first_step_is_a_fraction_of_full_tunings(widths=(128, 256, 512), alpha=32.0, drawn="uniform", inputs="spread"):
    """At one learning rate the first step of LoRA lowers the loss α/(√3·d) times as much as that of full
    tuning, where inputs are spread over the width: with α = 32 and d = 512 a 28th.

    同一学习率下，输入均匀分布在各通道时，LoRA 第一步使损失下降的量是全参数微调的 α/(√3·d)：α = 32、d = 512 时为二十八分之一。"""
    pairs = [lowered(gradient(d, inputs), factor_a(16, d, drawn), alpha / 16) for d in widths]
    found = torch.tensor([share for share, _ in pairs])
    law = torch.tensor([alpha / (3**0.5 * d) for d in widths])
    show(lines("width", widths, {"first step over full tuning's": found, "α/(√3·d)": law}, log="xy"))
    # 128 outputs and 16 directions: 2 to 3 % of scatter
    expect("first step over its law", found / law, equals=1, within=0.12, at=("width", widths))
    expect("change by hand less Adam's, over its size", [gap for _, gap in pairs], equals=0, within=1e-3, at=("width", widths))


@breaks(compensated="no", en="Left as they were, the rates make α a larger step.", zh="学习率不动，α 就是更大的步长。")
@breaks(compensated="both", en="One rate for A and B, divided by q, slows A as well: α is no exact substitute for it.",
        zh="A、B 共用的学习率除以 q，A 也变慢了：α 并不能完全代替它。")
def claim_alpha_is_a_learning_rate_in_disguise(q=4.0, compensated="B"):
    """Under Adam, α multiplied by q and the rate of B divided by q give the same training curve at every
    step: α is a learning rate for B.

    用 Adam 时，α 乘 q、B 的学习率除以 q，训练曲线每一步都相同：α 相当于 B 的学习率。"""
    a, zero, one = factor_a(8, 32)[None], torch.zeros(1, 32, 8).double(), torch.ones(1, 1, 1).double()
    of_b, of_a = {"B": (q, 1.0), "both": (q, q), "no": (1.0, 1.0)}[compensated]
    curves = [train([zero, a], 1.0, [0.01 * one, 0.01 * one], 40)[:, 0],
              train([zero, a], q, [0.01 / of_b * one, 0.01 / of_a * one], 40)[:, 0]]
    show(lines("step", range(41), {"α": curves[0], "q·α": curves[1]}, y_label="relative error"))
    # float64; rounding differs at each of 40 steps, and q need not be a power of two in general
    expect("curve with q·α less the curve with α", curves[1] - curves[0], equals=0, within=1e-9, at=("step", range(41)))


@UNSCALED
@BY_ROOT
def claim_the_best_rate_is_rank_free_and_above_full_tunings(scaling="alpha/r"):
    """In a toy (width 64, α = 8, 80 steps) the best rate is the same within a factor of two at ranks 8 to 64, and
    two to eight times that of full tuning.

    玩具实验（宽 64，α = 8，80 步）：秩 8 到 64 的最佳学习率相差不超过一倍，是全参数微调的二到八倍。"""
    d, alpha, rates = 64, 8.0, 2.0 ** torch.arange(-13, -3)
    many = rates[:, None, None]
    ends = {"full": train([torch.zeros(len(rates), d, d)], 1.0, [many], 80)[-1]}
    for r in (8, 16, 64):
        start = [torch.zeros(len(rates), d, r), factor_a(r, d).float().expand(len(rates), r, d)]
        ends[f"r = {r}"] = train(start, alpha / r ** SCALINGS[scaling], [many, many], 80)[-1]
    show(lines("learning rate", rates, {k: v.clamp(max=3) for k, v in ends.items()}, log="x", y_label="relative error"))
    best = {name: rates[end.argmin()].item() for name, end in ends.items()}
    lora = [v for name, v in best.items() if name != "full"]
    expect("highest over lowest best rate", max(lora) / min(lora), at_most=2.0)
    expect("lowest best rate over full tuning's", min(lora) / best["full"], at_least=2.0)
    expect("highest best rate over full tuning's", max(lora) / best["full"], at_most=8.0)


def drill_factor(rng) -> Drill:
    """The factor before B A, and what it does to the learning rate."""
    alpha, r, root = rng.choice([(32, 8, False), (128, 64, False), (64, 64, True), (16, 16, True), (32, 256, False), (16, 64, True)])
    value = alpha / r ** (0.5 if root else 1)
    rule = ("α/√r (use_rslora=True)", "α/√r（use_rslora=True）") if root else ("α/r", "α/r")
    return Drill(
        en=f"A LoRA has r = {r}, lora_alpha = {alpha} and scales by {rule[0]}. By what is B A multiplied?",
        zh=f"某 LoRA 的 r = {r}、lora_alpha = {alpha}，缩放为 {rule[1]}。B A 乘以多少？",
        answer=value,
        steps=[(f"{alpha} / √{r} = {alpha} / {r**0.5:g} = {value:g}" if root else f"{alpha} / {r} = {value:g}",) * 2],
        proved_by="the_first_step_ignores_the_rank",
    )


def drill_first_step(rng) -> Drill:
    """How much smaller the first step is."""
    d, alpha = rng.choice([(1024, 16), (2048, 32), (4096, 32), (4096, 16), (8192, 64)])
    value = 3**0.5 * d / alpha
    return Drill(
        en=f"Width d = {d}, α = {alpha}, factor α/r, A uniform in ±1/√d, B = 0, Adam, inputs spread over the width. By what must the "
           "learning rate of full tuning be multiplied for the first step to lower the loss by as much (to first order)?",
        zh=f"宽度 d = {d}，α = {alpha}，因子 α/r，A 在 ±1/√d 内均匀，B = 0，Adam，输入均匀分布在各通道。"
           "要让第一步使损失下降一样多（一阶），学习率须为全参数微调的几倍？",
        answer=value, within=0.02 * value,
        steps=[(f"the first step is α/(√3·d) = {alpha}/(1.73 · {d}) of full tuning's",
                f"第一步是全参数微调的 α/(√3·d) = {alpha}/(1.73 · {d})"),
               (f"so √3·d/α = {value:.0f} times; later B grows, and the best rate is found far lower, near 10 times",
                f"故为 √3·d/α = {value:.0f} 倍；此后 B 会长大，实测的最佳学习率低得多，约 10 倍")],
        proved_by="the_first_step_is_a_fraction_of_full_tunings",
    )


ZH = {
    "alpha/r": "α/r",
    "alpha/sqrt(r)": "α/√r",
    "alpha": "α",
    "rank": "秩",
    "change by hand less Adam's, over its size": "手算的改变减去 Adam 的，与其大小之比",
    "first step over full tuning's": "第一步与全参数微调之比",
    "first step over the one at the first rank": "第一步与首个秩的之比",
    "first step over r^{} times the one at the first rank, factor {}": "第一步与首个秩的之比再除以 r^{}，因子 {}",
    "width": "宽度",
    "first step over its law": "第一步与公式之比",
    "step": "步",
    "relative error": "相对误差",
    "curve with q·α less the curve with α": "q·α 的曲线减去 α 的曲线",
    "learning rate": "学习率",
    "full": "全参数",
    "highest over lowest best rate": "最佳学习率的最高与最低之比",
    "lowest best rate over full tuning's": "最低的最佳学习率与全参数微调之比",
    "highest best rate over full tuning's": "最高的最佳学习率与全参数微调之比",
}

if __name__ == "__main__":
    main()
