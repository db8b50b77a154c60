r"""Clipping by the global norm shortens a gradient and keeps its direction; under Adam it matters only when norms jump.

按全局范数裁剪只缩短梯度、不改方向；在 Adam 下，只有范数突变时才有作用。

Pascanu et al. 2013, Algorithm 1. Turn `by` to "value": the direction turns. Turn `clip` to "off": one spike bends a thousand steps.
把 `by` 改为 "value"：方向变了。把 `clip` 改为 "off"：一次尖峰影响上千步。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("the_global_norm_keeps_the_direction",),
          wrong=("clips_each_tensor", "always_rescales", "clips_values", "divides_by_the_square"))
def clip_by_norm(gradients: list[Tensor], limit: float) -> list[Tensor]:
    """The gradients of all parameters, multiplied by limit over their common L2 norm where that is larger than limit.

    所有参数的梯度：若它们合起来的 L2 范数大于 limit，就乘以 limit 与该范数之比。"""
    norm = torch.stack([g.norm() for g in gradients]).norm()             # of all numbers of all tensors
    return [g * (limit / norm).clamp(max=1) for g in gradients]


WAYS = {
    "norm": clip_by_norm,
    "tensor": lambda gradients, limit: [clip_by_norm([g], limit)[0] for g in gradients],
    "value": lambda gradients, limit: [g.clamp(-limit, limit) for g in gradients],
}


def adam_updates(gradients: Tensor, beta2: float) -> Tensor:
    """Adam's updates over the learning rate for gradients (steps, …), eps = 0, started in the stationary state of the first."""
    m, v, updates = gradients[0].clone(), gradients[0] ** 2, []
    for g in gradients:
        m, v = 0.9 * m + 0.1 * g, beta2 * v + (1 - beta2) * g * g
        updates.append(m / v.sqrt())
    return torch.stack(updates)


RANGES = {
    "by": one_of("norm", "tensor", "value"), "limit": between(0.1, 1.0), "limits": each(between(1e-4, 0.5), at_least=2, rising=True),
    "optimizer": one_of("Adam", "SGD"), "spike": between(95.0, 300.0), "clip": one_of("on", "off"), "beta2": one_of(0.95, 0.99, 0.999),
    "when": one_of("after averaging", "each sample"), "large": between(9.5, 12.0),
    "bad": one_of("nan", "infinite", "large"),
}


@breaks(by="value", en="Clamping each number shortens only the large ones: the direction turns.", zh="逐个数截断只缩短大的数，方向就变了。")
@breaks(by="tensor", en="Each tensor clipped by its own norm keeps its own direction, but not that of the whole gradient.",
        zh="每个张量按自己的范数裁剪，保住的是自己的方向，不是整个梯度的方向。")
def claim_the_global_norm_keeps_the_direction(limit=1.0, by="norm"):
    """Clipped by the global norm a gradient keeps its direction and has at most the limit as its norm, as torch's
    clip_grad_norm_ does; a shorter one stays.

    按全局范数裁剪，梯度方向不变，范数不超过上限，与 torch 的 clip_grad_norm_ 一致；本来就短的保持原样。"""
    gradients = [torch.randn(4, 6).double() * 3, torch.randn(6).double() * 0.1]
    flat = torch.cat([g.flatten() for g in gradients])
    clipped = torch.cat([g.flatten() for g in WAYS[by](gradients, limit)])
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(parameters, limit)
    theirs = torch.cat([p.grad.flatten() for p in parameters])
    small = [0.01 * g / flat.norm() for g in gradients]
    kept = max((a - b).abs().max().item() for a, b in zip(clip_by_norm(small, limit), small, strict=True))
    names = range(1, 13)
    show(bars(names, {"gradient": flat[[*range(6), *range(24, 30)]], f"clipped by {by}": clipped[[*range(6), *range(24, 30)]]}))
    expect("cosine between clipped and original", torch.cosine_similarity(clipped, flat, 0), equals=1, within=1e-9)
    for way in ("value", "tensor"):
        other = torch.cat([g.flatten() for g in WAYS[way](gradients, limit)])
        expect(f"by {way}: cosine", torch.cosine_similarity(other, flat, 0), at_most=0.999)
    expect("clipped less torch's", clipped - theirs, equals=0, within=1e-6 * limit)      # torch adds 1e-6 to the norm
    expect("largest change of a short gradient", kept, equals=0)


@breaks(optimizer="SGD", en="Under SGD a limit below all norms is a factor on the learning rate.",
        zh="SGD 下，低于所有范数的上限就相当于学习率的系数。")
def claim_under_adam_a_constant_clip_cancels(limits=(0.001, 0.01, 0.1), optimizer="Adam"):
    """Where every gradient is longer than the limit, its height does not matter under Adam, since a common factor cancels; under
    SGD the step is proportional to it.

    若每个梯度都超过上限，上限是多少对 Adam 没有影响，因为公共因子会约掉；SGD 的步长则与它成正比。"""
    gradients = torch.randn(60, 8).double() + 0.5
    paths, steps_of_sgd = [], []
    for limit in limits:
        clipped = torch.stack([clip_by_norm([g], limit)[0] for g in gradients])
        steps = adam_updates(clipped[:, 0], 0.99) if optimizer == "Adam" else clipped[:, 0]
        steps_of_sgd.append(clipped.norm(dim=1).mean().item() / limit)
        paths.append(steps.cumsum(0))
    by = {f"limit {limit:g}": path for limit, path in zip(limits, paths, strict=True)}
    show(lines("step", range(1, 61), by, y_label="distance moved"))
    expect("SGD: mean step over the limit", steps_of_sgd, equals=1, within=1e-9)
    for limit, path in zip(limits[1:], paths[1:], strict=True):
        expect(f"path at limit {limit:g} less that at the first limit", path - paths[0], equals=0, within=1e-9)


@breaks(clip="off", en="Unclipped the spike stays in v for over 1/(1 − β₂) steps and holds the step down.",
        zh="不裁剪，尖峰留在 v 里超过 1/(1 − β₂) 步，一直压低步长。")
def claim_a_spike_slows_adam_for_long(spike=100.0, beta2=0.999, clip="on"):
    """A gradient 100 times as large moves Adam by 30 learning rates, then keeps its steps below half size for over 1,000;
    clipped to the usual norm it does neither.

    一个大 100 倍的梯度让 Adam 总共多走 30 个学习率，随后一千多步的步长都不到一半；按平常的范数裁剪则都不会发生。"""
    # v is down to four times its usual size, the step up to a half, after so many steps
    wait, start = math.floor(math.log((1 - beta2) * (spike**2 - 1) / 3) / -math.log(beta2)), 50
    gradients = torch.ones(start + wait + 50).double()
    gradients[start] = spike
    clipped, opposite = gradients.clone(), gradients.clone()
    clipped[start] = clip_by_norm([gradients[start][None]], 1.0)[0][0]
    opposite[start] = -spike
    free, held, other = adam_updates(torch.stack([gradients, clipped, opposite], 1), beta2).T
    every = range(0, len(gradients), max(1, len(gradients) // 200))
    show(lines("step", every, {"without clipping": free[every], "clipped at 1": held[every]}, y_label="update over the learning rate"))
    expect("update at every step", held if clip == "on" else free, equals=1, within=1e-9)
    k = torch.arange(len(gradients) - start).double()
    law = (1 + 0.1 * (spike - 1) * 0.9**k) / (1 + (1 - beta2) * (spike**2 - 1) * beta2**k) ** 0.5
    expect("without clipping: update at the spike", free[start], equals=(0.9 + 0.1 * spike) / (beta2 + (1 - beta2) * spike**2) ** 0.5,
           within=1e-9)
    expect("without clipping: every later update less the formula", free[start:] - law, equals=0, within=1e-9)
    # after 30 steps 0.9³⁰ = 4% of the spike is left in m
    expect("without clipping: update from 30 steps on", free[start + 30 : start + wait], at_most=0.5)
    expect("without clipping: the first update back above a half", free[start + wait + 1], at_least=0.5)
    # the same spike with the other sign has the same v: half of the difference is what the spike itself has moved
    carried = (free - other).sum() / 2
    expect("moved by the spike in all, over its own step", carried / free[start], at_least=9)


@breaks(when="each sample", en="Clipped one by one, the one large gradient counts no more than a small one.",
        zh="逐样本裁剪，唯一的大梯度就和小梯度一样轻。")
def claim_clip_after_averaging(large=10.0, when="after averaging"):
    """Clipping each sample's gradient before averaging can turn the step's sign; clipping the average, once per step, cannot.

    先逐样本裁剪再平均，可能使更新反号；每步对平均后的梯度裁剪一次则不会。"""
    samples = torch.tensor([-1.0] * 9 + [large]).double()
    mean = samples.mean()
    one_by_one = torch.stack([clip_by_norm([g[None]], 1.0)[0][0] for g in samples]).mean()
    at_once = clip_by_norm([mean[None]], 1.0)[0][0]
    show(bars(["mean gradient", "average, then clip", "clip each, then average"], {"value": [mean, at_once, one_by_one]}))
    expect("step over the mean gradient", (at_once if when == "after averaging" else one_by_one) / mean, equals=1, within=1e-9)
    expect("clipped one by one: sign", one_by_one.sign() * mean.sign(), equals=-1)


@breaks(bad="large", en="However large, a finite gradient is only shortened.", zh="再大的有限梯度也只是被缩短。")
def claim_without_a_finite_norm_the_step_is_lost(bad="nan"):
    """Clipped by its norm, a gradient with a nan becomes nan throughout, and one with an infinity loses all finite numbers:
    skip such a step.

    按范数裁剪时，含 nan 的梯度全变成 nan，含无穷的梯度失去所有有限的数：这样的一步应当跳过。"""
    after = {}
    for name, one in {"nan": torch.nan, "infinite": torch.inf, "large": 1e9}.items():
        parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))]
        parameters[0].grad, parameters[1].grad = torch.tensor([1.0, 2.0, one]), torch.tensor([3.0, 4.0])
        ours = torch.cat(clip_by_norm([p.grad for p in parameters], 1.0))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        after[name] = torch.cat([p.grad for p in parameters])
        expect(f"{name}: by hand and torch's differ by", (ours - after[name]).nan_to_num().abs().max(), equals=0, within=1e-6)
    show(table({"before": ["1", "2", "bad", "3", "4"]} | {name: [f"{x:g}" for x in g.tolist()] for name, g in after.items()}))
    expect("numbers left that are neither 0 nor nan", (after[bad].nan_to_num() != 0).sum(), equals=0)
    expect("nan: numbers that are nan", after["nan"].isnan().sum(), equals=5)
    expect("infinite: numbers that are 0", (after["infinite"] == 0).sum(), equals=4)


def drill_global_norm(rng) -> Drill:
    """One number of a gradient that is clipped by its norm."""
    a, b, limit = rng.choice([(3, 4, 1), (6, 8, 2), (5, 12, 1), (0.3, 0.4, 1), (8, 15, 1)])
    value = clip_by_norm([torch.tensor([float(a)]).double(), torch.tensor([float(b)]).double()], limit)[0].item()
    return Drill(
        en=f"Two parameters have gradients {a:g} and {b:g}. The global norm is clipped at {limit}. What is the first gradient then?",
        zh=f"两个参数的梯度是 {a:g} 与 {b:g}，全局范数裁剪到 {limit}。裁剪后第一个梯度是多少？",
        answer=value, within=0.005,
        steps=[(f"norm: √({a:g}² + {b:g}²) = {(a * a + b * b) ** 0.5:g}", f"范数：√({a:g}² + {b:g}²) = {(a * a + b * b) ** 0.5:g}"),
               (f"{a:g} · min(1, {limit}/{(a * a + b * b) ** 0.5:g}) = {value:.3f}",) * 2],
        proved_by="the_global_norm_keeps_the_direction",
    )


ZH = {
    "gradient": "梯度", "clipped by {}": "按 {} 裁剪", "cosine between clipped and original": "裁剪前后的余弦",
    "clipped less torch's": "裁剪结果减 torch", "largest change of a short gradient": "短梯度的最大改变",
    "step": "步", "limit {}": "上限 {}",
    "by {}: cosine": "按 {}：余弦", "by value: cosine": "按值：余弦", "by tensor: cosine": "按张量：余弦",
    "SGD: mean step over the limit": "SGD：平均步长与上限之比",
    "distance moved": "走过的距离", "path at limit {} less that at the first limit": "上限 {} 的轨迹减第一个上限的轨迹",
    "without clipping": "不裁剪", "clipped at 1": "裁剪到 1", "update over the learning rate": "更新与学习率之比",
    "update at every step": "每一步的更新", "without clipping: update at the spike": "不裁剪：尖峰处的更新",
    "without clipping: every later update less the formula": "不裁剪：之后每一步的更新减公式", "mean gradient": "平均梯度",
    "without clipping: the first update back above a half": "不裁剪：重新超过一半的第一步",
    "without clipping: update from 30 steps on": "不裁剪：30 步之后的更新",
    "moved by the spike in all, over its own step": "尖峰总共带来的移动与它自己那一步之比",
    "average, then clip": "先平均再裁剪", "clip each, then average": "先逐个裁剪再平均", "value": "值",
    "step over the mean gradient": "更新与平均梯度之比", "clipped one by one: sign": "逐样本裁剪：符号",
    "before": "裁剪前", "bad": "异常值", "nan": "nan", "infinite": "无穷", "large": "很大",
    "{}: by hand and torch's differ by": "{}：手写与 torch 之差", "numbers left that are neither 0 nor nan": "既非 0 也非 nan 的数",
    "nan: numbers that are nan": "nan：变成 nan 的数", "infinite: numbers that are 0": "无穷：变成 0 的数",
    "clipped by norm": "按范数裁剪", "clipped by tensor": "按张量裁剪", "clipped by value": "按值裁剪",
}

if __name__ == "__main__":
    main()
