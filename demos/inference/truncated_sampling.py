r"""Top-p keeps the smallest set of tokens that holds the given mass: few where the model is sure, many where it is not.

top-p 保留累计概率达到给定值的最小集合：模型有把握时少，没把握时多。

Holtzman et al. 2019; min-p: Nguyen et al. 2024. Turn `cut` to "before": the token that crosses the
mass is left out, and the set holds less than was asked for, at times nothing.
把 `cut` 改为 "before"：跨过阈值的那个 token 被漏掉，集合不足所要求的概率，甚至为空。
"""

import math
from itertools import combinations

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


@exercise(claims=("the_nucleus_is_the_smallest_set", "the_nucleus_follows_the_spread"),
          wrong=("leaves_out_the_crossing_token", "keeps_tokens_above_the_mass", "forgets_to_renormalise",
                 "forgets_to_unsort"))
def top_p(p: Tensor, mass: float) -> Tensor:
    """Keep the smallest set of the most likely tokens whose probabilities sum to at least `mass`; give all
    others 0 and make the rest sum to 1. p and the result are (vocabulary,).

    保留概率之和至少为 `mass` 的、由最可能的 token 组成的最小集合；其余置 0，再重新归一化。p 与结果均为 (vocabulary,)。"""
    order = p.argsort(descending=True)
    before = p[order].cumsum(0) - p[order]                           # mass of all that are more likely
    kept = torch.zeros_like(p).scatter(0, order, (before < mass).to(p.dtype)) * p
    return kept / kept.sum()


def top_p_before(p: Tensor, mass: float) -> Tensor:
    """The wrong way: stop before the mass is reached."""
    order = p.argsort(descending=True)
    kept = torch.zeros_like(p).scatter(0, order, (p[order].cumsum(0) <= mass).to(p.dtype)) * p
    return kept / kept.sum().clamp(min=1e-300)


def top_k(p: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens. p and the result are (vocabulary,)."""
    kept = torch.zeros_like(p).scatter(0, p.topk(k).indices, 1.0) * p
    return kept / kept.sum()


def min_p(p: Tensor, share: float) -> Tensor:
    """Keep tokens at least `share` times as likely as the most likely one. p and the result are (vocabulary,)."""
    kept = p * (p >= share * p.max())
    return kept / kept.sum()


CUTS = {"after": top_p, "before": top_p_before}

RANGES = {
    "vocabulary": between(3, 10),
    "words": between(200, 2000),
    "masses": each(between(0.05, 0.99), rising=True),
    "mass": between(0.5, 0.95),
    "ratios": each(between(0.05, 0.95), at_least=2, rising=True),
    "k": between(1, 50),
    "share": between(0.02, 0.2),
    "temperature": between(1.5, 3.0),
    "spread": one_of(0.0, 1.0, 2.0, 3.0),
    "cut": one_of("after", "before"),
    "kept_by": one_of("mass", "count"),
}


@breaks(cut="before", en="Stopped before the mass is reached, the set holds less than was asked for.",
        zh="在达到阈值之前就停，集合不足所要求的概率。")
def claim_the_nucleus_is_the_smallest_set(vocabulary=8, masses=(0.3, 0.5, 0.7, 0.9, 0.95), cut="after"):
    """Of all sets of tokens with at least that mass, top-p keeps one with the fewest tokens.

    在所有概率之和达到该值的集合里，top-p 保留的是 token 最少的一个。"""
    p = (1.5 * torch.randn(vocabulary, dtype=torch.float64)).softmax(0)
    fewest = [next(n for n in range(1, vocabulary + 1)                # every set of n tokens, by brute force
                   if max(sum(s) for s in combinations(p.tolist(), n)) >= m - 1e-12) for m in masses]
    kept = [CUTS[cut](p, m) for m in masses]
    show(lines("mass asked for", masses, {"tokens kept": [int((q > 0).sum()) for q in kept], "fewest that hold it": fewest}))
    expect("tokens kept", [int((q > 0).sum()) for q in kept], equals=fewest, at=("mass", masses))
    expect("mass of the kept tokens less the mass asked for", [p[q > 0].sum().item() - m for q, m in zip(kept, masses, strict=True)],
           at_least=-1e-12, at=("mass", masses))
    expect("sum of what is kept", [q.sum().item() for q in kept], equals=1, within=1e-12, at=("mass", masses))


@breaks(kept_by="count", en="A fixed count keeps as many tokens where the model is sure as where it is not.",
        zh="固定个数：模型有没有把握，留下的一样多。")
def claim_the_nucleus_follows_the_spread(ratios=(0.2, 0.3, 0.5, 0.7, 0.9), mass=0.9, kept_by="mass"):
    """Where each token is r times as likely as the one before, top-p keeps about log(1 − p)/log r of them: 2 at
    r = 0.3 and 22 at r = 0.9 for p = 0.9. Top-k keeps k always.

    若每个 token 的概率是前一个的 r 倍，top-p 保留约 log(1 − p)/log r 个：p = 0.9 时，r = 0.3 留 2 个，r = 0.9 留 22 个；
    top-k 永远留 k 个。"""

    def count(r: float, m: float) -> int:
        p = r ** torch.arange(400, dtype=torch.float64)
        p = p / p.sum()
        return int(((top_p(p, m) if kept_by == "mass" else top_k(p, 10)) > 0).sum())

    kept = [count(r, mass) for r in ratios]
    closed = [math.log(1 - mass) / math.log(r) for r in ratios]
    show(lines("r", ratios, {"tokens kept": kept, "log(1 − p)/log r": closed, "top-k, k = 10": [10] * len(ratios)}))
    # the count is the closed form rounded up; 400 tokens hold all but 1e-9 of the mass for r up to 0.95
    expect("tokens kept, less the closed form", [n - c for n, c in zip(kept, closed, strict=True)], equals=0.5, within=0.5001,
           at=("r", ratios))
    expect("tokens kept at r = 0.3 and at r = 0.9, for p = 0.9", [count(0.3, 0.9), count(0.9, 0.9)], equals=[2, 22])


@breaks(spread=0.0, en="Where all tokens are equally likely there is nothing to flatten: any temperature keeps as many.",
        zh="所有 token 同样可能时，温度无可拉平：同样的概率，在任何温度下都要同样多的 token。")
def claim_order_matters_for_mass_not_for_count(words=1000, temperature=2.0, mass=0.9, k=20, share=0.1, spread=2.0):
    """Temperature first or last is all one for top-k. Top-p and min-p keep more tokens where a high temperature
    comes first.

    top-k 与温度谁先谁后都一样；若先用高温，top-p 与 min-p 会保留更多 token。"""
    z = spread * torch.randn(words, dtype=torch.float64)

    def heat(p: Tensor) -> Tensor:
        return (p.log() / temperature).softmax(0)

    rules = {"top-k": lambda p: top_k(p, k), "top-p": lambda p: top_p(p, mass), "min-p": lambda p: min_p(p, share)}
    first = {name: rule(heat(z.softmax(0))) for name, rule in rules.items()}
    last = {name: heat(rule(z.softmax(0))) for name, rule in rules.items()}
    counts = {name: [int((out[name] > 0).sum()) for out in (first, last)] for name in rules}
    show(bars(list(rules), {"temperature first": [c[0] for c in counts.values()], "temperature last": [c[1] for c in counts.values()]},
              log="y", y_label="tokens kept"))
    kept = first["top-k"] > 0
    expect("least logit that top-k keeps, less the largest that it drops", z[kept].min() - z[~kept].max(), at_least=0)
    expect("top-k: first less last, chance of a token", first["top-k"] - last["top-k"], equals=0, within=1e-12)
    reach = [int((z >= z.max() + scale * math.log(share)).sum()) for scale in (temperature, 1.0)]       # by the logits alone
    expect("tokens that min-p keeps, first and last", counts["min-p"], equals=reach)
    # normal logits of spread σ: the nucleus of mass m is the share Φ(Φ⁻¹(m) − σ); at m = 0.95, σ from 1 to 1/1.5, it grows 1.13 times
    expect("tokens that top-p keeps, first over last", counts["top-p"][0] / counts["top-p"][1], at_least=1.05)


def drill_nucleus(rng) -> Drill:
    """How many tokens a nucleus keeps."""
    p, mass = rng.choice([((0.5, 0.2, 0.15, 0.1, 0.05), 0.9), ((0.4, 0.3, 0.2, 0.1), 0.75), ((0.6, 0.25, 0.1, 0.05), 0.9),
                          ((0.35, 0.3, 0.2, 0.1, 0.05), 0.7), ((0.8, 0.1, 0.06, 0.04), 0.95)])
    kept = top_p(torch.tensor(p, dtype=torch.float64), mass)
    n = int((kept > 0).sum())
    return Drill(
        en=f"Probabilities {', '.join(map(str, p))}; top-p with p = {mass}. What is the chance of the first token afterwards?",
        zh=f"概率为 {'、'.join(map(str, p))}；top-p 取 p = {mass}。截断后第一个 token 的概率是多少？",
        answer=kept[0].item(),
        within=0.005,
        steps=[(f"the first {n} tokens hold {sum(p[:n]):g}, the first {n - 1} only {sum(p[: n - 1]):g}: keep {n}",
                f"前 {n} 个之和为 {sum(p[:n]):g}，前 {n - 1} 个只有 {sum(p[: n - 1]):g}：保留 {n} 个"),
               (f"{p[0]} / {sum(p[:n]):g} = {kept[0]:.3f}", f"{p[0]} / {sum(p[:n]):g} = {kept[0]:.3f}")],
        proved_by="the_nucleus_is_the_smallest_set",
    )


ZH = {
    "mass asked for": "要求的概率",
    "mass": "概率",
    "tokens kept": "保留的 token 数",
    "fewest that hold it": "达到它所需的最少 token 数",
    "sum of what is kept": "保留部分之和",
    "mass of the kept tokens less the mass asked for": "保留的 token 的概率之和减去要求的概率",
    "tokens kept at r = 0.3 and at r = 0.9, for p = 0.9": "p = 0.9 时，r = 0.3 与 r = 0.9 保留的 token 数",
    "top-k, k = 10": "top-k，k = 10",
    "tokens kept, less the closed form": "保留的 token 数减去闭式解",
    "temperature first": "先用温度",
    "temperature last": "后用温度",
    "least logit that top-k keeps, less the largest that it drops": "top-k 保留的最小 logit 减去丢弃的最大 logit",
    "top-k: first less last, chance of a token": "top-k：先与后，token 概率之差",
    "tokens that min-p keeps, first and last": "min-p 保留的 token 数，先与后",
    "tokens that top-p keeps, first over last": "top-p 保留的 token 数，先与后之比",
}

if __name__ == "__main__":
    main()
