r"""Choosing key blocks once for a GQA group: n blocks are loaded for all its heads; chosen head by head, their union is.

按 GQA 组统一选块：整组只加载 n 个块；若各头分别选择，要加载的就是它们的并集。

Native Sparse Attention (Yuan et al. 2025), equation 10 and §3.4: one kernel instance takes all query heads of a group at
one position and walks over their blocks. Its setting: 64 heads in 4 groups, so 16 heads a group, n = 16 blocks of 64.
Queries are random; `likeness` is the correlation of the heads' (or neighbours') queries: turn it up to see the union shrink.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, lines, main, show, table

F64 = torch.float64


def alike(count: int, positions: int, width: int, likeness: float) -> Tensor:
    """`count` queries for every position, any two of them correlated by `likeness`: (positions, count, width)."""
    common, own = torch.randn(positions, 1, width, dtype=F64), torch.randn(positions, count, width, dtype=F64)
    return likeness**0.5 * common + (1 - likeness) ** 0.5 * own


def block_scores(q: Tensor, block_keys: Tensor) -> Tensor:
    """Importance of every block: the softmax over one compressed key a block (equation 8 with l = d = l')."""
    return (q @ block_keys.T).softmax(-1)  # (..., blocks)


def best(scores: Tensor, n: int) -> Tensor:
    """True where a block is among the n best."""
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, scores.topk(n).indices, True)


def union(chosen: Tensor) -> Tensor:
    """How many different blocks the last but one axis wants together."""
    return chosen.any(-2).sum(-1)


def group_kernel(q: Tensor, k: Tensor, v: Tensor, blocks: Tensor, size: int) -> tuple[Tensor, int]:
    """All heads q (heads, width) over the listed blocks, one load of a block at a time with online softmax; also the bytes."""
    m, l, acc = torch.full((len(q), 1), -torch.inf, dtype=q.dtype), 0.0, 0.0  # noqa: E741
    loaded = 0
    for start in (blocks * size).tolist():
        k_block, v_block = k[start : start + size], v[start : start + size]
        loaded += k_block.nbytes + v_block.nbytes
        s = q @ k_block.T * q.shape[-1] ** -0.5  # (heads, size): one matrix product serves every head
        new = torch.maximum(m, s.amax(1, keepdim=True))
        p = (s - new).exp()
        l = l * (m - new).exp() + p.sum(1, keepdim=True)  # noqa: E741
        acc = acc * (m - new).exp() + p @ v_block
        m = new
    return acc / l, loaded


def claim_shared_selection_loads_n_blocks(
    group=(1, 2, 4, 8, 16), blocks=128, n=16, likeness=0.0, positions=64, width=32
):
    """One choice for the group loads n blocks whatever its size; choices of its own for each head load up to H·n.

    整组共用一次选择，无论组多大都只加载 n 个块；各头自选则最多加载 H·n 个。"""
    block_keys = torch.randn(blocks, width, dtype=F64)
    shared, each = [], []
    for heads in group:
        scores = block_scores(alike(heads, positions, width, likeness), block_keys)  # (positions, heads, blocks)
        shared.append(best(scores.sum(1, keepdim=True), n).expand_as(scores))
        each.append(best(scores, n))
    together = [union(c).double().mean() for c in shared]
    apart = [union(c).double().mean() for c in each]
    independent = [blocks * (1 - (1 - n / blocks) ** heads) for heads in group]
    ceiling = [min(blocks, heads * n) for heads in group]
    columns = {"one choice": together, "a choice a head": apart, "at most": ceiling}
    show(
        lines("heads H in the group", group, columns, y_label="blocks loaded"),
        table({"heads H": group, **columns, "independent choices": independent}, title=f"blocks of {blocks}, mean"),
    )
    expect("blocks loaded with one choice", together, equals=n, at=("H", group))
    expect("blocks loaded with a choice a head, at most", apart, at_most=ceiling, at=("H", group))
    expect("blocks loaded with a choice a head, over n, largest group", apart[-1] / n, at_least=2)
    expect("more heads load more blocks", torch.tensor(apart).diff(), at_least=0, at=("H", group[1:]))


def claim_a_tile_of_queries_wants_the_union(
    tile=(1, 4, 16, 64), blocks=128, n=16, likeness=0.0, positions=64, width=32
):
    """A FlashAttention tile of consecutive queries would have to load the union of all their choices.

    若照 FlashAttention 的做法取一批连续的 query，就得加载它们各自所选块的并集。"""
    block_keys = torch.randn(blocks, width, dtype=F64)
    loaded, useful = [], []
    for rows in tile:
        chosen = best(block_scores(alike(rows, positions, width, likeness), block_keys), n)  # (positions, rows, blocks)
        loaded.append(union(chosen).double().mean())
        useful.append(chosen.sum((-2, -1)).double().mean() / (rows * loaded[-1]))
    ceiling = [min(blocks, rows * n) for rows in tile]
    show(
        lines(
            "queries in the tile", tile, {"blocks loaded": loaded, "blocks there are": [blocks] * len(tile)}, log="x"
        ),
        table(
            {
                "queries": tile,
                "blocks loaded": loaded,
                "at most": ceiling,
                "share of the tile's products needed": useful,
            }
        ),
    )
    expect("blocks loaded, at most", loaded, at_most=ceiling, at=("queries", tile))
    expect("blocks loaded by the largest tile, over n", loaded[-1] / n, at_least=2)


def claim_group_kernel_equals_separate_heads(heads=16, blocks=128, n=16, size=64, width=32):
    """One pass over the shared blocks gives every head's attention, with 1/H of the loads that H single heads need.

    对共享的块只扫一遍，就得到每个头的注意力，加载量只有 H 个头各自为政时的 1/H。"""
    q, k, v = torch.randn(heads, width, dtype=F64), *torch.randn(2, blocks * size, width, dtype=F64)
    chosen = best(block_scores(q, k.unflatten(0, (blocks, size)).mean(1)).sum(0), n)
    listed = chosen.nonzero()[:, 0]
    out, loaded = group_kernel(q, k, v, listed, size)
    singles = [group_kernel(row[None], k, v, listed, size) for row in q]
    mask = chosen.repeat_interleave(size).expand(heads, 1, -1)
    wanted = F.scaled_dot_product_attention(q[:, None], k.expand(heads, -1, -1), v.expand(heads, -1, -1), mask)[:, 0]
    apart = sum(b for _, b in singles)
    show(
        table(
            {
                "kernel": ("group at once", "head by head"),
                "bytes loaded": (loaded, apart),
                "difference from SDPA": (
                    (out - wanted).abs().max(),
                    (torch.cat([o for o, _ in singles]) - wanted).abs().max(),
                ),
            }
        )
    )
    expect("difference from SDPA with the blocks unmasked", (out - wanted).abs().max(), at_most=1e-12)
    expect("bytes head by head over bytes for the group", apart / loaded, equals=heads, within=1e-9)


def claim_intensity_is_the_rows_that_share_a_load(rows=(1, 4, 16, 64, 128), size=64, head_width=128):
    """FLOPs a byte of K and V in bf16 equal the query rows that share the load: 1 for a lone head, 16 for NSA's group.

    bf16 下，每读 K、V 一个字节的 FLOPs 等于共用这次加载的 query 行数：单个头是 1，NSA 的一组是 16。"""
    k, v = torch.randn(2, size, head_width).bfloat16()
    work = []
    for count in rows:
        q = torch.randn(count, head_width).bfloat16()
        with FlopCounterMode(display=False) as counter:
            (q @ k.T).softmax(-1) @ v
        work.append(counter.get_total_flops() / (k.nbytes + v.nbytes))
    names = {
        1: "one head, MHA",
        4: "group of 4",
        16: "NSA's group of 16",
        64: "tile of 64 queries",
        128: "tile of 128 queries",
    }
    show(
        bars([names.get(r, f"{r} rows") for r in rows], work, log="y", y_label="FLOPs a byte of K and V"),
        table({"query rows": rows, "FLOPs a byte": work}),
    )
    expect("FLOPs a byte", work, equals=rows, within=1e-9, at=("rows", rows))


if __name__ == "__main__":
    main()
