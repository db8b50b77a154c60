r"""Interleaving gives each device v chunks of layers: a shorter bubble for more messages and memory.

交错流水线让每台设备持有 v 段层：气泡变短，换来更多的消息与显存。

Narayanan et al. 2021 (Megatron), §2.2.2. Turn `placed` to "contiguous": v neighbouring chunks are one
stage again, and nothing is gained.
把 `placed` 改为 "contiguous"：相邻的 v 段又成了一级，什么也没省下。
"""

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show

Action = tuple[str, int, int]                      # ("F" or "B", chunk of this device, micro-batch)
FORWARD, BACKWARD = 1.0, 2.0                       # time of a device's layers, all chunks, per micro-batch


@exercise(claims=("the_bubble_time_falls_to_a_vth", "more_is_in_flight"),
          wrong=("finishes_a_chunk_first", "warms_up_as_without_chunks", "first_chunk_backward_first"))
def interleaved(rank: int, ranks: int, chunks: int, batches: int) -> list[Action]:
    """Megatron's order on one device: micro-batches in groups of `ranks`; a group passes chunk 0, then
    chunk 1, …; backwards run the chunks in reverse. Forwards to warm up: two for each device behind, and
    a group for each chunk but one. Actions are ("F" or "B", chunk, micro-batch); batches is a multiple
    of ranks.

    Megatron 在一台设备上的次序：微批次每 ranks 个一组，一组先全部过第 0 段，再过第 1 段……；反向时段的次序相反。
    预热的前向数：后面每台设备两个，再加 (chunks − 1) 组。动作写作 ("F" 或 "B", 段, 微批次)；batches 是 ranks 的倍数。"""
    turns = [(c, first + i) for first in range(0, batches, ranks)            # chunk, micro-batch: one group
             for c in range(chunks) for i in range(ranks)]                   # through all its chunks
    forwards: list[Action] = [("F", c, i) for c, i in turns]
    backwards: list[Action] = [("B", chunks - 1 - c, i) for c, i in turns]   # the last chunk first
    warm = min(2 * (ranks - 1 - rank) + (chunks - 1) * ranks, len(turns))
    order = forwards[:warm]
    for f, b in zip(forwards[warm:], backwards, strict=False):
        order += [f, b]
    return order + backwards[len(turns) - warm:]


def replay(ranks: int, chunks: int, batches: int, placed: str) -> tuple[float, list[tuple[int, int]]]:
    """When the last action ends, and the messages (from, to): one wherever an action reads from another
    device. An action waits for its device and for what it reads; links take no time. Chunk c of device r
    is stage c · ranks + r of the model, or, the wrong way, one of r's v neighbouring stages."""
    rows = [[(kind, c * ranks + r, i) for kind, c, i in interleaved(r, ranks, chunks, batches)]
            for r in range(ranks)]
    if placed == "contiguous":                                               # one long stage, chunk by chunk
        rows = [[(kind, r * chunks + c, i) for kind, _, i in interleaved(r, ranks, 1, batches)
                 for c in sorted(range(chunks), reverse=kind == "B")] for r in range(ranks)]
    home = {stage: r for r, row in enumerate(rows) for _, stage, _ in row}
    last, ends, messages = ranks * chunks - 1, {}, []
    clock, at = [0.0] * ranks, [0] * ranks
    for _ in range(sum(map(len, rows))):                                     # each pass ends one at least
        for r, row in enumerate(rows):
            while at[r] < len(row):
                kind, s, i = row[at[r]]
                reads = ("F", s - 1, i) if kind == "F" else ("F", s, i) if s == last else ("B", s + 1, i)
                if reads not in ends and reads[1] >= 0:
                    break
                clock[r] = max(clock[r], ends.get(reads, 0.0)) + (FORWARD if kind == "F" else BACKWARD) / chunks
                ends[row[at[r]]], at[r] = clock[r], at[r] + 1
                if home.get(reads[1], r) != r:
                    messages.append((home[reads[1]], r))
    return (max(clock) if len(ends) == 2 * batches * ranks * chunks else float("inf")), messages


RANGES = {
    "ranks": between(3, 6),
    "groups": between(2, 4),
    "chunks": each(between(1, 4), at_least=2, at_most=4, rising=True),
    "placed": one_of("looped", "contiguous"),
    "counted": one_of("every chunk", "one chunk"),
}


@breaks(placed="contiguous", zh="相邻的段放在一起，等于还是 p 级的流水线。",
        en="Chunks that are neighbours make one stage: a micro-batch still waits for whole devices.")
def claim_the_bubble_time_falls_to_a_vth(ranks=4, groups=2, chunks=(1, 2, 4), placed="looped"):
    """With v chunks per device the bubble's time is (p−1)/(v·m) of the ideal, so its share of the step
    is (p−1)/(v·m+p−1), more than a v-th.

    每台设备 v 段时，气泡时间是理想时间的 (p−1)/(v·m)，所以占一步的 (p−1)/(v·m+p−1)，大于原占比的 1/v。"""
    m = groups * ranks
    ideal = m * (FORWARD + BACKWARD)
    steps = [replay(ranks, v, m, placed)[0] for v in chunks]
    show(lines("chunks per device", chunks, {"bubble over ideal time": [t / ideal - 1 for t in steps],
                                             "share of the step": [1 - ideal / t for t in steps]}))
    at = ("v", chunks)
    expect("bubble over ideal time", [t / ideal - 1 for t in steps],          # a few float64 sums
           equals=[(ranks - 1) / (v * m) for v in chunks], within=1e-9, at=at)
    expect("share of the step", [1 - ideal / t for t in steps],
           equals=[(ranks - 1) / (v * m + ranks - 1) for v in chunks], within=1e-9, at=at)


@breaks(placed="contiguous", en="Placed as neighbours, most boundaries lie inside a device and send nothing.",
        zh="相邻放置时，多数边界在设备内部，不发消息。")
def claim_messages_grow_with_v_and_close_the_ring(ranks=3, groups=2, chunks=(1, 2, 4), placed="looped"):
    """A step sends 2m(pv−1) messages; with one chunk only between neighbours, with more also between the
    last device and the first, 2m(v−1) of them.

    一步发送 2m(pv−1) 条消息；只有一段时只在邻居之间，多段时最后一台与第一台之间也有 2m(v−1) 条。"""
    m, wraps, totals = groups * ranks, [], []
    for v in chunks:
        messages = replay(ranks, v, m, placed)[1]
        totals.append(len(messages))
        wraps.append(sum({a, b} == {0, ranks - 1} for a, b in messages))
    show(bars([f"v = {v}" for v in chunks], {"messages": totals, "between last and first": wraps}))
    expect("messages of a step", totals, equals=[2 * m * (ranks * v - 1) for v in chunks], at=("v", chunks))
    expect("between last and first", wraps, equals=[2 * m * (v - 1) for v in chunks], at=("v", chunks))


@breaks(counted="one chunk", en="Device 0 keeps activations of all its chunks, not of one.",
        zh="设备 0 要保存它所有段的激活值，而不只是一段。")
def claim_more_is_in_flight(ranks=4, groups=2, chunks=(1, 2, 4), counted="every chunk"):
    """The first device then holds activations of 1 + (p−1)/(p·v) times 1F1B's, for v ≥ 2 and m ≥ 2p.

    v ≥ 2、m ≥ 2p 时，第一台设备保存的激活值是 1F1B 的 1 + (p−1)/(p·v) 倍。"""
    m, held = groups * ranks, []
    some = [v for v in chunks if v > 1]
    for v in some:
        now = [0]
        for kind, c, _ in interleaved(0, ranks, v, m):
            now.append(now[-1] + (counted == "every chunk" or c == 0) * (1 if kind == "F" else -1))
        held.append(max(now) / v / ranks)                                    # a chunk has a v-th of the layers
    show(lines("chunks per device", some, {"held, over 1F1B's p micro-batches": held}))
    expect("held, over 1F1B's p micro-batches", held, equals=[1 + (ranks - 1) / (ranks * v) for v in some],
           within=1e-9, at=("v", some))


def drill_messages(rng) -> Drill:
    """Point-to-point messages of a step."""
    p, v, m = rng.choice([(3, 2, 6), (4, 1, 8), (4, 2, 8), (8, 1, 16), (2, 4, 8), (8, 2, 16)])
    return Drill(
        en=f"{p} devices, {v} chunk(s) of layers on each, placed round robin, {m} micro-batches. How many "
           "point-to-point messages does one training step send in all, activations and gradients?",
        zh=f"{p} 台设备，每台轮流放 {v} 段层，{m} 个微批次。一个训练步一共发送多少条点对点消息（激活值与梯度都算）？",
        answer=len(replay(p, v, m, "looped")[1]), within=0,
        steps=[(f"p·v − 1 = {p * v - 1} boundaries, each between two devices", f"p·v − 1 = {p * v - 1} 个边界，都在两台设备之间"),
               (f"2 · {m} · {p * v - 1} = {2 * m * (p * v - 1)}", f"2 · {m} · {p * v - 1} = {2 * m * (p * v - 1)}")],
        proved_by="messages_grow_with_v_and_close_the_ring",
    )


def drill_share(rng) -> Drill:
    """The bubble with chunks, as a share of the step."""
    p, v, m = rng.choice([(4, 2, 8), (4, 3, 8), (8, 2, 16), (8, 4, 16), (2, 2, 4), (4, 2, 16)])
    share = (p - 1) / (v * m + p - 1)
    return Drill(
        en=f"Interleaved 1F1B: {p} devices, {v} chunks on each, {m} micro-batches. Which share of the whole step "
           "is bubble, in per cent?",
        zh=f"交错 1F1B：{p} 台设备，每台 {v} 段，{m} 个微批次。气泡占整步的百分之几？",
        answer=100 * share, unit="%", within=0.4,
        steps=[(f"in chunk times: ideal v·m = {v * m}, bubble p − 1 = {p - 1}",
                f"以一段的用时计：理想 v·m = {v * m}，气泡 p − 1 = {p - 1}"),
               (f"{p - 1}/({v * m} + {p - 1}) = {100 * share:.1f}%", f"{p - 1}/({v * m} + {p - 1}) = {100 * share:.1f}%")],
        proved_by="the_bubble_time_falls_to_a_vth",
    )


ZH = {
    "chunks per device": "每台设备的段数",
    "bubble over ideal time": "气泡时间 / 理想时间",
    "share of the step": "占一步的比例",
    "messages": "消息数",
    "messages of a step": "一步的消息数",
    "between last and first": "最后一台与第一台之间",
    "held, over 1F1B's p micro-batches": "保存量 / 1F1B 的 p 个微批次",
}

if __name__ == "__main__":
    main()
