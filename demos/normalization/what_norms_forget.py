r"""LayerNorm forgets the mean and the size of a token; BatchNorm those of a feature, and in training only.

LayerNorm 丢掉一个 token 的均值与大小；BatchNorm 丢掉一个特征的均值与大小，而且只在训练时。

Ba, Kiros & Hinton 2016. Turn `mode` to "eval": BatchNorm then uses stored numbers, an invertible map
that forgets nothing. 把 `mode` 改为 "eval"：此时 BatchNorm 用存下的数，是可逆映射，什么也不丢。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, heatmap, lines, main, one_of, show


def norm(x: Tensor, kind: str, mode: str = "train", gain: float = 1.0) -> Tensor:
    """x (tokens, width) without ε, over each token or over each feature; in "eval" BatchNorm takes the stored
    mean 0 and variance 1. The gain is the same for all features."""
    if kind == "batch" and mode == "eval":
        return gain * x
    over = 0 if kind == "batch" else 1
    x = x - x.mean(over, keepdim=True)
    return gain * x / x.square().mean(over, keepdim=True).sqrt()


def order_kept(x: Tensor, y: Tensor, over: int) -> float:
    """Share of pairs along an axis that stand in y as they stand in x."""
    x, y = x.movedim(over, 0), y.movedim(over, 0)
    return ((x[:, None] - x > 0) == (y[:, None] - y > 0)).double().mean().item()


RANGES = {
    "tokens": between(4, 32),
    "width": between(8, 64),
    "factor": between(2.0, 100.0),
    "shift": between(1.0, 100.0),
    "kind": one_of("layer", "batch"),
    "mode": one_of("train", "eval"),
    "gain": between(-10.0, 10.0),
    "place": one_of("pre", "post"),
    "values": between(20000, 200000),
    "way": one_of("affine", "ranks"),
}


@breaks(kind="batch", en="BatchNorm's statistics run over the tokens: rescaling one changes all outputs.",
        zh="BatchNorm 对各 token 统计：缩放一个 token 会改变全部输出。")
def claim_layernorm_forgets_two_numbers_of_each_token(tokens=6, width=16, factor=3.0, shift=5.0, kind="layer"):
    """Multiply a token by a > 0 and add b to all its features: LayerNorm's output does not change.

    把一个 token 乘以 a > 0，再给全部特征加上 b：LayerNorm 的输出不变。"""
    x = torch.randn(tokens, width, dtype=torch.float64)
    edited = x.clone()
    edited[0] = factor * x[0] + shift
    show(heatmap((norm(edited, "batch") - norm(x, "batch")).abs(), x_label="feature", y_label="token",
                 title="change by BatchNorm; by LayerNorm it is 0"))
    expect("change of the output", norm(edited, kind) - norm(x, kind), equals=0, within=1e-11)
    expect("output less F.layer_norm's", norm(edited, kind) - F.layer_norm(edited, (width,), eps=0.0), equals=0,
           within=1e-11)


@breaks(mode="eval", en="With stored statistics the edit shows in full: nothing of the batch is removed.",
        zh="用存下的统计量，改动会原样显现：没有去掉任何东西。")
@breaks(kind="layer", en="LayerNorm sees that one feature of its tokens grew.",
        zh="LayerNorm 看得到某个特征变大了。")
def claim_batchnorm_forgets_two_numbers_of_each_feature(
    tokens=12, width=8, factor=3.0, shift=5.0, kind="batch", mode="train"
):
    """In training, multiply a feature by a > 0 in all samples and add b: BatchNorm's output does not change. In
    eval it changes by the full amount.

    训练时，把一个特征在全部样本上乘以 a > 0 再加 b，BatchNorm 的输出不变；推理时则原样改变。"""
    x = torch.randn(tokens, width, dtype=torch.float64)
    edited = x.clone()
    edited[:, 0] = factor * x[:, 0] + shift
    change = {name: (norm(edited, k, m) - norm(x, k, m)).abs().max()
              for name, k, m in (("BN train", "batch", "train"), ("BN eval", "batch", "eval"), ("LN", "layer", "train"))}
    show(bars(list(change), {"largest change": list(change.values())}))
    expect("change of the output", norm(edited, kind, mode) - norm(x, kind, mode), equals=0, within=1e-11)
    expect("change in eval less the edit", norm(edited, "batch", "eval")[:, 0] - norm(x, "batch", "eval")[:, 0]
           - ((factor - 1) * x[:, 0] + shift), equals=0, within=1e-11)


@breaks(gain=-1.0, en="A negative γ turns the order round, and nothing keeps γ positive.",
        zh="γ 为负时次序颠倒，而没有什么能保证 γ 为正。")
def claim_each_keeps_one_order(tokens=24, width=24, gain=1.0):
    """With γ > 0 BatchNorm keeps the order of samples within a feature and LayerNorm the order of features within
    a token; neither keeps the other.

    γ > 0 时，BatchNorm 保持同一特征内样本的次序，LayerNorm 保持同一 token 内特征的次序；另一种次序都不保持。"""
    x = torch.randn(tokens, width, dtype=torch.float64)
    x = x * (1 + torch.rand(tokens, 1, dtype=torch.float64)) + 2 * torch.randn(tokens, 1, dtype=torch.float64)
    x = x + 2 * torch.randn(width, dtype=torch.float64)
    kept = [[order_kept(x, norm(x, kind, gain=gain), over) for over in (0, 1)] for kind in ("batch", "layer")]
    show(heatmap(kept, x=["samples in a feature", "features in a token"], y=["BN", "LN"],
                 title="share of pairs in the old order"))
    expect("pairs in the old order: BN samples, LN features", [kept[0][0], kept[1][1]], equals=1, within=1e-12)
    expect("pairs in the old order with −γ", [order_kept(x, norm(x, "batch", gain=-gain), 0),
                                             order_kept(x, norm(x, "layer", gain=-gain), 1)],
           at_most=2 / min(tokens, width))                            # only a number beside itself
    expect("pairs in the old order: BN features, LN samples", [kept[0][1], kept[1][0]], at_most=0.95)


@breaks(way="ranks", en="Mapping ranks to normal quantiles would make it Gaussian; no norm layer does that.",
        zh="把次序映射到正态分位数才会变成高斯；归一化层并不这样做。")
def claim_standardised_is_not_gaussian(values=100000, way="affine"):
    """An exponential distribution keeps its skewness of 2 and its kurtosis of 9 through the norm: mean 0 and
    variance 1 do not make it normal.

    指数分布经过归一化后偏度仍为 2、峰度仍为 9：均值 0、方差 1 并不等于正态。"""
    u = (torch.arange(values, dtype=torch.float64) + 0.5) / values
    x = -torch.log1p(-u)                                                  # quantiles of Exponential(1)
    ranks = (x.argsort().argsort().double() + 0.5) / values
    y = 2**0.5 * torch.erfinv(2 * ranks - 1) if way == "ranks" else norm(x[None], "layer")[0]
    edges = torch.linspace(-3, 5, 33, dtype=torch.float64)
    show(lines("value", (edges[1:] + edges[:-1]) / 2,
               {"after the norm": torch.histogram(y, edges).hist / values * 4,
                "normal": [math.exp(-t * t / 2) / (2 * math.pi) ** 0.5 for t in ((edges[1:] + edges[:-1]) / 2).tolist()]},
               y_label="density"))
    # Cutting the tail off at 1/(2·values) takes about (ln values)⁴/values from a fourth moment of 9.
    lost = math.log(2 * values) ** 4 / values
    expect("mean", y.mean(), equals=0, within=1e-9)
    expect("variance", y.square().mean(), equals=1, within=1e-3)
    expect("skewness", y.pow(3).mean(), equals=2, within=lost)
    expect("kurtosis", y.pow(4).mean(), equals=9, within=2 * lost)


@breaks(place="post", en="After the addition the norm takes the size of the token away.",
        zh="在相加之后归一化，token 的大小就没有了。")
def claim_the_pre_norm_stream_keeps_the_size(tokens=6, width=16, factor=3.0, place="pre"):
    """In a pre-norm block the branch gives the same for x and a·x, and the stream still carries the size: the
    outputs differ by (a − 1)x.

    pre-norm 块里，分支对 x 与 a·x 的输出相同，而残差流仍带着大小：两个输出之差为 (a − 1)x。"""
    x, w = torch.randn(tokens, width, dtype=torch.float64), torch.randn(width, width, dtype=torch.float64)

    def block(h: Tensor) -> Tensor:
        if place == "pre":
            return h + norm(h, "layer") @ w
        return norm(h + h @ w, "layer")

    show(bars(["x", f"{factor:g} x"], {"size of the output": [block(x).norm(), block(factor * x).norm()]}))
    expect("difference of the outputs less (a − 1)x", block(factor * x) - block(x) - (factor - 1) * x, equals=0,
           within=1e-10)


ZH = {
    "feature": "特征",
    "change by BatchNorm; by LayerNorm it is 0": "BatchNorm 输出的变化；LayerNorm 的变化为 0",
    "change of the output": "输出的变化",
    "output less F.layer_norm's": "输出与 F.layer_norm 之差",
    "BN train": "BN 训练",
    "BN eval": "BN 推理",
    "largest change": "最大变化",
    "change in eval less the edit": "推理时的变化与改动之差",
    "samples in a feature": "同一特征内的样本",
    "features in a token": "同一 token 内的特征",
    "share of pairs in the old order": "保持原次序的对的占比",
    "pairs in the old order: BN samples, LN features": "保持原次序的对：BN 的样本、LN 的特征",
    "pairs in the old order with −γ": "取 −γ 时保持原次序的对",
    "pairs in the old order: BN features, LN samples": "保持原次序的对：BN 的特征、LN 的样本",
    "value": "值",
    "after the norm": "归一化之后",
    "normal": "正态",
    "density": "密度",
    "mean": "均值",
    "skewness": "偏度",
    "kurtosis": "峰度",
    "size of the output": "输出的大小",
    "difference of the outputs less (a − 1)x": "两个输出之差与 (a − 1)x 之差",
}

if __name__ == "__main__":
    main()
