r"""Skip-gram with negative sampling learns a table of counts: at its optimum w·c = PMI(w, c) − ln k.

带负采样的 skip-gram 学的其实是一张计数表：最优时 w·c = PMI(w, c) − ln k。

Levy & Goldberg 2014. Turn `power` to 0.75, word2vec's own noise: every context is shifted by
ln(P(c) / noise(c)). Turn `width` to 2: the table no longer fits.
把 `power` 改为 0.75（word2vec 自己的噪声）：每个上下文词整体偏移 ln(P(c) / noise(c))。把 `width` 改为 2：表就装不下了。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, heatmap, lines, main, one_of, show

TEXT = "the cat drinks milk the dog drinks water the cat chases the dog the dog chases the cat"


def noise(contexts: Tensor, power: float) -> Tensor:
    """What negatives are drawn from: context counts (contexts,) to a power, summing to 1."""
    return contexts**power / (contexts**power).sum()


@exercise(claims=("a_walk_through_the_text_gives_the_same_loss", "the_optimum_is_pmi_less_log_k"),
          wrong=("one_negative", "uniform_noise", "raises_the_negatives"))
def loss(dots: Tensor, counts: Tensor, k: int, power: float) -> Tensor:
    """Expected loss per pair, in nats: −ln σ(w·c) for each pair seen, −ln σ(−w·c) for each of k
    negatives c drawn from noise(). dots w·c and counts n(w, c) are (words, contexts).

    每个词对的期望损失（纳特）：看到的词对贡献 −ln σ(w·c)，从 noise() 抽的 k 个负样本 c 各贡献 −ln σ(−w·c)。
    dots 即 w·c，counts 即 n(w, c)，形状都是 (words, contexts)。"""
    drawn = k * counts.sum(1, keepdim=True) * noise(counts.sum(0), power)     # (words, contexts)
    return -(counts * F.logsigmoid(dots) + drawn * F.logsigmoid(-dots)).sum() / counts.sum()


def shifted_pmi(counts: Tensor, k: int) -> Tensor:
    """PMI − ln k, where PMI(w, c) = ln n(w, c) · N / (n(w) · n(c)): (words, contexts)."""
    expected = counts.sum(1, keepdim=True) * counts.sum(0) / counts.sum()
    return (counts / expected).log() - math.log(k)


def fit(counts: Tensor, width: int, k: int, power: float) -> tuple[Tensor, Tensor]:
    """Vectors of the words and of the contexts, (words, width) each, that minimise the loss: Newton's steps on the table of dot
    products, after each of which the table is cut to rank `width` by its SVD."""
    dots = torch.zeros_like(counts)
    for _ in range(12):
        dots = dots.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(dots, counts, k, power), dots, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), dots)                 # no cell bends another: the diagonal is all
        u, s, v = torch.linalg.svd((dots - slope / bend).detach(), full_matrices=False)
        left, right = u[:, :width] * s[:width].sqrt(), v[:width].T * s[:width].sqrt()
        dots = left @ right.T
    return left, right


def random_counts(words: int) -> Tensor:
    """A table in which every pair occurs, and some words far more often than others."""
    often = torch.arange(1, words + 1).double() ** 1.5
    return (often[:, None] * often * (0.3 + 1.7 * torch.rand(words, words).double())).round() + 5


RANGES = {
    "k": between(1, 15), "words": between(4, 8), "width": one_of(2, 8), "power": one_of(0.75, 1.0),
    "window": between(1, 4), "drawn_from": one_of("noise", "all alike"), "contexts": one_of("shared", "different"),
}  # fmt: skip
WORD2VEC = breaks(power=0.75, en="With noise to the power 0.75 each context is off by ln(P(c) / noise(c)).",
                  zh="噪声取 0.75 次方时，每个上下文词都偏了 ln(P(c) / noise(c))。")


@WORD2VEC
@breaks(width=2, en="Vectors of width 2 give a table of rank 2, and PMI has more.", zh="宽 2 的向量只能给出秩 2 的表，PMI 表的秩更高。")
def claim_the_optimum_is_pmi_less_log_k(words=6, width=8, k=5, power=1.0):
    """With vectors wide enough and k negatives drawn as often as they occur, the loss is least where
    w·c = PMI(w, c) − ln k for every pair.

    向量足够宽、负样本按出现频率抽取时，损失在每一对都满足 w·c = PMI(w, c) − ln k 处最小。"""
    counts = random_counts(words)
    left, right = fit(counts, width, k, power)
    learnt, wanted = left @ right.T, shifted_pmi(counts, k)
    show(heatmap(learnt - wanted, x_label="context", y_label="word", title="w·c − (PMI − ln k)"))
    expect("w·c less PMI − ln k", learnt - wanted, equals=0, within=1e-6)   # Newton's last step is below 1e-9


@breaks(power=1.0, en="Drawn as often as they occur, no context is shifted.", zh="按出现频率抽取时，没有任何偏移。")
def claim_the_power_lowers_rare_contexts(words=6, k=5, power=0.75):
    """Noise to the power 0.75 draws rare contexts more often, so their optimal dot products fall
    below PMI − ln k, and those of frequent contexts rise.

    噪声取 0.75 次方，罕见词被抽得更多，最优点积就低于 PMI − ln k；常见词的则更高。"""
    counts = random_counts(words)
    seen = counts.sum(0) / counts.sum()
    left, right = fit(counts, 8, k, power)
    off = (left @ right.T - shifted_pmi(counts, k)).mean(0)                          # (contexts,)
    order = seen.argsort()
    show(lines("share of the context", seen[order], {"w·c − (PMI − ln k)": off[order]}, log="x"))
    expect("shift of a context, less ln(P / noise)", off - (seen / noise(counts.sum(0), power)).log(), equals=0, within=1e-6)
    expect("shift of the most frequent over the rarest", off[order[-1]] - off[order[0]], at_least=0.25)


@breaks(drawn_from="all alike", en="Drawn from all words alike, frequent words are pushed away too seldom.",
        zh="若所有词等概率抽取，常见词被推开的次数就不够。")
def claim_a_walk_through_the_text_gives_the_same_loss(window=2, k=5, power=0.75, drawn_from="noise"):
    """Walking through a text, pair by pair, with every negative weighted by its probability, costs
    what the table of counts says: the order of words is not seen.

    逐词走过一段文本、每个负样本按其概率加权，得到的损失与计数表给出的一样：词序不起作用。"""
    text = TEXT.split()
    names = sorted(set(text))
    dots = torch.randn(len(names), len(names), dtype=torch.float64)
    pairs = [(names.index(text[i]), names.index(text[j])) for i in range(len(text))
             for j in range(max(0, i - window), min(len(text), i + window + 1)) if j != i]
    often = [sum(c == name for _, c in pairs) for name in range(len(names))]
    weight = [n**power if drawn_from == "noise" else 1.0 for n in often]
    total = 0.0
    for w, c in pairs:
        total += math.log1p(math.exp(-dots[w, c]))
        for other, share in enumerate(weight):                                # all negatives there are
            total += k * share / sum(weight) * math.log1p(math.exp(dots[w, other]))
    counts = torch.zeros_like(dots)
    for w, c in pairs:
        counts[w, c] += 1
    show(heatmap(counts, x_label="context", y_label="word", title="pairs"))
    expect("loss per pair, by the table less by the walk", loss(dots, counts, k, power) - total / len(pairs), equals=0, within=1e-12)


@breaks(contexts="different", en="Words with contexts of their own get vectors of their own.", zh="上下文不同，向量也就不同。")
def claim_words_used_alike_get_the_same_vector(words=6, k=5, contexts="shared"):
    """A word that is a quarter as frequent but stands in the same contexts gets the very same vector;
    their one-hot vectors have cosine 0.

    频率只有四分之一、但上下文相同的词，得到完全相同的向量；而两者的 one-hot 向量余弦为 0。"""
    counts = 4 * random_counts(words)
    counts[0] = counts[-1] / 4 if contexts == "shared" else counts[0].flip(0)
    vectors, _ = fit(counts, 8, k, 1.0)
    alike = F.cosine_similarity(vectors, vectors[-1:], dim=1)
    show(bars([f"word {i}" for i in range(1, words + 1)], {"cosine with the last word": alike}))
    expect("cosine of the two", alike[0], equals=1, within=1e-6)
    expect("vectors of the two, their difference", vectors[0] - vectors[-1], equals=0, within=1e-4)


def drill_optimal_dot(rng) -> Drill:
    """PMI − ln k from four counts."""
    pair, word, context, total, k = rng.choice([(20, 100, 200, 10_000, 5), (40, 100, 100, 1000, 4), (5, 50, 100, 10_000, 2),
                                                (30, 300, 100, 10_000, 5), (100, 1000, 1000, 20_000, 1)])
    counts = torch.tensor([[pair, word - pair], [context - pair, total - word - context + pair]]).double()
    value = shifted_pmi(counts, k)[0, 0].item()
    ratio = pair * total / word / context
    return Drill(
        en=f"A pair (w, c) occurs {pair} times among {total:,} pairs, w in {word} of them, c in {context}. Skip-gram draws k = {k} "
           "negatives as often as they occur, with vectors wide enough. What does w·c become at the optimum?",
        zh=f"{total:,} 个词对里，(w, c) 出现 {pair} 次，含 w 的有 {word} 个，含 c 的有 {context} 个。skip-gram 按出现频率抽 "
           f"k = {k} 个负样本，向量足够宽。最优时 w·c 是多少？",
        answer=value, within=0.01,
        steps=[(f"expected by chance: {word} · {context} / {total:,} = {word * context / total:g}; seen: {pair}; ratio {ratio:g}",
                f"按独立应出现 {word} · {context} / {total:,} = {word * context / total:g} 次，实际 {pair} 次，比值 {ratio:g}"),
               (f"PMI − ln k = ln {ratio:g} − ln {k} = ln {ratio / k:g} = {value:.3f}",
                f"PMI − ln k = ln {ratio:g} − ln {k} = ln {ratio / k:g} = {value:.3f}")],
        proved_by="the_optimum_is_pmi_less_log_k",
    )


def drill_noise(rng) -> Drill:
    """The share of a rare word among the negatives."""
    rare, often = rng.choice([(1, 16), (16, 81), (1, 81), (16, 256), (1, 256)])
    share = noise(torch.tensor([rare, often]).double(), 0.75)[0].item()
    a, b = round(rare**0.75), round(often**0.75)
    return Drill(
        en=f"Of two words one occurs {rare} times, the other {often}. Negatives are drawn with counts to the power 0.75. "
           "What share of them is the rare word?",
        zh=f"两个词，一个出现 {rare} 次，另一个 {often} 次。负样本按次数的 0.75 次方抽取。罕见词占多大比例？",
        answer=share, within=0.002,
        steps=[(f"{rare}^0.75 = {a}, {often}^0.75 = {b}", f"{rare}^0.75 = {a}，{often}^0.75 = {b}"),
               (f"{a} / {a + b} = {share:.3f}, where it occurs {rare / (rare + often):.3f} of the time",
                f"{a} / {a + b} = {share:.3f}，而它只占出现次数的 {rare / (rare + often):.3f}")],
        proved_by="the_power_lowers_rare_contexts",
    )


ZH = {
    "context": "上下文词",
    "word": "词",
    "word {}": "词 {}",
    "w·c − (PMI − ln k)": "w·c − (PMI − ln k)",
    "w·c less PMI − ln k": "w·c 减去 PMI − ln k",
    "share of the context": "上下文词所占比例",
    "shift of a context, less ln(P / noise)": "上下文词的偏移减去 ln(P / noise)",
    "shift of the most frequent over the rarest": "最常见词与最罕见词的偏移之差",
    "pairs": "词对数",
    "loss per pair, by the table less by the walk": "每词对损失：按表计算减去逐词计算",
    "cosine with the last word": "与最后一词的余弦",
    "cosine of the two": "两词的余弦",
    "vectors of the two, their difference": "两词向量之差",
}

if __name__ == "__main__":
    main()
