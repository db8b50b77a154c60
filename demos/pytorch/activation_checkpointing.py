r"""Checkpointing keeps a block's input alone and runs the block again, with the same random numbers, in backward.

激活检查点只保留每个块的输入；反向时用同样的随机数把这个块再跑一遍。

Chen et al. 2016; torch.utils.checkpoint. Turn `rng` to "as it is now": the second forward draws other dropout masks.
把 `rng` 改为 "as it is now"：第二次前向抽到的 dropout 掩码就不同了。
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from studyapp.evidence import bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import saved_for_backward

F64 = torch.float64


@exercise(
    claims=("gradients_are_those_of_plain_autograd", "the_generator_goes_on_where_it_was"),
    wrong=("draws_new_masks", "keeps_the_old_generator", "ignores_the_upstream"),
)
def recompute(block: nn.Module, x: Tensor, rng: Tensor, upstream: Tensor) -> Tensor:
    """Backward through a block of which only the input x was kept: add the gradients of its weights to their .grad and
    return the gradient in x, shaped as x. rng is the generator's state before the first forward, upstream the gradient in
    the block's output. The generator itself must be left as it was found.

    对只保留了输入 x 的块做反向：把各权重的梯度累加到 .grad，返回对 x 的梯度（形状同 x）。rng 是首次前向之前随机数发生器的状态，
    upstream 是对块输出的梯度。发生器本身要恢复原状。"""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.set_rng_state(rng)                                    # the same dropout masks as in the first forward
        x = x.detach().requires_grad_()                             # a graph of this block alone, cut off below
        torch.autograd.backward(block(x), upstream)
    return x.grad


def redraw(block: nn.Module, x: Tensor, rng: Tensor, upstream: Tensor) -> Tensor:
    """The wrong way: whatever the generator gives next, and it is left moved."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        torch.autograd.backward(block(x), upstream)
    return x.grad


class Checkpointed(torch.autograd.Function):
    """A block as one node of the graph: forward keeps its input and the state of the generator."""

    @staticmethod
    def forward(ctx, x, block, again):
        ctx.save_for_backward(x)
        ctx.block, ctx.again, ctx.rng = block, again, torch.get_rng_state()
        return block(x)                                             # no graph is built inside forward

    @staticmethod
    def backward(ctx, upstream):
        return ctx.again(ctx.block, *ctx.saved_tensors, ctx.rng, upstream), None, None


class Block(nn.Module):
    """x + W2 tanh(W1 x) with dropout; weights from a seed, and the inner width too: 1 to 4 times `width`."""

    def __init__(self, width: int, seed: int, dropout: float = 0.0):
        super().__init__()
        torch.manual_seed(seed)
        inner = (1 + seed % 4) * width
        self.up = nn.Linear(width, inner, dtype=F64)
        self.down = nn.Linear(inner, width, dtype=F64)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.dropout(self.up(x).tanh()))


WAYS = {
    "plain": lambda block, x: block(x),
    "own": lambda block, x: Checkpointed.apply(x, block, recompute),
    "own, other masks": lambda block, x: Checkpointed.apply(x, block, redraw),
    "torch, reentrant": partial(checkpoint, use_reentrant=True),
    "torch, not reentrant": partial(checkpoint, use_reentrant=False),
}


def run(way: str, layers: int, width: int, dropout: float) -> tuple[list[Tensor], float]:
    """The gradients in the input and in all weights, and the next number of the generator after backward."""
    blocks = [Block(width, seed, dropout) for seed in range(layers)]
    torch.manual_seed(layers)
    start = x = torch.randn(8, width, dtype=F64).requires_grad_()
    for block in blocks:
        x = WAYS[way](block, x)
    x.square().sum().backward()
    return [start.grad, *(w.grad for block in blocks for w in block.parameters())], float(torch.rand(()))


RANGES = {
    "layers": between(1, 8), "depths": each(between(1, 12), at_least=2, rising=True), "width": between(2, 32),
    "tokens": between(1, 64), "dropout": between(0.1, 0.9), "rng": one_of("restored", "as it is now"),
    "kept": one_of("inputs", "everything"),
}  # fmt: skip


@breaks(rng="as it is now", en="With other dropout masks, the second forward differentiates another function.",
        zh="dropout 掩码变了，第二次前向求导的就是另一个函数。")
def claim_gradients_are_those_of_plain_autograd(layers=4, width=16, dropout=0.5, rng="restored"):
    """Checkpointed gradients equal plain autograd's, dropout included, because the generator is set back first.

    做检查点的梯度与普通自动求导相同，有 dropout 也一样，因为重跑之前先恢复了随机数状态。"""
    exact, _ = run("plain", layers, width, dropout)
    own = "own" if rng == "restored" else "own, other masks"
    gaps = {}
    for way in (own, "torch, reentrant", "torch, not reentrant"):
        found, _ = run(way, layers, width, dropout)
        gaps[way] = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, exact, strict=True))
    show(bars(list(gaps), {"largest difference": list(gaps.values())}))
    for way, gap in gaps.items():                     # float64; the same products, sums perhaps in another order
        expect(f"gradient, {way}, off by (relative)", gap, equals=0, within=1e-11)


@breaks(kept="everything", en="Without checkpointing each block keeps its inner values as well.",
        zh="不做检查点，每个块还要保留内部的激活值。")
def claim_only_block_inputs_are_kept(depths=(1, 2, 4, 8), tokens=64, width=16, kept="inputs"):
    """After forward, checkpointed blocks hold one input each: layers · tokens · width numbers, whatever is inside.

    前向结束后，做检查点的每个块只保留一个输入：层数 · token 数 · 宽度 个数，与块内部有什么无关。"""
    held = {"inputs": [], "everything": [], "torch, not reentrant": []}
    for depth in depths:
        blocks = [Block(width, seed) for seed in range(depth)]
        for name, way in (("inputs", "own"), ("everything", "plain"), ("torch, not reentrant",) * 2):
            x = torch.randn(tokens, width, dtype=F64).requires_grad_()
            with saved_for_backward(*(w for block in blocks for w in block.parameters())) as saved:
                for block in blocks:
                    x = WAYS[way](block, x)
                held[name].append(saved.now)
    show(lines("layers", depths, held, y_label="bytes kept"))
    inputs = [depth * tokens * width * 8 for depth in depths]
    expect("bytes kept", held[kept], equals=inputs, at=("layers", depths))
    expect("bytes kept by torch's checkpoint", held["torch, not reentrant"], equals=inputs, at=("layers", depths))


@breaks(rng="as it is now", en="Masks drawn in backward move the generator: later layers and steps see other numbers.",
        zh="反向时重新抽掩码，会推进随机数发生器：之后各步的随机数都变了。")
def claim_the_generator_goes_on_where_it_was(layers=3, width=8, dropout=0.5, rng="restored"):
    """After a checkpointed step the generator stands where plain autograd leaves it.

    做检查点的一步之后，随机数发生器停在与普通自动求导相同的位置。"""
    exact = run("plain", layers, width, dropout)[1]
    after = run("own" if rng == "restored" else "own, other masks", layers, width, dropout)[1]
    expect("next random number less plain autograd's", after - exact, equals=0)


ZH = {
    "layers": "层数", "largest difference": "最大差异", "bytes kept": "保留的字节数", "inputs": "只保留输入",
    "everything": "全部保留", "torch, not reentrant": "torch，非重入", "torch, reentrant": "torch，重入",
    "own": "自写", "own, other masks": "自写，掩码另抽", "gradient, {}, off by (relative)": "梯度的相对误差，{}",
    "bytes kept by torch's checkpoint": "torch 的 checkpoint 保留的字节数",
    "next random number less plain autograd's": "下一个随机数与普通自动求导之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
