r"""The order of FlashAttention's two loops decides what is read again: Q and O in v1, K and V in
v2.

FlashAttention 两层循环的次序决定什么要重复读写：v1 是 Q 与 O，v2 是 K 与 V。

Dao et al. 2022, Algorithm 1; Dao 2023, Algorithm 1. HBM is simulated, nothing is kept in L2. Turn
`outer` to "keys": workers overwrite one another's output. Turn `update` to "add": O is no
attention. 把 `outer` 改为 "keys"：各 worker 互相覆盖输出；把 `update` 改为 "add"：O 不再是注意力。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import SlowMemory


def tile(q: Tensor, k: Tensor, v: Tensor, o: Tensor, l: Tensor, m: Tensor,  # noqa: E741
         update: str) -> tuple[Tensor, ...]:
    """O (rows, d), l and m (rows, 1) of some queries, with one more block of keys."""
    s = q @ k.T / q.shape[1] ** 0.5                                             # (rows, keys)
    top = torch.maximum(m, s.amax(1, keepdim=True))
    p, old = torch.exp(s - top), torch.exp(m - top) * l
    total = old + p.sum(1, keepdim=True)
    return (o + p @ v / total if update == "add" else (old * o + p @ v) / total), total, top


def attend(hbm: SlowMemory, rows: int, keys: int, outer: str, mine: int | None = None,
           update: str = "rescale") -> None:
    """All of attention, or what the worker with outer block `mine` does: "keys" is v1, "queries"
    v2."""
    tokens = len(hbm.tensors["Q"])
    q_blocks = [slice(i, i + rows) for i in range(0, tokens, rows)]
    kv_blocks = [slice(j, j + keys) for j in range(0, tokens, keys)]
    if outer == "keys":
        for j in kv_blocks if mine is None else kv_blocks[mine : mine + 1]:
            k, v = hbm.load("K", j), hbm.load("V", j)
            for i in q_blocks:
                q, *state = (hbm.load(x, i) for x in ("Q", "O", "l", "m"))
                for name, value in zip("Olm", tile(q, k, v, *state, update), strict=True):
                    hbm.store(name, value, i)
        return
    for i in q_blocks if mine is None else q_blocks[mine : mine + 1]:
        q = hbm.load("Q", i)
        state = torch.zeros_like(q), q.new_zeros(len(q), 1), q.new_full((len(q), 1), -torch.inf)
        for j in kv_blocks:
            state = tile(q, hbm.load("K", j), hbm.load("V", j), *state, update)    # O stays on chip
        hbm.store("O", state[0], i)
        hbm.store("L", state[2] + state[1].log(), i)


def memory(tokens: int, d_head: int) -> SlowMemory:
    """Q, K, V and what the loops write."""
    one = torch.zeros(tokens, 1)
    drawn = {x: torch.randn(tokens, d_head, dtype=torch.float64) for x in "QKV"}
    return SlowMemory(**drawn, O=torch.zeros_like(drawn["Q"]), l=one.double(),
                      m=one.double() - torch.inf, L=one.double())


def exact(hbm: SlowMemory, keys: int | None = None) -> Tensor:
    """PyTorch's attention over the first `keys` keys."""
    q, k, v = (hbm.tensors[x][None] for x in "QKV")
    return F.scaled_dot_product_attention(q, k[:, :keys], v[:, :keys])[0]


RANGES = {
    "tokens": between(64, 1536),
    "d_head": between(8, 128),
    "rows": between(32, 512),
    "keys": between(64, 768),
    "q_blocks": each(between(64, 512), at_most=6),
    "outer": one_of("queries", "keys"),
    "update": one_of("rescale", "add"),
}


@breaks(outer="keys", en="With the keys outside, Q is read and O written once for every K/V block.",
        zh="K/V 在外层时，每个 K/V 块都要读一遍 Q、写一遍 O。")
def claim_v2_writes_o_once(tokens=1024, d_head=64, rows=64, keys=384, outer="queries"):
    """v1 rereads Q and rewrites O for every K/V block; v2 reads Q and writes O once, and rereads K
    and V for every Q block.

    v1 每个 K/V 块都要重读 Q、重写 O；v2 只读一遍 Q、写一遍 O，但每个 Q 块都要重读 K、V。"""
    kinds, nd = ("Q is read", "O is read", "O is written", "K is read",
                 "V is read"), tokens * d_head
    times = {}
    for name, order in (("v1", "keys"), ("v2", outer)):
        hbm = memory(tokens, d_head)
        attend(hbm, rows, keys, order)
        times[name] = [(hbm.written if "written" in x else hbm.read)[x[0]] / nd for x in kinds]
        expect(f"{name}: difference from SDPA", (hbm.tensors["O"] - exact(hbm)).abs().max(),
               equals=0,
               within=1e-14 * (tokens + d_head))
    t_r, t_c = math.ceil(tokens / rows), math.ceil(tokens / keys)
    show(table({"times that": kinds, **times}, title=f"{t_r} Q blocks, {t_c} K/V blocks"))
    expect("times, v1", times["v1"], equals=[t_c, t_c, t_c, 1, 1], at=("that", kinds))
    expect("times, v2", times["v2"], equals=[1, 0, 1, t_r, t_r], at=("that", kinds))


@breaks(update="add", en="Added without rescaling, O is no attention over anything.",
        zh="不缩放就相加，O 不是对任何 key 集合的注意力。")
def claim_v1_o_is_attention_over_the_keys_so_far(
    tokens=512, d_head=64, rows=64, keys=128, update="rescale"
):
    """After every K/V block of v1, O in HBM is the finished attention over the keys seen so far, no
    partial sum.

    v1 每处理完一个 K/V 块，HBM 中的 O 就是对已见 key 的完整注意力，而不是部分和。"""
    hbm, seen, gaps, left = memory(tokens, d_head), [], [], []
    for j in range(math.ceil(tokens / keys)):
        attend(hbm, rows, keys, "keys", j, update)
        seen.append(min((j + 1) * keys, tokens))
        gaps.append((hbm.tensors["O"] - exact(hbm, seen[-1])).abs().max())
        left.append((hbm.tensors["O"] - exact(hbm)).abs().max())
    show(lines("keys seen", seen, {"from attention over them": gaps,
                                   "from the final output": left}, y_label="largest difference"))
    expect("O less attention over the keys seen", gaps, equals=0, within=1e-14 * (tokens + d_head),
           at=("keys seen", seen))


@breaks(outer="keys", en="v1's traffic depends on the K/V block and not on the Q block.",
        zh="v1 的访存量取决于 K/V 块，与 Q 块无关。")
def claim_q_block_decides_v2_traffic(tokens=1152, d_head=64, keys=288,
                                     q_blocks=(64, 128, 192, 288), outer="queries"):
    """v2 moves 2Nd(1 + Tr) + N elements: by itself no less than v1, and about as much where
    the Q block has two thirds of the rows of v1's K/V block.

    v2 搬运 2Nd(1 + Tr) + N 个元素：交换循环本身并不省；Q 块的行数约为 v1 的 K/V 块的三分之二时，两者持平。"""
    v1, moved = memory(tokens, d_head), []
    attend(v1, 64, keys, "keys")
    for rows in q_blocks:
        hbm = memory(tokens, d_head)
        attend(hbm, rows, keys, outer)
        moved.append(hbm.moved)
    show(lines("rows of the Q block", q_blocks, {"v2": moved, "v1": [v1.moved] * len(moved)},
               y_label="elements moved"))
    nd = tokens * d_head
    formula = [2 * nd * (1 + math.ceil(tokens / r)) + tokens for r in q_blocks]
    expect("elements moved by v2", moved, equals=formula, at=("Q block", q_blocks))
    even = memory(tokens, d_head)
    attend(even, max(1, round(2 * keys / 3)), keys, outer)
    # Up to one pass of N/keys where blocks do not divide; l and m are 4/3d; two thirds are rounded.
    expect("v2 over v1 at the even Q block", even.moved / v1.moved, equals=1,
           within=1.2 * keys / tokens + 2 / d_head + 2 / keys)


@breaks(outer="keys",
        en="Workers with a K/V block each hold partial results, and the last to write wins.",
        zh="每个 worker 各持一个 K/V 块，得到的只是部分结果，后写的覆盖先写的。")
def claim_v2_blocks_need_no_other(tokens=512, d_head=64, rows=64, keys=128, outer="queries"):
    """A worker with one Q block finishes its rows of O alone; one with a K/V block holds a partial
    result for all rows.

    拿到一个 Q 块的 worker 独自就能算完它那几行 O；拿到一个 K/V 块的，手里只有所有行的部分结果。"""
    shared = memory(tokens, d_head)
    for mine in range(math.ceil(tokens / (rows if outer == "queries" else keys))):
        own = SlowMemory(**{name: t.clone() for name, t in memory(tokens, d_head).tensors.items()})
        own.tensors |= {name: shared.tensors[name] for name in "QKV"}    # the same inputs
        attend(own, rows, keys, outer, mine)
        touched = slice(mine * rows, (mine + 1) * rows) if outer == "queries" else slice(None)
        shared.tensors["O"][touched] = own.tensors["O"][touched]
    gap = (shared.tensors["O"] - exact(shared)).abs().amax(1)
    show(lines("row", range(tokens), {"largest difference": gap}))
    expect("O of separate workers less SDPA", gap, equals=0, within=1e-14 * (tokens + d_head))


ZH = {
    "times that": "遍数",
    "Q is read": "读 Q",
    "O is read": "读 O",
    "O is written": "写 O",
    "K is read": "读 K",
    "V is read": "读 V",
    "{} Q blocks, {} K/V blocks": "{} 个 Q 块，{} 个 K/V 块",
    "{}: difference from SDPA": "{}：与 SDPA 之差",
    "times, v1": "遍数，v1",
    "times, v2": "遍数，v2",
    "that": "项目",
    "keys seen": "已见的 key 数",
    "from attention over them": "与对已见 key 的注意力之差",
    "from the final output": "与最终输出之差",
    "largest difference": "最大差异",
    "O less attention over the keys seen": "O 与对已见 key 的注意力之差",
    "rows of the Q block": "Q 块的行数",
    "Q block": "Q 块",
    "elements moved": "搬运的元素数",
    "elements moved by v2": "v2 搬运的元素数",
    "v2 over v1 at the even Q block": "持平处 v2 与 v1 之比",
    "row": "行",
    "O of separate workers less SDPA": "各 worker 的 O 与 SDPA 之差",
}

if __name__ == "__main__":
    main()
