r"""From trainer to rollout engine only the bf16 numbers that changed need to travel: a few per cent at an RL learning rate.

从训练器到 rollout 引擎，只需传送发生变化的 bf16 数：在 RL 的学习率下只占百分之几。

verl's delta weight sync (2026), on one tensor. Turn `compared` to "fp32 masters": every master moves in every step,
and the delta is larger than the weights. verl 的增量权重同步（2026），以一个张量为例。把 `compared` 改为 "fp32 masters"：
每个主权重每步都在动，增量比权重本身还大。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
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
from studyapp.evidence.tools import randn, tensor_bytes


@exercise(claims=("the_delta_restores_every_bit", "few_numbers_change_at_an_rl_rate"),
          wrong=("sends_differences", "drops_small_changes", "compares_with_a_tolerance"))
def delta(old: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """What must be sent so that a holder of `old` gets `new`, both bf16 of any shape: positions in the flattened tensor
    (changed,) as int32, and the new values there (changed,). Not a bit may be lost.

    持有 `old` 的一方要得到 `new`（形状任意的 bf16）必须收到的内容：
    展平后的位置 (changed,)，int32，以及这些位置上的新值 (changed,)。一位也不能丢。"""
    flat = new.flatten()
    differs = old.flatten().view(torch.int16) != flat.view(torch.int16)  # bits, so that −0 is not 0
    positions = differs.nonzero()[:, 0].int()
    return positions, flat[positions]


def apply(held: Tensor, sent: tuple[Tensor, Tensor]) -> Tensor:
    """The engine's weights after a delta."""
    got = held.flatten().clone()
    got[sent[0]] = sent[1]
    return got.view_as(held)


def step(master: Tensor, rate: float, seed: int) -> Tensor:
    """fp32 master weights after one Adam-like step: every entry moves by up to `rate`."""
    return master + rate * (2 * torch.rand(master.shape, generator=torch.Generator().manual_seed(seed)) - 1)


def spacing(x: Tensor) -> Tensor:
    """The distance of neighbouring bf16 numbers around each x: 2^-7 of the power of two below."""
    return torch.exp2(torch.floor(torch.log2(x.abs())) - 7)


RANGES = {
    "rate": between(1e-7, 1e-3), "rates": each(between(1e-7, 1e-3), at_least=2, rising=True), "spread": between(0.01, 0.1),
    "compared": one_of("bf16 weights", "fp32 masters"), "steps": between(2, 6), "since": one_of("last sync", "last step"),
    "index": one_of("int32", "int64"),
}
NUMBERS = 40_000


@breaks(compared="fp32 masters", en="The masters change in nearly every entry and every step; the engine never sees them.",
        zh="主权重几乎每个数、每一步都在变，而引擎根本看不到它们。")
def claim_few_numbers_change_at_an_rl_rate(rates=(1e-6, 1e-5, 1e-4), spread=0.02, compared="bf16 weights"):
    """An update changes a bf16 weight with a chance of update over spacing: at steps of up to 1e-6 on weights of spread
    0.02 about 2 % change, at 1e-4 well over half.

    更新使 bf16 权重改变的概率是 更新量/间距：步长不超过 1e-6、权重标准差 0.02 时约 2 % 改变，步长 1e-4 时远超一半。"""
    seed = torch.randint(10**6, ()).item()
    master = spread * randn(NUMBERS, seed=seed)
    got, known = [], []
    for rate in rates:
        after = step(master, rate, seed + 1)
        sent = delta(master.bfloat16(), after.bfloat16())[0].numel() / NUMBERS
        got.append(sent if compared == "bf16 weights" else (after != master).float().mean().item())
        known.append(((after - master).abs() / spacing(master)).clamp(max=1).mean().item())
    show(lines("largest update", rates, {"share that changed": got, "mean of update over spacing": known}, log="xy"))
    # five deviations of a share of 40,000 draws, and the tiny weights, whose spacing changes on the way
    expect("share that changed less the mean of update over spacing", [a - b for a, b in zip(got, known, strict=True)], equals=0,
           within=0.02,
           at=("largest update", list(rates)))
    expect("share that changed over that mean, at the smallest rate", got[0] / known[0], equals=1,
           within=0.05 + 5 / (known[0] * NUMBERS) ** 0.5)
    usual = 0.02 * randn(NUMBERS, seed=seed)
    few, many = (len(delta(usual.bfloat16(), step(usual, rate, seed + 1).bfloat16())[0]) / NUMBERS for rate in (1e-6, 1e-4))
    expect("share that changed at spread 0.02, steps of up to 1e-6", few, equals=0.0225, within=0.005)   # five deviations: 0.004
    expect("share that changed at spread 0.02, steps of up to 1e-4", many, at_least=0.55)


@breaks(since="last step", en="A delta against the trainer's last step lacks what changed before, since the engine's last sync.",
        zh="以训练器上一步为基准的增量，缺少引擎上次同步以来更早的变化。")
def claim_the_delta_restores_every_bit(steps=3, rate=1e-5, spread=0.02, since="last sync"):
    """A delta of bits against what the engine holds restores every weight exactly, even when several steps went by.

    以引擎手里的权重为基准、按位求出的增量，能精确还原每个权重，即使中间隔了好几步。"""
    seed = torch.randint(10**6, ()).item()
    masters = [spread * randn(NUMBERS, seed=seed)]
    masters[0][:100] *= 1e-7                                           # tiny weights change their sign
    for n in range(steps):
        masters.append(step(masters[-1], rate, seed + 1 + n))
    masters[0][0], masters[-2][0], masters[-1][0] = -0.0, 0.0, 0.0     # equal numbers, unequal bits
    held, before, new = (m.bfloat16() for m in (masters[0], masters[-2], masters[-1]))
    sent = delta(held if since == "last sync" else before, new)
    wrong = (apply(held, sent).view(torch.int16) != new.view(torch.int16)).sum().item()
    show(bars(["held before", "after the delta"], {"weights that differ from the trainer's": [delta(held, new)[0].numel(), wrong]}))
    expect("weights that differ after the delta", wrong, equals=0)
    expect("weights that differ before it", delta(held, new)[0].numel(), at_least=1)


@breaks(index="int64", en="With positions of eight bytes the limit falls to a fifth.", zh="位置若用 8 字节，界限降到五分之一。")
def claim_it_pays_below_a_third(rates=(1e-6, 1e-5, 1e-4), spread=0.02, index="int32"):
    """A changed number costs six bytes, four for its place and two for its value, so a delta is smaller than the bf16
    weights while under a third of them changed.

    一个变化的数要 6 字节：位置 4、数值 2，所以变化的比例低于三分之一时，增量才比整份 bf16 权重小。"""
    seed = torch.randint(10**6, ()).item()
    master = spread * randn(NUMBERS, seed=seed)
    share, size = [], []
    for rate in rates:
        positions, values = delta(master.bfloat16(), step(master, rate, seed + 1).bfloat16())
        positions = positions.long() if index == "int64" else positions
        share.append(len(values) / NUMBERS)
        size.append(tensor_bytes(positions, values) / tensor_bytes(master.bfloat16()))
    show(lines("share that changed", share, {"bytes of the delta over the weights": size, "1": [1.0] * len(rates)}, log="xy"))
    expect("bytes of the delta over the weights, over the share that changed", [a / b for a, b in zip(size, share, strict=True)],
           equals=3, within=1e-9,
           at=("largest update", list(rates)))


def drill_bytes(rng) -> Drill:
    """The size of a delta."""
    billions, percent = rng.choice([7, 32, 72, 235]), rng.choice([1, 2, 3, 5])
    value = billions * percent / 100 * 6
    return Drill(
        en=f"{billions}e9 bf16 weights, {percent} % of them changed since the last sync; a change is an int32 position and a "
           f"bf16 value. How many GB "
           "(1e9 bytes) has the delta?",
        zh=f"{billions}e9 个 bf16 权重，上次同步以来有 {percent} % 改变；每处变化记一个 int32 位置和一个 bf16 数值。"
           f"增量有多少 GB（1e9 字节）？",
        answer=value, unit="GB",
        steps=[(f"changed: {billions * percent / 100:g}e9", f"变化的数：{billions * percent / 100:g}e9"),
               (f"times 6 bytes: {value:g} GB; the weights are {2 * billions} GB",
                f"乘 6 字节：{value:g} GB；整份权重是 {2 * billions} GB")],
        proved_by="it_pays_below_a_third")


def drill_versions(rng) -> Drill:
    """Weight versions within one answer."""
    tokens, speed, seconds = rng.choice([(32000, 80, 50), (16000, 40, 80), (64000, 80, 100), (24000, 60, 40), (8000, 40, 25)])
    value = tokens / speed / seconds
    return Drill(
        en=f"An answer of {tokens:,} tokens is decoded at {speed} tokens per second; the trainer updates every {seconds} s "
           f"and weights are swapped in "
           "flight. How many updates fall into the answer?",
        zh=f"一个 {tokens:,} token 的回答以每秒 {speed} 个 token 解码；训练器每 {seconds} 秒更新一次，权重在生成途中替换。"
           f"回答期间发生几次更新？",
        answer=value,
        steps=[(f"decoding takes {tokens:,}/{speed} = {tokens // speed} s", f"解码用时 {tokens:,}/{speed} = {tokens // speed} 秒"),
               (f"{tokens // speed}/{seconds} = {value:g} updates", f"{tokens // speed}/{seconds} = {value:g} 次更新")],
        proved_by="the_delta_restores_every_bit")


ZH = {
    "largest update": "最大更新量", "share that changed": "变化的比例",
    "mean of update over spacing": "更新量/间距的平均",
    "share that changed less the mean of update over spacing": "变化的比例减去 更新量/间距 的平均",
    "share that changed over that mean, at the smallest rate": "最小步长下两者之比", "held before": "同步之前",
    "after the delta": "应用增量之后", "weights that differ from the trainer's": "与训练器不同的权重数",
    "weights that differ after the delta": "应用增量之后仍不同的权重数",
    "weights that differ before it": "应用之前不同的权重数",
    "share that changed at spread 0.02, steps of up to 1e-6": "标准差 0.02、步长不超过 1e-6 时变化的比例",
    "share that changed at spread 0.02, steps of up to 1e-4": "标准差 0.02、步长不超过 1e-4 时变化的比例",
    "bytes of the delta over the weights": "增量与权重的字节之比",
    "bytes of the delta over the weights, over the share that changed": "增量与权重的字节之比，再除以变化的比例",
}

if __name__ == "__main__":
    main()
