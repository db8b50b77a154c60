r"""A norm costs the bytes it moves: fusing its operators saves more than leaving out the mean.

归一化的代价在于搬运的字节：把算子融合，比省掉均值省得多。

PyTorch 2.13 on a CPU: F.layer_norm is one operator, F.rms_norm five. Guess first which of the two moves more. Turn `norm` to
"layer by hand": the same numbers, three times the traffic.
PyTorch 2.13、CPU：F.layer_norm 是一个算子，F.rms_norm 是五个。先猜哪个搬运更多。把 `norm` 改为 "layer by hand"：结果相同，流量三倍。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import operations


def layer_by_hand(x: Tensor) -> Tensor:
    """LayerNorm of x (tokens, width) in eager operators, each of which reads and writes whole tensors."""
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + 1e-5)


def rms_by_hand(x: Tensor) -> Tensor:
    """RMSNorm the same way: one subtraction and one pass for the mean less."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


def fused_layer(x: Tensor) -> Tensor:
    """LayerNorm in one operator, which reads x once and writes once."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-5)


NORMS = {"layer in one": fused_layer, "layer by hand": layer_by_hand, "rms by hand": rms_by_hand}


def passes(work, *args: Tensor) -> float:
    """Bytes that the operators of work(*args) read and write, over the bytes of one operand."""
    with operations() as seen:
        work(*args)
    return seen.moved / (args[0].numel() * args[0].element_size())


RANGES = {
    "tokens": between(64, 1024),
    "width": between(128, 1024),
    "norm": one_of("layer in one", "layer by hand", "rms by hand"),
    "add": one_of("counted", "free"),
    "batch": between(2, 8),
    "channels": between(4, 32, multiple_of=4),
    "side": between(8, 32),
    "mode": one_of("eval", "train"),
    "way": one_of("one operator", "by hand"),
}


@breaks(norm="layer by hand", en="In separate operators every intermediate goes to memory and comes back.",
        zh="拆成多个算子，每个中间结果都要写回内存再读出来。")
@breaks(norm="rms by hand", en="Without the mean it is fewer operators, and still two and a half times a fused LayerNorm.",
        zh="省掉均值算子少了些，仍是融合的 LayerNorm 的两倍半。")
def claim_fusing_saves_more_than_leaving_out_the_mean(tokens=256, width=512, norm="layer in one"):
    """LayerNorm in one operator moves two passes of the tensor, one read and one write; RMSNorm in separate operators moves
    five, LayerNorm in separate ones six (no gain or bias).

    一个算子的 LayerNorm 只搬运张量两遍，读一遍、写一遍；拆成多个算子的 RMSNorm 要五遍，LayerNorm 要六遍（不带增益与 bias）。"""
    x = torch.randn(tokens, width)
    found = {name: passes(work, x) for name, work in NORMS.items()}
    show(bars(list(found), {"passes over the tensor": list(found.values())}))
    # Beside x one or two numbers per token: under 8/width of a pass.
    slack = 12 / width
    expect("passes over the tensor", found[norm], equals=2, within=slack)
    expect("RMSNorm in separate operators", found["rms by hand"], equals=5, within=slack)
    expect("F.rms_norm on a CPU", passes(lambda x: F.rms_norm(x, x.shape[-1:], eps=1e-5), x), equals=5, within=slack)
    expect("LayerNorm in separate operators", found["layer by hand"], equals=6, within=slack)
    z = x.clone().requires_grad_()
    y = fused_layer(z)
    backward = passes(lambda slope: torch.autograd.grad(y, z, slope), torch.randn_like(x))
    expect("LayerNorm's backward in one operator", backward, equals=3, within=slack)
    expect("by hand less in one", layer_by_hand(x) - fused_layer(x), equals=0, within=1e-4)


@breaks(add="free", en="The addition before the norm reads two tensors and writes one: it is the larger part.",
        zh="归一化之前的相加要读两个张量、写一个：它反而是大头。")
def claim_the_addition_before_costs_more_than_the_norm(tokens=256, width=512, add="counted"):
    """Residual addition and norm in two operators move five passes, of which the addition takes three; a kernel that does
    both and hands on the sum needs four.

    残差相加与归一化分作两个算子要搬运五遍，其中相加占三遍；一个 kernel 同时完成并交出和，只需四遍。"""
    x, branch = torch.randn(tokens, width), torch.randn(tokens, width)
    two = passes(lambda a, b: fused_layer(a + b), x, branch)
    norm_alone = passes(fused_layer, x)
    addition = two - norm_alone if add == "counted" else 0
    kernel = sum(t.numel() for t in (x, branch, x + branch, fused_layer(x + branch))) / x.numel()   # read two, write two
    show(bars(["addition", "norm", "both in one kernel"], {"passes over the tensor": [addition, norm_alone, kernel]}))
    expect("passes of the addition", addition, equals=3, within=12 / width)
    expect("passes of both operators", two, equals=5, within=12 / width)
    expect("passes of one kernel over those of two", kernel / two, equals=0.8, within=0.02)


@breaks(mode="train", en="Statistics of the batch are not known beforehand: nothing can be folded.",
        zh="batch 的统计量事先并不知道，无从并入。")
def claim_eval_batchnorm_folds_into_the_convolution(channels=8, mode="eval"):
    """In eval BatchNorm is a fixed affine map: scaled into the weights and the bias of the convolution before it, it costs
    nothing.

    推理模式下 BatchNorm 是固定的仿射变换：并入前面卷积的权重与 bias，就不花任何代价。"""
    conv = torch.nn.Conv2d(3, channels, 3, dtype=torch.float64)
    norm = torch.nn.BatchNorm2d(channels, dtype=torch.float64)
    norm.weight.data.uniform_(0.5, 2.0)
    norm.bias.data.normal_()
    for _ in range(3):
        norm(conv(torch.randn(4, 3, 8, 8, dtype=torch.float64)).detach())
    norm.train(mode == "train")
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    folded = F.conv2d(x, conv.weight * scale[:, None, None, None], (conv.bias - norm.running_mean) * scale + norm.bias)
    gap = (folded - norm(conv(x))).detach().abs().amax((0, 2, 3))
    show(bars([str(i) for i in range(channels)], {"largest difference": gap}))
    expect("folded convolution less convolution and norm", gap, equals=0, within=1e-10, at=("channel", range(channels)))


@breaks(way="by hand", en="Written in separate operators, the same InstanceNorm moves three times as much.",
        zh="同样的 InstanceNorm 拆成多个算子，搬运量是三倍。")
def claim_all_four_norms_read_and_write_once(batch=4, channels=16, side=16, way="one operator"):
    """On the same images BatchNorm, LayerNorm, InstanceNorm and GroupNorm each move two passes, one read and one write:
    more statistics are not more traffic.

    对同样的图像，BatchNorm、LayerNorm、InstanceNorm、GroupNorm 都只搬运两遍，读一遍、写一遍：统计量多，流量并不多。"""
    x = torch.randn(batch, channels, side, side)

    def by_hand(x: Tensor) -> Tensor:
        return layer_by_hand(x.flatten(2)).view_as(x)

    found = {"BatchNorm": passes(lambda x: F.batch_norm(x, None, None, training=True), x),
             "LayerNorm": passes(lambda x: F.layer_norm(x, x.shape[1:]), x),
             "InstanceNorm": passes(F.instance_norm if way == "one operator" else by_hand, x),
             "GroupNorm": passes(lambda x: F.group_norm(x, channels // 4), x)}
    show(bars(list(found), {"passes over the tensor": list(found.values())}))
    # Beside x two numbers per pair of statistics; InstanceNorm keeps the most pairs, one per sample and channel.
    expect("passes over the tensor", list(found.values()), equals=2, within=6 / side**2 + 1e-9, at=("norm", list(found)))
    expect("InstanceNorm by hand less torch's", by_hand(x) - F.instance_norm(x), equals=0, within=1e-4)


def drill_passes(rng) -> Drill:
    """Time of a norm that is bound by memory."""
    tokens, width, bandwidth = rng.choice([(1024, 4096, 2), (2048, 8192, 4), (4096, 4096, 2), (8192, 8192, 4), (4096, 8192, 2)])
    count = round(passes(fused_layer, torch.empty(8, 4096).normal_()))
    mega = tokens * width * 2 * count / 1e6
    us = mega / bandwidth
    return Drill(
        en=f"A fused norm runs over {tokens} tokens of width {width} in bf16 on a card with {bandwidth} TB/s. How many "
           f"microseconds does its traffic take at least?",
        zh=f"融合的归一化处理 {tokens} 个 token，宽 {width}，bf16，显存带宽 {bandwidth} TB/s。仅访存至少需要多少微秒？",
        answer=us, within=0.05 * us,
        steps=[(f"one read and one write: {count} · {tokens} · {width} · 2 bytes = {mega:.0f} MB",
                f"读一遍写一遍：{count} · {tokens} · {width} · 2 字节 = {mega:.0f} MB"),
               (f"{mega:.0f} MB / {bandwidth} TB/s = {us:.0f} µs", f"{mega:.0f} MB / {bandwidth} TB/s = {us:.0f} µs")],
        proved_by="fusing_saves_more_than_leaving_out_the_mean",
    )


ZH = {
    "layer in one": "LayerNorm，一个算子",
    "layer by hand": "LayerNorm，多个算子",
    "rms by hand": "RMSNorm，多个算子",
    "passes over the tensor": "搬运张量的遍数",
    "RMSNorm in separate operators": "多个算子的 RMSNorm",
    "F.rms_norm on a CPU": "CPU 上的 F.rms_norm",
    "LayerNorm in separate operators": "多个算子的 LayerNorm",
    "LayerNorm's backward in one operator": "一个算子的 LayerNorm 反向",
    "by hand less in one": "多个算子与一个算子之差",
    "addition": "相加",
    "norm": "归一化",
    "both in one kernel": "合为一个 kernel",
    "passes of the addition": "相加的遍数",
    "passes of both operators": "两个算子的遍数",
    "passes of one kernel over those of two": "一个 kernel 与两个算子的遍数之比",
    "largest difference": "最大差异",
    "folded convolution less convolution and norm": "并入后的卷积与卷积加归一化之差",
    "channel": "通道",
    "InstanceNorm by hand less torch's": "多个算子的 InstanceNorm 与 torch 之差",
}

if __name__ == "__main__":
    main()
