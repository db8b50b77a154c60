r"""Taking stop words out before embedding makes opposite questions the same text; leaving them in costs a sparse index next to nothing.

嵌入前去掉停用词，会把意思相反的问题变成同一段文本；留着它们，对稀疏索引也几乎没有代价。

Turn `removed` to "all but negations": the four pairs are told apart again.
把 `removed` 改为 "all but negations"：四对问题又能分开了。
"""

import math

from studyapp.evidence import bars, between, breaks, each, expect, lines, main, one_of, show

# Of NLTK's English list: the words that occur below.
NEGATIONS = {"not", "no", "nor", "don't"}
STOP_WORDS = {"which", "do", "with", "is", "the", "a", "in", "it", "to", "on", "of", "how", "i", "can", "before", "after", "over", "under",
              "be", "or", "an", "for"} | NEGATIONS
OPPOSITES = [("which drugs interact with aspirin", "which drugs do not interact with aspirin"),
             ("take the tablets before a meal", "take the tablets after a meal"),
             ("refunds for orders over 50 euros", "refunds for orders under 50 euros"),
             ("restart the server", "do not restart the server")]
RANGES = {"removed": one_of("all", "all but negations"), "passages": each(between(10, 100000), at_least=2, rising=True),
          "share": between(0.5, 1.0)}


def without_stop_words(text: str, removed: str = "all") -> list[str]:
    """The words of a text that are left."""
    gone = STOP_WORDS if removed == "all" else STOP_WORDS - NEGATIONS - {"before", "after", "over", "under"}
    return [word for word in text.split() if word not in gone]


def idf(found_in: float, passages: int) -> float:
    """BM25's weight of a word that stands in `found_in` of `passages` passages, as Lucene has it."""
    return math.log(1 + (passages - found_in + 0.5) / (found_in + 0.5))


@breaks(removed="all but negations", en="With not, before and under kept, every pair stays two texts.",
        zh="留下 not、before、under，每一对仍是两段文本。")
def claim_opposites_become_one_text(removed="all"):
    """Without stop words four pairs of opposite requests are word for word the same, so that no encoder can tell them apart.

    去掉停用词后，四对意思相反的请求逐字相同，任何编码器都无法区分。"""
    same = [without_stop_words(a, removed) == without_stop_words(b, removed) for a, b in OPPOSITES]
    show(bars([a for a, _ in OPPOSITES], {"same text as its opposite": [float(s) for s in same]}))
    expect("pairs that became one text", sum(same), equals=len(OPPOSITES))


@breaks(share=0.5, en="A word in half of the passages still weighs ln 2 per hit.", zh="出现在一半段落里的词，每次命中仍有 ln 2 的权重。")
def claim_a_sparse_index_weighs_them_down(passages=(100, 1000, 10000), share=1.0):
    """A word in every passage gets the BM25 weight ln(1 + 1/(2N + 1)), under 1/(2N): nothing is won by taking it out.

    每段都出现的词，BM25 权重为 ln(1 + 1/(2N + 1))，小于 1/(2N)：去掉它没有什么好处。"""
    weights = [idf(share * n, n) for n in passages]
    rare = [idf(1, n) for n in passages]
    show(lines("passages", passages, {"weight of the word": weights, "weight of a word in one passage": rare}, log="xy"))
    # 0.0513 = ln(1 + 0.05 / 0.95): what a word in 95 per cent of many passages weighs; half a passage more or less is 0.5 / (0.95 · N).
    expect("weight of the word", weights, at_most=[0.052 + 1 / n for n in passages], at=("passages", passages))
    expect("weight less 1/(2N), in every passage", [idf(n, n) - 1 / (2 * n) for n in passages], at_most=0)


ZH = {
    "same text as its opposite": "与相反请求文本相同", "pairs that became one text": "变成同一文本的对数", "passages": "段落数",
    "weight of the word": "该词的权重", "weight of a word in one passage": "只出现在一段里的词的权重",
    "weight less 1/(2N), in every passage": "每段都出现时，权重减 1/(2N)", "all but negations": "除否定词外全部", "all": "全部",
    "which drugs interact with aspirin": "哪些药与阿司匹林相互作用", "take the tablets before a meal": "饭前服药",
    "refunds for orders over 50 euros": "50 欧元以上订单的退款", "restart the server": "重启服务器",
}

if __name__ == "__main__":
    main()
