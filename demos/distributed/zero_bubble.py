r"""Backward is two products, and only one of them has somebody waiting: the other fills the bubble.

反向是两个乘积，只有一个有人在等；另一个可以拿来填补气泡。

Qi et al. 2023 (zero bubble), §2. B is the gradient of a stage's input, W that of its weights. Turn
`weight` to 0: with nothing to put off, the split gains nothing.
B 是级输入的梯度，W 是权重的梯度。把 `weight` 改为 0：没有可以推迟的，拆分就毫无收益。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import randn

Action = tuple[str, int]                            # ("F", "B" or "W", micro-batch)


@exercise(claims=("two_products_make_the_backward",), wrong=("swaps_the_two", "forgets_the_second", "takes_the_output"))
def split_backward(x: Tensor, w: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """Backward of y = x wᵀ in its two parts: ∂loss/∂x, which the stage before waits for, and ∂loss/∂w.
    x (tokens, d_in), w (d_out, d_in), dy = ∂loss/∂y (tokens, d_out).

    y = x wᵀ 的反向分成两部分：∂loss/∂x（前一级在等）与 ∂loss/∂w。
    x (tokens, d_in)，w (d_out, d_in)，dy = ∂loss/∂y (tokens, d_out)。"""
    return dy @ w, dy.T @ x                         # (tokens, d_in): needs no x; (d_out, d_in): needs no w


def zb_h1(stage: int, stages: int, batches: int, when: str = "a stage's distance later") -> list[Action]:
    """The order of ZB-H1: that of 1F1B, where W of a micro-batch runs `stage` backwards after its B, so
    that p micro-batches are held on every stage; what is left of W comes last. "at once" is 1F1B with a
    backward in two parts; "last" puts off every W to the end."""
    warm = min(stages - 1 - stage, batches)
    lag = {"at once": 0, "last": batches}.get(when, stage)
    order: list[Action] = [("F", i) for i in range(warm)]
    for i in range(batches):
        order += [("F", i + warm)] if i + warm < batches else []
        order += [("B", i)]
        order += [("W", i - lag)] if i >= lag else []
    return order + [("W", i) for i in range(max(batches - lag, 0), batches)]


def replay(rows: list[list[Action]], took: dict[str, float]) -> tuple[float, list[tuple[int, str, float]]]:
    """When the step ends, and (stage, kind, start) of each action. An action waits for its stage and for
    what it reads: B for B of the stage behind, F for F of the stage before, W for its own B. In "1F1B" a
    backward is one action: what it sends leaves when both parts are done."""
    ends: dict[tuple[str, int, int], float] = {}
    clock, at, drawn = [0.0] * len(rows), [0] * len(rows), []
    for _ in range(sum(map(len, rows))):
        for s, row in enumerate(rows):
            while at[s] < len(row):
                kind, i = row[at[s]]
                reads = {"F": ("F", s - 1, i), "B": ("B", s + 1, i), "W": ("B", s, i)}[kind]
                if reads not in ends and 0 <= reads[1] < len(rows):
                    break
                start = max(clock[s], ends.get(reads, 0.0))
                clock[s] = ends[kind, s, i] = start + took[kind]
                drawn.append((s, kind, start))
                at[s] += 1
    return max(clock), drawn


RANGES = {
    "stages": between(2, 8),
    "groups": between(1, 4),
    "weight": one_of(1.0, 0.0),
    "when": one_of("a stage's distance later", "last"),
    "split": one_of("input and weights", "not"),
    "kept": one_of("its own input", "the newest input"),
}


def steps(stages: int, batches: int, took: dict[str, float], split: str, when: str) -> tuple[float, float]:
    """Step time of 1F1B and of ZB-H1. Without the split, B holds both parts and W takes no time."""
    fused = {"F": took["F"], "B": took["B"] + took["W"], "W": 0.0}
    plain = replay([zb_h1(s, stages, batches, "at once") for s in range(stages)], fused)[0]
    mine = replay([zb_h1(s, stages, batches, when) for s in range(stages)], took if split != "not" else fused)[0]
    return plain, mine


@breaks(weight=0.0, en="If the weights' gradient took no time there would be nothing to fill the bubble with.",
        zh="若权重梯度不花时间，就没有东西可用来填补气泡。")
@breaks(split="not", en="A backward in one piece keeps the stage before waiting for the weights' gradient.",
        zh="反向不拆开，前一级就要连权重梯度一起等。")
def claim_a_third_of_the_bubble_is_left(stages=4, groups=2, weight=1.0, split="input and weights"):
    """With F, B and W equally long, ZB-H1 leaves a third of 1F1B's bubble: (p−1)(F+B−W) instead of
    (p−1)(F+B+W).

    F、B、W 等长时，ZB-H1 的气泡只剩 1F1B 的三分之一：(p−1)(F+B−W)，而不是 (p−1)(F+B+W)。"""
    m, took = groups * stages, {"F": 1.0, "B": 1.0, "W": weight}
    plain, mine = steps(stages, m, took, split, "a stage's distance later")
    end, drawn = replay([zb_h1(s, stages, m) for s in range(stages)], took)
    chart = [[0] * round(end) for _ in range(stages)]
    for s, kind, start in drawn:
        if took[kind]:
            chart[s][round(start)] = 1 + "FBW".index(kind)
    show(heatmap(chart, x_label="time", y_label="stage", title="0 idle, 1 forward, 2 input's gradient, 3 weights' gradient"))
    work = m * sum(took.values())
    expect("bubble over 1F1B's", (mine - work) / (plain - work), equals=1 / 3, within=1e-9)


@breaks(split="not", en="A backward in one piece keeps the stage before waiting for the weights' gradient.",
        zh="反向不拆开，前一级就要连权重梯度一起等。")
def claim_each_unit_of_w_saves_two(stages=4, groups=2, split="input and weights"):
    """From m = p on, while W is no longer than F or B, ZB-H1's bubble is (p−1)(F+B−W): each unit of W
    shortens the step by 2(p−1) against 1F1B.

    m ≥ p 时，只要 W 不长于 F 和 B，ZB-H1 的气泡就是 (p−1)(F+B−W)：W 每有一个单位，一步就比 1F1B 短 2(p−1)。"""
    m, weights, saved = groups * stages, (0.25, 0.5, 0.75, 1.0), []
    for w in weights:
        plain, mine = steps(stages, m, {"F": 1.0, "B": 1.25, "W": w}, split, "a stage's distance later")
        saved.append(plain - mine)
    show(lines("time of W", weights, {"time saved per step": saved}))
    expect("time saved per step", saved, equals=[2 * (stages - 1) * w for w in weights], within=1e-9, at=("W", weights))


@breaks(when="last", en="Put off to the very end, every W keeps its activations, and all m micro-batches stay.",
        zh="全部推到最后，每个 W 都占着它的激活值，m 个微批次一个也放不掉。")
def claim_the_peak_stays_at_p_micro_batches(stages=4, groups=2, when="a stage's distance later"):
    """In ZB-H1 every stage holds p micro-batches whose W has not run, as many as the first stage of 1F1B:
    the peak of the pipeline does not rise.

    ZB-H1 中每一级都有 p 个微批次的 W 还没做，与 1F1B 第一级一样多：整条流水线的峰值不升高。"""
    m, held = groups * stages, []
    for s in range(stages):
        now = [0]
        for kind, _ in zb_h1(s, stages, m, when):
            now.append(now[-1] + {"F": 1, "B": 0, "W": -1}[kind])
        held.append(max(now))
    show(bars([f"stage {s}" for s in range(stages)],
              {"held by ZB-H1": held, "held by 1F1B": [stages - s for s in range(stages)]}))
    expect("micro-batches held until their W", held, equals=stages, at=("stage", range(stages)))


@breaks(kept="the newest input", en="Run later, W needs the input of its own micro-batch: that is what stays in memory.",
        zh="推迟之后，W 仍需要自己那个微批次的输入：占显存的正是它。")
def claim_two_products_make_the_backward(groups=2, kept="its own input"):
    """A linear layer's backward is two products, each of the forward's size; W, run later from the kept
    x and dy, adds up to autograd's gradient.

    线性层的反向是两个乘积，各与前向一样大；W 用留下的 x 与 dy 推迟计算，累加起来就是 autograd 的梯度。"""
    w = randn(4, 5, seed=0).double().requires_grad_()
    xs = [randn(6, 5, seed=1 + i).double().requires_grad_() for i in range(groups)]
    dys = [randn(6, 4, seed=9 + i).double() for i in range(groups)]
    parts = [split_backward(x.detach(), w.detach(), dy)[0] for x, dy in zip(xs, dys, strict=True)]     # all B …
    weights = [split_backward((x if kept == "its own input" else xs[-1]).detach(), w.detach(), dy)[1]
               for x, dy in zip(xs, dys, strict=True)]                                                # … then W
    for x, dy in zip(xs, dys, strict=True):
        (x @ w.T).backward(dy)
    show(bars([f"micro-batch {i}" for i in range(groups)], {"norm of ∂loss/∂x": [p.norm() for p in parts],
                                                            "norm of ∂loss/∂w": [p.norm() for p in weights]}))
    # float64: sums of some tens of terms of size one
    expect("∂loss/∂x less autograd's", torch.stack(parts) - torch.stack([x.grad for x in xs]), equals=0, within=1e-11)
    expect("∂loss/∂w less autograd's", sum(weights) - w.grad, equals=0, within=1e-11)


def drill_bubble_of_zb(rng) -> Drill:
    """Bubbles of 1F1B and ZB-H1."""
    p, f, b, w = rng.choice([(8, 1, 1, 1), (4, 2, 3, 1), (16, 1, 1, 1), (8, 2, 2, 1), (5, 3, 3, 2)])
    return Drill(
        en=f"{p} stages; forward takes {f} ms, the input's gradient {b} ms, the weights' gradient {w} ms per micro-batch. "
           "How long is the bubble of a step under ZB-H1, in ms? (B means the input's gradient alone.)",
        zh=f"{p} 级；每个微批次前向 {f} ms，输入梯度 {b} ms，权重梯度 {w} ms。ZB-H1 一步的气泡是多少 ms？（B 只指输入梯度。）",
        answer=(p - 1) * (f + b - w), unit="ms", within=0.1,
        steps=[(f"1F1B: (p−1)(F+B+W) = {p - 1} · {f + b + w} = {(p - 1) * (f + b + w)}",
                f"1F1B：(p−1)(F+B+W) = {p - 1} · {f + b + w} = {(p - 1) * (f + b + w)}"),
               (f"ZB-H1: (p−1)(F+B−W) = {p - 1} · {f + b - w} = {(p - 1) * (f + b - w)}",
                f"ZB-H1：(p−1)(F+B−W) = {p - 1} · {f + b - w} = {(p - 1) * (f + b - w)}")],
        proved_by="each_unit_of_w_saves_two",
    )


ZH = {
    "time": "时间",
    "stage": "级",
    "0 idle, 1 forward, 2 input's gradient, 3 weights' gradient": "0 空闲，1 前向，2 输入梯度，3 权重梯度",
    "bubble over 1F1B's": "气泡与 1F1B 之比",
    "time of W": "W 的用时",
    "time saved per step": "一步省下的时间",
    "stage {}": "第 {} 级",
    "held by ZB-H1": "ZB-H1 保存",
    "held by 1F1B": "1F1B 保存",
    "micro-batches held until their W": "尚未做 W 的微批次数",
    "micro-batch {}": "微批次 {}",
    "norm of ∂loss/∂x": "∂loss/∂x 的范数",
    "norm of ∂loss/∂w": "∂loss/∂w 的范数",
    "∂loss/∂x less autograd's": "∂loss/∂x 与 autograd 之差",
    "∂loss/∂w less autograd's": "∂loss/∂w 与 autograd 之差",
}

if __name__ == "__main__":
    main()
