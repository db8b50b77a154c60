r"""LayerNorm takes the mean and the biased variance of one token's features, and of no other token.

LayerNorm 只用一个 token 自己各特征的均值与有偏方差，与其他 token 无关。

Ba, Kiros & Hinton 2016. Turn `form` to "one pass": E[x²] − E[x]² in float32 loses the variance of a
token with a large mean. Turn it to "sentence": the statistics mix all tokens, as some notes have it.
把 `form` 改为 "one pass"：均值很大时，float32 的 E[x²] − E[x]² 会丢掉方差；改为 "sentence"：像有的笔记说的那样，
把整句的 token 混在一起统计。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table


@exercise(
    claims=("equals_torch", "output_shrinks_below_sqrt_eps", "subtracting_the_mean_first_is_accurate"),
    wrong=("unbiased_variance", "over_the_tokens", "eps_outside_the_root", "one_pass", "one_gain_for_all"),
)
def layer_norm(x: Tensor, gain: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise every token of x (…, width) over its features, then scale and shift each feature by
    gain and bias (width,); the output is shaped as x. Must be accurate for large means too.

    对 x (…, width) 的每个 token 沿特征做归一化，再逐特征乘 gain、加 bias (width,)；输出形状同 x。均值很大时也要准。"""
    centred = x - x.mean(-1, keepdim=True)                            # (…, width)
    variance = centred.square().mean(-1, keepdim=True)                # (…, 1): divided by width
    return gain * centred / (variance + eps).sqrt() + bias


def unbiased(x, gain, bias, eps):
    """The wrong way: the variance divided by width − 1."""
    return gain * (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + eps).sqrt() + bias


def one_pass(x, gain, bias, eps):
    """The wrong way: both moments in one pass, as E[x²] − E[x]², kept from falling below 0."""
    mean = x.mean(-1, keepdim=True)
    variance = (x.square().mean(-1, keepdim=True) - mean.square()).clamp(min=0)
    return gain * (x - mean) / (variance + eps).sqrt() + bias


def over_the_sentence(x, gain, bias, eps):
    """The wrong way: one mean and one variance for all tokens (tokens, width) of a sentence."""
    return gain * F.layer_norm(x, x.shape[-2:], eps=eps) + bias


def no_mean(x, gain, bias, eps):
    """Another norm: RMSNorm, which leaves the mean in."""
    return gain * F.rms_norm(x, x.shape[-1:], eps=eps) + bias


FORMS = {"two passes": layer_norm, "unbiased": unbiased, "one pass": one_pass,
         "sentence": over_the_sentence, "no mean": no_mean}

RANGES = {
    "tokens": between(2, 64),
    "width": between(4, 256),
    "eps": between(1e-8, 1e-3),
    "sizes": each(between(1e-4, 1e4), at_least=2, rising=True),
    "shift": between(-100.0, 100.0),
    "means": each(between(0.0, 10000.0), at_least=1, rising=True),
    "form": one_of("two passes", "unbiased", "one pass", "sentence", "no mean"),
}


@breaks(form="unbiased", en="Divided by width − 1 the variance is another, by 1.6 % at width 64.",
        zh="若除以 width − 1，方差就不同了，宽 64 时差 1.6%。")
@breaks(form="sentence", en="Statistics over the sentence tie the tokens together.",
        zh="若对整句统计，各 token 就绑在一起了。")
def claim_equals_torch(tokens=8, width=64, eps=1e-5, form="two passes"):
    """LayerNorm is one mean and one variance, divided by d and not d − 1, for every token; PyTorch's
    module gives the same to rounding.

    LayerNorm 对每个 token 各取一个均值、一个方差，方差除以 d 而不是 d − 1；与 PyTorch 的模块只差舍入。"""
    x = 3 * torch.randn(2, tokens, width, dtype=torch.float64) + 5
    norm = torch.nn.LayerNorm(width, eps=eps, dtype=torch.float64)
    norm.weight.data.normal_(), norm.bias.data.normal_()
    y = FORMS[form](x, norm.weight, norm.bias, eps).detach()
    show(table(["token", "mean", "biased std", "mean after", "std after"],
               [[t, x[0, t].mean(), x[0, t].std(correction=0), z.mean(), z.std(correction=0)]
                for t, z in enumerate(FORMS[form](x[0, :4], torch.ones(width), torch.zeros(width), eps))]))
    # float64: values of size 10 divided by deviations near 3.
    expect("difference from nn.LayerNorm", (y - norm(x).detach()).abs().amax((0, 2)), equals=0,
           within=1e-12, at=("token", range(tokens)))
    expect("learned numbers", sum(p.numel() for p in norm.parameters()), equals=2 * width)


@breaks(form="no mean", en="RMSNorm keeps the shift, which swamps the features of a small token.",
        zh="RMSNorm 保留平移量，小的 token 的特征就被淹没。")
def claim_output_shrinks_below_sqrt_eps(
    width=64, eps=1e-5, sizes=(1e-3, 1e-2, 1e-1, 1.0, 10.0), shift=7.0, form="two passes"
):
    """A shift of the whole token never shows, and its size s only through ε: the output has RMS
    s/√(s² + ε).

    整个 token 的平移完全看不见；它的大小 s 只通过 ε 显现：输出的 RMS 为 s/√(s² + ε)。"""
    x = torch.randn(1, width, dtype=torch.float64)
    x = (x - x.mean()) / x.std(correction=0)
    s = torch.tensor(sizes, dtype=torch.float64)
    ones, zeros = torch.ones(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
    out = torch.stack([FORMS[form](a * x + shift, ones, zeros, eps)[0] for a in s])  # (sizes, width)
    rms = out.square().mean(1).sqrt()
    show(lines("size of the token", sizes, {"RMS of the output": rms}, log="x", y_label="RMS"))
    expect("output over x̂ · s/√(s² + ε)", (out @ x[0]) / width / (s / (s**2 + eps).sqrt()), equals=1,
           within=1e-8, at=("size", sizes))          # the shift rounds at 1e-14, over the least size


@breaks(form="one pass", en="Two numbers near 10⁸ cancel in float32, and the variance is noise.",
        zh="float32 下两个约 10⁸ 的数相减，方差只剩噪声。")
def claim_subtracting_the_mean_first_is_accurate(width=256, means=(0.0, 100.0, 10000.0), form="two passes"):
    """In float32 a token of std 1 and mean 10,000 is normalised to within 0.005 if the mean is
    subtracted before squaring; E[x²] − E[x]² is off by over 0.05.

    float32 下，标准差 1、均值 10,000 的 token，先减均值再平方，归一化的误差在 0.005 以内；E[x²] − E[x]² 的误差超过 0.05。"""
    gain, bias = torch.ones(width), torch.zeros(width)
    gaps = {"two passes": [], "one pass": []}
    checked = []
    for mean in means:
        x = mean + torch.randn(1, width)                              # float32, rounded here
        exact = F.layer_norm(x.double(), (width,), eps=1e-5)
        for name, list_ in gaps.items():
            list_.append((FORMS[name](x, gain, bias, 1e-5) - exact).abs().max())
        checked.append((FORMS[form](x, gain, bias, 1e-5) - exact).abs().max())
    show(lines("mean of the token", means, gaps, y_label="largest error"))
    # The float32 mean of 10,000 is off by up to 4 of its last places, 2⁻²⁰ · 10,000 / 8 each.
    expect("largest error in float32", checked, at_most=0.005, at=("mean", means))
    far = 10000 + torch.randn(16, width)                              # E[x²] ends in steps of 8
    expect("largest error of E[x²] − E[x]² at a mean of 10,000",
           (one_pass(far, gain, bias, 1e-5) - F.layer_norm(far, (width,))).abs().max(), at_least=0.05)


def drill_one_entry(rng) -> Drill:
    """One entry of LayerNorm of four small integers."""
    values = rng.choice([(1, 2, 3, 6), (2, 2, 4, 8), (0, 2, 4, 10), (1, 3, 5, 7), (0, 0, 3, 5), (2, 4, 4, 6)])
    place = rng.randrange(4)
    x = torch.tensor(values, dtype=torch.float64)
    y = layer_norm(x, torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64), 0.0)
    mean, var = sum(values) / 4, x.var(correction=0).item()
    return Drill(
        en=f"LayerNorm of x = {values} with γ = 1, β = 0, ε = 0: what becomes of entry {place + 1}, "
           f"the {values[place]}? (two decimals)",
        zh=f"对 x = {values} 做 LayerNorm，γ = 1、β = 0、ε = 0：第 {place + 1} 个数 {values[place]} 变成多少？（两位小数）",
        answer=y[place].item(), within=0.011,
        steps=[
            (f"mean = {sum(values)}/4 = {mean:g}", f"均值 = {sum(values)}/4 = {mean:g}"),
            (f"variance, divided by 4 = {var:g}, root {var**0.5:.3f}",
             f"方差（除以 4）= {var:g}，开方 {var**0.5:.3f}"),
            (f"({values[place]} − {mean:g}) / {var**0.5:.3f} = {y[place]:.2f}",
             f"({values[place]} − {mean:g}) / {var**0.5:.3f} = {y[place]:.2f}"),
        ],
        proved_by="equals_torch",
    )


ZH = {
    "mean": "均值",
    "biased std": "有偏标准差",
    "mean after": "之后的均值",
    "std after": "之后的标准差",
    "difference from nn.LayerNorm": "与 nn.LayerNorm 之差",
    "learned numbers": "可学习的数",
    "size of the token": "token 的大小",
    "size": "大小",
    "RMS of the output": "输出的 RMS",
    "output over x̂ · s/√(s² + ε)": "输出与 x̂ · s/√(s² + ε) 之比",
    "mean of the token": "token 的均值",
    "two passes": "先减均值",
    "one pass": "E[x²] − E[x]²",
    "largest error": "最大误差",
    "largest error in float32": "float32 下的最大误差",
    "largest error of E[x²] − E[x]² at a mean of 10,000": "均值 10,000 时 E[x²] − E[x]² 的最大误差",
}

if __name__ == "__main__":
    main()
