r"""FlashAttention computes the same output with far fewer elements moved between HBM and SRAM.

FlashAttention 的输出不变，而在 HBM 与 SRAM 之间搬运的元素少得多。

Dao et al. 2022, Algorithms 0 and 1; Dao 2023, Algorithm 1. HBM is simulated: every read and write is counted in elements.
Idealised: each kernel of the standard form touches a tensor once, and nothing is kept in L2. Turn `n`, `d`, `sram`.
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
    n, d = hbm.tensors["Q"].shape
    hbm.tensors |= {"O": torch.zeros(n, d), "l": torch.zeros(n, 1), "m": torch.full((n, 1), -torch.inf)}
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


def flash_v2(hbm: Hbm, br: int, bc: int) -> None:
    """Q blocks outside, K/V blocks inside: O stays on chip and is written once, with the log-sum-exp."""
    n, d = hbm.tensors["Q"].shape
    hbm.tensors |= {"O": torch.empty(n, d), "L": torch.empty(n, 1)}
    for i in blocks(n, br):
        q = hbm.load("Q", i)
        acc, l, m = torch.zeros(len(q), d), torch.zeros(len(q), 1), torch.full((len(q), 1), -torch.inf)  # noqa: E741
        for j in blocks(n, bc):
            k, v = hbm.load("K", j), hbm.load("V", j)
            s = q @ k.T * d**-0.5
            m_new = torch.maximum(m, s.amax(1, keepdim=True))
            p, shrink = torch.exp(s - m_new), torch.exp(m - m_new)
            acc, l, m = shrink * acc + p @ v, shrink * l + p.sum(1, keepdim=True), m_new  # noqa: E741
        hbm.store("O", acc / l, i)
        hbm.store("L", m + l.log(), i)


def run(n: int, d: int, sram: int) -> dict[str, Hbm]:
    """The three algorithms on the same inputs."""
    q, k, v = torch.randn(3, n, d)
    br, bc = block_sizes(sram, d)
    done = {name: Hbm(Q=q, K=k, V=v) for name in ("standard", "v1", "v2", "v2, blocks swapped")}
    standard(done["standard"])
    flash_v1(done["v1"], br, bc)
    flash_v2(done["v2"], br, bc)
    flash_v2(done["v2, blocks swapped"], bc, br)                                 # the large block for Q
    return done


def claim_tiled_attention_is_exact(n=1024, d=64, sram=98304):
    """Both loop orders give PyTorch's attention to rounding error: tiling is no approximation.

    两种循环次序都与 PyTorch 的注意力只差舍入误差：分块不是近似。"""
    done = run(n, d, sram)
    q, k, v = (done["v1"].tensors[name][None] for name in "QKV")
    exact = F.scaled_dot_product_attention(q, k, v)[0]
    gaps = {name: (h.tensors["O"] - exact).abs().max() for name, h in done.items()}
    show(table({"algorithm": list(gaps), "max difference from SDPA": list(gaps.values())}))
    expect("max difference from SDPA", list(gaps.values()), at_most=1e-5, at=("algorithm", list(gaps)))


def claim_standard_moves_4nd_plus_4n2(n=1024, d=64, sram=98304):
    """Standard attention moves 4Nd + 4N² elements: S and P are each written once and read once.

    标准注意力搬运 4Nd + 4N² 个元素：S 与 P 各写一次、读一次。"""
    hbm = run(n, d, sram)["standard"]
    names = list("QKVSPO")
    show(bars(names, {"read": [hbm.read[x] for x in names], "written": [hbm.written[x] for x in names]}))
    expect("elements moved", hbm.moved, equals=4 * n * d + 4 * n * n)
    expect("share of S and P", sum(hbm.read[x] + hbm.written[x] for x in "SP") / hbm.moved, equals=n / (n + d), within=1e-9)


def claim_v1_traffic_matches_the_formula(n=1024, d=64, sram=98304):
    """FlashAttention v1 moves 2Nd + Tc(3Nd + 4N) elements and never S or P.

    FlashAttention v1 搬运 2Nd + Tc(3Nd + 4N) 个元素，S 与 P 从不进出 HBM。"""
    done = run(n, d, sram)
    names = list(done)
    show(bars(names, {"elements moved": [h.moved for h in done.values()]}))
    rounds = math.ceil(n / block_sizes(sram, d)[1])
    expect("elements moved by v1", done["v1"].moved, equals=2 * n * d + rounds * (3 * n * d + 4 * n))
    expect("elements of S and P moved by v1", sum(done["v1"].read[x] + done["v1"].written[x] for x in "SP"), equals=0)
    expect("standard over v1", done["standard"].moved / done["v1"].moved, at_least=2)


def claim_v2_writes_o_once(n=1024, d=64, sram=98304):
    """v1 writes O once for each K/V block, v2 once in all; in exchange v2 reads K and V again for every Q block.

    v1 每个 K/V 块都要写一遍 O，v2 总共只写一遍；代价是 v2 对每个 Q 块都重读 K、V。"""
    done = run(n, d, sram)
    br, bc = block_sizes(sram, d)
    names = ["v1", "v2", "v2, blocks swapped"]
    writes = [done[x].written["O"] / (n * d) for x in names]
    reads = [done[x].read["K"] / (n * d) for x in names]
    show(table({"algorithm": names, "times O is written": writes, "times K is read": reads,
                "elements moved": [done[x].moved for x in names]}))
    expect("times O is written", writes, equals=[math.ceil(n / bc), 1, 1], at=("algorithm", names))
    expect("times K is read", reads, equals=[1, math.ceil(n / br), math.ceil(n / bc)], at=("algorithm", names))


def claim_traffic_falls_with_sram(n=1024, d=64, srams=(24576, 49152, 98304)):
    """Doubling the SRAM about halves v1's traffic, the N²d²/M law; standard attention gains nothing.

    SRAM 翻倍，v1 的访存量大约减半，即 N²d²/M 的规律；标准注意力则毫无变化。"""
    moved = []
    plain = []
    q, k, v = torch.randn(3, n, d)
    for sram in srams:
        tiled, whole = Hbm(Q=q, K=k, V=v), Hbm(Q=q, K=k, V=v)
        flash_v1(tiled, *block_sizes(sram, d))
        standard(whole)
        moved.append(tiled.moved)
        plain.append(whole.moved)
    show(lines("SRAM, elements", srams, {"v1": moved, "standard": plain}, log="xy", y_label="elements moved"))
    law = [m - 2 * n * d for m in moved]
    exact = [math.ceil(n / block_sizes(s, d)[1]) * (3 * n * d + 4 * n) for s in srams]
    expect("v1's traffic beyond K and V", law, equals=exact, at=("SRAM", srams))
    expect("v1's traffic, largest SRAM over smallest", law[-1] / law[0], within=0.1, equals=srams[0] / srams[-1])
    expect("standard's traffic", plain, equals=plain[0], at=("SRAM", srams))


if __name__ == "__main__":
    main()
