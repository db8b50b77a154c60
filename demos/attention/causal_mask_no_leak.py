r"""Under a causal mask no position sees what it must predict, through any number of layers.

有了因果掩码，无论多少层，任何位置都看不到自己要预测的内容。

Vaswani et al. 2017, §3.2.3. `ahead` is how far beyond itself a position may look: 0 is causal. Turn
it to 1: every layer leaks one future token more. At −1 the first query would have no key.
`ahead` 是一个位置能往后多看几个：0 就是因果。改为 1：每多一层就多泄露一个未来的 token。若是 −1，第一个 query
就没有 key 可看。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, each, exercise, expect, heatmap, lines, main, show, table

F64 = torch.float64


@exercise(claims=("the_layers_are_pytorchs", "jacobian_is_lower_triangular"),
          wrong=("looks_one_ahead", "hides_itself", "masks_the_past"))
def visible(tokens: int) -> Tensor:
    """The causal mask (tokens, tokens): True where query i (row) may look at key j (column).

    因果掩码 (tokens, tokens)：第 i 个 query（行）可以看第 j 个 key（列）处为 True。"""
    return torch.ones(tokens, tokens, dtype=torch.bool).tril()


def seen(tokens: int, ahead: int) -> Tensor:
    """`visible`, or moved by `ahead` keys."""
    return (
        visible(tokens) if ahead == 0 else torch.ones(tokens, tokens, dtype=torch.bool).tril(ahead)
    )


def layer(x: Tensor, block: nn.TransformerEncoderLayer, ahead: int) -> Tensor:
    """One pre-norm layer on x (tokens, width) with PyTorch's weights, the attention written out."""
    own, h = block.self_attn, block.norm1(x)
    q, k, v = F.linear(h, own.in_proj_weight, own.in_proj_bias).unflatten(-1, (3, own.num_heads, -1)).permute(1, 2, 0, 3)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5                # (heads, tokens, tokens)
    p = scores.masked_fill(~seen(len(x), ahead), -torch.inf).softmax(-1)
    x = x + own.out_proj((p @ v).transpose(0, 1).flatten(1))
    return x + block.linear2(block.activation(block.linear1(block.norm2(x))))


def stack(x: Tensor, blocks: list[nn.TransformerEncoderLayer], ahead: int = 0) -> Tensor:
    """All layers, (tokens, width)."""
    for block in blocks:
        x = layer(x, block, ahead)
    return x


RANGES = {
    "tokens": between(4, 32),
    "width": between(8, 64, multiple_of="heads"),
    "heads": between(1, 4),
    "layers": between(1, 3),
    "depths": each(between(1, 3), at_most=3, rising=True),
    "ahead": between(0, 32),
}
ONE_AHEAD = breaks(ahead=1, en="Each layer then hands on one token of the future.",
                   zh="那样每一层都会传来一个未来的 token。")
BIDIRECTIONAL = breaks(ahead=32, en="With every key visible each position sees the whole sequence.",
                       zh="所有 key 都可见，每个位置就看得到整条序列。")


def model(width: int, heads: int, layers: int) -> list[nn.TransformerEncoderLayer]:
    """Layers as PyTorch initialises them, without dropout."""
    return [nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, F.gelu, batch_first=True,
                                       norm_first=True, dtype=F64)
            for _ in range(layers)]


def influence(x: Tensor, blocks: list[nn.TransformerEncoderLayer], ahead: int) -> Tensor:
    """(tokens, tokens): |d of a random combination of output i / d input j|, 0 exactly where
    none."""
    x = x.detach().requires_grad_()
    out = (stack(x, blocks, ahead) @ torch.randn(x.shape[1], dtype=F64)).unbind()
    return torch.stack([torch.autograd.grad(o, x, retain_graph=True)[0].norm(dim=1) for o in out])


def claim_the_layers_are_pytorchs(tokens=10, width=32, heads=2, layers=2):
    """The written-out layers with this mask are nn.TransformerEncoderLayer with PyTorch's causal
    mask.

    按此掩码写出的各层，就是用 PyTorch 因果掩码的 nn.TransformerEncoderLayer。"""
    x, blocks = torch.randn(tokens, width, dtype=F64), model(width, heads, layers)
    mask, theirs = nn.Transformer.generate_square_subsequent_mask(tokens, dtype=F64), x[None]
    for block in blocks:
        theirs = block(theirs, src_mask=mask)
    show(heatmap(seen(tokens, 0).float(), x_label="key", y_label="query", title="what may be seen"))
    # float64 keeps 1e-16 of numbers of size 10
    expect("output less PyTorch's", (stack(x, blocks) - theirs[0]).abs().max(), equals=0,
           within=1e-11)


@ONE_AHEAD
@BIDIRECTIONAL
def claim_jacobian_is_lower_triangular(tokens=10, width=32, heads=2, layers=2, ahead=0):
    """d output i / d input j is exactly zero for j > i and not zero for j ≤ i: a position sees
    itself and all before it.

    输出 i 对输入 j 的导数在 j > i 时严格为零，在 j ≤ i 时不为零：每个位置看得到自己和之前的全部位置。"""
    size = influence(torch.randn(tokens, width, dtype=F64), model(width, heads, layers), ahead)
    show(heatmap(size.clamp(min=1e-9).log10(), x_label="input j", y_label="output i",
                 title="log10 |d output/d input|"))
    future = torch.ones(tokens, tokens).triu(1).bool()
    expect("derivatives by later inputs", size[future], equals=0)
    expect("derivatives by the own input that are not zero", (size.diagonal() > 0).sum(),
           equals=tokens)
    expect("derivatives by earlier inputs that are not zero", (size.tril(-1) > 0).sum(),
           equals=tokens * (tokens - 1) // 2)


@ONE_AHEAD
@BIDIRECTIONAL
def claim_future_edit_leaves_the_past_unchanged(tokens=10, width=32, heads=2, layers=2, ahead=0):
    """Editing a token moves no earlier output of the whole stack, and every output from it on.

    改动一个 token，整个网络更早位置的输出都不变，该位置及之后的输出都变。"""
    x, blocks = torch.randn(tokens, width, dtype=F64), model(width, heads, layers)
    rows = []
    for t in range(tokens):
        edited = x.clone()
        edited[t] = torch.randn(width, dtype=F64)
        rows.append((stack(edited, blocks, ahead) - stack(x, blocks, ahead)).abs().amax(1).detach())
    moved = torch.stack(rows)                                            # (edited token, position)
    show(heatmap(moved, x_label="position", y_label="edited token", title="change of the output"))
    past = torch.ones(tokens, tokens).tril(-1).bool()
    expect("change before the edited token", moved[past], equals=0, within=1e-12)
    expect("outputs from the edited token on that change", (moved[~past] > 1e-12).sum(),
           equals=int((~past).sum()))


@ONE_AHEAD
@BIDIRECTIONAL
def claim_teacher_forcing_equals_stepwise_decoding(tokens=10, width=32, heads=2, layers=2, ahead=0):
    """One pass over the sequence gives at every position the output of a pass over that prefix
    alone, so all next-token predictions are trained at once.

    对整条序列做一次前向，每个位置的输出都等于只对该前缀做前向的结果，所以可以一次训练全部的下一 token 预测。"""
    x, blocks = torch.randn(tokens, width, dtype=F64), model(width, heads, layers)
    gaps = {}
    for name, reach in (("as set", ahead), ("without a mask", 32)):
        stepwise = torch.stack([stack(x[: t + 1], blocks, reach)[-1] for t in range(tokens)])
        gaps[name] = (stack(x, blocks, reach) - stepwise).abs().amax(1).detach()
    show(lines("position", range(tokens), gaps, y_label="one pass less step by step"))
    expect("one pass less step by step", gaps["as set"], equals=0, within=1e-11,
           at=("position", range(tokens)))


@breaks(ahead=0, en="The right mask leaks nothing.", zh="正确的掩码什么也不泄露。")
def claim_off_by_one_mask_leaks_or_breaks(depths=(1, 2, 3), tokens=10, width=32, heads=2, ahead=1):
    """A mask one step too wide leaks one future token per layer; one step too narrow leaves the
    first query no key: NaN written out, silent zeros from PyTorch's SDPA.

    掩码宽一格，每层泄露一个未来 token；窄一格，第一个 query 没有 key 可看：手写的 softmax 得到 NaN，PyTorch 的 SDPA
    不声不响地给出零。"""
    x, reach = torch.randn(tokens, width, dtype=F64), []
    for depth in depths:
        met = (influence(x, model(width, heads, depth), ahead) > 0).nonzero()
        reach.append((met[:, 1] - met[:, 0]).max())
    show(table({"layers": depths, "furthest future token seen": reach}))
    expect("furthest future token seen", reach, equals=[min(depth, tokens - 1) for depth in depths],
           at=("layers", depths))
    narrow = layer(x, model(width, heads, 1)[0], -1)
    expect("first output, one step too narrow", narrow[0], equals="nan")
    q, k, v = torch.randn(3, 1, tokens, width)
    expect("the same from SDPA", F.scaled_dot_product_attention(q, k, v, seen(tokens, -1))[0, 0],
           equals=0)


ZH = {
    "nan": "nan", "what may be seen": "可以看的地方", "output less PyTorch's": "输出与 PyTorch 的之差",
    "input j": "输入 j", "output i": "输出 i", "log10 |d output/d input|": "log10 |d 输出/d 输入|",
    "derivatives by later inputs": "对靠后输入的导数",
    "derivatives by the own input that are not zero": "对自身输入的导数中不为零的个数",
    "derivatives by earlier inputs that are not zero": "对靠前输入的导数中不为零的个数",
    "position": "位置", "edited token": "被改动的 token", "change of the output": "输出的变化",
    "change before the edited token": "被改动 token 之前的变化",
    "outputs from the edited token on that change": "被改动 token 及之后发生变化的输出数",
    "as set": "按设定", "without a mask": "不加掩码", "one pass less step by step": "一次前向与逐步计算之差",
    "layers": "层数", "furthest future token seen": "看到的最远未来 token",
    "first output, one step too narrow": "窄一格时的第一个输出", "the same from SDPA": "SDPA 的同一输出",
}

if __name__ == "__main__":
    main()
