r"""Dropout under tensor parallelism is a matter of seeds: one for all after the sum, one per rank inside.

张量并行下的 dropout 取决于种子：求和之后各 rank 用同一个，切分区域内各用各的。

Shoeybi et al. 2019, §3; Megatron keeps two random states. Turn `seeds` to "per rank": after the sum
the ranks drift apart, before it an output is dropped on some ranks only. Turn `inside` to "same": head
i of each rank drops the same entries. 把 `seeds` 改为 "per rank"：求和之后各 rank 的激活值不再相同，
求和之前则有的输出只在部分 rank 上被丢掉；把 `inside` 改为 "same"：各 rank 的第 i 个头丢掉相同的位置。
"""

import torch
import torch.distributed as dist
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, heatmap, main, on_ranks, one_of, show


def mask(shape: tuple[int, ...], p: float, seed: int) -> Tensor:
    """Which entries dropout keeps, scaled: 0 or 1 / (1 − p), from a seed of its own."""
    kept = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) >= p
    return kept.double() / (1 - p)


def leave(part: Tensor, p: float, seed: int, place: str) -> Tensor:
    """The end of a block: sum the ranks' parts (tokens, width) and drop, in this or the other order."""
    drop = mask(part.shape, p, seed)
    y = part * drop if place == "before the sum" else part.clone()
    dist.all_reduce(y)
    return y * drop if place == "after the sum" else y


def work(rank: int, ranks: int, parts: list[Tensor], p: float, seeds: str, place: str) -> Tensor:
    """What one rank goes on with."""
    return leave(parts[rank], p, seed=1 if seeds == "same" else 1 + rank, place=place)


RANGES = {
    "ranks": one_of(2, 4),
    "tokens": between(16, 64),
    "width": between(16, 64),
    "p": between(0.1, 0.5),
    "seeds": one_of("same", "per rank"),
    "inside": one_of("per rank", "same"),
}


@breaks(seeds="per rank", en="The ranks go on with different activations, and every later layer with them.",
        zh="各 rank 带着不同的激活值继续算，此后每层都不一致。")
def claim_after_the_sum_one_seed_keeps_ranks_equal(ranks=2, tokens=16, width=16, p=0.1, seeds="same"):
    """Dropout after the all-reduce must draw the same mask on every rank, or the replicas of the activations differ.

    all-reduce 之后的 dropout 在各 rank 上必须取同一个掩码，否则激活值的各份副本就不同了。"""
    parts = list(torch.randn(ranks, tokens, width).double())
    outputs = torch.stack(on_ranks(work, ranks, parts, p, seeds, "after the sum"))
    apart = (outputs - outputs[0]).ne(0).double().mean((1, 2))          # (ranks,)
    show(bars([f"rank {r}" for r in range(ranks)], {"share of outputs": apart}, title="differs from rank 0"))
    expect("share of outputs that differ from rank 0", apart, equals=0)


@breaks(seeds="per rank", en="Each output then lacks the parts of some ranks, and is neither kept nor dropped.",
        zh="这样每个输出缺的是部分 rank 的贡献，既不算保留也不算丢弃。")
def claim_the_same_mask_commutes_with_the_sum(ranks=2, tokens=16, width=16, p=0.1, seeds="same"):
    """With one seed, dropping before the sum or after it is the same: a mask distributes over a sum.

    种子相同时，在求和之前或之后做 dropout 结果一样：掩码对求和满足分配律。"""
    parts = list(torch.randn(ranks, tokens, width).double())
    before = on_ranks(work, ranks, parts, p, seeds, "before the sum")[0]
    # Only which entries stay is taken from the mask: the rest is dropout's definition, 0 or y / (1 − p).
    after = torch.where(mask((tokens, width), p, seed=1) > 0, sum(parts) / (1 - p), 0)
    masks = torch.stack([mask((tokens, width), p, 1 if seeds == "same" else 1 + r) for r in range(ranks)])
    kept = masks.ne(0).sum(0).flatten()
    show(bars([f"{n} of {ranks}" for n in range(ranks + 1)],
              {"share of outputs": [(kept == n).double().mean() for n in range(ranks + 1)]},
              title="ranks whose part of an output was kept"))
    expect("dropped before the sum less dropped after it", before - after, equals=0, within=1e-13)


@breaks(inside="same", en="With one seed the masks of the ranks' heads are copies, not independent draws.",
        zh="种子相同时，各 rank 的头用的是同一个掩码的副本，而不是独立抽取。")
def claim_inside_the_split_ranks_draw_their_own_masks(tokens=64, p=0.1, inside="per rank"):
    """Inside the split, seeds per rank make heads agree where chance says: in p² + (1−p)² of the entries.

    切分区域内各 rank 种子不同，两个头的掩码一致的比例就是偶然值 p² + (1−p)²。"""
    # Attention probabilities (tokens, tokens) of the first head on rank 0 and on rank 1.
    first, second = (mask((tokens, tokens), p, seed=2719 if inside == "same" else 2719 + r) for r in range(2))
    agree = (first.ne(0) == second.ne(0)).double()
    chance = p**2 + (1 - p) ** 2
    show(heatmap(first[:16, :16].ne(0).int() - second[:16, :16].ne(0).int(), x_label="key", y_label="query",
                 title="mask of rank 0 less that of rank 1"))
    # 6 standard deviations of a share of tokens² draws: one verify in 10⁹ would see it by chance
    expect("share of entries on which two heads agree", agree.mean(), equals=chance,
           within=6 * (chance * (1 - chance)) ** 0.5 / tokens)


ZH = {
    "rank {}": "rank {}",
    "share of outputs": "输出的比例",
    "differs from rank 0": "与 rank 0 不同",
    "share of outputs that differ from rank 0": "与 rank 0 不同的输出的比例",
    "{} of {}": "{} / {}",
    "ranks whose part of an output was kept": "保留了某个输出的 rank 数",
    "dropped before the sum less dropped after it": "先丢弃再求和与先求和再丢弃之差",
    "key": "key",
    "query": "query",
    "mask of rank 0 less that of rank 1": "rank 0 的掩码减 rank 1 的掩码",
    "share of entries on which two heads agree": "两个头的掩码一致的比例",
}

if __name__ == "__main__":
    main()
