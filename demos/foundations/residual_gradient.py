r"""x + F(x) has the Jacobian I + J: the gradient reaches the input through paths of all lengths, short ones above all.

x + F(x) 的 Jacobian 是 I + J：梯度经由各种长度的路径到达输入，以短路径为主。

He et al. 2016; Veit et al. 2016. Branches are random Jacobians of gain s: they keep a share s² of a vector's energy, its squared
length. Turn `skip` to "none". 分支用随机 Jacobian 表示，增益为 s：保留向量能量（模长的平方）的 s²。把 `skip` 改为 "none"。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table


@exercise(
    claims=("skips_turn_a_vanishing_product_into_a_growing_one",),
    wrong=("in_forward_order", "identity_at_the_end", "halves_the_sum"),
)
def backward(g: Tensor, branches: Tensor, skip: bool) -> Tensor:
    """The gradient at the input of a stack of layers x + J x, or J x without the skip: g (chains, width) is the one at
    its output, branches (layers, chains, width, width) the matrices J from first to last.

    由输出处的梯度 g (chains, width) 求输入处的梯度；每层为 x + J x，没有跳连时为 J x；branches (layers, chains, width, width)
    是从首层到末层的各个 J。"""
    for j in branches.flip(0):                                          # the last layer first
        through = torch.einsum("cio,ci->co", j, g)                      # Jᵀ g
        g = g + through if skip else through
    return g


def jacobians(layers: int, chains: int, width: int, gain: float) -> Tensor:
    """Random branches: E|Jᵀg|² = gain² |g|²."""
    return torch.randn(layers, chains, width, width) * gain / width**0.5


def by_path(g: Tensor, branches: Tensor) -> Tensor:
    """The gradient split by how many branches it went through: (layers + 1, chains, width); their sum is `backward` with skips."""
    parts = torch.zeros(len(branches) + 1, *g.shape)
    parts[0] = g
    for j in branches.flip(0):
        through = torch.einsum("cio,kci->kco", j, parts)
        parts = parts + torch.cat((torch.zeros_like(parts[:1]), through[:-1]))
    return parts


RANGES = {
    "width": between(32, 64), "chains": between(8, 32), "layers": between(10, 50), "gain": between(0.3, 2.0),
    "skip": one_of("identity", "none"), "slope": between(-1.0, 2.0), "scaled": one_of("by 1/√L", "not"),
    "depths": each(between(8, 40), at_least=2, at_most=4, rising=True),
}  # fmt: skip
NO_SKIP = breaks(skip="none", en="Without the skip only the path through all branches is left.",
                 zh="没有跳连，只剩穿过所有分支的那一条路径。")


@breaks(slope=-1.0, en="A branch of slope −1 cancels the skip: 1 + (−1) = 0.",
        zh="斜率为 −1 的分支与跳连抵消：1 + (−1) = 0。")
def claim_the_skip_adds_the_identity(width=32, slope=0.5):
    """The Jacobian of x + F(x) is I + J_F, not 1: F adds its own part, and with slope −1 it cancels the identity, so that no
    gradient is left.

    x + F(x) 的 Jacobian 是 I + J_F，而不是 1：F 有自己的一份；斜率为 −1 时它与恒等部分抵消，梯度一点不剩。"""
    w1, w2, x, g = (torch.randn(*s, dtype=torch.float64) for s in ((width, width), (width, width), (width,), (width,)))
    leaf = x.clone().requires_grad_()
    (whole,) = torch.autograd.grad(leaf + w2 @ (w1 @ leaf).relu(), leaf, g)
    branch = (w2 * (w1 @ x > 0)) @ w1                                   # J_F, by hand
    (scalar,) = torch.autograd.grad(leaf + slope * leaf, leaf, g)
    show(table({"what": ["|g|", "|g through x + F|", "|g through the branch|"], "size": [g.norm(), whole.norm(), (branch.T @ g).norm()]}))
    expect("gradient less (I + J_F)ᵀg", whole - (g + branch.T @ g), equals=0, within=1e-10)
    expect("gradient through x + slope·x over g", scalar / g, equals=1 + slope, within=1e-12)
    (cancelled,) = torch.autograd.grad(leaf - leaf, leaf, g)
    expect("gradient through x − x", cancelled, equals=0)
    expect("its size at this slope", scalar.norm(), at_least=1e-6)


@NO_SKIP
def claim_skips_turn_a_vanishing_product_into_a_growing_one(layers=50, chains=16, width=64, gain=0.5, skip="identity"):
    """Through 50 branches of gain ½ the energy of a gradient falls to s²ᴸ, about 10⁻³⁰; with skips it grows to (1 + s²)ᴸ, about
    70,000.

    经过 50 个增益 1/2 的分支，梯度能量降到 s²ᴸ，约 10⁻³⁰；加上跳连，则增长到 (1 + s²)ᴸ，约 7 万。"""
    start, j, curves = torch.randn(chains, width), jacobians(layers, chains, width, gain), {}
    for name, on in (("with skips", skip == "identity"), ("without", False)):
        g, total, curves[name] = start / start.norm(dim=1, keepdim=True), torch.zeros(chains), []
        for n in range(layers):                                         # one layer more each time, from the output on
            g = backward(g, j[layers - 1 - n][None], on)
            size = g.norm(dim=1, keepdim=True)
            total, g = total + 2 * size[:, 0].log10(), g / size         # 10⁻³⁰ would leave float32
            curves[name].append(total.mean())
    show(lines("layers", range(1, layers + 1), curves, y_label="log₁₀ of the energy, mean"))
    few = j[:, :2]                                                      # two chains are enough for autograd
    x = h = torch.zeros(2, width, requires_grad=True)
    for one in few:
        h = h + torch.einsum("cio,co->ci", one, h)
    (theirs,) = torch.autograd.grad(h, x, start[:2])
    gap = (backward(start[:2], few, True) - theirs).norm() / theirs.norm()
    expect("distance from autograd's gradient, over its size", gap, equals=0, within=1e-4)
    # The log of a layer's factor scatters by v/d, v = 2 without skips, so its mean lies v/2d below the log of the mean, to
    # order 1/d² (2 % of it). Six sigma over the chains
    s2 = gain**2
    for name, v, factor in (("with skips", (4 * s2 + 2 * s2**2) / (1 + s2) ** 2, 1 + s2), ("without", 2, s2)):
        below = layers * v / width / 2
        slack = (6 * math.sqrt(layers * v / width / chains) + 0.1 * below) / math.log(10)
        mean = curves[name][-1] + below / math.log(10)
        expect(f"log₁₀ of the mean energy {name}", mean, equals=layers * math.log10(factor), within=slack)


@breaks(scaled="not", en="Unscaled, the energy grows exponentially with depth.", zh="不缩放，能量随深度指数增长。")
def claim_branches_of_one_over_root_l_keep_it_below_e(depths=(8, 16, 32), chains=32, width=32, scaled="by 1/√L"):
    """Branches of gain 1/√L at right angles to the skip let the energy grow to (1 + 1/L)ᴸ, less than e, at any depth L; random
    branches do so on average.

    与跳连成直角、增益为 1/√L 的分支，使能量只增长到 (1 + 1/L)ᴸ，在任何深度 L 都小于 e；随机分支平均如此。"""
    kept, free, square = [], [], []
    quarter, one = torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0]])   # a turn of 90° and one chain of width 2
    for layers in depths:
        g, j = torch.randn(chains, width), jacobians(layers, chains, width, 1.0)
        for curve, gain in ((kept, layers**-0.5 if scaled == "by 1/√L" else 0.5), (free, 0.5)):
            curve.append(backward(g, gain * j, True).square().sum() / g.square().sum())
        gain = layers**-0.5 if scaled == "by 1/√L" else 0.5
        square.append(backward(one, gain * quarter.expand(layers, 1, 2, 2), True).square().sum())
    show(lines("layers", depths, {"gain 1/√L": kept, "gain ½": free}, log="y", y_label="energy of the gradient"))
    law = [(1 + 1 / n) ** n for n in depths]
    expect("energy, branches at right angles", square, equals=law, within=1e-4, at=("layers", depths))   # float32, 40 layers
    expect("the largest of them", max(square), at_most=math.e)
    # each layer scatters the energy of a chain by 2/√(L·d): over L layers 2/√d, and less by √chains in the mean; six sigma
    slack = 6 * 2 / math.sqrt(width * chains) * math.e
    expect("energy of the gradient", kept, equals=law, within=slack, at=("layers", depths))
    expect("energy at gain ½ and the largest depth over e", free[-1] / math.e, at_least=1.5)


@breaks(gain=2.0, en="With branches twice as strong as the skip most of it comes through long paths.",
        zh="分支比跳连强一倍时，大部分来自长路径。")
def claim_most_of_it_comes_through_short_paths(layers=32, chains=8, width=32, gain=0.5):
    """Paths through k of L branches carry C(L, k)·s²ᵏ of the energy: at s = ½ and 32 layers over 0.9 of it goes through fewer than
    half of them.

    穿过 L 个分支中 k 个的路径承担 C(L, k)·s²ᵏ 的能量：s = 1/2、32 层时，0.9 以上经过的分支不到一半。"""
    g, j = torch.randn(chains, width), jacobians(layers, chains, width, gain)
    parts = by_path(g, j)
    energy = parts.square().sum((1, 2))                                 # by the number of branches
    share = energy / energy.sum()
    law = torch.tensor([math.comb(layers, k) * gain ** (2 * k) for k in range(layers + 1)])
    show(bars([str(k) for k in range(layers + 1)], {"share of the energy": share, "C(L, k)·s²ᵏ": law / law.sum()}))
    whole = backward(g, j, True)
    expect("sum over all paths less the gradient, over its size", (parts.sum(0) - whole).norm() / whole.norm(), equals=0, within=1e-4)
    expect("share through fewer than half of the branches", share[: layers // 2].sum(), at_least=0.9)
    expect("share less the binomial law, added up", (share - law / law.sum()).abs().sum(), at_most=0.5)


def drill_chain(rng) -> Drill:
    """A chain of scalar layers, with and without skips."""
    layers, slope = rng.choice([(2, 0.5), (3, 0.5), (4, 0.1), (3, -0.5), (2, -0.9), (5, 1.0)])
    plain = rng.choice((True, False))
    factor = slope if plain else 1 + slope
    return Drill(
        en=f"{layers} layers in a row, each {'F(x)' if plain else 'x + F(x)'} with F(x) = {slope:g}x. What is the gradient of "
           "the output by the input?",
        zh=f"{layers} 层串联，每层为 {'F(x)' if plain else 'x + F(x)'}，F(x) = {slope:g}x。输出对输入的梯度是多少？",
        answer=factor**layers,
        steps=[(f"one layer passes {factor:g}", f"一层通过 {factor:g}"), (f"({factor:g})^{layers} = {factor**layers:g}",) * 2],
        proved_by="the_skip_adds_the_identity",
    )  # fmt: skip


def drill_energy(rng) -> Drill:
    """Growth of the energy with scaled branches."""
    layers, s2 = rng.choice(((10, 0.1), (4, 0.25), (2, 0.5), (3, 1.0), (5, 0.2), (2, 0.25)))
    return Drill(
        en=f"{layers} residual layers, each branch keeps {s2:g} of a gradient's energy and is independent of the skip. "
           "By what factor does the energy grow on the way back?",
        zh=f"{layers} 个残差层，每个分支保留梯度能量的 {s2:g}，且与跳连相互独立。反向一路上能量增大到多少倍？",
        answer=(1 + s2) ** layers,
        steps=[(f"one layer: 1 + {s2:g}", f"一层：1 + {s2:g}"), (f"{1 + s2:g}^{layers} = {(1 + s2) ** layers:.3f}",) * 2],
        proved_by="skips_turn_a_vanishing_product_into_a_growing_one",
    )  # fmt: skip


ZH = {
    "what": "量", "|g|": "|g|", "|g through x + F|": "|g 穿过 x + F|", "|g through the branch|": "|g 穿过分支|",
    "size": "大小", "gradient less (I + J_F)ᵀg": "梯度与 (I + J_F)ᵀg 之差",
    "gradient through x + slope·x over g": "穿过 x + 斜率·x 的梯度与 g 之比",
    "its size at this slope": "该斜率下的大小", "gradient through x − x": "穿过 x − x 的梯度", "with skips": "有跳连",
    "without": "没有跳连", "layers": "层数", "log₁₀ of the energy, mean": "能量的 log₁₀，均值",
    "distance from autograd's gradient, over its size": "与 autograd 梯度的距离，相对其大小",
    "log₁₀ of the mean energy with skips": "有跳连时平均能量的 log₁₀",
    "log₁₀ of the mean energy without": "没有跳连时平均能量的 log₁₀",
    "gain 1/√L": "增益 1/√L", "gain ½": "增益 1/2", "energy of the gradient": "梯度的能量",
    "energy, branches at right angles": "能量，分支与跳连成直角",
    "the largest of them": "其中最大的",
    "energy at gain ½ and the largest depth over e": "增益 1/2、最大深度处的能量与 e 之比",
    "share of the energy": "能量份额",
    "sum over all paths less the gradient, over its size": "各路径之和与梯度之差，相对其大小",
    "share through fewer than half of the branches": "经过不到一半分支的份额",
    "share less the binomial law, added up": "份额与二项式之差的总和", "C(L, k)·s²ᵏ": "C(L, k)·s²ᵏ",
}  # fmt: skip

if __name__ == "__main__":
    main()
