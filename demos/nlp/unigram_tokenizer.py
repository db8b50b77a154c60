r"""Unigram gives every piece a probability: the best split is found by Viterbi, the probabilities by EM.

Unigram 给每个片段一个概率：最好的切分用 Viterbi 求，概率用 EM 学。

Kudo 2018. It starts with too many pieces and prunes, where BPE starts with too few and merges. Turn `method` to
"longest piece": the longest piece from the left is often not the most probable split.
把 `method` 改为 "longest piece"：从左取最长片段，往往不是概率最大的切分。
"""

import itertools
import math
from collections import Counter

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

WORDS = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
Pieces = dict[str, float]


@exercise(claims=("viterbi_equals_trying_all_splits",), wrong=("takes_the_longest", "takes_the_fewest"))
def viterbi(text: str, p: Pieces) -> list[str]:
    """The split of a text whose product of piece probabilities is largest. Each single character has a probability.

    概率之积最大的切分；每个单字符都有概率。"""
    best = [0.0] + [-math.inf] * len(text)                       # best[i]: log-probability of the first i characters
    back = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(end):
            piece = text[start:end]
            if piece in p and best[start] + math.log(p[piece]) > best[end]:
                best[end], back[end] = best[start] + math.log(p[piece]), start
    pieces, end = [], len(text)
    while end:                                                   # from the end to where each piece began
        pieces.append(text[back[end] : end])
        end = back[end]
    return pieces[::-1]


@exercise(claims=("em_raises_the_likelihood",), wrong=("counts_the_best_split_only", "forgets_what_follows"))
def expected_counts(text: str, p: Pieces) -> tuple[dict[str, float], float]:
    """How often each piece is expected in a text, over all its splits weighted by their probability, and the
    probability of the text: the sum over all splits.

    对一段文本的所有切分按概率加权，每个片段期望出现几次；以及文本的概率，即全部切分的概率之和。"""
    n = len(text)
    forward, backward = [1.0] + [0.0] * n, [0.0] * n + [1.0]     # all ways to spell text[:i], text[i:]
    for end in range(1, n + 1):
        forward[end] = sum(forward[s] * p.get(text[s:end], 0.0) for s in range(end))
    for start in reversed(range(n)):
        backward[start] = sum(p.get(text[start:e], 0.0) * backward[e] for e in range(start + 1, n + 1))
    counts: dict[str, float] = {}
    for start, end in itertools.combinations(range(n + 1), 2):
        piece = text[start:end]
        if piece in p:                                           # all splits that use the piece here
            share = forward[start] * p[piece] * backward[end] / forward[n]
            counts[piece] = counts.get(piece, 0.0) + share
    return counts, forward[n]


def splits(text: str, p: Pieces) -> dict[tuple[str, ...], float]:
    """Every split into known pieces with its probability: all 2^(n−1) cuts are tried."""
    found = {}
    for cuts in itertools.product([False, True], repeat=len(text) - 1):
        ends = [i + 1 for i, cut in enumerate(cuts) if cut] + [len(text)]
        pieces = tuple(text[a:b] for a, b in itertools.pairwise([0, *ends]))
        if all(piece in p for piece in pieces):
            found[pieces] = math.prod(p[piece] for piece in pieces)
    return found


def seed_pieces(words: dict[str, int]) -> Pieces:
    """Every substring that occurs, its probability proportional to its count."""
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for a, b in itertools.combinations(range(len(word) + 1), 2):
            counts[word[a:b]] += times
    return {piece: n / counts.total() for piece, n in counts.items()}


def step(words: dict[str, int], p: Pieces, counted: str = "all splits") -> tuple[Pieces, float]:
    """One step of EM, and the log-likelihood before it; single characters keep a little probability."""
    totals: Counter[str] = Counter()
    likelihood = 0.0
    for word, times in words.items():
        counts, probability = expected_counts(word, p)
        if counted == "best split":
            counts = Counter(viterbi(word, p))
        for piece, n in counts.items():
            totals[piece] += times * n                           # type: ignore[assignment]
        likelihood += times * math.log(probability)
    kept = {piece: totals[piece] + 1e-9 for piece in p if totals[piece] > 1e-6 or len(piece) == 1}
    total = sum(kept.values())
    return {piece: n / total for piece, n in kept.items()}, likelihood


def likelihood_of(words: dict[str, int], p: Pieces) -> float:
    return sum(n * math.log(expected_counts(w, p)[1]) for w, n in words.items())


RANGES = {
    "trials": between(20, 100), "method": one_of("viterbi", "longest piece"), "steps": between(2, 12),
    "counted": one_of("all splits", "best split"), "pruned": one_of("least loss", "rarest"),
    "samples": between(200, 1000), "drawn": one_of("by probability", "evenly"),
}


def longest(text: str, p: Pieces) -> list[str]:
    out = []
    while text:
        n = max(n for n in range(1, len(text) + 1) if text[:n] in p)
        out, text = [*out, text[:n]], text[n:]
    return out


@breaks(method="longest piece", en="The longest piece from the left ignores what the rest then costs.",
        zh="从左取最长片段，不管剩下的部分代价多大。")
def claim_viterbi_equals_trying_all_splits(trials=40, method="viterbi"):
    """Of all 2^(n−1) ways to cut a text Viterbi finds the most probable one in n² steps.

    一段文本有 2^(n−1) 种切法，Viterbi 用 n² 步就找到概率最大的那种。"""
    texts = ["".join("ABC"[int(i)] for i in torch.randint(3, (8,))) for _ in range(trials)]
    random = {"".join(t): float(torch.rand(()) * 0.2) + 1e-3 for n in (1, 2, 3) for t in itertools.product("ABC", repeat=n)}
    best = [max(splits(t, random).values()) for t in texts]
    found = [math.prod(random[x] for x in (viterbi if method == "viterbi" else longest)(t, random)) for t in texts]
    show(table({"text": texts[:6], "split": ["|".join(viterbi(t, random)) for t in texts[:6]],
                "longest piece": ["|".join(longest(t, random)) for t in texts[:6]]}))
    # products of up to eight factors in float64
    expect("probability over the best of all splits", [f / b for f, b in zip(found, best, strict=True)], equals=1, within=1e-9)


@breaks(counted="best split", en="Counting the best split alone is not the expectation.",
        zh="只数最好的切分，就不是期望。")
def claim_em_raises_the_likelihood(steps=8, counted="all splits"):
    """EM counts each piece over all splits, weighted by their probability: forward and backward sums give what
    enumeration gives, and no step lowers the likelihood of the corpus.

    EM 在所有切分上按概率加权来数每个片段：前向与后向求和等于逐一枚举，而且每一步都不降低语料的似然。"""
    p, curve, ours, enumerated = seed_pieces(WORDS), [], [], []
    totals: Counter[str] = Counter()
    for done in range(steps):
        for word, times in WORDS.items():
            all_splits = splits(word, p)
            total = sum(all_splits.values())
            counts = expected_counts(word, p)[0] if counted == "all splits" else Counter(viterbi(word, p))
            for piece in {x for s in all_splits for x in s}:
                ours.append(float(counts.get(piece, 0)))
                enumerated.append(sum(q / total * s.count(piece) for s, q in all_splits.items()))
                totals[piece] += times * enumerated[-1] if done == steps - 1 else 0  # type: ignore[assignment]
        p, likelihood = step(WORDS, p, counted)
        curve.append(likelihood)
    kept = sum(totals[x] for x in p)
    show(lines("step", range(steps), {"log-likelihood": curve}))
    expect("expected counts, and by enumeration", ours, equals=enumerated, within=1e-9)
    # pieces that fall below 1e-6 of a count are left out, characters keep 1e-9
    expect("new probabilities, from weighted counts", [p[x] - totals[x] / kept for x in p], equals=0, within=1e-6)
    rises = [b - a for a, b in itertools.pairwise(curve)]
    expect("rise of the log-likelihood", rises, at_least=0, within=1e-6)       # 1e-9 kept for characters, 36 words


@breaks(pruned="rarest", en="The rarest piece is not the one that the likelihood misses least.",
        zh="最少见的片段，并不是似然最不需要的那个。")
def claim_pruning_goes_by_likelihood(pruned="least loss"):
    """Pruning drops the piece that the likelihood misses least, not the rarest: of all substrings of five words the
    frequent ug goes first; the rare bun would cost 7.4 nats.

    剪枝去掉似然最不需要的片段，而不是最少见的：从五个词的全部子串开始，最先去掉的是常见的 ug；少见的 bun 若去掉，
    要损失 7.4 nat。"""
    p = seed_pieces(WORDS)
    before, long, loss = likelihood_of(WORDS, p), [piece for piece in p if len(piece) > 1], {}
    for piece in long:                                           # single characters are never dropped
        rest = {x: q for x, q in p.items() if x != piece}
        total = sum(rest.values())
        loss[piece] = before - likelihood_of(WORDS, {x: q / total for x, q in rest.items()})
    chosen = min(long, key=(loss if pruned == "least loss" else p).__getitem__)
    show(bars(long, {"loss without it": [loss[x] for x in long]}),
         table({"piece": long, "probability": [p[x] for x in long]}))
    expect("the piece that goes first", chosen, equals="ug")
    expect("its probability, less the largest", p[chosen] - max(p[x] for x in long), equals=0)
    expect("loss without bun", loss["bun"], equals=7.4, within=0.05)


@breaks(drawn="evenly", en="Drawn evenly, improbable splits come as often as the best.",
        zh="均匀抽样时，概率低的切分与最好的一样常见。")
def claim_a_word_has_many_splits(samples=400, drawn="by probability"):
    """Unigram gives each split of a word a probability, so splits can be drawn for training; BPE has one split only.

    Unigram 给一个词的每种切分一个概率，训练时可以按概率抽样；BPE 只有一种切分。"""
    all_splits = splits("hugs", seed_pieces(WORDS))
    total = sum(all_splits.values())
    exact = torch.tensor([q / total for q in all_splits.values()], dtype=torch.float64)
    weights = exact if drawn == "by probability" else torch.ones_like(exact)
    share = torch.multinomial(weights, samples, replacement=True).bincount(minlength=len(exact)) / samples
    show(bars(["|".join(s) for s in all_splits], {"drawn": share, "exact": exact}))
    expect("splits of hugs", len(all_splits), equals=8)
    # five standard errors of a share, and four draws: the rarest split is expected less than once
    expect("share", share, equals=exact, within=5 * (exact * (1 - exact) / samples).sqrt() + 4 / samples,
           at=("split", ["|".join(s) for s in all_splits]))


def drill_best_split(rng) -> Drill:
    """The probability of the best split of a short word."""
    p = {"a": 0.1, "b": 0.1, "c": 0.1, "ab": rng.choice([0.02, 0.05, 0.2]), "bc": rng.choice([0.03, 0.06, 0.1]),
         "abc": rng.choice([0.001, 0.004, 0.01])}
    all_splits = splits("abc", p)
    best = viterbi("abc", p)
    text = ", ".join(f"p({x}) = {q:g}" for x, q in p.items())
    terms = "; ".join(f"{'|'.join(s)}: {q:.4g}" for s, q in all_splits.items())
    return Drill(
        en=f"Unigram: {text}. What is the probability of the best split of “abc”?",
        zh=f"Unigram：{text}。“abc” 最好的切分概率是多少？",
        answer=math.prod(p[x] for x in best), proved_by="viterbi_equals_trying_all_splits",
        steps=[(terms, terms), (f"the largest is {'|'.join(best)}", f"最大的是 {'|'.join(best)}")])


ZH = {
    "text": "文本", "split": "切分", "longest piece": "最长片段", "{}|{}": "{}|{}", "step": "步",
    "probability over the best of all splits": "概率与所有切分中最大者之比", "log-likelihood": "对数似然",
    "expected counts, and by enumeration": "期望计数与逐一枚举", "rise of the log-likelihood": "对数似然的增量",
    "new probabilities, from weighted counts": "新概率与加权计数之差",
    "loss without it": "去掉它的损失", "probability": "概率", "piece": "片段", "loss without bun": "去掉 bun 的损失",
    "the piece that goes first": "最先去掉的片段", "its probability, less the largest": "其概率减最大概率",
    "drawn": "抽样", "exact": "精确值",
    "share": "占比", "splits of hugs": "hugs 的切分数", "hugs": "hugs", "hug": "hug", "ug": "ug", "hu": "hu", "pu": "pu",
    "pug": "pug", "un": "un", "pun": "pun", "bu": "bu", "bun": "bun", "ugs": "ugs", "gs": "gs",
}

if __name__ == "__main__":
    main()
