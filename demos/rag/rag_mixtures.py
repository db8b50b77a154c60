r"""RAG as a mixture over passages: one passage for the whole answer (RAG-Sequence), or a new draw for every token (RAG-Token).

RAG 是对段落的混合：整个答案用同一段（RAG-Sequence），或每个 token 都重新混合（RAG-Token）。

Lewis et al. 2020, §2.1. The two agree for one passage or one token. Turn `length` to 1. Most deployed systems do neither: they put
the passages into one prompt.
两者在只有一段或只有一个 token 时相同：把 `length` 调到 1。部署的系统多半两者都不用，而是把段落拼进同一个提示。
"""

from itertools import product

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show


@exercise(claims=("both_are_distributions", "they_differ_beyond_one_token", "only_the_token_mixture_stitches"),
          wrong=("mixes_per_token", "takes_the_best_passage", "averages_logarithms"))
def rag_sequence(prior: Tensor, tokens: Tensor) -> Tensor:
    """Probability of one answer: prior (passages,) is p(z|x), tokens (passages, length) is p(y_i | x, z, y_<i) for its tokens.

    一个答案的概率：prior (passages,) 是 p(z|x)，tokens (passages, length) 是它每个 token 的 p(y_i | x, z, y_<i)。"""
    return (prior * tokens.prod(1)).sum()


@exercise(claims=("both_are_distributions", "they_differ_beyond_one_token", "only_the_token_mixture_stitches"),
          wrong=("mixes_per_answer", "forgets_the_prior"))
def rag_token(prior: Tensor, tokens: Tensor) -> Tensor:
    """The same with the mixture taken anew at each token; prior (passages,), tokens (passages, length).

    同上，但每个 token 各自做一次混合；prior (passages,)，tokens (passages, length)。"""
    return (prior[:, None] * tokens).sum(0).prod()


def all_answers(passages: int, length: int, vocabulary: int, spread: float = 2.0) -> tuple[Tensor, list[Tensor]]:
    """A random prior, and of every answer the token probabilities under each passage; a token depends on passage and the token before."""
    prior = torch.randn(passages, dtype=torch.float64).softmax(0)
    table = (spread * torch.randn(passages, vocabulary + 1, vocabulary, dtype=torch.float64)).softmax(-1)   # last row: the start
    answers = []
    for answer in product(range(vocabulary), repeat=length):
        before = (vocabulary, *answer[:-1])
        answers.append(torch.stack([table[:, b, y] for b, y in zip(before, answer, strict=True)], 1))       # (passages, length)
    return prior, answers


WAYS = {"sequence": rag_sequence, "token": rag_token}
RANGES = {"passages": between(1, 6), "length": between(1, 4), "vocabulary": between(2, 4), "prior": one_of("softmax", "scores"),
          "way": one_of("token", "sequence"), "first": between(0.2, 0.8)}


@breaks(prior="scores", en="Raw retrieval scores do not sum to one over the passages, so the answers do not either.",
        zh="原始检索得分在段落上之和不为 1，答案的概率之和也就不为 1。")
def claim_both_are_distributions(passages=3, length=3, vocabulary=3, prior="softmax"):
    """Over all possible answers the probabilities of RAG-Sequence sum to one, and so do those of RAG-Token.

    对所有可能的答案求和，RAG-Sequence 的概率为 1，RAG-Token 的也为 1。"""
    p, answers = all_answers(passages, length, vocabulary)
    if prior == "scores":
        p = 1.5 * p
    sums = [torch.stack([way(p, tokens) for tokens in answers]).sum() for way in WAYS.values()]
    show(bars(["RAG-Sequence", "RAG-Token"], {"sum over all answers": sums}))
    expect("sum over all answers", sums, equals=1, within=1e-12)                # a few hundred additions of float64


@breaks(length=1, en="With one token there is nothing to draw anew.", zh="只有一个 token，没有第二次混合。")
@breaks(passages=1, en="With one passage both are its own probability.", zh="只有一段时，两者都是该段自己的概率。")
def claim_they_differ_beyond_one_token(passages=3, length=3, vocabulary=3):
    """RAG-Sequence and RAG-Token agree for one passage or one token; with two of both they give the same answer different probabilities.

    只有一段或一个 token 时，RAG-Sequence 与 RAG-Token 相同；两段、两个 token 时，对同一答案给出的概率就不同。"""
    prior, answers = all_answers(passages, length, vocabulary)
    gap = torch.stack([rag_sequence(prior, tokens) - rag_token(prior, tokens) for tokens in answers])
    one_prior, one_token = all_answers(passages, 1, vocabulary)
    same = torch.stack([rag_sequence(one_prior, tokens) - rag_token(one_prior, tokens) for tokens in one_token])
    sole_prior, sole = all_answers(1, length, vocabulary)
    alone = torch.stack([rag_sequence(sole_prior, tokens) - rag_token(sole_prior, tokens) for tokens in sole])
    show(bars(["several of both", "one token", "one passage"], {"largest difference": [gap.abs().max(), same.abs().max(),
        alone.abs().max()]}))
    expect("largest difference", gap.abs().max(), at_least=1e-4)
    expect("difference for one token", same, equals=0, within=1e-14)
    expect("difference for one passage", alone, equals=0, within=1e-14)


@breaks(way="sequence", en="One passage for the whole answer cannot take a word from each.", zh="整个答案只用一段，不可能各取一个词。")
def claim_only_the_token_mixture_stitches(first=0.4, way="token"):
    """Two passages each sure of another two-word answer: RAG-Token gives p(1 − p) to a half of each, RAG-Sequence nothing.

    两段各自确信一个两词答案：各取一半拼成的答案，RAG-Token 给出 p(1 − p)，RAG-Sequence 给 0。"""
    prior = torch.tensor([first, 1 - first], dtype=torch.float64)
    stitched = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)      # word 1 of passage 1, word 2 of passage 2
    show(bars(["RAG-Sequence", "RAG-Token"], {"probability of the stitched answer": [w(prior, stitched) for w in WAYS.values()]}))
    expect("probability of the stitched answer", WAYS[way](prior, stitched), equals=first * (1 - first), within=1e-12)
    expect("that of RAG-Sequence", rag_sequence(prior, stitched), equals=0)


def drill_answer_probability(rng) -> Drill:
    """Sum of prior times answer."""
    prior = rng.choice([(0.5, 0.3, 0.2), (0.6, 0.3, 0.1), (0.4, 0.4, 0.2)])
    answer = rng.choice([(0.9, 0.2, 0.1), (0.8, 0.5, 0.0), (0.5, 0.4, 0.3)])
    value = rag_sequence(torch.tensor(prior, dtype=torch.float64), torch.tensor(answer, dtype=torch.float64)[:, None]).item()
    terms = " + ".join(f"{p:g}·{a:g}" for p, a in zip(prior, answer, strict=True))
    return Drill(
        en=f"RAG-Sequence, three passages with p(z|x) = {prior[0]:g}, {prior[1]:g}, {prior[2]:g}; the answer has probability "
           f"{answer[0]:g}, {answer[1]:g}, {answer[2]:g} given each. What is its probability?",
        zh=f"RAG-Sequence，三段的 p(z|x) 为 {prior[0]:g}、{prior[1]:g}、{prior[2]:g}；给定各段，答案的概率为 {answer[0]:g}、{answer[1]:g}、"
           f"{answer[2]:g}。答案的概率是多少？",
        answer=value, within=0.005,
        steps=[("sum over the passages of p(z|x) times p(y|x, z)", "对段落求和：p(z|x) 乘 p(y|x, z)"),
               (f"{terms} = {value:.3f}", f"{terms} = {value:.3f}")],
        proved_by="both_are_distributions")


ZH = {
    "sum over all answers": "对所有答案求和", "several of both": "两者都多", "one token": "一个 token", "one passage": "一段",
    "largest difference": "最大差",
    "difference for one token": "一个 token 时的差",
    "difference for one passage": "只有一段时的差", "probability of the stitched answer": "拼接答案的概率",
    "that of RAG-Sequence": "RAG-Sequence 的概率", "RAG-Sequence": "RAG-Sequence", "RAG-Token": "RAG-Token",
}

if __name__ == "__main__":
    main()
