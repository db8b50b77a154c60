r"""A ring all-reduce takes 2(N−1) rounds and sends 2(N−1)/N of the tensor per rank: under two, for any N.

环形 all-reduce 要 2(N−1) 轮，每个 rank 发出 2(N−1)/N 份张量：N 再大也不到两份。

Patarasuk & Yuan 2009. Real processes, every send counted. Turn `way` to "root": the root sends the tensor
N−1 times. 把 `way` 改为 "root"：根节点要把整个张量发 N−1 遍。
"""

import torch
import torch.distributed as dist
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
    on_ranks,
    one_of,
    show,
    table,
)


@exercise(
    claims=("the_ring_sums_over_all_ranks", "each_rank_sends_less_than_two_tensors"),
    wrong=("stops_after_reduce_scatter", "passes_the_whole_tensor", "gathers_the_old_chunks"),
)
def ring_all_reduce(x: Tensor, rank: int, ranks: int, shift) -> Tensor:
    """The sum of x (n,) over all ranks, n a multiple of ranks. `shift(t)` is one round: it sends t to the next
    rank and returns what came from the one before, of the same shape. Chunks of n/ranks travel, never all.

    x (n,) 在所有 rank 上的和，n 是 ranks 的倍数。`shift(t)` 是一轮通信：把 t 发给下一个 rank，返回前一个 rank 发来的
    同形张量。每轮只传 n/ranks 个数的一块，从不传整个张量。"""
    chunks = list(x.chunk(ranks))                       # ranks × (n / ranks,)
    for step in range(ranks - 1):                       # reduce-scatter: add what arrives, pass it on
        mine, theirs = (rank - step) % ranks, (rank - step - 1) % ranks
        chunks[theirs] = chunks[theirs] + shift(chunks[mine])
    for step in range(ranks - 1):                       # all-gather: chunk rank + 1 is complete here
        mine, theirs = (rank + 1 - step) % ranks, (rank - step) % ranks
        chunks[theirs] = shift(chunks[mine])
    return torch.cat(chunks)


class Wire:
    """Sends and receives of one rank, counted: rounds that wait for one another, and numbers sent."""

    def __init__(self, rank: int, ranks: int) -> None:
        self.rank, self.ranks, self.rounds, self.sent = rank, ranks, 0, 0

    def swap(self, t: Tensor, to: int, source: int) -> Tensor:
        """One round: t goes out while another of its shape comes in."""
        got = torch.empty_like(t)
        pending = dist.isend(t.contiguous(), to)
        dist.recv(got, source)
        pending.wait()
        self.rounds, self.sent = self.rounds + 1, self.sent + t.numel()
        return got

    def shift(self, t: Tensor) -> Tensor:
        return self.swap(t, (self.rank + 1) % self.ranks, (self.rank - 1) % self.ranks)


def through_the_root(x: Tensor, wire: Wire) -> Tensor:
    """The naive way: rank 0 receives every tensor, adds, and sends the sum to every rank."""
    others = range(1, wire.ranks)
    if wire.rank:
        dist.send(x, 0)
        total = torch.empty_like(x)
        dist.recv(total, 0)
        wire.sent += x.numel()
        return total
    total = x.clone()
    for source in others:
        got = torch.empty_like(x)
        dist.recv(got, source)
        total += got
    for to in others:
        dist.send(total, to)
        wire.sent += x.numel()
    return total


def doubling(x: Tensor, wire: Wire) -> Tensor:
    """Recursive doubling on 2^k ranks: in round i swap the whole partial sum with rank XOR 2^i, and add. (On another
    number of ranks some have no partner, and the sum is not complete.)"""
    for bit in range(wire.ranks.bit_length() - 1):
        partner = wire.rank ^ (1 << bit)
        if partner < wire.ranks:
            x = x + wire.swap(x, partner, partner)
    return x


def work(rank: int, ranks: int, per_rank: int, way: str, seed: int) -> tuple:
    """Of one rank: wrong numbers, rounds, numbers sent over the numbers of the tensor."""
    numbers = torch.Generator().manual_seed(seed + rank)
    x = torch.randint(-9, 9, (per_rank * ranks,), generator=numbers).float()  # integers: order cannot matter
    wire, exact = Wire(rank, ranks), x.clone()
    if way == "root":
        total = through_the_root(x, wire)
    elif way == "doubling":
        total = doubling(x, wire)
    elif way == "half":                                              # the all-gather is left out
        total = ring_all_reduce(x, rank, ranks, lambda t: wire.shift(t) if wire.rounds < ranks - 1 else t)
    else:
        total = ring_all_reduce(x, rank, ranks, wire.shift)
    dist.all_reduce(exact)
    return int((total != exact).sum()), wire.rounds, wire.sent / x.numel()


RANGES = {
    "ranks": between(1, 5),
    "counts": each(between(1, 5), at_most=4),
    "power": between(0, 2),
    "per_rank": between(1, 1000),
    "way": one_of("ring", "root", "doubling", "half"),
}
ROOT = breaks(way="root", en="A root sends the whole sum to each of the N−1 others, over one link.",
              zh="根节点要把整个和经同一条链路发给另外 N−1 个 rank。")


@breaks(way="half", en="After N−1 rounds each rank holds one complete chunk and N−1 partial ones.",
        zh="N−1 轮之后，每个 rank 只有一块是完整的和，其余 N−1 块都不完整。")
def claim_the_ring_sums_over_all_ranks(ranks=3, per_rank=4, way="ring"):
    """After a reduce-scatter and an all-gather round the ring, 2(N−1) rounds, every rank holds what torch's
    all_reduce gives.

    沿环做完 reduce-scatter 和 all-gather，共 2(N−1) 轮，每个 rank 都得到与 torch 的 all_reduce 相同的结果。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    results = on_ranks(work, ranks, per_rank, way, seed)
    rounds, wrong = [r[1] for r in results], [r[0] for r in results]
    show(table({"rank": range(ranks), "rounds": rounds, "wrong numbers": wrong}))
    expect("wrong numbers on all ranks", wrong, equals=0)
    expect("rounds", rounds, equals=2 * (ranks - 1))


@ROOT
def claim_each_rank_sends_less_than_two_tensors(counts=(2, 3, 4), per_rank=4, way="ring"):
    """Each of N ranks of a ring sends 2(N−1)/N tensors: 1.5 for four ranks, and below 2 for any number.

    环上 N 个 rank 各发出 2(N−1)/N 份张量：四个 rank 时为 1.5 份，多少个 rank 都不到 2 份。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    most = [max(r[2] for r in on_ranks(work, n, per_rank, way, seed)) for n in counts]
    bound = [2 * (n - 1) / n for n in counts]
    show(lines("ranks", counts, {"busiest rank": most, "2(N−1)/N": bound}, y_label="tensors sent"))
    expect("tensors sent by the busiest rank", most, equals=bound, within=1e-12, at=("ranks", counts))


@breaks(way="ring", en="The ring waits for 2(N−1) rounds, one after another.", zh="环要依次等 2(N−1) 轮。")
def claim_doubling_takes_fewer_rounds_and_more_bytes(power=2, per_rank=4, way="doubling"):
    """On N = 2^k ranks, swapping whole tensors takes log₂ N rounds, but each rank sends log₂ N tensors: on 1,024 faster for
    1 kB, slower for 1 GB.

    N = 2^k 个 rank 时，两两交换整个张量只要 log₂ N 轮，但每个 rank 要发 log₂ N 份张量：1,024 个 rank 时，1 kB 更快，1 GB 更慢。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    results = on_ranks(work, 2**power, per_rank, way, seed)
    sizes = [10**e for e in range(3, 10)]
    n, alpha, rate = 1024, 5e-6, 50e9                  # seconds per round, bytes per second and direction
    ring = [2 * (n - 1) * alpha + 2 * (n - 1) / n * s / rate for s in sizes]
    doubled = [10 * alpha + 10 * s / rate for s in sizes]
    show(lines("bytes of the tensor", sizes, {"ring": ring, "doubling": doubled}, log="xy",
               y_label="seconds", title="1,024 ranks, 5 µs a round, 50 GB/s per direction (computed)"))
    expect("wrong numbers on all ranks", [r[0] for r in results], equals=0)
    expect("rounds", [r[1] for r in results], equals=power)
    expect("tensors sent by each rank", [r[2] for r in results], equals=power, within=1e-12)
    expect("time of doubling over the ring's, 1 kB", doubled[0] / ring[0], at_most=1)
    expect("time of doubling over the ring's, 1 GB", doubled[-1] / ring[-1], at_least=1)


def drill_bytes_per_rank(rng) -> Drill:
    """Bytes that a rank sends in a ring all-reduce."""
    size, n = rng.choice([100, 200, 400, 800]), rng.choice([2, 4, 5, 8, 16])
    sent = 2 * (n - 1) / n * size
    return Drill(
        en=f"A ring all-reduce of {size} MB over {n} ranks: how many MB does each rank send?",
        zh=f"{n} 个 rank 对 {size} MB 做环形 all-reduce，每个 rank 发出多少 MB？",
        answer=sent, unit="MB",
        steps=[(f"2({n}−1) = {2 * (n - 1)} rounds, each carries {size}/{n} = {size / n:g} MB",
                f"2({n}−1) = {2 * (n - 1)} 轮，每轮 {size}/{n} = {size / n:g} MB"),
               (f"{2 * (n - 1)} · {size / n:g} = {sent:g} MB", f"{2 * (n - 1)} · {size / n:g} = {sent:g} MB")],
        proved_by="each_rank_sends_less_than_two_tensors",
    )


def drill_milliseconds(rng) -> Drill:
    """Time of a ring all-reduce, latency left out; bandwidth per direction."""
    billions, n = rng.choice([1, 2, 4, 7]), rng.choice([4, 8, 16])
    name, rate = rng.choice([("PCIe 4.0 ×16", 32), ("NVLink 3", 300), ("NVLink 4", 450), ("NVLink 5", 900)])
    took = 2 * (n - 1) / n * 2 * billions / rate * 1000
    return Drill(
        en=f"The bf16 gradients of {billions}B parameters are all-reduced by a ring over {n} ranks, at {rate} GB/s per "
           f"direction ({name}). How many milliseconds, latency left out?",
        zh=f"{billions}B 参数的 bf16 梯度，{n} 个 rank 做环形 all-reduce，每方向 {rate} GB/s（{name}）。不计延迟，要多少毫秒？",
        answer=took, unit="ms",
        steps=[(f"S = {billions}e9 · 2 bytes = {2 * billions} GB", f"S = {billions}e9 · 2 字节 = {2 * billions} GB"),
               (f"2({n}−1)/{n} · {2 * billions} / {rate} s = {took:.3g} ms",
                f"2({n}−1)/{n} · {2 * billions} / {rate} 秒 = {took:.3g} 毫秒")],
        proved_by="each_rank_sends_less_than_two_tensors",
    )


ZH = {
    "rank": "rank",
    "ranks": "rank 数",
    "rounds": "轮数",
    "wrong numbers": "错误的数",
    "wrong numbers on all ranks": "所有 rank 上错误的数",
    "busiest rank": "发送最多的 rank",
    "tensors sent": "发出的张量份数",
    "tensors sent by the busiest rank": "发送最多的 rank 发出的张量份数",
    "tensors sent by each rank": "每个 rank 发出的张量份数",
    "bytes of the tensor": "张量字节数",
    "ring": "环",
    "doubling": "递归倍增",
    "seconds": "秒",
    "time of doubling over the ring's, 1 kB": "1 kB 时递归倍增与环的时间之比",
    "time of doubling over the ring's, 1 GB": "1 GB 时递归倍增与环的时间之比",
    "1,024 ranks, 5 µs a round, 50 GB/s per direction (computed)": "1,024 个 rank，每轮 5 µs，每方向 50 GB/s（计算值）",
}

if __name__ == "__main__":
    main()
