r"""Normalising q and k bounds the logits however large both grow; a cap on the scores is no scale.

把 q、k 归一化，则无论二者多大，logits 都有上界；给分数加上限却代替不了缩放。

Henry et al. 2020 (QK-norm); Dehghani et al. 2023 (ViT-22B); Gemma 2 (2024) caps logits at 50. Turn
`norm` to "none": logits then grow with the product of the sizes of q and k, divided or not.
把 `norm` 改为 "none"：无论除不除，logits 都随 q、k 大小之积增长。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show


def logits(q: Tensor, k: Tensor, norm: str, gain: float) -> Tensor:
    """Scores of q (queries, d) and k (keys, d): of length 1 times a gain, of RMS 1, or as is."""
    d = q.shape[-1]
    if norm == "length":
        return gain * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).T
    if norm == "rms":
        q, k = F.rms_norm(q, (d,)), F.rms_norm(k, (d,))
    return q @ k.T / d**0.5                                                  # (queries, keys)


RANGES = {
    "sizes": each(between(0.1, 1000.0), at_least=2, rising=True),
    "gain": between(0.5, 32.0),
    "norm": one_of("length", "rms", "none"),
    "d_head": between(8, 256),
    "queries": between(64, 512),
    "keys": between(16, 256),
    "widths": each(between(16, 1024), at_least=2, at_most=6, rising=True),
    "cap": between(50.0, 200.0),
    "power": between(0.0, 1.0),
}


@breaks(norm="none", en="As they are, logits grow with the product of the sizes of q and k.",
        zh="若不归一化，logits 随 q、k 大小之积增长。")
def claim_qk_norm_bounds_the_logits(
    sizes=(1.0, 10.0, 100.0), gain=4.0, d_head=80, queries=256, keys=64, norm="length"
):
    """With q and k of length 1 and a gain g no logit exceeds g; with RMSNorm and the division kept
    none exceeds √d_k, however large q and k grow.

    把 q、k 归一化到长度 1 再乘增益 g，logits 不超过 g；用 RMSNorm 并保留除法，则不超过 √d_k，无论 q、k
    变得多大。"""
    q, k = torch.randn(queries, d_head), torch.randn(keys, d_head)
    k[0] = q[0]                                                             # its query itself
    ways = {norm: gain, "rms": d_head**0.5, "none": None}
    found = {w: torch.stack([logits(q * s, k * s, w, gain).abs().max() for s in sizes])
             for w in ways}
    names = {"length": "length 1, times g", "rms": "RMSNorm, over √d_k", "none": "over √d_k"}
    show(lines("size of q and k", sizes, {names[w]: y for w, y in found.items()}, log="xy",
               y_label="largest |logit|"))
    bounds = {"length": gain, "rms": d_head**0.5, "none": gain}
    # The matching pair reaches the bound but for rounding and rms_norm's eps of 1e-7 beside 0.01.
    for way in (norm, "rms"):
        expect(f"largest |logit| over its bound, {way}", found[way] / bounds[way], equals=1,
               within=2e-3, at=("size", sizes))
    growth = torch.tensor(sizes) ** 2 / sizes[0] ** 2
    expect("growth of the largest |logit| without norm, over the product of the sizes",
           found["none"] / found["none"][0] / growth, equals=1, within=1e-4, at=("size", sizes))


@breaks(power=0.5, en="Divided by √d_k too, no score nears the cap and no key takes over.",
        zh="若同时除以 √d_k，分数离上限还远，也没有哪个 key 独占。")
def claim_soft_cap_does_not_replace_the_scale(
    widths=(16, 64, 256, 1024), cap=50.0, queries=256, keys=64, power=0.0
):
    """cap·tanh(s/cap) keeps every score within the cap, but at d_k = 1024 undivided scores capped
    at 50 still give one of 64 keys over half the weight, in the median.

    cap·tanh(s/cap) 使每个分数都不超过上限；但 d_k = 1024 时，未做除法的分数以 50 为上限，64 个 key 中仍有
    一个拿走一半以上的权重（中位数）。"""
    def drawn(d: int) -> Tensor:
        return torch.randn(queries, d) @ torch.randn(keys, d).T / d**power

    capped = {d: cap * torch.tanh(drawn(d) / cap) for d in (*widths, 1024)}
    tops = [s.softmax(1).amax(1).median() for s in capped.values()]
    show(bars([f"d_k = {d}" for d in capped], {"median largest weight, capped": tops}))
    expect("largest |capped score| over the cap", [s.abs().max() / cap for s in capped.values()],
           at_most=1, within=1e-6)
    expect("median largest weight, capped, at d_k = 1024", capped[1024].softmax(1).amax(1).median(),
           at_least=0.5)


def drill_largest_weight(rng) -> Drill:
    """The most that one key can get under QK-norm."""
    n, g, e = rng.choice([(55, 2, "e⁴ ≈ 54.6"), (149, 2.5, "e⁵ ≈ 148.4"), (404, 3, "e⁶ ≈ 403.4"), (2982, 4, "e⁸ ≈ 2981")])
    share = 1 / (1 + (n - 1) * math.exp(-2 * g))
    return Drill(
        en=f"QK-norm with q and k of length 1 and a gain of {g:g}, no division: how large can the weight of one of {n:,} keys "
           f"be at most? ({e})",
        zh=f"QK-norm：q、k 归一化到长度 1，增益为 {g:g}，不做除法。{n:,} 个 key 中一个的权重最多能有多大？（{e}）",
        answer=share, within=0.01,
        steps=[(f"its logit is at most {g:g}, the others' at least −{g:g}", f"它的 logit 至多 {g:g}，其余至少 −{g:g}"),
               (f"1 / (1 + {n - 1} · e^(−{2 * g:g})) = {share:.2f}",) * 2],
        proved_by="qk_norm_bounds_the_logits",
    )


ZH = {
    "length 1, times g": "长度 1，乘以 g",
    "RMSNorm, over √d_k": "RMSNorm，除以 √d_k",
    "over √d_k": "除以 √d_k",
    "size of q and k": "q 与 k 的大小",
    "size": "大小",
    "length": "长度 1",
    "none": "不归一化",
    "rms": "RMSNorm",
    "largest |logit|": "最大的 |logit|",
    "largest |logit| over its bound, {}": "最大的 |logit| 与其上界之比，{}",
    "growth of the largest |logit| without norm, over the product of the sizes":
        "不归一化时最大 |logit| 的增长与大小之积之比",
    "median largest weight, capped": "加上限后最大权重的中位数",
    "largest |capped score| over the cap": "加上限后最大的 |分数| 与上限之比",
    "median largest weight, capped, at d_k = 1024": "d_k = 1024，加上限后最大权重的中位数",
}

if __name__ == "__main__":
    main()
