r"""Each sub-layer of a pre-norm Transformer adds to a residual stream; post-norm rescales it.

pre-norm Transformer 的每个子层都往残差流上加；post-norm 则每次重新缩放它。

Vaswani et al. 2017, §3.1; Xiong et al. 2020. Turn `norm` to "post": the sum of what the sub-layers
write is no longer the output, and layers that write nothing still change the stream.
把 `norm` 改为 "post"：各子层所写之和不再等于输出，什么也不写的层也会改变残差流。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64
Layer = nn.TransformerEncoderLayer


def attend(h: Tensor, layer: Layer) -> Tensor:
    """Multi-head self-attention with the weights of the layer, (tokens, width) to the same."""
    return layer.self_attn(h, h, h, need_weights=False)[0]


def feed_forward(h: Tensor, layer: Layer) -> Tensor:
    """Two linear maps and a GELU, on each token alone."""
    return layer.linear2(F.gelu(layer.linear1(h)))


@exercise(claims=("the_block_is_pytorchs", "sublayer_outputs_add_up"),
          wrong=("norms_the_stream", "runs_in_parallel", "forgets_a_skip"))
def pre_norm_block(x: Tensor, layer: Layer) -> Tensor:
    """One pre-norm block on x (tokens, width): attention, then FFN, by `attend` and `feed_forward`;
    the norms are layer.norm1 and layer.norm2.

    对 x (tokens, width) 做一个 pre-norm 块：先注意力，后 FFN，用 `attend` 与 `feed_forward`；归一化为
    layer.norm1 与 layer.norm2。"""
    x = x + attend(layer.norm1(x), layer)
    return x + feed_forward(layer.norm2(x), layer)


def post_norm_block(x: Tensor, layer: Layer) -> Tensor:
    """The block of 2017: the norm stands on the stream, after the addition."""
    x = layer.norm1(x + attend(x, layer))
    return layer.norm2(x + feed_forward(x, layer))


BLOCKS = {"pre": pre_norm_block, "post": post_norm_block}

RANGES = {
    "tokens": between(2, 32),
    "width": between(8, 64, multiple_of=4),
    "layers": between(1, 6),
    "norm": one_of("pre", "post"),
}
POST = breaks(norm="post", en="A post-norm block normalises the sum, the stream included.",
              zh="post-norm 块对相加之后的整个流做归一化。")


def stack(width: int, layers: int, norm: str) -> list[Layer]:
    """PyTorch's layers without dropout, in float64."""
    return [Layer(width, 4, 2 * width, 0.0, F.gelu, norm_first=norm == "pre", dtype=F64)
            for _ in range(layers)]


def claim_the_block_is_pytorchs(tokens=8, width=32, layers=3, norm="pre"):
    """The blocks written out are nn.TransformerEncoderLayer with norm_first true and false.

    写出的两种块就是 norm_first 为真与为假的 nn.TransformerEncoderLayer。"""
    x, gaps, curves = torch.randn(tokens, width, dtype=F64), [], {}
    for kind in dict.fromkeys((norm, *BLOCKS)):
        ours = theirs = x
        curves[f"{kind}-norm"] = [x.norm(dim=1).mean()]
        for layer in stack(width, layers, kind):
            ours, theirs = BLOCKS[kind](ours, layer), layer(theirs)
            curves[f"{kind}-norm"].append(ours.norm(dim=1).mean().detach())
        gaps.append((ours - theirs).abs().amax(0).detach())
    show(lines("layers", range(layers + 1), curves, y_label="mean norm of a token"))
    expect("output less PyTorch's", torch.stack(gaps), equals=0, within=1e-11)   # 1e-16 of size 10


@POST
def claim_sublayer_outputs_add_up(tokens=8, width=32, layers=4, norm="pre"):
    """The output of a pre-norm stack is its input plus what every attention and FFN wrote.

    pre-norm 网络的输出，等于输入加上每个注意力与 FFN 所写之和。"""
    x, written = torch.randn(tokens, width, dtype=F64), []
    blocks = stack(width, layers, norm)
    for layer in blocks:
        layer.self_attn.register_forward_hook(lambda _m, _i, out: written.append(out[0]))
        layer.linear2.register_forward_hook(lambda _m, _i, out: written.append(out))
    out = x
    for layer in blocks:
        out = BLOCKS[norm](out, layer)
    sizes = torch.stack(written).norm(dim=-1).mean(1).detach()
    show(lines("sub-layer", range(1, 2 * layers + 1), {"norm of what is written": sizes}))
    expect("output less input and all that was written",
           (out - x - torch.stack(written).sum(0)).abs().max(), equals=0, within=1e-11)


@POST
def claim_silent_sublayers_leave_the_identity(tokens=8, width=32, layers=4, norm="pre"):
    """With output projections at zero a pre-norm stack is the identity.

    输出投影全为零时，pre-norm 网络就是恒等映射。"""
    x, blocks = 3 * torch.randn(tokens, width, dtype=F64), stack(width, layers, norm)
    for layer in blocks:
        for linear in (layer.self_attn.out_proj, layer.linear2):
            nn.init.zeros_(linear.weight), nn.init.zeros_(linear.bias)
    out, lengths = x, [x.norm(dim=-1).mean()]
    for layer in blocks:
        out = BLOCKS[norm](out, layer)
        lengths.append(out.norm(dim=-1).mean().detach())
    show(lines("layers", range(layers + 1), {"mean norm of a token": lengths}))
    expect("output less input", (out - x).abs().max(), equals=0)


ZH = {
    "pre-norm": "pre-norm", "post-norm": "post-norm", "output less PyTorch's": "输出与 PyTorch 之差",
    "sub-layer": "子层", "norm of what is written": "所写向量的模长",
    "output less input and all that was written": "输出减去输入及全部所写之和",
    "layers": "层数", "mean norm of a token": "token 的平均模长", "output less input": "输出减输入",
}

if __name__ == "__main__":
    main()
