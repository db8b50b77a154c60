r"""The norms differ in one thing: which axes share a mean and a variance.

各种归一化只有一处不同：哪些轴共用一个均值和方差。

Wu & He 2018. For x (batch, tokens, width): BatchNorm pools batch and tokens per feature, LayerNorm the
features of one token. Turn `batch_group` to "position", the grouping that some notes give for BatchNorm.
对 x (batch, tokens, width)：BatchNorm 逐特征对 batch 与 token 统计，LayerNorm 对单个 token 的特征统计。把
`batch_group` 改为 "position"，就是有的笔记对 BatchNorm 的说法。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, heatmap, main, one_of, show


@exercise(
    claims=("by_hand_equals_torch", "group_norm_runs_from_sample_to_channel"),
    wrong=("batch_per_position", "layer_over_the_sample", "group_over_tokens", "instance_per_token"),
)
def normalise(x: Tensor, kind: str, groups: int, eps: float) -> Tensor:
    """x (batch, tokens, width) with mean 0 and variance 1 over what the kind pools: "batch" a feature over
    batch and tokens, "layer" the features of one token, "instance" a feature over the tokens of one sample,
    "group" each of `groups` runs of neighbouring features over the tokens of one sample.

    对 x (batch, tokens, width) 按 kind 统计并归一化："batch" 对一个特征的全部 batch 与 token；"layer" 对一个
    token 的全部特征；"instance" 对一个样本、一个特征的全部 token；"group" 把特征按相邻分成 groups 组，对一个样本的
    一组特征与全部 token。"""
    batch, tokens, _ = x.shape
    cut = x.reshape(batch, tokens, groups, -1)                       # (batch, tokens, groups, width/groups)
    dims = {"batch": (0, 1), "layer": (2, 3), "instance": (1,), "group": (1, 3)}[kind]
    if kind in ("batch", "instance"):
        cut = x[..., None]                                           # every feature a group of its own
    mean = cut.mean(dims, keepdim=True)
    variance = (cut - mean).square().mean(dims, keepdim=True)
    return ((cut - mean) / (variance + eps).sqrt()).reshape(x.shape)


def by_torch(x: Tensor, kind: str, groups: int, eps: float) -> Tensor:
    """The same by torch's operators, which want the features in the second place."""
    c = x.mT                                                         # (batch, width, tokens)
    if kind == "batch":
        return F.batch_norm(c, None, None, training=True, eps=eps).mT
    if kind == "layer":
        return F.layer_norm(x, x.shape[-1:], eps=eps)
    if kind == "instance":
        return F.instance_norm(c, eps=eps).mT
    return F.group_norm(c, groups, eps=eps).mT


def pairs(kind: str, batch: int, tokens: int, width: int, groups: int) -> int:
    """All numbers over how many of them move the first output: those that share its mean and variance."""
    x = torch.randn(batch, tokens, width, dtype=torch.float64, requires_grad=True)
    normalise(x, kind, groups, 1e-5)[0, 0, 0].backward()
    return x.numel() // int((x.grad != 0).sum())


RANGES = {
    "batch": between(2, 8),
    "tokens": between(3, 12),
    "width": between(8, 64),
    "groups": between(2, 8, divides="width"),
    "eps": between(1e-6, 1e-3),
    "batch_group": one_of("feature", "position"),
    "layer_group": one_of("token", "sentence"),
    "fed": one_of("as it is", "transposed"),
    "one_group": one_of("sample", "token"),
}
KINDS = ("batch", "layer", "instance", "group")


@breaks(batch_group="position", en="BatchNorm keeps features apart, not positions.",
        zh="BatchNorm 分开的是特征，不是位置。")
@breaks(layer_group="sentence", en="In a Transformer LayerNorm sees one token, not the sentence.",
        zh="Transformer 的 LayerNorm 只看一个 token，不看整句。")
def claim_by_hand_equals_torch(batch=4, tokens=6, width=16, groups=4, eps=1e-5, batch_group="feature",
                               layer_group="token"):
    """BN pools batch and tokens per feature, LN the features of a token, IN the tokens per sample and
    feature, GN tokens and a group of features per sample.

    BN 逐特征对 batch 与 token 统计；LN 对一个 token 的特征；IN 对一个样本、一个特征的 token；GN 对一个样本的一组特征与
    全部 token。"""
    x = torch.randn(batch, tokens, width, dtype=torch.float64) * torch.linspace(1, 3, width) + 2
    found = {kind: normalise(x, kind, groups, eps) for kind in KINDS}
    if batch_group == "position":                                    # one group per position
        found["batch"] = normalise(x.mT, "batch", 1, eps).mT
    if layer_group == "sentence":
        found["layer"] = F.layer_norm(x, x.shape[1:], eps=eps)
    show(heatmap([[float(y.mean(dims).abs().max()) for dims in ((0, 1), (2,), (1,))] for y in found.values()],
                 x=["batch, tokens", "width", "tokens"], y=["BN", "LN", "IN", "GN"],
                 title="largest |mean| over these axes"))
    for kind, y in found.items():
        expect(f"{kind} norm less torch's", y - by_torch(x, kind, groups, eps), equals=0, within=1e-11)


@breaks(layer_group="sentence", en="Pooled over the sentence there would be one pair per sample.",
        zh="若对整句统计，每个样本就只有一对统计量。")
def claim_pairs_of_statistics_are_counted(batch=4, tokens=6, width=16, groups=4, layer_group="token"):
    """The norms keep C, B·T, B·C and B·G pairs of mean and variance: BN, LN, IN, GN.

    BN、LN、IN、GN 的均值、方差分别有 C、B·T、B·C、B·G 对。"""
    found = {kind: pairs(kind, batch, tokens, width, groups) for kind in KINDS}
    if layer_group == "sentence":
        found["layer"] = batch
    expected = [width, batch * tokens, batch * width, batch * groups]
    show(bars(["BN", "LN", "IN", "GN"], {"pairs of statistics": list(found.values())}))
    expect("pairs of mean and variance", list(found.values()), equals=expected, at=("norm", KINDS))


@breaks(one_group="token", en="One group spans all tokens of the sample; LayerNorm in a Transformer does not.",
        zh="一组会跨样本的全部 token；Transformer 的 LayerNorm 不会。")
def claim_group_norm_runs_from_sample_to_channel(batch=4, tokens=6, width=16, eps=1e-5, one_group="sample"):
    """GroupNorm with C groups is InstanceNorm; with one it is LayerNorm over the whole sample, not the
    per-token LayerNorm of a Transformer.

    GroupNorm 分 C 组就是 InstanceNorm；分 1 组是对整个样本的 LayerNorm，而不是 Transformer 的逐 token LayerNorm。"""
    x = torch.randn(batch, tokens, width, dtype=torch.float64) + torch.randn(tokens, 1, dtype=torch.float64)
    whole, each_token = F.layer_norm(x, x.shape[1:], eps=eps), F.layer_norm(x, x.shape[2:], eps=eps)
    one = normalise(x, "group", 1, eps)
    show(heatmap((one - each_token)[0].abs(), x_label="feature", y_label="token",
                 title="GN with one group, less LN per token"))
    expect("one group less its LayerNorm", one - (whole if one_group == "sample" else each_token), equals=0,
           within=1e-11)
    expect("C groups less InstanceNorm", normalise(x, "group", width, eps) - by_torch(x, "instance", 1, eps),
           equals=0, within=1e-11)


@breaks(fed="transposed", en="Transposed as the module wants it, every feature is a channel.",
        zh="按模块要求转置之后，通道才是特征。")
def claim_untransposed_batchnorm_keeps_positions(batch=4, tokens=6, width=16, eps=1e-5, fed="as it is"):
    """nn.BatchNorm1d fed (B, T, D) as it is takes positions for channels and raises no error where T is its
    size: every position gets its own statistics over batch and features.

    nn.BatchNorm1d 直接喂 (B, T, D)，会把位置当作通道；T 恰好等于其通道数时也不报错：每个位置各用一对统计量。"""
    x = torch.randn(batch, tokens, width, dtype=torch.float64) + torch.arange(tokens)[:, None]
    module = torch.nn.BatchNorm1d(tokens if fed == "as it is" else width, eps=eps, dtype=torch.float64)
    y = (module(x) if fed == "as it is" else module(x.mT).mT).detach()
    show(heatmap(y.mean(0), x_label="feature", y_label="token", title="mean over the batch"))
    centred = x - x.mean((0, 2), keepdim=True)
    by_position = centred / (centred.square().mean((0, 2), keepdim=True) + eps).sqrt()
    expect("output less one norm per position", y - by_position, equals=0, within=1e-11)


def drill_pairs(rng) -> Drill:
    """Pairs of statistics of one of the norms."""
    batch, tokens, width, groups = rng.choice([(4, 8, 48, 4), (2, 16, 64, 8), (8, 10, 32, 4), (3, 12, 24, 6)])
    kind, name, formula = rng.choice([
        ("batch", "BatchNorm", f"C = {width}"), ("layer", "LayerNorm", f"B·T = {batch}·{tokens}"),
        ("instance", "InstanceNorm", f"B·C = {batch}·{width}"),
        ("group", f"GroupNorm({groups})", f"B·G = {batch}·{groups}")])
    n = pairs(kind, batch, tokens, width, groups)
    size = batch * tokens * width // n
    return Drill(
        en=f"{batch} sequences of {tokens} tokens with {width} features each: how many pairs of mean and variance "
           f"does {name} compute (LayerNorm per token)?",
        zh=f"{batch} 条序列，每条 {tokens} 个 token，每个 {width} 个特征：{name} 计算多少对均值与方差（LayerNorm 逐 token）？",
        answer=n, within=0,
        steps=[
            (f"it pools {size} numbers at a time", f"每 {size} 个数统计一次"),
            (f"{formula} = {n}" if "·" in formula else formula, f"{formula} = {n}" if "·" in formula else formula),
        ],
        proved_by="pairs_of_statistics_are_counted",
    )


ZH = {
    "batch": "BatchNorm",
    "batch, tokens": "batch 与 token",
    "width": "特征",
    "tokens": "token",
    "largest |mean| over these axes": "在这些轴上的最大 |均值|",
    "batch norm less torch's": "batch norm 与 torch 之差",
    "layer norm less torch's": "layer norm 与 torch 之差",
    "instance norm less torch's": "instance norm 与 torch 之差",
    "group norm less torch's": "group norm 与 torch 之差",
    "pairs of statistics": "统计量共几对",
    "pairs of mean and variance": "均值与方差共几对",
    "norm": "归一化",
    "feature": "特征",
    "GN with one group, less LN per token": "分 1 组的 GN 与逐 token LN 之差",
    "one group less its LayerNorm": "分 1 组与对应的 LayerNorm 之差",
    "C groups less InstanceNorm": "分 C 组与 InstanceNorm 之差",
    "mean over the batch": "对 batch 的均值",
    "output less one norm per position": "输出与逐位置归一化之差",
}

if __name__ == "__main__":
    main()
