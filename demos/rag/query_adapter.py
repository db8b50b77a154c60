r"""Queries that live in another place than documents: an adapter fitted on pairs, or a hypothetical document, and where each fails.

查询与文档不在同一处：用配对拟合适配器，或先生成假想文档；各自何时失败。

Adapter: orthogonal Procrustes (Schönemann 1966). HyDE: Gao et al. 2022. Turn `fitted` to "on 20 pairs" in 128 dimensions: too few to fix
the map. 把 `fitted` 改为 "on 20 pairs"（128 维）：配对太少，映射定不下来。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, lines, main, one_of, show

D, DOCUMENTS = 128, 400


@exercise(claims=("few_pairs_leave_the_map_open",), wrong=("turns_the_wrong_way", "matches_the_means_only"))
def procrustes(queries: Tensor, documents: Tensor) -> Tensor:
    """The orthogonal matrix w (d, d) that brings queries @ w nearest to documents, both (pairs, d), in squared error.

    使 queries @ w 在平方误差下最接近 documents 的正交矩阵 w (d, d)；两者均为 (pairs, d)。"""
    u, _, vt = torch.linalg.svd(queries.T @ documents)
    return u @ vt


def recall(queries: Tensor, documents: Tensor) -> float:
    """The share of queries whose nearest document is their own."""
    nearest = (F.normalize(queries, dim=1) @ F.normalize(documents, dim=1).T).argmax(1)
    return float((nearest == torch.arange(len(queries))).float().mean())


RANGES = {
    "pairs": between(130, 200), "wrong": between(0.2, 0.5), "fitted": one_of("on all pairs", "on 20 pairs"),
    "guess": one_of("a wrong document sometimes", "the right one"),
}  # fmt: skip


@breaks(fitted="on 20 pairs", en="Twenty pairs fix a map of twenty directions; the other 108 stay as they were.",
        zh="20 对只定得下 20 个方向，其余 108 个任意。")
def claim_few_pairs_leave_the_map_open(pairs=150, fitted="on all pairs"):
    """Queries in a rotated copy of a 128-dimensional space find nothing; an orthogonal adapter fitted on 150 pairs finds over 90% of
    held-out documents, on 20 pairs under 30%.

    查询位于 128 维空间的旋转副本中，什么也找不到；正交适配器用 150 对拟合，能找到 90% 以上未见过的文档，用 20 对则不到 30%。"""
    documents = torch.randn(DOCUMENTS, D)
    turn = torch.linalg.qr(torch.randn(D, D)).Q
    queries = (documents + 0.3 * torch.randn(DOCUMENTS, D)) @ turn
    held = slice(200, None)
    counts = sorted({5, 20, 60, pairs})
    found = [recall(queries[held] @ procrustes(queries[:n], documents[:n]), documents[held]) for n in counts]
    raw = recall(queries[held], documents[held])
    show(lines("pairs", counts, {"adapted": found, "raw": [raw] * len(counts)}, y_label="recall@1"))
    # Chance is 1/200: more than 10 of 200 right has a probability below 1e-7.
    expect("recall@1 raw", raw, at_most=0.05)
    expect("recall@1 on 20 pairs", found[counts.index(20)], at_most=0.3)
    expect("recall@1 adapted", found[counts.index(pairs if fitted == "on all pairs" else 20)], at_least=0.9)


@breaks(guess="the right one", en="A guess that is always right loses nothing.", zh="总是猜对，自然没有损失。")
def claim_a_hypothetical_document_is_as_right_as_its_guess(wrong=0.3, guess="a wrong document sometimes"):
    """Searching with generated answers that point to a wrong document in 30% of cases finds the right one in about 70%: the
    retriever cannot know.

    用生成的答案去检索，若 30% 指向错误的文档，就只有约 70% 找对：检索器无从得知。"""
    documents = torch.randn(DOCUMENTS, D)
    lost = torch.rand(DOCUMENTS) < (wrong if guess == "a wrong document sometimes" else 0.0)
    meant = torch.where(lost, (torch.arange(DOCUMENTS) + 1) % DOCUMENTS, torch.arange(DOCUMENTS))
    generated = documents[meant] + 0.5 * torch.randn(DOCUMENTS, D)
    found = recall(generated, documents)
    show(bars(["generated answers"], {"recall@1": [found], "share of right guesses": [1 - wrong]}))
    expect("recall@1 less the share of right guesses", found - (1 - wrong), equals=0, within=4 * (wrong * (1 - wrong) / DOCUMENTS) ** 0.5)


ZH = {
    "pairs": "配对数", "adapted": "适配后", "raw": "原样", "recall@1": "recall@1", "recall@1 raw": "原样的 recall@1",
    "recall@1 adapted": "适配后的 recall@1", "recall@1 on 20 pairs": "20 对时的 recall@1",
    "generated answers": "生成的答案", "share of right guesses": "猜对的比例",
    "recall@1 less the share of right guesses": "recall@1 减去猜对的比例",
}  # fmt: skip

if __name__ == "__main__":
    main()
