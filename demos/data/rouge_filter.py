r"""Self-Instruct keeps a generated prompt if its ROUGE-L to every earlier one is at most 0.7: copies go, meanings repeat.

Self-Instruct 留下与此前每条的 ROUGE-L 都不超过 0.7 的生成提示：去掉的是抄写，重复的意思仍在。

Wang et al. 2022, and their code. ROUGE-L follows the order of the words; a threshold for it is none for the overlap
of word sets. Turn `measure` to "word sets": a sentence turned round counts as a copy.
Wang 等 2022 及其代码。ROUGE-L 看词的次序，它的阈值不能用于词集合的重叠。把 `measure` 改为 "word sets"：把句子倒过来也算抄写。
"""

from itertools import combinations

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show


@exercise(claims=("matches_the_longest_common_subsequence",), wrong=("counts_common_words", "wants_a_common_run", "divides_by_the_first"))
def rouge_l(a: list[str], b: list[str]) -> float:
    """ROUGE-L F: 2 · L / (len(a) + len(b)), with L the length of the longest common subsequence of the words of a and b (in order,
    not necessarily adjacent).

    ROUGE-L 的 F 值：2 · L / (len(a) + len(b))，L 为 a 与 b 的词的最长公共子序列长度（次序相同，不必相邻）。"""
    best = [0] * (len(b) + 1)                                            # of the words of a so far, and the first j of b
    for word in a:
        left_above = 0
        for j, other in enumerate(b, 1):
            left_above, best[j] = best[j], left_above + 1 if word == other else max(best[j], best[j - 1])
    return 2 * best[-1] / (len(a) + len(b))


def jaccard(a: list[str], b: list[str]) -> float:
    """Overlap of the sets of words."""
    return len({*a} & {*b}) / len({*a} | {*b})


def kept(prompts: list[str], threshold: float = 0.7) -> list[str]:
    """The prompts that pass, in order: each is compared with all that were kept before it."""
    pool: list[str] = []
    for prompt in prompts:
        if all(rouge_l(prompt.lower().split(), old.lower().split()) <= threshold for old in pool):
            pool.append(prompt)
    return pool


MEANINGS = [("Summarize the following article in three sentences", "Give me the gist of this news story briefly"),
            ("Translate the sentence into French", "How would a Parisian say this"),
            ("Find the bug in this function", "Why does my code give a wrong result"),
            ("Write a poem about the sea", "Compose some verses on the ocean")]
COPIES = ["Summarize the following article in two sentences", "Translate the sentence into German", "Find the bug in that function",
          "Write a poem about the sky"]
RANGES = {
    "measure": one_of("ROUGE-L", "word sets"), "length": between(3, 8), "pairs": between(20, 60), "words": between(2, 5),
    "candidates": one_of("copies", "other wordings"), "second": one_of("reversed", "the same"),
}


@breaks(measure="word sets", en="Sets of words know no order and count no word twice.", zh="词的集合没有次序，也不计重复。")
def claim_matches_the_longest_common_subsequence(length=7, words=4, pairs=40, measure="ROUGE-L"):
    """ROUGE-L is twice the longest common subsequence over the summed lengths, as a search through all subsequences finds it.

    ROUGE-L 等于最长公共子序列长度的两倍除以两句总长；与穷举所有子序列的结果一致。"""
    gaps = []
    for _ in range(pairs):
        a, b = (["abcde"[i] for i in torch.randint(words, (int(n),)).tolist()] for n in torch.randint(2, length + 1, (2,)))
        every = [{c for n in range(len(s) + 1) for c in combinations(s, n)} for s in (a, b)]
        longest = max(len(s) for s in every[0] & every[1])
        gaps.append((rouge_l if measure == "ROUGE-L" else jaccard)(a, b) - 2 * longest / (len(a) + len(b)))
    show(bars(["largest gap"], {"to the search": [max(map(abs, gaps))]}))
    expect("score less that of the search", gaps, equals=0, within=1e-12)


@breaks(second="the same", en="The same order is a copy by both measures.", zh="次序相同，两种度量下都是抄写。")
def claim_the_threshold_does_not_carry_over(length=8, second="reversed"):
    """The words of a prompt in reverse order have the same set, Jaccard 1, and a ROUGE-L of 1/length: 0.7 for one is not 0.7 for the
    other.

    把提示的词倒过来，词集合相同，Jaccard 为 1，ROUGE-L 却只有 1/长度：两种度量的 0.7 不是一回事。"""
    a = [f"w{i}" for i in range(length)]
    b = a[::-1] if second == "reversed" else a
    show(bars(["ROUGE-L", "Jaccard of word sets"], {"similarity": [rouge_l(a, b), jaccard(a, b)]}))
    expect("Jaccard", jaccard(a, b), equals=1, within=1e-12)
    expect("ROUGE-L", rouge_l(a, b), equals=1 / length, within=1e-12)


@breaks(candidates="copies", en="With one word exchanged a prompt is over the threshold, and dropped.",
        zh="只换一个词的提示超过阈值，被丢掉。")
def claim_other_wordings_pass(candidates="other wordings"):
    """On four example prompts the filter drops each copy with one word exchanged, and keeps each other wording of the same request.

    在四条示例提示上，只换一个词的抄写全被过滤掉，而同一请求换一种说法都被留下。"""
    firsts, wordings = map(list, zip(*MEANINGS, strict=True))
    added = wordings if candidates == "other wordings" else COPIES
    scores = [[rouge_l(a.lower().split(), b.lower().split()) for a, b in zip(firsts, other, strict=True)] for other in (wordings, COPIES)]
    show(bars([f"request {i + 1}" for i in range(len(firsts))], {"other wording": scores[0], "one word exchanged": scores[1]},
              y_label="ROUGE-L"))
    expect("candidates that pass", len(kept(firsts + added)) - len(firsts), equals=len(added))
    expect("copies that pass", len(kept(firsts + COPIES)) - len(firsts), equals=0)


def drill_rouge(rng) -> Drill:
    """ROUGE-L of two short prompts."""
    a, b = rng.choice([
        ("write a poem about the sea", "write a short poem about the sea"), ("find the bug in this code", "fix the bug in my code"),
        ("translate this text into French", "translate this text"), ("list five facts about cats", "list three facts about dogs")])
    value = rouge_l(a.split(), b.split())
    common = round(value * (len(a.split()) + len(b.split())) / 2)
    return Drill(
        en=f"ROUGE-L F of “{a}” and “{b}”, by words?",
        zh=f"按词计算「{a}」与「{b}」的 ROUGE-L F 值？",
        answer=value, within=0.01,
        steps=[(f"longest common subsequence: {common} words", f"最长公共子序列：{common} 个词"),
               (f"2 · {common} / ({len(a.split())} + {len(b.split())}) = {value:.3f}; kept if at most 0.7",
                f"2 · {common} / ({len(a.split())} + {len(b.split())}) = {value:.3f}；不超过 0.7 则保留")],
        proved_by="matches_the_longest_common_subsequence")


ZH = {
    "largest gap": "最大差", "to the search": "与穷举相比", "score less that of the search": "得分减穷举所得", "ROUGE-L": "ROUGE-L",
    "Jaccard of word sets": "词集合的 Jaccard", "similarity": "相似度", "Jaccard": "Jaccard", "request {}": "请求 {}",
    "other wording": "换一种说法", "one word exchanged": "只换一个词",
    "candidates that pass": "通过的候选", "copies that pass": "通过的抄写",
}

if __name__ == "__main__":
    main()
