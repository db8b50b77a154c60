r"""InstanceNorm takes each image's contrast and brightness away, channel by channel; AdaIN writes another image's in.

InstanceNorm 逐通道去掉每张图自己的对比度与亮度；AdaIN 再写入另一张图的。

Ulyanov et al. 2016; Huang & Belongie 2017. Turn `kind` to "batch": BatchNorm keeps what makes one image differ from the others.
把 `kind` 改为 "batch"：BatchNorm 会留下一张图与其他图的差别。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, heatmap, main, one_of, show


@exercise(claims=("adain_gives_the_style_s_statistics",), wrong=("swaps_the_roles", "one_pair_for_all_channels"))
def adain(content: Tensor, style: Tensor) -> Tensor:
    """The content normalised per sample and channel, with mean and deviation of the style's channels; both (batch, channels,
    height, width). Deviations are biased, and no ε is added.

    逐样本、逐通道归一化 content，再换上 style 各通道的均值与标准差；两者形状都是 (batch, channels, height, width)。标准差用有偏的，
    不加 ε。"""
    def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean((2, 3), keepdim=True), x.std((2, 3), correction=0, keepdim=True)     # (batch, channels, 1, 1)

    (mean, deviation), (new_mean, new_deviation) = statistics(content), statistics(style)
    return (content - mean) / deviation * new_deviation + new_mean


def normalise(x: Tensor, kind: str) -> Tensor:
    """A norm of images (batch, channels, height, width) without gains, in training mode."""
    if kind == "instance":
        return F.instance_norm(x, eps=1e-12)
    if kind == "group":
        return F.group_norm(x, 2, eps=1e-12)
    return F.batch_norm(x, None, None, training=True, eps=1e-12)


def images(batch: int, channels: int, side: int) -> Tensor:
    """Random images, each channel with a contrast and a brightness."""
    x = torch.randn(batch, channels, side, side, dtype=torch.float64)
    return (1 + torch.rand(batch, channels, 1, 1)) * x + torch.randn(batch, channels, 1, 1)


RANGES = {
    "batch": between(2, 8),
    "channels": between(4, 16, multiple_of=2),
    "side": between(4, 16),
    "kind": one_of("instance", "group", "batch"),
    "contrast": between(1.5, 10.0),
    "pixels": one_of("one", "many"),
    "given": one_of("style", "content"),
}


@breaks(kind="batch", en="BatchNorm pools the images: one with more contrast keeps standing out.",
        zh="BatchNorm 把各图一起统计：对比度更高的那张仍然突出。")
@breaks(kind="group", en="A group pools several channels: one of them louder than the others stays louder.",
        zh="一组统计几个通道：其中更强的那个仍然更强。")
def claim_instancenorm_forgets_contrast_and_brightness(batch=4, channels=8, side=8, contrast=3.0, kind="instance"):
    """Multiply one channel of one image by a > 0 and add b: InstanceNorm's output does not change. BatchNorm's and GroupNorm's
    (more than one channel a group) do.

    把一张图的一个通道乘以 a > 0 再加 b：InstanceNorm 的输出不变；BatchNorm 与 GroupNorm（每组不止一个通道）会变。"""
    x = images(batch, channels, side)
    edited = x.clone()
    edited[0, 0] = contrast * x[0, 0] + 2
    change = {k: (normalise(edited, k) - normalise(x, k)).abs().max() for k in ("instance", "group", "batch")}
    show(bars(list(change), {"largest change": list(change.values())}))
    expect("change of the output", normalise(edited, kind) - normalise(x, kind), equals=0, within=1e-9)
    expect("change of BatchNorm's output", change["batch"], at_least=0.1)


@breaks(given="content", en="With the content's own statistics nothing changes: that is no transfer.",
        zh="若用 content 自己的统计量，什么也不变：谈不上迁移。")
def claim_adain_gives_the_style_s_statistics(batch=2, channels=4, side=8, given="style"):
    """AdaIN's output has mean and deviation of the style in every channel, and the content's pattern: it correlates with the
    content by 1.

    AdaIN 的输出在每个通道上都有 style 的均值与标准差，并保留 content 的图案：与 content 的相关系数为 1。"""
    content, style = images(batch, channels, side), 3 * images(batch, channels, side) - 1
    y = adain(content, style if given == "style" else content)
    show(heatmap(torch.stack([t[0].std((1, 2)) for t in (content, style, y)]), x_label="channel",
                 y=["content", "style", "AdaIN"], title="deviation of each channel of the first image"))
    expect("means less the style's", y.mean((2, 3)) - style.mean((2, 3)), equals=0, within=1e-10)
    expect("variances over the style's", y.var((2, 3)) / style.var((2, 3)), equals=1, within=1e-10)
    pairs = torch.stack([y.flatten(2), content.flatten(2)], 2).flatten(0, 1)               # (batch·channels, 2, pixels)
    expect("correlation with the content", [p.corrcoef()[0, 1] for p in pairs], equals=1, within=1e-9)


@breaks(kind="batch", en="BatchNorm's statistics are those of the whole batch: new mates change every output.",
        zh="BatchNorm 的统计量来自整个 batch：换掉同批样本，每个输出都变。")
def claim_groups_are_of_channels_not_of_samples(batch=4, channels=8, side=8, kind="group"):
    """Replace the other images of the batch: GroupNorm's and InstanceNorm's output for an image stays, BatchNorm's in training
    changes.

    换掉 batch 里的其他图：一张图的 GroupNorm、InstanceNorm 输出不变，训练时 BatchNorm 的输出会变。"""
    x = images(batch, channels, side)
    others = torch.cat([x[:1], 3 * images(batch - 1, channels, side)])
    change = {k: (normalise(others, k) - normalise(x, k))[0].abs().max() for k in ("instance", "group", "batch")}
    show(bars(list(change), {"largest change": list(change.values())}))
    expect("change of the first image's output", change[kind], equals=0, within=1e-12)
    expect("change of the first image's output by InstanceNorm", change["instance"], equals=0, within=1e-12)
    expect("change of BatchNorm's output", change["batch"], at_least=0.05)


@breaks(pixels="many", en="With more than one position per channel there is something left to normalise.",
        zh="每个通道不止一个位置时，归一化之后还有内容。")
def claim_one_position_leaves_nothing(batch=4, channels=8, side=4, pixels="one"):
    """Over a single position per sample and channel the mean is the value itself: InstanceNorm would give zeros, and in training
    PyTorch refuses it.

    每个样本、每个通道只有一个位置时，均值就是它本身：InstanceNorm 只会给出 0，训练时 PyTorch 直接报错。"""
    x = torch.randn(batch, channels, 1 if pixels == "one" else side, dtype=torch.float64)
    y = (x - x.mean(2, keepdim=True)) / (x.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    show(bars(["input", "after InstanceNorm"], {"RMS": [x.square().mean().sqrt(), y.square().mean().sqrt()]}))
    refused = 0
    try:
        F.instance_norm(x)
    except ValueError:
        refused = 1
    expect("output by the formula", y, equals=0, within=1e-12)
    expect("calls that PyTorch refuses", refused, equals=1)


ZH = {
    "instance": "InstanceNorm",
    "group": "GroupNorm",
    "batch": "BatchNorm",
    "largest change": "最大变化",
    "change of the output": "输出的变化",
    "change of the first image's output by InstanceNorm": "第一张图的 InstanceNorm 输出的改变",
    "change of the first image's output": "第一张图输出的变化",
    "change of BatchNorm's output": "BatchNorm 输出的变化",
    "channel": "通道",
    "content": "内容图",
    "style": "风格图",
    "deviation of each channel of the first image": "第一张图各通道的标准差",
    "means less the style's": "均值与 style 之差",
    "variances over the style's": "方差与 style 之比",
    "correlation with the content": "与 content 的相关系数",
    "input": "输入",
    "after InstanceNorm": "InstanceNorm 之后",
    "output by the formula": "按公式的输出",
    "calls that PyTorch refuses": "PyTorch 拒绝的调用数",
}

if __name__ == "__main__":
    main()
