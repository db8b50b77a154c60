r"""In bf16 a weight of 1 ignores increases below 1/256: it stands still for ever, unless a copy in fp32 collects them.

bf16 里，权重 1 会忽略小于 1/256 的增量：永远不动，除非有一份 fp32 的副本来累积。

Micikevicius et al. 2017, §3.1. Turn `kept` to "bf16": after a thousand updates of 0.001 the weight is still 1.
把 `kept` 改为 "bf16"：加了一千次 0.001，权重仍是 1。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("stochastic_rounding_is_right_on_average", "the_copy_in_fp32_collects"),
          wrong=("rounds_to_the_nearest", "adds_noise_of_the_wrong_size", "always_rounds_up"))
def round_stochastically(x: Tensor, u: Tensor) -> Tensor:
    """Round float32 numbers x to bf16 up or down at random, so that the mean is x: up with a chance equal to the
    part of a step that is cut off. u are uniform numbers in [0, 1); all have the shape of x, the result is bf16.

    把 float32 的 x 随机地向上或向下舍入为 bf16，使平均值等于 x：向上的概率等于被截去的那一部分占一步的比例。
    u 为 [0, 1) 内的均匀随机数；形状都与 x 相同，结果为 bf16。"""
    bits = x.view(torch.int32)                                       # bf16 is the upper half of these bits
    up = (u * 2**16).int()
    return ((bits + up) & ~0xFFFF).view(torch.float32).bfloat16()


def train(updates: int, size: float, kept: str) -> list[float]:
    """A weight of 1 after each of so many updates, as the model sees it: in bf16."""
    weight = torch.ones(1, dtype=torch.float32 if kept == "fp32" else torch.bfloat16)
    seen = []
    for _ in range(updates):
        if kept == "bf16, stochastic":
            weight = round_stochastically(weight.float() + size, torch.rand(1))
        else:
            weight = weight + torch.tensor(size, dtype=weight.dtype)
        seen.append(weight.bfloat16().item())
    return seen


RANGES = {
    "updates": between(200, 2000),
    "size": between(0.0005, 0.003),
    "draws": between(20_000, 200_000),
    "numbers": each(between(0.5, 8.0), rising=True),
    "kept": one_of("fp32", "bf16"),
    "rounding": one_of("stochastic", "nearest"),
    "sizes": each(between(1e-5, 1.0), at_least=2, rising=True),
    "format": one_of("bf16", "fp32"),
}


@breaks(kept="bf16", en="Kept in bf16 alone the weight never moves: 1 + 0.001 rounds to 1.",
        zh="只用 bf16 保存，权重从不移动：1 + 0.001 舍入后仍是 1。")
def claim_the_copy_in_fp32_collects(updates=1000, size=0.001, kept="fp32"):
    """Updates too small for the weight's own format add up in a master copy in fp32, and reach the 16-bit weight
    once they are large enough; in bf16 alone the weight stays at 1.

    对权重自身格式来说太小的更新，会在 fp32 主副本里累积，够大时才反映到 16 位权重上；
    只用 bf16 则停在 1。"""
    ways = {k: train(updates, size, k) for k in ("fp32", "bf16, stochastic", "bf16")}
    every = max(1, updates // 60)
    show(lines("updates", range(1, updates + 1)[::every], {f"kept in {k}": w[::every] for k, w in ways.items()}, y_label="weight"))
    # the model sees bf16: half a step of 1/64 between 2 and 4; fp32 itself adds 2000 roundings of 6e-8
    expect("weight at the end, less 1 + all updates", ways[kept][-1] - 1 - updates * size, equals=0, within=1 / 64)
    expect("weight kept in bf16 alone, at the end", ways["bf16"][-1], equals=1)


@breaks(format="fp32", en="In fp32 the step near 1 is 2⁻²³: updates of 1e-5 count.", zh="fp32 在 1 附近的步长是 2⁻²³：1e-5 的更新也算数。")
def claim_half_a_step_is_the_least_update(sizes=(1e-4, 4e-4, 6e-4, 1e-3, 1.8e-3, 2.2e-3, 3.8e-3, 4e-3, 1e-2), format="bf16"):
    """In bf16 a weight of 1 grows only by updates above half a step, 2⁻⁸ = 0.0039, in fp16 above 2⁻¹¹ = 0.0005; downwards
    half as much suffices, as the steps below 1 are half as large.

    bf16 里，权重 1 只有更新大于半步（2⁻⁸ = 0.0039）才会增大，fp16 是 2⁻¹¹ = 0.0005；向下只需一半，因为 1 以下的步长减半。"""
    moved = {}
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)):
        one = torch.ones(len(sizes), dtype=dtype)
        moved[name] = ((one + torch.tensor(sizes).to(dtype)) - 1).double()
    show(lines("update", sizes, {name: m for name, m in moved.items()}, log="x", y_label="change of a weight of 1"))
    expect("updates that move the weight", [float(m > 0) for m in moved[format]], equals=[float(s > 2**-8) for s in sizes],
           at=("update", sizes))
    expect("updates that move it in fp16", [float(m > 0) for m in moved["fp16"]], equals=[float(s > 2**-11) for s in sizes],
           at=("update", sizes))
    down = [float((torch.tensor(1 - s).bfloat16() < 1).item()) for s in sizes]
    expect("updates that move it downwards in bf16", down, equals=[float(s > 2**-9) for s in sizes], at=("update", sizes))


@breaks(rounding="nearest", en="Rounded to the nearest, a number goes to the same side every time: the mean is off by up to half a step.",
        zh="最近舍入把一步之内的数都送往同一边：平均值最多偏半步。")
def claim_stochastic_rounding_is_right_on_average(numbers=(1.001, 1.003, 2.005, 3.3, 5.02), draws=100_000, rounding="stochastic"):
    """Rounded up or down at random, in proportion to what is cut off, a number is kept on average, without a second
    copy.

    按被截部分的比例随机向上或向下舍入，平均值不变，而且不需要第二份副本。"""
    x = torch.tensor(numbers)
    if rounding == "stochastic":
        mean = torch.stack([round_stochastically(v.expand(draws), torch.rand(draws)).double().mean() for v in x])
    else:
        mean = x.bfloat16().double()
    step = 2.0 ** (torch.frexp(x)[1] - 8)                            # of bf16 at each number
    off = (mean - x.double()) / step
    show(lines("number", numbers, {"mean of the rounded, less the number, in steps": off}))
    # a share has a deviation of at most 0.5 / √draws: five of them
    expect("mean less the number, in steps of bf16", off, equals=0, within=2.5 / draws**0.5, at=("number", numbers))


def drill_least_update(rng) -> Drill:
    """The least update that moves a weight."""
    name, mantissa, weight = rng.choice([("bf16", 7, 1), ("bf16", 7, 4), ("fp16", 10, 1), ("bf16", 7, 0.25), ("fp16", 10, 2)])
    half = weight * 2.0 ** -(mantissa + 1)
    return Drill(
        en=f"A weight of {weight:g} is kept in {name} ({mantissa} bits of mantissa), rounding to nearest. Above which size does an "
           f"increase move it?",
        zh=f"权重 {weight:g} 用 {name}（尾数 {mantissa} 位）保存，取最近舍入。增量大于多少才会改变它？",
        answer=half,
        steps=[(f"the step above {weight:g} is {weight:g} · 2^-{mantissa} = {2 * half:g}",
                f"{weight:g} 之上的步长是 {weight:g} · 2^-{mantissa} = {2 * half:g}"),
               (f"half of it: {half:g}", f"取一半：{half:g}")],
        proved_by="half_a_step_is_the_least_update",
    )


ZH = {
    "updates": "更新次数",
    "kept in {}": "以 {} 保存",
    "weight": "权重",
    "weight at the end, less 1 + all updates": "最终权重减去 1 与全部更新之和",
    "update": "更新",
    "change of a weight of 1": "权重 1 的变化",
    "updates that move the weight": "使权重变化的更新",
    "updates that move it in fp16": "fp16 里使权重变化的更新",
    "updates that move it downwards in bf16": "bf16 里使权重减小的更新",
    "weight kept in bf16 alone, at the end": "只用 bf16 保存的最终权重",
    "number": "数",
    "mean of the rounded, less the number, in steps": "舍入后的平均值减去原数，以步为单位",
    "mean less the number, in steps of bf16": "平均值减去原数，以 bf16 的步为单位",
}

if __name__ == "__main__":
    main()
