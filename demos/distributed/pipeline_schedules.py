r"""A pipeline schedule is an order per device: replayed, it shows what idles and what is held.

流水线调度就是每台设备的执行次序：重放一遍，就看得到空闲多少、要保存多少。

Huang et al. 2019 (GPipe), §2.3; Narayanan et al. 2021 (Megatron), §2.2. Equal stages, backward twice
as long as forward, links free. Turn `schedule` to "one after another": a split model without a pipeline.
各级等长，反向是前向的两倍，通信不计时。把 `schedule` 改为 "one after another"：只切开了模型，没有流水线。
"""

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
)

Action = tuple[str, int, int]                      # ("F" or "B", stage, micro-batch)
FORWARD, BACKWARD = 1.0, 2.0                       # time of a stage for one micro-batch


@exercise(claims=("the_bubble_is_p_minus_1_over_m_plus_p_minus_1", "one_f_one_b_holds_p_minus_r"),
          wrong=("warms_up_one_too_few", "warms_up_one_too_many", "runs_all_forwards_first",
                 "forgets_the_last_backwards"))
def one_f_one_b(stage: int, stages: int, batches: int) -> list[Action]:
    """The order of 1F1B on one stage, stages numbered from 0: forwards to warm up, one for each stage
    behind; then one forward and one backward in turn; then the backwards that are left. Actions are
    ("F" or "B", stage, micro-batch); micro-batches run from 0 to batches − 1.

    1F1B 在一级上的次序（级从 0 编号）：先预热，后面有几级就做几个前向；然后一个前向、一个反向交替；最后做完剩下的
    反向。动作写作 ("F" 或 "B", 级, 微批次)，微批次从 0 到 batches − 1。"""
    warm = min(stages - 1 - stage, batches)                                  # forwards before the first backward
    order: list[Action] = [("F", stage, i) for i in range(warm)]
    for i in range(warm, batches):
        order += [("F", stage, i), ("B", stage, i - warm)]                   # steady: one in, one out
    return order + [("B", stage, i) for i in range(batches - warm, batches)]  # cool down


def orders(schedule: str, stages: int, batches: int) -> list[list[Action]]:
    """Each stage's order: 1F1B, GPipe (all forwards, then all backwards), or one micro-batch at a time."""
    if schedule == "1F1B":
        return [one_f_one_b(s, stages, batches) for s in range(stages)]
    every = range(batches)
    if schedule == "GPipe":
        return [[(kind, s, i) for kind in "FB" for i in every] for s in range(stages)]
    return [[(kind, s, i) for i in every for kind in "FB"] for s in range(stages)]


def replay(rows: list[list[Action]], slow: float = 1.0) -> dict[Action, float]:
    """When each action ends: it waits for its device and for what it reads; the last stage takes `slow`
    times as long. An action that never starts ends at infinity."""
    ends: dict[Action, float] = {}
    clock, at = [0.0] * len(rows), [0] * len(rows)
    for _ in range(sum(map(len, rows))):                                     # each pass ends one at least
        for s, row in enumerate(rows):
            while at[s] < len(row):
                kind, _, i = row[at[s]]
                last = s == len(rows) - 1
                reads = ("F", s - 1, i) if kind == "F" else ("F", s, i) if last else ("B", s + 1, i)
                if reads not in ends and reads[1] >= 0:
                    break
                took = (FORWARD if kind == "F" else BACKWARD) * (slow if last else 1.0)
                clock[s] = max(clock[s], ends.get(reads, 0.0)) + took
                ends[row[at[s]]], at[s] = clock[s], at[s] + 1
    return {(kind, s, i): ends.get((kind, s, i), float("inf"))
            for s in range(len(rows)) for kind in "FB" for i in {i for row in rows for _, _, i in row}}


def in_flight(row: list[Action]) -> int:
    """The most micro-batches that a stage holds: their forward has run, their backward not."""
    held = [0]
    for kind, _, _ in row:
        held.append(held[-1] + (1 if kind == "F" else -1))
    return max(held)


RANGES = {
    "stages": between(2, 8),
    "counts": each(between(1, 48), at_least=2, rising=True),
    "schedule": one_of("1F1B", "GPipe", "one after another"),
    "slow": between(1.0, 4.0),
}
NAIVE = breaks(schedule="one after another", zh="每次只有一个微批次在模型里，就总有 p − 1 级在等，与 m 无关。",
               en="With one micro-batch in the model at a time, p − 1 stages wait whatever m is.")


@NAIVE
@breaks(slow=2.0, en="One stage twice as long sets the pace, and the others idle at every micro-batch.",
        zh="一级耗时加倍就决定了节奏，其余各级在每个微批次上都要空等。")
def claim_the_bubble_is_p_minus_1_over_m_plus_p_minus_1(
    stages=4, counts=(1, 2, 4, 8, 16, 32), schedule="1F1B", slow=1.0
):
    """With p equal stages and m micro-batches a device idles (p−1)/(m+p−1) of the step, in 1F1B as in
    GPipe.

    p 级等长、m 个微批次时，设备在一步中的空闲占比是 (p−1)/(m+p−1)，1F1B 与 GPipe 相同。"""
    idle, ratio = [], []
    for m in counts:
        step = max(replay(orders(schedule, stages, m), slow).values())
        ratio.append(step / max(replay(orders("GPipe", stages, m), slow).values()))
        work = m * (FORWARD + BACKWARD) * (stages - 1 + slow) / stages       # of a device, on average
        idle.append(1 - work / step)
    formula = [(stages - 1) / (m + stages - 1) for m in counts]
    alone = [1 - 1 / stages] * len(counts)
    show(lines("micro-batches", counts, {"idle share of the step": idle, "(p−1)/(m+p−1)": formula,
                                         "1 − 1/p": alone}, log="x"))
    expect("idle share of the step", idle, equals=formula, within=1e-12,     # a few float64 sums
           at=("m", counts))
    expect("step over GPipe's", ratio, equals=1, at=("m", counts))


@breaks(schedule="GPipe", en="GPipe runs all forwards first, so each stage holds all m micro-batches.",
        zh="GPipe 先做完全部前向，所以每一级都要保存全部 m 个微批次。")
def claim_one_f_one_b_holds_p_minus_r(stages=4, counts=(2, 8, 16), schedule="1F1B"):
    """In 1F1B stage r, from 0, holds at most p − r micro-batches, and never more than m; in GPipe every
    stage holds all m.

    1F1B 中第 r 级（从 0 起）至多保存 p − r 个微批次，也不超过 m 个；GPipe 的每一级都保存全部 m 个。"""
    rows = orders(schedule, stages, counts[-1])
    ends = replay(rows)
    step = max(ends.values())
    if step < float("inf"):
        chart = [[0] * int(step) for _ in rows]
        for (kind, s, _), end in ends.items():
            first = int(end - (FORWARD if kind == "F" else BACKWARD))
            chart[s][first:int(end)] = [1 if kind == "F" else 2] * (int(end) - first)
        show(heatmap(chart, x_label="time", y_label="stage",
                     title="0 idle, 1 forward, 2 backward"))
    for m in counts:
        now = [in_flight(row) for row in orders(schedule, stages, m)]
        expect(f"micro-batches held, stage by stage, m = {m}", now,
               equals=[min(m, stages - s) for s in range(stages)], at=("r", range(stages)))
        expect(f"held under GPipe, m = {m}", [in_flight(row) for row in orders("GPipe", stages, m)], equals=m)


@NAIVE
def claim_the_slowest_stage_sets_the_pace(stages=4, counts=(8, 16, 32), schedule="1F1B", slow=2.0):
    """Once the pipeline is full, each further micro-batch costs forward and backward of the slowest
    stage, so p devices give the sum over the largest, not p.

    流水线填满之后，每多一个微批次，就多花最慢一级的前向与反向时间：p 台设备的加速上限是总和除以最大值，而不是 p。"""
    steps = [max(replay(orders(schedule, stages, m), slow).values()) for m in counts]
    more = [(b - a) / (n - m) for a, b, m, n in zip(steps, steps[1:], counts, counts[1:], strict=False)]
    one = [m * (FORWARD + BACKWARD) * (stages - 1 + slow) for m in counts]
    show(lines("micro-batches", counts, {"speed-up over one device": [a / b for a, b in zip(one, steps, strict=True)],
                                         "sum over largest": [(stages - 1 + slow) / slow] * len(counts)}))
    expect("time of a further micro-batch", more, equals=slow * (FORWARD + BACKWARD), within=1e-9)


def drill_bubble(rng) -> Drill:
    """The idle share of a step."""
    p, m = rng.choice([(4, 8), (4, 12), (8, 8), (8, 32), (16, 48), (3, 6), (2, 9), (16, 64), (5, 16)])
    idle = (p - 1) / (m + p - 1)
    return Drill(
        en=f"A pipeline of {p} equal stages runs {m} micro-batches per step with 1F1B. Which share of the "
           "whole step does a device idle (GPipe's convention), in per cent?",
        zh=f"{p} 级等长的流水线，1F1B，每步 {m} 个微批次。设备空闲占整步的百分之几（GPipe 的口径）？",
        answer=100 * idle, unit="%", within=0.5,
        steps=[(f"p − 1 = {p - 1} slots idle, of m + p − 1 = {m + p - 1}",
                f"m + p − 1 = {m + p - 1} 格中空 p − 1 = {p - 1} 格"),
               (f"{p - 1}/{m + p - 1} = {100 * idle:.1f}% (of the ideal time m, as Megatron counts: "
                f"{100 * (p - 1) / m:.1f}%)",
                f"{p - 1}/{m + p - 1} = {100 * idle:.1f}%（Megatron 除以理想时间 m：{100 * (p - 1) / m:.1f}%）")],
        proved_by="the_bubble_is_p_minus_1_over_m_plus_p_minus_1",
    )


def drill_in_flight(rng) -> Drill:
    """Micro-batches that a stage holds."""
    p, m = rng.choice([(4, 8), (4, 3), (8, 16), (8, 4), (16, 64), (6, 12)])
    r = rng.randrange(p)
    return Drill(
        en=f"1F1B, {p} stages numbered from 0, {m} micro-batches. For how many micro-batches does stage {r} "
           "hold activations at most?",
        zh=f"1F1B，{p} 级（从 0 编号），{m} 个微批次。第 {r} 级最多同时保存几个微批次的激活值？",
        answer=in_flight(one_f_one_b(r, p, m)), within=0,
        steps=[(f"p − r = {p - r}, and no more than m = {m}", f"p − r = {p - r}，且不超过 m = {m}"),
               (f"min = {min(m, p - r)}; GPipe would hold {m}", f"取小：{min(m, p - r)}；GPipe 要存 {m} 个")],
        proved_by="one_f_one_b_holds_p_minus_r",
    )


ZH = {
    "micro-batches": "微批次数",
    "idle share of the step": "一步中的空闲占比",
    "time": "时间",
    "stage": "级",
    "0 idle, 1 forward, 2 backward": "0 空闲，1 前向，2 反向",
    "micro-batches held, stage by stage, m = {}": "各级保存的微批次数，m = {}",
    "held under GPipe, m = {}": "GPipe 下保存的微批次数，m = {}",
    "step over GPipe's": "一步用时与 GPipe 之比",
    "time of a further micro-batch": "多一个微批次的用时",
    "speed-up over one device": "相对单卡的加速比",
    "sum over largest": "总和 / 最大值",
}

if __name__ == "__main__":
    main()
