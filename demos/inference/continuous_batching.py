r"""Continuous batching refills a slot as soon as its request ends; a static batch waits for its longest request.

连续批处理：一个请求结束，空位立刻补上；静态批要等最长的那个请求。

Yu et al. 2022 (Orca), §3. A step makes one token for every running request and takes one unit of time. Turn
`refill` to "when all ended": the slots of short requests stand empty.
把 `refill` 改为 "when all ended"：短请求的位置空着等。
"""

import torch

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)


@exercise(claims=("no_slot_idles_while_requests_wait", "requests_wait_less_in_the_queue"),
          wrong=("waits_for_all", "admits_one_a_step", "takes_the_newest_first"))
def step(running: list[list[int]], waiting: list[list[int]], slots: int) -> list[list[int]]:
    """One step of the server: admit waiting requests into free slots, in order, then make one token for each running
    one. A request is [id, tokens still to make]; both lists are changed in place, and the requests that ended are
    given back.

    服务器的一步：按先后把等待的请求放进空位，再为每个运行中的请求生成一个 token。请求是 [编号, 还要生成的 token 数]；
    两个列表就地修改，返回这一步结束的请求。"""
    while waiting and len(running) < slots:
        running.append(waiting.pop(0))
    for request in running:
        request[1] -= 1
    ended = [r for r in running if r[1] == 0]
    running[:] = [r for r in running if r[1] > 0]
    return ended


def static_step(running: list[list[int]], waiting: list[list[int]], slots: int) -> list[list[int]]:
    """The older way: new requests are admitted only when all of the batch have ended."""
    if running:
        return step(running, [], slots)
    return step(running, waiting, slots)


REFILLS = {"at once": step, "when all ended": static_step}


def serve(lengths: list[int], slots: int, refill: str) -> tuple[list[int], list[int]]:
    """Serve requests that all wait from the start: the step at which each ends, and the number of busy slots at
    every step."""
    waiting, running = [[i, n] for i, n in enumerate(lengths)], []
    ends, busy = [0] * len(lengths), []
    while waiting or running:
        ended = REFILLS[refill](running, waiting, slots)
        busy.append(len(running) + len(ended))
        for request in ended:
            ends[request[0]] = len(busy)
    return ends, busy


def geometric(count: int, mean: float) -> list[int]:
    """So many output lengths, geometric with that mean: a fixed chance to stop at each token."""
    u = torch.rand(count, dtype=torch.float64)
    return (u.log() / torch.log1p(torch.tensor(-1 / mean, dtype=torch.float64))).ceil().clamp(min=1).int().tolist()


RANGES = {
    "slots": between(2, 32),
    "batches": each(between(2, 64), at_least=2, rising=True),
    "requests": between(200, 800),
    "mean": between(40, 120),
    "refill": one_of("at once", "when all ended"),
    "lengths": one_of("geometric", "equal"),
}
WAITING = breaks(refill="when all ended", en="A static batch keeps the slots of ended requests empty until its longest one ends.",
                 zh="静态批里已结束请求的位置一直空着，直到最长的那个结束。")


@breaks(lengths="equal", en="If all outputs have the same length, nobody waits for anybody.", zh="若输出长度都相同，谁也不用等谁。")
def claim_a_static_batch_wastes_most_slots(batches=(2, 4, 8, 16, 32), mean=100, lengths="geometric"):
    """With geometric output lengths a static batch of B requests keeps 1/(1 + 1/2 + … + 1/B) of its slots busy: a
    quarter at B = 32.

    输出长度服从几何分布时，B 个请求的静态批只有 1/(1 + 1/2 + … + 1/B) 的位置在工作：B = 32 时是四分之一。"""
    share = []
    for b in batches:
        made = torch.tensor(geometric(1000 * b, mean) if lengths == "geometric" else [mean] * (1000 * b)).view(-1, b)
        share.append((made.sum() / (b * made.amax(1).sum())).item())         # each batch takes its longest's steps
    harmonic = [1 / sum(1 / i for i in range(1, b + 1)) for b in batches]
    show(lines("requests in a batch", batches, {"slots at work": share, "1/(1 + 1/2 + … + 1/B)": harmonic}, log="x"))
    # exponential lengths give it exactly; whole tokens of mean 40 or more move it by under 2 %, 1000 batches by 2 %
    expect("slots at work over the harmonic formula", [s / h for s, h in zip(share, harmonic, strict=True)], equals=1, within=0.12,
           at=("batch", batches))


@WAITING
def claim_no_slot_idles_while_requests_wait(slots=16, requests=400, mean=60, refill="at once"):
    """Refilled at once, every slot works as long as anyone waits, and the whole takes at most the longest request more
    than all tokens over all slots.

    立刻补位时，只要还有请求在等，就没有空位；总步数至多比“token 总数除以位置数”多出一个最长请求。"""
    made = geometric(requests, mean)
    shown = {name: serve(made, slots, name)[1] for name in REFILLS}
    longest = max(len(b) for b in shown.values())
    show(lines("step", range(0, longest, max(1, longest // 60)), {
        name: [(b[i] if i < len(b) else 0) for i in range(0, longest, max(1, longest // 60))] for name, b in shown.items()
    }, y_label="slots at work"))
    ends, busy = serve(made, slots, refill)
    last = max(e - n for e, n in zip(ends, made, strict=True))       # the step at which the last one was admitted
    expect("slots at work while requests wait", busy[:last], equals=slots)
    expect("steps beyond all tokens over all slots, over the longest request", (len(busy) - sum(made) / slots) / max(made), at_most=1)


@WAITING
def claim_requests_wait_less_in_the_queue(slots=16, requests=400, mean=60, refill="at once"):
    """The next request is admitted when the first slot comes free, not when the last one does.

    第一个空位出现时就接纳下一个请求，而不是等到最后一个空位。"""
    made = geometric(requests, mean)
    ends, _ = serve(made, slots, refill)
    admitted = {name: [e - n for e, n in zip(serve(made, slots, name)[0], made, strict=True)] for name in REFILLS}
    every = range(0, requests, max(1, requests // 40))
    show(lines("place in the queue", every, {name: [a[i] for i in every] for name, a in admitted.items()}, y_label="steps waited"))
    free, by_hand = [0] * slots, []                                  # each request goes to the slot that is free first
    for n in made:
        i = free.index(min(free))
        free[i] += n
        by_hand.append(free[i])
    expect("step at which each request ends", ends, equals=by_hand)


def drill_steps(rng) -> Drill:
    """Steps of a static and of a continuous batch."""
    made = rng.choice([(2, 9, 3, 4), (1, 8, 2, 5), (3, 7, 2, 2), (4, 10, 1, 5)])
    static = max(made[:2]) + max(made[2:])
    continuous = max(serve(list(made), 2, "at once")[0])
    return Drill(
        en=f"Four requests wait, with outputs of {', '.join(map(str, made))} tokens; the server has 2 slots, one token for each "
           f"running request and step. How many steps does continuous batching save against static batches of 2?",
        zh=f"四个请求在等，输出长度为 {'、'.join(map(str, made))}；服务器有 2 个位置，每步为每个运行中的请求生成一个 token。"
           f"与每批 2 个的静态批相比，连续批处理省多少步？",
        answer=static - continuous,
        within=0.01,
        steps=[(f"static: max({made[0]}, {made[1]}) + max({made[2]}, {made[3]}) = {static}",
                f"静态：max({made[0]}, {made[1]}) + max({made[2]}, {made[3]}) = {static}"),
               (f"continuous: the slot of the first is refilled at step {made[0]}, and so on: {continuous} steps",
                f"连续：第 {made[0]} 步后补上第一个空位，依此类推：共 {continuous} 步")],
        proved_by="requests_wait_less_in_the_queue",
    )


ZH = {
    "requests in a batch": "每批请求数",
    "batch": "批",
    "slots at work": "工作中的位置",
    "slots at work over the harmonic formula": "工作中的位置与调和公式之比",
    "step": "步",
    "at once": "立刻补位",
    "when all ended": "全部结束才补位",
    "slots at work while requests wait": "有请求等待时工作中的位置数",
    "steps beyond all tokens over all slots, over the longest request": "超出 token 总数/位置数 的步数，与最长请求之比",
    "place in the queue": "队列中的位置",
    "steps waited": "等待的步数",
    "step at which each request ends": "每个请求结束的步",
}

if __name__ == "__main__":
    main()
