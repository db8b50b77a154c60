r"""Two edits of the input, a shift and a scale, tell from outside which norm a block has and where it stands.

对输入做两种改动：平移与缩放，从外部就能看出一个块用的是哪种归一化、放在哪里。

Zhang & Sennrich 2019 for the invariances. Guess first which blocks give the same update at every scale. Turn `kind` to
"rms": RMSNorm lets the shift through. 先猜哪些块在任何尺度下更新都相同。把 `kind` 改为 "rms"：平移会透过 RMSNorm。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, expect, heatmap, main, one_of, show, table
from studyapp.evidence.tools import named_model

NORMS = {"layer": F.layer_norm, "rms": F.rms_norm}


def block(x: Tensor, ws: Tensor, kind: str, place: str) -> Tensor:
    """One SwiGLU sublayer on the stream x (tokens, width), gains of 1 and ε of almost 0; ws (3, width, width)."""
    def norm(h: Tensor) -> Tensor:
        return NORMS[kind](h, h.shape[-1:], eps=1e-12)

    def branch(h: Tensor) -> Tensor:
        return (F.silu(h @ ws[0]) * (h @ ws[1])) @ ws[2]

    if place == "post":
        return norm(x + branch(x))
    update = branch(norm(x) if place in ("pre", "sandwich") else x)
    return x + (norm(update) if place in ("inside", "sandwich") else update)


def fingerprint(black_box, x: Tensor) -> dict[str, float]:
    """What edits of x (tokens, width) show of a block, whose weights are not looked at."""
    size = x.square().mean().sqrt()
    update, scaled, shifted = (black_box(y) - y for y in (x, 8 * x, x + size))
    return {"shift changes the update": ((shifted - update).norm() / update.norm()).item(),
            "scale changes the update": ((scaled - update).norm() / update.norm()).item(),
            "RMS of the update at 8x": scaled.square().mean().sqrt().item(),
            "RMS of the output at 8x": (scaled + 8 * x).square().mean().sqrt().item()}


def drawn(tokens: int, width: int) -> tuple[Tensor, Tensor]:
    """Tokens of RMS about 1.4 and the matrices of a branch."""
    return (2**0.5 * torch.randn(tokens, width, dtype=torch.float64),
            torch.randn(3, width, width, dtype=torch.float64) / width**0.5 * 1.5)


def llama_parameters(model, bias: bool) -> int:
    """Numbers in a LLaMA of so many layers, with untied embeddings, if its norms had a bias or not."""
    d, layers = model["width"], model["layers"]
    return (2 * model["vocabulary"] * d + layers * (4 * d * d + 3 * d * model["ffn"]["d_ff"])
            + (2 * layers + 1) * d * (2 if bias else 1))


RANGES = {
    "tokens": between(8, 32),
    "width": between(32, 128),
    "kind": one_of("layer", "rms"),
    "place": one_of("pre", "post", "inside", "sandwich"),
}
PLACES = ("pre", "post", "inside", "sandwich")


@breaks(kind="rms", en="RMSNorm does not subtract the mean: a shift of the token changes what the branch reads.",
        zh="RMSNorm 不减均值：平移 token 会改变分支读到的内容。")
@breaks(place="inside", en="Without a norm at the input the branch sees every shift, whatever norm follows.",
        zh="输入处没有归一化，分支看得到任何平移，与后面用哪种归一化无关。")
def claim_a_shift_tells_layernorm_from_rmsnorm(tokens=16, width=64, kind="layer", place="pre"):
    """Add a constant to all features of a token: behind a LayerNorm at its input a branch writes the same update, behind
    an RMSNorm another.

    给 token 的全部特征加同一个常数：输入处是 LayerNorm 的分支写出同样的更新，是 RMSNorm 的则不同。"""
    x, ws = drawn(tokens, width)
    seen = [[fingerprint(lambda y, k=k, p=p: block(y, ws, k, p), x)["shift changes the update"] for p in PLACES]
            for k in NORMS]
    show(heatmap(seen, x=list(PLACES), y=["LayerNorm", "RMSNorm"], title="change of the update by a shift"))
    found = fingerprint(lambda y: block(y, ws, kind, place), x)
    expect("change of the update by a shift", found["shift changes the update"], equals=0, within=1e-9)
    expect("the same with RMSNorm at the input", seen[1][0], at_least=0.3)


@breaks(place="pre", en="Nothing bounds what a pre-norm branch writes: its update keeps the size the weights give it.",
        zh="没有什么限制 pre-norm 分支写出的大小：更新有多大由权重决定。")
@breaks(place="inside", en="The branch reads the raw stream: at another scale it writes another direction.",
        zh="分支读的是未归一化的流：换一个尺度，写出的方向就不同。")
@breaks(place="post", en="Post-norm bounds the whole output, not the update.", zh="post-norm 限制的是整个输出，而不是更新。")
def claim_a_scale_tells_where_the_norm_stands(tokens=16, width=64, kind="rms", place="sandwich"):
    """Make a token eight times as large: a norm at the input gives the same update, one at the output an update of RMS 1, a
    sandwich both; post-norm gives an output of RMS 1.

    把 token 放大到八倍：输入处有归一化，更新不变；输出处有，更新的 RMS 为 1；sandwich 两者都成立；post-norm 则是输出的 RMS 为 1。"""
    x, ws = drawn(tokens, width)
    seen = {p: fingerprint(lambda y, p=p: block(y, ws, kind, p), x) for p in PLACES}
    show(table(["place", *list(seen["pre"])[1:]],
               [[p, *(f"{v:.3g}" for v in list(row.values())[1:])] for p, row in seen.items()]))
    expect("change of the update by a scale", seen[place]["scale changes the update"], equals=0, within=1e-9)
    expect("RMS of the update at eight times the size", seen[place]["RMS of the update at 8x"], equals=1, within=1e-6)
    expect("change of the update by a scale in pre-norm", seen["pre"]["scale changes the update"], equals=0, within=1e-9)
    expect("RMS of the update with the norm inside", seen["inside"]["RMS of the update at 8x"], equals=1, within=1e-6)
    expect("change of the direction with the norm inside", seen["inside"]["scale changes the update"], at_least=0.1)
    expect("RMS of the output in post-norm", seen["post"]["RMS of the output at 8x"], equals=1, within=1e-6)


@breaks(bias=True, en="With a bias in its 65 norms the model would have 266,240 numbers more than published.",
        zh="若 65 个归一化都有 bias，就比公布的参数量多 266,240。")
def claim_a_count_excludes_the_bias_and_no_more(width=64, bias=False):
    """LLaMA-7B's 6,738,415,616 numbers leave no room for biases of its 65 norms. That does not make them RMSNorms: a LayerNorm
    without bias has as many.

    LLaMA-7B 的 6,738,415,616 个参数容不下 65 个归一化的 bias。但这并不说明它们是 RMSNorm：无 bias 的 LayerNorm 参数一样多。"""
    model = named_model("llama-7b")
    counts = {has: llama_parameters(model, has) for has in (False, True)}
    show(table(["bias in the norms", "numbers"], [[str(has), f"{n:,}"] for has, n in counts.items()]))
    expect("numbers, less the 6,738,415,616 published", counts[bias] - 6_738_415_616, equals=0)
    expect("numbers of LayerNorm without bias, less RMSNorm's",
           sum(p.numel() for p in torch.nn.LayerNorm(width, bias=False).parameters())
           - sum(p.numel() for p in torch.nn.RMSNorm(width).parameters()), equals=0)


def drill_norm_biases(rng) -> Drill:
    """What biases in the norms would add."""
    layers, width = rng.choice([(32, 4096), (40, 5000), (24, 1000), (80, 8000), (12, 2000), (28, 3000)])
    n = (2 * layers + 1) * width
    return Drill(
        en=f"A LLaMA-style decoder has {layers} layers of width {width}. How many parameters would biases in all its stream norms add?",
        zh=f"一个 LLaMA 式 decoder 有 {layers} 层，宽 {width}。若残差流上的全部归一化都带 bias，增加多少参数？",
        answer=n, within=0,
        steps=[(f"two norms a layer and one at the end: 2·{layers} + 1 = {2 * layers + 1}",
                f"每层两个，末端一个：2·{layers} + 1 = {2 * layers + 1}"),
               (f"{2 * layers + 1} · {width} = {n:,}", f"{2 * layers + 1} · {width} = {n:,}")],
        proved_by="a_count_excludes_the_bias_and_no_more",
    )


ZH = {
    "change of the update by a shift": "平移对更新的改变",
    "the same with RMSNorm at the input": "输入处为 RMSNorm 时",
    "pre": "pre",
    "post": "post",
    "inside": "inside",
    "sandwich": "sandwich",
    "place": "位置",
    "scale changes the update": "缩放对更新的改变",
    "RMS of the update at 8x": "8 倍时更新的 RMS",
    "RMS of the output at 8x": "8 倍时输出的 RMS",
    "change of the update by a scale": "缩放对更新的改变",
    "RMS of the update at eight times the size": "放大到八倍时更新的 RMS",
    "change of the update by a scale in pre-norm": "pre-norm 中缩放对更新的改变",
    "RMS of the update with the norm inside": "inside 时更新的 RMS",
    "change of the direction with the norm inside": "inside 时方向的改变",
    "RMS of the output in post-norm": "post-norm 输出的 RMS",
    "bias in the norms": "归一化带 bias",
    "numbers": "参数个数",
    "numbers, less the 6,738,415,616 published": "参数个数与公布的 6,738,415,616 之差",
    "numbers of LayerNorm without bias, less RMSNorm's": "无 bias 的 LayerNorm 与 RMSNorm 参数个数之差",
}

if __name__ == "__main__":
    main()
