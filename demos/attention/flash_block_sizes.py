r"""FlashAttention's block sizes: what the paper's formula gives, where it does not fit, and what bounds real kernels.

FlashAttention 的分块大小：论文的公式给出什么、何时放不下、实际 kernel 受什么限制。

Dao et al. 2022, Algorithm 1, line 1 (M elements of SRAM for one head of width d); Dao 2023, §3.3. One tile is run in
buffers whose sizes are written down, so that every figure is what the run held. Turn `sram`, `widths`, `warps`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, expect, lines, main, show, table


class Chip:
    """On-chip buffers by name; `log` keeps the elements of each after every allocation."""

    def __init__(self) -> None:
        self.alive: dict[str, Tensor] = {}
        self.log: list[dict[str, int]] = []

    def alloc(self, name: str, *shape: int) -> Tensor:
        """A new buffer."""
        self.alive[name] = torch.empty(shape)
        self.log.append({x: t.numel() for x, t in self.alive.items()})
        return self.alive[name]


def block_sizes(sram: int, d: int) -> tuple[int, int]:
    """Br and Bc of Algorithm 1, line 1."""
    wide = math.ceil(sram / (4 * d))
    return min(wide, d), wide


def one_tile(chip: Chip, d: int, br: int, bc: int) -> float:
    """The first tile of Algorithm 1: br queries meet bc keys, P is written over S; the error of its O."""
    q, o, k, v = (chip.alloc(name, rows, d).normal_() for name, rows in (("Q", br), ("O", br), ("K", bc), ("V", bc)))
    m, l = chip.alloc("m", br, 1).fill_(-torch.inf), chip.alloc("l", br, 1).zero_()               # noqa: E741
    s = torch.matmul(q, k.T, out=chip.alloc("S", br, bc)).mul_(d**-0.5)
    m_tile = torch.amax(s, 1, keepdim=True, out=chip.alloc("m~", br, 1))
    p = s.sub_(m_tile).exp_()
    chip.alive["P"] = chip.alive.pop("S")                                        # the same buffer under its new name
    l_tile = torch.sum(p, 1, keepdim=True, out=chip.alloc("l~", br, 1))
    m_new = torch.maximum(m, m_tile, out=chip.alloc("m_new", br, 1))
    old, new = m.sub_(m_new).exp_(), m_tile.sub_(m_new).exp_()
    l_new = torch.addcmul(l_tile.mul_(new), l, old, out=chip.alloc("l_new", br, 1))
    o.mul_(l.mul_(old)).addmm_(p.mul_(new), v).div_(l_new)
    return (o - F.scaled_dot_product_attention(q[None], k[None], v[None])[0]).abs().max().item()


def claim_blocks_take_a_quarter_each(sram=98304, widths=(32, 64, 96, 128, 256)):
    """Bc = ⌈M/4d⌉ makes K_j and V_j a quarter of M each; Br ≤ d keeps S_ij within a quarter too.

    Bc = ⌈M/4d⌉ 使 K_j 与 V_j 各占 M 的四分之一；Br ≤ d 则使 S_ij 也不超过四分之一。"""
    shares: dict[str, list[float]] = {name: [] for name in "KVQOP"}
    gaps = []
    for d in widths:
        chip = Chip()
        gaps.append(one_tile(chip, d, *block_sizes(sram, d)))
        sizes = chip.log[-1]
        for name, column in shares.items():
            column.append(sizes[name] / sram)
    tiles = [" × ".join(map(str, block_sizes(sram, d))) for d in widths]
    show(table({"d": widths, "tile Br × Bc": tiles, **{f"{x} / M": y for x, y in shares.items()}},
               title="P lies where S was"),
         bars(widths, shares, y_label="share of M"))
    rounding = [d / sram for d in widths]                                        # ⌈…⌉ adds less than one row
    for name in "KV":
        expect(f"{name} / M", shares[name], equals=0.25, within=rounding, at=("d", widths))
    expect("S / M", shares["P"], at_most=0.25, within=rounding, at=("d", widths))
    expect("error of the tile's output", gaps, at_most=1e-4, at=("d", widths))


def claim_formula_fits_only_if_bc_is_2d_plus_6(sram=98304, widths=(32, 64, 96, 128, 256)):
    """The paper's block sizes do not guarantee that a tile fits: with P written over S and nothing freed on the way it
    does only if Bc ≥ 2d + 6. Of 98,304 elements d = 64 needs 84%, d = 128 needs 109%.

    论文的分块公式并不保证放得下：P 原地覆盖 S、中途不释放任何缓冲时，要 Bc ≥ 2d + 6 才行。M 为 98,304 时，d = 64 用 84%，
    d = 128 要 109%。"""
    wide = [block_sizes(sram, d)[1] for d in widths]
    peaks = []
    for d in widths:
        chip = Chip()
        one_tile(chip, d, *block_sizes(sram, d))
        peaks.append(max(sum(sizes.values()) for sizes in chip.log))
    show(lines("d", widths, {"peak / M": [p / sram for p in peaks], "M": [1.0] * len(widths)}),
         table({"d": widths, "Bc": wide, "2d + 6": [2 * d + 6 for d in widths], "peak, elements": peaks,
                "peak / M": [p / sram for p in peaks]}))
    expect("the tile fits", [p <= sram for p in peaks], equals=[bc >= 2 * d + 6 for bc, d in zip(wide, widths, strict=True)],
           at=("d", widths))


def claim_registers_bound_real_tiles(d=64, warps=4, tile_rows=(64, 128, 128, 256), tile_keys=(64, 64, 128, 64)):
    """FlashAttention-2 holds S and O as float32 in registers: at d = 64 four warps have room for a tile of 128 × 128 but
    not for 256 × 64, where S is no larger and O twice as large.

    FlashAttention-2 把 S 与 O 以 float32 放在寄存器里：d = 64 时 4 个 warp 容得下 128 × 128 的分块，容不下 256 × 64；
    后者的 S 一样大，O 却翻倍。"""
    shared, registers = [], []
    for br, bc in zip(tile_rows, tile_keys, strict=True):
        chip = Chip()
        one_tile(chip, d, br, bc)
        shared.append(max(2 * sum(x.get(name, 0) for name in "QKV") for x in chip.log))              # 16-bit inputs
        registers.append(max(4 * sum(size for name, size in x.items() if name not in "QKV") for x in chip.log))
    budget = warps * 32 * 255 * 4                                                # threads × registers × bytes
    tiles = [f"{br} × {bc}" for br, bc in zip(tile_rows, tile_keys, strict=True)]
    show(table({"tile Br × Bc": tiles, "shared memory, KiB": [x / 1024 for x in shared],
                "registers, KiB": [x / 1024 for x in registers]}, title=f"{warps} warps have {budget / 1024} KiB of registers"))
    expect("register bytes", registers[:-1], at_most=budget, at=("tile", tiles[:-1]))
    expect("register bytes of the last tile", registers[-1], at_least=budget, at=("tile", tiles[-1:]))


if __name__ == "__main__":
    main()
