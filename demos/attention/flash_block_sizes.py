r"""FlashAttention-1's block sizes fill the chip by quarters, and whether a tile fits depends on d.

FlashAttention-1 的分块按片上容量的四分之一来取；放不放得下，取决于 d。

Dao et al. 2022, Algorithm 1, lines 1 and 8–13. One tile runs in buffers that are counted as they
are made. Turn `scores` to "beside": P beside S fits at no d. Turn `rows` to "Bc": S alone is larger
than the chip. 把 `scores` 改为 "beside"：P 与 S 并存，任何 d 都放不下；把 `rows` 改为 "Bc"：单是 S 就超出片上容量。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show


def one_tile(
    d_head: int, br: int, bc: int, scores: str = "overwritten"
) -> tuple[dict[str, int], Tensor]:
    """Br queries meet Bc keys as in Algorithm 1: the elements of every buffer made, and the error
    of its O."""
    chip: dict[str, Tensor] = {}

    def make(name: str, *shape: int) -> Tensor:
        chip[name] = torch.empty(shape)
        return chip[name]

    tiles = ("K", bc), ("V", bc), ("Q", br), ("O", br)
    k, v, q, o = (make(name, rows, d_head).normal_() for name, rows in tiles)
    m = make("m", br, 1).fill_(-torch.inf)
    l = make("l", br, 1).zero_()  # noqa: E741
    s = torch.matmul(q, k.T, out=make("S", br, bc)).mul_(d_head**-0.5)
    top = torch.amax(s, 1, keepdim=True, out=make("m of the tile", br, 1))
    p = torch.sub(s, top, out=s if scores == "overwritten" else make("P", br, bc)).exp_()
    total = torch.sum(p, 1, keepdim=True, out=make("l of the tile", br, 1))
    m_new = torch.maximum(m, top, out=make("new m", br, 1))
    old, new = m.sub_(m_new).exp_(), top.sub_(m_new).exp_()                   # (br, 1) each
    l_new = torch.addcmul(total.mul_(new), l, old, out=make("new l", br, 1))
    o.mul_(l.mul_(old)).addmm_(p.mul_(new), v).div_(l_new)                    # in place
    exact = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    return {name: buffer.numel() for name, buffer in chip.items()}, (o - exact).abs().max()


def block_sizes(sram: int, d_head: int, rows: str = "min(Bc, d)") -> tuple[int, int]:
    """Br and Bc for `sram` elements on chip: line 1 of the algorithm."""
    bc = math.ceil(sram / (4 * d_head))
    return min(bc, d_head) if rows == "min(Bc, d)" else bc, bc


RANGES = {
    "sram": between(4096, 200_000),
    "widths": each(between(16, 256), at_most=6),
    "rows": one_of("min(Bc, d)", "Bc"),
    "scores": one_of("overwritten", "beside"),
}


@breaks(rows="Bc", en="With as many query rows as keys, S is Bc × Bc and grows with M².",
        zh="query 行数若与 key 一样多，S 就是 Bc × Bc，随 M² 增长。")
def claim_blocks_take_a_quarter_each(sram=98_304, widths=(32, 64, 96, 128, 256), rows="min(Bc, d)"):
    """Bc = ⌈M/4d⌉ makes K_j and V_j a quarter of M each; Br ≤ d keeps S_ij within a quarter.

    Bc = ⌈M/4d⌉ 使 K_j 与 V_j 各占 M 的四分之一；Br ≤ d 使 S_ij 不超过四分之一。"""
    done = [one_tile(d, *block_sizes(sram, d, rows)) for d in widths]
    shares = {name: [sizes[name] / sram for sizes, _ in done] for name in "KVQOS"}
    show(bars([f"d = {d}: {' × '.join(map(str, block_sizes(sram, d, rows)))}" for d in widths],
              shares, y_label="share of M"))
    row = [d / sram for d in widths]                               # ⌈…⌉ adds less than a row
    for name in "KV":
        expect(f"{name} / M", shares[name], equals=0.25, within=row, at=("d", widths))
    expect("S / M", shares["S"], at_most=0.25, within=row, at=("d", widths))
    # float32, outputs below 5 from sums of Bc terms
    expect("error of the tile's output", [gap for _, gap in done], equals=0, within=1e-4,
           at=("d", widths))


@breaks(scores="beside", en="P beside S takes another Br·Bc, a quarter of M where Br = d.",
        zh="P 与 S 并存要再占 Br·Bc；Br = d 时就是 M 的四分之一。")
def claim_a_tile_fits_only_if_bc_is_2d_plus_6(sram=98_304, widths=(32, 64, 96, 128, 256),
                                              scores="overwritten"):
    """With P over S a tile holds 2Bc·d + 2Br·d + Br·Bc + 6Br elements; where Br = d and 4d divides
    M, that fits only if Bc ≥ 2d + 6.

    P 覆盖 S 时，一个分块共 2Bc·d + 2Br·d + Br·Bc + 6Br 个元素；若 Br = d 且 4d 整除 M，则当且仅当 Bc ≥ 2d + 6 才放得下。"""
    tiles = [block_sizes(sram, d) for d in widths]
    peaks = [sum(one_tile(d, br, bc, scores)[0].values()) for d,
             (br, bc) in zip(widths, tiles, strict=True)]
    show(lines("d", widths, {"peak / M": [p / sram for p in peaks], "M": [1.0] * len(widths)}))
    expect("elements at the peak", peaks, at=("d", widths),
           equals=[2 * bc * d + 2 * br * d + br * bc + 6 * br for d,
                   (br, bc) in zip(widths, tiles, strict=True)])
    # ⌈…⌉ makes K and V together larger than M/2 by up to 2d; that much less is left for the rest.
    expect("the tile fits", [p <= sram for p in peaks], at=("d", widths),
           equals=[br == d and bc >= 2 * d + 6 + (4 * bc * d - sram) / d for d,
                   (br, bc) in zip(widths, tiles, strict=True)])


@breaks(scores="beside", en="Each of S and P needs a place of its own.", zh="S 与 P 各要一块地方。")
def claim_the_softmax_adds_only_row_statistics(sram=98_304, widths=(32, 64, 96, 128),
                                               scores="overwritten"):
    """With exp taken in place, the softmax adds four numbers per query row to what was there with
    S; P beside S would exceed M wherever Br = d.

    exp 原地计算时，softmax 只比算出 S 时每行多四个数；若 P 与 S 并存，只要 Br = d 就超出 M。"""
    tiles = [block_sizes(sram, d) for d in widths]
    done = [one_tile(d, *t, scores)[0] for d, t in zip(widths, tiles, strict=True)]
    with_s = [sum(sizes[x] for x in ("K", "V", "Q", "O", "m", "l", "S")) for sizes in done]
    peaks = [sum(sizes.values()) for sizes in done]
    beside = [sum(one_tile(d, *t, "beside")[0].values()) for d,
              t in zip(widths, tiles, strict=True)]
    show(lines("d", widths, {"P over S": [p / sram for p in peaks],
                             "P beside S": [p / sram for p in beside],
                             "M": [1.0] * len(widths)}, y_label="peak / M"))
    expect("elements that the softmax adds", [p - s for p, s in zip(peaks, with_s, strict=True)],
           equals=[4 * br for br, _ in tiles],
           at=("d", widths))
    square = [b / sram for b, d, (br, _) in zip(beside, widths, tiles, strict=True) if br == d]
    if square:
        expect("peak / M with P beside S, where Br = d", square, at_least=1)


def drill_tile(rng) -> Drill:
    """Whether a tile of 16-bit numbers fits: KiB at its peak."""
    d, br, bc = rng.choice([(64, 64, 128), (64, 64, 256), (128, 128, 128), (128, 64, 128),
                            (64, 128, 128)])
    held = one_tile(d, br, bc)[0]
    big = 2 * bc * d + 2 * br * d + br * bc
    return Drill(
        en=f"A FlashAttention tile has {br} queries and {bc} keys of head size {d}, all in 16 bits. "
           "K, V, Q, O and S lie on chip, P overwrites S; neglect the row statistics. How many KiB?",
        zh=f"FlashAttention 的一个分块有 {br} 个 query、{bc} 个 key，头维度 {d}，全为 16 位。片上有 K、V、Q、O、S，P 覆盖 S；"
           "忽略行统计量。共多少 KiB？",
        answer=2 * sum(held[x] for x in "KVQOS") / 1024, unit="KiB",
        steps=[
            (f"K and V: 2 · {bc} · {d} = {2 * bc * d}", f"K 与 V：2 · {bc} · {d} = {2 * bc * d}"),
            (f"Q and O: 2 · {br} · {d} = {2 * br * d}", f"Q 与 O：2 · {br} · {d} = {2 * br * d}"),
            (f"S: {br} · {bc} = {br * bc}", f"S：{br} · {bc} = {br * bc}"),
            (f"{big} numbers of 2 bytes are {2 * big / 1024:g} KiB",
             f"{big} 个数，每个 2 字节，即 {2 * big / 1024:g} KiB"),
        ],
        proved_by="a_tile_fits_only_if_bc_is_2d_plus_6",
    )


ZH = {
    "d = {}: {}": "d = {}：{}",
    "share of M": "占 M 的比例",
    "error of the tile's output": "分块输出的误差",
    "peak / M": "峰值 / M",
    "elements at the peak": "峰值处的元素数",
    "the tile fits": "放得下",
    "P over S": "P 覆盖 S",
    "P beside S": "P 与 S 并存",
    "elements that the softmax adds": "softmax 增加的元素数",
    "peak / M with P beside S, where Br = d": "Br = d 且 P 与 S 并存时的 峰值 / M",
}

if __name__ == "__main__":
    main()
