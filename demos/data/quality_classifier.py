r"""A quality classifier learns whatever separates its two training sets; if that is the topic, it filters by topic.

质量分类器学到的，是两个训练集之间的任何差别；如果差别是主题，它筛的就是主题。

A toy: bags of words with a topic and a quality, logistic regression of reference texts against the crawl (the
rule of GPT-3, Brown et al. 2020, App. A). Turn `taught_by` to "both topics": the same classifier filters quality.
玩具实验：文档是词袋，有主题、有质量；用逻辑回归区分参考文本与网页（GPT-3 的做法）。把 `taught_by` 改为 "both topics"：
同一个分类器就按质量筛选了。
"""

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

KINDS = ("good, topic A", "bad, topic A", "good, topic B", "bad, topic B")
IN_CRAWL = (0.05, 0.10, 0.25, 0.60)
A, B, GOOD, BAD, WORDS = slice(0, 20), slice(20, 40), slice(40, 50), slice(50, 60), 60


@exercise(claims=("a_pareto_threshold_keeps_some_low_scores",), wrong=("forgets_the_shift", "keeps_the_rest"))
def kept_by_pareto(scores: Tensor, alpha: float, uniform: Tensor) -> Tensor:
    """GPT-3's rule: keep a document if a draw of numpy's pareto(alpha), P(draw > x) = (1 + x)^−alpha for x ≥ 0, exceeds
    1 − score. Scores and the uniform numbers in (0, 1) to draw with: (documents,); the result: booleans.

    GPT-3 的规则：numpy 的 pareto(alpha) 抽样大于 1 − score 就保留，其中 x ≥ 0 时 P(抽样 > x) = (1 + x)^−alpha。
    scores 与用于抽样的 (0, 1) 均匀数：(documents,)；结果为布尔值。"""
    draw = uniform ** (-1 / alpha) - 1                            # inverse of the tail probability
    return draw > 1 - scores


@exercise(claims=("a_one_topic_reference_selects_the_topic",), wrong=("forgets_ties", "ranks_the_negatives"))
def auc(positive: Tensor, negative: Tensor) -> Tensor:
    """The probability that a positive scores above a negative, a tie counting one half, without comparing all pairs:
    sort once. Scores (positives,) and (negatives,); a scalar.

    正例得分高于负例的概率，平局算一半；不逐对比较，只排序一次。得分 (positives,) 与 (negatives,)；返回标量。"""
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive)                 # negatives strictly below each positive
    not_above = torch.searchsorted(ordered, positive, right=True)
    return (below + not_above).double().mean() / (2 * len(ordered))


def documents(kind: int, count: int, length: int = 60) -> Tensor:
    """Word frequencies (count, WORDS) of documents of one kind: half of the words are of the topic, a third tell quality."""
    p = torch.full((WORDS,), 0.2 / WORDS)
    p[A if kind < 2 else B] += 0.45 / 20
    p[GOOD] += (0.35 * (0.7 if kind % 2 == 0 else 0.3)) / 10
    p[BAD] += (0.35 * (0.3 if kind % 2 == 0 else 0.7)) / 10
    words = torch.multinomial(p, count * length, replacement=True).view(count, length)
    return F.one_hot(words, WORDS).float().mean(1)


def crawl(count: int) -> tuple[Tensor, Tensor]:
    """Documents of the four kinds in the shares of the crawl, (count, WORDS), and the kind of each, (count,)."""
    counts = [round(count * share) for share in IN_CRAWL]
    return torch.cat([documents(k, n) for k, n in enumerate(counts)]), torch.arange(4).repeat_interleave(torch.tensor(counts))


def classifier(positive: Tensor, negative: Tensor) -> Tensor:
    """Logistic regression of positives against negatives; the weights (WORDS + 1,), the last one the bias."""
    x, y = torch.cat([positive, negative]), torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))])
    weight = torch.where(y > 0, 1 / len(positive), 1 / len(negative))      # both classes weigh the same
    w = torch.zeros(WORDS + 1, requires_grad=True)
    adam = Adam([w], 0.5)
    for _ in range(60):
        adam.step(F.binary_cross_entropy_with_logits(x @ w[:-1] + w[-1], y, weight, reduction="sum") + 1e-4 * w.square().sum())
    return w.detach()


def filtered(taught_by: str, share: float, count: int) -> tuple[list[float], Tensor, Tensor]:
    """What share of each kind is among the best `share` of a fresh crawl; scores of held-out references and of the crawl."""
    def references(each_kind: int) -> Tensor:
        return torch.cat([documents(k, each_kind) for k in ((0,) if taught_by == "one topic" else (0, 2))])

    x, kind = crawl(count)
    if taught_by == "labelled crawl":
        label = (kind % 2 == 0) ^ (torch.rand(count) < 0.1)       # a judge that is wrong one time in ten
        w = classifier(x[label], x[~label])
    else:
        w = classifier(references(count // 5), x)
    fresh, kind = crawl(count)
    scores = fresh @ w[:-1] + w[-1]
    kept = scores >= scores.topk(round(share * count)).values[-1]
    return [kept[kind == k].double().mean().item() for k in range(4)], references(count // 5) @ w[:-1] + w[-1], scores


RANGES = {
    "taught_by": one_of("one topic", "both topics", "labelled crawl"),
    "share": between(0.08, 0.12),
    "count": between(2000, 4000, multiple_of=100),
    "alpha": between(4.0, 12.0),
    "scores": each(between(0.0, 1.0), at_least=2, rising=True),
    "rule": one_of("pareto", "hard threshold"),
}


@breaks(taught_by="both topics", en="With references of both topics the topic no longer separates the two sets.",
        zh="参考文本两个主题都有时，主题就不再是两个集合的差别。")
def claim_a_one_topic_reference_selects_the_topic(taught_by="one topic", share=0.1, count=2000):
    """References of one topic give a held-out AUC above 0.93, yet the best tenth of the crawl keeps over a quarter of the bad
    documents of that topic and under 5% of the good ones of the
    other.

    参考文本只有一个主题时，留出的 AUC 超过 0.93；但网页的前十分之一里，保留了该主题四分之一以上的劣质文档，另一主题的优质文档却不到 5%。"""
    kept, references, scores = filtered(taught_by, share, count)
    show(bars(KINDS, {"kept": kept}, y_label="share kept"))
    coarse = [(10 * s).round() for s in (references[:200], scores[:: count // 200])]        # rounded, so that there are ties
    by_pairs = (coarse[0][:, None] > coarse[1]).double() + 0.5 * (coarse[0][:, None] == coarse[1]).double()
    expect("AUC by sorting less all pairs", auc(*coarse) - by_pairs.mean(), equals=0, within=1e-12)
    expect("AUC, references against crawl", auc(references, scores), at_least=0.93)
    expect("bad documents of topic A kept", kept[1], at_least=0.25)
    expect("good documents of topic B kept", kept[2], at_most=0.05)


@breaks(taught_by="one topic", en="References of one topic teach the topic.", zh="只有一个主题的参考文本教会的是主题。")
def claim_labels_within_the_crawl_select_quality(taught_by="labelled crawl", share=0.1, count=2000):
    """Labels of crawl documents, one in ten of them wrong, teach quality: the best tenth keeps under 5% of the bad documents
    of either topic.

    给网页文档本身打标签（十个错一个），学到的就是质量：前十分之一里，两个主题的劣质文档都不到 5%。"""
    kept, _, _ = filtered(taught_by, share, count)
    show(bars(KINDS, {"kept": kept}, y_label="share kept"))
    expect("bad documents kept", [kept[1], kept[3]], at_most=0.05, at=("kind", [KINDS[1], KINDS[3]]))
    expect("good documents of topic B kept", kept[2], at_least=0.15)


@breaks(rule="hard threshold", en="A hard threshold at one half keeps all above it and nothing below.",
        zh="以 0.5 为硬阈值：其上全留，其下全删。")
def claim_a_pareto_threshold_keeps_some_low_scores(alpha=9.0, scores=(0.1, 0.5, 0.9, 1.0), rule="pareto"):
    """GPT-3's noisy threshold keeps a document of score s with probability (2 − s)^−α: for α = 9 all at score 1, 42% at 0.9,
    2.6% at 0.5.

    GPT-3 的带噪阈值以 (2 − s)^−α 的概率保留得分 s 的文档：α = 9 时，1 分全留，0.9 分留 42%，0.5 分留 2.6%。"""
    trials = 20_000
    sampled = torch.from_numpy(numpy.random.default_rng(0).pareto(alpha, trials))
    kept, again = [], []
    for s in scores:
        ours = kept_by_pareto(torch.full((trials,), s), alpha, torch.rand(trials).clamp(1e-7))
        kept.append((ours if rule == "pareto" else torch.tensor([s >= 0.5])).double().mean())
        again.append((sampled > 1 - s).double().mean())
    formula = [(2 - s) ** -alpha for s in scores]
    show(lines("score", scores, {"kept": kept, "(2 − s)^−α": formula}))
    room = [4 * (p * (1 - p) / trials) ** 0.5 + 1e-4 for p in formula]           # four standard errors of a share
    expect("share kept", kept, equals=formula, within=room, at=("score", scores))
    expect("share kept with numpy's pareto", again, equals=formula, within=room, at=("score", scores))


def drill_pareto(rng) -> Drill:
    """The probability that GPT-3's rule keeps a document."""
    alpha, s = rng.choice([(9, 0.9), (9, 0.5), (2, 0.5), (2, 0.0), (4, 0.5), (9, 0.0), (3, 0.8)])
    p = (2 - s) ** -alpha
    return Drill(
        en=f"A filter keeps a document of score s if numpy’s pareto({alpha}) exceeds 1 − s, and P(pareto > x) = (1 + x)^−{alpha}. "
           f"How likely is a document of score {s:g} kept?",
        zh=f"过滤器在 numpy 的 pareto({alpha}) 大于 1 − s 时保留得分 s 的文档，其中 P(pareto > x) = (1 + x)^−{alpha}。"
           f"得分 {s:g} 的文档被保留的概率是多少？",
        answer=p, within=max(0.0005, 0.02 * p),
        steps=[(f"1 + (1 − {s:g}) = {2 - s:g}", f"1 + (1 − {s:g}) = {2 - s:g}"),
               (f"{2 - s:g}^−{alpha} = {p:.4f}", f"{2 - s:g}^−{alpha} = {p:.4f}")],
        proved_by="a_pareto_threshold_keeps_some_low_scores",
    )


ZH = {
    "good, topic A": "优质，主题 A", "bad, topic A": "劣质，主题 A", "good, topic B": "优质，主题 B", "bad, topic B": "劣质，主题 B",
    "kept": "保留", "share kept": "保留比例", "AUC by sorting less all pairs": "排序得到的 AUC 减去逐对比较",
    "AUC, references against crawl": "AUC：参考文本对网页", "bad documents of topic A kept": "主题 A 劣质文档的保留比例",
    "good documents of topic B kept": "主题 B 优质文档的保留比例", "bad documents kept": "劣质文档的保留比例", "kind": "类别",
    "score": "得分", "share kept with numpy's pareto": "用 numpy 的 pareto 抽样的保留比例",
}

if __name__ == "__main__":
    main()
