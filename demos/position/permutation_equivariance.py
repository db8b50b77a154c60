r"""Self-attention without positions is permutation-equivariant: shuffle the tokens, and the outputs are shuffled alike.

没有位置信息的自注意力是置换等变的：打乱 token，输出只是跟着一起打乱。

Vaswani et al. 2017, §3.5: without recurrence or convolution, order has to be put in. A causal mask puts some in by
itself: Haviv et al. 2022 (arXiv:2203.16634), Kazemnejad et al. 2023 (arXiv:2305.19466). The layers are PyTorch's own,
with random weights, in float64, so that what is left is rounding. Turn `layers` and `tokens`.
"""

from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, lines, main, show, table

F64 = torch.float64


def encoder(width: int, layers: int) -> nn.ModuleList:
    """Transformer layers (attention, FFN, residuals, LayerNorm) with random weights and no positions."""
    return nn.ModuleList(
        nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, dtype=F64) for _ in range(layers)
    )


@torch.no_grad()
def run(stack: nn.ModuleList, x: Tensor, causal: bool = False) -> Tensor:
    """The stack's output for one sequence x, (n, width)."""
    mask = nn.Transformer.generate_square_subsequent_mask(len(x), dtype=F64) if causal else None
    for layer in stack:
        x = layer(x[None], src_mask=mask, is_causal=causal)[0]
    return x


def shuffle(n: int) -> Tensor:
    """A random order of n tokens that is not the one they stand in."""
    order = torch.randperm(n)
    return order if n < 2 or (order != torch.arange(n)).any() else shuffle(n)


def attend(x: Tensor, weights: Tensor, way: str) -> Tensor:
    """One unmasked head over x (n, d) that hears of order in one `way`, or in none."""
    n, d = x.shape
    place = torch.arange(n, dtype=F64)
    angle = place[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=F64) / d)  # (n, d/2)
    if way == "vector added to the input":
        x = x + torch.cat((angle.sin(), angle.cos()), -1)
    q, k, v = x @ weights  # each (n, d)
    if way == "rotation of q and k":
        turn = torch.polar(torch.ones_like(angle), angle)
        q, k = (torch.view_as_real(torch.view_as_complex(y.view(n, -1, 2)) * turn).flatten(1) for y in (q, k))
    scores = q @ k.T / d**0.5
    if way == "bias on the score":
        scores = scores - 0.5 * (place[:, None] - place).abs()
    return scores.softmax(-1) @ v


def claim_attention_without_positions_is_equivariant(tokens=12, width=32, layers=2, shuffles=5):
    """Without positions f(PX) = P f(X): the outputs move with their tokens. That is equivariance; f(PX) = f(X),
    invariance, does not hold.

    没有位置信息时 f(PX) = P f(X)：输出跟着各自的 token 移动。这叫等变；而不变，即 f(PX) = f(X)，并不成立。"""
    stack, x = encoder(width, layers), torch.randn(tokens, width, dtype=F64)
    plain, orders = run(stack, x), [shuffle(tokens) for _ in range(shuffles)]
    moved = [run(stack, x[p]) for p in orders]
    with_token = torch.stack([(y - plain[p]).abs().max() for y, p in zip(moved, orders, strict=True)])
    in_place = torch.stack([(y - plain).abs().max() for y in moved])
    show(table({"shuffle": range(1, shuffles + 1), "|f(PX) − P f(X)|": with_token, "|f(PX) − f(X)|": in_place}))
    expect("|f(PX) − P f(X)|", with_token, equals=0, within=1e-12 * layers, at=("shuffle", range(1, shuffles + 1)))
    expect("|f(PX) − f(X)|", in_place, at_least=0.1, at=("shuffle", range(1, shuffles + 1)))


def claim_pooled_output_is_invariant(words=("dog", "bites", "man"), width=32, layers=2):
    """A mean-pooled output, or that of a [CLS] put first, is the same for every order of the words; with positions
    added it differs.

    平均池化的输出，以及放在最前面的 [CLS] 的输出，对词的任何排列都相同；加上位置向量后才有区别。"""
    stack, embedded = encoder(width, layers), torch.randn(1 + len(words), width, dtype=F64)  # row 0 is [CLS]
    position = torch.randn(1 + len(words), width, dtype=F64)
    orders = list(permutations(range(1, len(words) + 1)))
    plain = torch.stack([run(stack, embedded[[0, *order]]) for order in orders])  # (orders, 1 + words, width)
    placed = torch.stack([run(stack, embedded[[0, *order]] + position) for order in orders])
    mean, cls, with_positions = (
        (y - y[0]).abs().amax(1) for y in (plain.mean(1), plain[:, 0], placed[:, 0])
    )  # distance from the first order
    names = [" ".join(words[i - 1] for i in order) for order in orders]
    show(table({"order": names, "mean-pooled": mean, "[CLS]": cls, "[CLS], positions added": with_positions},
               title="largest difference from the first order"))
    expect("difference of the mean-pooled output", mean, equals=0, within=1e-12 * layers, at=("order", names))
    expect("difference of the [CLS] output", cls, equals=0, within=1e-12 * layers, at=("order", names))
    expect("difference of the [CLS] output with positions", with_positions[1:], at_least=0.01, at=("order", names[1:]))


def claim_causal_mask_breaks_the_symmetry(tokens=12, width=32, layers=2):
    """Under a causal mask the same layers are not equivariant: a token's output depends on which tokens stand before it.

    加上因果掩码，同样的层就不再等变：一个 token 的输出取决于哪些 token 排在它前面。"""
    stack, x, order = encoder(width, layers), torch.randn(tokens, width, dtype=F64), torch.arange(tokens).flip(0)
    gap = {
        name: (run(stack, x[order], causal) - run(stack, x, causal)[order]).abs().amax(1)
        for name, causal in (("no mask", False), ("causal mask", True))
    }
    show(lines("place of the token after reversal", range(tokens), gap, y_label="|f(PX) − P f(X)|"))
    expect("largest gap without a mask", gap["no mask"].max(), equals=0, within=1e-12 * layers)
    expect("largest gap with the causal mask", gap["causal mask"].max(), at_least=0.1)


def claim_one_causal_layer_sees_the_past_as_a_bag(tokens=12, width=32, depths=(1, 2, 3)):
    """Without positions, one causal layer takes what came before the last token as an unordered bag; with two layers
    or more, the order of the past counts.

    没有位置信息时，单个因果层只把最后一个 token 之前的内容当成无序的词袋；有两层或更多层，前文的顺序才起作用。"""
    x, change = torch.randn(tokens, width, dtype=F64), []
    order = torch.cat((shuffle(tokens - 1), torch.tensor([tokens - 1])))  # the last token stays
    for depth in depths:
        stack = encoder(width, depth)
        change.append((run(stack, x[order], True)[-1] - run(stack, x, True)[-1]).abs().max())
    show(table({"causal layers": depths, "change of the last output when the earlier tokens are shuffled": change}))
    single = [c for d, c in zip(depths, change, strict=True) if d == 1]
    deeper = [c for d, c in zip(depths, change, strict=True) if d > 1]
    if single:
        expect("change of the last output, one layer", single, equals=0, within=1e-12)
    expect("change of the last output", deeper, at_least=1e-4, at=("layers", [d for d in depths if d > 1]))


def claim_a_start_token_lets_causal_attention_count(length=64, width=32, layers=2):
    """A causal head that attends evenly reads 1/t from a start token, so a decoder without positions can count; if one
    token is repeated and none marks the start, every output is the same.

    平均分配注意力的因果头从起始 token 读到 1/t，没有位置编码的 decoder 因而也能数数；若只是同一个
    token 重复、没有起始标记，各处输出就完全一样。"""
    is_start = torch.zeros(length, 1, dtype=F64)
    is_start[0] = 1  # the value that the start token carries
    even = torch.zeros(length, 1, dtype=F64)  # q = k = 0: all scores equal
    read = F.scaled_dot_product_attention(even[None], even[None], is_start[None], is_causal=True)[0, :, 0]
    alike = run(encoder(width, layers), torch.randn(1, width, dtype=F64).expand(length, width), causal=True)
    place = torch.arange(1, length + 1)
    show(lines("position t", place, {"read from the start token": read}, log="xy"))
    show(table({"causal sequence": ["with a start token", "one token repeated, no start"],
                "spread of the output over positions": [read.max() - read.min(), (alike - alike[0]).abs().max()]}))
    expect("position from 1/output, less the true one", 1 / read - place, equals=0, within=1e-9, at=("t", place))
    expect("spread of the outputs of one repeated token", alike - alike[0], equals=0, within=1e-12 * layers)


def claim_positions_enter_in_three_places(tokens=12, width=32):
    """A vector added to the input, a bias on the score, a rotation of q and k: each alone ends the equivariance.

    给输入加向量、给得分加偏置、旋转 q 和 k：三者各自都足以打破等变性。"""
    x, weights, order = torch.randn(tokens, width, dtype=F64), torch.randn(3, width, width, dtype=F64), shuffle(tokens)
    weights = weights / width**0.5
    ways = ("nothing", "vector added to the input", "bias on the score", "rotation of q and k")
    gaps = [(attend(x[order], weights, way) - attend(x, weights, way)[order]).abs().max() for way in ways]
    show(bars(ways, gaps, y_label="|f(PX) − P f(X)|"))
    expect("gap with nothing", gaps[0], equals=0, within=1e-12)
    expect("gap", gaps[1:], at_least=1e-3, at=("way", ways[1:]))


if __name__ == "__main__":
    main()
