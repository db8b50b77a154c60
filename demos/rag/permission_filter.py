r"""Who may see which passage: filter before the search, not after it. And five planted passages take the first five places.

谁能看哪一段：要在检索之前过滤，而不是之后。另外，埋进五段就能占满前五名。

Turn `order` to "after": of ten results only about ten times the allowed share is left.
把 `order` 改为 "after"：十条结果只剩约十乘可见比例。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("filtering_first_returns_all_k", "nothing_forbidden_comes_back"), wrong=("filters_afterwards", "multiplies_by_the_mask",
        "fills_up"))
def search_allowed(scores: Tensor, allowed: Tensor, k: int) -> Tensor:
    """Passages with the k best scores among those allowed, best first; fewer where fewer are allowed. scores (passages,) of any sign,
    allowed (passages,) of bool; returns their numbers.

    在允许的段落里按得分取前 k，从高到低；允许的不足 k 条就更少。scores (passages,) 可正可负，allowed (passages,) 为布尔；返回段落号。"""
    masked = scores.masked_fill(~allowed, -torch.inf)
    return masked.topk(min(k, int(allowed.sum()))).indices


def search_then_filter(scores: Tensor, allowed: Tensor, k: int) -> Tensor:
    """The wrong way: the first k of all, less those that are forbidden."""
    first = scores.topk(k).indices
    return first[allowed[first]]


ORDERS = {"before": search_allowed, "after": search_then_filter}
RANGES = {"passages": between(800, 1200), "k": between(5, 15), "share": between(0.1, 0.4), "queries": between(200, 400),
          "order": one_of("before", "after"), "cosine": between(0.0, 0.95), "sizes": each(between(500, 30000), at_least=2, at_most=4,
          rising=True)}


@breaks(order="after", en="Of the first ten only those that may be seen are left.", zh="前十条里只剩下看得到的。")
def claim_filtering_first_returns_all_k(passages=1000, k=10, share=0.2, queries=300, order="before"):
    """With a fifth of the passages allowed, filtering after a top-10 leaves two on average; filtering before leaves ten.

    只有五分之一的段落可见时，先取前 10 再过滤，平均剩两条；先过滤再检索，仍有十条。"""
    left = {name: [] for name in ORDERS}
    for _ in range(queries):
        scores, allowed = torch.randn(passages), torch.rand(passages) < share
        for name, search in ORDERS.items():
            left[name].append(len(search(scores, allowed, k)))
    mean = {name: sum(numbers) / queries for name, numbers in left.items()}
    show(lines("query", list(range(1, 31)), {"before": left["before"][:30], "after": left["after"][:30]}, y_label="results"))
    expect("results per query", left[order], equals=k)
    # A binomial count: five standard errors of its mean.
    expect("mean results after a later filter", mean["after"], equals=k * share, within=5 * (k * share * (1 - share) / queries) ** 0.5)


@breaks(order="after", en="Fewer come back than a sorted list of the allowed has.", zh="返回的比允许段落排序后的要少。")
def claim_nothing_forbidden_comes_back(passages=1000, k=10, share=0.2, queries=200, order="before"):
    """The results are exactly the first k of the allowed passages in order of score, with negative scores and few allowed passages too.

    结果恰是允许的段落按得分排序的前 k 条；得分全为负、允许的段落很少时也一样。"""
    wrong = 0
    for n in range(queries):
        scores = torch.randn(passages) - (5 if n % 2 else 0)
        allowed = torch.rand(passages) < (share if n % 4 else 3 / passages)
        want = sorted((i for i in range(passages) if allowed[i]), key=lambda i: -float(scores[i]))[:k] if n < 12 else None
        got = ORDERS[order](scores, allowed, k).tolist()
        wrong += got != want if want is not None else not bool(allowed[got].all())
    show(lines("k", [1, k], {"queries with another result": [wrong, wrong]}))
    expect("queries with another result than the sorted list", wrong, equals=0)


@breaks(cosine=0.05, en="Passages that are no nearer to the question than others are not found.", zh="不比别的段落更接近问题，就检索不到。")
def claim_five_planted_take_the_first_five(sizes=(1000, 10000, 30000), cosine=0.8):
    """Five passages written at cosine 0.8 to a question fill its top five among 1,000 random passages and among 30,000.

    针对某个问题写出余弦为 0.8 的五段，无论库里有 1,000 段还是 30,000 段随机文本，前五名都被它们占满。"""
    width, shares, best = 64, [], []
    question = torch.randn(width)
    question = question / question.norm()
    for size in sizes:
        honest = torch.randn(size, width)
        honest = honest / honest.norm(dim=1, keepdim=True)
        aside = torch.randn(5, width)
        aside = aside - (aside @ question)[:, None] * question
        planted = cosine * question + (1 - cosine**2) ** 0.5 * aside / aside.norm(dim=1, keepdim=True)
        first = (torch.cat([honest, planted]) @ question).topk(5).indices
        shares.append((first >= size).double().mean())
        best.append((honest @ question).max())
    show(lines("passages", sizes, {"share of the top five that was planted": shares, "best cosine of the others": best}, log="x"))
    expect("share of the top five that was planted", shares, equals=1, within=1e-12, at=("passages", sizes))


def drill_left_after_filter(rng) -> Drill:
    """What a later filter leaves, or how many to fetch."""
    k, percent = rng.choice([(10, 20), (20, 5), (50, 10), (8, 25)])
    return Drill(
        en=f"A user may see {percent}% of the passages, spread evenly. The search returns the top {k}, then forbidden ones are dropped. "
           "How many are left on average?",
        zh=f"用户可见 {percent}% 的段落，均匀分布。检索先取前 {k} 条，再去掉不可见的。平均剩几条？",
        answer=k * percent / 100, within=0.01,
        steps=[(f"each is allowed with probability {percent / 100:g}", f"每条可见的概率为 {percent / 100:g}"),
               (f"{k} · {percent / 100:g} = {k * percent / 100:g}", f"{k} · {percent / 100:g} = {k * percent / 100:g}")],
        proved_by="filtering_first_returns_all_k")


ZH = {
    "query": "查询", "before": "先过滤", "after": "后过滤", "results": "结果数", "results per query": "每次查询的结果数",
    "mean results after a later filter": "后过滤时平均剩下的结果", "queries with another result": "结果不同的查询",
    "queries with another result than the sorted list": "结果与排序列表不同的查询", "passages": "段落数",
    "share of the top five that was planted": "前五名中埋入段落的比例", "best cosine of the others": "其余段落的最大余弦",
}

if __name__ == "__main__":
    main()
