r"""The order of FlashAttention's two loops decides what is reread: Q and O in v1, K and V in v2.

FlashAttention 两层循环的次序决定重复读写什么：v1 是 Q 与 O，v2 是 K 与 V。

Dao et al. 2022, Algorithm 1; Dao 2023, Algorithm 1 and §3.2. HBM is simulated: every read and write is counted in
elements, and nothing is kept in L2. The default blocks are v1's for d = 64 and 98,304 elements of SRAM: 64 rows of Q,
384 of K and V. Turn `n`, `q_rows`, `kv_rows`, `q_blocks`.
"""

import math
from collections import Counter
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import expect, lines, main, show, table


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


def blocks(n: int, size: int) -> list[slice]:
    """n rows in blocks."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def flash_v1(hbm: Hbm, br: int, bc: int, only: Iterable[int] | None = None) -> None:
    """K/V blocks outside (all, or `only` some), Q blocks inside: O, l, m go back to HBM after every block."""
    q = hbm.tensors["Q"]
    n, d = q.shape
    hbm.tensors |= {"O": q.new_zeros(n, d), "l": q.new_zeros(n, 1), "m": q.new_full((n, 1), -torch.inf)}
    outer = blocks(n, bc)
    for j in outer if only is None else [outer[x] for x in only]:
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


def flash_v2(hbm: Hbm, br: int, bc: int, only: Iterable[int] | None = None) -> None:
    """Q blocks outside (all, or `only` some), K/V blocks inside: O stays on chip and is written once."""
    n, d = hbm.tensors["Q"].shape
    hbm.tensors |= {"O": hbm.tensors["Q"].new_empty(n, d), "L": hbm.tensors["Q"].new_empty(n, 1)}
    outer = blocks(n, br)
    for i in outer if only is None else [outer[x] for x in only]:
        q = hbm.load("Q", i)
        acc, l, m = torch.zeros_like(q), q.new_zeros(len(q), 1), q.new_full((len(q), 1), -torch.inf)  # noqa: E741
        for j in blocks(n, bc):
            k, v = hbm.load("K", j), hbm.load("V", j)
            s = q @ k.T * d**-0.5
            m_new = torch.maximum(m, s.amax(1, keepdim=True))
            p, shrink = torch.exp(s - m_new), torch.exp(m - m_new)
            acc, l, m = shrink * acc + p @ v, shrink * l + p.sum(1, keepdim=True), m_new  # noqa: E741
        hbm.store("O", acc / l, i)                                               # divided once
        hbm.store("L", m + l.log(), i)                                           # log-sum-exp, for backward


def memory(n: int, d: int) -> dict[str, Tensor]:
    """Random Q, K and V of one head."""
    return dict(zip("QKV", torch.randn(3, n, d), strict=True))


def exact(inputs: dict[str, Tensor], keys: int | None = None) -> Tensor:
    """PyTorch's attention over the first `keys` keys."""
    return F.scaled_dot_product_attention(inputs["Q"][None], inputs["K"][None, :keys], inputs["V"][None, :keys])[0]


def claim_v2_writes_o_once(n=1024, d=64, q_rows=64, kv_rows=384):
    """v1 rereads Q and rewrites O for each K/V block; v2 reads Q and writes O once, but rereads K and V for each Q block.

    v1 每个 K/V 块都要重读 Q、重写 O；v2 只读一遍 Q、写一遍 O，但每个 Q 块都要重读 K、V。"""
    inputs, times, gaps = memory(n, d), {}, []
    kinds = ("Q is read", "O is read", "O is written", "K is read", "V is read")
    for name, algorithm in (("v1", flash_v1), ("v2", flash_v2)):
        hbm = Hbm(**inputs)
        algorithm(hbm, q_rows, kv_rows)
        times[name] = [(hbm.written if "written" in kind else hbm.read)[kind[0]] / (n * d) for kind in kinds]
        gaps.append((hbm.tensors["O"] - exact(inputs)).abs().max())
    t_r, t_c = math.ceil(n / q_rows), math.ceil(n / kv_rows)
    show(table({"times that": kinds, **times}, title=f"{t_r} Q blocks, {t_c} K/V blocks"))
    expect("times, v1", times["v1"], equals=[t_c, t_c, t_c, 1, 1], at=("that", kinds))
    expect("times, v2", times["v2"], equals=[1, 0, 1, t_r, t_r], at=("that", kinds))
    expect("max difference from SDPA", gaps, at_most=1e-5, at=("order", ["v1", "v2"]))


def claim_q_block_decides_v2_traffic(n=1024, d=64, q_rows=64, kv_rows=384, q_blocks=(64, 128, 256, 384)):
    """Swapping the loops saves no traffic by itself: v2 moves 2Nd(1 + Tr) + N elements, more than v1 if it keeps v1's
    64-row Q block, and less only with a large one.

    单是交换循环并不省访存：v2 搬运 2Nd(1 + Tr) + N 个元素；沿用 v1 的 64 行 Q 块时比 v1 还多，Q 块取大才更少。"""
    inputs = memory(n, d)
    v1, moved = Hbm(**inputs), []
    flash_v1(v1, q_rows, kv_rows)
    for rows in q_blocks:
        hbm = Hbm(**inputs)
        flash_v2(hbm, rows, 64)                                                  # the K/V block does not matter here
        moved.append(hbm.moved)
    show(lines("rows of the Q block", q_blocks, {"v2": moved, "v1": [v1.moved] * len(moved)}, y_label="elements moved"),
         table({"rows of the Q block": q_blocks, "v2 over v1": [m / v1.moved for m in moved]}))
    formula = [2 * n * d * (1 + math.ceil(n / rows)) + n for rows in q_blocks]
    expect("elements moved by v2", moved, equals=formula, at=("Q block", q_blocks))
    expect("v2 over v1, smallest Q block", moved[0] / v1.moved, at_least=1)
    expect("v2 over v1, largest Q block", moved[-1] / v1.moved, at_most=1)


def claim_v1_o_is_attention_over_the_keys_so_far(n=1024, d=64, q_rows=64, kv_rows=384):
    """After each K/V block of v1, O in HBM is the finished attention over the keys seen so far, not a partial sum.

    v1 每处理完一个 K/V 块，HBM 中的 O 就是对已见 key 的完整注意力，而不是部分和。"""
    inputs = memory(n, d)
    seen = [rows.stop for rows in blocks(n, kv_rows)]
    to_prefix, to_full = [], []
    for turns, keys in enumerate(seen, 1):
        hbm = Hbm(**inputs)
        flash_v1(hbm, q_rows, kv_rows, range(turns))
        to_prefix.append((hbm.tensors["O"] - exact(inputs, keys)).abs().max())
        to_full.append((hbm.tensors["O"] - exact(inputs)).abs().max())
    show(table({"keys seen": seen, "from attention over them": to_prefix, "from the final output": to_full},
               title="max difference of O"))
    expect("O minus attention over the keys seen", to_prefix, at_most=1e-5, at=("keys seen", seen))
    expect("O minus the final output, before the last block", to_full[:-1], at_least=0.01, at=("keys seen", seen[:-1]))


def claim_v2_blocks_need_no_other(n=1024, d=64, q_rows=64, kv_rows=384):
    """A worker with one Q block finishes its rows of O alone; workers with one K/V block each, as v1's outer loop would
    deal them out, hold partial results that have to be merged through l and m.

    拿到一个 Q 块的 worker 独自就能算完它那几行 O；若按 v1 的外层循环每人分一个 K/V 块，手里只有部分结果，须借 l 与 m 合并。"""
    inputs = memory(n, d)
    workers: dict[str, list[dict[str, Tensor]]] = {"v1": [], "v2": []}
    for name, algorithm, size in (("v1", flash_v1, kv_rows), ("v2", flash_v2, q_rows)):
        for mine in range(math.ceil(n / size)):                                  # each with a memory of its own
            hbm = Hbm(**inputs)
            algorithm(hbm, q_rows, kv_rows, [mine])
            workers[name].append(hbm.tensors)
    o, l, m = (torch.stack([x[name] for x in workers["v1"]]) for name in "Olm")  # (workers, n, …)  # noqa: E741
    weight = l * torch.exp(m - m.amax(0))
    rows = zip(workers["v2"], blocks(n, q_rows), strict=True)
    results = {"v2, rows put side by side": torch.cat([x["O"][i] for x, i in rows]),
               "v1, the last to write wins": o[-1], "v1, merged by l and m": (weight * o).sum(0) / weight.sum(0)}
    gaps = [(x - exact(inputs)).abs().max() for x in results.values()]
    show(table({"workers": list(results), "max error of O": gaps}))
    expect("error of v2's rows", gaps[0], at_most=1e-5)
    expect("error where the last of v1's workers overwrites the others", gaps[1], at_least=0.01)
    expect("error of v1's results, merged", gaps[2], at_most=1e-5)


if __name__ == "__main__":
    main()
