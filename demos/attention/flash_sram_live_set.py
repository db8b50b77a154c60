r"""What is alive on chip during one tile of FlashAttention: allocate, free, and look at the peak.

FlashAttention 处理一个分块时片上有什么：分配、释放，再看峰值。

Dao et al. 2022, Algorithm 1, line by line, with M elements of SRAM; Dao 2023 for the other loop order. The tile works in
buffers of a small allocator, so every figure is what the run held. A freed buffer is filled with NaN: whatever still
needed it goes wrong. How the sizes are chosen is in flash_block_sizes. Turn `sram`, `d`, `widths`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


class Sram:
    """On-chip buffers by name; `log` keeps what was alive after every change, in elements."""

    def __init__(self) -> None:
        self.alive: dict[str, Tensor] = {}
        self.log: list[tuple[str, dict[str, int]]] = []
        self.stored = 0                                                          # elements written back to HBM

    def note(self, change: str) -> None:
        """Remember what is alive."""
        self.log.append((change, {name: t.numel() for name, t in self.alive.items()}))

    def alloc(self, name: str, *shape: int) -> Tensor:
        """A new buffer, full of NaN."""
        self.alive[name] = torch.full(shape, torch.nan)
        self.note(f"+ {name}")
        return self.alive[name]

    def load(self, name: str, source: Tensor) -> Tensor:
        """A buffer with a copy of `source` from HBM."""
        return self.alloc(name, *source.shape).copy_(source)

    def store(self, value: Tensor, target: Tensor) -> None:
        """Write a buffer back to HBM."""
        target.copy_(value)
        self.stored += value.numel()

    def free(self, *names: str) -> None:
        """Give up those buffers that are alive; what they held is lost."""
        gone = [name for name in names if name in self.alive]
        for name in gone:
            self.alive.pop(name).fill_(torch.nan)
        if gone:
            self.note("− " + ", ".join(gone))

    @property
    def peak(self) -> int:
        """Most elements alive at once."""
        return max(sum(sizes.values()) for _, sizes in self.log)


def tile(sram: Sram, q: Tensor, k: Tensor, v: Tensor, o: Tensor, l: Tensor, m: Tensor, *,  # noqa: E741
         in_place: bool = True, early: tuple[str, ...] = ()) -> tuple[Tensor, Tensor]:
    """Lines 9 to 12 of Algorithm 1; `early` is freed as soon as S is there. O is updated where it lies; l_new, m_new."""
    rows = len(q)
    s = torch.matmul(q, k.T, out=sram.alloc("S", rows, len(k))).mul_(q.shape[1] ** -0.5)
    sram.free(*early)
    m_tile = torch.amax(s, 1, keepdim=True, out=sram.alloc("m~", rows, 1))
    p = torch.sub(s, m_tile, out=s if in_place else sram.alloc("P", *s.shape)).exp_()
    if not in_place:
        sram.free("S")
    l_tile = torch.sum(p, 1, keepdim=True, out=sram.alloc("l~", rows, 1))
    m_new = torch.maximum(m, m_tile, out=sram.alloc("m_new", rows, 1))
    old, new = m.sub_(m_new).exp_(), m_tile.sub_(m_new).exp_()                   # the two factors, over m and m~
    l_new = torch.addcmul(l_tile.mul_(new), l, old, out=sram.alloc("l_new", rows, 1))
    o.mul_(l.mul_(old)).addmm_(p.mul_(new), v).div_(l_new)                       # line 12, no room for a product PV
    return l_new, m_new


def blocks(n: int, size: int) -> list[slice]:
    """n rows in blocks."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def block_sizes(sram: int, d: int) -> tuple[int, int]:
    """Br and Bc of Algorithm 1, line 1."""
    wide = math.ceil(sram / (4 * d))
    return min(wide, d), wide


def attend(chip: Sram, n: int, d: int, br: int, bc: int, order: str = "v1", **how) -> float:
    """Attention of n random tokens through the tiles, K/V blocks outside (v1) or Q blocks outside (v2); its error."""
    q, k, v = torch.randn(3, n, d)
    o, l, m = torch.zeros(n, d), torch.zeros(n, 1), torch.full((n, 1), -torch.inf)          # noqa: E741
    if order == "v1":
        for j in blocks(n, bc):
            kv = chip.load("K", k[j]), chip.load("V", v[j])
            for i in blocks(n, br):
                state = [chip.load(name, x[i]) for name, x in (("Q", q), ("O", o), ("l", l), ("m", m))]
                l_new, m_new = tile(chip, state[0], *kv, *state[1:], **how)
                for value, target in ((state[1], o), (l_new, l), (m_new, m)):
                    chip.store(value, target[i])
                chip.free(*(name for name in chip.alive if name not in "KV"))
            chip.free(*chip.alive)
    else:
        for i in blocks(n, br):
            state = [chip.load(name, x[i]) for name, x in (("Q", q), ("O", o), ("l", l), ("m", m))]
            for j in blocks(n, bc):
                kv = chip.load("K", k[j]), chip.load("V", v[j])
                l_new, m_new = tile(chip, state[0], *kv, *state[1:], **how)
                state[2].copy_(l_new), state[3].copy_(m_new)
                chip.free(*(name for name in chip.alive if name not in "QOlm"))
            chip.store(state[1], o[i])
            chip.free(*chip.alive)
    return (o - F.scaled_dot_product_attention(q[None], k[None], v[None])[0]).abs().max().item()


def one_tile(d: int, br: int, bc: int, **how) -> Sram:
    """The log of a single tile."""
    chip = Sram()
    q, k, v = torch.randn(br, d), torch.randn(bc, d), torch.randn(bc, d)
    kv = chip.load("K", k), chip.load("V", v)
    state = chip.load("Q", q), *(chip.load(x, torch.zeros(br, w)) for x, w in (("O", d), ("l", 1), ("m", 1)))
    tile(chip, state[0], *kv, *state[1:], **how)
    return chip


def claim_after_scores_s_joins_six_buffers(sram=98304, d=64):
    """Once S_ij is there, 2Bc·d + 2Br·d + 2Br + Br·Bc elements are alive: at d = 64 it is 82,048 of 98,304, K and V 60%
    of them and S 30%.

    S_ij 算出时，片上有 2Bc·d + 2Br·d + 2Br + Br·Bc 个元素：d = 64 时为 82,048（M 为 98,304），其中 K、V 占 60%，S 占 30%。"""
    br, bc = block_sizes(sram, d)
    log = one_tile(d, br, bc).log
    log = log[: [change for change, _ in log].index("+ S") + 1]
    show(table(("change", "elements", "alive", "alive / M"),
               [(c, x[c[2:]], sum(x.values()), sum(x.values()) / sram) for c, x in log]))
    sizes = log[-1][1]
    expect("elements alive with S", sum(sizes.values()), equals=2 * bc * d + 2 * br * d + 2 * br + br * bc)
    expect("buffers alive with S", sorted(sizes), equals=sorted(("K", "V", "Q", "O", "l", "m", "S")))


def claim_loop_order_decides_what_may_be_freed(n=512, sram=98304, d=64):
    """With S computed, v1 may give up Q_i but not K_j, which the next Q block needs; in v2's order it is the reverse.

    S 算出之后，v1 可以释放 Q_i 而不能释放 K_j，因为下一个 Q 块还要用它；换成 v2 的次序则恰好相反。"""
    br, bc = block_sizes(sram, d)
    names = ["nothing", "Q", "K", "V", "O", "l", "m"]
    errors = {order: [attend(Sram(), n, d, br, bc, order, early=(x,)) for x in names] for order in ("v1", "v2")}
    show(table({"freed after S": names, **{f"error of O, {order}": e for order, e in errors.items()}}))
    right = {order: [e < 1e-4 for e in column] for order, column in errors.items()}                   # NaN is not
    expect("the output is right, v1", right["v1"], equals=[x in {"nothing", "Q"} for x in names], at=("freed", names))
    expect("the output is right, v2", right["v2"], equals=[x in {"nothing", "K"} for x in names], at=("freed", names))


def claim_p_has_to_overwrite_s(sram=98304, widths=(32, 64, 96, 128)):
    """While Br = d, S and P in buffers of their own exceed the formula's M, even with Q freed first; P written over S
    adds only row statistics, and fits at d = 64.

    只要 Br = d，S 与 P 各占一块缓冲就会超出公式中的 M，即使先释放 Q；让 P 覆盖 S，只多出几个按行的统计量，d = 64 时
    放得下。"""
    ways = {"P beside S": {"in_place": False}, "P beside S, Q freed": {"in_place": False, "early": ("Q",)}, "P over S": {}}
    peaks = {way: [one_tile(d, *block_sizes(sram, d), **how).peak for d in widths] for way, how in ways.items()}
    shares = {way: [p / sram for p in column] for way, column in peaks.items()}
    show(table({"d": widths, **{f"peak / M, {way}": x for way, x in shares.items()}}),
         lines("d", widths, {**shares, "M": [1.0] * len(widths)}, y_label="peak / M"))
    rows = [block_sizes(sram, d)[0] for d in widths]
    square = [i for i, (d, br) in enumerate(zip(widths, rows, strict=True)) if br == d]
    for way in ("P beside S", "P beside S, Q freed"):
        chips = [one_tile(widths[i], *block_sizes(sram, widths[i]), **ways[way]) for i in square]
        both = [sum(dict(chip.log)["+ P"].values()) for chip in chips]
        expect(f"elements while S and P are there, {way}", both, at_least=sram, at=("d", [widths[i] for i in square]))
    if 64 in widths:
        expect("peak / M at d = 64, P over S", shares["P over S"][widths.index(64)], at_most=1)
    at_scores = [sum(dict(one_tile(d, *block_sizes(sram, d)).log)["+ S"].values()) for d in widths]
    expect("what the softmax adds to the scores, P over S", [p - a for p, a in zip(peaks["P over S"], at_scores, strict=True)],
           equals=[4 * br for br in rows], at=("d", widths))


def claim_only_k_and_v_stay_between_tiles(lengths=(384, 768, 1536), sram=98304, d=64):
    """After each tile of v1, O_i, l_i and m_i have gone back to HBM, Br·d + 2Br elements, and only K_j and V_j stay; so
    the peak does not grow with the length.

    v1 每处理完一个分块，就把 O_i、l_i、m_i 共 Br·d + 2Br 个元素写回 HBM，片上只留 K_j 与 V_j；因此峰值不随序列长度增长。"""
    br, bc = block_sizes(sram, d)
    chips = [Sram() for _ in lengths]
    for chip, n in zip(chips, lengths, strict=True):
        attend(chip, n, d, br, bc, early=("Q",))
    log = chips[0].log
    left = {", ".join(sizes) for change, sizes in log if change.startswith("− O")}
    tiles = [len(blocks(n, br)) * len(blocks(n, bc)) for n in lengths]
    first = [sum(sizes.values()) for _, sizes in log[:40]]
    show(lines("change", range(1, len(first) + 1), {"alive": first, "M": [sram] * len(first)}, y_label="elements",
               title="loading K and V, then the first tiles"),
         table({"tokens": lengths, "tiles": tiles, "peak, elements": [c.peak for c in chips],
                "written back": [c.stored for c in chips]}))
    expect("what stays on chip after a tile", sorted(left), equals=["K, V"])
    passes = [len(blocks(n, bc)) for n in lengths]                               # every row of O, l, m once a pass
    expect("elements written back", [c.stored for c in chips],
           equals=[turns * n * (d + 2) for turns, n in zip(passes, lengths, strict=True)], at=("tokens", lengths))
    expect("peak, elements", [c.peak for c in chips], equals=chips[0].peak, at=("tokens", lengths))


if __name__ == "__main__":
    main()
