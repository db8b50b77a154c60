r"""Which activation an FFN has is told by a probe of its behaviour, not by counting its weights.

FFN 用的是哪种激活，靠探测它的行为来分辨，数参数分辨不出。

Two probes: scale the input, and look far to the negative side. The clamped gates are those of gpt-oss
and DeepSeek-V4 in transformers 5.24. Turn `limit` to "none": the product leaves FP8's range.
把 `limit` 改为 "none"：乘积就超出 FP8 的范围。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, expect, lines, main, one_of, show, table


def relu2(z: Tensor) -> Tensor:
    """ReLU squared."""
    return z.relu().square()


PLAIN = {"ReLU": torch.relu, "ReLU²": relu2, "GELU": F.gelu, "SiLU": F.silu}
GATED = {"ReGLU": torch.relu, "bilinear": lambda z: z, "GEGLU": F.gelu, "SwiGLU": F.silu}


def ffn(x: Tensor, up: Tensor, down: Tensor, kind: str, gate: Tensor) -> Tensor:
    """x (tokens, width); up and gate (width, hidden), down (hidden, width); plain kinds leave the gate."""
    hidden = PLAIN[kind](x @ up) if kind in PLAIN else GATED[kind](x @ gate) * (x @ up)
    return hidden @ down                                                        # (tokens, width)


def clamped(g: Tensor, u: Tensor, kind: str) -> Tensor:
    """The product of a gated FFN with bounded paths, element by element."""
    if kind == "gpt-oss":                                # bounds 7, SiLU at 1.702, and up + 1
        g, u = g.clamp(max=7), u.clamp(-7, 7)
        return (u + 1) * g * (1.702 * g).sigmoid()
    if kind == "DeepSeek-V4":
        g, u = g.clamp(max=10), u.clamp(-10, 10)
    return F.silu(g) * u


RANGES = {
    "kind": one_of("ReLU", "SiLU"),
    "width": between(2, 32),
    "hidden": between(16, 128),
    "scale": between(1.5, 8.0),
    "far": between(4.0, 8.0),
    "probe": one_of("negative", "positive"),
    "limit": one_of("clamped", "none"),
}


@breaks(kind="SiLU", en="SiLU, like GELU, is no power: scaling the input is not scaling the output.",
        zh="SiLU 与 GELU 一样不是幂函数：缩放输入不等于缩放输出。")
def claim_scaling_tells_the_degree(width=8, hidden=32, scale=2.0, kind="ReLU"):
    """Scale the input by c: a ReLU block's output grows c-fold, that of ReLU², ReGLU and bilinear
    c²-fold, exactly. The smooth ones do neither.

    输入放大 c 倍：ReLU 块的输出恰好放大 c 倍，ReLU²、ReGLU、双线性恰好放大 c² 倍；光滑的激活两者都不是。"""
    x, (up, gate) = torch.randn(4, width).double(), torch.randn(2, width, hidden).double()
    down = torch.randn(hidden, width).double()
    degrees = {kind: 1, "ReLU²": 2, "ReGLU": 2, "bilinear": 2}
    gaps = []
    for name, degree in degrees.items():
        once, more = ffn(x, up, down, name, gate), ffn(scale * x, up, down, name, gate)
        gaps.append((more / scale**degree - once).abs().max() / once.abs().max())
    show(table({"activation": list(degrees), "degree": list(degrees.values()), "largest difference": gaps}))
    # float64: sums of up to 128 terms
    expect("f(c·x) over c to the degree, less f(x)", gaps, equals=0, within=1e-12,
           at=("activation", list(degrees)))
    smooth = [ffn(scale * x, up, down, name, gate) / scale**k - ffn(x, up, down, name, gate)
              for name in ("GELU", "SiLU", "SwiGLU") for k in (1, 2)]
    expect("the same for GELU, SiLU, SwiGLU, as degree 1 and 2", [s.abs().max() for s in smooth], at_least=1e-3)


@breaks(probe="positive", en="Far to the positive side both are the identity, and the probe tells nothing.",
        zh="在远处的正侧，两者都是恒等函数，探测不出任何区别。")
def claim_one_negative_probe_tells_silu_from_gelu(far=5.0, probe="negative"):
    """At −5 SiLU is −0.033 and GELU −0.0000014: its tail is e⁻ˣ, GELU's that of a Gaussian, thousands of
    times smaller.

    在 −5 处，SiLU 为 −0.033，GELU 为 −0.0000014：前者的尾部按 e⁻ˣ 衰减，后者按高斯衰减，相差上千倍。"""
    z = torch.linspace(-far, far, 101, dtype=torch.float64)
    show(lines("input", z, {"SiLU": F.silu(z), "GELU": F.gelu(z)}))
    at = -far if probe == "negative" else far
    by_hand = [at / (1 + math.exp(-at)), at * math.erfc(-at / math.sqrt(2)) / 2]
    found = [float(f(torch.tensor(at, dtype=torch.float64))) for f in (F.silu, F.gelu)]
    expect("SiLU and GELU there", found, equals=by_hand, within=1e-12)
    expect("SiLU over GELU there", found[0] / found[1], at_least=500)     # 568 at −4, more beyond


@breaks(limit="none", en="Without bounds, paths of 100 multiply to 10,000: FP8 E4M3 ends at 448.",
        zh="不加界，两路各为 100 时乘积是 10,000；FP8 E4M3 最大只到 448。")
def claim_a_clamp_bounds_the_product(limit="clamped"):
    """The product of two paths grows with the square of its input. Clamped at 7 as in gpt-oss it stays at
    56 or below, at 10 as in DeepSeek-V4 at 100: within FP8's 448.

    两路之积随输入的平方增长。像 gpt-oss 那样以 7 为界，不超过 56；像 DeepSeek-V4 那样以 10 为界，不超过 100：都在 FP8 的 448 之内。"""
    g, u = torch.meshgrid(*[torch.linspace(-100, 100, 201, dtype=torch.float64)] * 2, indexing="ij")
    kinds = ("gpt-oss", "DeepSeek-V4") if limit == "clamped" else ("SwiGLU", "SwiGLU")
    sizes = [clamped(g, u, kind).abs().amax() for kind in kinds]
    t = torch.tensor([1.0, 3.0, 10.0, 30.0, 100.0], dtype=torch.float64)
    names = ("gpt-oss", "DeepSeek-V4", "SwiGLU")
    show(lines("both paths", t, {name: clamped(t, t, name) for name in names}, log="xy"))
    # SiLU at 10 is 10·σ(10), 5e-5 of it below 10; at 1.702·7 it is 7e-6 below
    expect("largest product", sizes, equals=[56, 100], within=0.01, at=("gate", kinds))
    expect("FP8 E4M3's largest number", torch.finfo(torch.float8_e4m3fn).max, equals=448)


def drill_grows_by(rng) -> Drill:
    """How the output grows with the input."""
    c = rng.choice((2, 3, 10))
    kind, degree = rng.choice((("ReLU", 1), ("ReLU²", 2), ("bilinear", 2), ("ReGLU", 2)))
    return Drill(
        en=f"An FFN without biases uses {kind}. Its input is multiplied by {c}. By how much is its output multiplied?",
        zh=f"无偏置的 FFN，激活为 {kind}。输入乘以 {c}，输出乘以多少？",
        answer=c**degree, within=0.01,
        steps=[(f"degree {degree}: {c}^{degree} = {c**degree}", f"{degree} 次：{c}^{degree} = {c**degree}")],
        proved_by="scaling_tells_the_degree",
    )


ZH = {
    "gpt-oss": "gpt-oss",
    "activation": "激活",
    "degree": "次数",
    "largest difference": "最大差异",
    "bilinear": "双线性",
    "f(c·x) over c to the degree, less f(x)": "f(c·x) 除以 c 的相应次方，与 f(x) 之差",
    "the same for GELU, SiLU, SwiGLU, as degree 1 and 2": "GELU、SiLU、SwiGLU 按一次、按二次算的同一差",
    "input": "输入",
    "SiLU and GELU there": "该处的 SiLU 与 GELU",
    "SiLU over GELU there": "该处 SiLU 与 GELU 之比",
    "both paths": "两路的值",
    "largest product": "最大的乘积",
    "gate": "门",
    "FP8 E4M3's largest number": "FP8 E4M3 的最大数",
}

if __name__ == "__main__":
    main()
