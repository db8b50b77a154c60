r"""NSA ranks blocks by scores that its compression branch has computed anyway; the choice passes no gradient.

NSA 借用压缩分支已经算出的得分给 key 块排序；选块这一步本身不传梯度。

Native Sparse Attention (Yuan et al. 2025), §3.3.2, equations 8–12. A learned weighted mean over a block stands for the
paper's MLP φ; float64, no RoPE. Turn `by` to "one head": the group's other heads lose importance.
Turn `index` to "from 1": equation 9 as printed, read with blocks counted from 0.
把 `by` 改为 "one head"：组内其他头的重要性受损；把 `index` 改为 "from 1"：公式 9 照印刷、块却从 0 数。
"""

from itertools import pairwise

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64


@exercise(
    claims=("importance_is_weighted_by_overlap",),
    wrong=("ignores_the_overlap", "starts_one_block_late", "averages"),
)
def importance(p: Tensor, blocks: int, compress: int, stride: int, block: int) -> Tensor:
    """Importance of each selection block (…, blocks) from the weights p (…, compressed) of compressed
    blocks: compressed block i covers tokens i·stride … i·stride + compress − 1, selection block j covers
    j·block … j·block + block − 1, and each weight counts as many times as there are strides in the overlap.
    stride divides compress and block.

    由压缩块的权重 p (…, compressed) 求每个选择块的重要性 (…, blocks)：压缩块 i 覆盖 token i·stride …
    i·stride + compress − 1，选择块 j 覆盖 j·block … j·block + block − 1，重叠部分含几个 stride，权重就计几
    次。stride 整除 compress 与 block。"""
    # stride-long pieces of the text
    pieces = torch.arange(blocks * block // stride)
    # piece i lies in compressed blocks i, i − 1, …
    covering = pieces[:, None] - torch.arange(compress // stride)
    known = (covering >= 0) & (covering < p.shape[-1])
    per_piece = (p[..., covering.clamp(0, p.shape[-1] - 1)] * known).sum(-1)         # (…, pieces)
    return per_piece.unflatten(-1, (blocks, -1)).sum(-1)


def choose(scores: Tensor, n: int, by: str = "the group") -> Tensor:
    """Numbers of the n blocks that a GQA group reads: scores (heads, blocks); the first and the last two
    are always among them."""
    # equation 10: one choice for all heads
    ranked = (scores.sum(0) if by == "the group" else scores[0]).clone()
    ranked[0] = ranked[-2:] = torch.inf
    return ranked.topk(min(n, len(ranked))).indices.sort().values


def select(
    q: Tensor, k: Tensor, v: Tensor, pool: Tensor, n: int, by: str = "the group"
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (heads, width) of the compression and the selection branch for q (heads, width), and the
    chosen blocks; pool (block,) is the learned mean over a block of k, v (t, width)."""
    block = len(pool)
    small_k, small_v = (pool @ x.unflatten(0, (-1, block)) for x in (k, v))          # (blocks, width)
    p = (q @ small_k.T / q.shape[-1] ** 0.5).softmax(-1)                             # (heads, blocks): equation 8
    chosen = choose(p.detach(), n, by)
    tokens = (chosen[:, None] * block + torch.arange(block)).flatten()
    weights = (q @ k[tokens].T / q.shape[-1] ** 0.5).softmax(-1)
    return p @ small_v, weights @ v[tokens], chosen


RANGES = {
    "stride": between(1, 16),
    "compress": between(1, 64, multiple_of="stride"),
    "block": between(2, 64, multiple_of="stride"),
    "blocks": between(6, 32),
    "heads": between(2, 16),
    "width": between(2, 32),
    "chosen": between(4, 5),
    "index": one_of("from 0", "from 1"),
    "by": one_of("the group", "one head"),
    "branch": one_of("selection", "compression"),
}


@breaks(index="from 1", en="Read with blocks counted from 0, equation 9 as printed looks at the block before.",
        zh="若块从 0 数起，照印刷的公式 9 看的就是前一个块。")
def claim_importance_is_weighted_by_overlap(compress=32, stride=16, block=64, blocks=6, index="from 0"):
    """A block's importance adds the compressed scores by overlap, in strides: 1, 2, 2, 2, 1 for the paper's
    32, 16 and 64.

    选择块的重要性按重叠长度（以步长计）累加压缩得分：论文取 32、16、64，权重就是 1、2、2、2、1。"""
    count = max((block * blocks - compress) // stride + 1, 1)
    # (blocks, compressed)
    measured = importance(torch.eye(count, dtype=F64), blocks, compress, stride, block).T
    by_hand = torch.zeros_like(measured)
    for j in range(blocks):                                                          # token by token
        for i in range(count):
            shared = set(range(i * stride, i * stride + compress)) & set(range(j * block, (j + 1) * block))
            by_hand[j, i] = len(shared) / stride
    # p[l'/d · j − m − n] with j = 0, 1, …
    if index == "from 1":
        measured = torch.zeros_like(measured)
        for j in range(blocks):
            for m in range(block // stride):
                for n in range(compress // stride):
                    if 0 <= (i := block // stride * j - m - n) < count:
                        measured[j, i] += 1
    show(heatmap(measured, x_label="compressed block", y_label="selection block",
                 title="weight of each compressed score"))
    expect("weight less the overlap in strides", measured - by_hand, equals=0)


@breaks(by="one head", en="Chosen by one head, the blocks hold less importance for the others.",
        zh="若只由一个头选块，这些块对其他头就没那么重要。")
def claim_the_group_chooses_by_the_sum(heads=4, width=16, blocks=16, chosen=5, by="the group"):
    """Summed over a group's heads, importance makes one choice for all: the first block, the last two, and
    those of the largest sums.

    把重要性在组内各头上求和，整组只选一次：首块、最后两块，以及总和最大的几块。"""
    p = torch.randn(heads, blocks, dtype=F64).mul(3).softmax(-1)
    got = choose(p, chosen, by).tolist()
    free = sorted(range(1, blocks - 2), key=lambda j: -sum(row[j] for row in p.tolist()))[: max(chosen - 3, 0)]
    wanted = sorted({0, blocks - 2, blocks - 1, *free})
    show(heatmap(torch.stack((p.sum(0), torch.isin(torch.arange(blocks), torch.tensor(got)).double())),
                 x_label="block",
                 y=["importance, summed", "chosen"]))
    expect("importance of the choice, over the best by hand", p.sum(0)[got].sum() / p.sum(0)[wanted].sum(),
           equals=1, within=1e-12)
    expect("first and last two blocks among the chosen", len({0, blocks - 2, blocks - 1} & set(got)), equals=3)


@breaks(branch="compression", en="Through its own output the compression branch does train φ.",
        zh="压缩分支经由自己的输出，确实能训练 φ。")
def claim_no_gradient_passes_the_selection(heads=4, width=16, block=16, blocks=16, chosen=5, branch="selection"):
    """Top-n passes no gradient: φ gets none from the selection branch, and there only the tokens that were
    chosen get any.

    top-n 不传梯度：φ 从选择分支得不到梯度，而且那里只有被选中的 token 有梯度。"""
    q, k, v, pool = drawn(heads, width, block, blocks)
    *outs, picked = select(q, k.requires_grad_(), v, pool.requires_grad_(), chosen)
    grads = [torch.autograd.grad(out.square().sum(), (pool, k), retain_graph=True,
                                 allow_unused=True) for out in outs]
    to_pool = [0.0 if g is None else g.norm().item() for g, _ in grads]
    touched = (grads[1][1].norm(dim=-1) > 0).sum()
    show(bars(["compression", "selection"], {"gradient that reaches φ": to_pool}))
    expect(f"gradient that reaches φ through {branch}", to_pool[branch == "selection"], equals=0)
    expect("tokens that get a gradient through selection", touched, equals=len(picked) * block)


@breaks(branch="compression", en="The compressed output moves with every step of φ.",
        zh="φ 每动一步，压缩分支的输出都在变。")
def claim_the_selection_moves_in_steps(width=16, block=16, blocks=16, chosen=5, branch="selection"):
    """As φ changes, the compressed output glides, while the selected one stands still until a block is
    swapped.

    φ 连续变化时，压缩分支的输出平滑移动；选择分支的输出一直不动，直到换块的那一刻。"""
    q, k, v, pool = drawn(1, width, block, blocks)
    # −φ ranks the other way round
    path = [select(q, k, v, pool * s, chosen) for s in torch.linspace(1, -1, 60, dtype=F64)]
    out = torch.stack([torch.stack(step[:2]).flatten(1) for step in path])                         # (60, 2, width)
    moved = out.diff(dim=0).norm(dim=-1) > 0
    swapped = torch.tensor([a[2].tolist() != b[2].tolist() for a, b in pairwise(path)])
    show(lines("step of φ", range(60),
               {name: (out[:, i] - out[0, i]).norm(dim=-1) for i, name in enumerate(("compression", "selection"))},
               y_label="distance from the start"))
    expect(f"steps in which {branch} moves", moved[:, int(branch == "selection")].sum(), equals=swapped.sum())
    expect("steps in which a block is swapped", swapped.sum(), at_least=1)


def drawn(heads: int, width: int, block: int, blocks: int) -> tuple[Tensor, ...]:
    q, k, v = (torch.randn(n, width, dtype=F64) for n in (heads, blocks * block, blocks * block))
    return q, k, v, torch.rand(block, dtype=F64) + 0.5                               # φ: weights of a mean


ZH = {
    "compressed block": "压缩块",
    "selection block": "选择块",
    "weight of each compressed score": "每个压缩得分的权重",
    "weight less the overlap in strides": "权重与重叠步长数之差",
    "block": "块",
    "importance, summed": "重要性之和",
    "chosen": "选中",
    "importance of the choice, over the best by hand": "所选块的重要性与手算最优之比",
    "first and last two blocks among the chosen": "选中块里的首块与最后两块",
    "compression": "压缩",
    "selection": "选择",
    "gradient that reaches φ": "到达 φ 的梯度",
    "gradient that reaches φ through {}": "经{}到达 φ 的梯度",
    "tokens that get a gradient through selection": "经选择分支得到梯度的 token 数",
    "step of φ": "φ 的步数",
    "distance from the start": "与起点的距离",
    "steps in which {} moves": "{}输出变动的步数",
    "steps in which a block is swapped": "换块的步数",
}

if __name__ == "__main__":
    main()
