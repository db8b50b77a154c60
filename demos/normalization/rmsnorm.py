r"""RMSNorm divides a token by the root of its mean square: LayerNorm without the mean and the bias.

RMSNorm 把 token 除以其均方根：去掉均值与 bias 的 LayerNorm。

Zhang & Sennrich 2019. Turn `divisor` to "deviation": dividing by the standard deviation, a formula that
is often written down, is no RMSNorm unless the mean is 0. 把 `divisor` 改为 "deviation"：常被写错的公式，除以标准差；
只有均值为 0 时才是 RMSNorm。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(
    claims=("equals_torch", "is_layernorm_of_centred_tokens", "half_precision_needs_fp32_statistics"),
    wrong=("divides_by_the_deviation", "eps_outside_the_root", "squares_in_the_input_dtype",
           "sums_instead_of_averaging", "forgets_to_cast_back"),
)
def rms_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    """Divide every token of x (…, width) by its root mean square and multiply each feature by gain
    (width,). The statistics are computed in float32 at least; the output has the shape and the dtype
    of x.

    把 x (…, width) 的每个 token 除以其均方根，再逐特征乘 gain (width,)。统计量至少用 float32 计算；输出的形状与
    dtype 都同 x。"""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)   # (…, 1)
    return (wide * scale * gain).to(x.dtype)


def by_deviation(x, gain, eps):
    """The wrong way: the variance, taken about the mean, in the denominator."""
    return x / (x.var(-1, correction=0, keepdim=True) + eps).sqrt() * gain


def eps_outside(x, gain, eps):
    """The wrong way: ε added to the root instead of under it."""
    return x / (x.square().mean(-1, keepdim=True).sqrt() + eps) * gain


def in_input_dtype(x, gain, eps):
    """The wrong way: squares in the dtype of the input."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain.to(x.dtype)


DIVISORS = {"root mean square": rms_norm, "deviation": by_deviation, "eps outside": eps_outside,
            "input dtype": in_input_dtype}

RANGES = {
    "tokens": between(1, 64),
    "width": between(8, 1024),
    "eps": between(1e-8, 1e-4),
    "mean": between(-100.0, 100.0),
    "std": between(0.1, 10.0),
    "sizes": each(between(1e-3, 1000.0), at_least=1, rising=True),
    "components": each(between(1.0, 10000.0), at_least=1, rising=True),
    "divisor": one_of("root mean square", "deviation", "eps outside", "input dtype"),
}
DEVIATION = breaks(
    divisor="deviation",
    en="Divided by its deviation a token of mean 5 and deviation 3 keeps an RMS of 1.94, not 1.",
    zh="除以标准差时，均值 5、标准差 3 的 token 的 RMS 还是 1.94，而不是 1。",
)


def standard(tokens: int, width: int) -> Tensor:
    """Tokens of mean 0 and mean square 1, in float64."""
    x = torch.randn(tokens, width, dtype=torch.float64)
    x = x - x.mean(-1, keepdim=True)
    return x / x.square().mean(-1, keepdim=True).sqrt()


@DEVIATION
@breaks(divisor="eps outside", en="Added outside the root, ε changes small tokens otherwise: √ε counts, not ε.",
        zh="ε 加在根号外，小 token 的结果就不同：起作用的本该是 √ε。")
def claim_equals_torch(tokens=4, width=64, eps=1e-6, sizes=(1e-3, 1.0, 1000.0), divisor="root mean square"):
    """RMSNorm is x/√(mean(x²) + ε) times a gain: no mean, no bias, and ε under the root, as in nn.RMSNorm.

    RMSNorm 是 x/√(mean(x²) + ε) 再乘增益：没有均值，没有 bias，ε 在根号内，与 nn.RMSNorm 一致。"""
    x = 3 * standard(tokens, width) + 5
    norm = torch.nn.RMSNorm(width, eps=eps, dtype=torch.float64)
    norm.weight.data.uniform_(0.5, 2.0)
    gaps = [(DIVISORS[divisor](s * x, norm.weight, eps) - norm(s * x)).detach().abs().max() for s in sizes]
    show(lines("size of the token", sizes,
               {"RMS of the output, γ = 1": [DIVISORS[divisor](s * x[0], torch.ones(width), eps).square().mean().sqrt()
                                             for s in sizes]}, log="x"))
    expect("difference from nn.RMSNorm", gaps, equals=0, within=1e-12, at=("size", sizes))
    expect("learned numbers", sum(p.numel() for p in norm.parameters()), equals=width)


@DEVIATION
def claim_mean_and_deviation_share_the_divisor(width=64, mean=5.0, std=3.0, divisor="root mean square"):
    """The mean square is σ² + μ²: a token of mean μ and deviation σ is divided by √(σ² + μ²), and its
    output has RMS 1.

    均方等于 σ² + μ²：均值 μ、标准差 σ 的 token 除以 √(σ² + μ²)，输出的 RMS 为 1。"""
    x_hat = standard(1, width)[0]
    y = DIVISORS[divisor](std * x_hat + mean, torch.ones(width), 0.0)
    by = {name: DIVISORS[name](std * x_hat + mean, torch.ones(width), 0.0).square().mean().sqrt()
          for name in ("root mean square", "deviation")}
    show(bars([f"divided by its {name}" for name in by], {"RMS of the output": list(by.values())}))
    expect("output times √(σ² + μ²), less σ x̂ + μ", y * (std**2 + mean**2) ** 0.5 - (std * x_hat + mean),
           equals=0, within=1e-11 * (1 + abs(mean)))
    expect("RMS of the output", y.square().mean().sqrt(), equals=1, within=1e-12)
    expect("RMS after dividing by the deviation, over √(1 + μ²/σ²)", by["deviation"] / (1 + (mean / std) ** 2) ** 0.5,
           equals=1, within=1e-9)


@breaks(centred=False, en="With a mean of one deviation left in, the two norms disagree by 29 % and a shift.",
        zh="留着一个标准差大小的均值，两者就差 29%，外加一个平移。")
def claim_is_layernorm_of_centred_tokens(tokens=4, width=64, std=3.0, centred=True):
    """RMSNorm and LayerNorm without bias agree on tokens of mean 0: LayerNorm is RMSNorm after centring.

    均值为 0 时，RMSNorm 与无 bias 的 LayerNorm 相同：LayerNorm 就是先去均值再做 RMSNorm。"""
    x, gain = std * standard(tokens, width), torch.rand(width, dtype=torch.float64) + 0.5
    shifts = torch.linspace(0, 3, 7, dtype=torch.float64)
    gap = [(rms_norm(x + std * s, gain, 0.0) - F.layer_norm(x, (width,), gain, eps=0.0)).abs().max() for s in shifts]
    show(lines("mean over deviation", shifts, {"largest difference from LayerNorm": gap}))
    y = rms_norm(x if centred else x + std, gain, 0.0)
    expect("RMSNorm less LayerNorm", y - F.layer_norm(x, (width,), gain, eps=0.0), equals=0, within=1e-12)


@breaks(divisor="input dtype", en="In fp16 300² overflows to infinity, its reciprocal is 0: the token is erased.",
        zh="fp16 下 300² 上溢为无穷大，倒数为 0：整个 token 变成 0。")
def claim_half_precision_needs_fp32_statistics(width=64, components=(1.0, 16.0, 300.0, 1000.0), divisor="root mean square"):
    """With fp32 statistics fp16 tokens of any size keep RMS 1 to one part in a thousand; squared in fp16 a
    component over 255.9 overflows.

    统计量用 fp32，任何大小的 fp16 token 输出 RMS 都是 1，误差千分之一以内；在 fp16 里平方，超过 255.9 的分量就上溢。"""
    signs = torch.randn(width).sign().half()                          # every component has the size
    gain = torch.ones(width)
    out = {name: torch.stack([DIVISORS[name](s * signs, gain, 1e-6) for s in components])
           for name in {"input dtype", "root mean square", divisor}}
    names = {"root mean square": "statistics in fp32", "input dtype": "statistics in fp16"}
    show(lines("size of a component", components,
               {title: out[name].float().square().mean(1).sqrt() for name, title in names.items()},
               log="x", y_label="RMS of the output"))
    # fp16 keeps 11 bits: input, size and output round by 2⁻¹¹; ε adds half of 1e-6 at size 1.
    expect("RMS of the output", out[divisor].float().square().mean(1).sqrt(), equals=1, within=1e-3,
           at=("size", components))
    at_300 = in_input_dtype(300 * signs, gain, 1e-6)                  # 300² = 90,000, over 65,504
    expect("largest output at 300 with the squares in fp16", at_300.abs().max(), equals=0)
    expect("outputs in another dtype than fp16", int(out[divisor].dtype != torch.float16), equals=0)


def drill_two_components(rng) -> Drill:
    """RMSNorm of two integers, and what dividing by the deviation would have given."""
    a, b = rng.choice([(3, 4), (1, 7), (6, 8), (2, 14), (1, 3), (2, 4), (5, 1), (4, 12), (9, 3)])
    y = rms_norm(torch.tensor([a, b], dtype=torch.float64), torch.ones(2), 0.0)
    square = (a * a + b * b) / 2
    return Drill(
        en=f"RMSNorm of x = ({a}, {b}) with γ = 1 and ε = 0: what is the first component? (two decimals)",
        zh=f"对 x = ({a}, {b}) 做 RMSNorm，γ = 1、ε = 0：第一个分量是多少？（两位小数）",
        answer=y[0].item(), within=0.011,
        steps=[
            (f"mean square = ({a * a} + {b * b})/2 = {square:g}", f"均方 = ({a * a} + {b * b})/2 = {square:g}"),
            (f"root = {square**0.5:.3f}; no mean is subtracted", f"开方 = {square**0.5:.3f}；不减均值"),
            (f"{a} / {square**0.5:.3f} = {y[0]:.2f}", f"{a} / {square**0.5:.3f} = {y[0]:.2f}"),
        ],
        proved_by="equals_torch",
    )


def drill_mean_left_in(rng) -> Drill:
    """The divisor of a token with a mean."""
    mean, std = rng.choice([(3, 4), (6, 8), (5, 12), (4, 3), (8, 6), (12, 5), (1, 1), (2, 2)])
    x = mean + std * torch.tensor([1.0, -1.0], dtype=torch.float64)
    divisor = (x / rms_norm(x, torch.ones(2), 0.0))[0].item()
    return Drill(
        en=f"A token's features have mean {mean} and (biased) standard deviation {std}. By which number does "
           "RMSNorm divide? (γ = 1, ε = 0)",
        zh=f"一个 token 的各特征均值为 {mean}，（有偏）标准差为 {std}。RMSNorm 除以多少？（γ = 1，ε = 0）",
        answer=divisor, within=0.02,
        steps=[
            (f"mean of squares = σ² + μ² = {std**2} + {mean**2} = {std**2 + mean**2}",
             f"均方 = σ² + μ² = {std**2} + {mean**2} = {std**2 + mean**2}"),
            (f"root = {divisor:.3g}; LayerNorm would divide by {std}",
             f"开方 = {divisor:.3g}；LayerNorm 除以 {std}"),
        ],
        proved_by="mean_and_deviation_share_the_divisor",
    )


ZH = {
    "size of the token": "token 的大小",
    "size": "大小",
    "RMS of the output, γ = 1": "输出的 RMS，γ = 1",
    "difference from nn.RMSNorm": "与 nn.RMSNorm 之差",
    "learned numbers": "可学习的数",
    "divided by its root mean square": "除以均方根",
    "divided by its deviation": "除以标准差",
    "RMS of the output": "输出的 RMS",
    "output times √(σ² + μ²), less σ x̂ + μ": "输出乘 √(σ² + μ²) 与 σ x̂ + μ 之差",
    "RMS after dividing by the deviation, over √(1 + μ²/σ²)": "除以标准差后的 RMS 与 √(1 + μ²/σ²) 之比",
    "largest output at 300 with the squares in fp16": "在 fp16 里平方，分量 300 时的最大输出",
    "mean over deviation": "均值与标准差之比",
    "largest difference from LayerNorm": "与 LayerNorm 的最大差异",
    "RMSNorm less LayerNorm": "RMSNorm 与 LayerNorm 之差",
    "size of a component": "分量的大小",
    "statistics in fp32": "统计量用 fp32",
    "statistics in fp16": "统计量用 fp16",
    "outputs in another dtype than fp16": "dtype 不是 fp16 的输出数",
}

if __name__ == "__main__":
    main()
