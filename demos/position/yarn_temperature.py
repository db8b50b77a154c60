r"""Slowed angles smooth attention, and YaRN's factor, put on the cos and sin tables, sharpens it.

放慢角度会使注意力变平；YaRN 把一个系数乘在 cos、sin 表上，使它重新变尖。

Peng et al. 2023 (YaRN, v3), §3.3: √(1/t) = 0.1 ln s + 1, fitted and not derived. The head of the first
claim is a toy: its q and k agree in every pair. Turn `angles` to "unchanged": no entropy is added.
第一个断言里的头是玩具：q 与 k 在每一对上都一致。把 `angles` 改为 "unchanged"：熵不再增加。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table

F64 = torch.float64


def factor(s: float) -> float:
    """√(1/t): what the tables, so q and k, are multiplied by for a context s times longer."""
    return 0.1 * math.log(s) + 1


def frequencies(d_head: int, base: float = 10000.0) -> Tensor:
    """θ_i = base^(−2i/d), radians per token: (d_head/2,)."""
    return base ** (-torch.arange(0, d_head, 2, dtype=F64) / d_head)


def by_parts(theta: Tensor, s: float, trained: int) -> Tensor:
    """NTK-by-parts with α = 1 and β = 32 turns."""
    keep = ((trained * theta / (2 * math.pi) - 1) / 31).clamp(0, 1)
    return keep * theta + (1 - keep) * theta / s


def rotate(x: Tensor, at: Tensor, theta: Tensor, table_times: float = 1.0) -> Tensor:
    """x (tokens, d_head) turned pair by pair with cos and sin tables that are multiplied."""
    angle = at[:, None] * theta                                          # (tokens, d_head/2)
    cos, sin = table_times * angle.cos(), table_times * angle.sin()
    even, odd = x[:, 0::2], x[:, 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(1)


def entropy(logits: Tensor) -> Tensor:
    """Of the softmax over the last axis, in nats, averaged over the rows."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1).mean()


RANGES = {
    "angles": one_of("interpolation", "by parts", "unchanged"),
    "logits": one_of("divided by t", "multiplied by t"),
    "scaled": one_of("q and k", "q alone"),
    "tokens": between(64, 4096),
    "d_head": between(64, 256, multiple_of=2),
    "rotated": one_of("whole head", "half the head"),
    "scales": each(between(1.5, 64.0), at_least=1, rising=True),
    "sigma": between(0.25, 1.0),
    "s": between(2.0, 64.0),
}


@breaks(angles="unchanged", en="With the trained angles the same keys give the same attention.",
        zh="角度不变，同样的 key 给出同样的注意力。")
def claim_interpolation_smooths_attention(
    tokens=2048, d_head=128, scales=(2.0, 4.0, 8.0, 16.0), angles="by parts"
):
    """Slower angles flatten a head whose q and k agree, over the very same keys; between unrelated q
    and k they change nothing.

    角度放慢后，即使 key 完全不变，q 与 k 一致的头也会变平；q 与 k 不相关时则没有变化。"""
    theta, at = frequencies(d_head), torch.arange(tokens)
    ways = {"unchanged": lambda s: theta, "interpolation": lambda s: theta / s,
            "by parts": lambda s: by_parts(theta, s, 2048)}
    same = torch.ones(tokens, d_head, dtype=F64)
    q, k = torch.randn(32, d_head, dtype=F64), torch.randn(tokens, d_head, dtype=F64)
    aligned, unrelated = [], []
    for s in (1.0, *scales):
        new = ways[angles](s)
        aligned.append(entropy(rotate(same, at, new) @ same[0] / d_head**0.5))
        unrelated.append(entropy(q @ rotate(k, at, new).T / d_head**0.5))
    aligned, unrelated = torch.stack(aligned), torch.stack(unrelated)
    show(lines("stretch s", (1.0, *scales), {"q and k agree": aligned, "unrelated": unrelated},
               log="x", y_label="entropy, nats"))
    expect("entropy added where q and k agree", aligned.diff(), at_least=0.02, at=("s", scales))
    # An entropy of unrelated logits varies by about 1/√(rows · d_head) between two rotations.
    expect("entropy added where they are unrelated", unrelated[1:] - unrelated[0], equals=0,
           within=6 / (32 * d_head) ** 0.5, at=("s", scales))


@breaks(logits="multiplied by t", en="As first printed, t > 1 was to soften; it flattens further.",
        zh="照初版的写法用 t 去乘，注意力只会更平。")
def claim_yarn_factor_sharpens_attention(
    tokens=256, scales=(4.0, 16.0, 64.0), sigma=1.0, logits="divided by t"
):
    """Logits divided by t, so times (0.1 ln s + 1)², have less entropy; at unit deviation this undoes
    only part of the ln s that s times more keys add.

    logits 除以 t，即乘以 (0.1 ln s + 1)²，熵随之降低；标准差为 1 时，只抵消 key 增至 s 倍所带来的 ln s 的一部分。"""
    times = [factor(s) ** (2 if logits == "divided by t" else -2) for s in scales]
    many = [sigma * torch.randn(64, round(tokens * s)) for s in scales]
    raw = torch.stack([entropy(z) for z in many])
    sharp = torch.stack([entropy(z * f) for z, f in zip(many, times, strict=True)])
    show(lines("stretch s", scales, {"as trained": raw, "with YaRN's factor": sharp}, log="x",
               y_label="entropy, nats"),
         table({"s": scales, "on q and k": [factor(s) for s in scales], "on the logits": times}))
    # Normal logits: entropy ≈ ln n − σ²/2; the law bends as f·σ nears √(2 ln n), and 64 rows vary.
    law = torch.tensor([sigma**2 / 2 * (factor(s) ** 4 - 1) for s in scales])
    expect("entropy taken away, against σ²/2 · (1/t² − 1)", raw - sharp, equals=law,
           within=0.04 + 0.06 * law, at=("s", scales))
    added = torch.tensor([math.log(s) for s in scales])
    expect("share of the added ln s undone", (raw - sharp) / added, at_most=0.9, at=("s", scales))


@breaks(scaled="q alone", en="On one of the two the factor stands once, not squared.",
        zh="只乘其中一个，系数只出现一次，不是平方。")
@breaks(rotated="half the head", en="What the tables do not turn they do not scale: put the square on the softmax scale.",
        zh="表不旋转的部分也不会被缩放：应把平方乘在 softmax 的缩放系数上。")
def claim_tables_scale_only_what_they_rotate(
    tokens=128, d_head=64, rotated="whole head", s=8.0, scaled="q and k"
):
    """Tables times a, for q and k, multiply every logit by a²: no kernel changes, as long as the whole
    head is rotated.

    把表乘以 a（q、k 都用），每个 logit 就乘以 a²，kernel 不必改；前提是整个头都旋转。"""
    turned, a = d_head if rotated == "whole head" else d_head // 4 * 2, factor(s)
    theta, at = frequencies(turned), torch.arange(tokens)
    q, k = torch.randn(2, tokens, d_head, dtype=F64)

    def turn(x: Tensor, times: float) -> Tensor:
        return torch.cat((rotate(x[:, :turned], at, theta, times), x[:, turned:]), -1)

    plain = turn(q, 1.0) @ turn(k, 1.0).T
    both = turn(q, a) @ turn(k, a if scaled == "q and k" else 1.0).T     # (tokens, tokens)
    slope = (plain * both).sum() / plain.square().sum()
    show(table(("a", "a²", "logits grow by"), [(a, a * a, slope)]))
    # Sums of d_head products of size one, so rounding of 1e-16 times a few hundred.
    expect("logits less a² times the plain ones", both - a * a * plain, equals=0, within=1e-10)


def drill_factor(rng) -> Drill:
    """What the logits are multiplied by for a stretch s."""
    s, log = rng.choice([(2, 0.69), (4, 1.39), (8, 2.08), (16, 2.77), (32, 3.47)])
    return Drill(
        en=f"YaRN stretches the context {s} times (ln {s} ≈ {log}). By what number are the logits multiplied, "
           "compared with no temperature?",
        zh=f"YaRN 把上下文拉长到 {s} 倍（ln {s} ≈ {log}）。与不加温度相比，logits 要乘以多少？",
        answer=factor(s) ** 2, within=0.02,
        steps=[(f"q and k: 0.1 · {log} + 1 = {0.1 * log + 1:.3f}", f"q 与 k：0.1 · {log} + 1 = {0.1 * log + 1:.3f}"),
               (f"logits: squared, {factor(s) ** 2:.2f}", f"logits：取平方，{factor(s) ** 2:.2f}")],
        proved_by="tables_scale_only_what_they_rotate",
    )


ZH = {
    "stretch s": "拉长倍数 s",
    "q and k agree": "q 与 k 一致",
    "unrelated": "不相关",
    "entropy, nats": "熵（nat）",
    "entropy added where q and k agree": "q 与 k 一致时增加的熵",
    "entropy added where they are unrelated": "不相关时增加的熵",
    "as trained": "不加系数",
    "with YaRN's factor": "乘 YaRN 系数",
    "on q and k": "乘在 q 与 k 上",
    "on the logits": "乘在 logits 上",
    "entropy taken away, against σ²/2 · (1/t² − 1)": "减少的熵，对照 σ²/2 · (1/t² − 1)",
    "share of the added ln s undone": "抵消的份额（占增加的 ln s）",
    "logits grow by": "logits 放大倍数",
    "logits less a² times the plain ones": "logits 减去 a² 乘原 logits",
}

if __name__ == "__main__":
    main()
