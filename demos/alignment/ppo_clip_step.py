r"""PPO's clip takes the gradient away on one side only: where a token has already moved the way its
advantage points. Where it moved the other way, the gradient stays.

PPO 的 clip 只在一侧去掉梯度：token 已经朝优势所指的方向移动够远时。朝反方向移动时，梯度保留。

Schulman et al. 2017, eq. 7; Ye et al. 2019 for the bound `dual`. Turn `objective` to "clip alone": a good
token that fell below the band is never raised again.
把 `objective` 改为 "clip alone"：好 token 一旦掉到区间下方，就再也升不回来。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import finite_difference

F64 = torch.float64


@exercise(claims=("gradient_vanishes_on_one_side_only", "first_step_is_the_policy_gradient"),
          wrong=("clip_alone", "ratio_turned_round", "no_clip", "max_for_min"))
def surrogate(new: Tensor, old: Tensor, advantage: Tensor, eps: float) -> Tensor:
    """PPO's clipped objective of each token, to be maximised: new and old log-probabilities and the
    advantage are (tokens,), eps is the half width of the band of ratios.

    PPO 对每个 token 的 clip 目标（要最大化）：新、旧对数概率与优势均为 (tokens,)，eps 是比值区间的半宽。"""
    ratio = (new - old).exp()                                            # (tokens,)
    return torch.minimum(ratio * advantage, ratio.clamp(1 - eps, 1 + eps) * advantage)


def clip_alone(new: Tensor, old: Tensor, advantage: Tensor, eps: float) -> Tensor:
    """A wrong way: no min, so that every token outside the band is lost."""
    return (new - old).exp().clamp(1 - eps, 1 + eps) * advantage


def unclipped(new: Tensor, old: Tensor, advantage: Tensor, eps: float) -> Tensor:
    """Importance sampling alone: nothing stops a token at the edge of the band."""
    return (new - old).exp() * advantage


def dual_clipped(new: Tensor, old: Tensor, advantage: Tensor, eps: float, dual: float = 3.0) -> Tensor:
    """A second bound for A < 0: never below dual · A."""
    plain = surrogate(new, old, advantage, eps)
    return torch.where(advantage < 0, torch.maximum(plain, dual * advantage), plain)


WAYS = {"PPO": surrogate, "clip alone": clip_alone, "no clip": unclipped, "dual clip": dual_clipped}
RANGES = {
    "objective": one_of("PPO", "clip alone", "no clip", "dual clip"), "eps": between(0.05, 0.5), "classes": between(2, 64),
    "updates": one_of(1, 4, 8, 12),
    "old_from": one_of("trainer", "bf16 engine"),
}


@breaks(objective="clip alone", en="Without the min the gradient is gone on both sides: a mistake is not undone.",
        zh="没有 min，两侧的梯度都为零：走错的一步无法挽回。")
@breaks(objective="no clip", en="Without the clip the gradient goes on beyond the band.",
        zh="没有 clip，出了区间梯度仍在。")
def claim_gradient_vanishes_on_one_side_only(eps=0.2, objective="PPO"):
    """The gradient is zero if A > 0 and the ratio is above 1 + ε, or A < 0 and it is below 1 − ε;
    otherwise it is ratio times A.

    A > 0 且比值高于 1 + ε，或 A < 0 且比值低于 1 − ε 时，梯度为零；其余情形都是比值乘 A。"""
    f = WAYS[objective]
    inside, low, high = 1 + eps / 2, 1 - 2.5 * eps if eps < 0.35 else 0.1, 1 + 2.5 * eps
    cases = [(a, r) for a in (1.0, -1.0) for r in (low, inside, high)]
    advantage, ratio = torch.tensor(cases, dtype=F64).T                  # (6,), (6,)
    new, old = ratio.log(), torch.zeros(6, dtype=F64)
    value = f(new, old, advantage, eps)
    slope = finite_difference(lambda x: f(x, old, advantage, eps).sum(), new)
    by_hand = [0.0 if (a > 0 and r > 1 + eps) or (a < 0 and r < 1 - eps) else r * a for a, r in cases]
    r = torch.linspace(0.05, 2.0, 40, dtype=F64)
    show(lines("ratio", r, {"A = +1": f(r.log(), 0 * r, torch.ones_like(r), eps),
                            "A = −1": f(r.log(), 0 * r, -torch.ones_like(r), eps)}, y_label="objective"),
         table({"A": advantage, "ratio": ratio, "objective": value, "gradient": slope}))
    # Central differences with step 1e-6: rounding of 1e-16 / 1e-6, and room.
    expect("gradient in the log-probability", slope, equals=by_hand, within=1e-8)
    expect("least objective of a risen bad token over its ratio", value[5] / -ratio[5], equals=1, within=1e-12)


@breaks(old_from="bf16 engine",
        en="Log-probabilities of another engine, here rounded to bfloat16, differ: the first ratios are not 1.",
        zh="旧对数概率来自另一个引擎（这里舍入到 bfloat16），首步的比值就不是 1。")
def claim_first_step_is_the_policy_gradient(classes=6, old_from="trainer"):
    """With old log-probabilities from the same weights in the same engine, every first ratio is 1 and
    the gradient is the policy gradient, A·(one-hot − p).

    旧对数概率来自同一引擎中的同一组权重时，首步比值全为 1，梯度就是策略梯度 A·(one-hot − p)。"""
    tokens = 24
    z = torch.randn(tokens, classes, dtype=F64).mul(2).requires_grad_()
    taken = torch.randint(classes, (tokens,))
    advantage = torch.randn(tokens, dtype=F64)
    new = z.log_softmax(1)[range(tokens), taken]
    old = new.detach() if old_from == "trainer" else new.detach().bfloat16().double()
    (slope,) = torch.autograd.grad(surrogate(new, old, advantage, 0.2).sum(), z)
    one_hot = torch.eye(classes, dtype=F64)[taken]
    by_hand = advantage[:, None] * (one_hot - z.detach().softmax(1))     # (tokens, classes)
    ratio = (new.detach() - old).exp()
    show(table({"ratio": ratio[:6], "A": advantage[:6], "gradient in the logit taken": slope[range(6), taken[:6]]}))
    expect("first ratios", ratio, equals=1, within=1e-12)
    expect("gradient less A·(one-hot − p)", slope - by_hand, equals=0, within=1e-12)


@breaks(objective="PPO", en="Plain PPO has no lower bound for A < 0: the objective falls with the ratio.",
        zh="原始 PPO 在 A < 0 时没有下界：目标随比值一路下降。")
def claim_dual_clip_bounds_a_bad_token_that_rose(objective="dual clip"):
    """For A = −1 and ratios of 1 and more PPO's objective is minus the ratio, without bound; a dual clip of 3 holds
    it at −3, and its gradient there is zero.

    A = −1、比值不小于 1 时，PPO 的目标等于负的比值，没有下界；取 3 的 dual clip 把它停在 −3，那里的梯度为零。"""
    ratio = torch.tensor([0.5, 1.0, 2.0, 2.9, 4.0, 20.0, 100.0], dtype=F64)
    bad, old = -torch.ones_like(ratio), torch.zeros_like(ratio)
    f = WAYS[objective]
    slope = finite_difference(lambda x: f(x, old, bad, 0.2).sum(), ratio.log())
    show(lines("ratio", ratio, {"PPO": surrogate(ratio.log(), old, bad, 0.2),
                                objective: f(ratio.log(), old, bad, 0.2)}, log="x", y_label="objective"))
    expect("objective", f(ratio.log(), old, bad, 0.2), at_least=-3 - 1e-12, at=("ratio", ratio))
    expect("gradient at ratios of 4 and more", slope[4:], equals=0, within=1e-9)
    expect("gradient at a ratio of 2.9", slope[3], equals=-2.9, within=1e-7)
    expect("PPO at ratios of 1 and more", surrogate(ratio.log(), old, bad, 0.2)[1:], equals=-ratio[1:], within=1e-9)


@breaks(updates=1, en="The first update starts from ratios of exactly 1: nothing is clipped.",
        zh="第一次更新时比值恰为 1，没有 token 被裁剪。")
def claim_ratios_leave_the_band(updates=8):
    """With several updates on one batch some tokens are clipped, and ratios still leave the band: the
    clip removes the incentive, it is no constraint.

    同一批数据更新多次时，有 token 被裁剪，比值仍会越出区间：clip 去掉的是动力，不是硬约束。"""
    prompts, classes, eps, rate = 64, 8, 0.2, 0.3
    hidden = torch.randn(prompts, 16)                                    # shared weights couple the tokens
    weight = (torch.randn(16, classes) * 0.3).requires_grad_()
    taken = torch.multinomial((hidden @ weight).softmax(1).detach(), 1)[:, 0]
    advantage = torch.randn(prompts)
    old = (hidden @ weight).log_softmax(1)[range(prompts), taken].detach()
    clipped, furthest = [], []
    for _ in range(updates):
        new = (hidden @ weight).log_softmax(1)[range(prompts), taken]
        ratio = (new - old).exp().detach()
        clipped.append(((advantage * (ratio - 1)).sign() * (ratio - 1).abs() > eps).float().mean().item())
        furthest.append((ratio - 1).abs().max().item())
        (slope,) = torch.autograd.grad(surrogate(new, old, advantage, eps).mean(), weight)
        with torch.no_grad():
            weight += rate * slope
    show(lines("updates on the batch", range(1, updates + 1), {
        "share clipped": clipped, "largest distance of a ratio from 1": furthest}))
    expect("share clipped at the first update", clipped[0], equals=0)
    expect("share clipped at the last update", clipped[-1], at_least=0.02)
    expect("largest distance of a ratio from 1", furthest[-1], at_least=1.25 * eps)


def drill_surrogate(rng) -> Drill:
    """One of the four cases of the clipped objective."""
    a, ratio, eps = rng.choice([1.0, -1.0, 2.0, -2.0]), rng.choice([0.5, 0.6, 1.1, 1.5, 1.6]), 0.2
    value = surrogate(torch.tensor([ratio], dtype=F64).log(), torch.zeros(1, dtype=F64),
                      torch.tensor([a], dtype=F64), eps).item()
    free, held = ratio * a, min(max(ratio, 1 - eps), 1 + eps) * a
    gone = free > held
    return Drill(
        en=f"PPO, ε = 0.2: a token's ratio is {ratio:g} and its advantage {a:+g}. What is the clipped objective?",
        zh=f"PPO，ε = 0.2：某 token 的比值为 {ratio:g}，优势为 {a:+g}。clip 后的目标是多少？",
        answer=value, within=0.005,
        steps=[(f"unclipped {ratio:g} · {a:+g} = {free:+g}; clipped {held:+g}",
                f"不裁剪 {ratio:g} · {a:+g} = {free:+g}；裁剪 {held:+g}"),
               (f"the smaller is {value:+g}; " + ("the gradient is zero" if gone else "the gradient stays"),
                f"取较小者 {value:+g}；" + ("梯度为零" if gone else "梯度保留"))],
        proved_by="gradient_vanishes_on_one_side_only",
    )


ZH = {
    "ratio": "比值", "objective": "目标", "A = +1": "A = +1", "A = −1": "A = −1", "A": "A",
    "gradient in the log-probability": "对对数概率的梯度",
    "least objective of a risen bad token over its ratio": "坏 token 上升后，目标与负比值之比",
    "gradient in the logit taken": "对所采 logit 的梯度", "first ratios": "首步比值",
    "gradient less A·(one-hot − p)": "梯度减 A·(one-hot − p)", "PPO": "PPO", "dual clip": "dual clip",
    "gradient at ratios of 4 and more": "比值不小于 4 处的梯度", "gradient at a ratio of 2.9": "比值 2.9 处的梯度",
    "PPO at ratios of 1 and more": "比值不小于 1 处的 PPO 目标", "updates on the batch": "同一批上的更新次数",
    "share clipped": "被裁剪的比例", "largest distance of a ratio from 1": "比值离 1 最远",
    "share clipped at the first update": "首次更新时被裁剪的比例",
    "share clipped at the last update": "末次更新时被裁剪的比例",
}  # fmt: skip

if __name__ == "__main__":
    main()
