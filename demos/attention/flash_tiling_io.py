r"""FlashAttention computes the same output with far fewer elements moved between HBM and SRAM.

FlashAttention 的输出不变，而在 HBM 与 SRAM 之间搬运的元素少得多。

Dao et al. 2022, Algorithms 0 and 1. HBM is simulated: every read and write is counted in elements. Idealised: each
kernel of the standard form touches a tensor once, and nothing is kept in L2. The loop order of FlashAttention-2 is in
flash_loop_order. Turn `n`, `d`, `sram`.
"""

import math
from collections import Counter

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, expect, lines, main, show, table


class Hbm:
    """Tensors in slow memory; reading and writing rows of them is counted by name."""

    def __init__(self, **tensors: Tensor) -> None:
        self.tensors = tensors
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()

    def load(self, name: str, rows: slice = slice(None)) -> Tensor:
        """A copy on chip."""
        block = self.tensors[name][rows].clone()
        self.read[name] += block.numel()
        return block

    def store(self, name: str, value: Tensor, rows: slice = slice(None)) -> None:
        """Write back; a new tensor where the name is new."""
        if name in self.tensors:
            self.tensors[name][rows] = value
        else:
            self.tensors[name] = value
        self.written[name] += value.numel()

    @property
    def moved(self) -> int:
        """Elements moved in both directions."""
        return self.read.total() + self.written.total()


def block_sizes(sram: int, d: int) -> tuple[int, int]:
    """Br and Bc of FlashAttention v1 for an SRAM of `sram` elements."""
    wide = math.ceil(sram / (4 * d))
    return min(wide, d), wide


def blocks(n: int, size: int) -> list[slice]:
    """n rows in blocks."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def standard(hbm: Hbm) -> None:
    """Three kernels: scores, softmax, product with V; S and P pass through HBM."""
    q, k = hbm.load("Q"), hbm.load("K")
    hbm.store("S", q @ k.T * q.shape[1] ** -0.5)
    hbm.store("P", hbm.load("S").softmax(1))
    hbm.store("O", hbm.load("P") @ hbm.load("V"))


def flash_v1(hbm: Hbm, br: int, bc: int) -> None:
    """K/V blocks outside, Q blocks inside: O, l, m go back to HBM after every block."""
    q = hbm.tensors["Q"]
    n, d = q.shape
    hbm.tensors |= {"O": q.new_zeros(n, d), "l": q.new_zeros(n, 1), "m": q.new_full((n, 1), -torch.inf)}
    for j in blocks(n, bc):
        k, v = hbm.load("K", j), hbm.load("V", j)                                # (bc, d)
        for i in blocks(n, br):
            q, o, l, m = (hbm.load(name, i) for name in ("Q", "O", "l", "m"))    # noqa: E741
            s = q @ k.T * d**-0.5                                                # (br, bc), on chip only
            m_new = torch.maximum(m, s.amax(1, keepdim=True))
            p, shrink = torch.exp(s - m_new), torch.exp(m - m_new)
            l_new = shrink * l + p.sum(1, keepdim=True)
            hbm.store("O", (l * shrink * o + p @ v) / l_new, i)                  # normalised at every visit
            hbm.store("l", l_new, i)
            hbm.store("m", m_new, i)


def run(n: int, d: int, sram: int) -> dict[str, Hbm]:
    """Both algorithms on the same inputs."""
    q, k, v = torch.randn(3, n, d)
    done = {"standard": Hbm(Q=q, K=k, V=v), "v1": Hbm(Q=q, K=k, V=v)}
    standard(done["standard"])
    flash_v1(done["v1"], *block_sizes(sram, d))
    return done


def claim_tiled_attention_is_exact(n=1024, d=64, srams=(16384, 24576, 98304)):
    """Tiled attention is PyTorch's attention to rounding error, whatever the tile: it is no approximation.

    无论分块多大，分块注意力与 PyTorch 的注意力只差舍入误差：它不是近似。"""
    q, k, v = torch.randn(3, n, d)
    exact = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    tiles, gaps = [], []
    for sram in srams:
        br, bc = block_sizes(sram, d)
        hbm = Hbm(Q=q, K=k, V=v)
        flash_v1(hbm, br, bc)
        tiles.append(f"{br} × {bc}")
        gaps.append((hbm.tensors["O"] - exact).abs().max())
    show(table({"SRAM, elements": srams, "tile Br × Bc": tiles, "max difference from SDPA": gaps}))
    expect("max difference from SDPA", gaps, at_most=1e-5, at=("SRAM", srams))


def claim_v1_traffic_matches_the_formula(n=1024, d=64, sram=98304):
    """FlashAttention v1 moves 2Nd + Tc(3Nd + 4N) elements and never S or P; the standard form moves 4Nd + 4N².

    FlashAttention v1 搬运 2Nd + Tc(3Nd + 4N) 个元素，S 与 P 从不进出 HBM；标准实现搬运 4Nd + 4N² 个。"""
    done = run(n, d, sram)
    names = ["Q", "K", "V", "S", "P", "O", "l, m"]
    moved = {x: [sum(h.read[y] + h.written[y] for y in name.split(", ")) for name in names] for x, h in done.items()}
    show(bars(names, moved, y_label="elements read and written"),
         table({"algorithm": list(done), "elements moved": [h.moved for h in done.values()]}))
    rounds = math.ceil(n / block_sizes(sram, d)[1])
    expect("elements moved by v1", done["v1"].moved, equals=2 * n * d + rounds * (3 * n * d + 4 * n))
    expect("elements of S and P moved by v1", moved["v1"][3:5], equals=0, at=("matrix", ["S", "P"]))
    expect("elements moved by the standard form", done["standard"].moved, equals=4 * n * d + 4 * n * n)
    expect("standard over v1", done["standard"].moved / done["v1"].moved, at_least=2)


def claim_traffic_falls_with_sram(n=1024, d=64, srams=(24576, 49152, 98304)):
    """Doubling the SRAM about halves v1's traffic, the N²d²/M law; standard attention gains nothing.

    SRAM 翻倍，v1 的访存量大约减半，即 N²d²/M 的规律；标准注意力则毫无变化。"""
    moved: dict[str, list[int]] = {"v1": [], "standard": []}
    q, k, v = torch.randn(3, n, d)
    for sram in srams:
        tiled, whole = Hbm(Q=q, K=k, V=v), Hbm(Q=q, K=k, V=v)
        flash_v1(tiled, *block_sizes(sram, d))
        standard(whole)
        moved["v1"].append(tiled.moved)
        moved["standard"].append(whole.moved)
    show(lines("SRAM, elements", srams, moved, log="xy", y_label="elements moved"))
    law = [m - 2 * n * d for m in moved["v1"]]
    exact = [math.ceil(n / block_sizes(s, d)[1]) * (3 * n * d + 4 * n) for s in srams]
    expect("v1's traffic beyond K and V", law, equals=exact, at=("SRAM", srams))
    expect("v1's traffic, largest SRAM over smallest", law[-1] / law[0], within=0.1, equals=srams[0] / srams[-1])
    expect("standard's traffic", moved["standard"], equals=moved["standard"][0], at=("SRAM", srams))


if __name__ == "__main__":
    main()
