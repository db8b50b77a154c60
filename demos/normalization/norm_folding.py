r"""A pre-norm network with LayerNorm is one with RMSNorm: gain and centring fold into the matrices around.

使用 LayerNorm 的 pre-norm 网络就是一个 RMSNorm 网络：增益与去均值都能并入前后的矩阵。

Jiang et al. 2023 (Pre-RMSNorm); Ashkboos et al. 2024 (SliceGPT). Turn `place` to "post": the norm itself
then writes into the stream, with a mean that nothing took out. 把 `place` 改为 "post"：此时归一化自己写入残差流，
带着没有去掉的均值。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show


def centre(w: Tensor) -> Tensor:
    """Take from every row of a matrix (inputs, width) that writes into the stream, or from a bias
    (width,), its mean over the width: what it writes then has mean 0."""
    return w - w.mean(-1, keepdim=True)


def fold(gain: Tensor, bias: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The gain and bias (width,) of a norm inside the layer x w + b that reads it; w (width, outputs)."""
    return gain[:, None] * w, b + bias @ w


def network(embedded: Tensor, blocks: list, norm, place: str) -> Tensor:
    """A residual stack of two-matrix ReLU branches; each block is (gain, bias, w1, b1, w2, b2)."""
    h = embedded                                                        # (tokens, width)
    for gain, bias, w1, b1, w2, b2 in blocks:
        read = norm(h, gain, bias) if place == "pre" else h
        h = h + (read @ w1 + b1).relu() @ w2 + b2
        h = norm(h, gain, bias) if place == "post" else h
    return F.layer_norm(h, h.shape[-1:], eps=1e-5)                      # what the readout sees


def layer(h, gain, bias):
    return F.layer_norm(h, h.shape[-1:], gain, bias, eps=1e-5)


def rms(h, gain, bias):
    return F.rms_norm(h, h.shape[-1:], gain, eps=1e-5) + bias


RANGES = {
    "tokens": between(1, 32),
    "width": between(8, 64),
    "blocks": between(2, 12),
    "place": one_of("pre", "post"),
    "writers": one_of("centred", "as they are"),
    "into": one_of("reader", "writer"),
}


def drawn(blocks: int, width: int) -> list:
    """Blocks with gains from 0.5 to 1.5 and biases, in float64."""
    def r(*shape):
        return torch.randn(*shape, dtype=torch.float64)
    return [(1 + r(width).tanh() / 2, 0.3 * r(width), r(width, 2 * width) / width**0.5, 0.3 * r(2 * width),
             r(2 * width, width) / width**0.5, 0.3 * r(width)) for _ in range(blocks)]


@breaks(place="post", en="Post-norm writes γ·x̂ + β into the stream, whose mean is not 0.",
        zh="post-norm 把 γ·x̂ + β 写入残差流，均值不为 0。")
@breaks(writers="as they are", en="Uncentred, the embedding and the branches write a mean that RMSNorm keeps.",
        zh="嵌入与各分支不去均值，写入的均值会被 RMSNorm 留下。")
def claim_pre_ln_is_pre_rmsnorm(tokens=8, width=32, blocks=6, place="pre", writers="centred"):
    """If embedding and branches write nothing along the all-ones direction, LayerNorm may be swapped for
    RMSNorm in a pre-norm net: the function is the same to rounding.

    只要嵌入与各分支写入残差流的内容均值为 0，pre-norm 网络里的 LayerNorm 就能换成 RMSNorm：函数不变，只差舍入。"""
    embedded, stack = torch.randn(tokens, width, dtype=torch.float64) + 0.5, drawn(blocks, width)
    take = centre if writers == "centred" else lambda w: w
    moved = [(g, b, w1, b1, take(w2), take(b2)) for g, b, w1, b1, w2, b2 in stack]
    gaps = {where: [(network(take(embedded), moved[:depth], rms, where)
                     - network(embedded, stack[:depth], layer, where)).abs().max()
                    for depth in range(1, blocks + 1)] for where in ("pre", "post")}
    show(lines("blocks", range(1, blocks + 1), {f"{where}-norm": gap for where, gap in gaps.items()},
               y_label="largest difference"))
    # float64: rounding of 1e-16 times the growth of a difference through 12 blocks, under 1e3.
    expect("RMSNorm net less LayerNorm net", gaps[place], equals=0, within=1e-10, at=("blocks", range(1, blocks + 1)))
    # The first post-norm adds β of 0.3: one block later its mean has not been taken out.
    expect("the same swap in a post-norm net of two blocks and more", gaps["post"][1:], at_least=0.01)


@breaks(into="writer", en="Before the norm a gain changes the RMS as well: the norm undoes part of it.",
        zh="在归一化之前乘增益会连 RMS 一起改变：归一化又抵消掉一部分。")
def claim_gain_folds_into_the_reader(tokens=8, width=32, into="reader"):
    """Gain and bias of a norm fold into the matrix that reads it, not into the one that writes its input.

    归一化的增益与 bias 可以并入读取它的矩阵，而不能并入写它输入的矩阵。"""
    (gain, bias, w1, b1, *_), = drawn(1, width)
    source, w0 = torch.randn(tokens, width, dtype=torch.float64), torch.randn(width, width, dtype=torch.float64)
    expected = layer(source @ w0, gain, bias) @ w1 + b1
    w, b = fold(gain, bias, w1, b1)
    ways = {"reader": layer(source @ w0, None, None) @ w + b,
            "writer": layer(source @ (w0 * gain), None, None) @ w1 + bias @ w1 + b1}
    off = {name: (y - expected).abs().amax(1) for name, y in ways.items()}
    show(lines("token", range(tokens), {f"into the {name}": gap for name, gap in off.items()},
               y_label="largest difference"))
    expect("output with the gain folded in, less the output before", ways[into] - expected, equals=0, within=1e-11)
    # Gains of 0.5 to 1.5 change the RMS by a tenth or so; outputs are of size 1.
    expect("largest difference with the gain folded into the writer", off["writer"].max(), at_least=0.01)


ZH = {
    "blocks": "block 数",
    "largest difference": "最大差异",
    "pre-norm": "pre-norm",
    "post-norm": "post-norm",
    "the same swap in a post-norm net of two blocks and more": "post-norm 网络（两块以上）里同样替换",
    "into the reader": "并入读取的矩阵",
    "into the writer": "并入写入的矩阵",
    "largest difference with the gain folded into the writer": "并入写入的矩阵时的最大差异",
    "RMSNorm net less LayerNorm net": "RMSNorm 网络与 LayerNorm 网络之差",
    "output with the gain folded in, less the output before": "并入增益后的输出与之前之差",
}

if __name__ == "__main__":
    main()
