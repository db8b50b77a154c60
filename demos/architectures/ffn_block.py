r"""The FFN: each token alone goes up to h hidden units, through ReLU, and down to the width again.

FFN：每个 token 各自升到 h 个隐藏单元，经 ReLU，再降回原宽度。

Vaswani et al. 2017, §3.3; as key–value memory: Geva et al. 2021. Turn `reads` to "attention": it reads
the residual stream, normed, and not what attention put out.
把 `reads` 改为 "attention"：它读的是（归一化后的）残差流，不是注意力的输出。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    heatmap,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import flops, named_model


@exercise(
    claims=("equals_torchs_layer", "tokens_are_never_mixed"),
    wrong=("leaves_out_relu", "puts_relu_last", "forgets_a_bias", "mixes_tokens"),
)
def ffn(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """The feed-forward block with ReLU; x and the output are (tokens, width), w1 is (hidden, width),
    b1 (hidden,), w2 (width, hidden), b2 (width,).

    用 ReLU 的前馈块；x 与输出为 (tokens, width)，w1 为 (hidden, width)，b1 为 (hidden,)，w2 为 (width, hidden)，
    b2 为 (width,)。"""
    hidden = (x @ w1.T + b1).relu()                                           # (tokens, hidden)
    return hidden @ w2.T + b2                                                 # (tokens, width)


def linear(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """The wrong way: no activation between the matrices."""
    return (x @ w1.T + b1) @ w2.T + b2


WAYS = {"relu": ffn, "none": linear}


def weights(width: int, hidden: int) -> list[Tensor]:
    """w1, b1, w2, b2 at random, in float64."""
    shapes = ((hidden, width), (hidden,), (width, hidden), (width,))
    return [torch.randn(shape, dtype=torch.float64) / shape[-1] ** 0.5 for shape in shapes]


RANGES = {
    "width": between(4, 64, multiple_of=4),
    "expansion": between(2, 8),
    "tokens": between(2, 32),
    "activation": one_of("relu", "none"),
    "reads": one_of("residual", "attention"),
    "along": one_of("width", "tokens"),
    "matrices": between(1, 3),
    "attention": one_of("as configured", "MHA"),
}
NO_ACTIVATION = breaks(activation="none", en="Without ReLU it is another function: one linear map.",
                       zh="没有 ReLU 就成了另一个函数：一个线性映射。")


@NO_ACTIVATION
@breaks(reads="attention", en="Fed with attention's output alone, it misses what the residual carries.",
        zh="若只读注意力的输出，就丢了残差流里的内容。")
def claim_equals_torchs_layer(width=16, expansion=4, tokens=8, activation="relu", reads="residual"):
    """In torch's pre-norm layer the FFN reads the normed residual stream, input plus attention, and
    its output is added to the stream.

    torch 的 pre-norm 层里，FFN 读的是归一化后的残差流（输入加注意力），输出再加回残差流。"""
    layer = nn.TransformerEncoderLayer(width, 4, expansion * width, 0.0, norm_first=True,
                                       batch_first=True, dtype=torch.float64)
    x = torch.randn(1, tokens, width, dtype=torch.float64)
    attended = layer.self_attn(*[layer.norm1(x)] * 3, need_weights=False)[0]
    stream = x + attended
    read = layer.norm2(stream if reads == "residual" else attended)[0]
    up, down = layer.linear1, layer.linear2
    out = stream[0] + WAYS[activation](read, up.weight, up.bias, down.weight, down.bias)
    gap = (out - layer(x)[0]).abs().amax(1)
    show(bars([f"token {t}" for t in range(tokens)], {"largest difference": gap}))
    # float64: sums of up to 512 terms of size 1
    expect("by hand less torch's layer", gap, equals=0, within=1e-12)


@breaks(along="tokens", en="Applied along the tokens, as in an MLP-Mixer, it does mix them.",
        zh="若沿 token 这一维做（如 MLP-Mixer），就会混合。")
def claim_tokens_are_never_mixed(width=8, expansion=4, tokens=6, along="width"):
    """No output of the FFN depends on another token: only attention moves information between
    positions.

    FFN 的任何输出都不依赖别的 token：在位置之间传递信息的只有注意力。"""
    w = weights(width if along == "width" else tokens, expansion * width)

    def block(x: Tensor) -> Tensor:
        return ffn(x, *w) if along == "width" else ffn(x.T, *w).T

    x = torch.randn(tokens, width, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(block, x)           # (tokens, width, tokens, width)
    size = slopes.abs().amax((1, 3))                                # (tokens, tokens)
    show(heatmap(size, x_label="input token", y_label="output token"))
    expect("slope on other tokens", size - size.diag().diag(), equals=0)
    expect("tokens that depend on themselves", int((size.diag() > 0).sum()), at_least=1)


@breaks(matrices=3, en="A third matrix of the same width, a gate, makes it 12d².",
        zh="再加一个同宽的矩阵（门），就是 12d²。")
def claim_weights_are_8d2_and_flops_16d2(width=16, tokens=8, matrices=2):
    """With h = 4d the FFN has 8d² weights and 5d biases, and costs 16d² FLOPs per token forward.

    h = 4d 时，FFN 有 8d² 个权重、5d 个偏置，前向每 token 花 16d² FLOPs。"""
    hidden, x = 4 * width, torch.randn(tokens, width, dtype=torch.float64)
    w1, b1, w2, b2 = weights(width, hidden)
    gate = torch.randn(hidden, width, dtype=torch.float64)

    def gated() -> Tensor:
        return ((x @ w1.T) * (x @ gate.T).relu()) @ w2.T

    spent = flops(gated) if matrices == 3 else flops(ffn, x, w1, b1, w2, b2)
    held = w1.numel() + w2.numel() + (gate.numel() if matrices == 3 else 0)
    show(bars(["weights", "FLOPs per token"], {"counted": [held, spent / tokens]}))
    expect("weights over d²", held / width**2, equals=8)
    expect("biases over d", (b1.numel() + b2.numel()) / width, equals=5)
    expect("FLOPs per token over d²", spent / tokens / width**2, equals=16)


@NO_ACTIVATION
def claim_each_hidden_unit_is_a_memory(width=16, expansion=4, tokens=32, activation="relu"):
    """Another value for one hidden unit changes only the tokens whose dot product with its key
    exceeds 0, each along that value.

    改动一个隐藏单元的 value，只影响与其 key 点积大于 0 的 token，且只沿该 value 的方向改变。"""
    w1, b1, w2, b2 = weights(width, expansion * width)
    x, change = torch.randn(tokens, width, dtype=torch.float64), torch.randn(width, dtype=torch.float64)
    fires = (x @ w1[0] + b1[0]).relu()                                        # (tokens,)
    edited = w2.clone()
    edited[:, 0] += change
    moved = WAYS[activation](x, w1, b1, edited, b2) - WAYS[activation](x, w1, b1, w2, b2)
    show(bars([f"{t}" for t in range(tokens)], {"score of the key": fires, "change": moved.norm(dim=1)},
              y_label="by token"))
    # float64, sums of 4 · 64 terms of size 1
    expect("change less score times the change of the value", moved - fires[:, None] * change,
           equals=0, within=1e-12)


@breaks(attention="MHA", en="With a KV head for each query head the FFN's share in Llama-3-8B is 72 %.",
        zh="若每个 query 头各有 KV 头，Llama-3-8B 中 FFN 的占比是 72%。")
def claim_share_of_the_layer(attention="as configured"):
    """The FFN holds two thirds of a layer's matrices with MHA and 4d, but 81 % in Llama-3-8B and 97 % in
    Mixtral 8x7B.

    MHA 加 4d 时，FFN 占一层矩阵的三分之二；Llama-3-8B 是 81%，Mixtral 8x7B 是 97%。"""
    shares = {}
    for name in ("gpt-2", "llama-3-8b", "mixtral-8x7b"):
        row, experts = named_model(name), named_model(name).get("experts")
        kv = row["heads"] if attention == "MHA" else row["kv_heads"]
        mixing = 2 * row["width"] * row["d_head"] * (row["heads"] + kv)
        copies, hidden = (experts["total"], experts["d_expert"]) if experts else (1, row["ffn"]["d_ff"])
        feeding = copies * (2 if row["ffn"]["kind"] == "gelu" else 3) * row["width"] * hidden
        shares[row["name"]] = feeding / (mixing + feeding)
    show(bars(list(shares), {"percent of a layer's matrices": [100 * s for s in shares.values()]}))
    row = named_model("gpt-2")
    expect("GPT-2's inner width over its width", row["ffn"]["d_ff"] / row["width"], equals=4)
    percent = [100 * s for s in shares.values()]
    expect("percent, GPT-2, Llama-3-8B and Mixtral", percent, equals=[200 / 3, 81, 97], within=0.5)


def drill_ffn_weights(rng) -> Drill:
    """Weights of an FFN, with two or three matrices."""
    width, matrices = rng.choice((500, 1000, 2000, 4000)), rng.choice((2, 3))
    hidden = width * rng.choice((2, 3, 4))
    held = matrices * torch.empty(hidden, width, device="meta").numel()
    kind = ("A gated FFN without biases", "无偏置的门控 FFN") if matrices == 3 else (
        "An FFN of two matrices without biases", "无偏置、两个矩阵的 FFN")
    return Drill(
        en=f"{kind[0]} has width {width} and {hidden} hidden units. How many million weights?",
        zh=f"{kind[1]}，宽 {width}，隐藏单元 {hidden} 个。共有多少百万（M）个权重？",
        answer=held / 1e6, unit="M",
        steps=[(f"{matrices} · {width} · {hidden} = {held / 1e6:g} M",) * 2],
        proved_by="weights_are_8d2_and_flops_16d2",
    )


ZH = {
    "token {}": "token {}",
    "largest difference": "最大差异",
    "by hand less torch's layer": "手写结果与 torch 的层之差",
    "input token": "输入 token",
    "output token": "输出 token",
    "slope on other tokens": "对其他 token 的斜率",
    "tokens that depend on themselves": "依赖自身的 token 数",
    "weights": "权重数",
    "counted": "实测",
    "FLOPs per token": "每 token FLOPs",
    "weights over d²": "权重数与 d² 之比",
    "biases over d": "偏置数与 d 之比",
    "FLOPs per token over d²": "每 token FLOPs 与 d² 之比",
    "score of the key": "key 的得分",
    "change": "改变量",
    "by token": "逐 token",
    "change less score times the change of the value": "改变量与「得分 × value 的改动」之差",
    "GPT-2 small": "GPT-2 small",
    "percent of a layer's matrices": "占一层矩阵的百分比",
    "GPT-2's inner width over its width": "GPT-2 的内层宽度与宽度之比",
    "percent, GPT-2, Llama-3-8B and Mixtral": "GPT-2、Llama-3-8B 与 Mixtral 的百分比",
}

if __name__ == "__main__":
    main()
