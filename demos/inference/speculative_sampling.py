r"""A drafted token is kept with chance min(1, p/q), a refused one replaced from (p − q)⁺: the output follows p.

以 min(1, p/q) 的概率保留草稿 token，被拒绝的改从 (p − q)⁺ 抽取：输出服从 p。

Leviathan et al. 2022, §2.3 and A.1; Chen et al. 2023, Algorithm 2. Turn `method` to "target":
a refused token is drawn from p itself, and what the draft likes too much comes out too often.
把 `method` 改为 "target"：被拒绝后直接从 p 抽取，草稿过分偏爱的 token 就会出现得过多。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
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


@exercise(
    claims=("output_follows_the_target", "a_block_keeps_the_joint_law"),
    wrong=("replaces_from_the_target", "keeps_what_the_target_prefers", "swaps_the_ratio", "does_not_normalise"),
)
def check(drafted: Tensor, p: Tensor, q: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Check drafted tokens (…,), drawn from q, against the target p, both (…, vocabulary) and positive;
    u (…, 2) are uniform numbers in (0, 1): one decides, one draws the replacement. Gives the tokens that come
    out and which drafts were kept, both (…,).

    用目标分布 p 检验从 q 抽出的草稿 token（…,）；p、q 为 (…, vocabulary)，均为正。u (…, 2) 是 (0, 1) 内的均匀
    随机数：一个决定去留，一个用来抽替换的 token。返回最终的 token 与草稿是否保留，均为 (…,)。"""
    at = drafted[..., None]
    kept = u[..., 0] * q.gather(-1, at)[..., 0] < p.gather(-1, at)[..., 0]
    left = (p - q).clamp(min=0)                                      # what the draft gives too seldom
    left = torch.where(left.sum(-1, keepdim=True) > 0, left, p)      # p = q: nothing is ever refused
    return torch.where(kept, drafted, draw(left, u[..., 1])), kept


def draw(weights: Tensor, u: Tensor) -> Tensor:
    """The token at u of the weights' running sum: weights (…, vocabulary), u (…,)."""
    running = weights.cumsum(-1)
    return (running <= u[..., None] * running[..., -1:]).sum(-1).clamp(max=weights.shape[-1] - 1)


def check_wrongly(drafted: Tensor, p: Tensor, q: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """The wrong way: a refused token is drawn from p itself."""
    kept = check(drafted, p, q, u)[1]
    return torch.where(kept, drafted, draw(p, u[..., 1])), kept


def check_by_threshold(drafted: Tensor, p: Tensor, q: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Another wrong way: a draft stays where the target gives it a fifth or more."""
    kept = p.gather(-1, drafted[..., None])[..., 0] >= 0.2
    return torch.where(kept, drafted, draw(p, u[..., 1])), kept


CHECKS = {"residual": check, "target": check_wrongly, "threshold": check_by_threshold}


def one_pass(target: Tensor, draft: Tensor, gamma: int, batch: int, method: str) -> Tensor:
    """The next gamma + 1 tokens after token 0, (batch, gamma + 1), by one drafted block and plain sampling
    where a refusal ended it; target and draft are (vocabulary, vocabulary), next token by last."""
    x = torch.zeros(batch, 1, dtype=torch.long)
    for _ in range(gamma):                                           # one after the other, but cheap
        x = torch.cat((x, draft[x[:, -1]].multinomial(1)), 1)
    p, q = target[x[:, :-1]], draft[x[:, :-1]]                       # one pass of the target for all γ
    tokens, kept = CHECKS[method](x[:, 1:], p, q, torch.rand(batch, gamma, 2, dtype=p.dtype))
    counts = kept.long().cumprod(1)                                  # 1 as long as nothing was refused
    valid = torch.cat((torch.ones_like(counts[:, :1]), counts[:, :-1]), 1)   # a refused one still counts
    out = torch.zeros(batch, gamma + 1, dtype=torch.long)
    for t in range(gamma + 1):
        last = out[:, t - 1] if t else x[:, 0]
        plain = target[last].multinomial(1)[:, 0]                    # after a refusal, or the bonus token
        out[:, t] = torch.where(valid[:, t].bool(), tokens[:, t], plain) if t < gamma else plain
    return out


def distribution(vocabulary: int, sharpness: float) -> Tensor:
    """A random distribution over the vocabulary, in float64, positive everywhere."""
    return (sharpness * torch.randn(vocabulary, dtype=torch.float64)).softmax(-1)


def exact_law(p: Tensor, q: Tensor, cells: int, method: str) -> tuple[Tensor, Tensor]:
    """Law of the output (vocabulary,) and chance to be kept, over a grid of cells² pairs of uniforms for every
    drafted token: no sampling noise, only cells of width 1/cells."""
    vocabulary, grid = len(p), (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    u = torch.cartesian_prod(grid, grid).expand(vocabulary, -1, 2)   # (vocabulary, cells², 2)
    drafted = torch.arange(vocabulary)[:, None].expand(-1, cells**2)
    tokens, kept = CHECKS[method](drafted, p.expand(*drafted.shape, -1), q.expand(*drafted.shape, -1), u)
    weight = (q / cells**2)[:, None].expand_as(drafted)
    law = torch.zeros(vocabulary, dtype=torch.float64).index_add(0, tokens.flatten(), weight.flatten())
    return law, (weight * kept).sum()


RANGES = {
    "vocabulary": between(2, 12),
    "words": between(2, 5),
    "cells": between(50, 200),
    "sharpness": between(0.5, 2.0),
    "mixes": each(between(0.0, 1.0), at_least=2, rising=True),
    "gamma": between(1, 3),
    "method": one_of("residual", "target", "threshold"),
    "rule": one_of("ratio", "match"),
}
FROM_TARGET = breaks(
    method="target",
    en="Drawn from the target after a refusal, tokens that the draft already gave often enough are given again.",
    zh="被拒绝后直接从目标分布抽取，草稿已经给够的 token 又被多给一次。",
)

THRESHOLD = breaks(
    method="threshold",
    en="A threshold on the target's probability lets the draft's habits through wherever the target finds a token likely enough.",
    zh="若只看目标概率是否超过阈值，凡是目标觉得够可能的 token，草稿的偏好都会原样通过。",
)


@FROM_TARGET
@THRESHOLD
def claim_output_follows_the_target(vocabulary=6, sharpness=1.5, cells=150, method="residual"):
    """Whatever the draft proposes, the token that comes out has exactly the target's distribution.

    无论草稿提议什么，最终输出的 token 恰好服从目标分布。"""
    p, q = distribution(vocabulary, sharpness), distribution(vocabulary, sharpness)
    law, _ = exact_law(p, q, cells, method)
    show(bars([f"token {i}" for i in range(vocabulary)], {"draft q": q, "target p": p, "output": law}))
    # each drafted token's keep and each replacement falls off a cell's edge by at most one cell
    expect("share of a token less the target's", law - p, equals=0, within=2 / cells)


@FROM_TARGET
def claim_a_block_keeps_the_joint_law(words=4, gamma=2, sharpness=1.5, method="residual"):
    """Blocks of γ drafts, cut at the first refusal, keep the joint law of the tokens that follow.

    一次检验 γ 个草稿、在第一个被拒处截断，后续 token 的联合分布不变。"""
    target, draft = (torch.stack([distribution(words, sharpness) for _ in range(words)])
                     for _ in range(2))
    batch = 40_000
    tokens = one_pass(target, draft, gamma, batch, method)
    place = (tokens * words ** torch.arange(gamma, -1, -1)).sum(1)
    measured = place.bincount(minlength=words ** (gamma + 1)) / batch
    law = target[0]                                                  # p(x₁ | 0) p(x₂ | x₁) …, all sequences
    for _ in range(gamma):
        law = (law.view(-1, words)[:, :, None] * target).reshape(-1)
    deviation = (measured - law) / (law * (1 - law) / batch).sqrt().clamp(min=1 / batch)
    show(lines("sequence, by its chance", range(len(law)), {
        "chance by the target": law.sort(descending=True)[0], "share measured": measured[law.argsort(descending=True)]}))
    # a share of 40,000 strays by one standard deviation; the largest of up to 625, some of them rare, by less than eight
    expect("share of a sequence less its chance, in standard deviations", deviation, equals=0, within=8)


@breaks(rule="match", en="Kept only where the target would have drawn the same token, far fewer drafts survive: Σ p·q.",
        zh="若要求目标模型也恰好抽到同一个 token 才保留，留下的少得多：Σ p·q。")
def claim_kept_share_is_one_minus_total_variation(
    vocabulary=8, mixes=(0.0, 0.25, 0.5, 0.75, 1.0), sharpness=1.5, cells=150, rule="ratio"
):
    """A draft is kept with chance Σ min(p, q): one minus the total variation distance of the two.

    草稿被保留的概率是 Σ min(p, q)，即 1 减去两个分布的总变差距离。"""
    p, other = distribution(vocabulary, sharpness), distribution(vocabulary, sharpness)
    drafts = [(1 - m) * p + m * other for m in mixes]
    kept = torch.stack([exact_law(p, q, cells, "residual")[1] if rule == "ratio" else (p * q).sum() for q in drafts])
    distance = torch.stack([(p - q).abs().sum() / 2 for q in drafts])
    show(lines("share of another distribution in the draft", mixes, {"share kept": kept, "1 − ½ Σ|p − q|": 1 - distance}))
    expect("share kept plus total variation", kept + distance, equals=1, within=1 / cells,
           at=("share of another distribution", mixes))


ZH = {
    "draft q": "草稿 q",
    "target p": "目标 p",
    "output": "输出",
    "share of a token less the target's": "某 token 的份额减去目标分布的",
    "sequence, by its chance": "序列，按概率排列",
    "chance by the target": "目标模型给的概率",
    "share measured": "实测份额",
    "share of a sequence less its chance, in standard deviations": "序列份额减去其概率，以标准差计",
    "share of another distribution in the draft": "草稿中另一分布所占的份额",
    "share of another distribution": "另一分布的份额",
    "share kept": "保留的份额",
    "share kept plus total variation": "保留份额与总变差之和",
}

if __name__ == "__main__":
    main()
