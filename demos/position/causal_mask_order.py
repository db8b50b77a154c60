r"""A causal mask gives away order by itself, so a decoder can do without position codes (NoPE).

因果掩码本身就透露次序，所以 decoder 可以不用位置编码（NoPE）。

Haviv et al. 2022; Kazemnejad et al. 2023, §5.1: a start token lets one layer recover the position.
Layers are PyTorch's, weights random. Turn `mask` to "none": past and future look alike.
把 `mask` 改为 "none"：再没有什么能区分过去与未来。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show

F64 = torch.float64
ROUNDING = 1e-12                                 # numbers of size 1 in float64, through five layers


def decoder(width: int, layers: int, mask: str):
    """A stack of PyTorch's layers without position codes, as a function."""
    stack = nn.ModuleList(
        nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, dtype=F64)
        for _ in range(layers)
    )

    @torch.no_grad()
    def run(x: Tensor) -> Tensor:                                                # (n, width), twice
        hidden = nn.Transformer.generate_square_subsequent_mask(len(x), dtype=F64)
        x = x[None]
        for layer in stack:
            x = layer(x, src_mask=hidden if mask == "causal" else None)
        return x[0]

    return run


RANGES = {
    "tokens": between(3, 64), "width": between(4, 64, multiple_of=4), "layers": between(1, 4),
    "mask": one_of("causal", "none"), "start": one_of("marked", "unmarked"),
}  # fmt: skip


@breaks(mask="none", en="Without the mask the outputs follow their tokens: equivariance is back.",
        zh="去掉掩码，输出又只是跟着 token 走：等变性恢复。")
def claim_causal_mask_breaks_the_symmetry(tokens=12, width=32, layers=2, mask="causal"):
    """Under a causal mask the same layers are not equivariant: an output depends on which tokens
    stand before.

    加上因果掩码，同样的层就不再等变：输出取决于哪些 token 排在前面。"""
    x, order = torch.randn(tokens, width, dtype=F64), torch.arange(tokens).flip(0)
    torch_state = torch.get_rng_state()
    gaps = {}
    for name in dict.fromkeys(("none", mask)):
        torch.set_rng_state(torch_state)                                       # the same weights
        run = decoder(width, layers, name)
        gaps[name] = (run(x[order]) - run(x)[order]).abs().amax(1)
    show(lines("place after reversal", range(tokens), gaps, y_label="|f(PX) − P f(X)|"))
    expect("gap without a mask", gaps["none"], equals=0, within=ROUNDING)
    expect("gap with the mask over the rounding allowed", gaps[mask].max() / ROUNDING, at_least=1e6)


@breaks(layers=2, en="From the second layer on, earlier tokens carry what stood before them.",
        zh="从第二层起，前面的 token 已带上各自前文的信息。")
def claim_one_causal_layer_sees_the_past_as_a_bag(tokens=12, width=32, layers=1):
    """Without positions one causal layer takes the past as a bag: shuffled, it gives the last token
    the same output. With one layer more the order counts.

    没有位置编码时，单个因果层把前文当成词袋：打乱前文，最后一个 token 的输出不变。再加一层，次序就起作用。"""
    x = torch.randn(tokens, width, dtype=F64)
    order = torch.cat((torch.arange(tokens - 1).roll(1), torch.tensor([tokens - 1])))
    change = {}
    for depth in (layers, layers + 1):
        run = decoder(width, depth, "causal")
        change[depth] = (run(x[order]) - run(x)).abs().amax(1)                           # (tokens,)
    show(lines("token", range(tokens), {f"layers: {n}": y for n, y in change.items()},
               y_label="change when the past is shuffled"))
    expect(f"change of the last output, layers: {layers}", change[layers][-1], equals=0,
           within=ROUNDING)
    expect("change of it with one layer more, over the rounding allowed",
           change[layers + 1][-1] / ROUNDING, at_least=1e4)


@breaks(start="unmarked", en="Without a start token there is nothing to read off.",
        zh="没有起始 token，就读不出任何位置。")
def claim_a_start_token_lets_causal_attention_count(tokens=32, width=32, layers=2, start="marked"):
    """A causal head that attends evenly reads 1/t from a start token: it can count. One token
    repeated, with no start marked, gives the same output everywhere.

    平均分配注意力的因果头从起始 token 读到 1/t，也就能数数。若只是同一个 token 重复、没有起始标记，各处输出完全一样。"""
    value = torch.zeros(1, tokens, 1, dtype=F64)
    value[0, 0] = float(start == "marked")                            # what the first token carries
    even = torch.zeros(1, tokens, 1, dtype=F64)                           # q = k = 0: equal scores
    read = F.scaled_dot_product_attention(even, even, value, is_causal=True)[0, :, 0]
    place = torch.arange(1, tokens + 1)
    show(lines("position t", place, {"read from the start token": read, "1/t": 1 / place}, log="x"))
    expect("reading times t", read * place, equals=1, within=1e-12, at=("t", place))
    alike = decoder(width, layers, "causal")(torch.randn(1, width, dtype=F64).expand(tokens, width))
    expect("outputs of one repeated token less the first", alike - alike[0], equals=0,
           within=ROUNDING)


ZH = {
    "place after reversal": "倒序后的位置", "none": "无掩码", "causal": "因果掩码",
    "gap without a mask": "无掩码时的差距",
    "gap with the mask over the rounding allowed": "有掩码时的差距与容许的舍入之比",
    "token": "token", "layers: {}": "层数：{}", "change when the past is shuffled": "打乱前文时的变化",
    "change of the last output, layers: {}": "最后一个输出的变化，层数：{}",
    "change of it with one layer more, over the rounding allowed": "多一层时的变化与容许的舍入之比",
    "position t": "位置 t", "read from the start token": "从起始 token 读到", "reading times t": "读数乘以 t",
    "outputs of one repeated token less the first": "重复 token 的各输出与第一个之差",
}

if __name__ == "__main__":
    main()
