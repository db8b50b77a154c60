r"""Node-limited routing bounds how many nodes a token is sent to, at hardly any loss of score.

节点受限路由限制一个 token 发往的节点数，分数几乎没有损失。

DeepSeek-AI 2024, §2.1.2 (device-limited in DeepSeek-V2, §2.2.2). Guess first how many of 8 nodes
eight free choices touch. Turn `limit` to "off": five to six instead of four.
先猜：自由选 8 个专家会碰到 8 个节点中的几个？把 `limit` 改为 "off"：五到六个，而不是四个。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show


def choose(scores: Tensor, nodes: int, kept: int, k: int, by: str = "two best") -> Tensor:
    """True where a token (row) is sent; scores (tokens, experts), one block of experts per node.

    A node scores the sum of its two best experts, as in V3, its best one, as in V2, or nothing."""
    grouped = scores.unflatten(1, (nodes, -1))                      # (tokens, nodes, experts/nodes)
    rank = {"two best": grouped.topk(2).values.sum(2), "best": grouped.amax(2),
            "nothing": torch.rand(grouped.shape[:2])}[by]
    opened = torch.zeros(grouped.shape[:2]).scatter(1, rank.topk(kept).indices, 1)
    inside = grouped.masked_fill(opened[..., None] == 0, -torch.inf).flatten(1)
    return torch.zeros_like(scores).scatter(1, inside.topk(k).indices, 1) > 0


def touched(sent: Tensor, nodes: int) -> Tensor:
    """How many nodes each token is sent to."""
    return sent.unflatten(1, (nodes, -1)).any(2).sum(1)


RANGES = {
    "tokens": between(512, 8192),
    "bounds": each(between(1, 8), at_least=2, rising=True),
    "alike": between(0.0, 2.0),
    "limit": one_of("on", "off"),
    "by": one_of("two best", "best", "nothing"),
}
OFF = breaks(limit="off", en="Without the limit eight experts of 256 lie on 5.3 of 8 nodes on average.",
             zh="不加限制，256 选 8 平均落在 8 个节点中的 5.3 个上。")


@breaks(alike=2.0, en="If the experts of a node are liked by the same tokens, choices crowd on fewer nodes.",
        zh="若同一节点的专家受同样的 token 青睐，所选专家就集中在更少的节点上。")
def claim_free_choices_touch_five_of_eight(tokens=4096, alike=0.0):
    """Eight experts chosen freely among 256 on 8 nodes touch 5.3 nodes per token on average, if the
    router favours none.

    8 个节点共 256 个专家，自由选 8 个，若路由器没有偏好，每个 token 平均涉及 5.3 个节点。"""
    logits = torch.randn(tokens, 256) + alike * torch.randn(tokens, 8).repeat_interleave(32, 1)
    count = touched(choose(logits.sigmoid(), 8, 8, 8), 8)
    formula = 8 * (1 - math.comb(224, 8) / math.comb(256, 8))
    show(bars([str(n) for n in range(1, 9)],
              {"tokens": torch.bincount(count, minlength=9)[1:]}, title="Nodes touched by a token"))
    # The number for one token deviates by 0.82 (seen); six sigma of the mean.
    expect("nodes touched, mean", count.double().mean(), equals=formula,
           within=6 * 0.82 / tokens**0.5)


@OFF
def claim_the_limit_holds_for_every_token(tokens=4096, limit="on"):
    """Limited to 4 nodes, no token is sent to a fifth, although its eight experts stay eight.

    限制为 4 个节点，任何 token 都不会发往第五个节点，而所选专家仍是八个。"""
    scores = torch.randn(tokens, 256).sigmoid()
    sent = choose(scores, 8, 4 if limit == "on" else 8, 8)
    count = touched(sent, 8)
    show(bars([str(n) for n in range(1, 9)],
              {"tokens": torch.bincount(count, minlength=9)[1:]}, title="Nodes touched by a token"))
    expect("nodes touched, most", count.max(), at_most=4)
    expect("experts of a token", sent.sum(1), equals=8)


@breaks(by="nothing", en="Nodes opened at random lose the best experts.", zh="随机开放节点，就丢掉了最好的专家。")
def claim_four_nodes_keep_nearly_all_score(bounds=(1, 2, 3, 4, 6, 8), tokens=2048, by="two best"):
    """Four of eight nodes keep over 98% of the free choice's summed scores, if opened by their best
    experts.

    按最好的专家开放八个节点中的四个，分数之和就保留了自由选择的 98% 以上。"""
    scores = torch.randn(tokens, 256).sigmoid()
    free = scores.topk(8).values.sum(1)
    share = [((scores * choose(scores, 8, n, 8, by)).sum(1) / free).mean() for n in bounds]
    show(lines("nodes opened", bounds, {"share of the free choice's scores": share}))
    four = (scores * choose(scores, 8, 4, 8, by)).sum(1) / free
    expect("share of the scores with four nodes", four.mean(), at_least=0.98)
    expect("share of the scores with all nodes", (scores * choose(scores, 8, 8, 8, by)).sum(1) / free,
           equals=1, within=1e-6)                                   # float32, eight terms


def drill_nodes(rng) -> Drill:
    """The mean number of nodes that a free choice of two touches."""
    nodes, each_node = rng.choice([(2, 2), (2, 3), (3, 2), (4, 2), (5, 2), (4, 3)])
    experts = nodes * each_node
    other = (experts - each_node) / (experts - 1)
    return Drill(
        en=f"{experts} experts lie on {nodes} nodes, {each_node} on each. A token's two experts are any "
           "two with equal chance. How many nodes does it touch on average?",
        zh=f"{experts} 个专家分布在 {nodes} 个节点上，每个节点 {each_node} 个。一个 token 等概率地选任意两个专家。它平均涉及几个节点？",
        answer=1 + other, within=0.01,
        steps=[(f"the second lies elsewhere with {experts - each_node}/{experts - 1}",
                f"第二个专家在别的节点上的概率是 {experts - each_node}/{experts - 1}"),
               (f"1 + {other:.3g} = {1 + other:.3g}", f"1 + {other:.3g} = {1 + other:.3g}")],
        proved_by="free_choices_touch_five_of_eight",
    )


ZH = {
    "tokens": "token 数",
    "Nodes touched by a token": "一个 token 涉及的节点数",
    "nodes touched, mean": "涉及的节点数，均值",
    "nodes touched, most": "涉及的节点数，最多",
    "experts of a token": "一个 token 的专家数",
    "nodes opened": "开放的节点数",
    "share of the free choice's scores": "与自由选择的分数之比",
    "share of the scores with four nodes": "开放四个节点时的分数之比",
    "share of the scores with all nodes": "全部开放时的分数之比",
}

if __name__ == "__main__":
    main()
