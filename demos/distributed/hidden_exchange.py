r"""The experts' exchange hides behind compute that does not wait for it, and behind nothing else.

专家的通信，只能藏在不等它的计算背后。

DeepSeek-V3, §3.2.1 (DualPipe); DeepSeek-V4, §3.1 (waves). Resources with stated times; nothing is measured.
Turn `kind` of the pair to "whole": its large pieces leave gaps that the split ones fill.
各资源的用时是给定的，并非实测。把并行那一对的 `kind` 改为 "whole"：大块的反向会留下空隙，拆开才填得满。
"""

from studyapp.evidence import Drill, bars, between, breaks, expect, lines, main, one_of, show

Piece = tuple[str, float, float]                    # resource, time, and time of the W that it sets free
ATTENTION, EXPERTS = 2.0, 2.0                       # forward compute of a layer's two parts


def forward(layers: int, exchange: float) -> list[Piece]:
    """Attention, dispatch, experts, combine; each waits for the one before."""
    return [("compute", ATTENTION, 0), ("network", exchange, 0), ("compute", EXPERTS, 0), ("network", exchange, 0)] * layers


def backward(layers: int, exchange: float, kind: str) -> list[Piece]:
    """The same in reverse. Each part computes its input's gradient and its weights', as long as forward
    each: in one piece, or the second (W) at any later time."""
    late = kind == "split"
    return [("network", exchange, 0), ("compute", EXPERTS * (1 if late else 2), EXPERTS * late),
            ("network", exchange, 0), ("compute", ATTENTION * (1 if late else 2), ATTENTION * late)] * layers


def run(chains: list[list[Piece]]) -> float:
    """When all is done: what can start first starts first, a chain's next piece before a W."""
    free = {"compute": 0.0, "network": 0.0}
    ready, at, later = [0.0] * len(chains), [0] * len(chains), []
    while later or any(a < len(c) for a, c in zip(at, chains, strict=True)):
        options = [(max(free[c[a][0]], ready[n]), 0, ready[n], n)
                   for n, (a, c) in enumerate(zip(at, chains, strict=True)) if a < len(c)]
        options += [(max(free["compute"], since), 1, since, n) for n, (since, _) in enumerate(later)]
        start, is_w, _, n = min(options)
        if is_w:
            free["compute"] = start + later.pop(n)[1]
            continue
        resource, took, sets_free = chains[n][at[n]]
        free[resource] = ready[n] = start + took
        at[n] += 1
        if sets_free:
            later.append((ready[n], sets_free))
    return max(*ready, *free.values())


def in_waves(waves: int, exchange: float) -> float:
    """Time of a layer's dispatch, experts and combine, its experts in equal waves: the three work at once, each
    on another wave (sending and receiving do not share a link), and a wave passes them in turn."""
    free = [0.0, 0.0, 0.0]                          # when dispatch, compute and combine are done with what they have
    for _ in range(waves):
        end = 0.0
        for part, took in enumerate((exchange, EXPERTS, exchange)):
            end = free[part] = max(end, free[part]) + took / waves
    return end


RANGES = {
    "layers": between(2, 32),
    "exchange": one_of(1.0, 2.0, 3.0, 6.0),
    "beside": one_of("nothing", "another micro-batch"),
    "kind": one_of("split", "whole"),
    "waves": one_of(1, 4, 8, 16),
}


@breaks(beside="another micro-batch", en="Beside another micro-batch the network works while the other computes.",
        zh="旁边有另一个微批次时，一个在传、另一个在算。")
@breaks(kind="split", en="Split off, the weights' gradient of one part runs while the next part's exchange is on its way.",
        zh="拆开之后，一部分的权重梯度可以在下一部分通信时计算。")
def claim_alone_nothing_is_hidden(layers=8, exchange=3.0, beside="nothing", kind="whole"):
    """Run piece by piece, backward not split, one micro-batch takes all of its compute plus all of its
    exchange: each piece waits for the one before.

    逐段执行、反向不拆时，一个微批次的用时等于全部计算加全部通信：每一段都要等前一段。"""
    there, back = forward(layers, exchange), backward(layers, exchange, kind)
    took = run([there]) + run([back]) if beside == "nothing" else run([there, back])
    compute, network = 3 * layers * (ATTENTION + EXPERTS), 4 * layers * exchange
    show(bars(["forward, then backward", "compute", "exchange"], {"time": [took, compute, network]}))
    expect("time over compute plus exchange", took / (compute + network), equals=1, within=1e-9)


@breaks(kind="whole", en="A backward in whole pieces is twice as long as the exchange's gap, and the network waits.",
        zh="整块的反向比通信的空隙长，网络就要等。")
@breaks(beside="nothing", en="Alone, each exchange waits for the compute before it, and the next compute for the exchange.",
        zh="单独一个微批次，通信等计算、计算又等通信。")
def claim_a_pair_takes_the_longer_of_the_two(layers=8, exchange=3.0, beside="another micro-batch", kind="split"):
    """A forward beside another micro-batch's backward, split into B and W, takes the longer of compute and
    exchange, within one exchange: at 1 : 1 half of the time.

    前向与另一个微批次的反向（拆成 B 与 W）并行，用时等于计算与通信中较长的一个，至多再加一次通信：1 : 1 时减半。"""
    sizes = sorted({2, layers})

    def took(n: int, how: str) -> float:
        there, back = forward(n, exchange), backward(n, exchange, how)
        return run([there, back]) if beside != "nothing" else run([there]) + run([back])

    longer = [max(3 * n * (ATTENTION + EXPERTS), 4 * n * exchange) for n in sizes]
    now = [took(n, kind) for n in sizes]
    show(lines("layers", sizes, {"this pair": now, "backward in whole pieces": [took(n, "whole") for n in sizes],
                                 "longer of compute and exchange": longer}))
    expect("time of a pair", now, at_least=longer, at=("layers", sizes))
    expect("time of a pair less the longer of the two", [a - b for a, b in zip(now, longer, strict=True)],
           at_most=exchange, at=("layers", sizes))


@breaks(waves=1, en="In one wave the experts wait for the whole exchange, and the way back for all experts.",
        zh="只有一波时，专家要等全部通信，送回又要等全部专家。")
def claim_waves_hide_it_within_a_layer(exchange=3.0, waves=8):
    """In w waves of experts, a layer's dispatch, experts and combine take the longest of the three plus a
    w-th of the other two: under two thirds of their sum from 4 waves on.

    专家分成 w 波时，一层的 dispatch、专家、combine 用时等于三者中最长的，加另两者的 1/w：4 波起不到三者之和的三分之二。"""
    counts, parts = sorted({1, 2, 4, waves}), sorted((exchange, EXPERTS, exchange))
    took = [in_waves(n, exchange) for n in counts]
    show(lines("waves", counts, {"time of a layer": took, "longest of the three": [parts[-1]] * len(counts)}))
    expect("time of a layer", took, equals=[parts[-1] + sum(parts[:-1]) / n for n in counts], within=1e-9, at=("waves", counts))
    expect("time over the sum of the three", in_waves(waves, exchange) / sum(parts), at_most=2 / 3)


def drill_pair(rng) -> Drill:
    """Time of a layer without and with a second micro-batch."""
    compute, exchange = rng.choice([(4, 3), (4, 2), (4, 4), (6, 3), (5, 5), (8, 4), (3, 4)])
    value = max(3 * compute, 4 * exchange)
    return Drill(
        en=f"A MoE layer computes {compute} ms forward and twice that backward; each of its four all-to-alls (two forward, two "
           "backward) takes "
           f"{exchange} ms. A forward runs beside another micro-batch's backward, perfectly overlapped. How many ms do the two take?",
        zh=f"一个 MoE 层前向计算 {compute} ms，反向是两倍；四次 all-to-all（前向、反向各两次）每次 {exchange} ms。"
           "前向与另一个微批次的反向完全重叠，两者共需多少 ms？",
        answer=value, unit="ms", within=0.1,
        steps=[(f"compute 3 · {compute} = {3 * compute}, exchange 4 · {exchange} = {4 * exchange}",
                f"计算 3 · {compute} = {3 * compute}，通信 4 · {exchange} = {4 * exchange}"),
               (f"the longer: {value}; one after the other {3 * compute + 4 * exchange}",
                f"取长：{value}；不重叠则是 {3 * compute + 4 * exchange}")],
        proved_by="a_pair_takes_the_longer_of_the_two",
    )


ZH = {
    "layers": "层数",
    "time": "用时",
    "forward, then backward": "先前向再反向",
    "compute": "计算",
    "exchange": "通信",
    "time over compute plus exchange": "用时 /（计算 + 通信）",
    "this pair": "这一对",
    "backward in whole pieces": "反向不拆",
    "longer of compute and exchange": "计算与通信中较长者",
    "time of a pair": "一对的用时",
    "waves": "波数",
    "time of a layer": "一层的用时",
    "longest of the three": "三者中最长的",
    "time over the sum of the three": "用时 / 三者之和",
    "time of a pair less the longer of the two": "一对的用时减去较长者",
}

if __name__ == "__main__":
    main()
