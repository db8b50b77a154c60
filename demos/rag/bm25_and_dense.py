r"""BM25 and dense vectors fail on different queries, and fusing their ranks keeps most of both.

BM25 与稠密向量输在不同的查询上，融合两者的名次可保住大部分长处。

Documents: the English briefs of every second of 280 cards of this bank. BM25 as in Robertson & Zaragoza 2009; dense: a linear encoder
(truncated SVD, cross-lingual LSI) fitted on the others in both languages; fusion by Cormack et al. 2009. Turn `way` to "bm25".
取本题库 280 张卡片：每隔一张的英文 brief 作文档；稠密编码器是在其余卡片的双语 brief 上拟合的截断 SVD。可把 `way` 改为 "bm25"。
"""

import math
import re
from collections import Counter

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.paths import questions_dir


@exercise(claims=("bm25_saturates_and_forgives_length",), wrong=("never_saturates", "forgets_the_length", "divides_by_the_corpus"))
def bm25(counts: Tensor, query: list[int], k1: float, b: float) -> Tensor:
    """Scores of all documents for a query of term indices. counts (documents, terms): how often each term occurs; the sum over
    the query's terms of idf · tf (k1 + 1) / (tf + k1 (1 − b + b · length / mean length)), (documents,).

    查询（词的编号）对所有文档的得分。counts (documents, terms) 为词频；对查询各词求和
    idf · tf (k1 + 1) / (tf + k1 (1 − b + b · 长度 / 平均长度))，
    结果 (documents,)。"""
    tf = counts[:, query]                                                   # (documents, words of the query)
    holders = (tf > 0).to(tf.dtype).sum(0)                                  # documents that hold the term
    idf = ((len(counts) - holders + 0.5) / (holders + 0.5) + 1).log()       # rare terms weigh more
    length = counts.sum(1, keepdim=True)                                    # (documents, 1)
    norm = k1 * (1 - b + b * length / length.mean())
    return (idf * tf * (k1 + 1) / (tf + norm)).sum(1)


@exercise(claims=("fusion_adds_reciprocal_ranks",), wrong=("counts_from_zero", "adds_the_ranks"))
def fuse(rankings: list[list[int]], k: int = 60) -> dict[int, float]:
    """Reciprocal rank fusion: a document's score is the sum of 1 / (k + rank) over the lists that hold it, ranks from 1.

    倒数排名融合：文档的得分是它所在各列表中 1 / (k + 名次) 之和，名次从 1 数起。"""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, 1):
            scores[document] = scores.get(document, 0.0) + 1 / (k + rank)   # a list without it adds nothing
    return scores


def words(text: str) -> list[str]:
    """Latin words in small letters, and pairs of neighbouring Chinese characters."""
    han = "".join(c if "\u4e00" <= c <= "\u9fff" else " " for c in text).split()
    return re.findall(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]|[a-z0-9]", text.lower()) + [w[i : i + 2] for w in han for i in range(len(w) - 1)]


def bank() -> list[dict[str, str]]:
    """Question and brief of each card in both languages, read from its file."""
    ask = re.compile(r"^ask:\n  en: (.*)\n  zh: (.*)$", re.M)
    brief = re.compile(r"^brief:\n  en: \|\n((?:    .*\n)+)  zh: \|\n((?:    .*\n)+)", re.M)
    cards = []
    for path in sorted(questions_dir().glob("*/*.yaml"))[:280]:
        text = path.read_text("utf-8")
        if (a := ask.search(text)) and (s := brief.search(text)):
            cards.append({"ask_en": a[1], "ask_zh": a[2], "en": s[1], "zh": s[2]})
    return cards


def matrix(texts: list[list[str]], index: dict[str, int]) -> Tensor:
    """How often each known term occurs in each text: (texts, terms)."""
    found = [(row, index[term], n) for row, text in enumerate(texts) for term, n in Counter(text).items() if term in index]
    rows, terms, times = torch.tensor(found).view(-1, 3).long().unbind(1)
    return torch.zeros(len(texts), len(index)).index_put((rows, terms), times.float())


class Search:
    """BM25 and dense search over the English briefs of every second card; the encoder has seen the other cards only."""

    def __init__(self, k1: float, b: float, rank: int = 100) -> None:
        cards, self.k1, self.b = bank(), k1, b
        self.cards, seen = cards[::2], cards[1::2]
        english, both = [words(c["en"]) for c in self.cards], [words(c["en"] + c["zh"]) for c in seen]
        self.index = {term: i for i, term in enumerate(sorted({w for text in english + both for w in text}))}
        self.counts, pairs = matrix(english, self.index), matrix(both, self.index)
        self.known = (pairs > 0).sum(0)                                     # training texts that hold the term
        self.idf = torch.where(self.known > 0, (len(pairs) / self.known.clamp(min=1)).log(), 0)
        x = self._weighted(pairs)                                           # (texts, terms)
        values, u = torch.linalg.eigh(x @ x.T)                              # the SVD of x by its small side
        self.encoder = x.T @ u[:, -rank:] / values[-rank:].clamp(min=1e-6).sqrt()
        self.vectors = F.normalize(self._weighted(self.counts) @ self.encoder, dim=1)

    def _weighted(self, counts: Tensor) -> Tensor:
        return F.normalize((1 + counts).log() * self.idf, dim=1)

    def rankings(self, query: str, depth: int) -> dict[str, list[int]]:
        """The first `depth` documents by each way."""
        terms = words(query)
        known = [self.index[w] for w in dict.fromkeys(terms) if w in self.index]
        sparse = bm25(self.counts, known, self.k1, self.b).tolist()
        order = [i for i in sorted(range(len(sparse)), key=lambda i: -sparse[i]) if sparse[i] > 0][:depth]
        vector = self._weighted(matrix([terms], self.index)) @ self.encoder
        both = {"bm25": order, "dense": (self.vectors @ vector[0]).argsort(descending=True).tolist()[:depth]}
        scores = fuse(list(both.values()))
        return both | {"fused": sorted(scores, key=scores.__getitem__, reverse=True)}


def recall_at_10(search: Search, queries: list[tuple[str, int]]) -> dict[str, float]:
    """The share of queries whose document stands in the first ten, by each way."""
    found = {"bm25": 0, "dense": 0, "fused": 0}
    for query, own in queries:
        for way, order in search.rankings(query, 50).items():
            found[way] += own in order[:10]
    return {way: n / len(queries) for way, n in found.items()}


def asked(search: Search, n: int) -> dict[str, list[tuple[str, int]]]:
    """Queries of three kinds, each with its document: terms of one brief that training never saw, English questions, and Chinese
    questions without the Latin words in them."""
    unique = ((search.counts > 0).sum(0) == 1) & (search.known == 0)
    new = [(w, i) for (w, i), alone in zip(search.index.items(), unique.tolist(), strict=True) if alone]
    kinds = {
        "new terms": [(w, int(search.counts[:, i].argmax())) for w, i in new],
        "English questions": [(c["ask_en"], i) for i, c in enumerate(search.cards)],
        "Chinese questions": [("".join(x for x in c["ask_zh"] if not x.isascii()), i) for i, c in enumerate(search.cards)],
    }
    return {kind: queries[:: max(1, len(queries) // n)][:n] for kind, queries in kinds.items()}


RANGES = {
    "k1": between(0.8, 2.0), "b": between(0.3, 0.9), "length": one_of("divides", "ignored"), "ranked": one_of("from 1", "from 0"),
    "kind": one_of("new terms", "English questions", "Chinese questions"),
    "way": one_of("fused", "bm25", "dense"), "queries": between(20, 40),
}  # fmt: skip


@breaks(length="ignored", en="Without the length a long document wins by repeating itself.", zh="不看长度，长文档靠重复取胜。")
def claim_bm25_saturates_and_forgives_length(k1=1.2, b=0.75, length="divides"):
    """A term counted a hundred times scores less than k1 + 1 times its idf, and of two documents with the same count the shorter
    wins.

    一个词出现一百次，得分也不超过 idf 的 k1 + 1 倍；词频相同的两篇文档，短的得分更高。"""
    counts = torch.tensor([[1.0, 9, 0], [1, 99, 0], [100, 0, 0], [0, 5, 5]], dtype=torch.float64)
    got = bm25(counts, [0, 2], k1, b if length == "divides" else 0.0)
    mean, by_hand = sum(map(sum, counts.tolist())) / 4, []
    for row in counts.tolist():
        total = 0.0
        for term in (0, 2):
            n = sum(other[term] > 0 for other in counts.tolist())
            norm = k1 * (1 - b + b * sum(row) / mean)
            total += math.log(1 + (4 - n + 0.5) / (n + 0.5)) * row[term] * (k1 + 1) / (row[term] + norm)
        by_hand.append(total)
    times = [1, 2, 5, 10, 30, 100]
    grown = [float(bm25(torch.tensor([[float(n), 10.0], [0, 10]]), [0], k1, b)[0]) for n in times]
    ceiling = (k1 + 1) * math.log(1 + 1.5 / 1.5)
    show(lines("times in the document", times, {"score": grown, "idf · (k1 + 1)": [ceiling] * len(times)}, log="x"))
    expect("scores", got, equals=by_hand, within=1e-12)
    expect("score of the shorter less the longer", got[0] - got[1], at_least=0.05)
    expect("score of a hundred times over its ceiling", grown[-1] / ceiling, at_most=1)


@breaks(ranked="from 0", en="Counted from zero the first place weighs more than the formula says.", zh="从 0 数起，第一名的分量比公式大。")
def claim_fusion_adds_reciprocal_ranks(ranked="from 1"):
    """Ranks 1 and 3 of two lists add up to 1/61 + 1/63 = 0.03227 and lose against ranks 2 and 1, 0.03252, whatever the scores
    were.

    在两个列表中排第 1 和第 3 的文档得 1/61 + 1/63 = 0.03227，输给排第 2 和第 1 的 0.03252，与原来的分数无关。"""
    first, second = [10, 20, 30], [20, 40, 10]
    got = fuse([first, second], 60 if ranked == "from 1" else 59)
    show(bars(["10", "20", "30", "40"], {"score": [got[d] for d in (10, 20, 30, 40)]}))
    by_hand = [1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 63, 1 / 62]
    expect("fused scores", [got[d] for d in (10, 20, 30, 40)], equals=by_hand, within=1e-12)


@breaks(kind="Chinese questions", en="A question in another language shares no word with the documents, and BM25 finds nothing.",
        zh="换一种语言提问，与文档没有一个相同的词，BM25 什么也找不到。")
@breaks(kind="English questions", en="Questions in known words are found by both.", zh="用见过的词提问，两者都找得到。")
def claim_dense_vectors_miss_new_terms(queries=24, kind="new terms"):
    """BM25 finds the document of a term that no training text held, this linear encoder in under 30%; Chinese questions without Latin
    words find nothing by BM25, and over 30% here.

    对训练文本从未出现过的词，BM25 能找到其文档，这个线性编码器不到 30%；去掉拉丁词的中文问题，BM25 一个也找不到，它超过 30%。"""
    search = Search(1.2, 0.75)
    found = {k: recall_at_10(search, q) for k, q in asked(search, queries).items()}
    show(bars(list(found), {way: [f[way] for f in found.values()] for way in ("bm25", "dense")}, y_label="recall@10"))
    expect("recall@10 of BM25", found[kind]["bm25"], at_least=0.99)
    expect("recall@10 of dense", found[kind]["dense"], at_most=0.3)
    expect("recall@10 of BM25, Chinese questions", found["Chinese questions"]["bm25"], equals=0)
    expect("recall@10 of dense, Chinese questions", found["Chinese questions"]["dense"], at_least=0.3)


@breaks(way="bm25", en="BM25 loses every question in the other language.", zh="另一种语言的问题，BM25 全部输掉。")
@breaks(way="dense", en="Dense vectors lose new terms.", zh="稠密向量输在新词上。")
def claim_fusion_keeps_both(k1=1.2, b=0.75, queries=24, way="fused"):
    """Over new terms, English and Chinese questions together, rank fusion beats BM25 alone and the dense encoder alone by five
    points of recall@10 each.

    新词、英文问题、中文问题各三分之一时，名次融合的 recall@10 比单用 BM25、单用稠密编码器都高出至少五个百分点。"""
    search = Search(k1, b)
    found = {kind: recall_at_10(search, q) for kind, q in asked(search, queries).items()}
    mean = {w: sum(f[w] for f in found.values()) / 3 for w in ("bm25", "dense", "fused")}
    show(bars([*found, "all"], {w: [f[w] for f in found.values()] + [mean[w]] for w in mean}, y_label="recall@10"))
    expect("recall@10 less that of BM25", mean[way] - mean["bm25"], at_least=0.05)
    expect("recall@10 less that of dense", mean[way] - mean["dense"], at_least=0.05)


def drill_fusion(rng) -> Drill:
    """Scores by reciprocal rank fusion."""
    a, b = rng.choice([(1, 3), (2, 1), (1, 40), (4, 5), (10, 10), (1, 1)])
    value = 1 / (60 + a) + 1 / (60 + b)
    return Drill(
        en=f"A document stands at rank {a} of BM25 and rank {b} of the dense search. What is its score by reciprocal rank fusion, k = 60?",
        zh=f"一篇文档在 BM25 中排第 {a}，在稠密检索中排第 {b}。k = 60 时，倒数排名融合的得分是多少？",
        answer=value, within=0.0001,
        steps=[(f"1/{60 + a} + 1/{60 + b} = {1 / (60 + a):.5f} + {1 / (60 + b):.5f}",) * 2, (f"= {value:.5f}",) * 2],
        proved_by="fusion_adds_reciprocal_ranks",
    )


def drill_saturation(rng) -> Drill:
    """How much of its ceiling a term reaches."""
    k1, tf = rng.choice([(1.2, 1), (1.2, 3), (1.0, 4), (2.0, 2), (1.2, 12), (1.5, 6)])
    value = tf * (k1 + 1) / (tf + k1)
    return Drill(
        en=f"A document of mean length holds a query term {tf} times; k1 = {k1}. Which factor of its idf does BM25 give?",
        zh=f"一篇平均长度的文档含某查询词 {tf} 次，k1 = {k1}。BM25 给出其 idf 的多少倍？",
        answer=value, within=0.01,
        steps=[("length over mean length is 1, so the norm is k1", "长度与平均长度之比为 1，所以归一项就是 k1"),
               (f"{tf} · {k1 + 1:g} / ({tf} + {k1}) = {value:.3f}",) * 2],
        proved_by="bm25_saturates_and_forgives_length",
    )


ZH = {
    "times in the document": "在文档中出现的次数", "score": "得分", "idf · (k1 + 1)": "idf · (k1 + 1)", "scores": "得分",
    "score of the shorter less the longer": "短文档得分减长文档", "score of a hundred times over its ceiling": "出现一百次的得分与上限之比",
    "fused scores": "融合得分", "recall@10": "recall@10", "recall@10 of BM25": "BM25 的 recall@10",
    "recall@10 of dense": "稠密的 recall@10", "recall@10 of BM25, Chinese questions": "中文问题上 BM25 的 recall@10",
    "recall@10 of dense, Chinese questions": "中文问题上稠密的 recall@10",
    "bm25": "BM25", "dense": "稠密", "fused": "融合", "new terms": "新词", "English questions": "英文问题",
    "Chinese questions": "中文问题", "all": "平均",
    "recall@10 less that of BM25": "recall@10 减去 BM25 的", "recall@10 less that of dense": "recall@10 减去稠密的",
}  # fmt: skip

if __name__ == "__main__":
    main()
