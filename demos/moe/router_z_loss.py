r"""The router z-loss pulls down a common offset of the logits that softmax and balance losses cannot see.

路由器 z-loss 压低 logits 的公共偏移；softmax 与均衡损失都看不见这个偏移。

Zoph et al. 2022 (ST-MoE). In bf16 an offset costs precision: 128.5 is 128. Turn `squared` to
"no": the pull never ends. 在 bf16 中偏移会损失精度：128.5 成了 128。把 `squared` 改为 "no"：压低没有尽头。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
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
from studyapp.evidence.tools import finite_difference


@exercise(claims=("its_gradient_is_2_lse_p", "it_removes_the_offset"),
          wrong=("forgets_the_square", "squares_the_logits"))
def z_loss(logits: Tensor) -> Tensor:
    """The mean over tokens of the squared log-sum-exp; logits are (tokens, experts).

    log-sum-exp 的平方对 token 取平均；logits 为 (tokens, experts)。"""
    return logits.logsumexp(-1).square().mean()


def unsquared(logits: Tensor) -> Tensor:
    """The other way: log-sum-exp itself, which falls for ever."""
    return logits.logsumexp(-1).mean()


RANGES = {
    "tokens": between(4, 256),
    "experts": between(2, 64),
    "offset": between(-20.0, 20.0),
    "offsets": each(between(0.0, 200.0), at_least=2, rising=True),
    "others": between(1, 64),
    "rounds": one_of("before the shift", "after the shift"),
    "squared": one_of("yes", "no"),
}
UNSQUARED = breaks(squared="no", en="Without the square the gradient along the offset is 1 wherever one is: it never ends.",
                   zh="不取平方，沿偏移方向的梯度处处是 1：永远压不到底。")


@breaks(rounds="after the shift", en="Shifted by the maximum first, 0.5 is exact in bf16 and nothing is lost.",
        zh="先减最大值再舍入，0.5 在 bf16 中是精确的，什么也没丢。")
def claim_128_and_a_half_becomes_128(others=10, rounds="before the shift"):
    """One logit of 128.5 among ten of 128: rounding to bf16 makes them equal, and its gate falls from
    0.142 to 0.091, by 36%.

    一个 logit 为 128.5，另十个为 128：舍入到 bf16 后全部相等，其门控从 0.142 降到 0.091，少了 36%。"""
    z = torch.full((others + 1,), 128.0)
    z[0] = 128.5
    low = z.bfloat16().float() if rounds == "before the shift" else (z - z.max()).bfloat16().float()
    exact, rounded = (one.softmax(0)[0].item() for one in (z, low))
    show(bars(["fp32", "bf16"], {"gate of the first": [exact, rounded]}))
    expect("gate in fp32", exact, equals=1 / (1 + others * math.exp(-0.5)), within=1e-6)
    expect("gate after rounding", rounded, equals=1 / (1 + others), within=1e-6)


@breaks(squared="no", en="Without the square the gradient is p alone.", zh="不取平方，梯度只是 p。")
def claim_its_gradient_is_2_lse_p(tokens=16, experts=8, offset=3.0, squared="yes"):
    """Its gradient in the logits of a token is 2·lse·p over the tokens: it pushes the likely experts
    down hardest, and vanishes at lse = 0.

    它对一个 token 的 logits 的梯度是 2·lse·p 除以 token 数：越可能的专家压得越重，lse = 0 时为零。"""
    z = torch.randn(tokens, experts, dtype=torch.float64) + offset
    slope = finite_difference(z_loss if squared == "yes" else unsquared, z, step=1e-5)
    by_hand = 2 * z.logsumexp(1, keepdim=True) * z.softmax(1) / tokens
    show(bars([str(i + 1) for i in range(experts)], {"measured": slope[0], "2·lse·p / tokens": by_hand[0]},
              title="One token's experts"))
    # Central differences at 1e-5: 1e-10 · third derivative, and 1e-16 · 600 / 1e-5 of rounding
    expect("measured slope less 2·lse·p / tokens", slope - by_hand, equals=0, within=1e-7)


@UNSQUARED
def claim_it_removes_the_offset(tokens=64, experts=8, offset=10.0, squared="yes"):
    """Descent on the z-loss along the common offset ends where the mean log-sum-exp is 0, with every
    gate as it was.

    沿公共偏移对 z-loss 做梯度下降，止于 log-sum-exp 的均值为 0 之处，而所有门控不变。"""
    z = torch.randn(tokens, experts, dtype=torch.float64) + offset
    c, path = torch.zeros((), dtype=torch.float64, requires_grad=True), []
    for _ in range(40):
        (slope,) = torch.autograd.grad((z_loss if squared == "yes" else unsquared)(z + c), c)
        path.append(float((z + c).detach().logsumexp(1).mean()))
        with torch.no_grad():
            c -= 0.25 * slope                                       # the curvature is 2: halves each step
    show(lines("step", range(40), {"mean log-sum-exp": path}))
    expect("mean log-sum-exp at the end", (z + c).detach().logsumexp(1).mean(), equals=0,
           within=1e-9 * (1 + abs(offset)))
    expect("largest change of a gate", ((z + c).detach().softmax(1) - z.softmax(1)).abs().max(), equals=0,
           within=1e-13)


@breaks(rounds="after the shift", en="Relative to the maximum the error does not grow with the offset.",
        zh="相对最大值来看，误差不随偏移增大。")
def claim_gates_err_by_the_spacing(offsets=(0.0, 8.0, 32.0, 128.0), experts=8, rounds="before the shift"):
    """The largest error of a gate grows with the common offset, as the spacing of bf16 does: 1 at
    128, a 16th at 8.

    门控的最大误差随公共偏移增大，正如 bf16 的间距：128 处为 1，8 处为 1/16。"""
    z = torch.randn(2000, experts)
    worst = []
    for c in offsets:
        shifted = z + c if rounds == "before the shift" else z + c - (z + c).amax(1, keepdim=True)
        worst.append((shifted.bfloat16().float().softmax(1) / (z + c).softmax(1)).log().abs().max())
    spacing = [2.0 ** (math.floor(math.log2(max(c, 4.0) + 4)) - 7) for c in offsets]
    show(lines("offset", offsets, {"largest error of log gate": worst, "spacing of bf16": spacing}))
    # Half a spacing of its own logit, and half a spacing of the log-sum-exp
    expect("largest error over the spacing", [w / s for w, s in zip(worst, spacing, strict=True)], at_most=1,
           at=("offset", offsets))
    expect("error at the largest offset over at the smallest", worst[-1] / worst[0],
           at_least=4 if offsets[-1] >= 64 and offsets[0] <= 8 else 0)


def drill_gate(rng) -> Drill:
    """A gate before or after rounding to bf16."""
    others, low = rng.choice([(10, True), (4, True), (9, True), (10, False), (4, False)])
    gate = 1 / (1 + others) if low else 1 / (1 + others * math.exp(-0.5))
    return Drill(
        en=f"A router has one logit of 128.5 and {others} of 128; bf16 has a spacing of 1 there and rounds ties to even. What is the "
           f"first expert's softmax gate {'after rounding the logits to bf16' if low else 'in fp32'}?",
        zh=f"路由器有一个 logit 为 128.5，{others} 个为 128；bf16 在此处间距为 1，恰在正中时取偶数。第一个专家的 softmax 门控"
           f"{'在 logits 舍入到 bf16 之后' if low else '在 fp32 下'}是多少？",
        answer=gate, within=0.003,
        steps=[(("128.5 rounds to 128: all equal" if low else "relative to the others: e^0.5 = 1.649"),
                ("128.5 舍入为 128：全部相等" if low else "相对其余：e^0.5 = 1.649")),
               (f"1 / {1 + others}" if low else f"1.649 / (1.649 + {others})",
                f"1 / {1 + others}" if low else f"1.649 / (1.649 + {others})")],
        proved_by="128_and_a_half_becomes_128",
    )


ZH = {
    "gate of the first": "第一个的门控",
    "gate in fp32": "fp32 下的门控",
    "gate after rounding": "舍入后的门控",
    "measured": "实测",
    "2·lse·p / tokens": "2·lse·p / token 数",
    "One token's experts": "一个 token 的各专家",
    "measured slope less 2·lse·p / tokens": "实测斜率与 2·lse·p / token 数之差",
    "step": "步",
    "mean log-sum-exp": "log-sum-exp 均值",
    "mean log-sum-exp at the end": "最后的 log-sum-exp 均值",
    "largest change of a gate": "门控的最大变化",
    "offset": "偏移",
    "largest error of log gate": "log 门控的最大误差",
    "spacing of bf16": "bf16 的间距",
    "largest error over the spacing": "最大误差与间距之比",
    "error at the largest offset over at the smallest": "最大与最小偏移下的误差之比",
}

if __name__ == "__main__":
    main()
