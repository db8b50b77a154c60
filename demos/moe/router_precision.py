r"""Low precision in a router is a jump and not a small error: another expert is chosen.

路由器的低精度带来的不是小误差，而是跳变：选中的专家换了。

Fedus et al. 2021, §2.4; Ma et al. 2025, §3. Turn `precision` to "fp32": no expert changes. Turn
`routing` to "all": a softmax over all experts errs as little as any layer.
把 `precision` 改为 "fp32"：专家不变；把 `routing` 改为 "all"：对全部专家加权，误差就与普通层一样小。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show, table


def logits(h: Tensor, w: Tensor, precision: str) -> Tensor:
    """Router logits (tokens, experts) of h (tokens, width), bf16 numbers, and w (width, experts).

    fp32; bf16 weights (products summed in fp32); bf16 output; or both, as a bf16 linear layer."""
    w = w if precision in ("fp32", "bf16 output") else w.bfloat16().float()
    z = h @ w
    return z if precision in ("fp32", "bf16 weights") else z.bfloat16().float()


def inputs(tokens: int, width: int, experts: int) -> tuple[Tensor, Tensor]:
    """Inputs that bf16 holds exactly, and weights that it does not; logits have variance 1."""
    return torch.randn(tokens, width).bfloat16().float(), torch.randn(width, experts) / width**0.5


def reversed_and_tied(z: Tensor, exact: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Whether some expert outside the exact top k is now above one inside, or level with one."""
    inside = torch.zeros_like(exact, dtype=torch.bool).scatter(1, exact.topk(k).indices, True)
    worst, best = z.masked_fill(~inside, torch.inf).amin(1), z.masked_fill(inside, -torch.inf).amax(1)
    return best > worst, best == worst


RANGES = {
    "tokens": between(1000, 8000),
    "width": between(64, 256),
    "experts": between(64, 512),
    "k": between(2, 8),
    "offsets": each(between(1.0, 200.0), at_least=2, rising=True),
    "scales": each(between(1.0, 200.0), at_least=2, rising=True),
    "layers": each(between(1, 100), at_least=2, rising=True),
    "precision": one_of("fp32", "bf16 weights", "bf16 output", "bf16"),
    "rounded": one_of("logits", "factors"),
    "routing": one_of("top-k", "all"),
}
EXACT = breaks(precision="fp32", en="In fp32 the logits err by some 1e-7, and hardly a token changes its experts.",
               zh="fp32 下 logits 的误差只有约 1e-7，几乎没有 token 换专家。")


@breaks(rounded="factors", en="Rounded factors give other logits, and these do change places.",
        zh="舍入的是因子时，logits 本身变了，次序就会颠倒。")
def claim_rounded_logits_tie_and_never_reverse(tokens=2000, offsets=(1.0, 10.0, 100.0),
                                               scales=(1.0, 10.0, 100.0), rounded="logits"):
    """Rounding finished logits never reverses two, it ties them; ties grow with a common offset, which
    softmax ignores, and not with the logits' scale.

    只舍入算好的 logits，从不颠倒次序，只造成平局；平局随公共偏移增多，而 softmax 并不理会偏移；放大 logits 则不会增多。"""
    h, w = inputs(tokens, 64, 64)
    z = h @ w
    both = {}
    for name, values in (("offset", offsets), ("scale", scales)):
        moved = [z + v if name == "offset" else z * v for v in values]
        low = [(m if rounded == "logits" else h @ w.bfloat16().float() * v).bfloat16().float()
               for m, v in zip(moved, values, strict=True)]
        both[name] = [reversed_and_tied(a, m, 4) for a, m in zip(low, moved, strict=True)]
    ties = {n: [t.double().mean().item() for _, t in pairs] for n, pairs in both.items()}
    show(table(["added or multiplied", "tied, offset", "tied, scale"],
               [list(row) for row in zip(offsets, ties["offset"], ties["scale"], strict=False)]))
    expect("tokens with two experts reversed", sum(int(r.sum()) for pairs in both.values() for r, _ in pairs), equals=0)
    # The spacing of bf16 at 100 is 64 times that at 2; ties cannot pass 1.
    expect("tied at the largest offset over at the largest scale",
           ties["offset"][-1] / max(ties["scale"][-1], 1 / tokens),
           at_least=4 if offsets[-1] >= 64 else 1)


@EXACT
def claim_reversals_are_predicted(tokens=8000, width=128, experts=256, k=8, precision="bf16 weights"):
    """Rounding the router's weights alone reverses experts, for about the share of tokens predicted by
    the error over the gap at the cut: a softmax in fp32 comes too late.

    只舍入路由器的权重就会使专家颠倒，占比约等于误差与门槛处间隙之比所预测的：事后用 fp32 做 softmax 已经晚了。"""
    h, w = inputs(tokens, width, experts)
    exact = h.double() @ w.double()
    top = exact.topk(k + 1).values
    gap = (top[:, k - 1] - top[:, k]).mean()                        # near 0 its density is 1 / gap
    ways = ("fp32", "bf16 weights", "bf16 output", "bf16")
    changed = {n: (lambda one: (one[0] | one[1]).double().mean())(
        reversed_and_tied(logits(h[:1000], w, n).double(), exact[:1000], k)) for n in ways}
    show(table(["precision", "tokens with other experts or a tie"], [[n, float(v)] for n, v in changed.items()]))
    expect("changed or tied, bf16 over bf16 weights", changed["bf16"] / max(changed["bf16 weights"], 1e-3),
           at_least=1.5 if experts >= 128 and k >= 4 else 0)
    error = (h @ w.bfloat16().float()).double() - exact             # of one logit
    predicted = error.std() * 2**0.5 / gap / math.sqrt(2 * math.pi)  # E[(error of a gap)⁺] · density
    swapped = reversed_and_tied(logits(h, w, precision).double(), exact, k)[0].double().mean()
    # A rare event counted over the tokens, four sigma; a fifth for the density taken as even.
    expect("share reversed over predicted", swapped / predicted, equals=1,
           within=0.2 + 4 / (predicted * tokens) ** 0.5)


@EXACT
def claim_layers_add_up(tokens=2000, layers=(1, 8, 16, 32, 64), experts=256, k=8, precision="bf16"):
    """With a bf16 router under a fifth of the tokens change experts in one layer; if layers err
    independently, over half do in some of 64.

    路由器用 bf16 时，单层换专家的 token 不到两成；若各层的误差相互独立，64 层中某层换过的就过半。"""
    each_layer = []
    for _ in range(8):                                              # reused in turn, shuffled
        h, w = inputs(tokens, 128, experts)
        a, b = (z.topk(k).indices.sort(1).values for z in (logits(h, w, precision), h.double() @ w.double()))
        each_layer.append((a != b).any(1))
    p = torch.stack(each_layer).double().mean()
    shuffled = [each_layer[i % 8][torch.randperm(tokens)] for i in range(max(layers))]
    found = [torch.stack(shuffled[:n]).any(0).double().mean() for n in layers]
    formula = [1 - (1 - p) ** n for n in layers]
    show(lines("layers", layers, {"measured": found, "1 − (1 − p)^L": formula},
               y_label="share of tokens with another expert somewhere"))
    expect("share in one layer", p, at_least=0.01 if experts >= 128 and k >= 4 else 1e-4)
    expect("share in one layer at most", p, at_most=0.2)
    expect("share, less the formula", torch.stack(found) - torch.stack(formula), equals=0,
           within=6 * 0.5 / tokens**0.5, at=("layers", layers))
    expect("share over the most layers", found[-1], at_least=0.5 if layers[-1] >= 64 else 0)


@breaks(routing="all", en="A weighted sum of all experts is continuous: a small error stays small.",
        zh="对全部专家加权是连续的：小误差仍是小误差。")
def claim_a_changed_expert_is_a_jump(tokens=2000, experts=64, k=4, routing="top-k"):
    """Tokens whose experts change get an output that errs over 20 times as much as the others'; without
    top-k, no token errs so.

    专家变了的 token，输出误差是其余 token 的 20 倍以上；不做 top-k，则没有这样的 token。"""
    h, w = inputs(tokens, 64, experts)
    value = torch.randn(experts, 64, 8, dtype=torch.float64) / 8                 # linear experts
    every = torch.einsum("nd,edf->nef", h.double(), value)

    def output(z: Tensor) -> tuple[Tensor, Tensor]:
        chosen = z.topk(k if routing == "top-k" else experts).indices
        gate = torch.zeros_like(z).scatter(1, chosen, z.gather(1, chosen).softmax(1))
        return (every * gate[..., None]).sum(1), gate > 0

    (right, these), (low, those) = output(h.double() @ w.double()), output(logits(h, w, "bf16").double())
    error = (low - right).norm(dim=1) / right.norm(dim=1)
    moved = (these != those).any(1)
    parts = {"experts stay": error[~moved], "experts change": error[moved] if moved.any() else error}
    show(table(["tokens", "number", "median relative error"],
               [[n, len(e), float(e.median())] for n, e in parts.items()]))
    expect("median error where experts change over where they stay",
           parts["experts change"].median() / parts["experts stay"].median(), at_least=20)


ZH = {
    "bf16 weights": "bf16 权重",
    "bf16 output": "bf16 输出",
    "added or multiplied": "所加或所乘的数",
    "tied, offset": "平局，加偏移",
    "tied, scale": "平局，放大",
    "tokens with two experts reversed": "有两个专家颠倒的 token 数",
    "tied at the largest offset over at the largest scale": "最大偏移与最大倍数下的平局之比",
    "precision": "精度",
    "tokens with other experts or a tie": "专家改变或出现平局的 token",
    "changed or tied, bf16 over bf16 weights": "改变或平局，bf16 与仅权重 bf16 之比",
    "share reversed over predicted": "颠倒占比与预测之比",
    "layers": "层数",
    "measured": "实测",
    "share of tokens with another expert somewhere": "在某层换过专家的 token 占比",
    "share in one layer": "单层占比",
    "share in one layer at most": "单层占比上限",
    "share over the most layers": "层数最多时的占比",
    "share, less the formula": "占比与公式之差",
    "tokens": "token",
    "number": "个数",
    "median relative error": "相对误差中位数",
    "experts stay": "专家不变",
    "experts change": "专家改变",
    "median error where experts change over where they stay": "专家改变与不变时的误差中位数之比",
}

if __name__ == "__main__":
    main()
