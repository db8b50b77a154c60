r"""T5's buckets: near distances one by one, far ones on a log scale, the rest in the last.

T5 的分桶：近距离逐个区分，远距离按对数刻度合用，其余全归最后一桶。

Raffel et al. 2019 (T5), §2.1, and its code. Turn `scale` to "linear": buckets of equal width blur
what is near. 把 `scale` 改为 "linear"：等宽的桶分不清近处。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)  # fmt: skip


@exercise(
    claims=("buckets_equal_whole_number_arithmetic", "buckets_widen_and_end"),
    wrong=("equal_widths", "log_from_the_start", "no_last_bucket"),
)
def bucket(distance: Tensor, count: int, max_distance: int) -> Tensor:
    """The bucket of each distance back (integers ≥ 0), causal: the first half of the `count`
    buckets holds one distance each, the second half divides those up to max_distance evenly on a
    log scale, and the last takes all that are farther. Same shape as distance.

    每个回看距离（≥ 0 的整数）所在的桶，因果情形：`count` 个桶的前一半各含一个距离，后一半把到 max_distance 为
    止的距离按对数刻度等分，更远的全归最后一桶。形状与 distance 相同。"""
    exact = count // 2
    far = (distance.clamp(min=1) / exact).log() / math.log(max_distance / exact) * (count - exact)
    return torch.where(distance < exact, distance, (exact + far.long()).clamp(max=count - 1))


def linear(distance: Tensor, count: int, max_distance: int) -> Tensor:
    """The wrong way: buckets of equal width up to max_distance."""
    return (distance * count // max_distance).clamp(max=count - 1)


def both_ways(distance: Tensor, count: int, max_distance: int, sides: str) -> Tensor:
    """An encoder's: half of the buckets for keys behind, the other half for keys ahead (distance
    < 0)."""
    half = bucket(distance.abs(), count // 2, max_distance)
    return half + count // 2 * (distance < 0) if sides == "apart" else half


def by_whole_numbers(n: int, count: int, max_distance: int) -> int:
    """The bucket without a logarithm: log step j is reached when n^s · exact^j ≥ max^j ·
    exact^s."""
    exact, steps, j = count // 2, count - count // 2, 0
    if n < exact:
        return n
    while j + 1 < steps and n**steps * exact ** (j + 1) >= max_distance ** (j + 1) * exact**steps:
        j += 1
    return exact + j


RANGES = {
    "count": between(8, 64, multiple_of=4), "max_distance": between(65, 512),
    "scale": one_of("log", "linear"), "sides": one_of("apart", "together"),
}  # fmt: skip
SCALES = {"log": bucket, "linear": linear}
LINEAR = breaks(scale="linear", en="Buckets of equal width blur neighbours from the start.",
                zh="等宽的桶从一开始就分不清相邻的距离。")


@LINEAR
def claim_buckets_equal_whole_number_arithmetic(count=32, max_distance=128, scale="log"):
    """The rounded logarithm gives the bucket that exact powers of whole numbers give, at every
    distance.

    取整的对数与整数幂的精确计算，在每个距离上给出同一个桶。"""
    reach = torch.arange(2 * max_distance)
    got = SCALES[scale](reach, count, max_distance)
    show(lines("distance back", reach, {"log": bucket(reach, count, max_distance),
                                        "linear": linear(reach, count, max_distance)},
                                        y_label="bucket"))
    exact = [by_whole_numbers(n, count, max_distance) for n in reach.tolist()]
    expect("bucket", got, equals=exact, at=("distance", reach))


@LINEAR
def claim_buckets_widen_and_end(count=32, max_distance=128, scale="log"):
    """The first half of the buckets holds one distance each, further ones are never narrower by
    more than rounding, and all from max_distance on share the last: with 32 up to 128 that begins
    at 113.

    前一半的桶各含一个距离，后面的桶越来越宽（取整除外），max_distance 起的全归最后一桶：32 个桶、上限 128 时从 113 开始。"""
    reach = torch.arange(2 * max_distance)
    found = SCALES[scale](reach, count, max_distance)
    first = [int((found < b).sum()) for b in range(count)]
    show(lines("bucket", range(count), {"its first distance": first}))
    expect("first distance of the near buckets", first[: count // 2],
           equals=list(range(count // 2)))
    expect("bucket from the greatest distance on", found[max_distance:], equals=count - 1)
    # bucket b of the far half begins at exact · (max / exact)^(b / far), rounded up
    exact, far = count // 2, count - count // 2
    ideal = [exact * (max_distance / exact) ** (b / far) for b in range(far)]
    expect("first distance of the far buckets less its power", [
        f - i for f, i in zip(first[exact:], ideal, strict=True)], equals=0.5, within=0.5 + 1e-9)


@breaks(sides="together", en="By |distance| alone keys behind and ahead share their buckets.",
        zh="只按 |距离|，前后的 key 就共用同样的桶。")
def claim_keys_ahead_have_their_own_half(count=32, max_distance=128, sides="apart"):
    """In an encoder each direction has half of the buckets, so left and right differ; with 32 up to
    128 the last of each begins at distance 91.

    在 encoder 里每个方向各有一半的桶，左右因此不同；32 个桶、上限 128 时，每个方向的最后一桶从距离 91 开始。"""
    reach = torch.arange(-2 * max_distance, 2 * max_distance + 1)
    found = both_ways(reach, count, max_distance, sides)
    show(lines("distance i − j", reach, {"bucket": found}))
    behind, ahead = found[reach > 0], found[reach < 0].flip(0)
    expect("bucket of a key ahead less that of one as far behind", ahead - behind,
           equals=count // 2)
    expect("bucket of a key behind", behind, at_most=count // 2 - 1)


def drill_bucket(rng) -> Drill:
    """The bucket of one distance, where the logarithms come out even."""
    distance, count, most = rng.choice([(12, 32, 128), (40, 32, 128), (90, 32, 128), (200, 32, 128),
                                        (10, 8, 64), (20, 8, 64), (40, 8, 64)])
    exact, far = count // 2, count - count // 2
    step = far * math.log(distance / exact) / math.log(most / exact)
    steps = [(f"distances below {exact} have a bucket each", f"小于 {exact} 的距离各占一桶")]
    if distance >= exact:
        steps.append((f"{exact} + ⌊{far} · ln({distance}/{exact}) / ln({most}/{exact})⌋, "
                      f"at most {count - 1}: {exact} + ⌊{step:.2f}⌋",
                      f"{exact} + ⌊{far} · ln({distance}/{exact}) / ln({most}/{exact})⌋，"
                      f"至多 {count - 1}：{exact} + ⌊{step:.2f}⌋"))
    return Drill(
        en=f"T5, causal: {count} buckets up to distance {most}. In which bucket (from 0) is distance "
           f"{distance}?",
        zh=f"T5，因果：{count} 个桶，上限 {most}。距离 {distance} 在哪个桶（从 0 数）？",
        answer=bucket(torch.tensor([distance]), count, most).item(), within=0.1, steps=steps,
        proved_by="buckets_equal_whole_number_arithmetic",
    )


ZH = {
    "distance back": "回看距离", "linear": "等宽", "log": "对数", "bucket": "桶", "distance": "距离",
    "its first distance": "第一个距离", "first distance of the near buckets": "近桶的第一个距离",
    "bucket from the greatest distance on": "最大距离起的桶",
    "first distance of the far buckets less its power": "远桶的第一个距离与对应幂之差",
    "distance i − j": "距离 i − j",
    "bucket of a key ahead less that of one as far behind": "前方 key 的桶与同距后方 key 的桶之差",
    "bucket of a key behind": "后方 key 的桶",
}

if __name__ == "__main__":
    main()
