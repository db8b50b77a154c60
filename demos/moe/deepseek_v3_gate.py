r"""DeepSeek-V3's gate: sigmoid scores; a bias and groups decide who is chosen, never how much it counts.

DeepSeek-V3 的门控：sigmoid 打分；偏置与分组只决定选谁，不影响权重。

DeepSeek-AI 2024, §2.1.2; inference/model.py of its repository. Turn `masked` to "zero": once biased
scores are negative, experts of closed groups win. Turn `weighs` to "biased": the bias leaks into
the output. 把 `masked` 改为 "zero"：加偏置后的分数一旦为负，关闭组里的专家反而胜出；把 `weighs` 改为 "biased"：
偏置混进输出。
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


@exercise(
    claims=("matches_a_loop", "a_common_bias_changes_nothing", "the_bias_moves_load_and_no_weight"),
    wrong=("weighs_with_the_bias", "fills_with_zero", "groups_by_unbiased_scores",
           "groups_by_their_best_alone"),
)
def gate(logits: Tensor, bias: Tensor, groups: int, kept: int, k: int,
         scale: float) -> tuple[Tensor, Tensor]:
    """Weights and indices of the k experts of each token, both (tokens, k); logits are (tokens,
    experts), bias (experts,). A group of neighbouring experts scores the sum of its two best biased
    scores, `kept` groups stay open, and the weights of a token sum to `scale`.

    每个 token 的 k 个专家的权重与下标，均为 (tokens, k)；logits 为 (tokens, experts)，bias 为 (experts,)。相邻的
    专家为一组，组分数是组内最高两个加偏置分数之和，只保留 `kept` 组；一个 token 的权重之和为 `scale`。"""
    scores = logits.sigmoid()                                       # (tokens, experts)
    choice = (scores + bias).unflatten(1, (groups, -1))             # (tokens, groups, experts/groups)
    best = choice.topk(2).values.sum(2).topk(kept).indices          # (tokens, kept)
    closed = torch.ones(choice.shape[:2], dtype=torch.bool).scatter(1, best, False)
    choice = choice.masked_fill(closed[..., None], -torch.inf).flatten(1)
    chosen = choice.topk(k).indices                                 # (tokens, k)
    weights = scores.gather(1, chosen)                              # of the scores without bias
    return scale * weights / weights.sum(1, keepdim=True), chosen


def gate_by(logits: Tensor, bias: Tensor, groups: int, kept: int, k: int, scale: float,
            masked: str = "-inf", weighs: str = "unbiased") -> tuple[Tensor, Tensor]:
    """The gate, or a wrong way: closed groups filled with 0, or weights from the biased scores."""
    weights, chosen = gate(logits, bias, groups, kept, k, scale)
    biased = logits.sigmoid() + bias
    if masked == "zero":
        best = biased.unflatten(1, (groups, -1)).topk(2).values.sum(2).topk(kept).indices
        opened = torch.zeros(len(logits), groups).scatter(1, best, 1)
        opened = opened.repeat_interleave(logits.shape[1] // groups, 1)
        chosen = biased.masked_fill(opened == 0, 0.0).topk(k).indices
        weights = logits.sigmoid().gather(1, chosen)
    if weighs == "biased":
        weights = biased.gather(1, chosen)
    return scale * weights / weights.sum(1, keepdim=True), chosen


def dense(weights: Tensor, chosen: Tensor, experts: int) -> Tensor:
    """The weights at their experts, 0 elsewhere: (tokens, experts)."""
    return torch.zeros(len(weights), experts, dtype=weights.dtype).scatter(1, chosen, weights)


def loop(logits: list[float], bias: list[float], groups: int, kept: int, k: int,
         scale: float) -> list[float]:
    """One token by hand, with sorted lists: its weight for every expert."""
    s = [1 / (1 + math.exp(-z)) for z in logits]
    c = [x + b for x, b in zip(s, bias, strict=True)]
    size = len(c) // groups
    rank = sorted(range(groups), key=lambda g: -sum(sorted(c[g * size : (g + 1) * size])[-2:]))
    allowed = [e for e in range(len(c)) if e // size in rank[:kept]]
    chosen = sorted(allowed, key=lambda e: -c[e])[:k]
    total = sum(s[e] for e in chosen)
    return [scale * s[e] / total if e in chosen else 0.0 for e in range(len(c))]


def inputs(tokens: int, groups: int, per_group: int, spread: float) -> tuple[Tensor, Tensor]:
    """Logits and a bias of that spread, in float64."""
    experts = groups * per_group
    return (torch.randn(tokens, experts, dtype=torch.float64),
            spread * torch.randn(experts, dtype=torch.float64))


RANGES = {
    "tokens": between(16, 2048),
    "groups": between(2, 16),
    "per_group": between(8, 64),
    "kept": between(1, "groups"),
    "k": between(2, 8),
    "spread": between(0.01, 0.3),
    "offsets": each(between(-10.0, 10.0), at_least=2, rising=True),
    "masked": one_of("-inf", "zero"),
    "weighs": one_of("unbiased", "biased"),
}
BIASED = breaks(weighs="biased", en="Weights from biased scores follow the bias: balancing then changes the output.",
                zh="权重取自加了偏置的分数，就随偏置变化：均衡负载会改动输出。")
ZERO = breaks(masked="zero", en="A closed expert at 0 beats open experts whose biased scores are negative.",
              zh="关闭的专家填 0，就胜过加偏置后分数为负的开放专家。")


@BIASED
def claim_matches_a_loop(tokens=32, groups=8, per_group=32, kept=4, k=8, weighs="unbiased"):
    """A plain loop over sorted lists chooses the same experts with the same weights, summing to 2.5.

    用排序列表逐个 token 写的循环选出同样的专家、同样的权重，权重之和为 2.5。"""
    logits, bias = inputs(tokens, groups, per_group, 0.1)
    found = dense(*gate_by(logits, bias, groups, kept, k, 2.5, weighs=weighs), logits.shape[1])
    by_hand = torch.tensor([loop(z, bias.tolist(), groups, kept, k, 2.5) for z in logits.tolist()],
                           dtype=torch.float64)
    show(bars([f"{i}" for i in range(k)], {"weight": found[0].sort(descending=True).values[:k]},
              title="One token's weights, largest first"))
    # float64: exp and a sum of k scores, a few roundings of 1e-16 times 2.5
    expect("weight less the loop's", (found - by_hand).abs().amax(1), equals=0, within=1e-13)
    expect("weights of a token, summed", found.sum(1), equals=2.5, within=1e-13)


@ZERO
@BIASED
def claim_a_common_bias_changes_nothing(offsets=(-2.0, -1.0, 0.0, 1.0), tokens=512, groups=8,
                                        per_group=32, masked="-inf", weighs="unbiased"):
    """One number added to every bias changes neither choice nor weights, so biases may drift together.

    所有偏置同加一个数，选择与权重都不变，所以偏置一起漂移也无妨。"""
    logits, bias = inputs(tokens, groups, per_group, 0.1)
    kept, experts = (groups + 1) // 2, logits.shape[1]
    still = dense(*gate(logits, bias, groups, kept, 8, 2.5), experts)
    moved = [dense(*gate_by(logits, bias + o, groups, kept, 8, 2.5, masked, weighs), experts)
             for o in offsets]
    gaps = torch.stack([(one - still).abs().max() for one in moved])
    show(lines("added to every bias", offsets, {"largest change of a weight": gaps}))
    expect("largest change of a weight", gaps, equals=0, within=1e-12,
           at=("added to every bias", offsets))


@BIASED
def claim_the_bias_moves_load_and_no_weight(tokens=2048, groups=8, per_group=32, k=8, spread=0.2,
                                            weighs="unbiased"):
    """A bias on one expert raises its load by as much as the scores' distribution predicts; a token
    whose experts stay the same keeps its weights.

    给一个专家加偏置，其负载上升的幅度正如分数分布所料；所选专家不变的 token，权重不变。"""
    logits, bias = inputs(tokens, groups, per_group, 0.0)
    raised = bias.clone()
    raised[0] += spread
    before = dense(*gate(logits, bias, groups, groups, k, 2.5), logits.shape[1])
    after = dense(*gate_by(logits, raised, groups, groups, k, 2.5, weighs=weighs), logits.shape[1])
    loads = torch.stack([(w[:, 0] > 0).double().mean() for w in (before, after)])
    same = ((before > 0) == (after > 0)).all(1)
    show(bars(["before", "after"], {"share of tokens at expert 0": loads}))
    # Expert 0 is chosen if its score and the bias pass the k-th best of the others.
    cut = (logits.sigmoid()[:, 1:].topk(k).values[:, -1] - spread).clamp(min=1e-9)
    expected = (1 - torch.special.ndtr(torch.special.logit(cut))).mean()
    expect("load after over the share of scores above the cut less the bias", loads[1] / expected,
           equals=1, within=6 * ((1 - expected) / expected / tokens) ** 0.5)
    expect("change of the weights where the experts stay", (before - after).abs().amax(1)[same], equals=0,
           within=1e-13)                                    # the k scores are summed in another order
    expect("tokens whose experts did not change, share", same.double().mean(), at_least=0.1)


def drill_choose(rng) -> Drill:
    """Which experts a small group-limited gate chooses, as the sum of their numbers."""
    tenths = rng.sample(range(1, 10), 8)
    while len({sum(tenths[i : i + 2]) for i in (0, 2, 4, 6)}) < 4:      # groups without a tie
        tenths = rng.sample(range(1, 10), 8)
    s = torch.tensor([tenths], dtype=torch.float64) / 10
    k = 2
    _, chosen = gate(s.logit(), torch.zeros(8, dtype=torch.float64), 4, 2, k, 1.0)
    pairs = [(tenths[2 * g] + tenths[2 * g + 1]) / 10 for g in range(4)]
    best = sorted(sorted(range(4), key=lambda g: -pairs[g])[:2])
    text = ", ".join(f"{t / 10:g}" for t in tenths)
    return Drill(
        en=f"Eight experts, numbered 1 to 8, in four groups of two, have the biased scores {text}. "
           f"A group scores the sum of its two, two groups stay open, and {k} experts are chosen. "
           "What is the sum of the chosen experts' numbers?",
        zh=f"8 个专家编号 1 到 8，每两个一组共四组，加偏置后的分数为 {text}。组分数为两者之和，保留两组，再选 {k} 个专家。"
           "所选专家的编号之和是多少？",
        answer=float((chosen + 1).sum()), within=0,
        steps=[("group scores " + ", ".join(f"{p:g}" for p in pairs), "组分数 " + ", ".join(f"{p:g}" for p in pairs)),
               (f"open: groups {best[0] + 1} and {best[1] + 1}", f"保留第 {best[0] + 1} 与第 {best[1] + 1} 组"),
               ("best in them: " + ", ".join(str(int(i) + 1) for i in sorted(chosen[0])),
                "其中最高的：" + "、".join(str(int(i) + 1) for i in sorted(chosen[0])))],
        proved_by="matches_a_loop",
    )


ZH = {
    "weight": "权重",
    "One token's weights, largest first": "一个 token 的权重，从大到小",
    "weight less the loop's": "权重与循环所得之差",
    "weights of a token, summed": "一个 token 的权重之和",
    "added to every bias": "每个偏置所加的数",
    "largest change of a weight": "权重的最大变化",
    "before": "之前",
    "after": "之后",
    "share of tokens at expert 0": "到专家 0 的 token 占比",
    "load after over the share of scores above the cut less the bias": "之后的负载与「分数高于门槛减偏置的概率」之比",
    "change of the weights where the experts stay": "专家不变处权重的变化",
    "tokens whose experts did not change, share": "专家不变的 token 占比",
}

if __name__ == "__main__":
    main()
