r"""Facts kept in weights against facts kept in a store: what fits, what can be taken out, and what the search must bring.

事实放在权重里，还是放在库里：装得下多少、删得掉什么、检索必须找到什么。

A linear memory W of width × width stands for weights; the store is a nearest-neighbour search over the same keys. Turn `width` to
128: the weights hold all facts as well.
宽 × 宽的线性记忆 W 代表权重，库是对同样的 key 做最近邻检索。把 `width` 调到 128：权重也装得下全部事实。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, lines, main, show


@exercise(claims=("search_caps_the_open_book",), wrong=("takes_the_dot_product", "takes_the_last"))
def nearest(queries: Tensor, keys: Tensor) -> Tensor:
    """For each query (q, width) the row of the key (facts, width) with the largest cosine; keys may have any length. Returns (q,).

    对每个 query (q, width)，返回余弦最大的 key (facts, width) 的行号，形状 (q,)；key 的长度可以任意。"""
    return (queries @ (keys / keys.norm(dim=1, keepdim=True)).T).argmax(1)


def learn(keys: Tensor, values: Tensor) -> Tensor:
    """The width × width matrix W that maps keys to values best in squares: what fits into weights of that size."""
    return torch.linalg.lstsq(keys, values, driver="gelsd").solution


def facts_of(facts: int, width: int) -> tuple[Tensor, Tensor]:
    """Random unit keys and values, (facts, width) each, in float64."""
    keys, values = torch.randn(2, facts, width, dtype=torch.float64)
    return keys / keys.norm(dim=1, keepdim=True), values / values.norm(dim=1, keepdim=True)


RANGES = {
    "facts": between(180, 220), "width": between(8, 128), "known": between(8, 160), "changed": between(20, 60),
    "noise": between(0.0, 4.0), "dims": between(48, 64), "queries": between(2000, 3000),
}


@breaks(width=128, en="A memory of 128 × 128 holds 200 facts: nothing is confused.", zh="128 × 128 的记忆装得下 200 条事实，不会混淆。")
def claim_small_weights_confuse_facts(facts=200, width=32):
    """Of 200 random facts a linear memory of 32 × 32 answers under half, one of 128 × 128 all; a store answers all at any width.

    200 条随机事实，32 × 32 的线性记忆答对不到一半，128 × 128 的全部答对；库在任何宽度下都全部答对。"""
    widths = [width // 2, width, 2 * width, 4 * width]
    closed, opened = [], []
    for w in widths:
        keys, values = facts_of(facts, w)
        closed.append((nearest(keys @ learn(keys, values), values) == torch.arange(facts)).double().mean())
        opened.append((nearest(keys, keys) == torch.arange(facts)).double().mean())
    show(lines("width of the memory", widths, {"weights": closed, "store": opened}, log="x", y_label="facts answered"))
    expect("share answered from the weights", closed[1], at_most=0.5)
    expect("share answered from weights four times as wide", closed[3], equals=1, within=1e-12)
    expect("share answered from the store", opened, equals=1, within=1e-12)


@breaks(known=12, en="Weights of that width never knew the facts, so nothing is left to answer with.",
        zh="这样宽的权重从未记住这些事实，自然也答不出来。")
def claim_deleting_from_the_store_leaves_the_weights(facts=200, known=128, changed=50):
    """Delete 50 facts from the store, and a model that falls back on weights which learnt them still answers over nine in ten.

    从库里删掉 50 条事实后，若模型会退回到学过它们的权重上，仍能答对九成以上。"""
    keys, values = facts_of(facts, known)
    weights = learn(keys, values)
    deleted = torch.arange(changed)
    from_weights = nearest(keys[deleted] @ weights, values)
    left = torch.arange(changed, facts)                                         # what the store still holds
    from_store = left[nearest(keys[deleted], keys[left])]
    show(bars(["store only", "store, then weights"], {"share of the deleted facts answered": [
        (from_store == deleted).double().mean(), (from_weights == deleted).double().mean()]}))
    expect("deleted facts answered from the store", (from_store == deleted).sum(), equals=0)
    expect("share of deleted facts answered from the weights", (from_weights == deleted).double().mean(), at_least=0.9)


@breaks(noise=0.0, en="Queries that are the keys themselves always find their fact.", zh="query 就是 key 本身时，总能找到。")
def claim_search_caps_the_open_book(facts=200, dims=64, queries=2000, noise=3.0):
    """The noisier the query, the fewer facts a search of the store finds: at noise of three key lengths it misses over half of 200.

    query 的噪声越大，在库里找到的事实越少：噪声是 key 长度的三倍时，200 条漏掉一半以上。"""
    keys, _ = facts_of(facts, dims)
    lengths = 0.5 + torch.rand(facts, 1, dtype=torch.float64)                   # keys of a store need not be of length 1
    wanted = torch.randint(facts, (queries,))
    found, theory = [], []
    points = torch.linspace(-6, 6, 1201, dtype=torch.float64)
    mass = (-points**2 / 2).exp() / (-points**2 / 2).exp().sum()
    noises = [0.0, noise / 3, noise * 2 / 3, noise]
    for n in noises:
        asked = keys[wanted] + n * torch.randn(queries, dims, dtype=torch.float64) / dims**0.5
        found.append((nearest(asked, keys * lengths) == wanted).double().mean())
        own = 1 + n / dims**0.5 * points                                        # the cosine of the right key, up to |query|
        other = ((1 + n**2) / dims) ** 0.5                                  # the spread of the wrong ones
        theory.append((mass * torch.special.ndtr(own / other) ** (facts - 1)).sum())
    show(lines("noise of the query", noises, {"measured": found, "Gaussian integral": theory}, y_label="facts found"))
    # The integral takes the wrong cosines as independent and the query's length as fixed; four standard errors of the count, and that.
    expect("share found less the Gaussian integral", torch.stack(found) - torch.stack(theory), equals=0,
           within=0.06 + 4 * (0.25 / queries) ** 0.5, at=("noise of the query", noises))
    expect("share found less that at the noise before", torch.stack(found).diff(), at_most=0,
           at=("noise of the query", noises[1:]))
    expect("share found with the noisiest queries", found[-1], at_most=0.5)


ZH = {
    "width of the memory": "记忆的宽度", "weights": "权重", "store": "库", "facts answered": "答对的事实",
    "share answered from the weights": "从权重答对的比例", "share answered from weights four times as wide": "从四倍宽的权重答对的比例",
    "share answered from the store": "从库答对的比例", "store only": "只用库", "store, then weights": "先库后权重",
    "share of the deleted facts answered": "被删事实答对的比例", "deleted facts answered from the store": "从库答对的被删事实数",
    "share of deleted facts answered from the weights": "从权重答对的被删事实比例",
    "noise of the query": "query 的噪声", "measured": "测得", "Gaussian integral": "高斯积分", "facts found": "找到的事实",
    "share found less the Gaussian integral": "找到的比例减高斯积分", "share found with the noisiest queries": "噪声最大时找到的比例",
    "share found less that at the noise before": "找到的比例减前一档噪声时的",
}

if __name__ == "__main__":
    main()
