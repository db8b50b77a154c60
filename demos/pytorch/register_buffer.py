r"""A buffer is state that no optimiser trains: it moves, casts and, unless told otherwise, is saved with its module.

buffer 是不由优化器训练的状态：随模块移动、转换类型，并且默认随模块一起保存。

torch.nn.Module.register_buffer. Turn `kept` to "plain": an ordinary attribute stays behind in every move and every checkpoint.
把 `kept` 改为 "plain"：普通属性在每次移动、每次保存时都被落下。
"""

import math

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, on_ranks, one_of, show, table

F64 = torch.float64


def inverse_frequencies(d_head: int, base: float) -> Tensor:
    """RoPE's d_head/2 frequencies, base^(−2i/d_head), in float32."""
    return base ** (-torch.arange(0, d_head, 2).float() / d_head)


class Rotary(nn.Module):
    """One tensor of frequencies, kept in one of four ways, beside a weight."""

    def __init__(self, kept: str = "non-persistent", d_head: int = 128, base: float = 10_000.0):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        frequencies = inverse_frequencies(d_head, base)
        if kept == "parameter":
            self.freq = nn.Parameter(frequencies)
        elif kept == "plain":
            self.freq = frequencies
        else:
            self.register_buffer("freq", frequencies, persistent=kept == "buffer")


WAYS = ("parameter", "buffer", "non-persistent", "plain")

RANGES = {
    "kept": one_of("parameter", "buffer", "non-persistent", "plain"),
    "d_head": between(64, 128, multiple_of=2), "positions": each(between(256, 131_072), at_least=2, rising=True),
    "base": between(10_000.0, 1_000_000.0), "recomputed": one_of("no", "in float32"),
}  # fmt: skip


@breaks(kept="plain", en="A plain tensor is neither saved nor moved.", zh="普通张量既不保存也不移动。")
@breaks(kept="non-persistent", en="A non-persistent buffer moves but is not saved.", zh="非持久 buffer 会移动，但不保存。")
@breaks(kept="parameter", en="A parameter is trained.", zh="参数会被训练。")
def claim_a_buffer_is_saved_and_moved_but_not_trained(kept="buffer"):
    """A buffer is in the state dict, follows .to() in dtype and device, and is not among the parameters; integers keep their
    dtype.

    buffer 在 state_dict 中，随 .to() 改变类型与设备，且不在 parameters() 里；整数类型的不变。"""
    rows = {}
    for way in WAYS:
        module = Rotary(way)
        rows[way] = [int("freq" in module.state_dict()), int(module.to(F64).freq.dtype == F64),
                     int(module.to("meta").freq.device.type == "meta"), int(any(p is module.freq for p in module.parameters()))]
    norm = nn.BatchNorm1d(4).half()
    show(table(["", "saved", "cast", "moved", "trained"], [[way, *row] for way, row in rows.items()]))
    expect("saved, cast, moved, trained", rows[kept], equals=[1, 1, 1, 0], at=("", ("saved", "cast", "moved", "trained")))
    expect("half-precision running mean", int(norm.running_mean.dtype == torch.float16), equals=1)
    expect("integer batch counter", int(norm.num_batches_tracked.dtype == torch.int64), equals=1)


@breaks(recomputed="in float32", en="Made anew in float32 after the cast, the angles are right.",
        zh="转换之后用 float32 重新计算，角度就对了。")
def claim_a_cast_to_bf16_turns_rope_away_at_long_context(positions=(256, 2048, 16_384), d_head=128, base=10_000.0, recomputed="no"):
    """module.to(bfloat16) rounds RoPE's frequencies by up to 0.4%: by position 16,384 some angle is off by more than π.

    module.to(bfloat16) 把 RoPE 频率舍入，相对误差至多 0.4%：到位置 16,384 时，有的角度已错开超过 π。"""
    exact = inverse_frequencies(d_head, base).double()
    module = Rotary("non-persistent", d_head, base).to(torch.bfloat16)
    freq = module.freq.double() if recomputed == "no" else inverse_frequencies(d_head, base).double()
    off = [float(((freq - exact) * p).abs().max()) for p in positions]
    # bf16 has 8 significant bits: between 1 and 2 its numbers are 2⁻⁷ apart, so rounding moves one by at most 2⁻⁸ of itself
    bound = [2**-8 * float(exact.max()) * p for p in positions]
    show(lines("position", positions, {"largest error of an angle": off, "2⁻⁸ · position": bound, "π": [math.pi] * len(positions)},
               log="xy", y_label="radians"))
    expect("largest error of an angle over the bound", [o / b for o, b in zip(off, bound, strict=True)], at_most=1)
    # π at 16,384 is 1.92e-4 per position
    expect("largest error of an angle per position", off[-1] / positions[-1], at_least=math.pi / 16_384)


@breaks(persistent=True, en="A persistent buffer is in the checkpoint and comes back.", zh="持久 buffer 在检查点里，能恢复。")
def claim_meta_initialisation_leaves_non_persistent_buffers_unset(persistent=False):
    """Built on meta, emptied onto a device and loaded, a module reports no missing key, and its non-persistent buffer holds
    whatever was in memory.

    在 meta 上构建、再 to_empty 到设备并载入权重：模块报告没有缺失的键，而非持久 buffer 里是内存中原有的内容。"""
    kept = "buffer" if persistent else "non-persistent"
    saved = Rotary(kept).state_dict()
    before = torch.are_deterministic_algorithms_enabled()
    with torch.device("meta"):
        module = Rotary(kept)
    try:
        torch.use_deterministic_algorithms(True)                     # fills empty memory with nan, so that it can be told
        module.to_empty(device="cpu")
    finally:
        torch.use_deterministic_algorithms(before)
    missing = module.load_state_dict(saved).missing_keys
    unset = int(module.freq.isnan().sum())
    show(table(["", "missing keys", "numbers never set"], [[kept, len(missing), unset]]))
    expect("missing keys", len(missing), equals=0)
    expect("frequencies that were never set", unset, equals=len(module.freq))


def forward_with(rank: int, ranks: int, synced: bool) -> float:
    """A DDP forward whose buffer holds the rank's number before; what it holds after."""
    module = nn.BatchNorm1d(1, affine=True)
    ddp = nn.parallel.DistributedDataParallel(module, forward_sync_buffers=synced)
    module.running_mean.fill_(rank)
    module.momentum = 0.0                                            # forward itself changes no statistic
    ddp(torch.randn(4, 1))
    return float(module.running_mean)


@breaks(synced=False, en="Switched off, every rank keeps its own buffers, and they drift apart.",
        zh="关掉之后，各 rank 的 buffer 各自为政，逐渐不同。")
def claim_ddp_gives_every_rank_rank_0s_buffers(synced=True):
    """At each forward in training DDP overwrites the buffers of all ranks with those of rank 0; it does not average them.

    训练时每次前向，DDP 都用 rank 0 的 buffer 覆盖所有 rank 的，而不是取平均。"""
    after = on_ranks(forward_with, 2, synced)
    show(table(["rank", "before", "after"], [[rank, rank, value] for rank, value in enumerate(after)]))
    expect("running mean after forward", after, equals=0, at=("rank", (0, 1)))


def drill_angle(rng) -> Drill:
    """The error of an angle from a rounded frequency."""
    exact, position = rng.choice([(1 / 3, 10_000), (0.1, 100_000), (1 / 3, 30_000), (0.7, 8000), (0.3, 20_000)])
    rounded = float(torch.tensor(exact, dtype=torch.bfloat16))
    return Drill(
        en=f"A RoPE frequency of {exact:.6f} is stored in bf16 as {rounded:.6f}. By how many radians is the angle off at "
           f"position {position:,}?",
        zh=f"RoPE 的一个频率 {exact:.6f} 存为 bf16 后是 {rounded:.6f}。在位置 {position:,} 处，角度差多少弧度？",
        answer=abs(rounded - exact) * position, within=0.03 * abs(rounded - exact) * position,
        steps=[(f"the frequency is off by {abs(rounded - exact):.6f}", f"频率差 {abs(rounded - exact):.6f}"),
               (f"times the position: {abs(rounded - exact) * position:.2f}", f"乘以位置：{abs(rounded - exact) * position:.2f}")],
        proved_by="a_cast_to_bf16_turns_rope_away_at_long_context",
    )


ZH = {
    "saved": "保存", "cast": "转换", "moved": "移动", "trained": "训练", "parameter": "参数", "buffer": "buffer",
    "non-persistent": "非持久 buffer", "plain": "普通属性", "saved, cast, moved, trained": "保存、转换、移动、训练",
    "half-precision running mean": "运行均值为半精度", "integer batch counter": "batch 计数仍为整数",
    "position": "位置", "radians": "弧度", "largest error of an angle": "角度的最大误差",
    "largest error of an angle over the bound": "角度最大误差与上界之比",
    "largest error of an angle per position": "每个位置的角度误差，最大者", "2⁻⁸ · position": "2⁻⁸ · 位置",
    "rank": "rank", "missing keys": "缺失的键", "numbers never set": "从未赋值的数",
    "frequencies that were never set": "从未赋值的频率数", "before": "之前", "after": "之后",
    "running mean after forward": "前向之后的运行均值",
}  # fmt: skip

if __name__ == "__main__":
    main()
