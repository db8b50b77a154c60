r"""A scale can leave an integer product only along rows or outputs, never along the summed axis: outlier channels are moved instead.

尺度只能沿行或输出方向提出整数乘法，不能沿求和方向；所以离群通道要靠迁移来处理。

Dettmers et al. 2022 (LLM.int8()); Xiao et al. 2022 (SmoothQuant), §4. Turn `scales` to "by channel": the product
of the integers cannot be scaled back.
把 `scales` 改为 "by channel"：整数的乘积无法再乘回尺度。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import randn


def quantize(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Symmetric int8 over an axis: integers shaped as x, and a scale for what is left of the axis, size 1 there."""
    scale = x.abs().amax(dim, keepdim=True) / 127
    return (x / scale).round(), scale


@exercise(claims=("migration_changes_nothing_in_full_precision", "migration_lets_int8_see_the_other_channels"),
          wrong=("scales_both_down", "migrates_nothing", "uses_the_mean"))
def migrate(x: Tensor, w: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """SmoothQuant: divide each channel of the activations x (tokens, channels) by s and multiply the weights' row of
    that channel, w (channels, outputs), by it; s = max|x|^strength / max|w|^(1 − strength), by channel.

    SmoothQuant：激活 x (tokens, channels) 的每个通道除以 s，权重 w (channels, outputs) 的对应行乘以 s；
    s = max|x|^strength / max|w|^(1 − strength)，逐通道计算。"""
    s = x.abs().amax(0) ** strength / w.abs().amax(1) ** (1 - strength)      # (channels,)
    return x / s, w * s[:, None]


def product(x: Tensor, w: Tensor, scales: str) -> Tensor:
    """x @ w by int8 integers, with a scale for each output and one for each token, or the wrong way one for each
    channel, whose mean is all that can be multiplied back."""
    qw, sw = quantize(w, 0)                                          # (channels, outputs), (1, outputs)
    qx, sx = quantize(x, 1 if scales == "by token" else 0)
    return (qx @ qw) * sw * (sx if scales == "by token" else sx.mean())


def layer(outlier: float, tokens: int = 128, channels: int = 512, outputs: int = 256) -> tuple[Tensor, Tensor]:
    """Activations with one channel `outlier` times as large as the others, and weights, in float64."""
    x = randn(tokens, channels, seed=1, dtype=torch.float64)
    x[:, 7] *= outlier
    return x, randn(channels, outputs, seed=2, dtype=torch.float64) / channels**0.5


def error_of_the_others(x: Tensor) -> float:
    """Relative error of the ordinary channels after int8 with a scale for each token."""
    q, scale = quantize(x, 1)
    keep = torch.arange(x.shape[1]) != 7
    return ((q * scale - x)[:, keep].norm() / x[:, keep].norm()).item()


RANGES = {
    "outlier": between(20.0, 200.0),
    "strength": between(0.5, 0.6),
    "scales": one_of("by token", "by channel"),
    "moved": one_of("to the weights", "away"),
    "smoothed": one_of("yes", "no"),
}


@breaks(scales="by channel", en="The channel is the axis that is summed: its scales differ from term to term and cannot be taken out.",
        zh="通道正是求和的轴：各项的尺度不同，提不出来。")
def claim_scales_by_token_leave_the_product(outlier=60.0, scales="by token"):
    """Scales by token and by output can be multiplied back after the integer product; scales by channel cannot.

    按 token 和按输出的尺度可以在整数乘积之后乘回；按通道的不行。"""
    x, w = layer(outlier)
    exact = x @ w
    errors = {way: ((product(x, w, way) - exact).norm() / exact.norm()).item() for way in ("by token", "by channel")}
    show(bars(list(errors), list(errors.values()), log="y", y_label="relative error of the product"))
    (qw, sw), (qx, sx) = quantize(w, 0), quantize(x, 1 if scales == "by token" else 0)
    # float64 sums of 512 terms of size up to 60
    expect("integer product scaled back, less the product of the restored numbers",
           product(x, w, scales) - (qx * sx) @ (qw * sw), equals=0, within=1e-10)
    # int8 over a range set by one outlier: steps of outlier/127 against channels of size 1, in 512 of them
    expect("relative error of the product", errors[scales], at_most=0.15)


@breaks(moved="away", en="Divided out of the activations and not given to the weights, the channel is simply lost.",
        zh="从激活里除掉却不乘进权重，这个通道就丢了。")
def claim_migration_changes_nothing_in_full_precision(outlier=60.0, strength=0.5, moved="to the weights"):
    """Moving a channel's size from activations to weights leaves the product as it is, to rounding.

    把通道的大小从激活移到权重，乘积不变，只差舍入。"""
    x, w = layer(outlier)
    a, b = migrate(x, w, strength)
    after = a @ (b if moved == "to the weights" else w)
    show(lines("channel", range(24), {"largest activation before": x.abs().amax(0)[:24], "after": a.abs().amax(0)[:24],
                                      "largest weight after": b.abs().amax(1)[:24]}, log="y"))
    # float64 sums of 512 terms of size up to 60
    expect("largest difference of the product", (after - x @ w).abs().max(), equals=0, within=1e-11)


@breaks(smoothed="no", en="Without migration the step of each token is set by the outlier.",
        zh="不迁移时，每个 token 的步长由离群通道决定。")
def claim_migration_lets_int8_see_the_other_channels(outlier=60.0, strength=0.5, smoothed="yes"):
    """One channel 60 times as large costs the others a tenth of their size in int8; after migration their error is
    less than a fifth of that.

    一个通道大 60 倍，int8 下其余通道的误差达其大小的十分之一；迁移之后不到其五分之一。"""
    x, w = layer(outlier)
    sizes = (1, 10, 20, 40, 60, 100, 200)
    curve = {"as they are": [error_of_the_others(layer(s)[0]) for s in sizes],
             "migrated": [error_of_the_others(migrate(*layer(s), strength)[0]) for s in sizes]}
    show(lines("size of the outlier channel", sizes, curve, log="xy", y_label="relative error of the other channels"))
    before = error_of_the_others(x)
    after = error_of_the_others(migrate(x, w, strength)[0] if smoothed == "yes" else x)
    # |outlier| of a token is half-normal with root mean square `outlier`; where it is small another channel sets the step
    expect("error before, over outlier/127/√12", before / (outlier / 127 / 12**0.5), equals=1, within=0.25)
    expect("error after over before", after / before, at_most=0.2 if outlier >= 50 else 0.4)


ZH = {
    "by token": "按 token",
    "by channel": "按通道",
    "relative error of the product": "乘积的相对误差",
    "integer product scaled back, less the product of the restored numbers": "整数乘积乘回尺度，与还原后的数的乘积之差",
    "channel": "通道",
    "largest activation before": "迁移前的最大激活",
    "after": "迁移后",
    "largest weight after": "迁移后的最大权重",
    "largest difference of the product": "乘积的最大差异",
    "size of the outlier channel": "离群通道的大小",
    "as they are": "原样",
    "migrated": "迁移后",
    "relative error of the other channels": "其余通道的相对误差",
    "error before, over outlier/127/√12": "迁移前的误差与 离群/127/√12 之比",
    "error after over before": "迁移后与迁移前的误差之比",
}

if __name__ == "__main__":
    main()
