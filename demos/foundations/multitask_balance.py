r"""With loss scales of 1 and 10,000 on one shared trunk, the weights decide which task the trunk serves.

两个损失的量级为 1 与 10,000，共用一个主干：权重决定主干为谁服务。

Kendall et al. 2018. Turn `noise` to 1: learned weights balance noisy tasks; a noise-free one takes over.
把 `noise` 改为 1：任务都有噪声时，学出来的权重能平衡；没有噪声的任务会独占。
"""

import math

from studyapp.evidence import Drill, bars, between, breaks, expect, lines, main, one_of, show, table

SCALES = (1.0, 10_000.0)
TARGETS = ((1.0, 0.0), (0.5, 3**0.5 / 2))                                # 60° apart, both of length 1


def losses(u, a, noise) -> list[float]:
    """Expected squared errors of two linear tasks behind one shared feature: for inputs x ~ N(0, I) the trunk
    keeps h = u·x, head i answers a_i·h, and the target is TARGETS[i]·x with noise of variance `noise[i]`."""
    return [c * ((a[i] * u[0] - t[0]) ** 2 + (a[i] * u[1] - t[1]) ** 2 + noise[i])
            for i, (c, t) in enumerate(zip(SCALES, TARGETS, strict=True))]


def slopes(u, a, weights):
    """The gradients of each weighted loss in the trunk, [(task, 2)], and of each head."""
    errors = [(a[i] * u[0] - t[0], a[i] * u[1] - t[1]) for i, t in enumerate(TARGETS)]
    trunk = [[2 * w * c * a[i] * e for e in errors[i]] for i, (w, c) in enumerate(zip(weights, SCALES, strict=True))]
    heads = [2 * w * c * (errors[i][0] * u[0] + errors[i][1] * u[1]) for i, (w, c) in enumerate(zip(weights, SCALES, strict=True))]
    return trunk, heads


def train(weighting: str, noise=(0.0, 0.0), rate=0.01, rate_of_s=0.01, steps=1000) -> dict:
    """Adam on trunk, heads and, for "learned" weights exp(−s), on s with the objective Σ exp(−s_i)·L_i + s_i."""
    state = [0.6, -0.5, 0.1, 0.1, 0.0, 0.0]                              # trunk, heads, s
    mean, square = [0.0] * 6, [0.0] * 6
    first = losses(state[:2], state[2:4], noise)
    for n in range(1, steps + 1):
        u, a, s = state[:2], state[2:4], state[4:]
        now = losses(u, a, noise)
        weights = {"plain sum": (1.0, 1.0), "1/L₀": tuple(1 / one for one in first),
                   "learned": tuple(math.exp(-one) for one in s)}[weighting]
        trunk, heads = slopes(u, a, weights)
        of_s = [1 - w * one for w, one in zip(weights, now, strict=True)] if weighting == "learned" else [0.0, 0.0]
        for k, g in enumerate([trunk[0][0] + trunk[1][0], trunk[0][1] + trunk[1][1], *heads, *of_s]):
            mean[k] = 0.9 * mean[k] + 0.1 * g
            square[k] = 0.999 * square[k] + 0.001 * g * g
            step = mean[k] / (1 - 0.9**n) / (math.sqrt(square[k] / (1 - 0.999**n)) + 1e-8)
            state[k] -= (rate_of_s if k > 3 else rate) * step
    return {"losses": losses(state[:2], state[2:4], noise), "weights": weights, "s": state[4:]}


def own_share(loss: float, task: int, noise: float = 0.0) -> float:
    """What is left of a task's own signal, 1 at the start and 0 when it is learnt."""
    return loss / SCALES[task] - noise


RANGES = {
    "weighting": one_of("plain sum", "1/L₀"), "noise": one_of(0.0, 1.0), "rate_of_s": one_of(0.003, 0.1),
    "scale": between(0.01, 1000.0), "best": one_of("s = ln L", "s = 0"),
}  # fmt: skip


@breaks(weighting="1/L₀", en="With each loss over its first value both are learnt, but for a fifth to a third.",
        zh="各除以初始损失，两个任务都学到大半，只剩五分之一到三分之一。")
def claim_the_plain_sum_serves_the_large_loss(weighting="plain sum"):
    """With losses of 1 and 10,000 on one shared feature the plain sum learns the large task and leaves
    three quarters of the small one, under Adam too.

    两个损失为 1 与 10,000、共用一个特征时，直接求和只学会大的，小的还剩四分之三没学到；用 Adam 也一样。"""
    runs = {name: train(name) for name in ("plain sum", "1/L₀")}
    left = {name: [own_share(one, i) for i, one in enumerate(run["losses"])] for name, run in runs.items()}
    show(bars(["small task", "large task"], left, y_label="share of the task not learnt"))
    u, a = [0.6, -0.5], [0.3, 0.2]                                       # the slopes, against differences
    moved = [sum(losses([u[0] + d, u[1]], a, (0, 0))) for d in (1e-5, -1e-5)]
    expect("slope of the sum in the trunk less the measured one",
           sum(one[0] for one in slopes(u, a, (1, 1))[0]) - (moved[0] - moved[1]) / 2e-5, equals=0, within=1e-4)
    # the best trunk for the sum lies along the large task: sin² 60° of the small one is left
    expect("left of the small task", left[weighting][0], equals=0.75, within=0.02)
    expect("left of the large task", left[weighting][1], at_most=0.01)
    expect("left of each, weighted by 1/L₀, at least", left["1/L₀"], at_least=0.19)
    expect("left of each, weighted by 1/L₀, at most", left["1/L₀"], at_most=0.34)


@breaks(best="s = 0", en="With s = 0 it is the plain sum.", zh="s = 0 就是直接求和。")
def claim_learned_weights_minimise_a_sum_of_logs(scale=100.0, best="s = ln L"):
    """For a fixed loss L the term e⁻ˢ·L + s is least at s = ln L, where the weighted loss is 1 and the term
    1 + ln L: learned weights minimise Σ ln L.

    损失 L 固定时，e⁻ˢ·L + s 在 s = ln L 处最小，此时加权损失为 1，这一项为 1 + ln L：学出来的权重实际在最小化 Σ ln L。"""
    s = [x / 100 for x in range(-800, 1201)]
    curve = [math.exp(-x) * scale + x for x in s]
    at = s[min(range(len(s)), key=curve.__getitem__)]
    show(lines("s", s[200:1101:50], {"e⁻ˢ·L + s": [min(c, 200.0) for c in curve[200:1101:50]]}))
    expect("best s", at, equals=math.log(scale) if best == "s = ln L" else 0.0, within=0.006)
    expect("least value less 1 + ln L", min(curve) - 1 - math.log(scale), equals=0, within=2e-5)   # ½·0.005²
    run = train("learned", noise=(1.0, 1.0), rate_of_s=1.0, steps=2000)  # in training it ends there, too
    expect("weighted losses after training", [w * one for w, one in zip(run["weights"], run["losses"], strict=True)], equals=1,
           within=0.06)                                                  # still on its way by a few per cent


@breaks(noise=1.0, en="With noise in both tasks ln L has a floor, and both are served alike.",
        zh="两个任务都有噪声时，ln L 有下限，两者兼顾。")
def claim_a_noise_free_task_takes_over(noise=0.0):
    """If the small task can be fitted exactly, learned weights let it: its weight rises over 1,000-fold
    while the large task keeps over 60% of its signal unlearnt.

    若小任务能被完全拟合，学出来的权重就偏向它：它的权重升到 1,000 倍以上，而大任务还有六成以上没学到。"""
    run = train("learned", noise=(noise, 1.0), rate_of_s=0.1, steps=1500)
    left = [own_share(one, i, (noise, 1.0)[i]) for i, one in enumerate(run["losses"])]
    show(table({"task": ["small", "large"], "loss": run["losses"], "weight": run["weights"], "not learnt": left}))
    expect("left of the small task", left[0], at_most=0.01)
    expect("left of the large task", left[1], at_least=0.6)
    expect("weight of the small task", run["weights"][0], at_least=1000)


@breaks(rate_of_s=0.1, en="With a learning rate of its own, 0.1, s arrives in time.", zh="给 s 单独的学习率 0.1，就来得及。")
def claim_learned_weights_lag_under_adam(rate_of_s=0.003):
    """Adam moves s by at most about its learning rate per step: at 0.003 the s of a loss of 10,000, due at
    9, is below 3.1 after 1,000 steps, and its weighted loss over 1,000 times the other.

    Adam 每步移动 s 的幅度大致不超过学习率：学习率 0.003 时，损失 10,000 的 s 应到 9，1,000 步后还不到
    3.1，加权后仍是另一个的 1,000 倍以上。"""
    run = train("learned", noise=(1.0, 1.0), rate_of_s=rate_of_s)
    want = [math.log(one) for one in run["losses"]]
    show(table({"task": ["small", "large"], "s": run["s"], "ln of its loss": want, "weight": run["weights"]}))
    expect("s of the large task", run["s"][1], at_most=3.1)
    expect("weighted loss of the large task over that of the small", run["weights"][1] * run["losses"][1]
           / (run["weights"][0] * run["losses"][0]), at_least=1000)


def drill_best_s(rng) -> Drill:
    """The learned weight of a steady loss."""
    loss, s = rng.choice([(100, 4.61), (1000, 6.91), (10, 2.30), (0.1, -2.30), (20, 3.00), (50, 3.91)])
    return Drill(
        en=f"Uncertainty weighting minimises exp(−s)·L + s. A loss stays at L = {loss:g}. To what does s converge? "
           "(ln 10 ≈ 2.303, ln 2 ≈ 0.693)",
        zh=f"不确定性加权最小化 exp(−s)·L + s。某个损失停在 L = {loss:g}。s 收敛到多少？（ln 10 ≈ 2.303，ln 2 ≈ 0.693）",
        answer=math.log(loss), within=0.02,
        steps=[("derivative −exp(−s)·L + 1 = 0, so exp(s) = L", "导数 −exp(−s)·L + 1 = 0，所以 exp(s) = L"),
               (f"s = ln {loss:g} = {s:.2f}; the weighted loss is then 1", f"s = ln {loss:g} = {s:.2f}，此时加权损失为 1")],
        proved_by="learned_weights_minimise_a_sum_of_logs",
    )


ZH = {
    "plain sum": "直接求和", "1/L₀": "1/L₀", "small task": "小任务", "large task": "大任务",
    "share of the task not learnt": "没学到的份额",
    "left of the small task": "小任务没学到的份额", "left of the large task": "大任务没学到的份额",
    "left of each, weighted by 1/L₀, at least": "按 1/L₀ 加权，各自没学到的份额（下界）",
    "left of each, weighted by 1/L₀, at most": "按 1/L₀ 加权，各自没学到的份额（上界）", "s": "s", "e⁻ˢ·L + s": "e⁻ˢ·L + s",
    "weighted losses after training": "训练后的加权损失",
    "slope of the sum in the trunk less the measured one": "损失和对主干的斜率减测得的",
    "best s": "最优的 s", "least value less 1 + ln L": "最小值减 (1 + ln L)", "task": "任务", "small": "小", "large": "大",
    "loss": "损失",
    "weight": "权重", "not learnt": "没学到", "weight of the small task": "小任务的权重", "ln of its loss": "损失的对数",
    "s of the large task": "大任务的 s",
    "weighted loss of the large task over that of the small": "加权后大任务与小任务的损失之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
