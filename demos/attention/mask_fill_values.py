r"""What a masked score is filled with: −∞ always hides; a finite number hides while scores are
smaller and the type can hold it.

被遮的分数填什么：−∞ 总能遮住；有限的数，要分数更小、类型也装得下才行。

BERT's attention_layer adds −10000. Turn `largest` to 100000: scores of that size outweigh it. Turn
`combine` to "fill": filled, and not added, two masks stay finite.
把 `largest` 改为 100000：这么大的分数会盖过它。把 `combine` 改为 "fill"：用填充代替相加，两个掩码也保持有限。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, main, one_of, show, table

TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
FILLS = {"−inf": -torch.inf, "−1e9": -1e9, "−10000": -1e4}


def hidden_weight(scores: Tensor, keep: Tensor, fill: float) -> Tensor:
    """The weight (…) on hidden keys where `fill` is added to their scores (…, n); keep (n,)."""
    bias = torch.zeros(keep.shape).masked_fill(~keep, fill)              # (n,)
    return (scores + bias).softmax(-1)[..., ~keep].sum(-1)


RANGES = {
    "queries": between(1, 64),
    "keys": between(4, 64),
    "largest": between(1.0, 1e6),
    "combine": one_of("add", "fill"),
    "score": between(-6e4, 0.0),
    "fill": between(-1e12, -1e4),
}


@breaks(largest=1e5, en="Scores of 100000 differ by far more than 10000, so a hidden key can win.",
        zh="分数到 100000 时，彼此相差远超 10000，被遮的 key 也能胜出。")
def claim_minus_ten_thousand_underflows_to_zero(queries=8, keys=16, largest=1000.0):
    """In float32 −10000 gives hidden keys a weight of exactly 0 while scores stay well below it;
    −∞ does whatever they are.

    float32 下，只要分数远小于 10000，加 −10000 就使被遮的 key 权重恰为 0；−∞ 则不论分数多大都如此。"""
    keep = torch.arange(keys) < keys // 2
    scores = torch.rand(queries, keys) * 2 - 1
    scores[:, 0], scores[:, -1] = -1.0, 1.0                           # a hidden key is the best one
    scores[:, 1:][:, keep[1:]] = -1.0
    sizes = sorted({1.0, 100.0, largest, 1e6})
    left = {name: [hidden_weight(scores * s, keep, fill).max() for s in sizes]
            for name, fill in FILLS.items()}
    show(table({"largest score": sizes,
                **{f"weight on hidden keys, {n}": w for n, w in left.items()}}))
    expect("weight on hidden keys, −10000", hidden_weight(scores * largest, keep, -1e4), equals=0)
    expect("weight on hidden keys, −inf", left["−inf"], equals=0, at=("largest score", sizes))


@breaks(fill=-5e4, en="−50000 is within ±65504, the range of float16.",
        zh="−50000 在 float16 的范围 ±65504 之内。")
def claim_minus_1e9_does_not_fit_fp16(fill=-1e9):
    """float16 ends at 65504, so −1e9 is −∞ in it; bfloat16 and float32 have room for it.

    float16 最大只到 65504，−1e9 在其中就是 −∞；bfloat16 和 float32 都装得下。"""
    numbers = {name: torch.tensor(fill).to(kind).float() for name, kind in TYPES.items()}
    show(table({"type": list(TYPES), "becomes": list(numbers.values()),
                "smallest number": [torch.finfo(kind).min for kind in TYPES.values()]}))
    expect("in float16", numbers["float16"], equals=-torch.inf)
    # Eight bits of fraction: half a unit in the last place is 2⁻⁹ of the number.
    expect("in bfloat16, over the number", numbers["bfloat16"] / fill, equals=1, within=2**-8)
    expect("in float32, over the number", numbers["float32"] / fill, equals=1, within=2**-24)


@breaks(combine="fill", en="masked_fill sets the score; nothing is added, so nothing overflows.",
        zh="masked_fill 是直接设值，没有相加，也就不会溢出。")
def claim_two_added_masks_are_minus_infinity(combine="add", score=-16.0):
    """finfo(dtype).min fits each type, but two such masks added up are −∞ in float16, bfloat16 and
    float32 alike.

    finfo(dtype).min 对每种类型都装得下，但两个这样的掩码相加，在 float16、bfloat16、float32 中都是 −∞。"""
    both = {}
    for name, kind in TYPES.items():
        s, least = torch.tensor(score, dtype=kind), torch.finfo(kind).min
        twice = torch.tensor(least, dtype=kind) + torch.tensor(least, dtype=kind) + s
        filled = s.masked_fill(torch.tensor(True), least).masked_fill(torch.tensor(True), least)
        both[name] = (twice if combine == "add" else filled).float()
    show(table({"type": list(both), "two masks": list(both.values())}))
    expect("two masks on one score", list(both.values()), equals=-torch.inf,
           at=("type", list(both)))


@breaks(score=-15.0, en="Less than half a step of float16 at 65504, which is 32: it rounds back.",
        zh="float16 在 65504 附近的间隔是 32，不到半个间隔，会舍入回去。")
def claim_one_added_mask_is_enough_in_fp16(score=-16.0):
    """In float16 a single mask of the smallest number, added to a score of −16 or less, is already
    −∞; in bfloat16 and float32 it is not.

    float16 下，最小值的掩码只要加到不大于 −16 的分数上，一个就成了 −∞；bfloat16 和 float32 则不会。"""
    sums = {}
    for name, kind in TYPES.items():
        least, s = (torch.tensor(number, dtype=kind) for number in (torch.finfo(kind).min, score))
        sums[name] = (least + s).float()
    show(table({"type": list(sums), "smallest number + score": list(sums.values())}))
    expect("in float16", sums["float16"], equals=-torch.inf)
    for name in ("bfloat16", "float32"):
        expect(f"in {name}, over the smallest number", sums[name] / torch.finfo(TYPES[name]).min,
               equals=1)


ZH = {
    "-inf": "-inf", "−inf": "−inf", "largest score": "最大分数",
    "weight on hidden keys, {}": "被遮的 key 的权重，{}", "type": "类型",
    "becomes": "变成", "smallest number": "最小的数", "in float16": "在 float16 中",
    "in {}, over the number": "在 {} 中，与该数之比", "two masks": "两个掩码",
    "two masks on one score": "同一分数上的两个掩码", "smallest number + score": "最小的数 + 分数",
    "in {}, over the smallest number": "在 {} 中，与最小的数之比",
}

if __name__ == "__main__":
    main()
