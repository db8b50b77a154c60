r"""Choosing blocks once for a GQA group loads n blocks for all its heads; chosen head by head, their union.

按 GQA 组统一选块，整组只加载 n 个块；若各头分别选择，要加载的就是它们的并集。

Native Sparse Attention (Yuan et al. 2025), equation 10 and §3.4; its setting is 16 heads per group and 16 blocks of 64.
Queries are random, and `likeness` is their correlation. Turn `choice` to "head by head": the group loads the union.
Turn `likeness` to 0.99: the union shrinks.
把 `choice` 改为 "head by head"：整组要加载并集；把 `likeness` 调到 0.99：并集缩小。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import flops

F64 = torch.float64


@exercise(
    claims=("group_kernel_equals_separate_heads",),
    wrong=("forgets_to_rescale", "keeps_the_first_maximum", "sums_without_dividing"),
)
def group_kernel(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of all heads of a group over their shared blocks, one block at a time with a running
    softmax, as a kernel that loads each block once: q (heads, width), k and v (blocks, size, width); the
    output is (heads, width), the scale 1/√width.

    组内各头对共享的块做注意力，一次一块、用在线 softmax 累积，就像每块只加载一次的 kernel：q (heads, width)，
    k 与 v (blocks, size, width)；输出为 (heads, width)，缩放因子为 1/√width。"""
    highest, total, sums = torch.full((len(q), 1), -torch.inf, dtype=q.dtype), 0.0, 0.0
    # (size, width) each: one load for all heads
    for k_block, v_block in zip(k, v, strict=True):
        s = q @ k_block.T / q.shape[-1] ** 0.5                                       # (heads, size)
        new = torch.maximum(highest, s.amax(1, keepdim=True))
        p, old = (s - new).exp(), (highest - new).exp()
        total, sums, highest = total * old + p.sum(1, keepdim=True), sums * old + p @ v_block, new
    return sums / total


def chosen(q: Tensor, block_keys: Tensor, n: int, choice: str) -> Tensor:
    """True where a block is read: q (positions, rows, width) over block_keys (blocks, width) gives
    (positions, rows, blocks)."""
    scores = (q @ block_keys.T).softmax(-1)
    scores = scores.sum(1, keepdim=True).expand_as(scores) if choice == "for the group" else scores
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, scores.topk(n).indices, True)


def union(q: Tensor, block_keys: Tensor, n: int, choice: str) -> float:
    """How many different blocks the rows of a position want together, on average."""
    return chosen(q, block_keys, n, choice).any(1).sum(-1).double().mean().item()


def alike(positions: int, rows: int, width: int, likeness: float) -> Tensor:
    """Queries (positions, rows, width), any two of a position correlated by `likeness`."""
    common, own = torch.randn(positions, 1, width, dtype=F64), torch.randn(positions, rows, width, dtype=F64)
    return likeness**0.5 * common + (1 - likeness) ** 0.5 * own


RANGES = {
    "group": each(between(1, 64)),
    "tile": each(between(1, 128)),
    "blocks": between(64, 256),
    "n": between(8, 16),
    "likeness": between(0.0, 1.0),
    "positions": between(64, 128),
    "heads": between(1, 32),
    "size": between(1, 64),
    "width": between(16, 128),
    "rows": each(between(1, 256)),
    "choice": one_of("for the group", "head by head"),
    "loaded": one_of("once for the group", "once for each head"),
}


@breaks(choice="head by head", en="If each head chooses, the group loads the union of their choices.",
        zh="若各头自选，整组就要加载所选块的并集。")
def claim_shared_selection_loads_n_blocks(group=(1, 2, 4, 8, 16), blocks=128, n=16, positions=64, width=32,
                                          choice="for the group"):
    """One choice by summed importance loads n blocks for a group of any size, and holds more of its
    importance than any head's choice.

    按求和后的重要性只选一次，无论组多大都只加载 n 个块，而且比任何单个头的选择更能保住整组的重要性。"""
    keys = torch.randn(blocks, width, dtype=F64)
    drawn = [alike(positions, heads, width, 0.0) for heads in group]
    one, apart = [union(q, keys, n, choice) for q in drawn], [union(q, keys, n, "head by head") for q in drawn]
    show(lines("heads in the group", group,
               {"one choice": one, "a choice by each head": apart, "blocks there are": [blocks] * len(group)}))
    expect("blocks loaded with one choice", one, equals=n, at=("heads", group))
    # (positions, blocks)
    total = (drawn[-1] @ keys.T).softmax(-1).sum(1)
    of_group, of_heads = (
        chosen(drawn[-1], keys, n, c).double() @ total[..., None] for c in (choice, "head by head")
    )
    expect("importance held, less that of the best single head's choice",
           (of_group[:, 0] - of_heads.amax(1)).min(), at_least=0, within=1e-12)


@breaks(likeness=0.99, en="Rows that ask nearly the same want nearly the same blocks.",
        zh="各行问的几乎相同，要的块也几乎相同。")
def claim_a_tile_of_queries_wants_the_union(tile=(1, 4, 16, 64), blocks=128, n=16, positions=64, width=32,
                                            likeness=0.0):
    """Rows that choose independently want blocks·(1 − (1 − n/blocks)^rows) blocks together: 113 of 128 for
    16 rows, 127.98 for 64.

    独立选块的各行，合起来要 blocks·(1 − (1 − n/blocks)^rows) 块：16 行要 128 块中的 113 块，64 行要 127.98
    块。"""
    # of one length: no favourites
    keys, got = F.normalize(torch.randn(positions, blocks, width, dtype=F64), dim=-1), []
    for rows in tile:
        scores = alike(positions, rows, width, likeness) @ keys.mT                   # (positions, rows, blocks)
        got.append(torch.zeros_like(scores).scatter(-1, scores.topk(n).indices, 1.0).amax(1).sum(-1).mean().item())
    by_hand = [blocks * (1 - (1 - n / blocks) ** rows) for rows in tile]
    show(lines("rows", tile, {"blocks loaded": got, "by the formula": by_hand}, log="x"))
    # random keys crowd a little: 1 to 4 per cent was seen for widths of 16 and more
    expect("blocks loaded over the formula", [g / b for g, b in zip(got, by_hand, strict=True)], equals=1,
           within=0.08, at=("rows", tile))
    expect("share of the blocks that the largest tile wants", max(got) / blocks,
           at_least=0.9 * (1 - (1 - n / blocks) ** max(tile)))


@breaks(loaded="once for each head", en="A head at a time, every block is loaded H times.",
        zh="若一次只算一个头，每块要加载 H 次。")
def claim_group_kernel_equals_separate_heads(heads=16, n=16, size=16, width=32, loaded="once for the group"):
    """One pass over the shared blocks gives every head's attention, with 1/H of the loads that separate
    heads need.

    对共享的块只扫一遍，就得到每个头的注意力，加载量是逐头计算的 1/H。"""
    q, k, v = torch.randn(heads, width, dtype=F64), *torch.randn(2, n, size, width, dtype=F64)
    gap = (
        (
            group_kernel(q, k, v)
            - F.scaled_dot_product_attention(q[None], k.flatten(0, 1)[None], v.flatten(0, 1)[None])[
                0
            ]
        )
        .abs()
        .max()
    )
    passes = 1 if loaded == "once for the group" else heads
    loads = {"group at once": passes * (k.nbytes + v.nbytes), "head by head": heads * (k.nbytes + v.nbytes)}
    show(bars(list(loads), {"bytes loaded": list(loads.values())}))
    # float64, another order of sums
    expect("output less torch's attention", gap, equals=0, within=1e-12)
    expect("bytes head by head over bytes for the group", loads["head by head"] / loads["group at once"],
           equals=heads)


@breaks(rows=(1,), en="A single row, as with MHA, is a matrix–vector product: 1 FLOP per byte.",
        zh="只有一行（如 MHA）就是矩阵乘向量：每字节 1 次 FLOP。")
def claim_intensity_is_the_rows_that_share_a_load(rows=(1, 4, 16, 64, 128), size=64, width=128):
    """In bf16, FLOPs per byte of K and V equal the query rows that share a load: 1 for a lone head, 16 for
    NSA's group, 128 for a tile.

    bf16 下，每字节 K、V 的 FLOPs 等于共用一次加载的 query 行数：单个头为 1，NSA 的一组为 16，128 行的 tile
    为 128。"""
    k, v = torch.empty(2, size, width, dtype=torch.bfloat16, device="meta")
    got = [flops(lambda q: (q @ k.T) @ v,
                 torch.empty(r, width, dtype=k.dtype, device="meta")) / (k.nbytes + v.nbytes) for r in rows]
    show(bars([f"{r} rows" for r in rows], {"FLOPs per byte of K and V": got}, log="y"))
    expect("FLOPs per byte", got, equals=rows, within=1e-9, at=("rows", rows))
    expect("most rows over one", max(got), at_least=1.5)


ZH = {
    "heads in the group": "组内头数", "one choice": "只选一次", "a choice by each head": "各头自选",
    "blocks there are": "总块数", "heads": "头数",
    "blocks loaded with one choice": "只选一次时加载的块数",
    "importance held, less that of the best single head's choice": "保住的重要性，减去最优单头选择的",
    "rows": "行数", "blocks loaded": "加载的块数", "by the formula": "按公式",
    "blocks loaded over the formula": "加载块数与公式之比",
    "share of the blocks that the largest tile wants": "最大的 tile 要的块占总块数的比例",
    "group at once": "整组一起", "head by head": "逐头", "bytes loaded": "加载的字节数",
    "output less torch's attention": "输出与 torch 注意力之差",
    "bytes head by head over bytes for the group": "字节数，逐头与整组之比",
    "{} rows": "{} 行", "FLOPs per byte of K and V": "K、V 每字节 FLOPs", "FLOPs per byte": "每字节 FLOPs",
    "most rows over one": "最多行数与一行之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
