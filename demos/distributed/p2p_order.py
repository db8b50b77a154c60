r"""A send ends when its receiver takes it: if every rank sends before it receives, nobody moves on.

发送要等接收方来取才算完成：如果所有 rank 都先发后收，谁也走不下去。

Shown with gloo, whose sends keep no copy on the way. Turn `order` to "even ranks first": every send meets a
receive. 把 `order` 改为 "even ranks first"：每次发送都有人在收。
"""

import threading

import torch
import torch.distributed as dist
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    exercise,
    expect,
    main,
    on_ranks,
    one_of,
    show,
    table,
)


@exercise(claims=("a_shift_rolls_the_ring",), wrong=("sends_to_the_left", "swaps_with_a_neighbour"))
def shift(x: Tensor, rank: int, ranks: int) -> Tensor:
    """Send x to the next rank of the ring, and return what the one before sent, of the same shape; no rank may
    wait for another in a circle.

    把 x 发给环上的下一个 rank，返回前一个 rank 发来的同形张量；不允许各 rank 互相等成一圈。"""
    got = torch.empty_like(x)
    both = [dist.P2POp(dist.isend, x, (rank + 1) % ranks), dist.P2POp(dist.irecv, got, (rank - 1) % ranks)]
    for pending in dist.batch_isend_irecv(both):        # posted together: no order between them
        pending.wait()                                  # until then x must stay as it is, got is not there
    return got


def rolled(rank: int, ranks: int, numbers: int, rounds: int, direction: str) -> list[float]:
    x = torch.arange(numbers, dtype=torch.float64) + 1000 * rank
    for _ in range(rounds):
        if direction == "left":                                         # the wrong way
            got = torch.empty_like(x)
            pending = dist.isend(x, (rank - 1) % ranks)
            dist.recv(got, (rank + 1) % ranks)
            pending.wait()
            x = got
        else:
            x = shift(x, rank, ranks)
    return x.tolist()


def pairwise(rank: int, ranks: int, numbers: int, order: str) -> bool:
    """Did this rank's blocking send return before the rank itself had posted a receive?"""
    other, x, got = rank ^ 1, torch.ones(numbers), torch.empty(numbers)
    if order == "even ranks first" and rank % 2:
        dist.recv(got, other)                           # takes what the even rank sends
        dist.send(x, other)
        return True
    sending = threading.Thread(target=dist.send, args=(x, other), daemon=True)
    sending.start()
    sending.join(0.15)                                  # far longer than so few bytes take
    returned = not sending.is_alive()
    if order == "all send first":                       # nobody receives before all have looked
        store = dist.distributed_c10d._get_default_store()
        store.set(f"{rank} looked", "")
        store.wait([f"{r} looked" for r in range(ranks)])
    dist.recv(got, other)
    sending.join()
    return returned


def overwritten(rank: int, ranks: int, numbers: int, overwrite: str) -> float:
    """Rank 0 sends ones and overwrites its buffer with 7; what rank 1 receives."""
    x = torch.ones(numbers)
    if rank == 0:
        pending = dist.isend(x, 1)
        if overwrite == "after wait":
            dist.monitored_barrier()
            pending.wait()
            x.fill_(7)
        else:
            x.fill_(7)
            dist.monitored_barrier()
            pending.wait()
    elif rank == 1:
        dist.monitored_barrier()                        # the receive is posted late
        dist.recv(x, 0)
    return float(x.max())


RANGES = {
    "ranks": between(2, 5),
    "pairs": between(1, 2),
    "numbers": between(1, 100_000),
    "rounds": between(0, 4),
    "direction": one_of("right", "left"),
    "order": one_of("all send first", "even ranks first"),
    "overwrite": one_of("before wait", "after wait"),
}


@breaks(direction="left", en="Sent the other way round the ring, each rank gets its right neighbour's tensor.",
        zh="反方向传，每个 rank 得到的是右邻的张量。")
def claim_a_shift_rolls_the_ring(ranks=4, numbers=3, rounds=1, direction="right"):
    """One batched send and receive per rank rolls the tensors round the ring by one rank, and no rank waits in a
    circle.

    每个 rank 把一次发送和一次接收成批提交，张量就沿环移动一位，不会互相等成一圈。"""
    after = torch.tensor(on_ranks(rolled, ranks, numbers, rounds, direction))
    before = torch.arange(numbers) + 1000 * torch.arange(ranks)[:, None]
    show(table({"rank": range(ranks), "before": before[:, 0], "after": after[:, 0]}))
    expect("numbers that differ from torch.roll", int((after != before.roll(rounds, 0)).sum()), equals=0)


@breaks(order="even ranks first", en="The odd rank receives first, so the even rank's send ends, and then the other.",
        zh="奇数 rank 先收，偶数 rank 的发送就能完成，然后反过来。")
def claim_sends_do_not_return_before_a_receive(pairs=1, numbers=1000, order="all send first"):
    """While both ranks of a pair sit in a blocking send, neither returns: with gloo this order is a deadlock, and
    even ranks first is not.

    一对 rank 都停在阻塞发送里时，谁也不返回：用 gloo 时这种次序就是死锁；让偶数 rank 先发则不会。"""
    returned = on_ranks(pairwise, 2 * pairs, numbers, order)
    show(table({"rank": range(2 * pairs), "its send returned": returned}))
    expect("sends that returned before a receive was posted", sum(returned), equals=0)


@breaks(overwrite="after wait", en="After wait() the bytes have gone out, and the buffer is free.",
        zh="wait() 之后字节已发出，缓冲区可以再用。")
def claim_an_unwaited_buffer_is_sent_as_it_becomes(numbers=1000, overwrite="before wait"):
    """What isend transmits is the buffer at the time of transfer: overwritten before wait(), the receiver gets the
    new numbers.

    isend 传的是传输那一刻缓冲区里的内容：在 wait() 之前改写，接收方拿到的就是新值。"""
    received = on_ranks(overwritten, 2, numbers, overwrite)[1]
    show(table({"": ["sent", "written over it", "received"], "number": [1.0, 7.0, received]}))
    expect("number received", received, equals=7)


def drill_boundary_milliseconds(rng) -> Drill:
    """Time to hand one micro-batch to the next pipeline stage."""
    tokens, width = rng.choice([4096, 8192]), rng.choice([4096, 8192, 16384])
    rate = rng.choice([25, 50])
    megabytes = tokens * width * 2 / 1e6
    return Drill(
        en=f"A pipeline stage sends the bf16 activations of {tokens:,} tokens, width {width:,}, to the next one over "
           f"{rate} GB/s per direction. How many milliseconds, latency left out?",
        zh=f"一个流水线阶段把 {tokens:,} 个 token、宽 {width:,} 的 bf16 激活值发给下一阶段，每方向 {rate} GB/s。不计延迟，要多少毫秒？",
        answer=megabytes / rate, unit="ms",
        steps=[(f"{tokens:,} · {width:,} · 2 bytes = {megabytes:.0f} MB",
                f"{tokens:,} · {width:,} · 2 字节 = {megabytes:.0f} MB"),
               (f"{megabytes:.0f} MB / {rate} GB/s = {megabytes / rate:.3g} ms",
                f"{megabytes:.0f} MB / {rate} GB/s = {megabytes / rate:.3g} ms")],
        proved_by="a_shift_rolls_the_ring",
    )


ZH = {
    "rank": "rank",
    "before": "之前",
    "after": "之后",
    "numbers that differ from torch.roll": "与 torch.roll 不同的数",
    "its send returned": "它的发送返回了",
    "sends that returned before a receive was posted": "尚无人接收就返回的发送",
    "sent": "发送",
    "written over it": "改写为",
    "received": "收到",
    "number": "数",
    "number received": "收到的数",
}

if __name__ == "__main__":
    main()
