r"""A large rate travels far and leaves noise; the decay at the end takes the noise away.

学习率大走得远，但留下噪声；最后的衰减把噪声去掉。

Loshchilov & Hutter 2016 (cosine); Hu et al. 2024 (WSD). Turn `decay` to 0: the loss stays on its floor. Turn `stopped` to 1:
the cosine ends where it was planned to. 把 `decay` 改为 0：损失停在噪声地板上。把 `stopped` 改为 1：余弦停在计划的终点。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("schedules_spend_different_amounts_of_the_peak",), wrong=("forgets_the_floor", "starts_at_zero", "half_a_turn_too_many"))
def cosine(step: int, total: int, warmup: int, final: float) -> float:
    """Share of the peak learning rate at step 1, …, total: linear up to 1 at `warmup`, then half a cosine down to `final` at `total`.

    第 step 步（1 … total）的学习率与峰值之比：线性升到第 warmup 步的 1，再按半个余弦降到第 total 步的 final。"""
    if step <= warmup:
        return step / warmup
    done = (step - warmup) / (total - warmup)                            # from 0 to 1
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


@exercise(claims=("schedules_spend_different_amounts_of_the_peak",), wrong=("decays_at_once", "never_decays", "counts_from_the_end"))
def wsd(step: int, total: int, warmup: int, decay: float, final: float) -> float:
    """Share of the peak at step 1, …, total: linear up to 1 at `warmup`, then 1, then linear down to `final` over the last `decay`
    share of all steps.

    第 step 步的学习率与峰值之比：线性升到第 warmup 步的 1，保持，最后 decay 比例的步数线性降到 final。"""
    if step <= warmup:
        return step / warmup
    left = (total - step) / (decay * total) if decay else 1.0            # 1 where the decay begins, 0 at the end
    return final + (1 - final) * min(1.0, left)


CURVATURES, PEAK, NOISE = torch.logspace(-1, 0, 8, dtype=torch.float64), 0.25, 0.3


def expected_losses(rates: list, noise: float) -> Tensor:
    """Expected loss ½ Σ h·w² after 0, 1, … steps of SGD from w = 1, gradients h·w plus noise of that deviation: by E[w²], exactly.
    One schedule, or several at once: (steps + 1,) or (steps + 1, schedules)."""
    steps = torch.tensor(rates, dtype=torch.float64).transpose(0, -1)[..., None]  # (steps, 1) or (steps, schedules, 1)
    square, squares = torch.ones_like(CURVATURES), []
    for keep, add in zip((1 - steps * CURVATURES) ** 2, (steps * noise) ** 2, strict=True):
        square = keep * square + add
        squares.append(square)
    losses = torch.stack(squares) @ CURVATURES / 2
    return torch.cat([(CURVATURES.sum() / 2).expand_as(losses[:1]), losses])


def tried_loss(rates: list[float], noise: float, runs: int) -> Tensor:
    """Mean loss at the end of so many runs with drawn noise."""
    w = torch.ones(runs, len(CURVATURES))
    for rate in rates:
        w = w - rate * (CURVATURES.float() * w + noise * torch.randn_like(w))
    return (CURVATURES.float() * w * w).sum(1).mean() / 2


def rates(kind: str, total: int, decay: float = 0.2, final: float = 0.0) -> list[float]:
    """Learning rates of a whole run with a warm-up of 20 steps."""
    share = (lambda t: cosine(t, total, 20, final)) if kind == "cosine" else (lambda t: wsd(t, total, 20, decay, final))
    return [PEAK * share(t) for t in range(1, total + 1)]


RANGES = {
    "total": between(800, 2000), "warmup": between(10, 100), "decay": one_of(0.1, 0.2, 0.3, 0.0, 1.0), "noise": one_of(0.1, 0.3, 0.0),
    "stopped": one_of(0.4, 0.5, 0.6, 1.0), "curvature": between(0.002, 0.02), "matched": one_of("sum of rates", "peak"),
}


@breaks(decay=1.0, en="Decaying from the start, WSD is the linear schedule and spends half of the peak.",
        zh="从一开始就衰减，WSD 就是线性调度，平均只用一半峰值。")
def claim_schedules_spend_different_amounts_of_the_peak(total=1000, warmup=50, decay=0.2):
    """On average cosine and linear decay to 0 spend half of the peak rate, WSD with a decay of 20% nine tenths; half-way cosine
    stands at a half as well.

    平均而言，余弦与线性衰减到 0 都只用了峰值的一半，末段 20% 衰减的 WSD 用了九成；余弦走到一半时也正好是一半。"""
    steps = range(1, total + 1)
    by = {"cosine": [cosine(t, total, warmup, 0.0) for t in steps], "WSD": [wsd(t, total, warmup, decay, 0.0) for t in steps]}
    show(lines("step", steps, by, y_label="share of the peak"))
    after = {k: torch.tensor(v[warmup:], dtype=torch.float64) for k, v in by.items()}
    expect("mean share of cosine behind the warm-up", after["cosine"].mean(), equals=0.5, within=2 / (total - warmup))
    flat = 1 - decay * total / 2 / (total - warmup) if decay < 1 else 0.5
    expect("mean share of WSD behind the warm-up", after["WSD"].mean(), equals=flat, within=2 / (total - warmup))
    expect("mean share of WSD over that of cosine", after["WSD"].mean() / after["cosine"].mean(), at_least=1.5)
    expect("both at the end of the warm-up", [v[warmup - 1] for v in by.values()], equals=1)
    expect("both at half of the warm-up", [v[warmup // 2 - 1] for v in by.values()], equals=(warmup // 2) / warmup, within=1e-12)
    expect("both at the end", [v[-1] for v in by.values()], equals=0, within=1e-12)
    expect("cosine to a tenth, at its end", cosine(total, total, warmup, 0.1), equals=0.1, within=1e-12)
    middle = (warmup + total) / 2
    expect("cosine half-way", cosine(middle, total, warmup, 0.1), equals=0.55, within=1e-12)


@breaks(decay=0.0, en="Without a decay the noise of the full rate remains.", zh="不衰减，满学习率的噪声就一直在。")
def claim_a_decay_at_the_end_removes_the_noise(total=1000, decay=0.2):
    """At a constant rate SGD on a noisy quadratic stops at a floor of noise; a linear decay to 0 over the last fifth lowers the
    loss to less than a half of it.

    学习率不变时，带噪声的二次函数上的 SGD 停在噪声地板上；最后五分之一线性衰减到 0，损失降到不足一半。"""
    constant, decayed = expected_losses([rates("wsd", total, d) for d in (0.0, decay)], NOISE).T
    floor = (PEAK * NOISE**2 / 2 / (2 - PEAK * CURVATURES)).sum()
    show(lines("step", range(0, total + 1, 10), {"constant": constant[::10], "decay at the end": decayed[::10]}, log="y", y_label="loss"))
    expect("constant rate: loss over Σ η·σ²/(2(2 − η·h))", constant[-1] / floor, equals=1, within=0.01)
    expect("loss with the decay over that without", decayed[-1] / constant[-1], at_most=0.5)
    # 2,000 runs of 8 directions: the mean loss scatters by a per cent or two
    tried = tried_loss(rates("wsd", total, 0.0)[:300], NOISE, 2000)
    expect("expected loss over the mean of runs", constant[300] / tried, equals=1, within=0.1)


@breaks(matched="peak", en="At the same peak cosine travels little more than half as far.", zh="峰值相同时，余弦走的路只比一半多一点。")
def claim_flat_directions_feel_the_sum_of_rates(total=1000, curvature=0.01, matched="sum of rates"):
    """Along a flat direction without noise only the sum of the learning rates counts: cosine needs about 1.8 times the peak of WSD to
    get as far.

    在没有噪声的平缓方向上，只看学习率之和：余弦要用 WSD 约 1.8 倍的峰值，才走得一样远。"""
    by = {"WSD": rates("wsd", total), "cosine": rates("cosine", total)}
    ratio = sum(by["WSD"]) / sum(by["cosine"])
    by["cosine, higher peak"] = [ratio * rate for rate in by["cosine"]]
    left = {k: torch.cumprod(1 - curvature * torch.tensor(v, dtype=torch.float64), 0) for k, v in by.items()}
    show(lines("step", range(1, total + 1, 10), {k: v[::10] for k, v in left.items()}, y_label="distance left"))
    compared = left["cosine, higher peak" if matched == "sum of rates" else "cosine"][-1]
    # (1 − η·h) is exp(−η·h) less half the square of 0.01
    expect("logarithm of the distance left, over WSD's", compared.log() / left["WSD"][-1].log(), equals=1, within=0.01)
    expect("peak of cosine over that of WSD", ratio, equals=1.8, within=0.04)


@breaks(stopped=1.0, en="Run to its planned end, cosine is what it was meant to be.", zh="跑到预定的终点，余弦就是它本来的样子。")
def claim_a_cosine_must_know_its_length(total=1000, stopped=0.5):
    """A cosine stopped half-way keeps over twice the noise of one planned to end there; WSD runs of any length share their steps
    until the decay begins, so one trunk serves all.

    余弦跑到一半就停，噪声是按此长度计划的两倍以上；不同长度的 WSD 在开始衰减前每一步都相同，所以一条主干够用。"""
    end = round(stopped * total)
    cut, planned = expected_losses(rates("cosine", total)[:end], NOISE), expected_losses(rates("cosine", end), NOISE)
    trunk = math.floor(0.8 * end)
    show(lines("step", range(0, end + 1, 10), {f"cosine planned for {total}": cut[::10], f"cosine planned for {end}": planned[::10],
                                               f"WSD, decay from {trunk}": expected_losses(rates("wsd", end), NOISE)[::10]},
               log="y", y_label="loss"))
    expect("cut cosine over the planned one", cut[-1] / planned[-1], at_least=2)
    pairs = zip(rates("wsd", end)[:trunk], rates("wsd", total)[:trunk], strict=True)
    expect("largest difference of two WSD runs before the decay", max(abs(a - b) for a, b in pairs), equals=0)
    pairs = zip(rates("cosine", end)[:trunk], rates("cosine", total)[:trunk], strict=True)
    expect("largest difference of the two cosines, over the peak", max(abs(a - b) for a, b in pairs) / PEAK, at_least=0.1)


@breaks(noise=0.0, en="Without noise a rate that goes to 0 only wastes steps.", zh="没有噪声时，降到 0 的学习率只是浪费步数。")
def claim_decaying_to_zero_pays_where_noise_rules(total=1000, noise=0.3):
    """Where noise rules cosine to 0 ends lower than cosine to a tenth of the peak, whose last rate keeps a floor of its own;
    without noise it does not.

    噪声占优时，降到 0 的余弦比降到峰值十分之一的更低，因为后者最后的学习率仍有自己的噪声地板；没有噪声则不然。"""
    ends = (0.0, 0.03, 0.1, 0.3, 1.0)
    final = expected_losses([rates("cosine", total, final=f) for f in ends], noise)[-1]
    losses = dict(zip(ends, final.tolist(), strict=True))
    show(lines("last rate over the peak", ends, {"loss at the end": final}, log="y"))
    expect("cosine to 0 over cosine to a tenth", losses[0.0] / losses[0.1], at_most=0.95)
    expect("cosine to a tenth over constant", losses[0.1] / losses[1.0], at_most=1)
    exact = expected_losses([rates("cosine", total, final=f) for f in (0.0, 0.1)], 0.0)[-1]
    expect("without noise: cosine to 0 over cosine to a tenth", exact[0] / exact[1], at_least=1)


def drill_cosine(rng) -> Drill:
    """A cosine schedule at a step."""
    peak, final, share = rng.choice([(3, 0.1, 0.5), (2, 0.0, 0.5), (4, 0.1, 1 / 3), (4, 0.0, 2 / 3), (6, 0.1, 1.0), (2, 0.1, 0.5)])
    value = peak * cosine(round(100 + 900 * share), 1000, 100, final)
    return Drill(
        en=f"A cosine schedule falls from {peak}e-4 to {final:g} times that. What is the rate, in units of 1e-4, after {share:.3g} of "
           "the decay?",
        zh=f"余弦调度从 {peak}e-4 降到它的 {final:g} 倍。衰减进行到 {share:.3g} 时，学习率是多少（以 1e-4 为单位）？",
        answer=value, within=0.01 * value + 0.005,
        steps=[(f"(1 + cos(π · {share:.3g}))/2 = {(1 + math.cos(math.pi * share)) / 2:.3g}",) * 2,
               (f"{peak} · ({final:g} + {1 - final:g} · {(1 + math.cos(math.pi * share)) / 2:.3g}) = {value:.3g}",) * 2],
        proved_by="schedules_spend_different_amounts_of_the_peak",
    )


def drill_wsd(rng) -> Drill:
    """A WSD schedule at a step."""
    total, decay, step = rng.choice([(100, 0.2, 90), (100, 0.1, 95), (50, 0.2, 45), (200, 0.25, 160), (100, 0.2, 70), (10, 0.4, 7)])
    value = wsd(step, total, 1, decay, 0.0)
    return Drill(
        en=f"WSD: {total} thousand steps, the last {decay:.0%} a linear decay to 0. At which share of the peak is the rate at step "
           f"{step} thousand?",
        zh=f"WSD：共 {total} 千步，最后 {decay:.0%} 线性降到 0。第 {step} 千步时学习率是峰值的几分之几（小数）？",
        answer=value, within=0.01,
        steps=[(f"the decay begins at {total - decay * total:g} thousand", f"衰减从第 {total - decay * total:g} 千步开始"),
               (f"min(1, ({total} − {step}) / {decay * total:g}) = {value:.3g}",) * 2],
        proved_by="schedules_spend_different_amounts_of_the_peak",
    )


ZH = {
    "step": "步", "cosine": "余弦", "WSD": "WSD", "share of the peak": "与峰值之比",
    "mean share of cosine behind the warm-up": "预热之后余弦的平均比例",
    "mean share of WSD behind the warm-up": "预热之后 WSD 的平均比例",
    "mean share of WSD over that of cosine": "WSD 的平均比例与余弦之比", "both at the end of the warm-up": "预热结束时两者",
    "both at half of the warm-up": "预热一半时两者",
    "both at the end": "终点处两者", "cosine to a tenth, at its end": "降到十分之一的余弦，终点",
    "cosine half-way": "余弦走到一半", "constant": "恒定", "decay at the end": "末段衰减", "loss": "损失",
    "constant rate: loss over Σ η·σ²/(2(2 − η·h))": "恒定学习率：损失与 Σ η·σ²/(2(2 − η·h)) 之比",
    "loss with the decay over that without": "有衰减与没有的损失之比",
    "expected loss over the mean of runs": "期望损失与多次运行平均之比",
    "cosine planned for {}": "按 {} 步计划的余弦",
    "WSD, decay from {}": "WSD，从 {} 开始衰减", "cut cosine over the planned one": "中途停下与按计划的余弦之比",
    "largest difference of two WSD runs before the decay": "两条 WSD 在衰减之前的最大差",
    "last rate over the peak": "最后的学习率与峰值之比",
    "cosine, higher peak": "余弦，峰值更高",
    "distance left": "剩余距离", "logarithm of the distance left, over WSD's": "剩余距离的对数与 WSD 之比",
    "peak of cosine over that of WSD": "余弦与 WSD 的峰值之比", "loss at the end": "最终损失",
    "largest difference of the two cosines, over the peak": "两条余弦的最大差与峰值之比",
    "without noise: cosine to 0 over cosine to a tenth": "无噪声：降到 0 与降到十分之一的余弦之比",
    "cosine to 0 over cosine to a tenth": "降到 0 与降到十分之一的余弦之比",
    "cosine to a tenth over constant": "降到十分之一的余弦与恒定之比",
}

if __name__ == "__main__":
    main()
