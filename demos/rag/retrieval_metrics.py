r"""Measures of a ranked list: recall, reciprocal rank and nDCG; when they disagree, and how many queries decide.

排序列表的指标：召回率、倒数排名、nDCG；何时相互矛盾，要多少查询才能下结论。

Järvelin & Kekäläinen 2002; BLEU as in Papineni et al. 2002. Turn `counted` to "hits": recall becomes the hit rate.
把 `counted` 改为 "hits"：召回率就变成了命中率。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("a_hit_is_not_recall",), wrong=("counts_hits", "divides_by_k"))
def recall(relevant: Tensor, k: int) -> Tensor:
    """Share of a query's relevant documents that stand in the first k. relevant (queries, documents) is 1 or 0 in the order
    of the ranking and holds every relevant document; the result (queries,).

    每个查询的相关文档中排在前 k 的比例。relevant (queries, documents) 按排序列出 1 或 0，包含全部相关文档；结果 (queries,)。"""
    found = relevant[:, :k].sum(1)                              # (queries,)
    return found / relevant.sum(1)


@exercise(claims=("ndcg_discounts_by_the_rank",), wrong=("has_no_discount", "takes_the_whole_list_as_ideal"))
def ndcg(gains: Tensor, k: int) -> Tensor:
    """Sum of gain / log2(rank + 1) over the first k, over that of the best order of the same documents. gains (queries,
    documents) in the order of the ranking; the result (queries,).

    前 k 名的 gain / log2(rank + 1) 之和，除以同一批文档按最佳次序所得的和。gains (queries, documents) 按排序；结果 (queries,)。"""
    best = gains.sort(1, descending=True).values                # the order that nobody can beat
    ranks = torch.arange(1, gains.shape[1] + 1, dtype=gains.dtype)
    discount = (ranks + 1).log2()                               # log2(rank + 1), for every place
    return ((gains / discount)[:, :k].sum(1)) / ((best / discount)[:, :k].sum(1))


def at_ranks(ranks: list[list[int]], documents: int) -> Tensor:
    """Lists with relevant documents at these ranks, counted from 1: (queries, documents)."""
    relevant = torch.zeros(len(ranks), documents, dtype=torch.float64)
    for row, places in zip(relevant, ranks, strict=True):
        row[torch.tensor(places) - 1] = 1
    return relevant


def reciprocal_rank(relevant: Tensor) -> Tensor:
    """1 over the rank of the first relevant document: (queries,)."""
    return 1 / (relevant.argmax(1) + 1)


def bleu1(candidate: str, reference: str) -> float:
    """BLEU with single words: clipped precision times the brevity penalty."""
    words, right = candidate.split(), reference.split()
    clipped = sum(min(words.count(w), right.count(w)) for w in set(words))
    return math.exp(min(0.0, 1 - len(right) / len(words))) * clipped / len(words)


RANGES = {
    "k": between(1, 20), "ranks": each(between(1, 50), at_least=2, at_most=6, rising=True),
    "counted": one_of("share", "hits"), "discounted": one_of("yes", "no"), "measure": one_of("recall@10", "recall@1"),
    "compared": one_of("in pairs", "apart"), "answer": one_of("paraphrase", "copy"),
}


@breaks(counted="hits", en="A hit rate is 1 as soon as one of them is found.", zh="只要找到其中一个，命中率就是 1。")
def claim_a_hit_is_not_recall(k=5, ranks=(2, 7), counted="share"):
    """With two relevant documents at ranks 2 and 7, five places are a hit, but a recall of one half.

    两篇相关文档排在第 2 和第 7 名时，取前五算命中，但召回率只有二分之一。"""
    relevant = at_ranks([list(ranks), [1, 50]], 50)             # the second query: one at the top, one at the end
    got = recall(relevant, k) if counted == "share" else (relevant[:, :k].sum(1) > 0).double()
    by_hand = [sum(r <= k for r in places) / len(places) for places in (ranks, (1, 50))]
    show(bars(["ranks " + ", ".join(map(str, ranks)), "ranks 1, 50"], {
        f"recall@{k}": by_hand, "hit": [float(min(ranks) <= k), 1.0], "reciprocal rank": [1 / min(ranks), 1.0]}))
    single = at_ranks([[r] for r in (1, 4, 21, 50)], 50)        # one relevant document each: hit rate and recall are one
    expect("share of the relevant documents found", got, equals=by_hand, within=1e-12)
    expect("recall less hit rate, one relevant document each", recall(single, k) - (single[:, :k].sum(1) > 0).double(), equals=0)


@breaks(discounted="no", en="Without the discount every rank within the cut counts the same.", zh="没有折损，截断以内的名次都一样。")
def claim_ndcg_discounts_by_the_rank(k=10, discounted="yes"):
    """A single relevant document at rank r scores 1 / log2(r + 1): 1, 0.63, 0.5, 0.43 at the first four ranks, and nothing
    below the cut.

    只有一篇相关文档、排在第 r 名时 nDCG 为 1 / log2(r + 1)：前四名依次为 1、0.63、0.5、0.43，截断以下为 0。"""
    places = list(range(1, 21))
    relevant = at_ranks([[r] for r in places], 20)
    got = ndcg(relevant, k) if discounted == "yes" else recall(relevant, k)
    by_hand = [math.log(2) / math.log(r + 1) if r <= k else 0.0 for r in places]
    graded = [0.0, 3.0, 1.0, 2.0]                               # and one list with grades, summed by hand
    ideal, mine = (sum(g / math.log2(i + 2) for i, g in enumerate(order[:k])) for order in (sorted(graded)[::-1], graded))
    show(lines("rank", places, {f"nDCG@{k}": got, "reciprocal rank": [1 / r for r in places]}))
    expect("nDCG of one document", got, equals=by_hand, within=1e-12, at=("rank", places))
    cut = (3 / math.log2(3)) / (3 + 2 / math.log2(3))           # grades 0, 3 in front; the best two are 3, 2
    expect("nDCG@2 of a graded list", ndcg(torch.tensor([graded], dtype=torch.float64), 2), equals=cut, within=1e-12)
    expect("nDCG of a graded list", ndcg(torch.tensor([graded], dtype=torch.float64), k), equals=mine / ideal, within=1e-12)


@breaks(measure="recall@1", en="Cut at one, recall sees what the reciprocal rank sees.",
        zh="只取第一名时，召回率与倒数排名看到的是同一件事。")
def claim_two_measures_choose_two_systems(measure="recall@10"):
    """One system puts the passage first or loses it; the other always has it among the first ten. Reciprocal rank prefers
    the first, recall@10 the second.

    一个系统要么把段落排在第一，要么丢掉；另一个总能排进前十。倒数排名选前者，recall@10 选后者。"""
    sharp = at_ranks([[1]] * 60 + [[30]] * 40, 50)              # 60 of 100 queries at the top, 40 out of reach
    wide = at_ranks([[4 + i % 6] for i in range(100)], 50)      # ranks 4 to 9
    k = int(measure.split("@")[1])
    mrr, share = ([float(f(s).mean()) for s in (sharp, wide)] for f in (reciprocal_rank, lambda s: recall(s, k)))
    show(bars(["first or lost", "always in ten"], {"MRR": mrr, measure: share}))
    expect("MRR of the first less the second", mrr[0] - mrr[1], at_least=0.2)
    expect("recall of the second less the first", share[1] - share[0], at_least=0.2)


@breaks(compared="apart", en="Two separate samples bring the spread of the queries in twice.",
        zh="分成两个独立样本，查询间的差异会进来两次。")
def claim_five_queries_decide_nothing(compared="in pairs"):
    """A gain of six points in hit rate shows in at least four of five sets of 500 paired queries, and in at most one of five
    sets of five: the bootstrap interval of 95% excludes zero.

    命中率高六个点：500 个配对查询的样本，五份里至少四份能看出来（95% bootstrap 区间不含 0）；5 个查询的，五份里至多一份。"""
    trials, resamples, power = 40, 200, []
    for n in (5, 500):
        draw = torch.rand(trials, n)                            # 62% right in both, 8% only in B, 2% only in A
        a, b = (draw < 0.64).float(), ((draw < 0.62) | ((draw >= 0.64) & (draw < 0.72))).float()
        again = torch.randint(n, (2, resamples, n))
        if compared == "in pairs":
            again[1] = again[0]                                 # the same queries for both systems
        gains = torch.stack([(b[:, again[1, i]] - a[:, again[0, i]]).mean(1) for i in range(resamples)])
        power.append(float((gains.quantile(0.025, dim=0) > 0).float().mean()))
    show(bars(["5 queries", "500 queries"], {"share of sets that decide": power}))
    # Paired, the standard error at 500 is √(0.0964 / 500) = 0.0139, so the power is 0.99; at 5 it is below 0.05.
    expect("share of sets of 5 that decide", power[0], at_most=0.2)
    expect("share of sets of 500 that decide", power[1], at_least=0.8)


@breaks(answer="copy", en="A right answer in the words of the reference wins.", zh="与参考答案用词相同的正确答案会胜出。")
def claim_overlap_rewards_the_wording(answer="paraphrase"):
    """A right answer in other words scores below a wrong number in the words of the reference: n-gram overlap measures
    wording.

    换一种说法的正确答案，得分低于照抄参考句式却写错数字的答案：n-gram 重叠衡量的是措辞。"""
    reference = "the cache takes 16 GiB at a context of 128k tokens"
    right = {"paraphrase": "sixteen gibibytes are needed for that length", "copy": reference}[answer]
    wrong = reference.replace("16", "42")
    show(bars(["right", "wrong number"], {"BLEU-1": [bleu1(right, reference), bleu1(wrong, reference)]}))
    # As printed by Papineni et al. 2002 for the clipped precision of «the» seven times: 2 of 7.
    expect("BLEU-1 of seven times the", bleu1("the the the the the the the", "the cat is on the mat"), equals=2 / 7, within=1e-9)
    expect("BLEU-1 of the wrong number less the right answer", bleu1(wrong, reference) - bleu1(right, reference), at_least=0.5)


def drill_two_golds(rng) -> Drill:
    """Recall at k of two or three relevant documents."""
    golds, k = rng.choice([((2, 7), 5), ((1, 4, 12), 10), ((3, 6, 8, 15), 10), ((1, 9), 5), ((2, 3, 11), 10), ((1, 6, 14, 30), 10)])
    value = sum(r <= k for r in golds) / len(golds)
    listed = ", ".join(map(str, golds))
    return Drill(
        en=f"The relevant documents of a query stand at ranks {listed}. What is recall@{k} (not the hit rate)?",
        zh=f"某查询的相关文档排在第 {listed} 名。recall@{k} 是多少（不是命中率）？",
        answer=value, within=0.01,
        steps=[(f"within {k}: {sum(r <= k for r in golds)}", f"前 {k} 名以内：{sum(r <= k for r in golds)} 篇"),
               (f"of {len(golds)}: {value:.2f}", f"共 {len(golds)} 篇：{value:.2f}")],
        proved_by="a_hit_is_not_recall",
    )


def drill_mrr(rng) -> Drill:
    """The mean reciprocal rank of five queries."""
    ranks = [rng.choice((1, 1, 2, 4, 5, 10)) for _ in range(5)]
    value = sum(1 / r for r in ranks) / 5
    listed = ", ".join(map(str, ranks))
    return Drill(
        en=f"In five queries the first relevant document stands at ranks {listed}. What is the MRR?",
        zh=f"五个查询中，第一篇相关文档依次排在第 {listed} 名。MRR 是多少？",
        answer=value, within=0.005,
        steps=[(" + ".join(f"1/{r}" for r in ranks) + f" = {value * 5:.2f}",) * 2, (f"{value * 5:.2f} / 5 = {value:.3f}",) * 2],
        proved_by="two_measures_choose_two_systems",
    )


ZH = {
    "ranks {}": "名次 {}", "recall@{}": "recall@{}", "hit": "命中", "reciprocal rank": "倒数排名", "rank": "名次",
    "share of the relevant documents found": "找到的相关文档比例",
    "recall less hit rate, one relevant document each": "各只有一篇相关文档时，召回率减命中率",
    "nDCG@{}": "nDCG@{}", "nDCG of one document": "一篇文档的 nDCG",
    "nDCG of a graded list": "分级列表的 nDCG", "nDCG@2 of a graded list": "分级列表的 nDCG@2",
    "first or lost": "第一或丢失", "always in ten": "总在前十", "MRR": "MRR",
    "MRR of the first less the second": "前者的 MRR 减后者", "recall of the second less the first": "后者的召回率减前者",
    "5 queries": "5 个查询", "500 queries": "500 个查询", "share of sets that decide": "能下结论的样本比例",
    "share of sets of {} that decide": "{} 个查询的样本中能下结论的比例", "right": "正确", "wrong number": "数字错误", "BLEU-1": "BLEU-1",

    "BLEU-1 of seven times the": "七个 the 的 BLEU-1",
    "BLEU-1 of the wrong number less the right answer": "数字错误的答案比正确答案高出的 BLEU-1",
}  # fmt: skip

if __name__ == "__main__":
    main()
