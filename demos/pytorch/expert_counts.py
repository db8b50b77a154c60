r"""Counting tokens per expert: bincount's length depends on the values, a histogram of fixed bins does not.

数每个专家的 token：bincount 的长度取决于数值，固定箱数的直方图不会。

torch.bincount, torch.histc. Turn `sized` to "bincount": an id too many makes the result longer, and shapes are known only after
the values are. 把 `sized` 改为 "bincount"：多出一个 id，结果就变长；要先看到数值，才知道形状。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import peak_bytes

F64 = torch.float64


@exercise(claims=("sorted_dispatch_equals_a_loop_over_tokens", "offsets_end_where_the_next_expert_begins"),
          wrong=("forgets_empty_experts", "starts_instead_of_ends", "counts_without_sorting"))
def dispatch(ids: Tensor, experts: int) -> tuple[Tensor, Tensor]:
    """What a grouped product wants: the order that sorts tokens by expert, (tokens,), and for each expert the place where its
    tokens end in that order, (experts,) in int32. ids is (tokens,) of integers below `experts`; some may be missing.

    分组矩阵乘所需：按专家给 token 排序的次序 (tokens,)，以及每个专家的 token 在该次序中结束的位置 (experts,)，int32。
    ids 为 (tokens,)，都小于 experts；有的专家可能没有 token。"""
    order = ids.argsort(stable=True)
    counts = torch.zeros(experts, dtype=torch.int32, device=ids.device)              # the length is known beforehand
    counts.scatter_add_(0, ids, torch.ones_like(ids, dtype=torch.int32))
    return order, counts.cumsum(0, dtype=torch.int32)


COUNTS = {
    "histc": lambda ids, experts: torch.histc(ids.float(), bins=experts, min=0, max=experts - 1).long(),
    "scatter_add": lambda ids, experts: torch.zeros(experts, dtype=torch.long).scatter_add_(0, ids, torch.ones_like(ids)),
    "bincount": lambda ids, experts: ids.bincount(minlength=experts),
    "bincount, no minlength": lambda ids, experts: ids.bincount(),
    "one-hot": lambda ids, experts: F.one_hot(ids, experts).sum(0),
}

RANGES = {
    "tokens": between(8, 256), "experts": between(4, 32), "width": between(4, 16, multiple_of=4),
    "way": one_of("histc", "scatter_add", "bincount", "bincount, no minlength"), "sized": one_of("histc", "bincount"),
    "counted": one_of("scatter_add", "one-hot"),
    "sizes": each(between(8, 256), at_least=2, rising=True), "order": one_of("sorted", "as they came"),
}  # fmt: skip
UNSORTED = breaks(
    order="as they came",
    en="Offsets cut the tokens into runs of one expert each: unsorted, they cut at the wrong places.",
    zh="偏移把 token 切成同属一个专家的段：不排序就切错了地方。",
)


@breaks(way="bincount, no minlength", en="Without minlength the vector ends at the largest id that occurs: ranks disagree on its length.",
        zh="不给 minlength，向量只到出现过的最大 id：各 rank 的长度就不一致。")
def claim_counts_agree_and_have_one_entry_per_expert(tokens=64, experts=8, way="bincount"):
    """bincount with minlength counts what a one-hot sum counts; without it, two ranks with different largest ids get vectors
    of different length.

    带 minlength 的 bincount 与 one-hot 求和的计数相同；不带时，最大 id 不同的两个 rank 得到的向量长度不同。"""
    ranks = [torch.randint(experts - 1, (tokens,)), torch.randint(experts, (tokens,))]
    ranks[1][0] = experts - 1                                                        # rank 0 never sees the last expert
    found = [COUNTS[way](ids, experts) for ids in ranks]
    exact = [COUNTS["one-hot"](ids, experts) for ids in ranks]
    show(bars(range(experts), {"rank 0": exact[0], "rank 1": exact[1]}))
    expect("length of the counts", [len(c) for c in found], equals=experts, at=("rank", (0, 1)))
    expect("tokens counted", [int(c.sum()) for c in found], equals=tokens, at=("rank", (0, 1)))
    expect("largest difference from the one-hot sum", [int((F.pad(c, (0, experts - len(c))) - e).abs().max())
                                                       for c, e in zip(found, exact, strict=True)], equals=0, at=("rank", (0, 1)))


@breaks(sized="bincount", en="bincount grows to the largest value: its length is data, and a host must wait to allocate it.",
        zh="bincount 按最大值增长：长度是数据，主机必须等结果才能分配内存。")
def claim_only_bincounts_length_depends_on_the_values(tokens=64, experts=8, sized="histc"):
    """From inputs of one shape bincount, with minlength too, returns vectors of different length; a histogram of fixed bins never
    does.

    输入形状相同，bincount（带 minlength 也一样）会返回不同长度的向量；固定箱数的直方图不会。"""
    inside = torch.randint(experts, (tokens,))
    beyond = inside.clone()
    beyond[0] = experts + 3                                                          # one id outside
    names = ("histc", "bincount")
    lengths = {name: [len(COUNTS[name](ids, experts)) for ids in (inside, beyond)] for name in names}
    show(table(["", "ids below E", "one id beyond"], [[name, *both] for name, both in lengths.items()]))
    expect("length of the counts", lengths[sized], equals=experts, at=("input", ("ids below E", "one id beyond")))


@breaks(counted="one-hot", en="A one-hot mask is tokens · experts numbers wide.", zh="one-hot 掩码有 tokens · experts 个数。")
def claim_counting_needs_no_mask_as_wide_as_the_experts(experts=16, sizes=(64, 128, 256), counted="scatter_add"):
    """scatter_add counts with one number per token and one per expert; a one-hot sum first writes tokens · experts.

    scatter_add 计数只需每 token 一个数、每专家一个数；one-hot 求和要先写出 tokens · experts 个数。"""
    held = {name: [peak_bytes(COUNTS[name], torch.randint(experts, (n,)), experts) for n in sizes] for name in ("scatter_add", "one-hot")}
    show(lines("tokens", sizes, held, y_label="peak bytes"))
    expect("bytes beyond one number per token and expert", [b - 8 * (n + experts) for b, n in zip(held[counted], sizes, strict=True)],
           at_most=0, at=("tokens", sizes))


@UNSORTED
def claim_sorted_dispatch_equals_a_loop_over_tokens(tokens=32, experts=6, width=8, order="sorted"):
    """Sorted by expert, with counts added up to offsets, tokens go through one grouped product: the same as each through its
    expert's weights.

    按专家排序、把计数累加成偏移，token 就能一次分组矩阵乘算完：与逐个乘以所属专家的权重相同。"""
    x, w = torch.randn(tokens, width), torch.randn(experts, width, 4) / width**0.5
    ids = torch.randint(experts - 1, (tokens,))                                      # the last expert gets no token
    ids[0], ids[-1] = experts - 2, 0                                                 # not sorted by chance
    places, ends = dispatch(ids, experts)
    places = places if order == "sorted" else torch.arange(tokens)
    out = torch.empty(tokens, 4)
    out[places] = F.grouped_mm(x[places], w, offs=ends)
    by_hand = torch.stack([x[t] @ w[ids[t]] for t in range(tokens)])
    # float32, sums of `width` terms of size 1
    expect("grouped product less the loop's", out - by_hand, equals=0, within=1e-5)


@UNSORTED
def claim_offsets_end_where_the_next_expert_begins(tokens=32, experts=6, order="sorted"):
    """The offsets are the running sum of the counts: they never fall, end at the number of tokens, and an expert without tokens
    repeats its predecessor's.

    偏移是计数的累加：从不下降，以 token 数结束；没有 token 的专家重复前一个的值。"""
    ids = torch.randint(experts, (tokens,))
    ids[ids == 1] = 2                                                                # expert 1 stays empty
    ids[0], ids[-1] = experts - 1, 0                                                 # not sorted by chance
    places, ends = dispatch(ids, experts)
    places = places if order == "sorted" else torch.arange(tokens)
    slow = [sum(int(i) <= e for i in ids) for e in range(experts)]
    show(bars(range(experts), {"end": ends}))
    expect("offsets less a slow count", ends.long() - torch.tensor(slow), equals=0)
    expect("steps down in the sorted ids", int((ids[places].diff() < 0).sum()), equals=0)


def drill_bincount(rng) -> Drill:
    """The length or an entry of a bincount."""
    values = [rng.randint(0, 6) for _ in range(7)]
    minlength, asked = rng.choice([0, 5, 8, 10]), rng.choice(["length", "count"])
    counts = torch.tensor(values).bincount(minlength=minlength)
    which = rng.choice(values)
    what = (("How many elements has", "有几个元素") if asked == "length" else
            (f"What is element {which} of", f"的第 {which} 个元素（从 0 数）是多少"))
    answer = len(counts) if asked == "length" else int(counts[which])
    step = ((f"the largest value is {max(values)}, so max({max(values)} + 1, {minlength}) = {answer}",
             f"最大值为 {max(values)}，所以 max({max(values)} + 1, {minlength}) = {answer}") if asked == "length" else
            (f"{which} occurs {answer} times", f"{which} 出现 {answer} 次"))
    return Drill(
        en=f"{what[0]} torch.bincount(torch.tensor({values}), minlength={minlength})?",
        zh=f"torch.bincount(torch.tensor({values}), minlength={minlength}) {what[1]}？",
        answer=answer, within=0.01, steps=[step], proved_by="only_bincounts_length_depends_on_the_values",
    )


ZH = {
    "rank": "rank", "histc": "histc", "bincount": "bincount", "rank 0": "rank 0", "rank 1": "rank 1",
    "length of the counts": "计数的长度", "tokens counted": "数到的 token 数",
    "largest difference from the one-hot sum": "与 one-hot 求和的最大差异", "ids below E": "id 都小于 E",
    "one id beyond": "有一个 id 越界", "input": "输入", "one-hot": "one-hot", "peak bytes": "峰值字节数",
    "end": "结束位置", "bytes beyond one number per token and expert": "超出每 token、每专家一个数的字节数",
    "grouped product less the loop's": "分组乘法与循环之差", "offsets less a slow count": "偏移与逐个计数之差",
    "steps down in the sorted ids": "排序后 id 下降的次数",
}  # fmt: skip

if __name__ == "__main__":
    main()
