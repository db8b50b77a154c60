r"""One of LoRA's two factors starts at zero: the model is unchanged, and learning can still begin.

LoRA 的两个因子里有一个从零开始：模型起初不变，学习却照样能开始。

Hu et al. 2021, §4.1. Turn `start` to "both zero": each gradient has the other factor in it, so nothing
ever moves. Turn `sigma` to 1 and both random is bad; at 1/√d it is not.
把 `start` 改为 "both zero"：每个梯度里都含另一个因子，于是什么也不动。`sigma` 为 1 时两边随机很糟，1/√d 时则不然。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("the_gradients_hold_the_other_factor",), wrong=("forgets_the_other_factor", "forgets_the_scale"))
def gradients(x: Tensor, g: Tensor, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """∂loss/∂A and ∂loss/∂B of y = W x + scale · B A x, by hand: x (batch, d_in), g = ∂loss/∂y
    (batch, d_out), a (r, d_in), b (d_out, r). Shaped as a and b.

    手写 y = W x + scale · B A x 的 ∂loss/∂A 与 ∂loss/∂B：x (batch, d_in)，g = ∂loss/∂y (batch, d_out)，
    a (r, d_in)，b (d_out, r)。返回的形状同 a、b。"""
    return scale * b.T @ g.T @ x, scale * g.T @ (x @ a.T)                  # (r, d_in), (d_out, r)


def factors(start: str, d: int, r: int, sigma: float) -> tuple[Tensor, Tensor]:
    """A (r, d) and B (d, r) at the start, float64; sigma is what a random factor is drawn with."""
    a, b = sigma * torch.randn(r, d).double(), sigma * torch.randn(d, r).double()
    return a * (start not in ("A zero", "both zero")), b * (start not in ("B zero", "both zero"))


def train(a: Tensor, b: Tensor, steps: int, scale: float = 1.0) -> tuple[list[float], Tensor, Tensor]:
    """Losses of Adam steps (0.05) towards a change of rank r that the data want; a, b are not changed."""
    d, r = a.shape[1], a.shape[0]
    x, wanted = torch.randn(256, d).double(), torch.randn(d, r).double() @ torch.randn(r, d).double() / d
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    adam, losses = Adam([a, b], 0.05), []
    for _ in range(steps + 1):
        loss = (x @ (scale * b @ a - wanted).T).square().sum(1).mean()
        losses.append(loss.item())
        adam.step(loss)
    return losses, a.detach(), b.detach()


RANGES = {
    "d": between(24, 48),
    "r": between(2, 8),
    "scale": between(0.25, 4.0),
    "start": one_of("B zero", "A zero", "both zero", "both random"),
    "sigma": one_of(0.1, 0.15, 1.0),
    "other": one_of("its value", "one"),
}
BOTH_ZERO = breaks(start="both zero", en="With both zero each gradient is a product with zero: nothing ever moves.",
                   zh="两边都为零时，每个梯度都是与零相乘：永远不动。")
BOTH_RANDOM = breaks(start="both random", en="With both random the output is shifted before the first step.",
                     zh="两边都随机，第一步之前输出就偏了。")


@breaks(other="one", en="Without the other factor in it this is the gradient of something else.",
        zh="不含另一个因子，就成了别的东西的梯度。")
def claim_the_gradients_hold_the_other_factor(d=24, r=4, scale=2.0, other="its value"):
    """∂L/∂B = s·gᵀ(xAᵀ) and ∂L/∂A = s·Bᵀgᵀx: the gradient of each factor is a product with the other.

    ∂L/∂B = s·gᵀ(xAᵀ)，∂L/∂A = s·Bᵀgᵀx：每个因子的梯度都是与另一个因子的乘积。"""
    x, w, target = torch.randn(32, d).double(), torch.randn(d, d).double(), torch.randn(32, d).double()
    a, b = factors("both random", d, r, d**-0.5)
    a.requires_grad_(), b.requires_grad_()
    y = x @ w.T + scale * (x @ a.T) @ b.T
    y.retain_grad()
    (y - target).square().mean().backward()
    used = (a.detach(), b.detach()) if other == "its value" else (torch.ones(r, d).double(), torch.ones(d, r).double())
    by_hand = gradients(x, y.grad, *used, scale)
    show(bars(["A", "B"], {"norm of the gradient": [by_hand[0].norm(), by_hand[1].norm()],
                           "by autograd": [a.grad.norm(), b.grad.norm()]}))
    for name, mine, theirs in (("A", by_hand[0], a.grad), ("B", by_hand[1], b.grad)):
        # float64: sums of some hundred terms of size one
        expect(f"gradient of {name} less autograd's", mine - theirs, equals=0, within=1e-11)


@BOTH_ZERO
@BOTH_RANDOM
def claim_one_zero_side_starts_at_the_base_and_learns(d=32, r=4, start="B zero"):
    """With one factor zero, whichever, the output starts exactly at the base's, only the zero factor has
    a gradient at first, and 300 steps bring the loss under 1 % of its start (toy).

    只要有一个因子为零（哪个都行），输出就恰好从底座的开始；第一步只有为零的那个因子有梯度，300 步后损失不到起初的 1%（玩具）。"""
    a, b = factors(start, d, r, d**-0.5)
    x, g = torch.randn(64, d).double(), torch.randn(64, d).double()
    grad_a, grad_b = gradients(x, g, a, b, 1.0)
    zero, other = (grad_b, grad_a) if start != "A zero" else (grad_a, grad_b)
    losses, _, _ = train(a, b, 300)
    show(lines("step", range(0, 301, 10), {"loss over its start": [y / losses[0] for y in losses[::10]]}, log="y"))
    expect("shift of the output before the first step", ((x @ a.T) @ b.T).abs().max(), equals=0)
    expect("first gradient of the random factor", other.abs().max(), equals=0)
    expect("first gradient of the zero factor", zero.norm(), at_least=0.1)
    expect("loss over its start after 300 steps", losses[-1] / losses[0], at_most=0.01)


@breaks(start="B zero", en="With A random, B moves at the first step.", zh="A 随机时，B 第一步就动。")
def claim_both_zero_never_moves(d=32, r=4, start="both zero"):
    """With both factors zero both gradients are exactly zero, at the first step and later: a saddle
    point, not a vanishing gradient, for the loss falls one way and rises the other.

    两个因子都为零时，两个梯度恰好为零，第一步如此，以后也如此：这是鞍点，不是梯度消失，因为往一边损失下降，往另一边上升。"""
    a, b = factors(start, d, r, d**-0.5)
    losses, after_a, after_b = train(a, b, 30)
    show(lines("step", range(31), {"loss over its start": [y / losses[0] for y in losses]}))
    x, target = torch.randn(64, d).double(), torch.randn(64, d).double()
    u, _, v = torch.linalg.svd(target.T @ x)                               # loss |x(BA)ᵀ − target|² falls fastest along u v
    moved = [(x @ (sign * 1e-4 * torch.outer(u[:, 0], v[0])).T - target).square().sum() / target.square().sum() - 1 for sign in (1, -1)]
    expect("A and B after 30 steps of Adam", torch.stack([(after_a - a).norm(), (after_b - b).norm()]), equals=0)
    expect("loss over its start", [y / losses[0] for y in losses], equals=1, at=("step", range(31)))
    expect("change of the loss, A and B moved by 0.01 each", moved[0], at_most=-1e-7)
    expect("change of the loss, B moved the other way", moved[1], at_least=1e-7)


@breaks(sigma=1.0, en="Drawn with variance one, B A is a large change of the weights that must be unlearnt.",
        zh="方差为 1 时，B A 一开始就大改权重，先得学着抹掉它。")
def claim_both_random_is_a_question_of_scale(d=32, r=4, sigma=0.15):
    """Both factors random with small entries (0.15 where 1/√d is 0.18) train as well as B = 0: only the
    first loss is higher, at most threefold, and both end under 1 % of B = 0's start (toy).

    两个因子都随机、但数值小（0.15，而 1/√d 为 0.18）时，训练和 B = 0 一样好：只是最初的损失高一些，至多三倍，
    300 步后两者都不到 B = 0 起点的 1%（玩具）。"""
    curves = {}
    for start in ("B zero", "both random"):
        torch.manual_seed(torch.initial_seed())                              # the same task and the same A
        curves[start] = train(*factors(start, d, r, sigma), 300)[0]
    base = curves["B zero"][0]
    show(lines("step", range(0, 301, 10), {k: [y / base for y in v[::10]] for k, v in curves.items()}, log="y"))
    expect("first loss with both random, over B = 0's", curves["both random"][0] / base, equals=2.0, within=1.0)
    expect("last loss over the first of B = 0", [curve[-1] / base for curve in curves.values()], at_most=0.01, at=("start", list(curves)))


def drill_scalar(rng) -> Drill:
    """The gradients of the smallest LoRA."""
    x, a, b, g = rng.choice([(2, 3, 0, 5), (2, 0, 4, 3), (1, 2, 3, 4), (3, -1, 0, 2), (2, 0, 0, 7)])
    which = rng.choice(["A", "B"])
    one = [torch.tensor([[float(v)]]) for v in (x, g, a, b)]
    value = gradients(*one, 1.0)[0 if which == "A" else 1].item()
    factor, name = (b, "B") if which == "A" else (a, "A")
    return Drill(
        en=f"y = W x + B A x with numbers for all: x = {x}, A = {a}, B = {b}, and ∂loss/∂y = {g}. What is ∂loss/∂{which}?",
        zh=f"y = W x + B A x，全是标量：x = {x}，A = {a}，B = {b}，∂loss/∂y = {g}。∂loss/∂{which} 是多少？",
        answer=value, within=0,
        steps=[(f"y depends on {which} through {name}·x·{which}", f"y 通过 {name}·x·{which} 依赖 {which}"),
               (f"g · {name} · x = {g} · {factor} · {x} = {value:g}", f"g · {name} · x = {g} · {factor} · {x} = {value:g}")],
        proved_by="the_gradients_hold_the_other_factor",
    )


ZH = {
    "norm of the gradient": "梯度的模",
    "by autograd": "autograd 给出",
    "gradient of {} less autograd's": "{} 的梯度减去 autograd 的",
    "step": "步",
    "loss over its start": "损失与起点之比",
    "shift of the output before the first step": "第一步之前输出的偏移",
    "first gradient of the random factor": "随机因子的第一个梯度",
    "first gradient of the zero factor": "零因子的第一个梯度",
    "loss over its start after 300 steps": "300 步后损失与起点之比",
    "change of the loss, A and B moved by 0.01 each": "A、B 各移动 0.01 时损失的变化",
    "change of the loss, B moved the other way": "B 反向移动时损失的变化",
    "A and B after 30 steps of Adam": "30 步 Adam 后 A、B 的变化",
    "B zero": "B 为零",
    "both random": "两边随机",
    "first loss with both random, over B = 0's": "两边随机时最初的损失与 B = 0 之比",
    "last loss over the first of B = 0": "最后的损失与 B = 0 最初的之比",
    "start": "起点",
}

if __name__ == "__main__":
    main()
