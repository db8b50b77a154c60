r"""NSA for one query: compressed blocks, the blocks they point to, and a recent window, summed by three gates.

NSA 处理一个 query：压缩块、由压缩块得分挑出的原始块、最近的窗口，三路输出按门控相加。

Native Sparse Attention (Yuan et al. 2025), §3.2–3.3 and equations 5–12, with its sizes l = 32, d = 16, l' = 64, n = 16 and
w = 512 (§4.1) where tokens are counted, and smaller ones elsewhere. A random MLP stands for the trained one, and no RoPE
is applied. Equation 9 as printed counts blocks from 1; `importance` counts from 0. Turn `chosen`, `block` and `window`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, expect, heatmap, lines, main, show, table

F64 = torch.float64
BRANCHES = ("compression", "selection", "window")


class Sizes(NamedTuple):
    """l, d, l', n and w of the paper; n counts the blocks that are always chosen: the first and the last two."""

    compress: int = 32
    stride: int = 16
    block: int = 64
    chosen: int = 16
    window: int = 512


class Compress(nn.Module):
    """The learned φ: a block of `length` keys (or values), each with its place in the block, to one."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(length, width, dtype=F64))
        self.mlp = nn.Sequential(nn.Linear(length * width, 32), nn.GELU(), nn.Linear(32, width)).double()

    def forward(self, x: Tensor, stride: int) -> Tensor:
        """x (t, width) to (number of whole blocks, width)."""
        blocks = x.unfold(0, len(self.place), stride).transpose(1, 2)  # (blocks, length, width)
        return self.mlp((blocks + self.place).flatten(1))


def attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Output (heads, width) and weights (heads, keys) of q (heads, width) over shared keys (keys, width)."""
    weights = (q @ k.T * q.shape[-1] ** -0.5).softmax(-1)
    return weights @ v, weights


def importance(weights: Tensor, t: int, s: Sizes) -> Tensor:
    """Score of each selection block (equation 9): its stride-long pieces collect every compressed block that covers them."""
    pieces = torch.arange(-(-t // s.block) * s.block // s.stride)
    covering = pieces[:, None] - torch.arange(s.compress // s.stride)  # piece i lies in compressed blocks i, i − 1, …
    known = (covering >= 0) & (covering < weights.shape[-1])
    per_piece = (weights[..., covering.clamp(0, weights.shape[-1] - 1)] * known).sum(-1)
    return per_piece.unflatten(-1, (-1, s.block // s.stride)).sum(-1)  # (heads, selection blocks)


def choose(scores: Tensor, n: int) -> Tensor:
    """Numbers of the n best blocks, the first and the last two among them."""
    scores = scores.clone()
    scores[0] = scores[-2:] = torch.inf
    return scores.topk(min(n, len(scores))).indices.sort().values


class Result(NamedTuple):
    """What the query got from each branch, (3, heads, width), and the tokens or blocks it read there."""

    outputs: Tensor
    blocks: Tensor
    selected: Tensor
    recent: Tensor
    read: tuple[int, int, int]


def nsa(q: Tensor, kv: Tensor, phi: nn.ModuleList, s: Sizes) -> Result:
    """All three branches for a query at the last position; q (heads, width), kv (3 branches, k and v, t, width)."""
    t = kv.shape[2]
    small_k, small_v = phi[0](kv[0, 0], s.stride), phi[1](kv[0, 1], s.stride)
    coarse, weights = attend(q, small_k, small_v)
    blocks = choose(importance(weights, t, s).sum(0), s.chosen)  # equation 10: one choice for all heads
    selected = (blocks[:, None] * s.block + torch.arange(s.block)).flatten()
    selected = selected[selected < t]
    fine, _ = attend(q, *kv[1][:, selected])
    recent = torch.arange(max(0, t - s.window), t)
    near, _ = attend(q, *kv[2][:, recent])
    return Result(
        torch.stack((coarse, fine, near)), blocks, selected, recent, (len(small_k), len(selected), len(recent))
    )


def inputs(t: int, heads: int, width: int, compress: int) -> tuple[Tensor, Tensor, nn.ModuleList]:
    """A query, keys and values of their own for every branch, and φ for keys and for values."""
    q, kv = torch.randn(heads, width, dtype=F64), torch.randn(3, 2, t, width, dtype=F64)
    return q, kv, nn.ModuleList([Compress(compress, width), Compress(compress, width)])


def claim_tokens_read_match_the_paper_count(contexts=(8192, 16384, 32768, 65536), heads=4, count_width=4):
    """At 65,536 tokens a query reads 5,631 keys, 11.6 times fewer; the factor stays below the stride of 16.

    在 65,536 个 token 处，一个 query 读 5,631 个 key，只有 1/11.6；这个倍数始终小于步长 16。"""
    s = Sizes()
    with torch.no_grad():
        reads = [nsa(*inputs(t, heads, count_width, s.compress), s).read for t in contexts]
    total = [sum(r) for r in reads]
    paper = [t // s.stride + s.chosen * s.block + s.window for t in contexts]  # Table 4 counts t/d compressed tokens
    factor = [t / n for t, n in zip(contexts, total, strict=True)]
    columns = dict(zip(BRANCHES, zip(*reads, strict=True), strict=True))
    show(
        lines("context", contexts, {"full attention": contexts, "NSA": total}, log="xy", y_label="keys read"),
        table({"context": contexts, **columns, "sum": total, "in Table 4": paper, "fewer by": factor}),
    )
    expect(
        "Table 4 less the keys read",
        [p - n for p, n in zip(paper, total, strict=True)],
        equals=s.compress // s.stride - 1,
        at=("context", contexts),
    )
    expect("times fewer", factor, at_most=s.stride, at=("context", contexts))


def claim_each_gate_reproduces_its_branch(t=1024, heads=4, width=16, chosen=6, window=128):
    """With one gate open the output is that branch alone: ordinary attention over compressed, chosen or recent keys.

    只开一个门时，输出就是那一路：对压缩后、选中或最近的 key 做普通注意力。"""
    s = Sizes(chosen=chosen, window=window)
    q, kv, phi = inputs(t, heads, width, s.compress)
    result = nsa(q, kv, phi, s)
    every = torch.arange(t)
    masks = (torch.isin(every // s.block, result.blocks), every >= t - window)
    small = [f(x, s.stride) for f, x in zip(phi, kv[0], strict=True)]
    wanted = [F.scaled_dot_product_attention(q[None], small[0][None], small[1][None])[0]]
    for (k, v), mask in zip(kv[1:], masks, strict=True):
        wanted.append(F.scaled_dot_product_attention(q[None], k[None], v[None], mask.expand(heads, t)[None])[0])
    gates = torch.eye(3, dtype=F64)
    gaps = [
        (torch.einsum("c,chw->hw", g, result.outputs) - out).abs().max() for g, out in zip(gates, wanted, strict=True)
    ]
    learned = torch.randn(3, dtype=F64).sigmoid()
    show(
        table({"open gate": BRANCHES, "largest difference": gaps, "keys read": result.read, "a sigmoid gate": learned})
    )
    expect("difference from SDPA over that branch's keys", gaps, at_most=1e-12, at=("branch", BRANCHES))


def claim_only_selection_depends_on_another_branch(t=1024, heads=4, width=16, chosen=6, window=128):
    """The branches run side by side on keys of their own; only the choice of blocks looks at another one's scores.

    三路并行，各用自己的 key；只有选块这一步用到另一路（压缩）的得分。"""
    s = Sizes(chosen=chosen, window=window)
    _, kv, phi = inputs(t, heads, width, s.compress)
    queries = torch.randn(8, heads, width, dtype=F64)
    before = torch.stack([nsa(q, kv, phi, s).outputs for q in queries])
    moved = []
    for changed in range(3):
        other = kv.clone()
        other[changed, 0] = other[changed, 0].flip(0)  # the keys of one branch in reverse
        after = torch.stack([nsa(q, other, phi, s).outputs for q in queries])
        moved.append((after - before).transpose(0, 1).flatten(1).norm(dim=1))
    moved = torch.stack(moved)  # (branch whose keys changed, branch whose output is looked at)
    show(
        heatmap(moved, x=BRANCHES, y=BRANCHES, x_label="output of", y_label="keys of", title="change of an output"),
        table({"keys changed in": BRANCHES, **{f"{b} moves": moved[:, i] for i, b in enumerate(BRANCHES)}}),
    )
    wanted = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.bool)
    expect("does the output move", moved > 0, equals=wanted)


def claim_no_gradient_passes_the_selection(t=1024, heads=4, width=16, chosen=6, window=128):
    """Top-n gives no gradient: φ learns only through its own branch, and only tokens that were chosen get any.

    top-n 不传梯度：φ 只经由压缩分支自身学习，选择分支里只有被选中的 token 得到梯度。"""
    s = Sizes(chosen=chosen, window=window)
    q, kv, phi = inputs(t, heads, width, s.compress)
    kv.requires_grad_()
    result = nsa(q, kv, phi, s)
    to_phi, touched = [], []
    for output in result.outputs:
        *slopes, to_kv = torch.autograd.grad(
            output.norm(), [*phi.parameters(), kv], retain_graph=True, allow_unused=True
        )
        to_phi.append(sum(g.norm() for g in slopes if g is not None))
        touched.append((to_kv[:, 1].norm(dim=-1) > 0).sum(-1))  # tokens of each branch whose value gets a gradient
    show(
        bars(BRANCHES, to_phi, y_label="gradient that reaches φ, by the open gate"),
        table(
            {
                "open gate": BRANCHES,
                "gradient to φ": to_phi,
                **{f"tokens reached, {b}": [n[i] for n in touched] for i, b in enumerate(BRANCHES)},
            }
        ),
    )
    expect("gradient to φ through compression", to_phi[0], at_least=1e-6)
    expect("gradient to φ through selection and window", torch.tensor(to_phi[1:]), equals=0, at=("gate", BRANCHES[1:]))
    expect("selection tokens with a gradient", touched[1][1], equals=len(result.selected))
    expect("tokens of other branches reached through selection", touched[1][[0, 2]], equals=0)


def claim_the_selection_moves_in_steps(t=1024, heads=4, width=16, chosen=6, window=128, ticks=101):
    """As φ changes the compressed output glides, while the selected one stands still except where a block is swapped.

    φ 连续变化时，压缩分支的输出平滑移动；选择分支的输出一直不动，只在换块的那一刻跳变。"""
    s = Sizes(chosen=chosen, window=window)
    q, kv, phi = inputs(t, heads, width, s.compress)
    step = torch.randn_like(phi[0].place) * 3 / ticks
    outputs, blocks = [], []
    with torch.no_grad():
        for _ in range(ticks):
            result = nsa(q, kv, phi, s)
            outputs.append(result.outputs[:2].flatten(1))
            blocks.append(result.blocks)
            phi[0].place += step
    path = torch.stack(outputs)  # (ticks, 2, heads · width)
    away, moves = (path - path[0]).norm(dim=-1), path.diff(dim=0).norm(dim=-1) > 0
    swaps = (torch.stack(blocks).diff(dim=0) != 0).any(1)
    curves = {"compression": away[:, 0], "selection": away[:, 1]}
    show(
        lines("step of φ", range(ticks), curves, y_label="distance from the start"),
        table(
            {
                "steps": [ticks - 1],
                "compression moves": [moves[:, 0].sum()],
                "selection moves": [moves[:, 1].sum()],
                "blocks swapped": [swaps.sum()],
            }
        ),
    )
    expect("does compression move", moves[:, 0], equals=True)
    expect("does selection move", moves[:, 1], equals=swaps)
    expect("share of steps in which selection stands still", (~swaps).double().mean(), at_least=0.5)


def claim_importance_is_weighted_by_overlap(compress=32, stride=16, block=64, blocks=6):
    """A block's importance weighs compressed scores by their overlap with it, in strides: 1, 2, 2, 2, 1 in the paper.

    选择块的重要性按重叠长度（以步长计）加权压缩块的得分：按论文取值就是 1、2、2、2、1。"""
    s, t = Sizes(compress, stride, block), block * blocks
    count = (t - compress) // stride + 1
    measured = importance(torch.eye(count, dtype=F64), t, s).T  # (selection blocks, compressed blocks)
    start, first = torch.arange(count) * stride, torch.arange(blocks)[:, None] * block
    overlap = (torch.minimum(start + compress, first + block) - torch.maximum(start, first)).clamp_min(0) / stride
    middle = measured[blocks // 2]
    show(
        heatmap(
            measured, x_label="compressed block", y_label="selection block", title="weight of each compressed score"
        ),
        table({"compressed block": middle.nonzero()[:, 0], f"weight in block {blocks // 2}": middle[middle > 0]}),
    )
    expect("weight less the overlap in strides", measured - overlap, equals=0)


def claim_window_holds_the_latest_w_positions(t=1024, heads=4, width=16, chosen=6, window=128, queries=6):
    """Different queries at one position choose different blocks, but all read the same window: the latest w tokens.

    同一位置上不同的 query 选的块不同，窗口却都一样：就是最近的 w 个 token。"""
    s = Sizes(chosen=chosen, window=window)
    _, kv, phi = inputs(t, heads, width, s.compress)
    kv.requires_grad_()
    read, rows, choices = [], [], set()
    for _ in range(queries):
        result = nsa(torch.randn(heads, width, dtype=F64), kv, phi, s)
        slope = (
            torch.autograd.grad(result.outputs.sum(), kv)[0][:, 1].norm(dim=-1) > 0
        )  # (branch, t): is the value read?
        read.append(slope[2].nonzero()[:, 0])
        choices.add(tuple(result.blocks.tolist()))
        rows.append((slope[1].double() + 2 * slope[2])[: t // s.stride * s.stride].unflatten(0, (-1, s.stride)).mean(1))
    show(
        heatmap(
            torch.stack(rows),
            y_label="query",
            x_label=f"tokens, {s.stride} a column",
            title="1 selected, 2 window, 3 both",
        ),
        table(
            {
                "query": range(queries),
                "window from": [w.min() for w in read],
                "to": [w.max() for w in read],
                "tokens": [len(w) for w in read],
            }
        ),
    )
    expect("tokens that the window branch reads", torch.stack(read), equals=torch.arange(t - window, t).repeat(queries))
    expect("different choices of blocks", len(choices), at_least=2)


def claim_selecting_all_blocks_is_full_attention(ragged=1000, heads=4, width=16):
    """When n covers every block the selection branch is full attention, also where the last block is not full.

    n 大到覆盖所有块时，选择分支就是完整注意力，最后一块不满也一样。"""
    counts = (3, 6, 12, -(-ragged // Sizes().block))
    q, kv, phi = inputs(ragged, heads, width, Sizes().compress)
    full = F.scaled_dot_product_attention(q[None], kv[1, 0][None], kv[1, 1][None])[0]
    results = [nsa(q, kv, phi, Sizes(chosen=n)) for n in counts]
    gaps = [(r.outputs[1] - full).norm() / full.norm() for r in results]
    show(
        lines("blocks n", counts, {"relative distance from full attention": gaps}),
        table({"blocks n": counts, "keys read": [r.read[1] for r in results], "relative distance": gaps}),
    )
    expect("distance when all blocks are chosen", gaps[-1], at_most=1e-12)
    expect("distance when 3 of them are", gaps[0], at_least=0.05)


if __name__ == "__main__":
    main()
