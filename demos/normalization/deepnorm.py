r"""DeepNorm scales the skip path up and both matrices of a branch down, so a step moves any depth equally little.

DeepNorm 放大 skip 通路，并缩小分支里的两个矩阵，于是无论多深，一步更新对输出的改变都一样小。

Wang et al. 2022 (DeepNet). Guess first what doubling the depth does to one step. Turn `scaled` to "second": β on one
of the two matrices keeps 78 % of the input instead of 97 %, and a step grows with depth again.
先猜深度加倍时一步更新变多少。把 `scaled` 改为 "second"：β 只乘一个矩阵，输入只保留 78%，一步更新又随深度变大。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_update_of_a_step_does_not_grow", "the_input_survives_any_depth"),
          wrong=("alpha_on_the_branch", "without_the_norm", "inverse_alpha"))
def deep_norm(x: Tensor, branch, layers: int) -> Tensor:
    """One sublayer of a decoder-only model of so many layers: LN(α·x + branch(x)) with α = (2·layers)^(1/4), without
    gain; x is (tokens, width). The branch's weights were scaled by β = (8·layers)^(−1/4) when they were drawn.

    层数为 layers 的 decoder-only 模型的一个子层：LN(α·x + branch(x))，α = (2·layers)^(1/4)，不带增益；x 为
    (tokens, width)。分支的权重在初始化时已乘过 β = (8·layers)^(−1/4)。"""
    alpha = (2 * layers) ** 0.25
    return F.layer_norm(alpha * x + branch(x), x.shape[-1:])


def post_norm(x: Tensor, branch, layers: int) -> Tensor:
    """The wrong way: the skip path as it is."""
    return F.layer_norm(x + branch(x), x.shape[-1:])


def alpha_on_the_branch(x: Tensor, branch, layers: int) -> Tensor:
    """The wrong way: α multiplies the branch, as a widely read implementation has it."""
    return F.layer_norm(x + (2 * layers) ** 0.25 * branch(x), x.shape[-1:])


SUBLAYERS = {"skip": deep_norm, "nowhere": post_norm, "branch": alpha_on_the_branch}


def weights(layers: int, width: int, scaled: str) -> list[Tensor]:
    """Two matrices for each of the 2·layers ReLU branches, drawn to keep the variance, then scaled by β."""
    beta = (8 * layers) ** -0.25
    first, second = (beta if scaled == "both" else 1.0), (1.0 if scaled == "neither" else beta)
    return [torch.randn(width, width) * (2 / width) ** 0.5 * f
            for _ in range(2 * layers) for f in (first, second / 2**0.5)]


def forward(x: Tensor, ws: list[Tensor], layers: int, alpha: str) -> Tensor:
    """All 2·layers sublayers."""
    for w1, w2 in zip(ws[::2], ws[1::2], strict=True):
        x = SUBLAYERS[alpha](x, lambda h, w1=w1, w2=w2: (h @ w1).relu() @ w2, layers)
    return x


def input_kept(layers: int, width: int, scaled: str, alpha: str) -> float:
    """Mean cosine of a token going in and coming out."""
    x = F.layer_norm(torch.randn(32, width), (width,))
    return F.cosine_similarity(x, forward(x, weights(layers, width, scaled), layers, alpha), dim=1).mean().item()


def step_moves(layers: int, width: int, scaled: str, alpha: str, rate: float) -> float:
    """Change of the output by one SGD step under a cross-entropy head, over the output."""
    x, head = F.layer_norm(torch.randn(32, width), (width,)), torch.randn(width, width) / width**0.5
    ws = [w.requires_grad_() for w in weights(layers, width, scaled)]
    y = forward(x, ws, layers, alpha)
    slopes = torch.autograd.grad(F.cross_entropy(y @ head, torch.randint(width, (32,))), ws)
    stepped = [(w - rate * slope).detach() for w, slope in zip(ws, slopes, strict=True)]
    return ((forward(x, stepped, layers, alpha) - y).norm() / y.norm()).item()


RANGES = {
    "depths": each(between(4, 32), at_least=2, at_most=4, rising=True),
    "width": between(48, 80),
    "rate": between(0.002, 0.02),
    "scaled": one_of("both", "second", "neither"),
    "alpha": one_of("skip", "nowhere", "branch"),
}
SECOND = breaks(scaled="second", en="On one matrix β leaves the branch with variance β², not β⁴: the share falls to e^(−1/4).",
                zh="β 只乘一个矩阵，分支方差是 β² 而不是 β⁴，保留的份额降到 e^(−1/4)。")
NEITHER = breaks(scaled="neither", en="α alone: after 2N branches of full size little of the input is left.",
                 zh="只有 α：经过 2N 个未缩小的分支，输入所剩无几。")
BRANCH = breaks(alpha="branch", en="On the branch α undoes β and the skip path is halved again and again.",
                zh="α 乘在分支上，抵消了 β，skip 通路又逐层变小。")


@SECOND
@NEITHER
@BRANCH
def claim_the_input_survives_any_depth(depths=(4, 8, 16, 32), width=64, scaled="both", alpha="skip"):
    """DeepNorm keeps (1 + β⁴/α²)^(−N) of the input's direction through N layers at initialisation: 0.96 for 4 layers and
    0.98 for 32, rising to 1.

    初始化时，DeepNorm 经过 N 层保留输入方向的 (1 + β⁴/α²)^(−N)：4 层 0.96，32 层 0.98，趋于 1。"""
    found = {way: [input_kept(n, width, *way) for n in depths]
             for way in {("both", "skip"), ("second", "skip"), ("neither", "skip"), (scaled, alpha)}}
    show(lines("layers", depths, {"DeepNorm": found["both", "skip"], "β on one matrix": found["second", "skip"],
                                  "α alone": found["neither", "skip"]}, log="x", y_label="cosine of input and output"))
    n = torch.tensor(depths)
    # α² = √(2N), β⁴ = 1/(8N). The branches of a net this narrow scatter by a third of a hundredth; six of them.
    formula = (1 + 1 / (8 * n * (2 * n) ** 0.5)) ** -n.double()
    expect("cosine of input and output over the formula", torch.tensor(found[scaled, alpha]) / formula, equals=1,
           within=0.02, at=("layers", depths))


@SECOND
@BRANCH
@breaks(alpha="nowhere", en="β alone: each branch is small, and still the sum of 2N updates grows with the depth.",
        zh="只有 β：每个分支都小了，但 2N 个更新之和仍随深度变大。")
@NEITHER
def claim_the_update_of_a_step_does_not_grow(depths=(4, 32), width=64, rate=0.01, scaled="both", alpha="skip"):
    """From 4 layers to 32 one SGD step moves DeepNorm's output by the same amount, within a factor of 1.6; with α or β
    alone, or β on one matrix, the change grows to 1.7 times and more.

    从 4 层到 32 层，一步 SGD 对 DeepNorm 输出的改变相差不到 1.6 倍；只有 α、只有 β，或 β 只乘一个矩阵，都增大到 1.7 倍以上。"""
    ways = {"DeepNorm": ("both", "skip"), "β alone": ("both", "nowhere"), "α alone": ("neither", "skip"),
            "β on one matrix": ("second", "skip")}
    found = {name: [step_moves(n, width, *way, rate) for n in depths] for name, way in ways.items()}
    show(lines("layers", depths, found, log="xy", y_label="change by one step"))
    asked = torch.tensor([step_moves(n, width, scaled, alpha, rate) for n in depths])
    # Over depths 8 times apart the others grow by √8 = 2.8; seeds scatter by a tenth.
    expect("change by one step, over that of the shallowest", asked / asked[0], equals=1, within=0.6, at=("layers", depths))
    if depths[-1] >= 8 * depths[0]:
        for name, change in found.items():
            if name != "DeepNorm":
                expect(f"growth from the shallowest to the deepest, {name}", change[-1] / change[0], at_least=1.7)


def drill_constants(rng) -> Drill:
    """α or β of DeepNorm."""
    layers, name = rng.choice([(8, "α"), (128, "α"), (8, "α²"), (32, "α²"), (2, "β"), (32, "β"), (162, "β"), (50, "α²")])
    value = {"α": (2 * layers) ** 0.25, "α²": (2 * layers) ** 0.5, "β": (8 * layers) ** -0.25}[name]
    formula = {"α": f"(2·{layers})^(1/4)", "α²": f"√(2·{layers})", "β": f"(8·{layers})^(−1/4)"}[name]
    return Drill(
        en=f"DeepNorm in a decoder-only model of {layers} layers: how large is {name}?",
        zh=f"{layers} 层的 decoder-only 模型用 DeepNorm：{name} 是多少？",
        answer=value, within=0.01 * value,
        steps=[("α = (2N)^(1/4) on the skip path, β = (8N)^(−1/4) on the weights",
                "skip 通路 α = (2N)^(1/4)，权重 β = (8N)^(−1/4)"),
               (f"{name} = {formula} = {value:.3g}", f"{name} = {formula} = {value:.3g}")],
        proved_by="the_input_survives_any_depth",
    )


ZH = {
    "layers": "层数",
    "β on one matrix": "β 只乘一个矩阵",
    "α alone": "只有 α",
    "β alone": "只有 β",
    "cosine of input and output": "输入与输出的余弦",
    "cosine of input and output over the formula": "输入与输出的余弦与公式之比",
    "change by one step": "一步的改变",
    "change by one step, over that of the shallowest": "一步的改变与最浅时之比",
    "growth from the shallowest to the deepest, {}": "从最浅到最深增大的倍数，{}",
}

if __name__ == "__main__":
    main()
