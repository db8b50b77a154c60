r"""Three ways to score a query against an item: one dot product, late interaction, a joint pass; what can be computed before.

给查询与条目打分的三种方式：一次点积、late interaction、联合前向；哪些能提前算好。

MaxSim as in ColBERT (Khattab & Zaharia 2020). FLOPs are 2 per multiply-add. Turn `scorer` to "joint": the
item's vectors move with the query, and no index can hold them. 把 `scorer` 改为 "joint"：条目的向量随查询而变，无法预存。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table


@exercise(claims=("maxsim_keeps_what_a_mean_loses", "item_vectors_can_wait_in_an_index"),
          wrong=("takes_the_mean", "maximises_over_queries"))
def maxsim(query: Tensor, items: Tensor) -> Tensor:
    """Late interaction: each query token takes its best item token, and these are summed. query (tokens, d), items (items, tokens,
    d), unit vectors; the scores (items,).

    late interaction：查询的每个 token 取条目中最佳的 token，再求和。query (tokens, d)，items (items, tokens, d)，单位向量；
    得分 (items,)。"""
    every = torch.einsum("qd,itd->iqt", query, items)            # (items, query tokens, item tokens)
    return every.amax(2).sum(1)                                  # the best match of each query token


def dot(query: Tensor, items: Tensor) -> Tensor:
    """One vector each: cosine of the means, (items,)."""
    return F.normalize(items.mean(1), dim=-1) @ F.normalize(query.mean(0), dim=0)


def item_part(scorer: str, query: Tensor, items: Tensor) -> Tensor:
    """What a scorer needs of the items (items, tokens, d) before the two sides meet for the score."""
    if scorer == "dot":
        return items.mean(1)
    if scorer == "maxsim":
        return items
    pair = torch.cat([query.expand(len(items), *query.shape), items], 1)
    return F.scaled_dot_product_attention(pair, pair, pair)[:, len(query) :]


def change(scorer: str, query: Tensor, other: Tensor, items: Tensor) -> float:
    """How far the items' part moves when another query comes: 0 where an index can store it."""
    first, second = (item_part(scorer, q, items) for q in (query, other))
    return float((first - second).norm() / first.norm())


def work(scorer: str, items: int, kept: int, d: int = 128, query: int = 32, tokens: int = 512, parameters: float = 3e8) -> float:
    """FLOPs of a query against `items`, what is stored not counted; the joint pass runs on the `kept` best only."""
    return {
        "dot": 2.0 * items * 1024, "maxsim": 2.0 * items * query * tokens * d,
        "joint": 2.0 * items * 1024 + kept * 2.0 * parameters * (query + tokens),
    }[scorer]


RANGES = {
    "scorer": one_of("maxsim", "dot", "joint"), "objects": between(2, 6), "items": between(100_000, 10_000_000), "kept": between(10, 200),
    "first": one_of("a shortlist", "all items"), "meeting": one_of("at the tokens", "after the mean"),
}  # fmt: skip


@breaks(meeting="after the mean", en="Both pictures have the same mean: one vector each cannot tell them apart here.",
        zh="两张图的均值相同：这里一个向量分不开它们。")
def claim_maxsim_keeps_what_a_mean_loses(objects=2, meeting="at the tokens"):
    """Swap the colours of two of the objects in a picture: the mean of its object vectors stays, while MaxSim falls by one for the
    pair.

    把图中两个物体的颜色互换：物体向量的均值不变，而 MaxSim 因这一对降低 1。"""
    basis = torch.eye(2 * objects, dtype=torch.float64)
    colours, shapes = basis[:objects], basis[objects:]
    true = (colours + shapes) / 2**0.5                           # (objects, d)
    order = [1, 0, *range(2, objects)]
    twin = (colours[order] + shapes) / 2**0.5                    # two colours swapped
    items = torch.stack([true, twin])
    ways = {"dot": dot(true, items), "maxsim": maxsim(true, items)}
    used = ways["maxsim" if meeting == "at the tokens" else "dot"]
    show(table(["", "the picture", "its twin"], [[way, *(round(float(x), 4) for x in s)] for way, s in ways.items()]))
    # Each of the two objects keeps its shape and loses its colour: 1/2 in place of 1.
    expect("score of the picture less that of its twin", used[0] - used[1], equals=1, within=1e-12)


@breaks(scorer="joint", en="In a joint pass the item's vectors depend on the query: nothing of them can be stored.",
        zh="联合前向中，条目的向量随查询而变，没有什么可以预存。")
def claim_item_vectors_can_wait_in_an_index(scorer="maxsim"):
    """MaxSim over vectors stored before the query came equals MaxSim computed afresh; after one joint attention layer the item's
    vectors change by over a tenth with the query.

    用查询到来之前存好的向量算 MaxSim，与现算相同；而经过一层联合注意力，条目的向量随查询改变一成以上。"""
    query, other = F.normalize(torch.randn(2, 8, 16, dtype=torch.float64), dim=-1)
    items = F.normalize(torch.randn(20, 12, 16, dtype=torch.float64), dim=-1)
    slow = [sum(max(float(q @ t) for t in item) for q in query) for item in items]
    moved = {s: change(s, query, other, items) for s in ("dot", "maxsim", "joint")}
    show(bars(list(moved), {"change of the item's part with the query": list(moved.values())}))
    expect("MaxSim of stored vectors", maxsim(query, items), equals=slow, within=1e-12)
    expect("change of the item's part", moved[scorer], equals=0)
    expect("change in the joint pass", moved["joint"], at_least=0.1)


@breaks(first="all items", en="Over all items the joint pass is what nobody waits for.", zh="对全部条目做联合前向，没人等得起。")
def claim_a_joint_pass_needs_a_shortlist(items=1_000_000, kept=100, first="a shortlist"):
    """Per pair, a joint pass of 0.3B parameters over 544 tokens costs over a hundred million times a dot product of 1,024; on the
    best 100 of a million it stays under a tenth of a PFLOP.

    逐对比较，3 亿参数、544 个 token 的联合前向是 1,024 维点积的一亿倍以上；只对一百万中的前 100 个做，不到十分之一 PFLOP。"""
    used = kept if first == "a shortlist" else items
    flops = {s: work(s, items, used) for s in ("dot", "maxsim", "joint")}
    show(bars(list(flops), {"FLOPs per query": list(flops.values())}, log="y"))
    expect("joint pass over dot product, per pair", 2 * 3e8 * 544 / (2 * 1024), at_least=1e8)
    expect("PFLOPs of the joint way", flops["joint"] / 1e15, at_most=0.1)


def drill_rerank(rng) -> Drill:
    """Time to rerank."""
    kept, tokens, billions, peta = rng.choice([(100, 500, 0.3, 0.1), (50, 400, 0.5, 0.1), (100, 250, 8, 0.2), (1000, 500, 0.6, 0.2)])
    flops = kept * 2 * billions * 1e9 * tokens
    ms = flops / (peta * 1e15) * 1000
    return Drill(
        en=f"A reranker of {billions:g}B parameters reads {kept} pairs of {tokens} tokens at {peta:g} PFLOP/s achieved, 2 FLOPs per "
           "parameter and token, attention left out. How many milliseconds?",
        zh=f"{billions:g}B 参数的重排模型读 {kept} 对、每对 {tokens} 个 token，实际算力 {peta:g} PFLOP/s，每参数每 token 2 FLOP，"
           "不计注意力。需要多少毫秒？",
        answer=ms, unit="ms",
        steps=[(f"2 · {billions:g}e9 · {tokens} · {kept} = {flops:.3g} FLOP",) * 2,
               (f"/ {peta:g}e15 per second = {ms:.3g} ms",
                f"除以每秒 {peta:g}e15 = {ms:.3g} ms")],
        proved_by="a_joint_pass_needs_a_shortlist",
    )


def drill_late_interaction_bytes(rng) -> Drill:
    """Size of a late-interaction index."""
    items, tokens, d, bits = rng.choice([(1, 1030, 128, 16), (1, 1030, 128, 1), (10, 300, 128, 16), (2, 500, 96, 16), (10, 128, 128, 8)])
    value = items * 1e6 * tokens * d * bits / 8 / 1e9
    return Drill(
        en=f"{items} million pages are stored as {tokens} vectors of {d} dimensions each, {bits} bit per number. How many GB (1e9 bytes)?",
        zh=f"{items} 百万页，每页存 {tokens} 个 {d} 维向量，每个数 {bits} 位。共多少 GB（1e9 字节）？",
        answer=value, unit="GB",
        steps=[(f"per page: {tokens} · {d} · {bits}/8 = {tokens * d * bits / 8:.0f} bytes",
                f"每页 {tokens} · {d} · {bits}/8 = {tokens * d * bits / 8:.0f} 字节"),
               (f"· {items}e6 = {value:.4g} GB",) * 2],
        proved_by="item_vectors_can_wait_in_an_index",
    )


ZH = {
    "the picture": "原图", "its twin": "互换后的图", "dot": "点积", "maxsim": "MaxSim", "joint": "联合前向",
    "score of the picture less that of its twin": "原图得分减去互换后的图",
    "change of the item's part with the query": "条目部分随查询的变化",
    "MaxSim of stored vectors": "预存向量的 MaxSim", "change of the item's part": "条目部分的变化",
    "change in the joint pass": "联合前向中的变化",
    "FLOPs per query": "每次查询的 FLOP", "joint pass over dot product, per pair": "每对：联合前向与点积之比",
    "PFLOPs of the joint way": "联合方式的 PFLOP",
}  # fmt: skip

if __name__ == "__main__":
    main()
