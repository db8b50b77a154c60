r"""A rank of a SwiGLU MLP needs the same columns of gate and of up: the fused matrix is cut in each half.

SwiGLU MLP 的每个 rank 需要 gate 与 up 的相同列：融合矩阵要在两半中各切一份。

Shoeybi et al. 2019, §3, for a gated MLP. Turn `cut` to "end to end": rank 0 of 2 multiplies gates by
gates. Turn `joined` to "end to end": weights saved by 2 ranks come back shuffled.
把 `cut` 改为 "end to end"：2 个 rank 时，rank 0 把 gate 与 gate 相乘；把 `joined` 改为 "end to end"：
2 个 rank 存下的权重，读回来次序就乱了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show


@exercise(claims=("each_half_is_cut_by_columns", "joined_shards_fit_any_number_of_ranks"),
          wrong=("cuts_end_to_end", "takes_gate_and_up_of_different_ranks", "interleaves_single_columns"))
def shard(gate_up: Tensor, rank: int, ranks: int) -> Tensor:
    """This rank's part (width, 2 · hidden / ranks) of a fused weight (width, 2 · hidden), [gate | up];
    the part is again [gate | up].

    融合权重 [gate | up]，(width, 2 · hidden)，本 rank 的那一份 (width, 2 · hidden / ranks)，仍是 [gate | up]。"""
    gate, up = gate_up.chunk(2, 1)                              # (width, hidden) each
    return torch.cat((gate.chunk(ranks, 1)[rank], up.chunk(ranks, 1)[rank]), 1)


def shard_end_to_end(gate_up: Tensor, rank: int, ranks: int) -> Tensor:
    """The wrong way: cut as if it were one matrix; the first ranks get gates only."""
    return gate_up.chunk(ranks, 1)[rank]


def join(shards: list[Tensor]) -> Tensor:
    """[gate | up] from the shards of all ranks."""
    halves = [part.chunk(2, 1) for part in shards]
    return torch.cat([gate for gate, _ in halves] + [up for _, up in halves], 1)


CUTS = {"each half": shard, "end to end": shard_end_to_end}
JOINS = {"each half": join, "end to end": lambda shards: torch.cat(shards, 1)}


def partial(x: Tensor, gate_up: Tensor, down: Tensor, rank: int, ranks: int, cut: str) -> Tensor:
    """One rank's share (tokens, width) of the output; the shares of all ranks add up to it."""
    gate, up = (x @ CUTS[cut](gate_up, rank, ranks)).chunk(2, 1)        # (tokens, hidden / ranks) each
    return (F.silu(gate) * up) @ down.chunk(ranks)[rank]


RANGES = {
    "counts": each(one_of(2, 4, 8)),
    "before": one_of(2, 4, 8),
    "after": one_of(1, 2, 4, 8),
    "tokens": between(1, 64),
    "width": between(1, 64),
    "hidden": between(8, 256, multiple_of=8),
    "cut": one_of("each half", "end to end"),
    "joined": one_of("each half", "end to end"),
}


@breaks(cut="end to end", en="The first ranks hold gates only, and multiply one gate by another.",
        zh="前几个 rank 只有 gate，于是把 gate 与 gate 相乘。")
def claim_each_half_is_cut_by_columns(counts=(2, 4, 8), tokens=8, width=16, hidden=64, cut="each half"):
    """With matching columns of gate and up, the shares of 2, 4 or 8 ranks add up to the SwiGLU output.

    gate 与 up 取对应的列时，2、4、8 个 rank 的部分结果之和就是 SwiGLU 的输出。"""
    x = torch.randn(tokens, width, dtype=torch.float64)
    gate_up, down = torch.randn(width, 2 * hidden).double(), torch.randn(hidden, width).double()
    dense = (F.silu(F.linear(x, gate_up[:, :hidden].T)) * F.linear(x, gate_up[:, hidden:].T)) @ down
    sums = [sum(partial(x, gate_up, down, r, n, cut) for r in range(n)) for n in counts]
    show(lines("token", range(tokens), {"one process": dense[:, 0],
               **{f"{n} ranks": total[:, 0] for n, total in zip(counts, sums, strict=True)}},
               y_label="first number of the output"))
    # Sums of up to 256 products of size up to some 1000, in another order.
    expect("sum of the shares less the dense output", [(s - dense).abs().max() for s in sums], equals=0,
           within=1e-9, at=("ranks", counts))


@breaks(cut="end to end", en="Shards that are cut end to end are not [gate | up]: joined by halves, they are shuffled.",
        zh="首尾相接切出的分片不是 [gate | up]，按两半拼回就乱了。")
@breaks(joined="end to end", en="Laid end to end, the shards are gate, up, gate, up: no other number of ranks can cut that.",
        zh="首尾相接拼成的是 gate、up、gate、up：换一个 rank 数就切错了。")
def claim_joined_shards_fit_any_number_of_ranks(before=2, after=4, width=4, hidden=16,
                                                cut="each half", joined="each half"):
    """To load a checkpoint of 2 ranks on 4, join gate with gate and up with up, then cut again.

    把 2 个 rank 的检查点读到 4 个 rank 上：gate 接 gate、up 接 up，再重新切分。"""
    columns = torch.arange(2 * hidden).expand(width, -1)               # which column went where
    whole = JOINS[joined]([CUTS[cut](columns, r, before) for r in range(before)])
    again = torch.cat([CUTS["each half"](whole, r, after) for r in range(after)], 1)
    wanted = torch.cat([torch.cat((columns[:, i : i + hidden // after],
                                   columns[:, hidden + i : hidden + i + hidden // after]), 1)
                        for i in range(0, hidden, hidden // after)], 1)
    show(heatmap(torch.stack((wanted[0], again[0])), x_label="place, rank after rank",
                 y=("wanted", "loaded"), title="column of [gate | up]"))
    expect("columns at their place", int((again == wanted).all(0).sum()), equals=2 * hidden)


ZH = {
    "token": "token",
    "one process": "单进程",
    "{} ranks": "{} 个 rank",
    "ranks": "rank 数",
    "first number of the output": "输出的第一个数",
    "sum of the shares less the dense output": "各部分之和与未切分的输出之差",
    "place, rank after rank": "位置（按 rank 排列）",
    "wanted": "应有",
    "loaded": "读回",
    "column of [gate | up]": "[gate | up] 的列号",
    "columns at their place": "位置正确的列数",
}

if __name__ == "__main__":
    main()
