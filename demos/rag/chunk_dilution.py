r"""One vector for a document of many facts lies far from each fact: chunks answer narrow questions, whole vectors wide ones.

一篇含许多事实的文档若只用一个向量，它离每个事实都远：分块适合问细节，整篇向量适合问整体。

Each fact is a unit vector; a document is n of them. Turn `asks` to "the whole document": the order of the two turns round.
每个事实是一个单位向量，文档由 n 个组成。把 `asks` 改为 "the whole document"：两者的优劣反过来。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


def pooled(facts: Tensor) -> Tensor:
    """One unit vector per document: the mean of its facts. facts (documents, n, d) → (documents, d)."""
    return F.normalize(facts.mean(1), dim=-1)


@exercise(claims=("the_best_chunk_names_its_document", "narrow_questions_want_chunks"), wrong=("takes_the_mean", "forgets_the_parent"))
def by_chunks(queries: Tensor, facts: Tensor) -> Tensor:
    """Score of a document: that of its best chunk. queries (queries, d), facts (documents, n, d), unit vectors; the scores
    (queries, documents).

    文档的得分是其最佳分块的得分。queries (queries, d)，facts (documents, n, d)，均为单位向量；得分 (queries, documents)。"""
    documents, n, _ = facts.shape
    every = queries @ facts.flatten(0, 1).T                     # (queries, documents · n)
    return every.unflatten(1, (documents, n)).amax(2)           # the best chunk speaks for its document


def by_pool(queries: Tensor, facts: Tensor) -> Tensor:
    """Score of a document: the cosine of its one vector, (queries, documents)."""
    return queries @ pooled(facts).T


def recall_at_1(documents: int, n: int, d: int, noise: float, asks: str) -> tuple[float, float]:
    """Recall@1 of one vector and of chunks, for queries about one fact or about all facts of a document."""
    facts = F.normalize(torch.randn(documents, n, d), dim=-1)
    target = facts[:, 0] if asks == "one fact" else pooled(facts)
    queries = F.normalize(target + noise * torch.randn(documents, d) / d**0.5, dim=-1)
    own = torch.arange(documents)
    return tuple(float((way(queries, facts).argmax(1) == own).float().mean()) for way in (by_pool, by_chunks))


RANGES = {
    "sizes": each(between(1, 64), at_least=2, at_most=8, rising=True), "similarity": between(0.0, 0.9), "n": between(56, 64),
    "documents": between(100, 200), "noise": between(0.95, 1.1), "stored": one_of("one vector", "chunks"),
    "asks": one_of("one fact", "the whole document"),
}  # fmt: skip


@breaks(stored="chunks", en="A chunk that holds the fact alone has cosine 1, whatever stands around it.",
        zh="只含该事实的分块余弦为 1，与旁边有什么无关。")
def claim_cosine_falls_to_the_root_of_similarity(sizes=(1, 4, 16, 64), similarity=0.2, stored="one vector"):
    """With similarity s between the n facts of a document, a question for one of them has cosine √((1 + (n−1)s)/n) with
    their mean: 1/√n for unrelated facts, and √s in the long run.

    文档的 n 个事实两两相似度为 s 时，问其中一个的问题与它们均值的余弦是 √((1 + (n−1)s)/n)：互不相关时为 1/√n，很长时趋于 √s。"""
    found, unrelated = [], []
    for n in sizes:
        basis = torch.eye(n + 1, dtype=torch.float64)
        for s, into in ((similarity, found), (0.0, unrelated)):
            facts = s**0.5 * basis[0] + (1 - s) ** 0.5 * basis[1:]          # (n, n + 1): pairwise cosine s
            into.append((by_pool if stored == "one vector" else by_chunks)(facts[:1], facts[None])[0, 0])
    show(lines("facts in the document", sizes, {f"similarity {similarity:g}": found, "unrelated": unrelated}, log="x",
               y_label="cosine"))
    formula = [((1 + (n - 1) * similarity) / n) ** 0.5 for n in sizes]
    expect("cosine", found, equals=formula, within=1e-9, at=("facts", sizes))
    expect("cosine of unrelated facts", unrelated, equals=[n**-0.5 for n in sizes], within=1e-9, at=("facts", sizes))


@breaks(asks="the whole document", en="The pooled vector is the very thing that such a question asks for.",
        zh="这类问题要的正是整篇的平均向量。")
def claim_narrow_questions_want_chunks(n=64, documents=200, noise=1.0, asks="one fact"):
    """For questions about one of 64 facts (noise as long as the fact), chunks find the document at least twice as often as one
    vector.

    问 64 个事实之一（噪声与事实等长）时，分块找对文档的次数至少是单向量的两倍。"""
    sizes = [m for m in (1, 4, 16) if m < n] + [n]
    pairs = [recall_at_1(documents, m, 256, noise, asks) for m in sizes]
    show(lines("facts in the document", sizes, {"one vector": [p[0] for p in pairs], "chunks": [p[1] for p in pairs]}, log="x",
               y_label="recall@1"))
    expect("recall@1 of one vector", pairs[-1][0], at_most=0.45)
    expect("recall@1 of chunks less twice that of one vector", pairs[-1][1] - 2 * pairs[-1][0], at_least=0)


@breaks(asks="one fact", en="A question for one fact is what one vector dilutes.", zh="只问一个事实时，单向量恰恰把它稀释了。")
def claim_wide_questions_want_one_vector(n=64, documents=200, noise=1.0, asks="the whole document"):
    """For questions about the whole of a document, its one vector finds it in over 95%, and the best chunk in fewer cases.

    问整篇内容时，整篇的一个向量有 95% 以上能找到它，最佳分块则更少。"""
    sizes = [m for m in (1, 4, 16) if m < n] + [n]
    pairs = [recall_at_1(documents, m, 256, noise, asks) for m in sizes]
    show(lines("facts in the document", sizes, {"one vector": [p[0] for p in pairs], "chunks": [p[1] for p in pairs]}, log="x",
               y_label="recall@1"))
    expect("recall@1 of one vector", pairs[-1][0], at_least=0.95)
    expect("recall@1 of one vector less that of chunks", pairs[-1][0] - pairs[-1][1], at_least=0.05)


@breaks(stored="one vector", en="The mean of ten facts points to a document that has none of them exactly.",
        zh="十个事实的均值指向的，可能是一个事实都不含的文档。")
def claim_the_best_chunk_names_its_document(stored="chunks"):
    """A document of ten facts of which one answers the question exactly loses against one of ten vaguely related facts, where
    both are pooled; its best chunk wins.

    一篇文档十个事实中有一个正好回答问题，另一篇十个都只是略微相关：都取均值时前者输，看最佳分块时前者胜。"""
    basis = torch.eye(22, dtype=torch.float64)
    exact = basis[:10]                                          # one fact is the question, nine are unrelated
    vague = 0.6 * basis[0] + 0.8 * basis[10:20]                 # all ten at cosine 0.6
    facts, question = torch.stack([exact, vague]), basis[:1]
    scores = (by_pool if stored == "one vector" else by_chunks)(question, facts)[0]
    show(lines("document", [1, 2], {"one vector": by_pool(question, facts)[0], "chunks": by_chunks(question, facts)[0]}, y_label="score"))
    by_hand = [max(float(question[0] @ f) for f in one) for one in facts]
    expect("scores of the two documents", scores, equals=by_hand, within=1e-12)
    expect("lead of the document with the answer", scores[0] - scores[1], at_least=0.3)


def drill_root_n(rng) -> Drill:
    """The cosine of one fact with the mean of n."""
    n, s = rng.choice([(4, 0), (16, 0), (25, 0), (100, 0), (9, 0), (4, 0.2), (10, 0.4), (5, 0.25)])
    value = ((1 + (n - 1) * s) / n) ** 0.5
    en, zh = (("unrelated (orthogonal)", "互不相关（正交）") if not s else (f"at a cosine of {s:g} to one another", f"两两余弦为 {s:g}"))
    return Drill(
        en=f"A document vector is the mean of {n} unit fact vectors, {en}. What is its cosine with a query for one fact?",
        zh=f"文档向量是 {n} 个单位事实向量的均值，它们{zh}。它与只问其中一个事实的查询余弦是多少？",
        answer=value, within=0.01,
        steps=[(f"fact · mean = (1 + {n - 1} · {s:g}) / {n} = {value**2:.3f}",) * 2,
               (f"length of the mean = √{value**2:.3f}", f"均值的模长 = √{value**2:.3f}"),
               (f"cosine = √{value**2:.3f} = {value:.3f}", f"余弦 = √{value**2:.3f} = {value:.3f}")],
        proved_by="cosine_falls_to_the_root_of_similarity",
    )


ZH = {
    "facts in the document": "文档中的事实数", "similarity {}": "相似度 {}", "unrelated": "互不相关", "cosine": "余弦", "facts": "事实数",
    "cosine of unrelated facts": "互不相关时的余弦", "one vector": "单向量", "chunks": "分块", "recall@1": "recall@1",
    "recall@1 of one vector": "单向量的 recall@1", "recall@1 of chunks less twice that of one vector": "分块的 recall@1 减去单向量的两倍",
    "recall@1 of one vector less that of chunks": "单向量的 recall@1 减去分块的", "document": "文档", "score": "得分",
    "scores of the two documents": "两篇文档的得分", "lead of the document with the answer": "含答案的文档领先多少",
}  # fmt: skip

if __name__ == "__main__":
    main()
